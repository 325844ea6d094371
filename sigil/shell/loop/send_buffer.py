"""What user code sends, buffered until the core receives it as events.

Theory: user code sends one message at a time and wants its true status at once; the core takes
events, and a run of it costs far more than a message. So the core is asked once what becomes of
messages to a recipient and for how many bytes that is certain: this is a window. While a window
is open a message is only appended, and its status is that of the window. When the window closes,
what it has taken becomes one event.

Rules: there is one window, for one WebSocket or for the broadcast, so events have the order of
the calls. A window closes when somebody else is sent to, when what is certain is used up, and
whenever the core is advanced. It does not know threads (`messaging` does), nor when messages leave
(`engine` does).
"""

from typing import Protocol

from ...core.broadcast.broadcast import (
    FRAME_HEADER_LEN_MAX,
    encoding_overhead,
    fits,
    publish_capacity,
)
from ...core.broadcast.entry import Publication
from ...core.close_reasons import CloseReason
from ...core.conn import Conn
from ...core.connection.websocket_send import NOMINAL_FRAME_HEADER_LEN, send_capacity
from ...core.events import CloseRequested, Event, Publish, SendMessages
from ...core.send_status import SendStatus
from ...core.server.slots import find_client
from ...core.server.state import Server
from ...core.websocket.frames import Opcode, frame_len, is_close_code

TEXT, BINARY = int(Opcode.TEXT), int(Opcode.BINARY)
"""The opcodes as plain integers: every frame looks something up by one, which costs more with a
member of an enum.
"""

TOO_SLOW = CloseReason.WS_CLIENT_TOO_SLOW.name
"""The key under which `Totals.closed` counts clients that were dropped for being too slow."""


class CoreAccess(Protocol):
    """What a buffer needs of the engine whose core it sends to."""

    @property
    def snapshot(self) -> Server:
        """The core's value, without the messages that are buffered."""

    def sync(self) -> None:
        """Advance the core by all that is buffered, and by what the kernel did not take."""

    def advance(self, events: list[Event]) -> None:
        """Advance the core by all that is buffered, then by these events."""

    def flush_now(self, conn: Conn | None) -> bool:
        """Send what waits for one client, or for all; True if there may be room again."""


class Window:
    """What is certain about the next messages to one recipient.

    `recipient` is a WebSocket, or None for the broadcast; `room` is how many bytes are certain,
    `count` how many messages of a broadcast (0 in a window for one WebSocket), `status` what
    becomes of them. One with a `recipient` that takes texts only has `is_text_only`.
    """

    __slots__ = ("count", "is_text_only", "recipient", "room", "status")

    def __init__(self) -> None:
        self.recipient: Conn | None = None
        self.status = SendStatus.DROPPED
        self.is_text_only = False
        self.close()

    def close(self) -> None:
        """Nothing is certain any more, about anybody."""
        self.recipient = None
        self.room = self.count = 0


class SendBuffer:
    """The messages that user code has sent and the core has not received."""

    __slots__ = (
        "_core",
        "_events",
        "_messages",
        "_publications",
        "_window",
        "is_clean",
        "unconfirmed",
    )

    def __init__(self, core: CoreAccess) -> None:
        self._core = core
        self._window = Window()
        self._messages: list[tuple[int, bytes]] = []
        """Messages to the recipient of the window."""
        self._publications: list[Publication] = []
        """Messages of the broadcast."""
        self._events: list[Event] = []
        """What closed windows had taken, in the order of the calls."""
        self.unconfirmed: set[Conn] = set()
        """Recipients of messages that were taken from here: the core may not have received them,
        as those taken by `take_messages` wait in a `Delivered`. The engine clears it.
        """
        self.is_clean = True
        """No window was opened since `take_events`, so nothing is buffered: nearly always, and then
        the engine need not ask further.
        """

    # -- questions ---------------------------------------------------------------------------------

    @property
    def has_sends(self) -> bool:
        """True if messages to single clients are buffered, or anything of a closed window."""
        return bool(self._messages or self._events)

    @property
    def has_any(self) -> bool:
        """True if anything is buffered."""
        return bool(self._messages or self._events or self._publications)

    # -- one client --------------------------------------------------------------------------------

    def send(self, conn: Conn, message: tuple[int, bytes]) -> SendStatus:
        """Send a message (opcode and payload) to one WebSocket or event stream; its status."""
        window = self._window
        if conn is not window.recipient or window.room <= 0:
            self._open(conn)
            if window.room <= 0:
                return SendStatus.DROPPED
        if window.is_text_only and message[0] != TEXT:
            return SendStatus.DROPPED
        self._messages.append(message)
        # the last one may go over: a client is too far behind when it has no room left at all
        window.room -= len(message[1]) + NOMINAL_FRAME_HEADER_LEN
        return window.status

    def _open(self, conn: Conn) -> None:
        """Open the window for this client; it has no room if a message would be dropped."""
        if self._messages or self._publications:
            self._close()
        if conn in self.unconfirmed:
            self._core.sync()
        status, room, is_text_only = self._capacity(conn)
        if room <= 0 and self._core.flush_now(conn):
            status, room, is_text_only = self._capacity(conn)
        window = self._window
        window.recipient, window.status, window.is_text_only = conn, status, is_text_only
        window.room, window.count = room, 0
        self.is_clean = False

    def _capacity(self, conn: Conn) -> tuple[SendStatus, int, bool]:
        """What the core says of messages to this client now."""
        state = self._core.snapshot
        return send_capacity(find_client(state.slots, conn), state.limits)

    def take_messages(self, conn: Conn) -> tuple[tuple[int, bytes], ...]:
        """The messages of this client's window, for whoever brings them to the core; else none."""
        if conn is not self._window.recipient or not self._messages:
            return ()
        messages = tuple(self._messages)
        self._messages.clear()
        self._window.close()
        self.unconfirmed.add(conn)
        return messages

    # -- the broadcast -----------------------------------------------------------------------------

    def publish(self, message: Publication) -> SendStatus:
        """Send a message to all subscribers; its status."""
        window, length = self._window, len(message[1]) + FRAME_HEADER_LEN_MAX
        if length > window.room or window.count <= 0:
            self._open_broadcast(length)
            if length > window.room or window.count <= 0:
                return self._publish_uncertain(message)
        window.room -= length
        window.count -= 1
        self._publications.append(message)
        return window.status

    def _open_broadcast(self, length: int) -> None:
        """Open the window for the broadcast, where a message takes `length` bytes at most."""
        self._close()
        if self._events or self.unconfirmed:
            self._core.sync()
        broadcast = self._core.snapshot.broadcast
        if broadcast.pending and not fits(broadcast, 1, length * encoding_overhead(broadcast)):
            self._core.flush_now(None)
        window = self._window
        window.recipient = None
        window.status, window.room, window.count = publish_capacity(self._core.snapshot.broadcast)
        self.is_clean = False

    def _publish_uncertain(self, message: Publication) -> SendStatus:
        """Publish a message that may cost a laggard its connection, or may not fit: try it, and
        look.
        """
        status, before = self._window.status, self._core.snapshot
        self._publications.append(message)
        self._core.advance([])
        dropped_before = before.totals.closed.get(TOO_SLOW, 0)
        dropped = self._core.snapshot.totals.closed.get(TOO_SLOW, 0)
        is_too_long = frame_len(len(message[1])) > before.limits.outgoing_buffer_sz
        return SendStatus.DROPPED if is_too_long or dropped > dropped_before else status

    # -- on to the core ----------------------------------------------------------------------------

    def replay(self, event: SendMessages | Publish) -> None:
        """Send what another thread has sent, as if it were sent now."""
        if isinstance(event, Publish):
            for publication in event.messages:
                self.publish(publication)
        else:
            for message in event.messages:
                self.send(event.conn, message)

    def take_events(self) -> list[Event]:
        """All that is buffered, as events for the core, in the order of the calls."""
        self._close()
        events, self._events = self._events, []
        self.is_clean = True
        return events

    def _close(self) -> None:
        """Close the window: what it has taken becomes an event."""
        if self._publications:
            self._events.append(Publish(tuple(self._publications)))
            self._publications.clear()
        conn = self._window.recipient
        if self._messages and conn is not None:
            self._events.append(SendMessages(conn, self.take_messages(conn)))
        self._window.close()


def to_message(data: object) -> tuple[int, bytes]:
    """The opcode and payload of a message: text for str, binary for bytes; what can change is
    copied.

    TypeError for anything else, ValueError for a str that is no Unicode text.
    """
    if isinstance(data, str):
        return TEXT, data.encode()
    if isinstance(data, bytes):
        return BINARY, data
    if isinstance(data, bytearray | memoryview):
        return BINARY, bytes(data)
    raise TypeError(f"a message is a str or bytes, not {type(data).__name__}")


def close_event(conn: Conn, code: object, text: object) -> CloseRequested:
    """The event of user code closing a connection, with a code (RFC 6455 section 7.4) or for a
    `CloseReason`.

    ValueError for a code that may not be sent in a close frame, TypeError for what is none.
    """
    if not isinstance(code, int):
        raise TypeError(f"a close code is a number or a CloseReason, not {type(code).__name__}")
    if not isinstance(text, str):
        raise TypeError(f"the reason of a close is a str, not {type(text).__name__}")
    if isinstance(code, CloseReason):
        return CloseRequested(conn, code, 0, text)
    if not is_close_code(code):
        raise ValueError(
            f"{code} is not the code of a close frame (1000 to 1003, 1007 to 1014, 3000 to 4999)"
        )
    return CloseRequested(conn, CloseReason.OK, code, text)
