"""The story of a turn: the few things in it that a person who looks at a server wants to know.

Theory: a turn may be hundreds of events and effects, most of which go without saying. What matters
is told first: who was evicted and who ended, who does not read, what was published, who came and
what was asked. Of each of these one sentence is enough, and of many alike their number.

Rules: events and effects in, a bounded number of named tuples out, the most important first. What
is quoted from outside is escaped, and bounded. It does not know the server: whatever a sentence
says is in the turn.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from ..close_reasons import CLOSE_INFO, CloseReason
from ..conn import Conn
from ..effects import (
    Adopt,
    CallClose,
    CallSseOpen,
    CallWsDrain,
    CallWsOpen,
    Effect,
    FanOut,
    Handle,
    Log,
    LogLevel,
    Reject,
)
from ..events import (
    Accepted,
    Event,
    FanOutStalled,
    HandlerFailed,
    HandlerReturned,
    Publish,
    Received,
    Stalled,
    Stop,
)
from .sentences import bounded, counted, quoted

EVICTIONS: Final = frozenset(
    (
        CloseReason.EVICTED,
        CloseReason.TOO_SLOW,
        CloseReason.WS_CLIENT_TOO_SLOW,
        CloseReason.WRITE_STALL,
    )
)
"""Why a connection ended that was in the way of others: it was too slow, or the one to give way."""

SENTENCES_MAX: Final = 6
"""Sentences of a story."""
ALIKE_MAX: Final = 2
"""Sentences of one kind; of more, there is one with their number."""


class Sentence(NamedTuple):
    """One thing that happened: `tone` is what kind of news it is, `conn` whose."""

    tone: str
    """`"evicted"`, `"ended"`, `"stalled"`, `"warning"`, `"caught up"`, `"published"`, `"came"`,
    `"asked"` or `"quiet"`."""
    conn: Conn | None
    text: str


def story_of(events: Sequence[Event], effects: Sequence[Effect]) -> tuple[Sentence, ...]:
    """What happened in a turn, the most important first; one quiet sentence if it was nothing."""
    found = [
        *_few(_ends(effects, is_eviction=True), "clients are evicted: they were too slow"),
        *_few(_ends(effects, is_eviction=False), "connections end"),
        *_few(_stalls(events), "clients do not take what they are sent"),
        *_few(_warnings(effects), "warnings are logged"),
        *_few(_caught_up(effects), "clients have caught up"),
        *_published(events, effects),
        *_few(_opened(effects), "clients subscribe"),
        *_few(_asked(effects), "clients ask"),
        *_few(_answered(events), "clients are answered"),
        *_few(_came(events, effects), "clients connect"),
        *_few(_received(events), "clients sent something"),
        *_stops(events),
    ]
    shown = [one._replace(text=bounded(one.text)) for one in found[:SENTENCES_MAX]]
    return tuple(shown) or (Sentence("quiet", None, "Time passes."),)


def _few(found: list[Sentence], words: str) -> list[Sentence]:
    """These sentences, or one with their number if they are many; `words` is what they have in
    common.
    """
    if len(found) <= ALIKE_MAX:
        return found
    return [Sentence(found[0].tone, None, f"{len(found):,} {words}.")]


def _ends(effects: Sequence[Effect], is_eviction: bool) -> list[Sentence]:
    """Who was evicted, or ended for another reason."""
    tone, verb = ("evicted", "is evicted") if is_eviction else ("ended", "ends")
    return [
        Sentence(tone, one.conn, f"{_named(one.conn)} {verb}: {CLOSE_INFO[one.reason].sentence}.")
        for one in effects
        if isinstance(one, CallClose) and (one.reason in EVICTIONS) is is_eviction
    ]


def _stalls(events: Sequence[Event]) -> list[Sentence]:
    """Who did not take all it was sent."""
    found = []
    for event in events:
        if isinstance(event, FanOutStalled):
            words = f"falls behind: it took {counted(event.taken, 'byte')}, and lags from here on"
        elif isinstance(event, Stalled):
            rest = sum([len(segment) for segment in event.rest])
            words = f"reads too little: {counted(rest, 'byte')} could not be sent"
        else:
            continue
        found.append(Sentence("stalled", event.conn, f"{_named(event.conn)} {words}."))
    return found


def _warnings(effects: Sequence[Effect]) -> list[Sentence]:
    """What was logged as a warning or an error."""
    return [
        Sentence("warning", None, f"Logged: {quoted(one.text)}")
        for one in effects
        if isinstance(one, Log) and one.level >= LogLevel.WARNING
    ]


def _caught_up(effects: Sequence[Effect]) -> list[Sentence]:
    """Who has caught up."""
    return [
        Sentence("caught up", one.conn, f"{_named(one.conn)} has caught up.")
        for one in effects
        if isinstance(one, CallWsDrain)
    ]


def _published(events: Sequence[Event], effects: Sequence[Effect]) -> list[Sentence]:
    """What was published, and who was sent what had been."""
    count = sum([len(event.messages) for event in events if isinstance(event, Publish)])
    members = sum([len(one.members) for one in effects if isinstance(one, FanOut)])
    found = []
    if count:
        found.append(f"{counted(count, 'message')} {'is' if count == 1 else 'are'} published.")
    if members:
        found.append(f"What was published is sent to {counted(members, 'client')} that keep up.")
    return [Sentence("published", None, text) for text in found]


def _opened(effects: Sequence[Effect]) -> list[Sentence]:
    """Who became a WebSocket or an event stream."""
    return [
        Sentence(
            "came",
            one.conn,
            f"{_named(one.conn)} becomes "
            f"{'a WebSocket' if isinstance(one, CallWsOpen) else 'an event stream'}.",
        )
        for one in effects
        if isinstance(one, (CallWsOpen, CallSseOpen))
    ]


def _asked(effects: Sequence[Effect]) -> list[Sentence]:
    """Who has sent a request."""
    found = []
    for one in effects:
        if isinstance(one, Handle):
            first, conn = one.requests[0], one.ticket.conn
            words = f"{_named(conn)} asks: {first.method} {quoted(first.target)}"
            more = f" and {len(one.requests) - 1:,} more" if len(one.requests) > 1 else ""
            found.append(Sentence("asked", conn, f"{words}{more}."))
    return found


def _answered(events: Sequence[Event]) -> list[Sentence]:
    """Who is answered by the handler, or not as it was meant."""
    found = []
    for event in events:
        if isinstance(event, HandlerReturned):
            statuses = sorted({response.status for response in event.responses})
            words = " and ".join(map(str, statuses[:ALIKE_MAX]))
            conn = event.ticket.conn
            found.append(Sentence("asked", conn, f"{_named(conn)} is answered: {words}."))
        elif isinstance(event, HandlerFailed):
            conn = event.ticket.conn
            found.append(Sentence("warning", conn, f"The handler fails: {event.status}."))
    return found


def _came(events: Sequence[Event], effects: Sequence[Effect]) -> list[Sentence]:
    """Who has connected, and was given a slot or rejected."""
    peers = {event.socket_id: event.peer for event in events if isinstance(event, Accepted)}
    found = []
    for one in effects:
        if isinstance(one, Adopt) and one.socket_id in peers:
            words = f"{peers[one.socket_id]} connects: it is connection {one.conn.generation}."
            found.append(Sentence("came", one.conn, words))
        elif isinstance(one, Reject) and one.socket_id in peers:
            found.append(Sentence("warning", None, f"{peers[one.socket_id]} is rejected."))
    return found


def _received(events: Sequence[Event]) -> list[Sentence]:
    """Who has sent something."""
    return [
        Sentence("quiet", one.conn, f"{counted(len(one.data), 'byte')} from {_inner(one.conn)}.")
        for one in events
        if isinstance(one, Received)
    ]


def _stops(events: Sequence[Event]) -> list[Sentence]:
    """Whether the server was asked to stop."""
    stops = any(isinstance(event, Stop) for event in events)
    return [Sentence("warning", None, "The server is asked to stop.")] if stops else []


def _named(conn: Conn) -> str:
    """A connection at the start of a sentence."""
    return f"Connection {conn.generation}"


def _inner(conn: Conn) -> str:
    """A connection within a sentence."""
    return f"connection {conn.generation}"
