"""What if the limits had been others, or slow readers had been treated in another way: who would
have been ended and was not, and who was and would not have been.

Theory: the recorded run and its variant are computed side by side, turn by turn, and every
connection has its end in both, or in one, or in none. What differs is the answer.

Rules: the end of a connection in the recording is the last thing that is known of it: what would
have become of one that is spared is what the variant makes of its silence, and is marked as such.
Nothing is guessed of what peers or the program would have done otherwise. It does not know how
events are given to the other server (`variant`).
"""

from typing import Final, NamedTuple, final

from ..close_reasons import CloseReason, close_reason_str
from ..conn import Conn, Peer
from ..connection.context import Parse
from ..limits import Limits
from ..server.state import Server
from ..value import Value
from .closes import Close, closes_of
from .figures import Peaks
from .lives import peer_in
from .states import States
from .variant import Variant

LISTED_MAX: Final = 20
"""Connections of one kind that are listed as text."""


@final
class Fate(Value):
    """A connection with another end: the one that was recorded, and the one it would have had; None
    if it was, or would have been, open at the end of the recording.
    """

    __match_args__ = ("conn", "peer", "recorded", "otherwise")
    __slots__ = __match_args__

    def __init__(
        self, conn: Conn, peer: Peer | None, recorded: Close | None, otherwise: Close | None
    ) -> None:
        self.conn: Final = conn
        self.peer: Final = peer
        self.recorded: Final = recorded
        self.otherwise: Final = otherwise

    def __str__(self) -> str:
        who = f"connection {self.conn.generation} ({self.peer})"
        return f"{who}: {_end(self.recorded)}; otherwise {_end(self.otherwise)}"


def _end(close: Close | None) -> str:
    """An end in words."""
    if close is None:
        return "open at the end"
    return f"closed at +{close.at:.3f} s in turn {close.turn}, {close_reason_str(close.reason)}"


class Figures(NamedTuple):
    """What was used at most in a run, and what became of the slow."""

    most_clients: int
    most_ring_bytes: int
    most_laggards: int
    most_outbound: int
    too_slow: int
    """Subscribers that were dropped because they fell too far behind."""
    skips: int
    """How often one was moved on."""
    skipped_messages: int


class WhatIf(NamedTuple):
    """What would have been otherwise."""

    changes: tuple[str, ...]
    """What is other than in the recording, as `name=value`."""
    spared: tuple[Fate, ...]
    """Who was ended, and would not have been then."""
    ended: tuple[Fate, ...]
    """Who was not ended, or later, and would have been."""
    changed: tuple[Fate, ...]
    """Who would have been ended in the same turn, for another reason."""
    rejected: tuple[Conn, ...]
    """Who was accepted, and would not have been."""
    accepted: int
    """How many were rejected, and would have been accepted: nothing is known of these."""
    recorded: Figures
    otherwise: Figures
    left_out: dict[str, int]
    """Events that had nobody whom they concern, or made no sense, by kind."""

    @property
    def is_same(self) -> bool:
        """True if nobody's end would have been another."""
        return not (self.spared or self.ended or self.changed or self.rejected or self.accepted)

    def __str__(self) -> str:
        rows = [f"with {', '.join(self.changes) or 'nothing changed'}:"]
        titles = (
            ("were ended and would not have been then", self.spared),
            ("would have been ended and were not, or later", self.ended),
            ("would have been ended for another reason", self.changed),
        )
        for title, fates in titles:
            rows.append(f"  {len(fates)} {title}")
            rows += [f"    {fate}" for fate in fates[:LISTED_MAX]]
            if len(fates) > LISTED_MAX:
                rows.append(f"    ... and {len(fates) - LISTED_MAX} more")
        rows.append(f"  {len(self.rejected)} would have been rejected, {self.accepted} accepted")
        for name, was, would in zip(Figures._fields, self.recorded, self.otherwise, strict=True):
            rows.append(f"  {name}: {was:,} recorded, {would:,} otherwise")
        left = sum(self.left_out.values())
        rows.append(f"  {left:,} events were left out: they had nobody whom they concern")
        return "\n".join(rows)


def what_if(states: States, limits: Limits, slow: str | None, parse: Parse) -> WhatIf:
    """What would have been otherwise under these limits, which are parsed so, and with this policy
    for slow readers, if one is given.
    """
    variant, begun_at = Variant(states.first, limits, slow, parse), states.first.now
    recorded_peaks, peaks = Peaks(), Peaks()
    recorded, otherwise = dict[Conn, Close](), dict[Conn, Close]()
    known, peers = dict[Conn, Conn](variant.names), dict[Conn, Peer | None]()
    last = states.first
    for step in states.walk():
        followed = variant.follow(step)
        recorded.update({close.conn: close for close in closes_of(step, begun_at)})
        otherwise.update({close.conn: close for close in closes_of(followed, begun_at)})
        for conn in variant.newcomers:
            known[conn], peers[conn] = variant.names[conn], peer_in(step, conn)
        recorded_peaks.look(step.after)
        peaks.look(followed.after)
        last = step.after
    fates = _fates(known, peers, recorded, otherwise)
    return WhatIf(
        changes=_changes(states.first.limits, limits, slow),
        spared=tuple([fate for fate in fates if _is_spared(fate)]),
        ended=tuple([fate for fate in fates if _is_ended(fate)]),
        changed=tuple([fate for fate in fates if not (_is_spared(fate) or _is_ended(fate))]),
        rejected=tuple(sorted(variant.rejected, key=lambda conn: conn.generation)),
        accepted=variant.adopted,
        recorded=_figures(recorded_peaks, states.first, last),
        otherwise=_figures(peaks, states.first, variant.server),
        left_out=dict(sorted(variant.left_out.items())),
    )


def _fates(
    known: dict[Conn, Conn],
    peers: dict[Conn, Peer | None],
    recorded: dict[Conn, Close],
    otherwise: dict[Conn, Close],
) -> list[Fate]:
    """The connections that have another end, in order."""
    found = []
    for conn, name in sorted(known.items(), key=lambda item: item[0].generation):
        was, would = recorded.get(conn), otherwise.get(name)
        if was is None and would is None:
            continue
        if was is None or would is None or (was.turn, was.reason) != (would.turn, would.reason):
            close = was or would
            peer = close.peer if close is not None else peers.get(conn)
            found.append(Fate(conn, peer, was, would))
    return found


def _is_spared(fate: Fate) -> bool:
    """True for one that was ended, and would not have been then."""
    was, would = fate.recorded, fate.otherwise
    return was is not None and (would is None or would.turn > was.turn)


def _is_ended(fate: Fate) -> bool:
    """True for one that was not ended, or later, and would have been."""
    was, would = fate.recorded, fate.otherwise
    return would is not None and (was is None or would.turn < was.turn)


def _figures(peaks: Peaks, first: Server, last: Server) -> Figures:
    """The figures of a run."""
    name, totals = CloseReason.WS_CLIENT_TOO_SLOW.name, last.totals
    return Figures(
        peaks.clients,
        peaks.ring_bytes,
        peaks.laggards,
        peaks.outbound,
        totals.closed.get(name, 0) - first.totals.closed.get(name, 0),
        totals.skips - first.totals.skips,
        totals.skipped_messages - first.totals.skipped_messages,
    )


def _changes(before: Limits, after: Limits, slow: str | None) -> tuple[str, ...]:
    """What is other than in the recording."""
    changed = [
        f"{name}={new!r}"
        for name, old, new in zip(Limits._fields, before, after, strict=True)
        if old != new
    ]
    return (*changed, *([] if slow is None else [f"slow={slow!r}"]))
