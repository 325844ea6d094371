"""Writing to logs, whose handlers are user code and may raise.

Theory: `logging` calls whatever handlers a program has installed, on the thread that ticks. Those
of the standard library report their own failures; others raise, and what they raise would leave the
tick in the middle of something. A line that cannot be logged is no reason to serve nobody.

Rules: nothing is raised but what is meant to end the program. A failure is reported on standard
error once for each place that it comes from. It does not know what is logged.
"""

import logging
import sys
from typing import Any

from .tracebacks import EXIT_EXCEPTIONS, format_traceback

_REPORTED: set[tuple[str, int]] = set()
"""Where the failures came from that were reported: file and line."""
REPORTED_MAX = 100
"""No more places than these are remembered and reported."""


def write_log(logger: logging.Logger, level: int, text: str, *values: Any, **options: Any) -> None:
    """Log `text % values` with the options of `Logger.log`; one that cannot be logged is lost."""
    try:
        logger.log(level, text, *values, **options)
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
