"""The clients of a world: some well-behaved, some slow, some silent, some in violation of the
protocol.

Theory: a client is a small machine that does one thing a tick: it sends a little, reads a little,
or ends in one of the ways in which connections end. What it does is drawn at random; what it
receives is read strictly.

Rules: whatever arrives is decoded by the product's own codec in the role of a client, as soon as
the network has it, so a torn frame is found at the tick that tore it. `faults` has what a client
has done that may end its connection. It does not know the server, only its wire.
"""

from random import Random

from zstandard import ZstdDecompressor

from ...core.broadcast.encoding import Encoding
from ...core.http.request import Request
from ...core.parse_result import Malformed
from ...core.websocket.fragments import (
    CompressedFragment,
    CompressedMessage,
    Fragment,
    Message,
    decompress,
)
from ...core.websocket.frames import FrameRules, Opcode, encode_close, encode_masked
from ...core.websocket.messages import (
    BETWEEN_MESSAGES,
    Close,
    Item,
    MessageReader,
    Ping,
    receive_data,
)
from ..answers import Answer, BadAnswer, read_answers
from .model import Expectation, Violation, frame_len
from .network import RecordedWire

_FRAME_RULES = FrameRules(2**62, 2**62, is_masked=False)
_MASK = b"\x37\xfa\x21\x3d"
_DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate"
OFFERS = {
    "": Encoding.PLAIN,
    f"{_DEFLATE}\r\n": Encoding.DEFLATE_15,
    f"{_DEFLATE}; server_max_window_bits=9\r\n": Encoding.DEFLATE_9,
    "Sec-WebSocket-Protocol: compress-zstd\r\n": Encoding.ZSTD,
}
"""The offers of a handshake, and the encoding that each results in."""


def encoding_of(request: Request) -> Encoding:
    """The encoding that the offer in a request results in."""
    fields = [
        f"{name}: {value}\r\n"
        for name, value in request.headers.pairs
        if f"{name}: {value}\r\n" in OFFERS
    ]
    return OFFERS["".join(fields)]


_UPGRADE = (
    "GET /ws/{} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{}\r\n"
)


class SimulatedClient:
    """One client: a wire, the bytes it is about to send, and how fast it reads."""

    def __init__(
        self, wire: RecordedWire, rng: Random, max_read_per_tick: int, ticks_until_stalled: int
    ) -> None:
        self.wire = wire
        self.rng = rng
        self.max_read_per_tick = max_read_per_tick
        """Bytes read in a tick."""
        self.ticks_until_stalled = ticks_until_stalled
        """Ticks after which it reads no more."""
        self.faults: set[str] = set()
        """What it has done that may end its connection."""
        self.outgoing = bytearray()
        self.max_sent_per_tick = rng.choice((None, None, None, 1, 7))
        """Bytes it sends in a tick."""
        self.is_silent = False
        """It sends nothing new from now on."""
        self.was_reliable = wire.behaviour.is_reliable
        """It has read everything at once from the beginning."""

    @property
    def is_gone(self) -> bool:
        """True if its connection is over."""
        return self.wire.is_closed or self.wire.has_reset

    def act(self) -> None:
        """Do what it does in one tick."""
        if self.is_gone:
            return
        self.ticks_until_stalled -= 1
        if self.wire.window_len is not None and self.ticks_until_stalled > 0:
            self.wire.read(self.rng.randint(0, self.max_read_per_tick))
        if not self.is_silent and not self.wire.has_half_closed:
            self.act_at_random()
        if self.outgoing and not self.wire.has_half_closed:
            count = len(self.outgoing)
            if not self.is_silent and self.max_sent_per_tick is not None:
                count = self.max_sent_per_tick
            self.wire.arrived += self.outgoing[:count]
            del self.outgoing[:count]
        if self.wire.is_shut and not self.wire.unread and not self.outgoing:
            self.wire.has_half_closed = True

    def act_at_random(self) -> None:
        """Perhaps send something, perhaps end the connection."""
        chance = self.rng.random()
        if chance < 0.01:
            self.faults.add("reset")
            self.wire.has_reset = True
        elif chance < 0.02:
            self.faults.add("half-closed")
            self.outgoing.clear()
            self.wire.has_half_closed = True

    def read_received(self) -> None:
        """Decode and check what was received."""

    def become_reliable(self) -> None:
        """Read everything from now on, and send nothing new."""
        self.is_silent = True
        self.wire.become_reliable()


class HttpClient(SimulatedClient):
    """A client that sends requests, pipelined."""

    def __init__(
        self, wire: RecordedWire, rng: Random, max_read_per_tick: int, ticks_until_stalled: int
    ) -> None:
        super().__init__(wire, rng, max_read_per_tick, ticks_until_stalled)
        self.asked: list[str] = []
        self.answers: list[Answer] = []

    def act_at_random(self) -> None:
        """Send up to three requests at once."""
        super().act_at_random()
        for _ in range(self.rng.choice((0, 0, 1, 3))):
            number, size = len(self.asked), self.rng.choice((0, 5, 90, 700))
            target = self.rng.choice(
                (f"/n/{number}/{size}",) * 6 + (f"/ticker/{self.rng.randint(0, 4)}",)
            )
            self.asked.append(target)
            self.outgoing += f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode()

    def read_received(self) -> None:
        """Check that responses come in the order of the requests, each as the program made it."""
        try:
            answers = read_answers(bytes(self.wire.taken), ())
        except BadAnswer as error:
            raise Violation("answers", f"{self.wire.peer}: {error}") from None
        for target, answer in zip(self.asked, answers, strict=False):
            expected = body_of(target)
            if answer.status == 200 and not (
                expected.startswith(answer.body) if not answer.is_whole else expected == answer.body
            ):
                raise Violation(
                    "answers", f"{self.wire.peer} asked for {target} and got {answer.body[:20]!r}"
                )
        if len(answers) > len(self.asked) + 1:
            raise Violation(
                "answers",
                f"{self.wire.peer} asked {len(self.asked)} times and got {len(answers)} answers",
            )
        self.answers = answers


def body_of(target: str) -> bytes:
    """The body of the response to a target of an `HttpClient`."""
    _, kind, number, *size = target.split("/")
    return b"t" * int(number) if kind == "ticker" else f"{number}:".encode() + b"x" * int(size[0])


class WebSocketClient(SimulatedClient):
    """A client that becomes a WebSocket."""

    def __init__(
        self, wire: RecordedWire, rng: Random, max_read_per_tick: int, ticks_until_stalled: int
    ) -> None:
        super().__init__(wire, rng, max_read_per_tick, ticks_until_stalled)
        topics = rng.choice(("-", "-", "a", "b", "a.b", "*", "all"))
        before = rng.choice(("", "", "", "GET /n/0/900 HTTP/1.1\r\nHost: h\r\n\r\n"))
        offer, slow = rng.choice(("", "", *OFFERS)), rng.choice(("drop", "drop", "skip"))
        self.outgoing += (
            before + _UPGRADE.format(f"{topics}/{rng.choice((0, 0, 1, 3))}/{slow}", offer)
        ).encode()
        self._frame_rules = _FRAME_RULES.replace(allows_rsv1="deflate" in offer)
        self.expectation: Expectation | None = None
        self.is_upgraded = False
        self.sent_close = False
        self.received_close: Close | None = None
        self.received_control = False
        """A control frame was received."""
        self.sent_count = 0
        self.messages: list[Message] = []
        """All complete messages that were received."""
        self.start = 0
        """Where in `wire.taken` frames begin."""
        self._inbound: MessageReader = BETWEEN_MESSAGES
        self.parsed_len = 0
        """How much of `wire.taken` has been decoded."""
        self._received_len = 0

    def act_at_random(self) -> None:
        """Perhaps send something, once it is upgraded."""
        super().act_at_random()
        if (
            not self.is_upgraded
            or self.sent_close
            or self.received_close is not None
            or self.wire.has_half_closed
        ):
            return
        chance = self.rng.random()
        if chance < 0.35:
            for _ in range(self.rng.choice((1, 1, 4))):
                self.outgoing += self._message()
        elif chance < 0.38:
            self.outgoing += encode_masked(Opcode.PING, b"p", _MASK)
            self.faults.add("pinged")
        elif chance < 0.40:
            self.send_close(4001)
        elif chance < 0.405:
            self.faults.add("unmasked")
            self.outgoing += b"\x81\x01a"

    def _message(self) -> bytes:
        """A message of one frame, or of three with a pong between them."""
        self.sent_count += 1
        text = f"c{self.sent_count}".encode()
        if self.rng.random() < 0.9:
            return encode_masked(Opcode.TEXT, text, _MASK)
        return b"".join(
            (
                encode_masked(Opcode.TEXT, text, _MASK, fin=False),
                encode_masked(Opcode.PONG, b"", _MASK),
                encode_masked(Opcode.CONTINUATION, b"", _MASK, fin=False),
                encode_masked(Opcode.CONTINUATION, b"", _MASK),
            )
        )

    def send_close(self, code: int) -> None:
        """Send a close frame."""
        self.sent_close = True
        self.faults.add("closed")
        self.outgoing += encode_masked(Opcode.CLOSE, encode_close(code), _MASK)

    def read_received(self) -> None:
        """Decode what was received, and compare it with the expectation."""
        data, wire = self.wire.taken, self.wire
        if not self.is_upgraded:
            at = data.find(b"HTTP/1.1 101")
            end = data.find(b"\r\n\r\n", at) if at >= 0 else -1
            if end < 0:
                return
            self.is_upgraded, self.start = True, end + 4
            self.parsed_len = self.start
        if self.parsed_len == len(data):
            return
        fresh, self.parsed_len = bytes(data[self.parsed_len :]), len(data)
        self._inbound, items, error = receive_data(self._inbound, fresh, self._frame_rules)
        if error is not None or (self.received_close is not None and fresh):
            raise Violation(
                "frame",
                f"{wire.peer} received what is no frame: {error or 'bytes behind a close frame'}",
            )
        for item in items:
            self._take(item)

    def partial_len(self) -> int:
        """Bytes received of a frame that is not complete."""
        return self.parsed_len - self.start - self._received_len if self.is_upgraded else 0

    def _take(self, item: Item) -> None:
        """Take one message or control frame."""
        assert not isinstance(item, Fragment | CompressedFragment), "it reads whole messages"
        if isinstance(item, CompressedMessage):
            message = decompress(item, 2**30)
            if isinstance(message, Malformed):
                raise Violation("frame", f"{self.wire.peer} received {message.message}")
            item = message
        if isinstance(item, str | bytes):
            if self.expectation is None:
                raise Violation(
                    "order", f"{self.wire.peer} received {item[:20]!r} before `ws_open`"
                )
            if self.expectation.encoding is Encoding.ZSTD and isinstance(item, bytes):
                item = self.expectation.like_next(ZstdDecompressor().decompress(item))
            self._received_len += frame_len(item, self.expectation.encoding)
            self.messages.append(item)
            self.expectation.receive(item)
            return
        self.received_control = True
        self._received_len += 2 + len(item.payload if not isinstance(item, Close) else b"")
        if isinstance(item, Ping):
            if not self.sent_close:
                self.outgoing += encode_masked(Opcode.PONG, item.payload, _MASK)
        elif isinstance(item, Close):
            self.received_close = item
            if not self.sent_close:
                self.sent_close = True
                self.outgoing += encode_masked(Opcode.CLOSE, encode_close(item.code), _MASK)
