"""A WebSocket client for tests (RFC 6455 sections 4 to 7).

Theory: what a browser or a client library does by itself is done by itself here: pings are
answered, a close frame is answered, and the connection is ended when the server has ended it.
Everything else is sent by the test.

Rules: frames are parsed by the product's own parser with a client's rules, and a frame that a
client may not accept is a `BadAnswer`. The key and the mask are always the same, so that nothing is
left to chance. All messages are kept. It does not know when it is given the bytes that came:
`client` does.
"""

from typing import assert_never

from zstandard import ZstdDecompressor, ZstdError

from ..core.broadcast.negotiation import ZSTD_SUBPROTOCOL
from ..core.close_reasons import close_reason_str
from ..core.conn import Conn
from ..core.http.headers import Pairs, to_pairs
from ..core.http.response import HeadersLike
from ..core.parse_result import Malformed
from ..core.websocket.fragments import (
    CompressedFragment,
    CompressedMessage,
    Fragment,
    Message,
    decompress,
)
from ..core.websocket.frames import FrameRules, Opcode, encode_close, encode_masked
from ..core.websocket.handshake import VERSION, accept_key
from ..core.websocket.messages import (
    BETWEEN_MESSAGES,
    Close,
    Item,
    MessageReader,
    Ping,
    Pong,
    receive_data,
)
from ..shell.loop.send_buffer import to_message
from .answers import Answer, BadAnswer
from .connection import Connection
from .driver import Driver

_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
_MASK = b"\x37\xfa\x21\x3d"
_ABNORMAL_CLOSURE = 1006
_UNLIMITED = 2**62
_FRAME_RULES = FrameRules(_UNLIMITED, _UNLIMITED, is_masked=False)
_MAX_DECOMPRESSED_LEN = 2**30
_READ_LEN = 65_536


class UpgradeRefused(Exception):
    """The server did not upgrade the connection; `answer` is its response."""

    def __init__(self, answer: Answer) -> None:
        text = answer.body[:1_000].decode(errors="replace")
        super().__init__(f"the upgrade was answered with {answer.status}: {text}")
        self.answer = answer


class NoMessage(Exception):
    """No message has come, and none will before time passes or the test does something."""


class WebSocketClosed(Exception):
    """The server has closed the WebSocket.

    `code` and `reason` are those of its close frame, 1006 and "" if there was none.
    """

    def __init__(self, code: int, reason: str, cause: str) -> None:
        stated = f" ({reason})" if reason else ""
        super().__init__(f"the WebSocket was closed with {code}{stated}{cause}")
        self.code = code
        self.reason = reason


def upgrade_fields(
    subprotocols: tuple[str, ...], origin: str | None, headers: HeadersLike
) -> Pairs:
    """The header fields of an opening handshake; those in `headers` replace the usual ones."""
    offered = (("Sec-WebSocket-Protocol", ", ".join(subprotocols)),) if subprotocols else ()
    named = () if origin is None else (("Origin", origin),)
    defaults = (
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", VERSION),
        ("Sec-WebSocket-Key", _KEY),
        *offered,
        *named,
    )
    given = to_pairs(headers)
    names = {name.lower() for name, _ in given}
    return (*(pair for pair in defaults if pair[0].lower() not in names), *given)


def check_accept(answer: Answer) -> None:
    """Raise `BadAnswer` unless this 101 is one that a client may accept (RFC 6455 section 4.1)."""
    accept = answer.headers.get("sec-websocket-accept")
    if accept != accept_key(_KEY):
        raise BadAnswer(f"not the Sec-WebSocket-Accept that answers the key: {accept!r}")


class WebSocket:
    """One WebSocket to a server in memory; `Client.websocket` makes it.

    When a call returns, the server has done all that it can do without time passing.
    """

    def __init__(
        self,
        driver: Driver,
        connection: Connection,
        answer: Answer,
        start: int,
        answers_pings: bool,
    ) -> None:
        self._driver = driver
        self.connection = connection
        """The connection under it: raw bytes, `reset`, `half_close`, `is_closed`, and the server's
        `reason` for closing it.
        """
        self.subprotocol = answer.headers.get("sec-websocket-protocol")
        """The subprotocol that the server chose of those that were offered, or None."""
        self.extensions = answer.headers.get("sec-websocket-extensions", "")
        """The extensions that the server chose of those that were offered in `headers`.

        Messages that come compressed, by `permessage-deflate` or `compress-zstd`, are decompressed;
        those that are sent are not compressed.
        """
        self._frame_rules = _FRAME_RULES.replace(allows_rsv1=bool(self.extensions))
        self.pings: list[bytes] = []
        """The payloads of all pings that were received."""
        self.pongs: list[bytes] = []
        """The payloads of all pongs that were received."""
        self.code: int | None = None
        """The code of the server's close frame.

        1006 if the connection ended without one; None while it is open.
        """
        self.reason = ""
        """The reason in the server's close frame, "" if there is none."""
        self._start = start
        self._answers = answers_pings
        self._messages: list[str | bytes] = []
        self._received_count = 0
        self._reader: MessageReader = BETWEEN_MESSAGES
        self._has_sent_close = False

    @property
    def handle(self) -> Conn:
        """The server's handle of this client."""
        assert self.connection.handle is not None
        return self.connection.handle

    # -- receiving ---------------------------------------------------------------------------------

    def receive(self) -> str | bytes:
        """The next message, text as str and binary as bytes; a slow reader reads until it has one.

        `NoMessage` if there is none; `WebSocketClosed` if there is none and the server has closed
        the WebSocket.
        """
        self._driver.run_until_idle()
        while self._received_count == len(self._messages) and self.connection.wire.unread:
            self.read(_READ_LEN)
        if self._received_count < len(self._messages):
            self._received_count += 1
            return self._messages[self._received_count - 1]
        if self.code is not None:
            raise self._closed()
        raise NoMessage(
            "there is no message, and the server is idle: let time pass with advance(), or let the "
            "program send one"
        )

    def messages(self) -> list[str | bytes]:
        """All messages that were received, also those that `receive` has returned.

        For a slow reader, only those that it has read.
        """
        self._driver.run_until_idle()
        return self._messages[:]

    def read(self, count: int) -> bytes:
        """Up to `count` bytes, which are taken out of the window; see `Connection.read`."""
        return self.connection.read(count)

    def _closed(self) -> WebSocketClosed:
        """The exception for a message that cannot come, with the server's reason for closing."""
        reason = self.connection.reason
        cause = "" if reason is None else f"; {close_reason_str(reason)}"
        return WebSocketClosed(self.code or _ABNORMAL_CLOSURE, self.reason, cause)

    # -- sending -----------------------------------------------------------------------------------

    def send(self, data: str | bytes) -> None:
        """Send a message, text for a str and binary for bytes.

        `WebSocketClosed` if the server has closed the WebSocket.
        """
        opcode, payload = to_message(data)
        self._driver.run_until_idle()
        if self.code is not None:
            raise self._closed()
        self.send_frame(opcode, payload)

    def ping(self, payload: bytes = b"") -> None:
        """Send a ping; the payload of its pong will be in `pongs`."""
        self.send_frame(Opcode.PING, payload)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Start the closing handshake, unless it was started before.

        The close frame has no code for 1005. ValueError for a code that may not be sent.
        """
        payload = encode_close(code, reason)
        if not self._has_sent_close and self.code is None:
            self._has_sent_close = True
            self.send_frame(Opcode.CLOSE, payload)

    def send_frame(self, opcode: int, payload: bytes = b"", fin: bool = True, rsv: int = 0) -> None:
        """Send one frame, valid or not; `rsv` is the three reserved bits, 0 to 7.

        Bytes that are no frame are sent with `connection.send`.
        """
        self.connection.send(encode_masked(opcode, payload, _MASK, fin, rsv))

    # -- what a client does by itself --------------------------------------------------------------

    def process_received(self) -> bool:
        """Parse the bytes that came and answer pings and the close frame.

        True if the server has something to read because of it. `BadAnswer` for what is no frame.
        """
        wire = self.connection.wire
        is_over = wire.is_shut or wire.has_reset
        if len(wire.received) == self._start and not is_over:
            return False
        data = bytes(wire.received[self._start :])
        self._start += len(data)
        replies = b"".join([self._process(item) for item in self._parse(data)])
        has_ended = self.connection.has_ended or wire.has_reset
        if has_ended and self.code is None:
            self.code = _ABNORMAL_CLOSURE
        can_send = not (wire.is_closed or wire.has_half_closed or wire.has_reset)
        if not self._answers or not can_send:
            return False
        wire.arrived += replies
        wire.has_half_closed = has_ended
        return bool(replies) or has_ended

    def _parse(self, data: bytes) -> tuple[Item, ...]:
        """The messages and control frames that these bytes complete.

        What follows a close frame is discarded (RFC 6455 section 1.4).
        """
        self._reader, items, error = receive_data(self._reader, data, self._frame_rules)
        if error is not None:
            raise BadAnswer(error.message)
        return items

    def _process(self, item: Item) -> bytes:
        """The frame that a client sends in reply to an item, b"" for none; the item is kept."""
        match item:
            case Ping(payload):
                self.pings.append(payload)
                return encode_masked(Opcode.PONG, payload, _MASK)
            case Pong(payload):
                self.pongs.append(payload)
            case Close(code, reason):
                self.code, self.reason = code, reason
                if not self._has_sent_close:
                    self._has_sent_close = self._answers
                    return encode_masked(Opcode.CLOSE, encode_close(code), _MASK)
            case Fragment() | CompressedFragment():
                raise AssertionError("this client reads whole messages")
            case str() | bytes() | CompressedMessage():
                self._messages.append(_decoded(item, self.subprotocol == ZSTD_SUBPROTOCOL))
            case _:
                assert_never(item)
        return b""


def _decoded(item: Message | CompressedMessage, is_zstd: bool) -> Message:
    """The content of a message; `BadAnswer` if it cannot be decompressed.

    With `is_zstd` a binary message is a Zstandard frame, and its content is bytes, as nothing in it
    shows whether it was a text.
    """
    message: Message | Malformed
    if isinstance(item, CompressedMessage):
        message = decompress(item, _MAX_DECOMPRESSED_LEN)
    else:
        message = item
    if isinstance(message, Malformed):
        raise BadAnswer(message.message)
    if is_zstd and isinstance(message, bytes):
        try:
            return ZstdDecompressor().decompress(message, max_output_size=_MAX_DECOMPRESSED_LEN)
        except ZstdError as error:
            raise BadAnswer(f"a binary message that is no Zstandard: {error}") from None
    return message
