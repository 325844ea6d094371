"""What a person can read of one connection: requests, responses, messages, stalls, in order.

Theory: what passed over a connection is in the events (what came) and in the effects (what was
sent), as bytes in pieces; read as its peer reads them, with a time before each line, they are what
one looks at first when something was odd.

Rules: times are in seconds since the recording began. What was sent is what the kernel took: what
it did not take is told, and is read when it is sent again. How many lines there are is bounded:
beyond it the first and the last ones are kept. It does not know why anything was done (`explain`).
"""

from collections import deque
from typing import Final, final

from ..close_reasons import close_reason_str
from ..conn import Conn, Peer
from ..effects import (
    Adopt,
    AskBody,
    CallClose,
    CallSseOpen,
    CallWsOpen,
    Effect,
    FanOut,
    Handle,
    HandlePieces,
    Log,
    Reject,
    Send,
    SendFile,
)
from ..events import (
    CloseRequested,
    ConnectionLost,
    Event,
    FanOutStalled,
    FileSent,
    HalfClosed,
    HandlerFailed,
    Received,
    Stalled,
    Subscribe,
    Writable,
    conn_of,
)
from ..http.request import Request
from ..securing import HandshakeFailed, Secured
from ..server.slots import find_client
from ..value import Value
from ..views.trace_cards import Step, dialogue_card
from .lives import Life, peer_in, walk_life
from .states import Replayed, States
from .wire import FrameReader, Item, ResponseReader, count_of

CLIENT: Final = "->"
"""The side of what the client has sent."""
SERVER: Final = "<-"
"""The side of what it was sent."""
NOTE: Final = "--"
"""What was neither."""
MAX_LINES: Final = 2_000
"""Lines of one dialogue that are kept: as many as somebody scrolls through."""


@final
class Line(Value):
    """One line of a dialogue: the turn and the time, whose it is (`->` of the client, `<-` to it,
    `--` neither), its kind in a word, what a person reads, and how many bytes it stands for.
    """

    __match_args__ = ("turn", "at", "side", "kind", "text", "length")
    __slots__ = __match_args__

    def __init__(self, turn: int, at: float, side: str, kind: str, text: str, length: int) -> None:
        self.turn: Final = turn
        self.at: Final = at
        self.side: Final = side
        self.kind: Final = kind
        self.text: Final = text
        self.length: Final = length

    def __str__(self) -> str:
        return f"{f'+{self.at:.3f}':>10} s  turn {self.turn:<6} {self.side} {self.text}"


@final
class Dialogue(Value):
    """What passed over one connection; `omitted` lines are missing behind the first half."""

    __match_args__ = ("conn", "peer", "lines", "omitted")
    __slots__ = __match_args__

    def __init__(
        self, conn: Conn, peer: Peer | None, lines: tuple[Line, ...], omitted: int
    ) -> None:
        self.conn: Final = conn
        self.peer: Final = peer
        self.lines: Final = lines
        self.omitted: Final = omitted

    def _repr_html_(self) -> str:
        steps = [Step(line.at, line.side, line.text) for line in self.lines]
        peer = "" if self.peer is None else str(self.peer)
        return dialogue_card(f"Connection {self.conn.generation}", peer, steps, self.omitted)

    def __str__(self) -> str:
        rows = [f"connection {self.conn.generation}, {self.peer}", *map(str, self.lines)]
        if self.omitted:
            rows.insert(1 + len(self.lines) // 2, f"  ... {self.omitted:,} more lines ...")
        return "\n".join(rows)


def dialogue_of(states: States, life: Life, max_lines: int = MAX_LINES) -> Dialogue:
    """What passed over one connection."""
    reader = DialogueReader(life.conn, states.first.now, max_lines)
    for step in walk_life(states, life):
        reader.read(step)
    return reader.finish()


class DialogueReader:
    """Reads the lines of one connection, turn by turn."""

    __slots__ = (
        "_begun_at", "_conn", "_first", "_frames", "_last", "_max", "_peer", "_pieces",
        "_responses", "_sent_at", "_unconfirmed", "_waiting", "_where", "omitted",
    )  # fmt: skip

    def __init__(self, conn: Conn, begun_at: float, max_lines: int = MAX_LINES) -> None:
        self._conn: Final = conn
        self._begun_at: Final = begun_at
        self._max: Final = max(2, max_lines)
        self._first: list[Line] = []
        self._last: deque[Line] = deque()
        self._peer: Peer | None = None
        self._frames: FrameReader | None = None
        self._responses = ResponseReader()
        self._unconfirmed = b""
        """What was sent last, and may not have been taken."""
        self._waiting: list[Line] = []
        """The lines behind that."""
        self._where = self._sent_at = (0, 0.0)
        self._pieces = 0
        """Of how many reads the last line is, if it is of bytes."""
        self.omitted = 0

    def read(self, step: Replayed) -> None:
        """Read one turn."""
        if self._peer is None:
            self._peer = peer_in(step, self._conn)
        own = [event for event in step.turn.events if conn_of(event) == self._conn]
        before = find_client(step.before.slots, self._conn)
        if self._frames is None and before is not None and before.websocket is not None:
            self._frames = FrameReader(is_masked=True)
        self._where = (step.turn.number, step.after.now - self._begun_at)
        has_request = any(
            isinstance(effect, Handle | AskBody | HandlePieces) and effect.ticket.conn == self._conn
            for effect in step.effects
        )
        for event in own:
            self._read_event(event, has_request)
        for effect in step.effects:
            if self._concerns(effect):
                self._read_effect(effect, step)

    def finish(self) -> Dialogue:
        """What was read."""
        self._confirm()
        return Dialogue(self._conn, self._peer, (*self._first, *self._last), self.omitted)

    # -- lines -------------------------------------------------------------------------------------

    def _add(self, side: str, kind: str, text: str, length: int = 0) -> None:
        """Add a line of this turn, behind what was sent before."""
        line = Line(self._where[0], self._where[1], side, kind, text, length)
        if not self._unconfirmed:
            self._put(line)
            return
        self._waiting.append(line)
        if len(self._waiting) > self._max:
            self._confirm()

    def _put(self, line: Line) -> None:
        """Put a line at the end; of too many, one in the middle goes."""
        lines = self._last or self._first
        if line.kind == "bytes" and lines and lines[-1].kind == "bytes":
            line = self._joined(lines.pop(), line)
        else:
            self._pieces = 1
        if not self._last and len(self._first) < self._max // 2:
            self._first.append(line)
            return
        self._last.append(line)
        if len(self._last) > self._max - self._max // 2:
            self._last.popleft()
            self.omitted += 1

    def _joined(self, one: Line, other: Line) -> Line:
        """Two lines of bytes as one."""
        self._pieces += 1
        length = one.length + other.length
        text = f"{count_of(length, 'byte')} of a request, in {self._pieces} pieces"
        return Line(one.turn, one.at, one.side, one.kind, text, length)

    def _add_items(self, side: str, items: list[Item]) -> None:
        """Add what was read of the wire; a body stands behind the head that it came with."""
        index = 0
        while index < len(items):
            item, text, length = items[index], items[index].text, items[index].length
            follows = index + 1 < len(items) and items[index + 1].kind == "body"
            if item.kind == "head" and follows:
                index += 1
                text, length = f"{text}: {items[index].text}", length + items[index].length
            elif item.kind == "body" and item.length:
                text = f"{count_of(item.length, 'byte')} of the body: {item.text}"
            self._add(side, "sent bytes" if item.kind == "bytes" else item.kind, text, length)
            index += 1

    # -- what came ---------------------------------------------------------------------------------

    def _read_event(self, event: Event, has_request: bool) -> None:
        """Read an event of this connection."""
        match event:
            case Received():
                if self._frames is not None:
                    self._add_items(CLIENT, self._frames.feed(event.data))
                elif not has_request:
                    size = len(event.data)
                    self._add(CLIENT, "bytes", f"{count_of(size, 'byte')} of a request", size)
            case Stalled():
                self._stalled(event.taken, sum(map(len, event.rest)))
            case FanOutStalled():
                self._stalled(event.taken, max(0, len(self._unconfirmed) - event.taken))
            case HalfClosed():
                self._add(CLIENT, "end", "it ends its side")
            case ConnectionLost():
                why = event.problem or f"errno {event.error}"
                self._add(NOTE, "lost", f"the connection is lost ({why})")
            case CloseRequested():
                why = f"{event.reason.name}, {event.code} {event.text!r}"
                self._add(NOTE, "close", f"the program closes it: {why}")
            case HandlerFailed():
                last = (event.traceback.strip().splitlines() or [event.message])[-1]
                self._add(NOTE, "error", f"the handler failed, {event.status}: {last[:200]}")
            case Subscribe():
                verb = "subscribes it to" if event.is_subscribed else "unsubscribes it from"
                self._add(NOTE, "topic", f"the program {verb} {event.topic!r}")
            case Writable():
                self._add(NOTE, "writable", "it can be sent more")
            case FileSent():
                self._add(SERVER, "file", f"{count_of(event.taken, 'byte')} of a file", event.taken)
            case Secured():
                self._add(NOTE, "tls", "TLS is settled")
            case HandshakeFailed():
                self._add(NOTE, "tls", "the TLS handshake failed")
            case _:
                pass

    def _stalled(self, taken: int, rest: int) -> None:
        """The kernel did not take all of what was sent last."""
        sent = self._unconfirmed
        self._unconfirmed = sent[: max(0, len(sent) - rest)]
        self._confirm()
        text = f"it takes {count_of(taken, 'byte')} and no more; {count_of(rest, 'byte')} wait"
        self._add(NOTE, "stall", text, rest)

    # -- what was sent -----------------------------------------------------------------------------

    def _concerns(self, effect: Effect) -> bool:
        """True for an effect for this connection that a person wants to read about."""
        kind = type(effect)
        if isinstance(effect, FanOut):
            return self._conn in effect.members
        if isinstance(effect, Handle | AskBody | HandlePieces):
            return effect.ticket.conn == self._conn
        if isinstance(effect, Log):
            return self._peer is not None and effect.text.startswith(f"{self._peer} ")
        if isinstance(effect, Adopt | CallClose | CallSseOpen | CallWsOpen | Send):
            return effect.conn == self._conn
        return kind is SendFile or kind is Reject

    def _read_effect(self, effect: Effect, step: Replayed) -> None:
        """Read an effect for this connection."""
        match effect:
            case Adopt():
                self._add(NOTE, "accepted", f"{self._peer} is accepted")
            case Handle():
                for request in effect.requests:
                    self._read_request(request)
            case AskBody() | HandlePieces():
                if type(effect) is AskBody:
                    self._read_request(effect.request)
            case Send():
                self._send(b"".join(effect.segments))
            case FanOut():
                self._send(effect.data)
            case CallWsOpen():
                self._add(NOTE, "websocket", "it is a WebSocket now")
            case CallSseOpen():
                self._add(NOTE, "event stream", "it is an event stream now")
            case Log():
                self._add(NOTE, "log", f"log: {effect.text}")
            case CallClose():
                self._confirm()
                self._add(NOTE, "closed", f"closed, {close_reason_str(effect.reason)}")
            case _:
                pass

    def _read_request(self, request: Request) -> None:
        """Read a request that was handed to the program."""
        text = f"{request.method} {request.target[:200]}"
        if request.body:
            text = f"{text}, {count_of(len(request.body), 'byte')}"
        self._responses.methods.append(request.method)
        self._add(CLIENT, "request", text, len(request.body))

    def _send(self, data: bytes) -> None:
        """It is sent this, and has taken what it was sent before."""
        self._confirm()
        self._unconfirmed, self._sent_at = data, self._where

    def _confirm(self) -> None:
        """What was sent last was taken: read it."""
        data, self._unconfirmed = self._unconfirmed, b""
        if data:
            where, self._where = self._where, self._sent_at
            self._add_items(SERVER, self._responses.feed(data))
            self._where = where
        for line in self._waiting:
            self._put(line)
        self._waiting.clear()
