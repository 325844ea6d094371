"""Writing to logs, whose handlers are user code and may raise.

Theory: `logging` calls whatever handlers a program has installed, on the thread that ticks. Those
of the standard library report their own failures; others raise, and what they raise would leave the
tick in the middle of something. A line that cannot be logged is no reason to serve nobody.

Rules: nothing is raised but what is meant to end the program. A failure is reported on standard
error once for each place that it comes from. It does not know what is logged.
"""

import logging
import re
import sys
from collections.abc import Callable
from typing import Any

from ...core.effects import ERROR_LOG, AccessLog
from .tracebacks import EXIT_EXCEPTIONS, ErrorText, error_text, format_traceback

_ERRORS = logging.getLogger(ERROR_LOG)

_REPORTED: set[tuple[str, int]] = set()
"""Where the failures came from that were reported: file and line."""
REPORTED_MAX = 100
"""No more places than these are remembered and reported."""


_TO_ESCAPE = re.compile(r"[^ !#-\[\]-~]")
"""What may not stand in a quoted part of a line: quotes, backslashes, whatever is not printable."""


_ACCESS_LINE = '%s "%s %s HTTP/1.%d" %d %s %.6f'


def write_access(logger: logging.Logger, effect: AccessLog, seconds: float) -> None:
    """Log a response that took so long. The record has the parts of the line as attributes:
    `peer`, `method`, `target`, `version`, `status`, `length` (None for a stream) and `seconds`.

    Nobody looks for the caller, which is always this function, and the parts are joined only for a
    handler that writes them.
    """
    try:
        if not logger.isEnabledFor(logging.INFO):
            return
        peer, method, target = str(effect.peer), effect.method, effect.target
        version, status, length = effect.version, effect.status, effect.length
        shown = _TO_ESCAPE.sub(_escape, target), version, status, "-" if length < 0 else length
        record = logger.makeRecord(
            logger.name, logging.INFO, __file__, 0, _ACCESS_LINE, (peer, method, *shown, seconds),
            None, "write_access",
        )  # fmt: skip
        record.__dict__.update(
            peer=peer, method=method, target=target, version=version, status=status,
            length=None if length < 0 else length, seconds=seconds,
        )  # fmt: skip
        logger.handle(record)
    except EXIT_EXCEPTIONS:
        raise
    except BaseException as error:
        _report(logger, error)


def _escape(match: re.Match[str]) -> str:
    """The escape of a character in a quoted part of a line, as in JSON or Python."""
    character = match[0]
    if character in '"\\':
        return f"\\{character}"
    return character.encode("unicode_escape").decode()


class _Formatted(str):
    """A text that is true though it may be empty: formatters take it as what they made of an
    `exc_info`, and make nothing.
    """

    def __bool__(self) -> bool:
        return True


_NOTHING_MORE = _Formatted()


def write_log(logger: logging.Logger, level: int, text: str, *values: Any, **options: Any) -> None:
    """Log `text % values` with the options of `Logger.log`; one that cannot be logged is lost."""
    _attempt(logger, lambda: logger.log(level, text, *values, **options))


def write_text(logger: logging.Logger, level: int, text: str) -> None:
    """Log a text. The record of an `ErrorText` has the exception as its `exc_info`, for whoever
    collects exceptions.
    """
    if isinstance(text, ErrorText):
        _attempt(logger, lambda: _log_exception(logger, level, text))
    else:
        write_log(logger, level, "%s", text)


def call_logged(function: Callable[[], object], what: str) -> None:
    """Call a function of the program; `what` has happened, and is logged, if it raises."""
    try:
        function()
    except EXIT_EXCEPTIONS:
        raise
    except BaseException as error:
        write_text(_ERRORS, logging.ERROR, error_text(what, error))


def _log_exception(logger: logging.Logger, level: int, text: ErrorText) -> None:
    """Log an `ErrorText`, whose message has the traceback: it is not formatted again."""
    if not logger.isEnabledFor(level):
        return
    error = text.error
    exc_info = type(error), error, error.__traceback__
    record = logger.makeRecord(logger.name, level, __file__, 0, "%s", (text,), exc_info)
    record.exc_text = _NOTHING_MORE
    logger.handle(record)


def _attempt(logger: logging.Logger, log: Callable[[], object]) -> None:
    """Call what logs; a line that cannot be logged is lost."""
    try:
        log()
    except EXIT_EXCEPTIONS:
        raise
    except BaseException as error:
        _report(logger, error)


def _report(logger: logging.Logger, error: BaseException) -> None:
    """Say on standard error that a line could not be logged, unless that was said of this place."""
    place = _origin(error)
    if place in _REPORTED or len(_REPORTED) >= REPORTED_MAX:
        return
    _REPORTED.add(place)
    try:
        sys.stderr.write(
            f"sigil: a handler of the log {logger.name} raised, and its line is lost; "
            f"this is said once\n{format_traceback(error)}"
        )
    except EXIT_EXCEPTIONS:
        raise
    except BaseException:  # there is nowhere to say it
        return


def _origin(error: BaseException) -> tuple[str, int]:
    """The file and line that raised an exception."""
    trace, place = error.__traceback__, ("", 0)
    while trace is not None:
        place = trace.tb_frame.f_code.co_filename, trace.tb_lineno
        trace = trace.tb_next
    return place
