"""The handler that serves an ASGI application: `handler(app)`.

Theory: a request is handed to the application in its loop, and what it answers is the handler's
result; its beginning and end are those of the handler. So an application can be mounted among
routes, be wrapped by middleware, and be served in every way in which handlers are.

Rules: a body that is short and declared is given whole, any other as it comes. One handler serves
in one server at a time. It does not know what the application does.
"""

from collections.abc import Coroutine
from typing import Any, Final

from sigil import Deferred, HttpServer, Request, Response

from .http import HttpExchange
from .lifespan import MODES, Lifespan
from .runner import HostRunner, Runner, ThreadRunner
from .scope import Place, http_scope, server_address, websocket_scope
from .websocket import WebSocketExchange

WHOLE_LEN_MAX: Final = 64 * 1024
"""Bytes of a body that is given in one piece: as much as one read brings."""


class AsgiHandler:
    """A handler that serves an ASGI application; make it with `handler`."""

    def __init__(self, app: Any, root_path: str, lifespan: str, grace: float) -> None:
        self._app = app
        self._root_path = root_path
        self._mode = lifespan
        self._grace = grace
        self._runner: Runner | None = None
        self._lifespan = Lifespan(app, lifespan)
        self._place = Place(root_path, None)

    def __repr__(self) -> str:
        return f"<sigil.asgi.handler of {self._app!r}>"

    # -- requests ----------------------------------------------------------------------------------

    def __call__(self, request: Request) -> Response | Deferred:
        """What the application answers to a request, or the promise of it."""
        runner, state = self._runner, self._lifespan.state
        if runner is None:
            raise RuntimeError(
                "the application was not started: what is around its handler has to pass on its "
                "`startup`, as sigil.chain and sigil.Routes do"
            )
        if "upgrade" in request.headers.combined and request.is_upgrade:
            scope = websocket_scope(request, self._place, state)
            return runner.serve(WebSocketExchange(self._app, scope, request, runner))
        scope = http_scope(request, self._place, state)
        return runner.serve(HttpExchange(self._app, scope, request, runner))

    asks_above: Final = WHOLE_LEN_MAX

    def before_body(self, request: Request) -> str:
        """How a body is taken that is longer, or of unknown length."""
        return "stream"

    # -- the beginning and the end -----------------------------------------------------------------

    def startup(self, server: HttpServer) -> Deferred | Coroutine[Any, Any, None]:
        """Start the application, and the thread that it runs in if it needs one."""
        if self._runner is not None:
            raise RuntimeError("this handler serves in another server; make one for each")
        self._lifespan = Lifespan(self._app, self._mode)
        self._place = Place(self._root_path, server_address(server.host, server.port))
        if server.runs_in_asyncio:
            return self._start_here(server)
        self._runner = runner = ThreadRunner(server)
        return runner.start(self._begin, lambda: self._end(runner))

    def shutdown(self, server: HttpServer) -> Deferred | Coroutine[Any, Any, None] | None:
        """End the application, and its thread."""
        runner, self._runner = self._runner, None
        if isinstance(runner, ThreadRunner):
            return runner.stop()
        return None if runner is None else self._end(runner)

    async def _start_here(self, server: HttpServer) -> None:
        self._runner = HostRunner(server)
        await self._begin()

    async def _begin(self) -> None:
        try:
            await self._lifespan.startup()
        except BaseException:
            self._runner = None
            raise

    async def _end(self, runner: Runner) -> None:
        await runner.drain(self._grace)
        await self._lifespan.shutdown()


def handler(
    app: Any, *, root_path: str = "", lifespan: str = "auto", grace: float = 5.0
) -> AsgiHandler:
    """A handler that serves the ASGI 3 application `app`, for `make_http_server`.

    Inside `http_server_serve` the application runs in that loop, elsewhere in a loop in a thread of
    its own. `root_path` is the path that it is mounted at, if a proxy has taken that off. With
    `lifespan="auto"` it may have a lifespan, with `"on"` it must, and with `"off"` it is not asked.
    What goes on behind its responses has `grace` seconds when the server stops. TypeError and
    ValueError for what is none of these.
    """
    if not callable(app):
        raise TypeError(f"an ASGI application is called with scope, receive, send; not {app!r}")
    if not isinstance(root_path, str):
        raise TypeError(f"root_path is a str, not {root_path!r}")
    if root_path and (not root_path.startswith("/") or root_path.endswith("/")):
        raise ValueError(f"root_path begins with a slash and does not end with one: {root_path!r}")
    if lifespan not in MODES:
        raise ValueError(f"lifespan is one of {', '.join(MODES)}, not {lifespan!r}")
    if isinstance(grace, bool) or not isinstance(grace, int | float) or not grace >= 0:
        raise ValueError(f"grace is a number of seconds, not {grace!r}")
    return AsgiHandler(app, root_path, lifespan, grace)
