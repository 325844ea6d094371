"""The other side of a world: clients that are polite, slow, silent, hasty or rude.

Theory: a client is a small machine that does one thing a tick: it says a little, reads a little, or
ends in one of the ways in which connections end. What it does is drawn from dice; what it receives
is read strictly.

Rules: whatever arrives is decoded by the product's own codec in the role of a client, as soon as
the network has it, so a torn frame is noticed at the tick that tore it. A guest has done nothing
wrong until `faults` says what. It does not know the server, only its line.
"""

from random import Random

from zstandard import ZstdDecompressor

from ...core.broadcast.encoding import Encoding
from ...core.http.request import Request
from ...core.parse_result import Malformed
from ...core.websocket.frames import FrameRules, Opcode, encode_close, encode_masked
from ...core.websocket.messages import (
    BETWEEN_MESSAGES,
    Close,
    CompressedMessage,
    Message,
    MessageReader,
    Ping,
    Pong,
    decompress,
    receive_data,
)
from ..answers import Answer, BadAnswer, read_answers
from .model import Account, Violation, frame_len
from .network import Line

_TERMS = FrameRules(2**62, 2**62, is_masked=False)
_MASK = b"\x37\xfa\x21\x3d"
OFFERS = {
    "": Encoding.PLAIN,
    "Sec-WebSocket-Extensions: permessage-deflate\r\n": Encoding.DEFLATE_15,
    "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n": Encoding.DEFLATE_9,
    "Sec-WebSocket-Protocol: compress-zstd\r\n": Encoding.ZSTD,
}
"""What is offered in a handshake, and the encoding that follows from it."""


def encoding_of(request: Request) -> Encoding:
    """The encoding that follows from the offer in a request."""
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


class Guest:
    """One client: a line, what it is about to send, and how fast it reads."""

    def __init__(self, line: Line, dice: Random, gulp: int, patience: int) -> None:
        self.line = line
        self.dice = dice
        self.gulp = gulp
        """Bytes read in a tick."""
        self.patience = patience
        """Ticks after which it reads no more."""
        self.faults: set[str] = set()
        """What it has done that may end its connection."""
        self.outgoing = bytearray()
        self.dribble = dice.choice((None, None, None, 1, 7))
        """Bytes it sends in a tick."""
        self.is_quiet = False
        """It says nothing new from now on."""
        self.was_prompt = line.mood.is_prompt
        """It took all that it was given, from the beginning."""

    @property
    def is_gone(self) -> bool:
        """True if its connection is over."""
        return self.line.is_closed or self.line.has_reset

    def act(self) -> None:
        """One tick of its life."""
        if self.is_gone:
            return
        self.patience -= 1
        if self.line.window_len is not None and self.patience > 0:
            self.line.read(self.dice.randint(0, self.gulp))
        if not self.is_quiet and not self.line.has_half_closed:
            self.go_on()
        if self.outgoing and not self.line.has_half_closed:
            count = len(self.outgoing) if self.is_quiet or self.dribble is None else self.dribble
            self.line.arrived += self.outgoing[:count]
            del self.outgoing[:count]
        if self.line.is_shut and not self.line.waiting and not self.outgoing:
            self.line.has_half_closed = True

    def go_on(self) -> None:
        """Perhaps say something, perhaps leave."""
        leaving = self.dice.random()
        if leaving < 0.01:
            self.faults.add("reset")
            self.line.has_reset = True
        elif leaving < 0.02:
            self.faults.add("half-closed")
            self.outgoing.clear()
            self.line.has_half_closed = True

    def look(self) -> None:
        """Read what has come."""

    def settle(self) -> None:
        """From now on it reads everything and says nothing new."""
        self.is_quiet = True
        self.line.cheer()


class Asker(Guest):
    """A client of requests, which it does not wait with until the last one is answered."""

    def __init__(self, line: Line, dice: Random, gulp: int, patience: int) -> None:
        super().__init__(line, dice, gulp, patience)
        self.asked: list[str] = []
        self.answers: list[Answer] = []

    def go_on(self) -> None:
        """Ask for up to three things at once."""
        super().go_on()
        for _ in range(self.dice.choice((0, 0, 1, 3))):
            number, size = len(self.asked), self.dice.choice((0, 5, 90, 700))
            target = self.dice.choice(
                (f"/n/{number}/{size}",) * 6 + (f"/ticker/{self.dice.randint(0, 4)}",)
            )
            self.asked.append(target)
            self.outgoing += f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode()

    def look(self) -> None:
        """Answers come in the order of the questions, each as it was made."""
        try:
            answers = read_answers(bytes(self.line.taken), ())
        except BadAnswer as error:
            raise Violation("answers", f"{self.line.peer}: {error}") from None
        for target, answer in zip(self.asked, answers, strict=False):
            expected = body_of(target)
            if answer.status == 200 and not (
                expected.startswith(answer.body) if not answer.is_whole else expected == answer.body
            ):
                raise Violation(
                    "answers", f"{self.line.peer} asked for {target} and got {answer.body[:20]!r}"
                )
        if len(answers) > len(self.asked) + 1:
            raise Violation(
                "answers",
                f"{self.line.peer} asked {len(self.asked)} times and got {len(answers)} answers",
            )
        self.answers = answers


def body_of(target: str) -> bytes:
    """What is answered to a target of an `Asker`."""
    _, kind, number, *size = target.split("/")
    return b"t" * int(number) if kind == "ticker" else f"{number}:".encode() + b"x" * int(size[0])


class Listener(Guest):
    """A client that becomes a WebSocket."""

    def __init__(self, line: Line, dice: Random, gulp: int, patience: int) -> None:
        super().__init__(line, dice, gulp, patience)
        topics = dice.choice(("-", "-", "a", "b", "a.b"))
        before = dice.choice(("", "", "", "GET /n/0/900 HTTP/1.1\r\nHost: h\r\n\r\n"))
        offer = dice.choice(("", "", *OFFERS))
        self.outgoing += (
            before + _UPGRADE.format(f"{topics}/{dice.choice((0, 0, 1, 3))}", offer)
        ).encode()
        self._terms = _TERMS._replace(allows_rsv1="deflate" in offer)
        self.account: Account | None = None
        self.is_upgraded = False
        self.said_close = False
        self.saw_close: Close | None = None
        self.saw_control = False
        """Something has come that the program did not say."""
        self.said = 0
        self.messages: list[Message] = []
        """All that has come whole."""
        self.start = 0
        """Where in `line.taken` frames begin."""
        self._inbound: MessageReader = BETWEEN_MESSAGES
        self.looked = 0
        """How much of `line.taken` has been decoded."""
        self._told_len = 0

    def go_on(self) -> None:
        """Say something, once it has been told that it may."""
        super().go_on()
        if (
            not self.is_upgraded
            or self.said_close
            or self.saw_close is not None
            or self.line.has_half_closed
        ):
            return
        mood = self.dice.random()
        if mood < 0.35:
            for _ in range(self.dice.choice((1, 1, 4))):
                self.outgoing += self._message()
        elif mood < 0.38:
            self.outgoing += encode_masked(Opcode.PING, b"p", _MASK)
            self.faults.add("pinged")
        elif mood < 0.40:
            self.say_close(4001)
        elif mood < 0.405:
            self.faults.add("rude")
            self.outgoing += b"\x81\x01a"

    def _message(self) -> bytes:
        """A message of one frame, or of three with a pong between them."""
        self.said += 1
        text = f"c{self.said}".encode()
        if self.dice.random() < 0.9:
            return encode_masked(Opcode.TEXT, text, _MASK)
        return b"".join(
            (
                encode_masked(Opcode.TEXT, text, _MASK, fin=False),
                encode_masked(Opcode.PONG, b"", _MASK),
                encode_masked(Opcode.CONTINUATION, b"", _MASK, fin=False),
                encode_masked(Opcode.CONTINUATION, b"", _MASK),
            )
        )

    def say_close(self, code: int) -> None:
        """Say the last word."""
        self.said_close = True
        self.faults.add("closed")
        self.outgoing += encode_masked(Opcode.CLOSE, encode_close(code), _MASK)

    def look(self) -> None:
        """Decode what has come, and compare it with what must come."""
        data, line = self.line.taken, self.line
        if not self.is_upgraded:
            at = data.find(b"HTTP/1.1 101")
            end = data.find(b"\r\n\r\n", at) if at >= 0 else -1
            if end < 0:
                return
            self.is_upgraded, self.start = True, end + 4
            self.looked = self.start
        if self.looked == len(data):
            return
        fresh, self.looked = bytes(data[self.looked :]), len(data)
        self._inbound, items, error = receive_data(self._inbound, fresh, self._terms)
        if error is not None or (self.saw_close is not None and fresh):
            raise Violation(
                "frame",
                f"{line.peer} received what is no frame: {error or 'bytes behind a close frame'}",
            )
        for item in items:
            self._take(item)

    def untold_len(self) -> int:
        """Bytes that have come of a frame that has not all come."""
        return self.looked - self.start - self._told_len if self.is_upgraded else 0

    def _take(self, item: Message | Ping | Pong | Close | CompressedMessage) -> None:
        """One item has come."""
        if isinstance(item, CompressedMessage):
            message = decompress(item, 2**30)
            if isinstance(message, Malformed):
                raise Violation("frame", f"{self.line.peer} received {message.message}")
            item = message
        if isinstance(item, str | bytes):
            if self.account is None:
                raise Violation(
                    "order", f"{self.line.peer} received {item[:20]!r} before `ws_open`"
                )
            if self.account.encoding is Encoding.ZSTD and isinstance(item, bytes):
                item = self.account.like_next(ZstdDecompressor().decompress(item))
            self._told_len += frame_len(item, self.account.encoding)
            self.messages.append(item)
            self.account.receive(item)
            return
        self.saw_control = True
        self._told_len += 2 + len(item.payload if not isinstance(item, Close) else b"")
        if isinstance(item, Ping):
            if not self.said_close:
                self.outgoing += encode_masked(Opcode.PONG, item.payload, _MASK)
        elif isinstance(item, Close):
            self.saw_close = item
            if not self.said_close:
                self.said_close = True
                self.outgoing += encode_masked(Opcode.CLOSE, encode_close(item.code), _MASK)
