"""Pictures of a server: what it keeps of the stream, and who is where.

Theory: a server is one value, so a picture of it is a function of a value, and the picture of a
server as it was an hour ago is the same function of an older one. The ring is drawn as it ages: the
head stands still at the right, what was published before lies to the left of it, and everything
moves left until it falls off the end. A client that is behind is a mark that moves with it.

Rules: values in, text out; nothing is looked up elsewhere, so what is drawn can be pasted anywhere,
and the same value is the same picture. What came from outside is escaped, and what cannot be
printed is replaced. A picture has a bounded size whatever it shows: what is too fine is drawn
together, what is too much is counted. It does not know where it is shown: colours follow what the
reader prefers, light or dark, and it brings its own ground.
"""

from collections.abc import Iterator
from html import escape

from ..broadcast.ring import Ring
from ..connection.client import Client, is_in_cohort, outbox_len
from ..connection.websocket_send import buffered_amount
from ..server.slots import clients_of
from ..server.state import Server
from .figures import (
    CohortFigures,
    LaggardFigures,
    RingFigures,
    blocks_of,
    laggards_of,
    ring_figures,
)


def record_text(record: tuple[object, ...], depth: int = 0) -> str:
    """A record (a named tuple) with one field to a line, and the records in it further to the
    right.
    """
    lines = [] if depth else [type(record).__name__]
    for name, value in zip(getattr(record, "_fields", ()), record, strict=True):
        field = "    " * (depth + 1) + f"{name}: "
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            lines += [field + type(value).__name__, record_text(value, depth + 1)]
        else:
            lines.append(field + repr(value))
    return "\n".join(lines)


def _plain(text: str, most: int) -> str:
    """At most so many characters of a text from outside, each of which can be printed."""
    text = "".join(
        char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[: most + 1]
    )
    return text if len(text) <= most else text[: most - 1] + "…"


# -- for terminals ---------------------------------------------------------------------------------

CELLS = 60
"""Characters for the ring in a line of text."""


def ring_text(server: Server) -> str:
    """The ring in one line: the head is at the right end, dots are free, a figure is so many
    cursors in this place.

    Lines of ticks that follow each other can be put under each other; `#` is more than nine, `+`
    was published in this turn and has not been sent to anybody yet.
    """
    figures, laggards = ring_figures(server), laggards_of(server)
    left, size = figures.end_offset - figures.max_bytes, figures.max_bytes
    tail, head = (
        (offset - left) * CELLS // size for offset in (figures.tail_offset, figures.head_offset)
    )
    cells = list("·" * tail + "─" * (head - tail) + "+" * (CELLS - head))
    places = [min((laggard.offset - left) * CELLS // size, CELLS - 1) for laggard in laggards]
    for place in places:
        cells[place] = str(places.count(place)) if places.count(place) < 10 else "#"
    return (
        f"{figures.tail_number:>6} [{''.join(cells)}] {figures.end_number:<6} {figures.members} at the head, "
        f"{len(laggards)} behind"
    )


COLUMNS = ("slot", "turn", "where", "next", "behind", "outbox", "owed", "topics")


def clients_text(server: Server) -> str:
    """A table of all clients: where each is, the number of the next message it is sent, and the
    bytes it is owed.
    """
    rows = [COLUMNS, *(_row(server, client) for client in clients_of(server.slots))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if name in ("where", "topics") else cell.rjust(width)
            for name, cell, width in zip(COLUMNS, row, widths, strict=True)
        ).rstrip()
        for row in rows
    )


def _row(server: Server, client: Client) -> tuple[str, ...]:
    """One client as a line of that table."""
    broadcast, subscriber = server.broadcast, client.subscriber
    where, cursor = "http" if subscriber is None else "closing", None
    if subscriber is not None and subscriber.cursor is not None:
        where, cursor = "laggard", subscriber.cursor
    elif is_in_cohort(client):
        where, cursor = "cohort", broadcast.ring.head_number
    following = ("-", "-") if cursor is None else (str(cursor), str(broadcast.next_number - cursor))
    owed = buffered_amount(client, broadcast)
    topics = (
        "" if subscriber is None else _plain(", ".join(sorted(subscriber.subscription.topics)), 40)
    )
    return (
        str(client.conn.slot),
        str(client.conn.generation),
        where,
        *following,
        f"{outbox_len(client):,}",
        f"{owed:,}",
        topics,
    )


# -- for notebooks and pages -----------------------------------------------------------------------

WIDTH, LEFT, RIGHT = 960, 190, 730
"""Of the picture, and of the ring in it: names stand to the left, figures to the right."""
TOP, ROW, BAND, FOOT = 56, 22, 34, 50
"""Heights: of the words above, of a row, of the ring, of the words below."""
DOTS_MAX = 40
"""Clients of a cohort that are drawn one by one."""
GAP = 6
BAR = 10

STYLE = """
.sigil-ring{background:#fff;font:12px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;max-width:100%}
.sigil-ring .ground{fill:#fff;stroke:#d0d7de}.sigil-ring text{fill:#1f2328}.sigil-ring .quiet{fill:#59636e}
.sigil-ring .name{font-weight:bold}.sigil-ring .free{fill:#eff2f5;stroke:#818b98}.sigil-ring .line{stroke:#59636e}
.sigil-ring .kept{fill:#74a9dd}.sigil-ring .new{fill:#e3b341}.sigil-ring .member{fill:#2c8a4b}
.sigil-ring .owed{fill:#e07b39}.sigil-ring .outbox{fill:#b3367a}.sigil-ring .cursor{stroke:#c25a14;stroke-width:2}
@media (prefers-color-scheme:dark){
.sigil-ring{background:#151a21}.sigil-ring .ground{fill:#151a21;stroke:#3d444d}.sigil-ring text{fill:#e6edf3}
.sigil-ring .quiet{fill:#9da7b3}.sigil-ring .free{fill:#262c36;stroke:#6e7681}.sigil-ring .line{stroke:#9da7b3}
.sigil-ring .kept{fill:#3f78b5}.sigil-ring .new{fill:#d4a72c}.sigil-ring .member{fill:#57ab5a}
.sigil-ring .owed{fill:#e0823d}.sigil-ring .outbox{fill:#d6569c}.sigil-ring .cursor{stroke:#f69d50}}
"""


def _tag(name: str, attributes: str = "", inner: str = "", title: str = "") -> str:
    """An element; `inner` is markup, `title` a text that is shown when somebody points at it."""
    told = f"<title>{escape(_plain(title, 200))}</title>" if title else ""
    return f"<{' '.join(filter(None, (name, attributes)))}>{told}{inner}</{name}>"


def _text(x: float, y: float, words: str, look: str = "", anchor: str = "start") -> str:
    """A line of words."""
    return _tag("text", f'x="{x:.1f}" y="{y}" class="{look}" text-anchor="{anchor}"', escape(words))


def _box(look: str, start: float, end: float, y: int, height: int, title: str) -> str:
    """A box between two places, at least so wide that it is seen."""
    return _tag(
        "rect",
        f'class="{look}" x="{start:.1f}" y="{y}" width="{max(end - start, 1.5):.1f}" '
        f'height="{height}"',
        title=title,
    )


def _line(look: str, x: float, top: int, bottom: int) -> str:
    """An upright line."""
    dashes = ' stroke-dasharray="3 3"' if look == "line" else ""
    return _tag(
        "line", f'class="{look}" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"{dashes}'
    )


def _place(figures: RingFigures, offset: int) -> float:
    """How far to the right an offset is drawn: what was published last ends at the right."""
    return RIGHT - (figures.end_offset - offset) * (RIGHT - LEFT) / figures.max_bytes


def ring_svg(server: Server) -> str:
    """The ring as a picture, an element `svg` that stands for itself.

    A box is a page: what was published together. Above it are those who have been sent everything;
    below it everyone who has not, with what is owed to them: from the outbox, which is theirs, and
    from their cursor on, which is shared.
    """
    figures = ring_figures(server)
    tail, head = (_place(figures, offset) for offset in (figures.tail_offset, figures.head_offset))
    above = _cohort_rows(figures, head)
    band = TOP + ROW * len(above) + ROW
    below = _laggard_rows(figures, band + BAND)
    bottom = band + BAND + ROW * len(below) + GAP
    height = bottom + ROW + FOOT
    parts = [
        _tag("style", inner=STYLE),
        _tag(
            "rect",
            f'class="ground" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="6"',
        ),
        *_heading(figures),
        _line("line", head, TOP - GAP, bottom),
        *above,
        *_band(figures, server.broadcast.ring, band),
        _line("line", tail, band, bottom),
        *below,
        _words_at(head, band - GAP - 2, f"head: message {figures.head_number}"),
        _words_at(tail, bottom + ROW - GAP, f"tail: message {figures.tail_number}"),
        *_footing(figures, bottom + ROW),
    ]
    return _tag(
        "svg",
        f'xmlns="http://www.w3.org/2000/svg" class="sigil-ring" role="img" width="{WIDTH}" '
        f'height="{height}" viewBox="0 0 {WIDTH} {height}"',
        "\n".join(parts),
        ring_text(server),
    )


def _words_at(x: float, y: int, words: str) -> str:
    """Words beside a line, on the side where there is more room."""
    is_right = x > (LEFT + RIGHT) / 2
    return _text(
        x - GAP if is_right else x + GAP, y, words, "quiet", "end" if is_right else "start"
    )


def _heading(figures: RingFigures) -> Iterator[str]:
    """What is kept, in figures."""
    length, count = (
        figures.end_offset - figures.tail_offset,
        figures.end_number - figures.tail_number,
    )
    kept = f"{count:,} of at most {figures.max_frames:,} messages, {length:,} of at most {figures.max_bytes:,} bytes"
    yield _text(14, 24, kept, "name")
    yield _text(14, 42, f"{figures.end_number:,} messages were published so far", "quiet")


def _cohort_rows(figures: RingFigures, head: float) -> list[str]:
    """Those who are where the head is, the largest cohorts first: a dot for each."""
    pending = figures.end_number - figures.head_number
    rows = [
        _cohort_row(cohort, pending, head, TOP + ROW * index)
        for index, cohort in enumerate(figures.cohorts)
    ]
    if figures.more_cohorts:
        rows.append(
            _text(14, TOP + ROW * len(rows) + 14, f"and {figures.more_cohorts:,} more", "quiet")
        )
    return rows


def _cohort_row(cohort: CohortFigures, pending: int, head: float, y: int) -> str:
    """One cohort."""
    name = f"{cohort.clients:,} client{'s' * (cohort.clients != 1)}"
    words = [*cohort.topics, *([cohort.encoding] if cohort.encoding != "plain" else [])]
    hears = f"{name}: {', '.join(words)}" if words else name
    step = -10 if head > (LEFT + RIGHT) / 2 else 10
    dots = "".join(
        _tag(
            "circle", f'class="member" r="3.5" cx="{head + step * (index + 0.8):.1f}" cy="{y + 10}"'
        )
        for index in range(min(cohort.clients, DOTS_MAX))
    )
    news = f"{pending:,} to be sent" if pending else "sent everything"
    return _tag(
        "g",
        inner=_text(14, y + 14, _plain(hears, 23))
        + dots
        + _text(RIGHT + 16, y + 14, news, "quiet"),
        title=hears,
    )


def _band(figures: RingFigures, ring: Ring, y: int) -> Iterator[str]:
    """The ring's bytes: what is free, what is kept, what was published in this turn."""
    yield _box("free", LEFT, RIGHT, y, BAND, f"room for {figures.max_bytes:,} bytes")
    for first, end, start, stop in blocks_of(ring, 3 * figures.max_bytes / (RIGHT - LEFT)):
        which = f"message {first}" if end == first + 1 else f"messages {first} to {end - 1}"
        yield _box(
            "kept",
            _place(figures, start),
            _place(figures, stop) - 1,
            y + 3,
            BAND - 6,
            f"{which}, {stop - start:,} bytes",
        )
    if figures.end_number > figures.head_number:
        count, length = (
            figures.end_number - figures.head_number,
            figures.end_offset - figures.head_offset,
        )
        yield _box(
            "new",
            _place(figures, figures.head_offset),
            RIGHT,
            y + 3,
            BAND - 6,
            f"published in this turn: {count:,} messages, {length:,} bytes",
        )


def _laggard_rows(figures: RingFigures, y: int) -> list[str]:
    """Those who are behind, the slowest first."""
    rows = [
        _laggard_row(figures, laggard, y, y + ROW * index)
        for index, laggard in enumerate(figures.laggards)
    ]
    if figures.more_laggards:
        rows.append(
            _text(14, y + ROW * len(rows) + 16, f"and {figures.more_laggards:,} more", "quiet")
        )
    return rows


def _laggard_row(figures: RingFigures, laggard: LaggardFigures, band: int, y: int) -> str:
    """One laggard: its cursor, what it is owed from there on, and before that what is in its
    outbox.
    """
    x, conn = _place(figures, laggard.offset), laggard.conn
    outbox = max(LEFT - GAP, min(x - 3, x - laggard.outbox * (RIGHT - LEFT) / figures.max_bytes))
    parts = [
        _line("cursor", x, band - BAND, y + ROW - 4),
        _text(14, y + 16, f"slot {conn.slot}, turn {conn.generation}"),
        _text(RIGHT + 16, y + 16, f"{laggard.behind:,} behind, {laggard.owed:,} bytes", "quiet"),
    ]
    if laggard.behind:
        parts.append(_box("owed", x, RIGHT, y + 7, BAR, f"from message {laggard.cursor} on"))
    if laggard.outbox:
        parts.append(_box("outbox", outbox, x, y + 7, BAR, f"outbox: {laggard.outbox:,} bytes"))
    return _tag(
        "g", inner="".join(parts), title=f"{laggard.peer}: {laggard.owed:,} bytes are owed to it"
    )


LEGEND = (
    ("kept", "kept", 14),
    ("new", "published in this turn", 90),
    ("member", "at the head", 296),
    ("owed", "owed from the ring", 424),
    ("outbox", "owed from the outbox", 602),
)


def _footing(figures: RingFigures, y: int) -> Iterator[str]:
    """What the colours mean, and how many were too slow."""
    for look, words, x in LEGEND:
        yield _box(look, x, x + BAR, y + GAP, BAR, "") + _text(x + 16, y + GAP + 9, words, "quiet")
    yield _text(14, y + 38, f"dropped because they were too slow: {figures.dropped:,}", "quiet")
