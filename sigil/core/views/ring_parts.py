"""The ring of a broadcast as parts of a card: its bytes, its cohorts, its laggards.

Theory: the ring is drawn as it ages, as in `show`: what was published last is at the right, and
everything moves left until it falls off. Here it is as wide as there is room: the picture has no
text in it, and what is said of it stands below.

Rules: a value in, markup out, of bounded size. Topics come from outside and are escaped; the sizes
of rows do not depend on them. It does not know clients: a broadcast has the number under which each
laggard is filed, a server its cursor.
"""

from typing import Final, NamedTuple

from ..broadcast.broadcast import NO_CURSOR, Broadcast
from ..conn import Conn
from ..topics import names_of
from .figures import (
    COHORTS_MAX,
    LAGGARDS_MAX,
    CohortFigures,
    LaggardFigures,
    blocks_of,
    cohorts_of,
    end_of,
    offset_of,
)
from .markup import (
    Markup,
    bar,
    code,
    count_of,
    heading,
    joined,
    legend,
    more_than,
    quiet,
    row,
    size_of,
    tag,
    text,
)

WIDTH: Final = 1_000
"""Of the picture, in its own units: it is as wide as its card."""
HEIGHT: Final = 40
NAME_CHARS_MAX: Final = 48


class Mark(NamedTuple):
    """A laggard on the ring: from where on it needs what is there, how many messages that are, and
    the bytes that are held for it, if that is known.
    """

    conn: Conn
    offset: int
    behind: int
    buffered: int | None = None


def marks_of(laggards: tuple[LaggardFigures, ...]) -> list[Mark]:
    """The laggards of a server."""
    return [Mark(one.conn, one.offset, one.behind, one.buffered) for one in laggards]


def filed_marks(broadcast: Broadcast) -> list[Mark]:
    """The laggards of a broadcast, those first that are furthest behind, at the numbers under which
    they are filed: they may have read on since.
    """
    ring, found = broadcast.ring, []
    filed = sorted((number, conn) for conn, number in broadcast.laggards.items())
    for number, conn in filed[:LAGGARDS_MAX]:
        at = ring.tail_number if number == NO_CURSOR else max(number, ring.tail_number)
        found.append(Mark(conn, offset_of(broadcast, at), broadcast.next_number - at))
    return found


def ring_parts(broadcast: Broadcast, marks: list[Mark]) -> Markup:
    """The ring with these laggards, of which there may be more, and its cohorts."""
    ring = broadcast.ring
    count = broadcast.next_number - ring.tail_number
    length = end_of(broadcast) - ring.tail_offset
    return joined(
        (
            heading("Ring"),
            picture(broadcast, marks),
            tag(
                "div",
                quiet(
                    f"{count:,} of {count_of(ring.max_frames, 'message')}, "
                    f"{size_of(length)} of {size_of(ring.max_bytes)}; "
                    f"the next is message {broadcast.next_number:,}"
                ),
            ),
            _colours(broadcast, marks),
            _cohorts(broadcast),
            _laggards(broadcast, marks),
        )
    )


def room_of(broadcast: Broadcast) -> float:
    """The bytes that the ring has room for, if messages go on to be as long as they are: it is full
    of bytes, or of messages.
    """
    ring = broadcast.ring
    length, count = end_of(broadcast) - ring.tail_offset, broadcast.next_number - ring.tail_number
    fullness = max(length / ring.max_bytes, count / ring.max_frames)
    return length / fullness if length else float(ring.max_bytes)


def picture(broadcast: Broadcast, marks: list[Mark]) -> Markup:
    """The bytes of the ring as a band, the newest at the right; a line for each cursor."""
    ring, end, room = broadcast.ring, end_of(broadcast), room_of(broadcast)

    def place(offset: int) -> float:
        return WIDTH - (end - offset) * WIDTH / room

    parts = [f'<rect class="free" x="0" y="8" width="{WIDTH}" height="24" rx="4"/>']
    for block in blocks_of(ring, min_len=6 * room / WIDTH):
        start = place(block.start_offset)
        width = place(block.end_offset) - start
        parts.append(_box("kept", start, max(2.0, width - 1)))
    if broadcast.pending:
        start = place(ring.head_offset)
        parts.append(_box("new", start, max(3.0, WIDTH - start)))
    for mark in marks:
        x = min(max(place(mark.offset), 1.0), WIDTH - 1.0)
        parts.append(
            f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="1" y2="{HEIGHT - 1}"'
            ' stroke-width="3" vector-effect="non-scaling-stroke"/>'
        )
    inner = "".join(parts)
    return Markup(
        f'<svg role="img" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none"'
        f' style="height:{HEIGHT}px">{inner}</svg>'
    )


def _box(look: str, start: float, width: float) -> str:
    """A part of the band."""
    return f'<rect class="{look}" x="{start:.1f}" y="11" width="{width:.1f}" height="18"/>'


def _colours(broadcast: Broadcast, marks: list[Mark]) -> Markup:
    """What the colours of the band mean, as far as they are there."""
    pairs = [("kept", "sent and kept")]
    if broadcast.pending:
        pairs.append(("new", f"{count_of(len(broadcast.pending), 'message')} to be sent"))
    if marks:
        pairs.append(("behind", "a laggard's cursor"))
    return legend([*pairs, ("free", "free")])


def _cohorts(broadcast: Broadcast) -> Markup:
    """The cohorts: who has been sent everything."""
    cohorts = cohorts_of(broadcast)
    if not cohorts:
        return Markup("")
    shown, largest = cohorts[:COHORTS_MAX], cohorts[0].clients
    rows = [_cohort(cohort, largest) for cohort in shown]
    title = f"At the head: {count_of(sum([one.clients for one in cohorts]), 'subscriber')}"
    return joined((heading(title), *rows, more_than(len(cohorts) - len(shown), "cohort")))


def _cohort(cohort: CohortFigures, largest: int) -> Markup:
    """A cohort."""
    names = ", ".join(names_of(cohort.topics)) or "no topics"
    encoding = "" if cohort.encoding == "plain" else f" ({cohort.encoding})"
    return row(
        text(names, NAME_CHARS_MAX),
        bar([("ok", cohort.clients / largest)]),
        text(f"{cohort.clients:,}{encoding}"),
        title=names,
    )


def _laggards(broadcast: Broadcast, marks: list[Mark]) -> Markup:
    """The laggards: how much of the ring each needs."""
    count = len(broadcast.laggards)
    if not count:
        return Markup("")
    end, room = end_of(broadcast), room_of(broadcast)
    rows = []
    for mark in marks:
        held = "" if mark.buffered is None else f", {size_of(mark.buffered)}"
        conn = mark.conn
        rows.append(
            row(
                code(f"{conn.slot}:{conn.generation}"),
                bar([("behind", (end - mark.offset) / room)]),
                text(f"{mark.behind:,} behind{held}"),
                title=f"slot {conn.slot}, generation {conn.generation}",
            )
        )
    more = more_than(count - len(marks), "laggard")
    return joined((heading(f"Behind: {count_of(count, 'subscriber')}"), *rows, more))
