"""Accounts of mistakes: words for exceptions and objects that may resist being told of.

Theory: whoever reports a mistake of user code runs user code once more: an exception's `__str__`,
its notes, a property, the name of a callback. So the telling may fail as well, and must not make
matters worse: then less is told.

Rules: nothing raises here but what is meant to end the program. It does not know who reads the
words.
"""

import traceback
from collections.abc import Callable

from ...core.http.validate import type_name

EXIT_EXCEPTIONS = (KeyboardInterrupt, SystemExit)
"""What user code raises to end the program; everything else it raises is its own trouble."""


def format_traceback(error: BaseException) -> str:
    """The traceback of an exception; if it cannot be described, where it came from and what it is."""
    return (
        _told(lambda: "".join(traceback.format_exception(error)))
        or _told(lambda: _outline(error))
        or _last(error)
    )


def safe_str(error: BaseException) -> str:
    """What an exception says; nothing if it cannot say it."""
    return _told(lambda: str(error))


def safe_name(function: object) -> str:
    """The name of a function, or what stands for it."""
    return (
        _told(lambda: str(getattr(function, "__name__", "")))
        or _told(lambda: repr(function))
        or type_name(function)
    )


def _told(tell: Callable[[], str]) -> str:
    """What is told, or nothing."""
    try:
        return tell()
    except EXIT_EXCEPTIONS:
        raise
    except BaseException:
        return ""


def _outline(error: BaseException) -> str:
    """The lines it came through, without asking the exception itself for anything."""
    return "".join(traceback.format_tb(error.__traceback__)) + _last(error)


def _last(error: BaseException) -> str:
    """Which kind of exception it is."""
    return f"{type_name(error)}, which cannot be described\n"
