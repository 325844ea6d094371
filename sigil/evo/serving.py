"""A server of sigil, driven by polling: what both faces of the runtime have in common.

Theory: the runtime polls its server at short intervals and delivers what came of it between two
polls. So a face owns one `sigil.HttpServer`, ticks it, and drains the events that the ticks have
deferred. Nothing else drives it: `tick` is for a loop of the program's own, `serve` is one for a
program that has none.

Rules: everything is for the thread that ticks. Each time that it listens there is a new server
behind it, with ids of its own. It does not know what is served: subclasses have handlers and
callbacks.
"""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sigil import Callbacks, Limits, Request, make_http_server
from sigil import HttpServer as SigilServer

from .dispatch import EXIT_EXCEPTIONS, Dispatcher
from .events import SERVER, Event, EventType
from .ids import draw_prefix

if TYPE_CHECKING:
    import ssl

GOING_AWAY = "Going Away"
"""Why a server has stopped that was asked to."""

POLL_SECONDS = 0.016
"""How often the runtime polls: about once for each frame of a screen."""

STOPPING_POLL_SECONDS = 0.001
"""How long a poll waits while the server is stopping."""


class Program:
    """The handler of a face: what its server calls with requests."""

    __slots__ = ("_face",)

    def __init__(self, face: "EventServer") -> None:
        self._face = face

    def __call__(self, request: Request) -> Any:
        return self._face._handle(request)

    def before_body(self, request: Request) -> Any:
        """How the body of a request is taken."""
        return self._face._choose_body(request)

    def startup(self, server: SigilServer) -> None:
        """The server has begun to serve."""
        self._face._started(server)

    def shutdown(self, server: SigilServer) -> None:
        """The last connection of the server has closed."""
        self._face._stopped()

    @property
    def living_handlers(self) -> tuple[Any, ...]:
        """What begins and ends with the server: this, and the handlers of routes that do."""
        return (self, *self._face._living_handlers)


class EventServer(Dispatcher):
    """A server whose program handles events; `HttpServer`, `WebSocketServer` and `WebServer` are
    what to use.

    `host` and `ssl_context` are what `make_http_server` takes, and `limits` are in the place of
    `LIMITS`.
    """

    DEFAULT_PORT = 9001
    """The port that is listened on if none is named."""

    LIMITS = Limits()
    """The limits of a server that is given none."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        limits: Limits | None = None,
        ssl_context: "ssl.SSLContext | None" = None,
    ) -> None:
        super().__init__()
        self._host = host
        self._ssl_context = ssl_context
        self._limits = self.LIMITS if limits is None else limits
        self._handler = Program(self)
        self._server = self._make_server(self.DEFAULT_PORT)
        self._prefix = draw_prefix()
        self._should_stop = self._has_listened = False

    def _make_server(self, port: int) -> SigilServer:
        return make_http_server(
            self._handler,
            host=self._host,
            port=port,
            limits=self._limits,
            callbacks=self.callbacks,
            ssl_context=self._ssl_context,
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of sigil.evo, on {self._server!r}>"

    # -- questions ---------------------------------------------------------------------------------

    @property
    def server(self) -> SigilServer:
        """The server of sigil behind this one."""
        return self._server

    @property
    def handler(self) -> Program:
        """The handler of that server; with `limits` and `callbacks` it is all that
        `sigil.testing.Client` takes.
        """
        return self._handler

    @property
    def limits(self) -> Limits:
        """The limits of that server."""
        return self._limits

    @property
    def callbacks(self) -> Callbacks:
        """The callbacks of that server."""
        return Callbacks()

    @property
    def running(self) -> bool:
        """True from `start_listening` until the server has stopped."""
        return self._server.running

    @property
    def host(self) -> str:
        """The host that is listened on."""
        return self._server.host

    @property
    def port(self) -> int:
        """The port that is listened on; before that, `DEFAULT_PORT`."""
        return self._server.port

    # -- life --------------------------------------------------------------------------------------

    def start_listening(self, port: int | None = None) -> None:
        """Listen on a port, or on `DEFAULT_PORT`; 0 picks a free one. SERVER_STARTED_LISTENING is
        deferred.

        OSError with the address if that cannot be, RuntimeError if it listens already.
        """
        if self.running:
            raise RuntimeError(f"the server is listening already, on port {self.port}")
        server = self._make_server(self.DEFAULT_PORT if port is None else port)
        server.listen()
        self._server, self._should_stop, self._has_listened = server, False, True
        server.tick(0.0)  # in which it is started

    def stop_listening(self, grace: float = 0.0) -> None:
        """Stop the server, and return when it has stopped, and all events were delivered.

        Requests that are not answered get a 503, bodies that are not complete are broken off, and
        WebSockets are closed with 1001: at once, or, if they take longer, within `grace` seconds.
        RuntimeError from within a tick.
        """
        if not self.running:
            return
        self._server.tick(0.0)
        self._refuse_pending()
        self._server.tick(0.0)  # what they are answered leaves
        self._server.stop(grace)
        while self.running:
            self._refuse_pending()
            self._server.tick(STOPPING_POLL_SECONDS)
        self._deliver_last()
        self._poll_ended()

    def tick(self, timeout: float = 0.0) -> bool:
        """Poll the server once, waiting up to `timeout` seconds for something to do, and deliver
        the events; True if there was anything to do.

        What the handlers have answered leaves before it returns. RuntimeError before
        `start_listening`; nothing happens after the end.
        """
        if not self._has_listened:
            raise RuntimeError("the server is not listening: call start_listening() first")
        has_work = self._server.tick(0.0 if self.has_deferred_events else timeout)
        if self.process_deferred_events():
            has_work = True
            if self.running:
                self._server.tick(0.0)
        self._poll_ended()
        return has_work

    def serve(self, interval: float = POLL_SECONDS) -> None:
        """Poll until the server has stopped: when there is something to do, and every `interval`
        seconds. Listens if that was not done.

        In the main thread SIGINT and SIGTERM stop the server. Whatever leaves a handler to end the
        program ends the server, and is raised.
        """
        if not self.running:
            self.start_listening()
        with self._server.stop_on_signals(stop=self._ask_to_stop):
            try:
                while self.running:
                    self.tick(interval)
                    if self._should_stop:
                        self.stop_listening()
            except BaseException:
                self._close()
                raise
        self._deliver_last()

    def _deliver_last(self) -> None:
        """Deliver all events, and then what their handlers have deferred: once, since one that is
        put off again and again has no end.
        """
        for _ in range(2):
            self.process_deferred_events()

    def _close(self) -> None:
        """Stop the server at once, and deliver nothing."""
        self._server.stop(0.0)
        while self.running:
            with suppress(*EXIT_EXCEPTIONS):  # the program is ending already
                self._server.tick(0.0)

    def _ask_to_stop(self) -> None:
        """Have `serve` stop the server; called by a signal handler."""
        self._should_stop = True

    # -- for the server, and for subclasses --------------------------------------------------------

    def _handle(self, request: Request) -> Any:
        """What is answered to a request."""
        return None

    def _choose_body(self, request: Request) -> Any:
        """How the body of a request is taken."""
        return None

    @property
    def _living_handlers(self) -> tuple[Any, ...]:
        """Handlers that begin and end with the server."""
        return ()

    def _started(self, server: SigilServer) -> None:
        """It is this server that serves from now on: in a test, one in memory."""
        self._server, self._prefix = server, draw_prefix()
        self._defer(EventType.SERVER_STARTED_LISTENING, SERVER, str(getattr(server, "port", 0)))

    def _stopped(self) -> None:
        """The server has stopped."""
        self._defer(EventType.SERVER_STOPPED_LISTENING, SERVER, GOING_AWAY)

    def _refuse_pending(self) -> None:
        """Answer the requests that wait, since the server is stopping."""

    def _defer(self, kind: EventType, client_id: str, message: object) -> None:
        """Defer an event."""
        self._queue.append(Event(kind, client_id, message))
