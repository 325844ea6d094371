"""The command's logging configuration.

Theory: a library that configures logging takes a decision that belongs to the program around it, so
sigil only ever writes to three loggers: `sigil.server` (what the server does), `sigil.access` (one
INFO record for each request) and `sigil.error` (failures, with tracebacks). The command is such a
program, and this is its decision.

Rules: everything goes to stderr, the access log too: stdout carries what the command was asked to
print (the `listening on` line first) and can be piped. Only the logger `sigil` is configured; those
of the application are its own.

It does not know what is logged. `--no-access-log` works by level: the server asks the logger once,
when it starts to listen, and then does no work for records that nobody wants.
"""

import logging

LINE_FORMAT = "%(asctime)s %(levelname)-8s %(name)s: %(message)s"
LINE_FORMAT_OF_MANY = "%(asctime)s %(levelname)-8s [%(process)d] %(name)s: %(message)s"
"""Where several processes write: each line says which."""


def levels_of(log_level: str, access_log: bool) -> dict[str, int]:
    """The level of each logger that is configured; `log_level` is one of `settings.LOG_LEVELS`."""
    level = logging.getLevelNamesMapping()[log_level.upper()]
    # Above INFO is off, for an access log; a stricter --log-level stays as strict as it is.
    return {"sigil": level, "sigil.access": level if access_log else max(logging.WARNING, level)}


def set_up_logging(log_level: str, access_log: bool, *, shows_pid: bool = False) -> None:
    """Write the three loggers' records of at least `log_level` to stderr."""
    # not by `logging.config`, which takes as long to import as `logging` does
    for name, level in levels_of(log_level, access_log).items():
        logging.getLogger(name).setLevel(level)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(LINE_FORMAT_OF_MANY if shows_pid else LINE_FORMAT))
    logger = logging.getLogger("sigil")
    logger.handlers, logger.propagate = [handler], False
