"""What the command says, and where: its lines, its complaints, its log.

Theory: a command is for a person, who gets either what was asked for or one sentence that says what
to do about it: `CommandError`, which carries the exit status as well. A traceback is left for what
is wrong inside.

As for the log: a library that configures logging takes a decision that belongs to the program
around it, so sigil only ever writes to three loggers: `sigil.server` (what the server does),
`sigil.access` (one INFO record for each request) and `sigil.error` (what went wrong, with
tracebacks). The command is such a program, and this is its decision.

Rules: everything goes to stderr, the access log too: stdout carries what the command was asked to
print (the `listening on` line first) and can be piped; that nobody reads it is no reason not to
serve. Only the logger `sigil` is touched; those of the application are its own.

It does not know what is logged. `--no-access-log` works by level: the server asks the logger once,
when it starts to listen, and then does no work for records nobody wants.
"""

import logging
import logging.config

LINE_FORMAT = "%(asctime)s %(levelname)-8s %(name)s: %(message)s"


def log_config(log_level: str, access_log: bool) -> dict[str, object]:
    """The whole set-up as a value, for `logging.config.dictConfig`."""
    level = log_level.upper()
    # Above INFO is off, for an access log; a stricter --log-level stays as strict as it is.
    quiet_level = max(logging.WARNING, logging.getLevelNamesMapping()[level])
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": LINE_FORMAT}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stderr",
                "formatter": "line",
            },
        },
        "loggers": {
            "sigil": {"level": level, "handlers": ["stderr"], "propagate": False},
            "sigil.access": {"level": level if access_log else quiet_level},
        },
    }


def set_up_logging(log_level: str, access_log: bool) -> None:
    """Send the three loggers to stderr, from `log_level` up."""
    logging.config.dictConfig(log_config(log_level, access_log))
