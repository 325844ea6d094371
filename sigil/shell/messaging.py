"""What a program says to its clients: the same words whether the server has sockets or is one in
memory.

Theory: on the thread that ticks a word is told to the engine at once, so that its status is true;
on any other it is left in the inbox for the next tick, up to a bound.

Rules: `send` and `broadcast` take a message apart themselves while the engine knows what becomes of
it (`Engine.send_room` and `publish_room`): they are called for each message, so what they do not do
is not paid for. It does not know when there is a tick.
"""

from threading import get_ident

from ..core.broadcast.broadcast import FRAME_HEADER_LEN_MAX
from ..core.broadcast.entry import format_position
from ..core.conn import Conn, Peer
from ..core.connection.websocket_send import NOMINAL_FRAME_HEADER_LEN, buffered_amount
from ..core.events import CloseRequested, Event, Publish, SendMessages, Subscribe
from ..core.limits import Limits
from ..core.send_status import SendStatus
from ..core.server.slots import clients_of, find_client
from ..core.server.state import Server
from .loop.engine import Engine
from .loop.mailbox import Mailbox
from .loop.send_buffer import close_event, to_message
from .program.body_sources import LateChunk
from .program.callbacks import Returned
from .program.handlers import Application, LateResult, Posted, discard
from .staging import Stager

_TOPICS = (type(None), str)
_IN_ORDER = (SendMessages, Publish, Subscribe, CloseRequested)


def check_topic(topic: object) -> None:
    """TypeError for what is no topic."""
    if not isinstance(topic, str):
        raise TypeError(f"a topic is a str, not {type(topic).__name__}")


class Messaging(Stager):
    """A server that has clients to say something to."""

    def __init__(self, limits: Limits, engine: Engine) -> None:
        super().__init__(limits.outgoing_buffer_sz)
        self._limits = limits
        self.engine = engine
        """What is turned; for callers of this package only."""
        self._application: Application
        self._mailbox: Mailbox[Posted] = Mailbox(self._discard)
        self._thread = self._sending_thread = get_ident()
        """The thread that ticks, and the one that may speak without waking it."""

    def _wake(self) -> None:
        """Something will be said on the thread that ticks: see that there is a tick."""

    # -- questions ---------------------------------------------------------------------------------

    @property
    def state(self) -> Server:
        """The core's value now (for other threads: as of the last step): immutable, and yours to
        keep.
        """
        return self.engine.state if get_ident() == self._thread else self.engine.snapshot

    def clients(self) -> tuple[Conn, ...]:
        """The handles of all open connections."""
        return tuple(client.conn for client in clients_of(self.state.slots))

    def peer(self, conn: Conn) -> Peer | None:
        """The address of the client at the other end; None if the connection is gone."""
        client = find_client(self.state.slots, conn)
        return None if client is None else client.peer

    def position(self) -> str:
        """The position of the last message published, written `<epoch>-<n>`; before the first
        message `n` is 0.

        It is the `id` of that message on event streams, and what a client sends to resume after it.
        """
        broadcast = self.state.broadcast
        return format_position(broadcast.ring.epoch, broadcast.next_number - 1)

    def buffered_amount(self, conn: Conn) -> int:
        """Bytes owed to this client and not yet taken by the kernel; 0 for one that is gone."""
        state = self.state
        return buffered_amount(find_client(state.slots, conn), state.broadcast)

    # -- words -------------------------------------------------------------------------------------

    def send(self, conn: Conn, data: str | bytes | bytearray | memoryview) -> SendStatus:
        """Say a message to one WebSocket, text for a str and binary for bytes; may be called from
        any thread.

        It leaves at the end of the tick. `DROPPED` if the client is gone or going, or has
        `Limits.max_ws_outbox_len` bytes or more still to take, or if this is binary and the client
        an event stream; `BACKPRESSURE` if the message waits behind what was not taken. From another
        thread `SUCCESS` only says that it is on its way to the loop.
        """
        engine = self.engine
        if (
            conn is engine.recipient and type(data) is str and get_ident() == self._sending_thread
        ):  # as `Engine.send`, but faster
            payload = data.encode()
            engine.append_message((1, payload))
            engine.send_room = room = engine.send_room - len(payload) - NOMINAL_FRAME_HEADER_LEN
            if room <= 0:
                engine.recipient = None
            return engine.status
        if get_ident() != self._thread and self.running:
            message = to_message(data)
            return self._post_message(SendMessages(conn, (message,)), len(message[1]))
        self._wake()
        return engine.send(conn, data)

    def broadcast(
        self, data: str | bytes | bytearray | memoryview, *, topic: str | None = None
    ) -> SendStatus:
        """Say a message to all WebSockets, or those that hear `topic`; may be called from any
        thread.

        It leaves at the end of the tick, at the cost of one message whatever the number of clients.
        `BACKPRESSURE` if some client is behind; `DROPPED` if one was so far behind that it was
        dropped, or if the message does not fit into `Limits.outgoing_buffer_sz`.
        """
        engine = self.engine
        if (
            type(data) is str and topic.__class__ in _TOPICS and get_ident() == self._sending_thread
        ):  # as `Engine.publish`
            payload = data.encode()
            room = engine.publish_room - len(payload) - FRAME_HEADER_LEN_MAX
            if room >= 0 and engine.publish_count > 0:
                engine.publish_room = room
                engine.publish_count -= 1
                engine.append_publication((1, payload, topic))
                return engine.publish_status
        if topic is not None:
            check_topic(topic)
        if get_ident() != self._thread and self.running:
            message = to_message(data)
            return self._post_message(Publish(((*message, topic),)), len(message[1]))
        self._wake()
        return engine.publish(data, topic)

    def subscribe(self, conn: Conn, topic: str) -> None:
        """Subscribe a client to a topic from now on; may be called from any thread, twice is once.

        A topic beyond `Limits.max_ws_topics_per_client` or `max_topic_len` is not subscribed to, and
        the error log says so. TypeError for a topic that is not a str.
        """
        check_topic(topic)
        self._apply(Subscribe(conn, topic, True))

    def unsubscribe(self, conn: Conn, topic: str) -> None:
        """Unsubscribe a client from a topic; may be called from any thread, twice is once."""
        check_topic(topic)
        self._apply(Subscribe(conn, topic, False))

    def close(self, conn: Conn, code: int = 1000, reason: str = "") -> None:
        """Close a connection, a WebSocket with this code and reason; may be called from any thread,
        twice is once.

        What was sent before goes out first. A `CloseReason` in the place of the code is what
        `close` and `ws_close` are told, and says which code or status is sent. ValueError for a
        code that may not be sent.
        """
        self._apply(close_event(conn, code, reason))

    def wake(self) -> None:
        """Make a tick that is waiting return, or the next one not wait; may be called from any
        thread and from a signal handler.
        """
        self._mailbox.wake()

    def post(self, word: Posted) -> None:
        """Leave word for the next tick, and wake the server if it waits; may be called from any
        thread.
        """
        self._mailbox.put(word)

    def _apply(self, event: Event) -> None:
        """Tell the core at once what the program wants, or leave word if this is another thread."""
        if get_ident() != self._thread and self.running:
            self.post(event)
            return
        self._wake()
        self.engine.apply(event)

    def _post_message(self, word: SendMessages | Publish, length: int) -> SendStatus:
        """Leave a message for the loop's thread, unless it is too far behind."""
        is_taken = self._mailbox.put(word, length, self._limits.max_thread_queue_len)
        return SendStatus.SUCCESS if is_taken else SendStatus.DROPPED

    # -- the inbox ---------------------------------------------------------------------------------

    def _take_posted(self) -> None:
        """What was left for this tick, by other threads and by user code; what comes meanwhile is
        for the next one.
        """
        answers: list[Event] = []
        for word in self._mailbox.take():
            if answers and isinstance(
                word, _IN_ORDER
            ):  # whoever answers a client first, means a client with an answer
                self.engine.apply(*answers)
                answers.clear()
            if isinstance(word, SendMessages | Publish):
                self.engine.replay(word)
            elif isinstance(
                word, Subscribe | CloseRequested
            ):  # what is said after it is heard after it
                self.engine.apply(word)
            else:
                event = (
                    self._take_late(word)
                    if isinstance(word, LateResult | LateChunk | Returned)
                    else word
                )
                if event is not None:
                    (
                        answers if isinstance(word, LateResult | LateChunk) else self.engine.events
                    ).append(event)
        self.engine.events += answers

    def _take_late(self, late: LateResult | LateChunk | Returned) -> Event | None:
        """A result that came after user code had returned, as an event."""
        return self._application.take_late(late)

    def _discard(self, word: Posted) -> None:
        """A word that came too late; what a connection's callbacks are told of its end is told all
        the same.
        """
        if isinstance(word, Returned):
            self._application.take_late(word)
        else:
            discard(word)


def http_server_state(server: Messaging) -> Server:
    """The property `state` of a server."""
    return server.state


http_server_clients = Messaging.clients
http_server_peer = Messaging.peer
http_server_position = Messaging.position
http_server_buffered_amount = Messaging.buffered_amount
http_server_send = Messaging.send
http_server_broadcast = Messaging.broadcast
http_server_subscribe = Messaging.subscribe
http_server_unsubscribe = Messaging.unsubscribe
http_server_close = http_server_ws_close = Messaging.close
http_server_wake = Messaging.wake
