"""Handlers that say how they take the body of a request: `in_pieces`, and what middleware does for
them.

Theory: a handler that has an attribute `before_body` is asked as soon as a head is there, and
before any of the body is read. It is a function of the request, which comes without its body, and
returns None to take that whole, "stream" to take it in pieces, or a response, which is sent while
the body is not read at all.

Rules: whoever wraps a handler asks it for its wrapper, so that a handler is asked however many
wrappers there are. It does not know what is done with pieces (`program.body_receivers`).
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from ...core.http.request import Request
from ...core.http.validate import safe_repr
from ..program.handlers import Handler
from ..program.lifespan import living_handlers
from ..program.piece_handlers import asks_for_body
from ..program.request_chunks import WholeBody

BeforeBody: TypeAlias = Callable[[Request], Any]
"""What is asked before a body is read: it returns None, "stream" or a response."""


class AskedHandler:
    """A handler, and what is asked before the body of a request to it is read: nothing, while it is
    asked for another one, `inner`, that does not want to be. What begins and ends with it are the
    handlers within `living`.
    """

    __slots__ = ("__wrapped__", "_before_body", "_handler", "_inner", "_living")

    def __init__(
        self,
        handler: Handler,
        before_body: BeforeBody,
        inner: Handler | None = None,
        living: Handler | None = None,
    ) -> None:
        self._handler = handler
        self._before_body = before_body
        self._inner = inner
        self._living = inner if living is None else living
        self.__wrapped__: Handler = self._living or handler
        """The handler within, as `functools.wraps` sets it."""

    @property
    def living_handlers(self) -> tuple[Any, ...]:
        """The handlers that begin and end with this one."""
        return living_handlers(self._living)

    @property
    def asks_above(self) -> int:
        """Bodies that are no longer are taken whole without asking: those that the inner handler is
        not asked about, where only that is asked.
        """
        return getattr(self._inner, "asks_above", 0)

    @property
    def before_body(self) -> BeforeBody | None:
        """What is asked; None for nothing."""
        if self._inner is not None and before_body_of(self._inner) is None:
            return None
        return self._before_body

    def __call__(self, request: Request) -> Any:
        return self._handler(request)


def with_pieces(request: Request) -> Request:
    """The request with its body in pieces, also if there is none, or it is there."""
    if request.chunks is not None:
        return request
    return request.replace(chunks=WholeBody(request.body))


def in_pieces(handler: Callable[[Request], Any]) -> Any:
    """The handler, which takes the body of each request in pieces, as they come: a generator
    function, which is given each as the value of a `yield` and an empty one at the end, a
    coroutine function, which iterates over `request.chunks`, or a function that returns a
    `Deferred` of its response and asks for pieces as it wants them (`request.chunks.ask()`).

    TypeError for what is no handler.
    """
    if not callable(handler):
        raise TypeError(f"a handler is a function of a request, not {safe_repr(handler)}")
    return AskedHandler(
        lambda request: handler(with_pieces(request)), _always_in_pieces, living=handler
    )


def _always_in_pieces(request: Request) -> str:
    return "stream"


def before_body_of(handler: Handler) -> BeforeBody | None:
    """What a handler wants to be asked before a body is read; None if it takes all of them whole
    and without being asked.
    """
    return handler.before_body if asks_for_body(handler) else None  # type: ignore[union-attr]


def may_ask(handler: Handler) -> bool:
    """True if a handler may want to be asked before a body is read, now or later: routes do as soon
    as one of them does.
    """
    return hasattr(handler, "before_body")


def may_live(handler: Handler) -> bool:
    """True if a handler may have a beginning or an end, or others in it may."""
    return any(hasattr(handler, name) for name in ("startup", "shutdown", "living_handlers"))


def choice_of(handler: Handler, request: Request) -> Any:
    """How a handler takes the body of this request; None, which is whole, if it is not asked."""
    before_body = before_body_of(handler)
    return None if before_body is None else before_body(request)


def asked_around(handler: Handler, before_body: BeforeBody, inner: Handler) -> Handler:
    """A handler around `inner`, which is asked `before_body` if that one wants to be asked, and
    begins and ends with it.
    """
    if may_ask(inner) or may_live(inner):
        return AskedHandler(handler, before_body, inner)
    return handler


def asked_as(handler: Handler, inner: Handler) -> Handler:
    """The handler, which is asked what `inner` wants to be asked, and begins and ends with it,
    unless it does so itself.
    """
    asks = may_ask(inner) and not may_ask(handler)
    lives = may_live(inner) and not may_live(handler)
    if not (asks or lives):
        return handler
    asked = inner if asks else handler
    living = inner if lives else handler
    return AskedHandler(handler, lambda request: choice_of(asked, request), asked, living)
