"""Why a connection ended: the chain of facts that led to it.

Theory: an end has a reason, and a reason has a history: when the connection was accepted, what it
became, what was published for it, what it took and what it did not, how far behind it was beside
what was still kept, which limit that met, what the log said. All of that is in the recording; here
it is put in order.

Rules: facts are those of the recording and of the states in between, none is guessed. Of what is
repeated the first and the last times are listed, and how often it was. It does not know whether an
end was right.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final, final

from ..broadcast.entry import Publication, is_excluded, matches, plain_entries
from ..broadcast.upstream import UpstreamPublished
from ..close_reasons import close_reason_str
from ..conn import Conn, Peer
from ..connection.client import Client
from ..effects import (
    Adopt,
    CallClose,
    CallSseOpen,
    CallWsClose,
    CallWsOpen,
    Handle,
    Log,
)
from ..events import (
    CloseRequested,
    ConnectionLost,
    FanOutStalled,
    HalfClosed,
    HandlerFailed,
    Publish,
    Stalled,
    Writable,
    conn_of,
)
from ..securing import Secured
from ..server.slots import find_client
from ..server.state import Server
from ..value import Value
from .closes import Close, closes_of
from .limits_met import LIMITS_MET
from .lives import Life, peer_in, walk_life
from .states import Replayed, States
from .wire import count_of
from .words import lag_of, state_of, waits

REPEATED_FIRST: Final = 4
REPEATED_LAST: Final = 4
"""How many facts of one kind are listed from the begin and from the end."""


@final
class Fact(Value):
    """One fact: the turn and the time, a word for its kind, and a sentence."""

    __match_args__ = ("turn", "at", "kind", "text")
    __slots__ = __match_args__

    def __init__(self, turn: int, at: float, kind: str, text: str) -> None:
        self.turn: Final = turn
        self.at: Final = at
        self.kind: Final = kind
        self.text: Final = text

    def __str__(self) -> str:
        return f"{f'+{self.at:.3f}':>10} s  turn {self.turn:<6} {self.text}"


@final
class Explanation(Value):
    """What led to the end of a connection, in order; `close` is None for one that was open when the
    recording ended.
    """

    __match_args__ = ("conn", "peer", "close", "facts")
    __slots__ = __match_args__

    def __init__(
        self, conn: Conn, peer: Peer | None, close: Close | None, facts: tuple[Fact, ...]
    ) -> None:
        self.conn: Final = conn
        self.peer: Final = peer
        self.close: Final = close
        self.facts: Final = facts

    def __str__(self) -> str:
        title = f"connection {self.conn.generation} ({self.peer})"
        if self.close is not None:
            title = f"{title}: {close_reason_str(self.close.reason)}"
        return "\n".join([title, *map(str, self.facts)])


def explain_life(states: States, life: Life) -> Explanation:
    """The chain of facts that led to the end of a connection."""
    chain = Chain(life.conn, states.first.now)
    last: Server = states.first
    for step in walk_life(states, life):
        chain.read(step)
        last = step.after
    if chain.close is None:
        chain.still_open(last)
    return Explanation(life.conn, chain.peer, chain.close, chain.facts())


class _Kind:
    """The facts of one kind: the first ones and the last ones."""

    __slots__ = ("count", "first", "last")

    def __init__(self) -> None:
        self.first: list[tuple[int, Fact]] = []
        self.last: deque[tuple[int, Fact]] = deque()
        self.count = 0

    def add(self, order: int, fact: Fact) -> None:
        """Add one more."""
        self.count += 1
        if len(self.first) < REPEATED_FIRST:
            self.first.append((order, fact))
            return
        self.last.append((order, fact))
        if len(self.last) > REPEATED_LAST:
            self.last.popleft()

    def listed(self) -> list[tuple[int, Fact]]:
        """Those that are listed, and how many are not, in the place of these."""
        left = self.count - len(self.first) - len(self.last)
        if not left:
            return [*self.first, *self.last]
        order, fact = self.last[0]
        more = Fact(fact.turn, fact.at, fact.kind, f"... {left:,} more of the same before this ...")
        return [*self.first, (order, more), *self.last]


class Chain:
    """Collects the facts about one connection, turn by turn."""

    __slots__ = (
        "_begun_at", "_behind", "_conn", "_kinds", "_next_behind", "_order", "_published",
        "_where", "close", "peer",
    )  # fmt: skip

    def __init__(self, conn: Conn, begun_at: float) -> None:
        self._conn: Final = conn
        self._begun_at: Final = begun_at
        self._kinds: dict[str, _Kind] = {}
        self._order = 0
        self._where = (0, 0.0)
        self._behind: int | None = None
        """How many messages it was behind after the turn before; None if it was not."""
        self._next_behind = 0
        """As from how many it is told again."""
        self._published: dict[str | None, tuple[int, int]] = {}
        """Messages and bytes that were published for it, by topic."""
        self.close: Close | None = None
        self.peer: Peer | None = None

    def facts(self) -> tuple[Fact, ...]:
        """All facts in order."""
        listed = [item for kind in self._kinds.values() for item in kind.listed()]
        return tuple([fact for _, fact in sorted(listed, key=lambda item: item[0])])

    def read(self, step: Replayed) -> None:
        """Take one turn into account."""
        self._where = (step.turn.number, step.after.now - self._begun_at)
        if self.peer is None:
            self.peer = peer_in(step, self._conn)
        before = find_client(step.before.slots, self._conn)
        after = find_client(step.after.slots, self._conn)
        if self._order == 0 and before is not None:
            self._add("begin", f"{before.peer} was connected already, {state_of(before)}")
        self._read_events(step, before)
        self._read_effects(step, before, after)
        if after is not None:
            self._look_at_lag(step.after, after)

    def still_open(self, server: Server) -> None:
        """The recording has ended, and the connection has not."""
        client = find_client(server.slots, self._conn)
        if client is not None:
            self._add_published()
            self._add("end", f"it is open at the end of the recording, {waits(client, server)}")

    def _add(self, kind: str, text: str) -> None:
        """Add a fact of this turn."""
        self._order += 1
        fact = Fact(self._where[0], self._where[1], kind, text)
        self._kinds.setdefault(kind, _Kind()).add(self._order, fact)

    # -- what happened -----------------------------------------------------------------------------

    def _read_events(self, step: Replayed, before: Client | None) -> None:
        """Take the events of a turn into account."""
        for event in step.turn.events:
            if isinstance(event, Publish):
                self._count_published(event.messages, before)
                continue
            if isinstance(event, UpstreamPublished):
                self._count_published([message for _, message in event.messages], before)
                continue
            if conn_of(event) != self._conn:
                continue
            match event:
                case Stalled():
                    rest = sum(map(len, event.rest))
                    self._stalled(event.taken, event.taken + rest)
                case FanOutStalled():
                    numbers = f"of messages {event.start} to {event.end - 1}"
                    text = f"it took {count_of(event.taken, 'byte')} {numbers}, and no more"
                    self._add("stall", text)
                case Writable():
                    self._add("writable", "the kernel took more again")
                case HalfClosed():
                    self._add("half-closed", "the peer ended its side")
                case ConnectionLost():
                    why = event.problem or f"errno {event.error}"
                    self._add("lost", f"the connection was lost ({why})")
                case CloseRequested():
                    self._add("asked", f"the program asked for its end, {event.reason.name}")
                case HandlerFailed():
                    lines = event.traceback.strip().splitlines() or [event.message]
                    self._add("failed", f"the handler failed, {event.status}: {lines[-1][:200]}")
                case Secured():
                    self._add("tls", "TLS was settled")
                case _:
                    pass

    def _stalled(self, taken: int, sent: int) -> None:
        """The kernel took only a part."""
        self._add("stall", f"it took {taken:,} of {count_of(sent, 'byte')}, and no more")

    def _count_published(self, messages: Sequence[Publication], client: Client | None) -> None:
        """Count what is published for it."""
        if client is None or client.subscriber is None:
            return
        subscription = client.subscriber.subscription
        for entry in plain_entries(messages):
            if matches(entry, subscription) and not is_excluded(entry, self._conn):
                count, length = self._published.get(entry.topic, (0, 0))
                self._published[entry.topic] = (count + 1, length + len(entry.frame))

    def _add_published(self) -> None:
        """What was published for it while it was a subscriber."""
        for topic, (count, length) in sorted(self._published.items(), key=lambda item: -item[1][1]):
            where = "for all" if topic is None else f"on {topic!r}"
            text = f"{count_of(count, 'message')} {where} were published in its time"
            self._add("published", f"{text}, {count_of(length, 'byte')}")

    def _read_effects(self, step: Replayed, before: Client | None, after: Client | None) -> None:
        """Take the effects of a turn into account."""
        for effect in step.effects:
            if isinstance(effect, Log):
                if self.peer is not None and effect.text.startswith(f"{self.peer} "):
                    self._add("log", f"the log said: {effect.text}")
            elif isinstance(effect, Handle):
                if effect.ticket.conn == self._conn:
                    for request in effect.requests:
                        self._add("request", f"it asked {request.method} {request.target[:200]}")
            elif (
                isinstance(effect, Adopt | CallWsOpen | CallSseOpen | CallWsClose | CallClose)
                and effect.conn == self._conn
            ):
                self._read_own(effect, step, before, after)

    def _read_own(
        self,
        effect: Adopt | CallWsOpen | CallSseOpen | CallWsClose | CallClose,
        step: Replayed,
        before: Client | None,
        after: Client | None,
    ) -> None:
        """Take an effect for this connection into account."""
        match effect:
            case Adopt():
                self._add("accepted", f"{self.peer} was accepted")
            case CallWsOpen() | CallSseOpen():
                self._add("subscriber", f"it became {state_of(after)}")
            case CallWsClose():
                self._add("websocket", f"its WebSocket ended with {effect.code} {effect.text!r}")
            case _:
                self._end(step, before)

    # -- how far it was behind ---------------------------------------------------------------------

    def _look_at_lag(self, server: Server, client: Client) -> None:
        """Tell that it is behind, again whenever that has doubled, and that it is not any more."""
        subscriber, broadcast = client.subscriber, server.broadcast
        cursor = None if subscriber is None else subscriber.cursor
        if cursor is None or subscriber is None or not subscriber.is_behind:
            if self._behind is not None:
                self._add("lag", "it has caught up with what was published")
            self._behind, self._next_behind = None, 0
            return
        self._behind = broadcast.next_number - cursor
        if self._behind >= self._next_behind:
            self._next_behind = 2 * max(1, self._behind)
            self._add("lag", lag_of(server, client, cursor))

    def _end(self, step: Replayed, before: Client | None) -> None:
        """It has ended: how far behind it was, what it waited for, which limits decide about it."""
        server = step.before
        closes = [close for close in closes_of(step, self._begun_at) if close.conn == self._conn]
        self.close = closes[0]
        self._add_published()
        if before is not None:
            if before.subscriber is not None and before.subscriber.cursor is not None:
                self._add("last lag", lag_of(step.after, before, before.subscriber.cursor))
            text = f"before this turn it was {state_of(before)}"
            self._add("waited", f"{text}, {waits(before, server)}")
        limits = step.after.limits
        names = LIMITS_MET[self.close.reason]
        if names:
            rows = [f"{name}={getattr(limits, name)!r}" for name in names]
            self._add("limits", f"the limits that decide about this: {', '.join(rows)}")
        if "full_policy" in names:
            used, subscribers = server.slots.used, server.load.websockets
            self._add("crowd", f"{used} connections were open, {subscribers} of them subscribers")
        self._add("end", f"it was closed, {close_reason_str(self.close.reason)}")
