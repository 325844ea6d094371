"""A WebSocket of a test: the client's side of a conversation (RFC 6455 sections 4 to 7).

Theory: what a browser or a client library does by itself is done here by itself: pings are
answered, a close frame is returned, and the connection is ended when the server has ended it.
Everything else is said by the test.

Rules: what is read is read by the product's own codec, as a client has to read it, and a frame that
a client may not accept is a `BadAnswer`. The key and the masks are the same every time: a test is
no place for chance. Nothing that came is forgotten. It does not know when it is looked after:
`client` does.
"""

from zstandard import ZstdDecompressor, ZstdError

from ..core.broadcast.negotiation import ZSTD_SUBPROTOCOL
from ..core.close_reasons import close_reason_str
from ..core.conn import Conn
from ..core.http.headers import Pairs, to_pairs
from ..core.http.response import HeadersLike
from ..core.parse_result import Malformed
from ..core.websocket.frames import FrameRules, Opcode, encode_close, encode_masked
from ..core.websocket.handshake import VERSION, accept_key
from ..core.websocket.messages import (
    BETWEEN_MESSAGES,
    Close,
    CompressedMessage,
    Item,
    Message,
    MessageReader,
    Ping,
    Pong,
    decompress,
    receive_data,
)
from ..shell.loop.send_buffer import to_message
from .answers import Answer, BadAnswer
from .connection import Connection
from .driver import Driver

_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
_MASK = b"\x37\xfa\x21\x3d"
_BROKEN_OFF = 1006
_MOST = 2**62
_TERMS = FrameRules(_MOST, _MOST, is_masked=False)
_INFLATED_MOST = 2**30
_A_GULP = 65_536


class UpgradeRefused(Exception):
    """The server did not upgrade the connection; `answer` is what it said instead."""

    def __init__(self, answer: Answer) -> None:
        text = answer.body[:1_000].decode(errors="replace")
        super().__init__(f"the upgrade was answered with {answer.status}: {text}")
        self.answer = answer


class NoMessage(Exception):
    """No message is there, and none will come before time passes or the test does something."""


class WebSocketClosed(Exception):
    """The conversation is over; `code` and `reason` are those of the close frame, 1006 and "" if
    there was none.
    """

    def __init__(self, code: int, reason: str, account: str) -> None:
        super().__init__(
            f"the WebSocket was closed with {code}{f' ({reason})' if reason else ''}{account}"
        )
        self.code = code
        self.reason = reason


def upgrade_fields(
    subprotocols: tuple[str, ...], origin: str | None, headers: HeadersLike
) -> Pairs:
    """The fields of a request for a WebSocket; those given in `headers` replace what would
    be sent.
    """
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
    """`BadAnswer` unless this 101 is what a client may accept (RFC 6455 section 4.1)."""
    accept = answer.headers.get("sec-websocket-accept")
    if accept != accept_key(_KEY):
        raise BadAnswer(f"not the Sec-WebSocket-Accept that answers the key: {accept!r}")


class WebSocket:
    """One WebSocket to a server in memory; `Client.websocket` makes it.

    Whatever is done to it, the server has come to rest when the call returns, as far as it can
    without time passing.
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
        """What it runs over: for bytes, `reset`, `half_close`, `is_closed`, and the server's
        `reason` for the end.
        """
        self.subprotocol = answer.headers.get("sec-websocket-protocol")
        """What the server chose of the subprotocols that were offered, or None."""
        self.extensions = answer.headers.get("sec-websocket-extensions", "")
        """What the server chose of the extensions that were offered in `headers`. Messages that
        come compressed, by `permessage-deflate` or `compress-zstd`, are received as what they say;
        what is sent is not compressed.
        """
        self._terms = _TERMS._replace(allows_rsv1=bool(self.extensions))
        self.pings: list[bytes] = []
        """The payloads of all pings that came."""
        self.pongs: list[bytes] = []
        """The payloads of all pongs that came."""
        self.code: int | None = None
        """The code of the server's close frame; 1006 if it ended without one, None while it has not
        ended.
        """
        self.reason = ""
        """What the server's close frame says."""
        self._start = start
        self._answers = answers_pings
        self._messages: list[str | bytes] = []
        self._taken = 0
        self._inbound: MessageReader = BETWEEN_MESSAGES
        self._has_said_close = False

    @property
    def handle(self) -> Conn:
        """What the server calls this client."""
        assert self.connection.handle is not None
        return self.connection.handle

    # -- hearing -----------------------------------------------------------------------------------

    def receive(self) -> str | bytes:
        """The next message: text as str, binary as bytes.  A slow reader reads until it has one.

        `NoMessage` if there is none; `WebSocketClosed` if there is none and the server has ended
        the conversation.
        """
        self._driver.run_until_idle()
        while self._taken == len(self._messages) and self.connection.wire.waiting:
            self.read(_A_GULP)
        if self._taken < len(self._messages):
            self._taken += 1
            return self._messages[self._taken - 1]
        if self.code is not None:
            raise self._closed()
        raise NoMessage(
            "there is no message, and the server is idle: let time pass with advance(), or let the "
            "program send one"
        )

    def messages(self) -> list[str | bytes]:
        """All messages that came, those that `receive` has returned too; of a slow reader, those it
        has read.
        """
        self._driver.run_until_idle()
        return self._messages[:]

    def read(self, count: int) -> bytes:
        """Read up to `count` bytes of what the window holds; see `Connection.read`."""
        return self.connection.read(count)

    def _closed(self) -> WebSocketClosed:
        """The end, with what the server knows of it."""
        reason = self.connection.reason
        return WebSocketClosed(
            self.code or _BROKEN_OFF,
            self.reason,
            "" if reason is None else f"; {close_reason_str(reason)}",
        )

    # -- saying ------------------------------------------------------------------------------------

    def send(self, data: str | bytes) -> None:
        """Send a message, text for a str and binary for bytes. `WebSocketClosed` if the server has
        ended.
        """
        opcode, payload = to_message(data)
        self._driver.run_until_idle()
        if self.code is not None:
            raise self._closed()
        self.send_frame(opcode, payload)

    def ping(self, payload: bytes = b"") -> None:
        """Send a ping; the answer is in `pongs`."""
        self.send_frame(Opcode.PING, payload)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say the last word, without a code for 1005; twice is once. ValueError for a code that may
        not be sent.
        """
        payload = encode_close(code, reason)
        if not self._has_said_close and self.code is None:
            self._has_said_close = True
            self.send_frame(Opcode.CLOSE, payload)

    def send_frame(self, opcode: int, payload: bytes = b"", fin: bool = True, rsv: int = 0) -> None:
        """Send one frame, whatever it is; `rsv` is the three reserved bits, 0 to 7.

        What is not even a frame is sent with `connection.send`.
        """
        self.connection.send(encode_masked(opcode, payload, _MASK, fin, rsv))

    # -- what a client does by itself --------------------------------------------------------------

    def look(self) -> bool:
        """Take what came; True if the server has something to read because of it. `BadAnswer` if
        that is no frame.
        """
        connection = self.connection.wire
        if len(connection.received) == self._start and not (
            connection.is_shut or connection.has_reset
        ):
            return False
        data = bytes(connection.received[self._start :])
        self._start += len(data)
        answers = [answer for item in self._take(data) if (answer := self._answer(item))]
        has_ended = self.connection.has_ended or connection.has_reset
        if has_ended and self.code is None:
            self.code = _BROKEN_OFF
        if (
            not self._answers
            or connection.is_closed
            or connection.has_half_closed
            or connection.has_reset
        ):
            return False
        connection.arrived += b"".join(answers)
        connection.has_half_closed = has_ended
        return bool(answers) or has_ended

    def _take(self, data: bytes) -> tuple[Item, ...]:
        """What these bytes complete; behind a close frame everything is discarded (RFC 6455 section
        1.4).
        """
        self._inbound, items, error = receive_data(self._inbound, data, self._terms)
        if error is not None:
            raise BadAnswer(error.message)
        return items

    def _answer(self, item: Item) -> bytes:
        """Keep an item, and what a client sends because of it."""
        match item:
            case Ping(payload):
                self.pings.append(payload)
                return encode_masked(Opcode.PONG, payload, _MASK)
            case Pong(payload):
                self.pongs.append(payload)
            case Close(code, reason):
                self.code, self.reason = code, reason
                if not self._has_said_close:
                    self._has_said_close = self._answers
                    return encode_masked(Opcode.CLOSE, encode_close(code), _MASK)
            case str() | bytes() | CompressedMessage():
                self._messages.append(_unsqueezed(item, self.subprotocol == ZSTD_SUBPROTOCOL))
        return b""


def _unsqueezed(item: Message | CompressedMessage, is_zstd: bool) -> Message:
    """What a message says; `BadAnswer` if it is not what its encoding says it is.

    Of a binary message in Zstandard nothing tells whether it was a text.
    """
    message = decompress(item, _INFLATED_MOST) if isinstance(item, CompressedMessage) else item
    if isinstance(message, Malformed):
        raise BadAnswer(message.message)
    if is_zstd and isinstance(message, bytes):
        try:
            return ZstdDecompressor().decompress(message, max_output_size=_INFLATED_MOST)
        except ZstdError as error:
            raise BadAnswer(f"a binary message that is no Zstandard: {error}") from None
    return message
