"""Cards of what happened: a turn with its events and effects, a dialogue as a sequence diagram, and
a recording as a line of time.

Theory: what happened is a list of things in order, so it is shown as a list, beside a picture of
who did it: arrows between two lines for a dialogue, bars along the time for a recording. The words
are those of `sentences`, or of whoever made a dialogue.

Rules: plain arguments in (numbers, texts, events, effects), HTML out, of bounded length: the first
and the last are shown, and how many are not. Texts are escaped. It does not know recordings, which
come later in the order of reading: they call this.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from ..events import Event
from .markup import (
    Markup,
    card,
    code,
    count_of,
    heading,
    joined,
    legend,
    printable,
    quiet,
    seconds_of,
    tag,
    text,
    tiles,
)
from .sentences import Line, event_line

LINES_MAX: Final = 40
"""Of one list: the first half and the last."""
TEXT_MAX: Final = 240
BINS: Final = 80
"""Bars along the time of a recording."""


# -- a turn ----------------------------------------------------------------------------------------


def turn_card(number: int, events: Sequence[Event], effects: Sequence[Line], note: str = "") -> str:
    """A turn: its events, and its effects as lines."""
    about = quiet(f"{count_of(len(events), 'event')}, {count_of(len(effects), 'effect')}")
    first, rest = len(events), ""
    if first > LINES_MAX:  # only those that are shown are put in words
        shown = [*events[: LINES_MAX // 2], *events[-LINES_MAX // 2 :]]
        rest = f"{first - len(shown):,} more events"
    else:
        shown = list(events)
    lines = [_item(event_line(event)) for event in shown]
    if rest:
        lines.insert(LINES_MAX // 2, tag("li", quiet("…"), quiet(rest)))
    parts = [heading("Events: what came"), tag("ol", *lines)] if lines else []
    if effects:
        parts += [heading("Effects: what was ordered"), tag("ol", *_few(list(map(_item, effects))))]
    if note:
        parts.insert(0, tag("div", quiet(note)))
    return card(f"Turn {number:,}", about, *parts)


def _item(line: Line) -> Markup:
    """An event or an effect as an item of a list."""
    conn = "" if line.conn is None else f"{line.conn.slot}:{line.conn.generation} "
    return tag("li", quiet(line.kind), tag("span", code(conn), text(line.text, TEXT_MAX)))


def _few(items: list[Markup]) -> list[Markup]:
    """The items, or the first and the last of them, and how many are between."""
    if len(items) <= LINES_MAX:
        return items
    half = LINES_MAX // 2
    between = tag("li", quiet("…"), quiet(f"{len(items) - 2 * half:,} more"))
    return [*items[:half], between, *items[-half:]]


# -- a dialogue ------------------------------------------------------------------------------------


class Step(NamedTuple):
    """One line of a dialogue: when, in seconds; `->` from the client, `<-` to it, or `--`; what."""

    at: float
    side: str
    text: str


_LANES: Final = (
    "background:linear-gradient(var(--l),var(--l)) 8px 0/2px 100% no-repeat,"
    "linear-gradient(var(--l),var(--l)) calc(100% - 8px) 0/2px 100% no-repeat;min-height:20px"
)
"""The lines of client and server, in the background of each row."""
_ARROWS: Final = {
    "->": ("ok", "M0 8H90M84 4L92 8L84 12"),
    "<-": ("kept", "M92 8H2M8 4L0 8L8 12"),
    "--": ("behind", "M40 8H52"),
}


def dialogue_card(name: str, peer: str, steps: Sequence[Step], omitted: int = 0) -> str:
    """What was sent over a connection, as a sequence diagram: the client at the left, the server at
    the right, and time going down.
    """
    items = _few([_step(step) for step in steps])
    count = len(steps) + omitted
    about = joined((code(peer), quiet(count_of(count, "line"))))
    ends = tag(
        "li",
        tag("span", text("client · server"), look="q"),
        quiet("" if not omitted else f"{omitted:,} lines are left out"),
    )
    return card(name, about, tag("ol", ends, *items))


def _step(step: Step) -> Markup:
    """One line: its arrow, and what it says."""
    look, path = _ARROWS.get(step.side, _ARROWS["--"])
    colour = {"ok": "var(--ok)", "kept": "var(--kept)", "behind": "var(--behind)"}[look]
    arrow = Markup(
        '<svg viewBox="0 0 92 16" preserveAspectRatio="none" role="img" style="height:16px;'
        f'padding:0 10px"><path d="{path}" style="fill:none;stroke:{colour};stroke-width:2"'
        ' vector-effect="non-scaling-stroke"/></svg>'
    )
    words = tag("span", quiet(f"+{step.at:.3f} s "), text(step.text, TEXT_MAX))
    return tag("li", tag("span", arrow, style=_LANES), words)


# -- a recording -----------------------------------------------------------------------------------


def recording_card(
    turns: int,
    seconds: float,
    figures: Sequence[tuple[str, object]],
    work: Sequence[float] = (),
    ends: Sequence[float] = (),
    about: str = "",
) -> str:
    """A recording: so many turns in so many seconds, some figures, how much happened along its time
    (`work`, from the first turn to the last), and where connections ended (`ends`, 0 to 1).
    """
    head = quiet(f"{count_of(turns, 'turn')}, {seconds_of(seconds)}")
    parts = [tiles([(name, printable(str(value), 40)) for name, value in figures])]
    if work:
        parts += [heading("Events along its time"), Markup(_time_line(work, ends))]
        pairs = [("kept", "events")]
        if ends:
            pairs.append(("bad", f"{count_of(len(ends), 'connection')} ended"))
        parts.append(legend(pairs))
    if about:
        parts.append(tag("div", quiet(about, TEXT_MAX)))
    return card("Recording", head, *parts)


def _time_line(work: Sequence[float], ends: Sequence[float]) -> str:
    """Bars for how much happened, and a mark for each end."""
    heights = list(_binned(work))
    top = max(heights) or 1.0
    boxes = [
        f'<rect class="kept" x="{10 * place}" y="{40 - 38 * height / top:.1f}" width="9"'
        f' height="{38 * height / top:.1f}"/>'
        for place, height in enumerate(heights)
    ]
    places = sorted({round(min(max(end, 0.0), 1.0) * (BINS - 1)) for end in ends})
    width = 10 * len(heights)
    marks = [
        f'<rect class="bad" x="{place * width / BINS:.1f}" y="42" width="6" height="6"/>'
        for place in places
    ]
    return (
        f'<svg role="img" viewBox="0 0 {width} 50" preserveAspectRatio="none"'
        f' style="height:50px">{"".join(boxes)}{"".join(marks)}</svg>'
    )


def _binned(work: Sequence[float]) -> Iterator[float]:
    """The work in no more than `BINS` parts of equal length, the most of each."""
    count = min(BINS, len(work))
    for place in range(count):
        yield max(work[place * len(work) // count : (place + 1) * len(work) // count])
