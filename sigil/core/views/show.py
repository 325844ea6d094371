"""Pictures of a server: what is on its ring, and where everybody is.

Theory: a server is one value, so a picture of it is a function of a value, and the picture of a
server as it was an hour ago is the same function of an older one. The ring is drawn as it ages: the
head stays at the right, what was published before lies to the left of it, and everything moves left
until it falls off the end. A laggard is a mark that moves with it.

Rules: values in, text out; nothing is looked up elsewhere, so what is drawn can be pasted anywhere,
and the same value is the same picture. What came from outside is escaped, and what cannot be
printed is replaced. A picture has a bounded size whatever it shows: what is too fine is drawn
together, what is too much is counted. This file does not know where a picture is shown: colours
follow what the reader prefers, light or dark, and it brings its own background.
"""

from collections.abc import Iterator
from html import escape
from typing import Final

from ..broadcast.ring import Ring
from ..connection.client import Client
from ..connection.client_status import is_in_cohort, outbox_len
from ..connection.websocket_send import buffered_amount
from ..server.slots import clients_of
from ..server.state import Server
from ..topics import names_of
from .figures import (
    CohortFigures,
    LaggardFigures,
    RingFigures,
    blocks_of,
    laggards_of,
    ring_figures,
)


def record_text(record: object, depth: int = 0) -> str:
    """A record as text, one field to a line, and the records in it indented below
    their names; `depth` is by how much.
    """
    lines = [] if depth else [type(record).__name__]
    for name in getattr(record, "__match_args__", ()):
        value = getattr(record, name)
        field = "    " * (depth + 1) + f"{name}: "
        if hasattr(value, "__match_args__"):
            lines += [field + type(value).__name__, record_text(value, depth + 1)]
        else:
            lines.append(field + repr(value))
    return "\n".join(lines)


def _printable(text: str, max_chars: int) -> str:
    """A text from outside, cut to `max_chars` characters each of which can be printed."""
    shown = "".join(
        char if char.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for char in text[: max_chars + 1]
    )
    return shown if len(shown) <= max_chars else shown[: max_chars - 1] + "…"


# -- for terminals ---------------------------------------------------------------------------------

CELLS: Final = 60
"""Characters for the ring in a line of text."""


def ring_text(server: Server) -> str:
    """The ring in one line: its head is at the right end, dots are free, `+` was published in this
    tick and has not been sent to anybody yet. A digit is how many cursors are in this place, and
    `#` is more than nine.

    Lines of successive ticks can be put under each other.
    """
    figures, laggards = ring_figures(server), laggards_of(server)
    size = figures.max_bytes
    start = figures.end_offset - size
    tail = (figures.tail_offset - start) * CELLS // size
    head = (figures.head_offset - start) * CELLS // size
    cells = list("·" * tail + "─" * (head - tail) + "+" * (CELLS - head))
    places = [min((laggard.offset - start) * CELLS // size, CELLS - 1) for laggard in laggards]
    for place in places:
        count = places.count(place)
        cells[place] = str(count) if count < 10 else "#"
    ring = f"{figures.tail_number:>6} [{''.join(cells)}] {figures.end_number:<6}"
    return f"{ring} {figures.members} at the head, {len(laggards)} behind"


COLUMNS: Final = ("slot", "generation", "where", "next", "behind", "outbox", "buffered", "topics")
TEXT_COLUMNS: Final = ("where", "topics")
"""They are aligned to the left, and numbers to the right."""
TOPICS_CHARS_MAX: Final = 40


def clients_text(server: Server) -> str:
    """A table of all clients, one to a line: where each is, the number of the next message it is
    sent, how many messages it is behind, and how many bytes are in its outbox and, with those,
    buffered for it.
    """
    rows = [COLUMNS, *(_client_row(server, client) for client in clients_of(server.slots))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return "\n".join(_line_of(row, widths) for row in rows)


def _line_of(row: tuple[str, ...], widths: list[int]) -> str:
    """A row of the table as a line, its cells padded to these widths."""
    cells = [
        cell.ljust(width) if column in TEXT_COLUMNS else cell.rjust(width)
        for column, cell, width in zip(COLUMNS, row, widths, strict=True)
    ]
    return "  ".join(cells).rstrip()


def _client_row(server: Server, client: Client) -> tuple[str, ...]:
    """One client as a row of the table."""
    broadcast, subscriber = server.broadcast, client.subscriber
    where, topics = "http", ""
    cursor: int | None = None
    if subscriber is not None:
        where, cursor = "closing", subscriber.cursor
        topics = _printable(", ".join(names_of(subscriber.subscription.topics)), TOPICS_CHARS_MAX)
    if cursor is not None:
        where = "laggard"
    elif is_in_cohort(client):
        where, cursor = "cohort", broadcast.ring.head_number
    following, behind = "-", "-"
    if cursor is not None:
        following, behind = str(cursor), str(broadcast.next_number - cursor)
    return (
        str(client.conn.slot),
        str(client.conn.generation),
        where,
        following,
        behind,
        f"{outbox_len(client):,}",
        f"{buffered_amount(client, broadcast):,}",
        topics,
    )


# -- for notebooks and pages -----------------------------------------------------------------------

WIDTH, LEFT, RIGHT = 960, 190, 730
"""Of the picture, and of the ring in it: names stand to the left, figures to the right."""
TOP, ROW, BAND, FOOT = 56, 22, 34, 50
"""Heights: of the heading, of a row, of the ring, of the legend."""
DOTS_MAX: Final = 40
"""Clients of a cohort that are drawn one by one."""
NAME_CHARS_MAX, TITLE_CHARS_MAX = 23, 200
GAP: Final = 6
BAR: Final = 10

FONT: Final = "12px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace"
STYLE: Final = f"""
.sigil-ring{{background:#fff;font:{FONT};max-width:100%}}
.sigil-ring .ground{{fill:#fff;stroke:#d0d7de}}
.sigil-ring text{{fill:#1f2328}}.sigil-ring .quiet{{fill:#59636e}}
.sigil-ring .name{{font-weight:bold}}
.sigil-ring .free{{fill:#eff2f5;stroke:#818b98}}.sigil-ring .line{{stroke:#59636e}}
.sigil-ring .kept{{fill:#74a9dd}}.sigil-ring .new{{fill:#e3b341}}.sigil-ring .member{{fill:#2c8a4b}}
.sigil-ring .behind{{fill:#e07b39}}.sigil-ring .outbox{{fill:#b3367a}}
.sigil-ring .cursor{{stroke:#c25a14;stroke-width:2}}
@media (prefers-color-scheme:dark){{
.sigil-ring{{background:#151a21}}.sigil-ring .ground{{fill:#151a21;stroke:#3d444d}}
.sigil-ring text{{fill:#e6edf3}}.sigil-ring .quiet{{fill:#9da7b3}}
.sigil-ring .free{{fill:#262c36;stroke:#6e7681}}.sigil-ring .line{{stroke:#9da7b3}}
.sigil-ring .kept{{fill:#3f78b5}}.sigil-ring .new{{fill:#d4a72c}}.sigil-ring .member{{fill:#57ab5a}}
.sigil-ring .behind{{fill:#e0823d}}.sigil-ring .outbox{{fill:#d6569c}}
.sigil-ring .cursor{{stroke:#f69d50}}}}
"""


def _tag(name: str, attributes: str = "", inner: str = "", title: str = "") -> str:
    """An element; `inner` is markup, `title` a text that is shown when the pointer rests on it."""
    shown = f"<title>{escape(_printable(title, TITLE_CHARS_MAX))}</title>" if title else ""
    opening = f"{name} {attributes}" if attributes else name
    return f"<{opening}>{shown}{inner}</{name}>"


def _text(x: float, y: float, line: str, look: str = "", anchor: str = "start") -> str:
    """A line of text."""
    place = f'x="{x:.1f}" y="{y}" class="{look}" text-anchor="{anchor}"'
    return _tag("text", place, escape(line))


def _box(look: str, start: float, end: float, y: int, height: int, title: str) -> str:
    """A box between two places, at least so wide that it is seen."""
    place = f'x="{start:.1f}" y="{y}" width="{max(end - start, 1.5):.1f}" height="{height}"'
    return _tag("rect", f'class="{look}" {place}', title=title)


def _line(look: str, x: float, top: int, bottom: int) -> str:
    """An upright line, dashed unless it is a cursor's."""
    dashes = ' stroke-dasharray="3 3"' if look == "line" else ""
    place = f'x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"'
    return _tag("line", f'class="{look}" {place}{dashes}')


def _place(figures: RingFigures, offset: int) -> float:
    """How far to the right an offset is drawn: what was published last ends at the right."""
    return RIGHT - (figures.end_offset - offset) * (RIGHT - LEFT) / figures.max_bytes


def ring_svg(server: Server) -> str:
    """The ring as a picture: an element `svg` that needs nothing else.

    A box is a page: what was published together. Above the ring are the cohorts, which have been
    sent everything; below it the laggards, with what is buffered for each: its outbox, which is its
    own, and from its cursor on what it needs of the ring, which is shared.
    """
    figures = ring_figures(server)
    tail, head = _place(figures, figures.tail_offset), _place(figures, figures.head_offset)
    above = _cohort_rows(figures, head)
    band = TOP + ROW * len(above) + ROW
    below = _laggard_rows(figures, band + BAND)
    bottom = band + BAND + ROW * len(below) + GAP
    height = bottom + ROW + FOOT
    frame = f'x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="6"'
    parts = [
        _tag("style", inner=STYLE),
        _tag("rect", f'class="ground" {frame}'),
        *_heading(figures),
        _line("line", head, TOP - GAP, bottom),
        *above,
        *_band(figures, server.broadcast.ring, band),
        _line("line", tail, band, bottom),
        *below,
        _label(head, band - GAP - 2, f"head: message {figures.head_number}"),
        _label(tail, bottom + ROW - GAP, f"tail: message {figures.tail_number}"),
        *_footing(figures, bottom + ROW),
    ]
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    attributes = f'xmlns="http://www.w3.org/2000/svg" class="sigil-ring" role="img" {size}'
    return _tag("svg", attributes, "\n".join(parts), ring_text(server))


def _label(x: float, y: int, line: str) -> str:
    """A text beside an upright line, on the side where there is more room."""
    if x > (LEFT + RIGHT) / 2:
        return _text(x - GAP, y, line, "quiet", "end")
    return _text(x + GAP, y, line, "quiet")


def _heading(figures: RingFigures) -> Iterator[str]:
    """What is on the ring, in figures."""
    count = figures.end_number - figures.tail_number
    length = figures.end_offset - figures.tail_offset
    messages = f"{count:,} of at most {figures.max_frames:,} messages"
    size = f"{length:,} of at most {figures.max_bytes:,} bytes"
    yield _text(14, 24, f"{messages}, {size}", "name")
    yield _text(14, 42, f"{figures.end_number:,} messages were published so far", "quiet")


def _cohort_rows(figures: RingFigures, head: float) -> list[str]:
    """The cohorts, the largest ones first."""
    pending = figures.end_number - figures.head_number
    rows = [
        _cohort_row(cohort, pending, head, TOP + ROW * index)
        for index, cohort in enumerate(figures.cohorts)
    ]
    if figures.more_cohorts:
        more = f"and {figures.more_cohorts:,} more"
        rows.append(_text(14, TOP + ROW * len(rows) + 14, more, "quiet"))
    return rows


def _cohort_row(cohort: CohortFigures, pending: int, head: float, y: int) -> str:
    """A cohort: what it has subscribed to, and a dot for each member."""
    name = "1 client" if cohort.clients == 1 else f"{cohort.clients:,} clients"
    details = names_of(cohort.topics)
    if cohort.encoding != "plain":
        details.append(cohort.encoding)
    if details:
        name = f"{name}: {', '.join(details)}"
    step = -10 if head > (LEFT + RIGHT) / 2 else 10
    dots = [
        _dot(head + step * (index + 0.8), y + 10) for index in range(min(cohort.clients, DOTS_MAX))
    ]
    status = f"{pending:,} to be sent" if pending else "sent everything"
    label = _text(14, y + 14, _printable(name, NAME_CHARS_MAX))
    return _tag(
        "g",
        inner=label + "".join(dots) + _text(RIGHT + 16, y + 14, status, "quiet"),
        title=name,
    )


def _dot(x: float, y: int) -> str:
    """A member of a cohort."""
    return _tag("circle", f'class="member" r="3.5" cx="{x:.1f}" cy="{y}"')


def _band(figures: RingFigures, ring: Ring, y: int) -> Iterator[str]:
    """The ring's bytes: what is free, what was sent and kept, what was published in this tick."""
    yield _box("free", LEFT, RIGHT, y, BAND, f"room for {figures.max_bytes:,} bytes")
    top, height = y + 3, BAND - 6
    for block in blocks_of(ring, min_len=3 * figures.max_bytes / (RIGHT - LEFT)):
        start, end = _place(figures, block.start_offset), _place(figures, block.end_offset)
        messages = f"message {block.first}"
        if block.end > block.first + 1:
            messages = f"messages {block.first} to {block.end - 1}"
        title = f"{messages}, {block.end_offset - block.start_offset:,} bytes"
        yield _box("kept", start, end - 1, top, height, title)
    if figures.end_number > figures.head_number:
        count = figures.end_number - figures.head_number
        length = figures.end_offset - figures.head_offset
        title = f"published in this tick: {count:,} messages, {length:,} bytes"
        yield _box("new", _place(figures, figures.head_offset), RIGHT, top, height, title)


def _laggard_rows(figures: RingFigures, y: int) -> list[str]:
    """The laggards, the one that is furthest behind first."""
    rows = [
        _laggard_row(figures, laggard, y, y + ROW * index)
        for index, laggard in enumerate(figures.laggards)
    ]
    if figures.more_laggards:
        more = f"and {figures.more_laggards:,} more"
        rows.append(_text(14, y + ROW * len(rows) + 16, more, "quiet"))
    return rows


def _laggard_row(figures: RingFigures, laggard: LaggardFigures, band: int, y: int) -> str:
    """A laggard: its cursor, what it needs of the ring from there on, and before that, as long,
    what is in its outbox.
    """
    x, conn = _place(figures, laggard.offset), laggard.conn
    status = f"{laggard.behind:,} behind, {laggard.buffered:,} bytes"
    parts = [
        _line("cursor", x, band - BAND, y + ROW - 4),
        _text(14, y + 16, f"slot {conn.slot}, generation {conn.generation}"),
        _text(RIGHT + 16, y + 16, status, "quiet"),
    ]
    if laggard.behind:
        parts.append(_box("behind", x, RIGHT, y + 7, BAR, f"from message {laggard.cursor} on"))
    if laggard.outbox:
        length = laggard.outbox * (RIGHT - LEFT) / figures.max_bytes
        # it may be longer than the ring, and is at least as wide as can be seen
        start = max(LEFT - GAP, min(x - 3, x - length))
        parts.append(_box("outbox", start, x, y + 7, BAR, f"outbox: {laggard.outbox:,} bytes"))
    title = f"{laggard.peer}: {laggard.buffered:,} bytes are buffered for it"
    return _tag("g", inner="".join(parts), title=title)


LEGEND: Final = (
    ("kept", "sent and kept", 14),
    ("new", "published in this tick", 134),
    ("member", "at the head", 322),
    ("behind", "needed from the ring", 436),
    ("outbox", "in the outbox", 606),
)
"""Look, meaning and place of each colour."""


def _footing(figures: RingFigures, y: int) -> Iterator[str]:
    """What the colours mean, and how many subscribers were too slow."""
    for look, meaning, x in LEGEND:
        yield _box(look, x, x + BAR, y + GAP, BAR, "")
        yield _text(x + 16, y + GAP + 9, meaning, "quiet")
    yield _text(14, y + 38, f"dropped because they were too slow: {figures.dropped:,}", "quiet")
