"""Middleware: handlers around handlers, and what becomes of results that pass through them.

Theory: middleware is a function from a handler to a handler. What it does to a request it does
before it calls the handler within; what it does to a response it can only do when there is one, and
a handler may return it at once, promise it, or be a coroutine. So there is one function,
`map_result`, that makes of a result what is to be made of the response in it, now or later.

Rules: None is a 404 here as everywhere, and passes as that response. What a handler raises passes
through `map_result` as what it is, so that middleware may catch it; `answer`, with which all of
`sigil.web` is made, makes the response of it that the server would have sent, and the line for the
error log, so that also a 500 has the headers that a page needs to read it. Whatever else a handler
returns is passed on, for the server to refuse. It does not know what is made of responses.
"""

import logging
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import suppress
from typing import Any, TypeAlias

from ...core.effects import ERROR_LOG
from ...core.http.request import Request
from ...core.http.response import Response
from ...core.http.validate import safe_repr, type_name
from ..program.deferred import Deferred
from ..program.futures import promised
from ..program.handler_errors import handler_error
from ..program.handlers import Handler
from ..program.logs import write_text
from ..program.tracebacks import EXIT_EXCEPTIONS, is_cancellation, safe_name
from .pieces import AskedHandler, asked_around, asked_as, choice_of

_LOG = logging.getLogger(ERROR_LOG)

Middleware: TypeAlias = Callable[[Handler], Handler]
"""A function that makes a handler of a handler, which it calls or does not call."""

ToResponse: TypeAlias = Callable[[Response], Any]
"""What is to be made of a response; it returns what a handler may return."""


# -- joined ----------------------------------------------------------------------------------------


def chain(handler: Handler, *middleware: Middleware) -> Handler:
    """The handler with all of the middleware around it: the first named is the outermost, which
    sees a request first and its response last.

    TypeError, with a sentence, for what is no handler, for what is no middleware, and for
    middleware that makes no handler.
    """
    _check_handler(handler)
    for layer in reversed(middleware):
        if not callable(layer):
            raise TypeError(
                f"middleware is a function from a handler to a handler, not {safe_repr(layer)}"
            )
        made = layer(handler)
        if not callable(made):
            raise TypeError(
                f"the middleware {safe_name(layer)} makes a handler, which is a function of a "
                f"request; it returned {safe_repr(made)}"
            )
        outer = asked_as(made, handler)
        _note_wrapped(outer, handler)
        handler = outer
    return handler


def _note_wrapped(outer: Any, inner: Handler) -> None:
    """Set `__wrapped__` of what has middleware around it, as `functools.wraps` does: so it can be
    found out whether a coroutine function is in it.
    """
    if outer is not inner and not hasattr(outer, "__wrapped__"):
        with suppress(AttributeError):  # a bound method, or what has no room for it
            outer.__wrapped__ = inner


def _check_handler(handler: object) -> None:
    """TypeError for what cannot be called, and for a Response, which is what a handler returns."""
    if not callable(handler):
        raise TypeError(f"a handler is a function of a request, not {type_name(handler)}")


# -- results ---------------------------------------------------------------------------------------


def map_result(
    result: Any, function: ToResponse, failed: Callable[[BaseException], Response] | None = None
) -> Any:
    """What `function` makes of the response in a handler's result: at once if it is there, else a
    `Deferred` or a coroutine of it. None is a 404, as it is for the server.

    A failure that comes later is passed on, or, with `failed`, becomes a response first; what ends
    the program and what cancels a coroutine is always passed on.
    """
    if type(result) is Response:
        return function(result)
    if result is None:
        return function(Response.error(404))
    if isinstance(result, Generator):  # a handler that takes its body in pieces
        return _map_pieces(result, function, failed)
    if isinstance(result, BaseException):  # a handler may return what it might have raised
        return result if failed is None or _passes(result) else function(failed(result))
    result = promised(result)
    if isinstance(result, Deferred | Awaitable):
        return later(result, lambda late: map_result(late, function, failed), failed is not None)
    return result


def later(value: Any, function: Callable[[Any], Any], takes_failures: bool = False) -> Any:
    """What `function` makes of a value: at once, or a `Deferred` or a coroutine of it if the value
    is one. With `takes_failures` it is given what a late value fails with, too.
    """
    value = promised(value)
    if isinstance(value, Deferred):
        return value.map(function, function if takes_failures else None)
    if isinstance(value, Awaitable):
        return MappedAwaitable(value, function, takes_failures)
    return function(value)


def _map_pieces(
    pieces: Generator[Any, Any, Any],
    function: ToResponse,
    failed: Callable[[BaseException], Response] | None,
) -> Generator[Any, Any, Any]:
    """A handler that takes its body in pieces, with what `function` makes of its response."""
    try:
        result = yield from pieces
    except BaseException as error:
        if failed is None or isinstance(error, GeneratorExit) or _passes(error):
            raise
        result = failed(error)
    return map_result(result, function, failed)


def _passes(error: BaseException) -> bool:
    """True for what is no answer: what ends the program, and what cancels a coroutine."""
    return isinstance(error, EXIT_EXCEPTIONS) or is_cancellation(error)


class MappedAwaitable(Coroutine[Any, Any, Any]):
    """A coroutine of what `function` makes of what another awaitable comes to, or fails with.

    It is closed where coroutines cannot be run, and closes the one in it too, which a coroutine
    that has not begun would not.
    """

    __slots__ = ("_awaitable", "_steps")

    def __init__(
        self, awaitable: Awaitable[Any], function: Callable[[Any], Any], takes_failures: bool
    ) -> None:
        self._awaitable = awaitable
        self._steps = _steps_of(awaitable, function, takes_failures)

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._steps

    def send(self, value: Any) -> Any:
        """Go on until something is awaited."""
        return self._steps.send(value)

    def throw(self, kind: Any, value: Any = None, trace: Any = None) -> Any:
        """Go on with an exception where it waits."""
        return self._steps.throw(kind if value is None else value)

    def close(self) -> None:
        """End both."""
        self._steps.close()
        if isinstance(self._awaitable, Coroutine):
            self._awaitable.close()


def _steps_of(
    awaitable: Awaitable[Any], function: Callable[[Any], Any], takes_failures: bool
) -> Generator[Any, Any, Any]:
    """What is awaited on the way to the result, which is mapped."""
    try:
        result = yield from awaitable.__await__()
    except BaseException as error:
        if not takes_failures or isinstance(error, GeneratorExit) or _passes(error):
            raise
        return function(error)
    return function(result)


def require_function(given: object, what: str) -> None:
    """TypeError for an option that is to be called and cannot be; `what` says what it is."""
    if not callable(given):
        raise TypeError(f"{what}, not {safe_repr(given)}")


# -- what middleware of sigil is made with ---------------------------------------------------------


def answer(handler: Handler, request: Request, function: ToResponse) -> Any:
    """What `function` makes of the handler's response to a request, also of the one to what it
    raises.
    """
    try:
        result: Any = handler(request)
    except EXIT_EXCEPTIONS:
        raise
    except BaseException as error:
        return function(error_response(request, error))
    if type(result) is Response:
        return function(result)
    return map_result(result, function, lambda error: error_response(request, error))


def changing(change: Callable[[Request, Response], Response]) -> Middleware:
    """Middleware that sends another response: what `change` makes of the request and the response
    to it. TypeError for what is no function, as in the two below.
    """
    require_function(change, "what changes responses is a function of a request and a response")

    def around(handler: Handler) -> Handler:
        def call(request: Request) -> Any:
            return answer(handler, request, lambda response: change(request, response))

        def before_body(request: Request) -> Any:
            try:
                choice = choice_of(handler, request)
            except EXIT_EXCEPTIONS:
                raise
            except BaseException as error:
                choice = error_response(request, error)
            return change(request, choice) if type(choice) is Response else choice

        return asked_around(call, before_body, handler)

    return around


def preparing(prepare: Callable[[Request], Request]) -> Middleware:
    """Middleware that calls the handler with another request: what `prepare` makes of it."""
    require_function(prepare, "what prepares requests is a function of a request")

    def around(handler: Handler) -> Handler:
        def call(request: Request) -> Any:
            return handler(prepare(request))

        def before_body(request: Request) -> Any:
            return choice_of(handler, prepare(request))

        return asked_around(call, before_body, handler)

    return around


def guarding(check: Callable[[Request], Any]) -> Middleware:
    """Middleware that answers a request itself where `check` returns a response for it, now or
    later, and calls the handler where that is None.
    """
    require_function(check, "what guards a handler is a function of a request")

    def around(handler: Handler) -> Handler:
        def call(request: Request) -> Any:
            return later(
                check(request), lambda refusal: handler(request) if refusal is None else refusal
            )

        def before_body(request: Request) -> Any:
            refusal = check(request)
            if type(refusal) is Response:
                return refusal
            discard(refusal)
            return choice_of(handler, request)

        return AskedHandler(call, before_body, living=handler)

    return around


def discard(unused: object) -> None:
    """Let go of what was returned and nobody waits for: a coroutine, or a promise."""
    unused = promised(unused)
    if isinstance(unused, Coroutine):
        unused.close()
    elif isinstance(unused, Deferred):
        unused.cancel()


def error_response(request: Request, error: BaseException) -> Response:
    """The response to what a handler raised, which is logged: the status and sentence of `BadInput`
    and nothing of anything else, with 500.
    """
    known = handler_error(request, error)
    if known.traceback:
        write_text(_LOG, logging.ERROR, known.traceback)
    return Response.error(known.status, known.message)
