"""The clients of a world of somebody's own program: what they ask for, and what they are like.

Theory: what a program answers is its own affair, so all that a client of it knows is what it has
asked, whether what comes is HTTP or WebSocket frames, and when. What a client does follows from
its kind, from what it is told to ask for, and from its manner, which is drawn: most are well, some
are slow, dead, silent or gone in the middle.

Rules: a client acts when its time has come or when something has come for it, and costs nothing in
between: there may be thousands. A client that is `is_well` reads at once, sends whole requests and
ends in order; of the others nothing is expected but that they are gone in time. It does not know
the server, only its wire.
"""

import re
from collections.abc import Callable, Sequence
from math import inf
from random import Random
from typing import Any, NamedTuple, TypeAlias

from ...core.conn import Peer
from ...core.events import Segment
from ...core.websocket.fragments import Message
from ..answers import BadAnswer, Found, read_answer
from .faults import Faults
from .model import Violation
from .network import Behaviour, UnreliableWire


class Ask(NamedTuple):
    """One request: its body is sent with its length, or in chunks."""

    target: str = "/"
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    is_chunked: bool = False


Asks: TypeAlias = str | Ask | Sequence[str | Ask] | Callable[[Random], str | Ask]
"""What is asked for: one thing, one of several, or what a function of the generator returns."""
Sends: TypeAlias = Message | Sequence[Message] | Callable[[Random], Message]
"""What a WebSocket says, likewise."""

KINDS = ("http", "pipelining", "websocket", "sse")


class Visitors(NamedTuple):
    """So many clients of a kind: `http` and `pipelining` send requests, `websocket` opens a
    WebSocket and says something now and then, `sse` reads an event stream. Each asks, or says
    something, up to `times` times.
    """

    kind: str = "http"
    number: int = 20
    asks: Asks = "/"
    sends: Sends = "hello"
    times: int = 4


def drawn(rng: Random, choices: Any) -> Any:
    """What is asked or said: given, one of several, or made."""
    if callable(choices):
        return choices(rng)
    if isinstance(choices, str | bytes | Ask):
        return choices
    return choices[rng.randrange(len(choices))]


_TARGET = re.compile(r"(/|\*|https?://)[!-~]*")
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def to_ask(ask: str | Ask) -> Ask:
    """A request that is given as such, or as its target; TypeError or ValueError for what is none:
    it would be answered 400, and its client would be said not to have been served.
    """
    if isinstance(ask, str):
        ask = Ask(ask)
    if type(ask) is not Ask:
        raise TypeError(f"what is asked is a target or an Ask, not {type(ask).__name__}")
    if not isinstance(ask.body, bytes):
        raise TypeError(f"the body of an Ask is bytes, not {type(ask.body).__name__}")
    if not _TARGET.fullmatch(ask.target):
        raise ValueError(f"no target is {ask.target!r:.80}: it begins with / and is visible ASCII")
    if not _METHOD.fullmatch(ask.method):
        raise ValueError(f"no method is {ask.method!r:.80}")
    if any(len(pair) != 2 for pair in ask.headers):
        raise ValueError(f"the headers of an Ask are pairs of a name and a value: {ask.headers!r}")
    return ask


class Manner(NamedTuple):
    """What a client is like."""

    behaviour: Behaviour = Behaviour()
    dies_after: float = inf
    """Seconds until it does nothing any more."""
    is_silent: bool = False
    dribbles: bool = False
    resets: bool = False
    half_closes: bool = False

    @property
    def is_well(self) -> bool:
        """True for one that reads at once, sends whole requests and ends in order."""
        is_odd = self.is_silent or self.dribbles or self.resets or self.half_closes
        return self.behaviour.window_len is None and self.dies_after == inf and not is_odd


def draw_manner(rng: Random, faults: Faults) -> Manner:
    """What one client is like, drawn at random."""
    rate, window_len, dies_after = 0.0, None, inf
    if rng.random() < faults.cuts:
        rate = 0.3
    if rng.random() < faults.slow:
        window_len = rng.choice((1_000, 60, 20_000))
    if rng.random() < faults.dead:
        dies_after = rng.random() * 20.0
    odd = [rng.random() < chance for chance in faults[3:7]]
    return Manner(Behaviour(window_len, rate, rate), dies_after, *odd)


class VisitorWire(UnreliableWire):
    """A wire that says when something has come for its client."""

    __slots__ = ("notified", "visitor")

    def __init__(
        self,
        peer: Peer,
        rng: Random,
        behaviour: Behaviour,
        visitor: "Visitor",
        notified: "dict[Visitor, None]",
    ) -> None:
        super().__init__(peer, rng, behaviour)
        self.visitor = visitor
        self.notified = notified

    def send(self, data: Segment) -> int:
        """How many of the bytes that the server writes are taken."""
        count = super().send(data)
        if self.window_len is None:
            self.notified[self.visitor] = None
        return count

    def shut(self) -> None:
        """Shut the server's side."""
        super().shut()
        self.notified[self.visitor] = None

    def close(self) -> None:
        """Close the server's socket."""
        super().close()
        self.notified[self.visitor] = None


class Visitor:
    """A client that sends requests: one after the other, or several at once."""

    __slots__ = (
        "active_at",
        "answered",
        "asked",
        "asks",
        "buffer",
        "dies_at",
        "ends_at",
        "has_ended",
        "is_dead",
        "is_well",
        "left",
        "manner",
        "needed",
        "number",
        "outgoing",
        "per_turn",
        "rng",
        "statuses",
        "was_last",
        "wire",
    )

    def __init__(
        self,
        number: int,
        rng: Random,
        of: Visitors,
        manner: Manner,
        notified: "dict[Visitor, None]",
        now: float,
    ) -> None:
        self.number = number
        self.rng = rng
        self.asks = of.asks
        self.manner = manner
        self.is_well = manner.is_well
        peer = Peer(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 40_000)
        self.wire = VisitorWire(peer, rng, manner.behaviour, self, notified)
        self.dies_at = now + manner.dies_after
        self.ends_at = now + 20.0 + rng.random() * 60.0
        """When it has had enough, whatever it waits for."""
        self.is_dead = False
        """It does nothing any more."""
        self.has_ended = False
        """It has said that it ends."""
        self.outgoing = b""
        self.buffer = b""
        self.needed = 0
        """How much must have come before it is looked at again."""
        self.asked: list[str] = []
        """The methods of its requests that were not answered."""
        self.active_at = now
        """When it has last sent a request, or received something."""
        self.answered = 0
        self.statuses: list[int] = []
        self.was_last = False
        """The last answer said that no other one follows."""
        self.left = rng.randint(1, of.times)
        self.per_turn = rng.randint(2, 6) if of.kind == "pipelining" else 1

    # -- what it does ------------------------------------------------------------------------------

    def wake(self, now: float) -> float | None:
        """Do what it does at this time; when it does more by itself, if it does."""
        wire = self.wire
        if self.is_dead or wire.is_closed or wire.has_reset:
            return None
        if now >= self.dies_at or self.manner.is_silent:
            self.die()
            return None
        if wire.window_len is not None:
            wire.take(self.rng.randint(0, wire.window_len))
            self.listen(now)
        if now >= self.ends_at or (self.manner.resets and self.rng.random() < 0.3):
            return self.leave(now)
        if self.outgoing:
            return self._send(now)
        if wire.has_half_closed:
            return self._again(now)
        return self.act(now)

    def die(self) -> None:
        """Do nothing from now on, and take nothing, without saying so."""
        self.is_dead = True
        self.is_well = False
        self.wire.window_len = len(self.wire.unread)

    def leave(self, now: float) -> float | None:
        """Go, whatever was asked for."""
        self.is_well = False
        self.wire.has_reset = self.has_ended = True
        return None

    def act(self, now: float) -> float | None:
        """Ask for more, if it has all that it asked for; or end."""
        if self.asked:
            return self._again(now)
        if not self.left:
            return self.end(now)
        self.left -= 1
        for _ in range(self.per_turn):
            self.ask(now)
        return self._send(now)

    def ask(self, now: float) -> None:
        """Add one request to what is sent."""
        ask = to_ask(drawn(self.rng, self.asks))
        self.asked.append(ask.method)
        self.active_at = now
        self.outgoing += encode_ask(ask, self.rng)

    def end(self, now: float) -> float | None:
        """End its side, as it has all that it asked for."""
        self.has_ended = True
        self.wire.has_half_closed = True
        return None

    def _send(self, now: float) -> float | None:
        """Send what there is: all, or a part of it, or a byte."""
        count = len(self.outgoing)
        if self.manner.dribbles:
            count = 1
        elif count > 1 and self.rng.random() < 0.1:
            count = self.rng.randint(1, count)
        self.wire.arrived += self.outgoing[:count]
        self.outgoing = self.outgoing[count:]
        self.active_at = now
        if self.outgoing:
            return now + (3.0 if self.manner.dribbles else 0.05)
        if self.manner.half_closes and not self.left:
            self.wire.has_half_closed = True
        return self._again(now)

    def _again(self, now: float) -> float:
        """When it looks again: one that reads slowly soon, others when they have had enough."""
        next_time = self.ends_at if self.wire.window_len is None else now + self.rng.random()
        return min(next_time, self.dies_at, self.ends_at)

    # -- what it receives --------------------------------------------------------------------------

    def listen(self, now: float) -> float | None:
        """Take what has come; when it does more by itself, if that changes. `Violation` for what
        cannot be.
        """
        wire = self.wire
        if wire.received:
            self.active_at = now
            self.buffer += bytes(wire.received)
            wire.received.clear()
        ends = wire.is_shut and not wire.unread
        if self.buffer and (ends or len(self.buffer) >= self.needed) and not self.is_dead:
            self.read(ends)
        if ends and not (wire.has_half_closed or self.is_dead or wire.is_closed):
            wire.has_half_closed = True
        if self.asked or self.outgoing or self.is_dead or wire.is_shut or wire.has_half_closed:
            return None
        return now + self.rng.random() * 2.0

    def read(self, ends: bool) -> None:
        """Take the answers in what has come."""
        found = self._answer(ends)
        while found is not None and found.answer.is_whole:
            if not self.asked:
                raise Violation("answers", f"{self.wire.peer} was sent more than it asked for")
            self.asked.pop(0)
            self.answered += 1
            self.statuses.append(found.answer.status)
            self.was_last = found.answer.headers.get("connection") == "close"
            self.buffer = self.buffer[found.end :]
            self.needed = 0
            found = self._answer(ends) if self.buffer else None
        if self.buffer:  # a part of one: not parsed again for each byte
            self.needed = len(self.buffer) + min(len(self.buffer) // 2, 2**20) + 1
            if found is not None and "content-length" in found.answer.headers:
                missing = int(found.answer.headers["content-length"]) - len(found.answer.body)
                self.needed = len(self.buffer) + missing

    def _answer(self, ends: bool) -> Found | None:
        """The first answer in what has come."""
        try:
            return read_answer(self.buffer, 0, self.asked[0] if self.asked else "GET", ends)
        except BadAnswer as error:
            raise Violation(
                "frame", f"{self.wire.peer} received what is no HTTP: {error}"
            ) from None


def encode_ask(ask: Ask, rng: Random) -> bytes:
    """A request as bytes; a chunked body is cut at random."""
    lines = [f"{ask.method} {ask.target} HTTP/1.1", "Host: testserver"]
    lines += [f"{name}: {value}" for name, value in ask.headers]
    body = ask.body
    if ask.is_chunked:
        lines.append("Transfer-Encoding: chunked")
        at = rng.randint(0, len(body))
        chunks = [part for part in (body[:at], body[at:]) if part]
        body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in chunks) + b"0\r\n\r\n"
    elif body or ask.method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
