"""What a program asks a server about its clients: the same questions for one with sockets and one
in memory.

Theory: all answers are read off the core's value. On the thread that ticks that is the value with
all that was sent, on any other the value of the last step.

Rules: nothing is changed here. It does not know what is sent, nor when there is a tick.
"""

from threading import get_ident
from typing import Any

from ..core.broadcast.broadcast import subscriber_count
from ..core.broadcast.retained import payload_of
from ..core.broadcast.ring import position_at
from ..core.conn import Conn, Peer
from ..core.connection.websocket_send import buffered_amount
from ..core.limits import Limits
from ..core.server.slots import clients_of, find_client
from ..core.server.state import Server
from ..core.tls import TlsPeer, tls_peer
from ..core.topics import Topic
from .arguments import check_conn, check_topic, check_topic_of_message
from .loop.engine import Engine
from .loop.send_buffer import TEXT
from .program.handlers import Application
from .staging import Stager


class Questions(Stager):
    """A server as far as it is asked."""

    __slots__ = ("_application", "_engine", "_is_in_asyncio", "_thread")

    def __init__(self, limits: Limits, engine: Engine) -> None:
        super().__init__(limits.outgoing_buffer_sz, engine.guard)
        self._engine = engine
        """The loop around the core; for this package only."""
        self._application: Application
        self._is_in_asyncio = False
        self._thread = get_ident()
        """The thread that ticks."""

    @property
    def runs_coroutines(self) -> bool:
        """True where handlers and callbacks may be coroutines: inside asyncio (`http_server_serve`)
        and trio, and where the server serves by itself (`start`, `serve_in_thread`).
        """
        return self._application.sources.spawn is not None

    @property
    def runs_in_asyncio(self) -> bool:
        """True where coroutines run in a loop of asyncio that is there already: inside
        `http_server_serve`, and in `sigil.testing`.
        """
        return self.runs_coroutines and self._is_in_asyncio

    @property
    def state(self) -> Server:
        """The core's value now (for other threads: as of the last step): immutable, and yours to
        keep.
        """
        guard = self._guard
        if get_ident() != self._thread or guard.is_busy:
            return self._engine.snapshot
        guard.is_busy = True
        try:
            return self._engine.state
        finally:
            guard.is_busy = False

    def clients(self) -> tuple[Conn, ...]:
        """The handles of all open connections."""
        return tuple(client.conn for client in clients_of(self.state.slots))

    def peer(self, conn: Conn) -> Peer | None:
        """The address of the client at the other end; None if the connection is gone."""
        check_conn(conn)
        client = find_client(self.state.slots, conn)
        return None if client is None else client.peer

    def is_ssl(self, conn: Conn) -> TlsPeer:
        """What TLS says about the client at the other end: NONE without TLS, and for a connection
        that is gone; VERIFIED if it has a certificate of one of our authorities, else UNVERIFIED.
        """
        peer = self.peer(conn)
        return tls_peer(None if peer is None else peer.tls)

    def position(self) -> str:
        """The position of the last message published, written `<epoch>-<n>`; before the first
        message `n` is 0.

        It is the `id` of that message on event streams, and what a client sends to resume after it.
        """
        broadcast = self.state.broadcast
        return position_at(broadcast.ring, broadcast.next_number)

    def retained(self, topic: str | None = None) -> str | bytes | None:
        """The message that is retained on a topic, or on none; None if there is none."""
        if topic is not None:
            check_topic_of_message(topic)
        message = self.state.broadcast.retained.messages.get(topic)
        if message is None:
            return None
        payload = payload_of(message.frame)
        return payload.decode() if message.frame[0] & 0x0F == TEXT else payload

    def buffered_amount(self, conn: Conn) -> int:
        """Bytes for this client that the kernel has not taken yet; 0 for one that is gone."""
        check_conn(conn)
        state = self.state
        return buffered_amount(find_client(state.slots, conn), state.broadcast)

    def subscriber_count(self, topic: Topic | None = None) -> int:
        """How many WebSockets, event streams and long-polls that wait would be sent a message on
        this topic, or, without one, one to everybody; of `ALL_TOPICS`, how many are subscribed to
        that. Nobody is counted one by one.
        """
        if topic is not None:
            check_topic(topic)
        return subscriber_count(self.state.broadcast, topic)

    def context(self, conn: Conn) -> Any:
        """What `Response.upgrade(context=...)` has given a WebSocket, from `ws_open` until
        `ws_close` has returned; None for any other, and for one that is gone.
        """
        check_conn(conn)
        return self._application.callbacks.programs.context(conn)

    def close_text(self, conn: Conn) -> str:
        """The reason that the peer of a WebSocket has written into its close frame, for `ws_close`
        and until that has returned; empty if there is none.
        """
        check_conn(conn)
        return self._application.callbacks.programs.close_texts.get(conn, "")


def http_server_state(server: Questions) -> Server:
    """The property `state` of a server."""
    return server.state


def http_server_runs_coroutines(server: Questions) -> bool:
    """The property `runs_coroutines` of a server."""
    return server.runs_coroutines


def http_server_runs_in_asyncio(server: Questions) -> bool:
    """The property `runs_in_asyncio` of a server."""
    return server.runs_in_asyncio


http_server_clients = Questions.clients
http_server_is_ssl = Questions.is_ssl
http_server_peer = Questions.peer
http_server_position = Questions.position
http_server_retained = Questions.retained
http_server_buffered_amount = Questions.buffered_amount
http_server_subscriber_count = Questions.subscriber_count
http_server_context = Questions.context
http_server_close_text = Questions.close_text
