"""Turns and recordings as cards, for notebooks.

Theory: `views.trace_cards` draws what happened and does not know recordings; here is what it is
given of one. A recording may be long, so it is read in part: all turns of a short one, and of a
long one some hundred, spread over its time.

Rules: turns in, HTML out; nothing is computed again. It does not know files.
"""

from collections.abc import Sequence
from typing import Final

from ..bounded_repr import bounded_repr
from ..events import TickStarted
from ..server.state import Server
from ..views.sentences import Line, bounded
from ..views.trace_cards import recording_card, turn_card
from .about import About
from .summary import summary_names
from .turn import Summary, Turn

ALL_MAX: Final = 2_000
"""Of a recording with more turns, only some are read."""
SOME: Final = 400
LAST: Final = 50
"""So many turns at the end are searched for the last time."""


def turn_html(turn: Turn) -> str:
    """The card of a turn; its effects are known in short."""
    note = ""
    if turn.gap is not None:
        note = f"{turn.gap.missed:,} turns are missing before this one"
    return turn_card(turn.number, turn.events, list(map(summary_line, turn.effects)), note)


def summary_line(summary: Summary) -> Line:
    """An effect in short, as a line."""
    kind, names = summary_names(summary)
    values = [f"{name} {bounded_repr(value)}" for name, value in zip(names, summary[1:])]  # noqa: B905
    return Line(kind, None, bounded(", ".join(values)))


def recording_html(first: Server, turns: Sequence[Turn], about: About) -> str:
    """The card of a recording."""
    count = len(turns)
    step = 1 if count <= ALL_MAX else -(-count // SOME)
    work: list[float] = []
    ends: list[float] = []
    for index in range(0, count, step):
        turn = turns[index]
        work.append(float(len(turn.events)))
        names = [summary_names(summary)[0] for summary in turn.effects]
        ends += [index / max(1, count - 1)] * names.count("CallClose")
    figures: list[tuple[str, object]] = [("clients at first", f"{first.slots.used:,}")]
    if step == 1:
        figures += [("events", f"{sum(work):,.0f}"), ("ended", f"{len(ends):,}")]
    else:
        ends = []
    if about.sigil:
        figures.append(("sigil", about.sigil))
    redacted = ", ".join(about.redaction)
    note = f"redacted: {redacted}" if redacted else ""
    return recording_card(count, _seconds(first, turns), figures, work, ends, note)


def _seconds(first: Server, turns: Sequence[Turn]) -> float:
    """From the first state to the last turn that tells the time."""
    for index in range(len(turns) - 1, max(-1, len(turns) - 1 - LAST), -1):
        for event in turns[index].events:
            if isinstance(event, TickStarted):
                return max(0.0, event.now - first.now)
    return 0.0
