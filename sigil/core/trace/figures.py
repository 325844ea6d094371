"""The figures of a recording: how much happened, and how far it went.

Theory: before one looks at a turn one wants to know what there is: how long it is, what it is full
of, how much of what is bounded was used at most.

Rules: one pass over the turns; counts are those of the recording, not those since the server was
made. It does not know where they are shown.
"""

from typing import NamedTuple

from ..server.state import Server
from ..server.stats import stats
from .states import States


class RecordingStats(NamedTuple):
    """The figures of a recording; counts are those of its turns."""

    turns: int
    seconds: float
    """From the first state to the last one, on the server's clock."""
    gaps: int
    """Places at which turns are missing, or the server was replaced."""
    missed: int
    """Turns that are missing there."""
    accepted: int
    rejected: int
    requests: int
    published: int
    """Messages that were published."""
    bytes_in: int
    bytes_out: int
    closed: dict[str, int]
    """Ended connections, by the name of their `CloseReason`."""
    most_clients: int
    """Connections that were open at once, at most."""
    most_ring_bytes: int
    """Bytes of published messages that were kept at once, at most."""
    most_laggards: int
    """Subscribers that were behind at once, at most."""
    most_outbound: int
    """Bytes that were held for clients at once, at most."""
    events: dict[str, int]
    """Events by kind, the most frequent first."""
    effects: dict[str, int]
    """Effects by kind, the most frequent first."""


class Peaks:
    """What was used at most, over the states that were looked at."""

    __slots__ = ("clients", "laggards", "outbound", "ring_bytes")

    def __init__(self) -> None:
        self.clients = self.ring_bytes = self.laggards = self.outbound = 0

    def look(self, server: Server) -> None:
        """Take one more state into account."""
        broadcast = server.broadcast
        kept = broadcast.ring.head_offset + broadcast.pending_len - broadcast.ring.tail_offset
        self.clients = max(self.clients, server.slots.used)
        self.ring_bytes = max(self.ring_bytes, kept)
        self.laggards = max(self.laggards, len(broadcast.laggards))
        self.outbound = max(self.outbound, server.load.outbound)


def recording_stats(states: States) -> RecordingStats:
    """The figures of a recording."""
    peaks, events, effects = Peaks(), dict[str, int](), dict[str, int]()
    gaps = missed = 0
    last = states.first
    peaks.look(last)
    for step in states.walk():
        if step.turn.gap is not None:
            gaps, missed = gaps + 1, missed + step.turn.gap.missed
        for event in step.turn.events:
            _count(events, event)
        for effect in step.effects:
            _count(effects, effect)
        last = step.after
        peaks.look(last)
    before, after = stats(states.first), stats(last)
    return RecordingStats(
        turns=len(states.turns),
        seconds=last.now - states.first.now,
        gaps=gaps,
        missed=missed,
        accepted=after.accepted - before.accepted,
        rejected=after.rejected - before.rejected,
        requests=after.requests - before.requests,
        published=last.broadcast.next_number - states.first.broadcast.next_number,
        bytes_in=after.bytes_in - before.bytes_in,
        bytes_out=after.bytes_out - before.bytes_out,
        closed=_more(before.closed, after.closed),
        most_clients=peaks.clients,
        most_ring_bytes=peaks.ring_bytes,
        most_laggards=peaks.laggards,
        most_outbound=peaks.outbound,
        events=_by_count(events),
        effects=_by_count(effects),
    )


def _count(counts: dict[str, int], record: object) -> None:
    """Count a record under the name of its kind."""
    name = type(record).__name__
    counts[name] = counts.get(name, 0) + 1


def _by_count(counts: dict[str, int]) -> dict[str, int]:
    """The counts, the largest first."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _more(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """What of these counts has come since."""
    grown = {name: count - before.get(name, 0) for name, count in after.items()}
    return {name: count for name, count in grown.items() if count}
