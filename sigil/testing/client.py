"""What a test holds: a client with a whole server behind it, and raw connections to that server.

Theory: a test says what the other side does, and looks at what came of it. So every call here does
its thing and lets the server come to rest before it returns; only `advance` lets time pass.

Rules: bytes are sent and received, nothing is handed over behind the wire's back. What cannot come
to rest is stopped at a bound and says so. Redirects are not followed and cookies are not kept: a
test sends what it wants sent. What the program behind the server raises is raised in the test,
unless that was declined. It does not know how a server works (`server`), nor how a network does
(`kernel`).
"""

from collections.abc import Iterable
from types import TracebackType
from typing import Any

from ..core.close_reasons import close_reason_str
from ..core.conn import Conn, Peer
from ..core.effects import AccessLog, Log
from ..core.http.response import HeadersLike
from ..core.limits import Limits, check_limits
from ..core.server.state import Server
from ..core.server.stats import Stats
from ..shell.callbacks import Callbacks
from ..shell.program.handlers import Handler
from .answers import Answer, Found, read_answer
from .connection import Connection
from .encode import ABSENT
from .failures import ERROR_LOG
from .kernel import Wire
from .server import MemoryServer
from .websocket import UpgradeRefused, WebSocket, check_accept, upgrade_fields

_FIRST_PORT = 50_000


class HandlerError(Exception):
    """The program behind the server failed; the text is what was logged, with the traceback if
    there is one.
    """


class NeverIdle(Exception):
    """The server did not come to rest within the client's bounds: most likely it sends an endless
    stream.
    """


class NoAnswer(Exception):
    """A request was not answered, or not to the end; `answer` is what there is of it, or None."""

    def __init__(self, message: str, answer: Answer | None = None) -> None:
        super().__init__(message)
        self.answer = answer


class Client:
    """A whole server in memory around `handler`, and a client of it.

    `limits` and `callbacks` are those of `make_http_server`. With `raise_errors`, which is the
    default, a call in which the program behind the server fails raises that failure once the server
    has answered with its 500: a test that does not expect a failure is best told of it where it
    happened. Without it the 500 is all the client sees, as it would be outside, and the traceback
    is in `log`.

    One call may take up to `max_ticks` ticks in which nothing is read of what was sent, and
    let the server send up to `max_sent_len` bytes, before it raises `NeverIdle`.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        limits: Limits | None = None,
        callbacks: Callbacks | None = None,
        raise_errors: bool = True,
        max_ticks: int = 1_000,
        max_sent_len: int = 64 * 2**20,
    ) -> None:
        if not callable(handler):
            raise TypeError(f"a handler is a function of a request, not {type(handler).__name__}")
        problem = None if limits is None else check_limits(limits)
        if problem is not None:
            raise ValueError(problem)
        self.server = MemoryServer(handler, limits or Limits(), callbacks or Callbacks())
        self._raises = raise_errors
        self._max_ticks = max_ticks
        self._max_sent_len = max_sent_len
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

    # -- questions ---------------------------------------------------------------------------------

    @property
    def state(self) -> Server:
        """The core's value: immutable, and yours to keep."""
        return self.server.state

    @property
    def running(self) -> bool:
        """True until the last connection of a stopped server is closed."""
        return self.server.running

    @property
    def log(self) -> list[Log]:
        """What was logged: (logger, level, text)."""
        return self.server.log

    @property
    def access(self) -> list[AccessLog]:
        """What the access log was told: (peer, method, target, version, status, length)."""
        return self.server.access

    def clients(self) -> tuple[Conn, ...]:
        """The handles of all open connections."""
        return self.server.clients()

    def stats(self) -> Stats:
        """Figures since the server was made."""
        return self.server.stats()

    # -- requests ----------------------------------------------------------------------------------

    def get(
        self, target: str, *, body: bytes | str = b"", json: Any = ABSENT, headers: HeadersLike = ()
    ) -> Answer:
        """The answer to a GET; see `request`."""
        return self.request("GET", target, body=body, json=json, headers=headers)

    def head(
        self, target: str, *, body: bytes | str = b"", json: Any = ABSENT, headers: HeadersLike = ()
    ) -> Answer:
        """The answer to a HEAD; see `request`."""
        return self.request("HEAD", target, body=body, json=json, headers=headers)

    def post(
        self, target: str, *, body: bytes | str = b"", json: Any = ABSENT, headers: HeadersLike = ()
    ) -> Answer:
        """The answer to a POST; see `request`."""
        return self.request("POST", target, body=body, json=json, headers=headers)

    def put(
        self, target: str, *, body: bytes | str = b"", json: Any = ABSENT, headers: HeadersLike = ()
    ) -> Answer:
        """The answer to a PUT; see `request`."""
        return self.request("PUT", target, body=body, json=json, headers=headers)

    def patch(
        self, target: str, *, body: bytes | str = b"", json: Any = ABSENT, headers: HeadersLike = ()
    ) -> Answer:
        """The answer to a PATCH; see `request`."""
        return self.request("PATCH", target, body=body, json=json, headers=headers)

    def delete(
        self, target: str, *, body: bytes | str = b"", json: Any = ABSENT, headers: HeadersLike = ()
    ) -> Answer:
        """The answer to a DELETE; see `request`."""
        return self.request("DELETE", target, body=body, json=json, headers=headers)

    def options(
        self, target: str, *, body: bytes | str = b"", json: Any = ABSENT, headers: HeadersLike = ()
    ) -> Answer:
        """The answer to an OPTIONS; see `request`."""
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
        """Send a request on the client's own connection and return the answer; one that the server
        broke off is not whole.

        The connection is opened when it is needed and kept while the server keeps it. `NoAnswer` if
        there is no answer yet or no end of it, or the server closed without one; that connection is
        given up. ValueError for a request that cannot be written.
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
        """The connection of the last request if it can take another one, else a new one."""
        current = self._connection
        if current is None or current.has_ended or current.wire.has_reset:
            current = self._connection = self.connect()
        return current

    def _find(self, connection: Connection, method: str, start: int) -> Found | None:
        """What has come on a connection since `start`, if it is an answer."""
        data = bytes(connection.wire.received[start:])
        return read_answer(data, 0, method, connection.has_ended and not connection.was_reset)

    def _give_up(self, connection: Connection, method: str, start: int, why: str) -> NoAnswer:
        """The end of a connection on which something is still to come that nobody will wait for."""
        if connection is self._connection:
            self._connection = None
        found = self._find(connection, method, start)
        connection.reset()
        return NoAnswer(why, None if found is None else found.answer)

    def _explain(self, connection: Connection) -> str:
        """Why there is no answer."""
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
        """A new connection, from `peer` if given. ConnectionRefusedError if the server has been
        stopped.

        With `window_len` it is a slow reader: so many bytes are taken for it, and no more until it
        reads. With `byte_at_a_time` the server receives every byte of it by itself.
        """
        self.server.require_idle()
        if not self.server.listening:
            raise ConnectionRefusedError("the server does not listen any more")
        if window_len is not None and window_len < 1:
            raise ValueError(f"a window holds at least one byte, not {window_len}")
        self._next_port += 1
        connection = Wire(
            peer or Peer("127.0.0.1", self._next_port), window_len, 1 if byte_at_a_time else None
        )
        self.server.kernel.connect(connection)
        self.run_until_idle()
        return Connection(self, connection)

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
        """A new connection that has become a WebSocket, with what came behind the 101 still to be
        received.

        `headers` replace fields of the handshake or are added to them; `peer`, `byte_at_a_time` and
        `window_len` are those of `connect`. Without `answers_pings` the client does nothing by
        itself, as one that is dead: it answers neither pings nor a close frame.

        `UpgradeRefused` with the answer if that is not a 101, `NoAnswer` if there is none; that
        connection is ended.
        """
        connection = self.connect(peer=peer, window_len=window_len, byte_at_a_time=byte_at_a_time)
        offered = (subprotocols,) if isinstance(subprotocols, str) else tuple(subprotocols)
        connection.request("GET", target, headers=upgrade_fields(offered, origin, headers))
        found = self._find(connection, "GET", 0)
        while connection.wire.waiting and (found is None or found.answer.status != 101):
            connection.read(1)  # and nothing of what comes behind the head
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
        """Let time pass; the server looks at its clock whenever it would have, and at the end.

        ValueError for less than no time.
        """
        if not seconds >= 0:
            raise ValueError(f"time does not go back: {seconds}")
        server, end = self.server, self.server.now + seconds
        self.run_until_idle()
        while server.running and server.now < end:
            at = server.next_deadline()
            server.now = end if at is None or at <= server.now else min(at, end)
            server.tick()
            self.run_until_idle()
        server.now = end

    def run_until_idle(self) -> None:
        """Let the server do all it can do at this time: deliver answers that came late, go on with
        streams.

        `NeverIdle` if that has no end. Raises what the program behind the server has raised, if
        that is wanted.
        """
        kernel, ticks = self.server.kernel, 0
        most = kernel.bytes_written + self._max_sent_len
        while self.server.has_work or self._look():
            if ticks >= self._max_ticks or kernel.bytes_written > most:
                raise NeverIdle(
                    f"the server does not become idle: {self._max_ticks} ticks or "
                    f"{self._max_sent_len} bytes were not "
                    "enough. A stream without end is read with connect(window_len=...) and read()"
                )
            before = kernel.bytes_read
            self.server.tick()
            ticks = ticks + 1 if kernel.bytes_read == before else 0
        self._raise_errors()

    def require_idle(self) -> None:
        """RuntimeError if the program behind the server is the caller."""
        self.server.require_idle()

    def _look(self) -> bool:
        """Let the WebSockets do what they do by themselves; True if the server has something to
        read because of it.
        """
        return sum(websocket.look() for websocket in self._websockets) > 0

    def stop(self, grace: float = 5.0) -> None:
        """Ask the server to end: what is under way is answered for up to `grace` seconds; a second
        time means now.
        """
        self.server.stop(grace)
        self.run_until_idle()

    def _raise_errors(self) -> None:
        """Raise what has failed since this was last asked, if the test wants that."""
        server = self.server
        errors, lines = server.errors[:], server.log[self._log_seen :]
        server.errors.clear()
        self._log_seen = len(server.log)
        if not self._raises:
            return
        if errors:
            raise (
                errors[0] if len(errors) == 1 else BaseExceptionGroup("the handler raised", errors)
            )
        for line in lines:
            if line.logger == ERROR_LOG:
                raise HandlerError(line.text)
