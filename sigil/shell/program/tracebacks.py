"""Texts of exceptions and objects that may resist being described.

Theory: whoever reports an error of user code runs user code once more: an exception's `__str__`,
its notes, a property, the name of a callback. So the description may fail as well, and must not
make matters worse: then it says less.

Rules: nothing raises here but what is meant to end the program. A text for a log keeps the
exception that it is about (`ErrorText`), since whoever collects errors wants that one. It does not
know who reads the texts.
"""

import sys
import traceback
from collections.abc import Callable

from ...core.http.validate import type_name


class SecondSignal(KeyboardInterrupt):
    """A second signal to stop has come while user code keeps the server from stopping."""


EXIT_EXCEPTIONS = (KeyboardInterrupt, SystemExit)
"""What user code raises to end the program; everything else it raises is logged."""


class ErrorText(str):
    """What happened, a line end, and the traceback of the exception: a text for the error log.

    It passes through the core as the text that it is, and `logs` finds the exception in it.
    """

    error: BaseException

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)


def error_text(what: str, error: BaseException) -> ErrorText:
    """The text for the error log about an exception: `what` happened when it was raised."""
    text = ErrorText(f"{what}\n{format_traceback(error)}")
    text.error = error
    return text


def format_traceback(error: BaseException) -> str:
    """The traceback of an exception; of one that cannot be described, its lines and its type."""
    return (
        _attempt(lambda: "".join(traceback.format_exception(error)))
        or _attempt(lambda: _outline(error))
        or _last(error)
    )


def is_cancellation(error: object) -> bool:
    """True for what asyncio raises in a task that is cancelled, and what a future of a thread pool
    comes to.
    """
    # whoever has neither has imported neither
    asyncio, pools = sys.modules.get("asyncio"), sys.modules.get("concurrent.futures")
    return any(
        module is not None and isinstance(error, module.CancelledError)
        for module in (asyncio, pools)
    )


def safe_str(error: BaseException) -> str:
    """The message of an exception; empty if it cannot be had."""
    return _attempt(lambda: str(error))


def safe_name(function: object) -> str:
    """The name of a function, or what stands for it."""
    return (
        _attempt(lambda: str(getattr(function, "__name__", "")))
        or _attempt(lambda: repr(function))
        or type_name(function)
    )


def qualified_name(function: object) -> str:
    """The name of a function with its module, or of the class of an object that can be called."""
    if not hasattr(function, "__qualname__"):
        function = type(function)
    module = _attempt(lambda: str(getattr(function, "__module__", "")))
    name = _attempt(lambda: str(getattr(function, "__qualname__", "")))
    return ".".join(filter(None, (module, name))) or safe_name(function)


def _attempt(describe: Callable[[], str]) -> str:
    """The description, or an empty one if it raises."""
    try:
        return describe()
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
