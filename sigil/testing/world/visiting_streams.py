"""The clients of a world of somebody's own program that stay: WebSockets and event streams.

Theory: who stays is sent what the program publishes, which this client does not know. So it checks
that what comes can be parsed, answers pings and close frames as a browser does, and says something
now and then.

Rules: it reads strictly, by the product's own codec in the role of a client. One that is answered
otherwise than it asked for has an answer all the same. It does not know the server, only its wire.
"""

from random import Random

from ...core.parse_result import Malformed
from ...core.websocket.fragments import CompressedMessage, decompress
from ...core.websocket.frames import FrameRules, Opcode, encode_close, encode_masked
from ...core.websocket.messages import BETWEEN_MESSAGES, Close, MessageReader, Ping, receive_data
from .model import Violation
from .visitors import Manner, Sends, Visitor, Visitors, drawn, encode_ask, to_ask

_FRAME_RULES = FrameRules(2**62, 2**62, is_masked=False)
_MASK = b"\x37\xfa\x21\x3d"
_DEFLATE = ("Sec-WebSocket-Extensions", "permessage-deflate")
_OFFERS: tuple[tuple[tuple[str, str], ...], ...] = (
    (),
    (),
    (_DEFLATE,),
    ((_DEFLATE[0], f"{_DEFLATE[1]}; server_max_window_bits=9"),),
)
_UPGRADE = (
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
)


class EventStreamVisitor(Visitor):
    """A client that reads an event stream, until it has had enough."""

    __slots__ = ("has_begun",)

    def __init__(
        self,
        number: int,
        rng: Random,
        of: Visitors,
        manner: Manner,
        notified: "dict[Visitor, None]",
        now: float,
    ) -> None:
        super().__init__(number, rng, of, manner, notified, now)
        self.left = 1
        self.has_begun = False

    def ask(self, now: float) -> None:
        """Ask for the stream."""
        ask = to_ask(drawn(self.rng, self.asks))
        self.asked.append(ask.method)
        self.active_at = now
        ask = ask._replace(headers=(*ask.headers, ("Accept", "text/event-stream")))
        self.outgoing += encode_ask(ask, self.rng)

    def read(self, ends: bool) -> None:
        """Take what has come: the head of the stream, then whatever."""
        if not self.has_begun:
            head, blank, rest = self.buffer.partition(b"\r\n\r\n")
            if not blank:
                return
            if b"text/event-stream" not in head.lower():
                super().read(ends)
                return
            self.has_begun, self.buffer = True, rest
            self.statuses.append(200)
        self.answered += self.buffer.count(b"\n\n")
        self.buffer = self.buffer[-1:]


class WebSocketVisitor(Visitor):
    """A client that opens a WebSocket and says something now and then."""

    __slots__ = ("has_closed", "inbound", "is_upgraded", "received", "rules", "sends")

    def __init__(
        self,
        number: int,
        rng: Random,
        of: Visitors,
        manner: Manner,
        notified: "dict[Visitor, None]",
        now: float,
    ) -> None:
        super().__init__(number, rng, of, manner, notified, now)
        self.left = rng.randint(0, of.times)
        self.sends: Sends = of.sends
        self.inbound: MessageReader = BETWEEN_MESSAGES
        self.rules = _FRAME_RULES
        self.is_upgraded = self.has_closed = False
        self.received = 0

    def act(self, now: float) -> float | None:
        """Open the WebSocket; say something; close it at the end."""
        if not self.is_upgraded:
            if not self.asked:
                self._upgrade(now)
                return self._send(now)
            return self._again(now)
        if self.has_closed:
            return self._again(now)
        if not self.left:
            return min(self.dies_at, self.ends_at)
        self.left -= 1
        self.outgoing += _frames(drawn(self.rng, self.sends), self.rng)
        self._send(now)
        return min(now + self.rng.random() * 10.0, self.dies_at, self.ends_at)

    def _upgrade(self, now: float) -> None:
        """Ask for the upgrade."""
        ask = to_ask(drawn(self.rng, self.asks))
        offer = self.rng.choice(_OFFERS)
        self.rules = _FRAME_RULES.replace(allows_rsv1=bool(offer))
        self.asked.append("GET")
        self.active_at = now
        ask = ask._replace(headers=(*ask.headers, *_UPGRADE, *offer))
        self.outgoing += encode_ask(ask, self.rng)

    def leave(self, now: float) -> float | None:
        """Close the WebSocket; go at once if there is none, or nothing answers that."""
        if not self.is_upgraded or self.has_closed or self.manner.resets:
            return super().leave(now)
        self.has_ended = True
        self._close(1000)
        self._send(now)
        self.ends_at = now + 30.0
        return self.ends_at

    def _close(self, code: int) -> None:
        self.has_closed = True
        self.outgoing += encode_masked(Opcode.CLOSE, encode_close(code), _MASK)

    def listen(self, now: float) -> float | None:
        """Take what has come, and answer what is to be answered at once."""
        was_upgraded = self.is_upgraded
        again = super().listen(now)
        can_send = not (self.wire.is_closed or self.wire.has_half_closed or self.is_dead)
        if self.outgoing and can_send and not self.manner.dribbles:
            self.wire.arrived += self.outgoing
            self.outgoing = b""
        if not self.is_upgraded:
            return again
        return None if was_upgraded else now + self.rng.random() * 5.0

    def read(self, ends: bool) -> None:
        """Take the answer, then frames."""
        if not self.is_upgraded:
            if not self.buffer.startswith(b"HTTP/1.1 101 "):
                super().read(ends)
                return
            _, blank, rest = self.buffer.partition(b"\r\n\r\n")
            if not blank:
                return
            self.is_upgraded, self.buffer, self.answered = True, rest, 1
            self.statuses.append(101)
            self.asked.clear()
            self.ends_at = min(self.ends_at, self.active_at + 60.0)
        data, self.buffer, self.needed = self.buffer, b"", 0
        self.inbound, items, error = receive_data(self.inbound, data, self.rules)
        if error is not None:
            raise Violation("frame", f"{self.wire.peer} received what is no frame: {error}")
        for item in items:
            if isinstance(item, CompressedMessage):
                message = decompress(item, 2**30)
                if isinstance(message, Malformed):
                    raise Violation("frame", f"{self.wire.peer} received {message.message}")
            if isinstance(item, Ping):
                self.outgoing += encode_masked(Opcode.PONG, item.payload, _MASK)
            elif isinstance(item, Close):
                if not self.has_closed:
                    self._close(item.code)
            else:
                self.received += 1


def _frames(message: str | bytes, rng: Random) -> bytes:
    """A message in one frame, or in two with a pong between them."""
    opcode, data = Opcode.BINARY, message
    if isinstance(message, str):
        opcode, data = Opcode.TEXT, message.encode()
    assert isinstance(data, bytes)
    if rng.random() < 0.9:
        return encode_masked(opcode, data, _MASK)
    at = rng.randint(0, len(data))
    parts = (
        encode_masked(opcode, data[:at], _MASK, fin=False),
        encode_masked(Opcode.PONG, b"", _MASK),
        encode_masked(Opcode.CONTINUATION, data[at:], _MASK),
    )
    return b"".join(parts)


VISITORS = {
    "http": Visitor,
    "pipelining": Visitor,
    "websocket": WebSocketVisitor,
    "sse": EventStreamVisitor,
}
"""The client of each kind."""
