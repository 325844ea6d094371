"""What a program asks of one connection beside sending: whether it is read, when it can be sent
more, and how long it may last.

Theory: these are facts like others: the program has said so; and the last two are the orders that
follow. They have their names from libwebsockets, whose users know them as `lws_rx_flow_control`,
`lws_callback_on_writable` and `lws_set_timeout`.

Rules: one that is for a connection that is gone, or ends, changes nothing. This file does not know
what becomes of them (`connection.control_requests`).
"""

from enum import IntEnum
from typing import Final, final

from .conn import Conn
from .value import Value
from .websocket.fragments import AnyMessage


class TimeoutReason(IntEnum):
    """What a program waits for with a timeout of its own; the numbers are those of libwebsockets,
    and to `sigil` they are words for the log.
    """

    NO_PENDING_TIMEOUT = 0
    """Nothing: this ends a timeout."""
    AWAITING_PROXY_RESPONSE = 1
    AWAITING_CONNECT_RESPONSE = 2
    ESTABLISH_WITH_SERVER = 3
    AWAITING_SERVER_RESPONSE = 4
    AWAITING_PING = 5
    CLOSE_ACK = 6
    AWAITING_EXTENSION_CONNECT_RESPONSE = 7
    SENT_CLIENT_HANDSHAKE = 8
    SSL_ACCEPT = 9
    HTTP_CONTENT = 10
    AWAITING_CLIENT_HS_SEND = 11
    FLUSH_STORED_SEND_BEFORE_CLOSE = 12
    SHUTDOWN_FLUSH = 13
    CGI = 14
    USER = 1_000
    """Anything else that a program waits for."""


@final
class ReadingAllowed(Value):
    """The program wants no more of what a connection sends, or wants it again."""

    __match_args__ = ("conn", "is_allowed")
    __slots__ = __match_args__

    def __init__(self, conn: Conn, is_allowed: bool) -> None:
        self.conn: Final = conn
        self.is_allowed: Final = is_allowed


@final
class WritableRequested(Value):
    """The program wants to be told, once, when more can be sent to a connection without waiting."""

    __match_args__ = ("conn",)
    __slots__ = __match_args__

    def __init__(self, conn: Conn) -> None:
        self.conn: Final = conn


@final
class TimeoutRequested(Value):
    """The program gives a connection so many seconds from now, for the `reason` that is one of
    `TimeoutReason`, in the place of what it had; `NO_PENDING_TIMEOUT` ends that.
    """

    __match_args__ = ("conn", "reason", "seconds")
    __slots__ = __match_args__

    def __init__(self, conn: Conn, reason: int, seconds: float) -> None:
        self.conn: Final = conn
        self.reason: Final = reason
        self.seconds: Final = seconds


@final
class DeliveryHeld(Value):
    """The callback of a `Deliver` or `DeliverCompressed` has returned, with these `replies`, and
    the program has stopped to read: it was not called with these messages, the last of them.
    """

    __match_args__ = ("conn", "replies", "messages")
    __slots__ = __match_args__

    def __init__(
        self, conn: Conn, replies: tuple[tuple[int, bytes], ...], messages: tuple[AnyMessage, ...]
    ) -> None:
        self.conn: Final = conn
        self.replies: Final = replies
        self.messages: Final = messages


@final
class CallWritable(Value):
    """Call `Callbacks.writable`: more can be sent to `conn` without waiting."""

    __match_args__ = ("conn",)
    __slots__ = __match_args__

    def __init__(self, conn: Conn) -> None:
        self.conn: Final = conn


@final
class CallWsPong(Value):
    """Call `Callbacks.ws_pong`: the pong of the WebSocket `conn` has come that brings back the
    `data` of a ping.
    """

    __match_args__ = ("conn", "data")
    __slots__ = __match_args__

    def __init__(self, conn: Conn, data: bytes) -> None:
        self.conn: Final = conn
        self.data: Final = data
