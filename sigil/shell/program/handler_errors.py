"""What becomes of a handler that fails: the event of it, with what the client and the log get.

Theory: a handler fails in three ways: it raises, it returns what is no response, or it raises
`BadInput` on purpose, which is an answer to the client. What is shown to the client is never what
went wrong inside.

Rules: the real type of what was raised decides, whatever its class pretends; nothing that an object
of the program does when it is looked at leaves but what is meant to end the program. It does not
know who called the handler.
"""

from typing import Any, NamedTuple

from ...core.conn import Ticket
from ...core.events import HandlerFailed
from ...core.http.decoding import BadInput
from ...core.http.request import Request
from .tracebacks import EXIT_EXCEPTIONS, error_text, safe_str


class HandlerError(NamedTuple):
    """What becomes of a handler's exception: status and sentence for the client, traceback for the
    log.
    """

    status: int
    message: str
    traceback: str


def handler_error(request: Request, error: BaseException) -> HandlerError:
    """The error of an exception: bad input is shown to the client, anything else only logged."""
    if issubclass(type(error), BadInput):
        status = _status_of(error)
        if status is not None:
            return HandlerError(status, safe_str(error), "")
    return HandlerError(500, "", error_text(_about(request, "the handler raised"), error))


def _about(request: Request, text: str) -> str:
    """The text for the error log about a request."""
    return f"{request.method} {request.target}: {text}"


def failed(ticket: Ticket, error: HandlerError) -> HandlerFailed:
    """The event of a handler's error."""
    return HandlerFailed(ticket, error.status, error.message, error.traceback)


def internal_error(
    ticket: Ticket, request: Request, text: str, error: BaseException | None = None
) -> HandlerFailed:
    """The event of a request that is answered with 500; the error log says why."""
    what = _about(request, text)
    return HandlerFailed(ticket, 500, "", what if error is None else error_text(what, error))


def _status_of(error: BaseException) -> Any:
    """The status that bad input asks for; None if it cannot be had."""
    try:
        return getattr(error, "status", None)
    except EXIT_EXCEPTIONS:
        raise
    except BaseException:
        return None
