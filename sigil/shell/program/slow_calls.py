"""User code that blocks: a line in the log for each call that took longer than it may.

Theory: a server is one thread, so a handler that computes for a second is a second in which nobody
else is served, and who looks for that sees only that everything is slow. So the time of each call
is measured, where the clock is read anyway, and one that took too long is logged with its name and
with what it was called for.

Rules: one line for a name in `INTERVAL_SECONDS`; how many there were in between the next one says.
What waits without blocking (a coroutine, a promise) takes no time here. It does not interrupt
anybody.
"""

import logging
from collections.abc import Callable
from typing import Any

from ...core.conn import Conn
from ...core.control import CallWritable, CallWsPong
from ...core.effects import (
    AskBody,
    BodyPiece,
    CallClose,
    CallOpen,
    CallSseClose,
    CallSseOpen,
    CallWsClose,
    CallWsDrain,
    CallWsOpen,
    Deliver,
    DeliverCompressed,
    Handle,
    HandlePieces,
    Pull,
    SendFile,
)
from ...core.http.request import Request
from ...core.http.validate import safe_repr
from ...core.server.slots import find_client
from .host import Host
from .jobs import Job, LateResult
from .logs import write_log
from .run_queue import Work, conn_of_work
from .tracebacks import qualified_name

SLOW_LOG = "sigil.slow"
"""Where calls are logged that have blocked."""
_LOG = logging.getLogger(SLOW_LOG)
INTERVAL_SECONDS = 10.0
"""How often a name is logged: often enough to be seen, and not as often as it is slow."""
NAMES_MAX = 100
"""So many names are remembered; beyond that all are forgotten, and logged anew."""

_CALLBACKS = {
    CallOpen: "open",
    CallClose: "close",
    CallWsOpen: "ws_open",
    Deliver: "ws_message",
    DeliverCompressed: "ws_message",
    CallWsClose: "ws_close",
    CallWsDrain: "ws_drain",
    CallWsPong: "ws_pong",
    CallWritable: "writable",
    CallSseOpen: "sse_open",
    CallSseClose: "sse_close",
}
_OF_A_HANDLER = (Handle, HandlePieces, AskBody, BodyPiece)
_STREAMS = {Pull: "the stream of a response", SendFile: "a file that is sent"}


class SlowCalls:
    """Logs the calls of one server that have blocked."""

    def __init__(
        self,
        server: Host,
        handler: object,
        callbacks_of: Callable[[Conn], Any],
        clock: Callable[[], float],
    ) -> None:
        self._server = server
        self._handler = handler
        self._callbacks_of = callbacks_of
        self._clock = clock
        self.request: Request | None = None
        """The request that the handler was called with last."""
        self._names: dict[str, tuple[float, int]] = {}
        """When each name was logged last, and how often it was slow since."""

    def report(self, work: Work, seconds: float) -> None:
        """Log what has taken so long, unless that was done."""
        self.log(self._called_by(work), seconds, self._purpose_of(work))

    def log(self, called: object, seconds: float, purpose: str) -> None:
        """Log a call of user code that has taken so long, unless that was done."""
        name = called if isinstance(called, str) else qualified_name(called)
        now = self._clock()
        logged_at, count = self._names.get(name, (None, 0))
        if logged_at is not None and now < logged_at + INTERVAL_SECONDS:
            self._names[name] = logged_at, count + 1
            return
        if len(self._names) >= NAMES_MAX:
            self._names.clear()
        self._names[name] = now, 0
        more = f" ({count} more since it was logged)" if count else ""
        text = "%s blocked the server for %.3f s%s%s (Limits.slow_handler)"
        write_log(_LOG, logging.WARNING, text, name, seconds, purpose, more)

    def _called_by(self, work: Work) -> object:
        """What was called, or its name."""
        if isinstance(work, _OF_A_HANDLER):
            return _innermost(self._handler, self.request)
        if isinstance(work, Job):
            return work.callback
        if isinstance(work, LateResult):
            return "what a Deferred was mapped with"
        name = _STREAMS.get(type(work))
        if name is not None:
            return name
        field = _CALLBACKS[type(work)]
        return getattr(self._callbacks_of(conn_of_work(work)), field, None) or f"Callbacks.{field}"

    def _purpose_of(self, work: Work) -> str:
        """For which request, or which client."""
        if isinstance(work, LateResult):
            return f", for {work.request.method} {work.request.target}"
        if isinstance(work, _OF_A_HANDLER) and self.request is not None:
            return f", for {self.request.method} {self.request.target}"
        client = find_client(self._server._engine.snapshot.slots, conn_of_work(work))
        return "" if client is None else f", for {client.peer}"


def _innermost(handler: Any, request: Request | None) -> Any:
    """The function that was called behind middleware and routes, as far as they show it."""
    try:
        for _ in range(NAMES_MAX):
            choose = getattr(handler, "handler_for", None)
            inner = None if choose is None or request is None else choose(request)
            inner = inner or getattr(handler, "__wrapped__", None)
            if inner is None:
                return handler
            handler = inner
    except Exception:  # whatever it is, it does not show it
        return safe_repr(handler)
    return handler
