"""A client for tests with a whole server behind it, and connections to that server.

Theory: a test does what the other side of a network would do, and looks at what came back. So each
call does one such thing and lets the server run until it is idle before it returns; only `advance`
lets time pass.

Rules: bytes are sent and received, and nothing goes past the wire. A server that does not become
idle is stopped at a bound, with an exception. Redirects are not followed and cookies are not
stored: a test sends what it wants sent. What the program behind the server raises is raised in the
test, unless that was declined.

It does not know how a server works (`server`), nor how a network does (`kernel`).
"""

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any

from ..core.close_reasons import close_reason_str
from ..core.conn import Conn, Peer
from ..core.effects import AccessLog, Log
from ..core.http.response import HeadersLike
from ..core.limits import Limits
from ..core.limits_check import check_limits
from ..core.server.fold import advance
from ..core.server.state import Server
from ..core.server.stats import Stats
from ..shell.callbacks import Callbacks
from ..shell.program.handlers import Handler
from ..shell.program.protocols import Protocol, check_protocols
from ..shell.recording.recording import Recording
from ..shell.settings import check_program
from .answers import Answer, Found, read_answer
from .connection import Connection
from .encode import ABSENT
from .failures import ERROR_LOG
from .kernel import Wire
from .server import MemoryServer
from .turns import KeptTurns
from .websocket import UpgradeRefused, WebSocket, check_accept, upgrade_fields

_FIRST_PORT = 50_000


class HandlerError(Exception):
    """The program behind the server failed; the text is the log record, with any traceback."""


class NeverIdle(Exception):
    """The server did not become idle within the client's bounds.

    Most likely it sends an endless stream.
    """


class NoAnswer(Exception):
    """A request has no response or only a part of one, which is `answer`; else that is None."""

    def __init__(self, message: str, answer: Answer | None = None) -> None:
        super().__init__(message)
        self.answer = answer


class Client:
    """A whole server in memory around `handler`, and a client of it.

    `limits`, `callbacks` and `protocols` are those of `make_http_server`. With `raise_errors`, the
    default, a call in which the program behind the server fails raises that exception once the
    server has answered with its 500, so that a test that does not expect it fails where it
    happened. Without it the client sees a 500, as on a network, and the traceback is in `log`.

    A call raises `NeverIdle` after `max_ticks` ticks in which the server reads nothing, and after
    the server has sent `max_sent_len` bytes.

    While a response was promised (`Deferred`), or a chunk of one, a call waits up to
    `thread_timeout` seconds of the real clock for whatever another thread brings: a program whose
    work is done in threads, such as an application of WSGI, is answered for within the call.

    With `keeps_turns`, `recording` returns what happened to the server, turn by turn.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        limits: Limits | None = None,
        callbacks: Callbacks | None = None,
        protocols: Sequence[Protocol] = (),
        raise_errors: bool = True,
        max_ticks: int = 1_000,
        max_sent_len: int = 64 * 2**20,
        thread_timeout: float = 0.0,
        keeps_turns: bool = False,
    ) -> None:
        check_program(handler, limits, callbacks)
        problem = None if limits is None else check_limits(limits)
        if problem is not None:
            raise ValueError(problem)
        problem = check_protocols(protocols)
        if problem is not None:
            raise TypeError(problem)
        self.turns = KeptTurns(advance) if keeps_turns else None
        """The turns of the server, if they are kept."""
        self.server = MemoryServer(
            handler,
            limits or Limits(),
            callbacks or Callbacks(),
            advance if self.turns is None else self.turns.advance,
            protocols=protocols,
        )
        self._raises = raise_errors
        self._max_ticks = max_ticks
        self._max_sent_len = max_sent_len
        self._thread_timeout = thread_timeout
        self._connection: Connection | None = None
        self._websockets: list[WebSocket] = []
        self._next_port = _FIRST_PORT
        self._log_seen = 0

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop(0.0)

    # -- the server --------------------------------------------------------------------------------

    @property
    def state(self) -> Server:
        """The core's state: an immutable record."""
        return self.server.state

    def recording(self) -> Recording:
        """What happened to the server until now, turn by turn; ValueError without `keeps_turns`."""
        if self.turns is None:
            raise ValueError("no turns were kept: make it with Client(..., keeps_turns=True)")
        return self.turns.recording(self.server.state)

    @property
    def running(self) -> bool:
        """True until the last connection of a stopped server is closed."""
        return self.server.running

    @property
    def log(self) -> list[Log]:
        """The log records of the server: (logger, level, text)."""
        return self.server.log

    @property
    def access(self) -> list[AccessLog]:
        """The access log: (peer, method, target, version, status, length)."""
        return self.server.access

    def clients(self) -> tuple[Conn, ...]:
        """The handles of all open connections."""
        return self.server.clients()

    def stats(self) -> Stats:
        """The statistics since the server was made."""
        return self.server.stats()

    # -- requests ----------------------------------------------------------------------------------

    def get(
        self, target: str, *, body: bytes | str = b"", json: Any = ABSENT, headers: HeadersLike = ()
    ) -> Answer:
        """The answer to a GET request; the parameters are those of `request`."""
        return self.request("GET", target, body=body, json=json, headers=headers)

    def head(
        self, target: str, *, body: bytes | str = b"", json: Any = ABSENT, headers: HeadersLike = ()
    ) -> Answer:
        """The answer to a HEAD request; the parameters are those of `request`."""
        return self.request("HEAD", target, body=body, json=json, headers=headers)

    def post(
        self, target: str, *, body: bytes | str = b"", json: Any = ABSENT, headers: HeadersLike = ()
    ) -> Answer:
        """The answer to a POST request; the parameters are those of `request`."""
        return self.request("POST", target, body=body, json=json, headers=headers)

    def put(
        self, target: str, *, body: bytes | str = b"", json: Any = ABSENT, headers: HeadersLike = ()
    ) -> Answer:
        """The answer to a PUT request; the parameters are those of `request`."""
        return self.request("PUT", target, body=body, json=json, headers=headers)

    def patch(
        self, target: str, *, body: bytes | str = b"", json: Any = ABSENT, headers: HeadersLike = ()
    ) -> Answer:
        """The answer to a PATCH request; the parameters are those of `request`."""
        return self.request("PATCH", target, body=body, json=json, headers=headers)

    def delete(
        self, target: str, *, body: bytes | str = b"", json: Any = ABSENT, headers: HeadersLike = ()
    ) -> Answer:
        """The answer to a DELETE request; the parameters are those of `request`."""
        return self.request("DELETE", target, body=body, json=json, headers=headers)

    def options(
        self, target: str, *, body: bytes | str = b"", json: Any = ABSENT, headers: HeadersLike = ()
    ) -> Answer:
        """The answer to an OPTIONS request; the parameters are those of `request`."""
        return self.request("OPTIONS", target, body=body, json=json, headers=headers)

    def request(
        self,
        method: str,
        target: str,
        *,
        body: bytes | str = b"",
        json: Any = ABSENT,
        headers: HeadersLike = (),
    ) -> Answer:
        """The answer to a request on the client's own connection.

        The body is `body`, or `json` as JSON. An answer that the server broke off is not whole. The
        connection is opened when it is needed and is used again while the server leaves it open.
        `NoAnswer` if there is no answer, or no end of it yet; that connection is reset. ValueError
        for a request that cannot be encoded.
        """
        connection = self._own_connection()
        start = len(connection.wire.received)
        try:
            connection.request(method, target, body=body, json=json, headers=headers)
        except NeverIdle as error:
            raise self._give_up(connection, method, start, str(error)) from None
        found = self._find(connection, method, start)
        if connection.has_ended:
            connection.half_close()
        if found is not None and (found.answer.is_whole or connection.has_ended):
            return found.answer
        raise self._give_up(connection, method, start, self._explain(connection))

    def _own_connection(self) -> Connection:
        """The connection of the last request if it can carry another one, else a new one."""
        current = self._connection
        if current is None or current.has_ended or current.wire.has_reset:
            current = self._connection = self.connect()
        return current

    def _find(self, connection: Connection, method: str, start: int) -> Found | None:
        """The answer in the bytes received since `start`, None if its head is not complete."""
        data = bytes(connection.wire.received[start:])
        return read_answer(data, 0, method, connection.has_ended and not connection.was_reset)

    def _give_up(self, connection: Connection, method: str, start: int, why: str) -> NoAnswer:
        """Reset a connection without its answer: the exception for that, because of `why`."""
        if connection is self._connection:
            self._connection = None
        found = self._find(connection, method, start)
        connection.reset()
        return NoAnswer(why, None if found is None else found.answer)

    def _explain(self, connection: Connection) -> str:
        """The reason why there is no answer, as text."""
        if connection.reason is not None:
            reason = close_reason_str(connection.reason)
            return f"the connection was closed without an answer: {reason}"
        if connection.has_ended:
            return "the connection was ended without an answer"
        return (
            "there is no answer yet, or no end of it: for one that comes later, connect(), "
            "use request() of that connection, and then answers()"
        )

    # -- connections -------------------------------------------------------------------------------

    def connect(
        self,
        *,
        peer: Peer | None = None,
        window_len: int | None = None,
        byte_at_a_time: bool = False,
    ) -> Connection:
        """A new connection, from `peer` if given.

        With `window_len` the client is a slow reader: so many bytes are buffered for it, and no
        more until it reads. With `byte_at_a_time` each read by the server returns one byte.
        ConnectionRefusedError if the server has been stopped.
        """
        self.server.require_idle()
        if not self.server.listening:
            raise ConnectionRefusedError("the server does not listen any more")
        if window_len is not None and window_len < 1:
            raise ValueError(f"a window holds at least one byte, not {window_len}")
        self._next_port += 1
        read_len = 1 if byte_at_a_time else None
        wire = Wire(peer or Peer("127.0.0.1", self._next_port), window_len, read_len)
        self.server.kernel.connect(wire)
        self.run_until_idle()
        return Connection(self, wire)

    def websocket(
        self,
        target: str,
        subprotocols: Iterable[str] | str = (),
        *,
        headers: HeadersLike = (),
        origin: str | None = None,
        peer: Peer | None = None,
        byte_at_a_time: bool = False,
        window_len: int | None = None,
        answers_pings: bool = True,
    ) -> WebSocket:
        """A new connection that has been upgraded to a WebSocket.

        `headers` replace fields of the handshake or are added to them; `peer`, `byte_at_a_time` and
        `window_len` are those of `connect`. Without `answers_pings` it answers neither pings nor a
        close frame, as a dead client.

        `UpgradeRefused` with the answer if that is not a 101, `NoAnswer` if there is none; that
        connection is closed. Messages that came with the 101 are still to be received.
        """
        connection = self.connect(peer=peer, window_len=window_len, byte_at_a_time=byte_at_a_time)
        offered = (subprotocols,) if isinstance(subprotocols, str) else tuple(subprotocols)
        connection.request("GET", target, headers=upgrade_fields(offered, origin, headers))
        found = self._find(connection, "GET", 0)
        while connection.wire.unread and (found is None or found.answer.status != 101):
            connection.read(1)  # so that no byte behind the head is taken out of the window
            found = self._find(connection, "GET", 0)
        if found is None:
            raise self._give_up(connection, "GET", 0, self._explain(connection))
        if found.answer.status != 101:
            connection.half_close()
            raise UpgradeRefused(found.answer)
        check_accept(found.answer)
        websocket = WebSocket(self, connection, found.answer, found.end, answers_pings)
        self._websockets.append(websocket)
        self.run_until_idle()
        return websocket

    # -- time --------------------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Let time pass; the server ticks at each deadline, and at the end.

        ValueError for a negative number of seconds.
        """
        if not isinstance(seconds, int | float):
            raise TypeError(f"a time is a number of seconds, not {type(seconds).__name__}")
        if not seconds >= 0:
            raise ValueError(f"time does not go back: {seconds}")
        server, end = self.server, self.server.now + seconds
        self.run_until_idle()
        while server.running and server.now < end:
            self._tick_if_due()
            at = server.next_deadline()
            server.now = end if at is None or at <= server.now else min(at, end)
            server.tick()
            self.run_until_idle()
        server.now = end

    def _tick_if_due(self) -> None:
        """Let the server look at what was due before now: a handler may have taken its time."""
        at = self.server.next_deadline()
        if at is not None and at <= self.server.now:
            self.server.tick()
            self.run_until_idle()

    def run_until_idle(self) -> None:
        """Let the server do all that it can do at this time: send late answers, go on with streams.

        `NeverIdle` if that has no end. With `raise_errors`, raises what the program behind the
        server has raised.
        """
        kernel, ticks = self.server.kernel, 0
        max_bytes_written = kernel.bytes_written + self._max_sent_len
        while True:
            is_idle = not self.server.has_work and not self._process_websockets()
            if self._waits_for_threads(is_idle):
                ticks = 0
            elif is_idle:
                break
            if ticks >= self._max_ticks or kernel.bytes_written > max_bytes_written:
                raise NeverIdle(
                    f"the server does not become idle: {self._max_ticks} ticks or "
                    f"{self._max_sent_len} bytes were not "
                    "enough. A stream without end is read with connect(window_len=...) and read()"
                )
            bytes_read_before = kernel.bytes_read
            self.server.tick()
            ticks = ticks + 1 if kernel.bytes_read == bytes_read_before else 0
        self._raise_errors()

    def _waits_for_threads(self, is_idle: bool) -> bool:
        """True if another thread has brought something that was waited for, which takes its time if
        there is nothing else to do.
        """
        seconds = self._thread_timeout
        return seconds > 0 and self.server.wait_for_threads(seconds if is_idle else 0.0)

    def require_idle(self) -> None:
        """RuntimeError if the program behind the server is the caller."""
        self.server.require_idle()

    def _process_websockets(self) -> bool:
        """Answer pings and close frames; True if the server has something to read because of it."""
        return sum(websocket.process_received() for websocket in self._websockets) > 0

    def stop(self, grace: float = 5.0) -> None:
        """Stop the server; requests under way have `grace` seconds more.

        A second call stops it at once.
        """
        self.server.stop(grace)
        self.run_until_idle()

    def _raise_errors(self) -> None:
        """Raise what has failed since the last call, if `raise_errors` was given."""
        server = self.server
        errors, lines = server.errors[:], server.log[self._log_seen :]
        server.errors.clear()
        self._log_seen = len(server.log)
        if not self._raises:
            return
        if errors:
            if len(errors) == 1:
                raise errors[0]
            raise BaseExceptionGroup("the handler raised", errors)
        for line in lines:
            if line.logger == ERROR_LOG:
                raise HandlerError(line.text)
