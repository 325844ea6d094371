"""What the page shows of a turn: functions from a recording and a turn to values that JSON has.

Theory: the page asks for one turn at a time, and for a window of everything that could be long: so
many connections, so many lines, so many columns. So a document has a bounded size, and computing it
costs a bounded time, whatever the recording: the server at the turn, which is computed from the
last one that is kept before it, and what is read off that.

Rules: what came from outside is text, bounded, as it came or as Python quotes it: the page shows it
as text. A connection is named by its generation, a number that no other has. Times are in seconds
since the first state, and None where there is none. It does not know HTTP (`app`), nor how anything
is drawn.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from sigil.apps.replay.words import Words, printable
from sigil.core.trace.timeline import (
    Life,
    Timeline,
    columns_of,
    make_timeline,
    next_of,
    places_before,
    previous_of,
    turn_at,
)
from sigil.core.views.connections import (
    ConnectionFigures,
    connection_figures,
    connections,
    find_figures,
)
from sigil.core.views.figures import blocks_of, ring_figures
from sigil.core.views.sentences import Line
from sigil.core.views.story import EVICTIONS, story_of

Document: TypeAlias = dict[str, Any]

BLOCKS_MAX = 200
"""Boxes on the ring: one is some pixels wide."""
LINES_MAX = 60
"""Events, and effects, of a turn that are listed."""
CHANGES_MAX = 40
"""Changes since the turn before that are listed."""
ROWS_MAX = 200
"""Rows of the table of connections in one document, however many are asked for."""
LOG_MAX = 24
"""Lines of the log."""
DIALOGUE_MAX = 40
"""Lines of a dialogue."""
DIALOGUE_TURNS_MAX = 60
"""Turns that are looked at for them: they are computed again."""
FACTS_MAX = 60
"""Facts about an end."""
PASSED_MAX = 60
"""Turns that were passed over, and whose story is shown."""
ENDS_MAX = 8
"""Turns that were passed over, and whose ends are shown."""
MEMBERS_MAX = 12
"""Clients that keep up, and are named."""
TEXT_MAX = 400
"""Characters of any text from outside."""
COLUMNS_MAX = 1_200
"""Columns of the timeline: one is a pixel."""
JUMPS = ("closes", "evictions", "stalls", "warnings", "gaps")
"""The kinds of turns that one can go to."""


class View(NamedTuple):
    """A recording, its timeline, and what its turns did in words; `wires` has for a turn what is on
    its way to and from each connection, by generation, if anybody knows.
    """

    recording: Any
    timeline: Timeline
    words: Words
    title: str
    wires: "Mapping[int, Mapping[int, tuple[int, int]]] | None" = None
    extra: Mapping[str, object] = {}
    """What else the page is to know of the whole."""


class Wanted(NamedTuple):
    """What the page wants to know of a turn: the connection whose dialogue it follows, the window
    of the table, and whether it wants to see what changed.
    """

    conn: int | None = None
    start: int = 0
    rows: int = 60
    by_lag: bool = False
    has_changes: bool = True
    since: int | None = None
    """The turn that was shown before, if those behind it were passed over."""


WANTED = Wanted()


def make_view(recording: Any, title: str, wires: Any = None) -> View:
    """A recording with its timeline, which takes one pass over its turns."""
    timeline = make_timeline(recording.first, recording.turns)
    return View(recording, timeline, Words(recording), title, wires)


# -- the whole -------------------------------------------------------------------------------------


def about_document(view: View) -> Document:
    """What is known of the recording as a whole."""
    index, limits = view.timeline, view.recording.first.limits
    about = view.recording.about
    return {
        "title": _text(view.title),
        "turns": index.turns,
        "seconds": index.times[-1] - index.times[0],
        "totals": {kind: column[-1] for kind, column in index.counts.items()},
        "connections": len(index.lives),
        "ring": {
            "bytes": limits.outgoing_buffer_sz,
            "frames": limits.max_ws_send_frame_cnt,
        },
        "has_wires": view.wires is not None,
        "about": [[name, _text(getattr(about, name))] for name in about.__match_args__],
        **view.extra,
    }


def timeline_document(view: View, first: int, last: int, count: int) -> Document:
    """How much of each kind happened in which turns, in up to `count` columns."""
    columns: Document = dict(columns_of(view.timeline, first, last, min(count, COLUMNS_MAX)))
    start = view.timeline.times[0]
    edges = (min(edge, view.timeline.turns) for edge in columns["turns"])
    columns["times"] = [round(view.timeline.times[edge] - start, 6) for edge in edges]
    return columns


def jump_document(view: View, kind: str, turn: int, is_back: bool) -> Document:
    """The next turn of a kind in a direction; None if there is none."""
    find = previous_of if is_back else next_of
    return {"turn": find(view.timeline, kind, turn)}


def turn_for_time(view: View, seconds: float) -> int:
    """The turn at a time in seconds since the first state."""
    return turn_at(view.timeline, view.timeline.times[0] + seconds)


# -- one turn --------------------------------------------------------------------------------------


def turn_document(view: View, turn: int, wanted: Wanted = WANTED) -> Document:
    """Everything that the page shows of a turn; turn 0 is the first state."""
    recording, times = view.recording, view.timeline.times
    server, before = recording[turn], recording[max(0, turn - 1)]
    words, following = view.words.at(turn), min(turn + 1, view.timeline.turns)
    return {
        "turn": turn,
        "at": round(times[turn] - times[0], 6),
        "next_at": round(times[following] - times[0], 6),
        "date": server.unix_time,
        "story": _story(view, turn, wanted.since),
        "ring": _ring(server),
        "evicted": _evicted(view, turn, wanted.since),
        "connections": _table(server, before, wanted),
        "ended": _ended(view, turn, wanted.since),
        "figures": _figures(server),
        "events": [_line(line) for line in words.events[:LINES_MAX]],
        "more_events": max(0, len(words.events) - LINES_MAX),
        "effects": [_line(line) for line in words.effects[:LINES_MAX]],
        "more_effects": max(0, len(words.effects) - LINES_MAX),
        "changes": _changes(recording, turn, wanted.has_changes),
        "log": log_lines(view, turn),
        "dialogue": _wanted_dialogue(view, turn, wanted.conn),
        "wires": _wires(view, turn),
    }


def _story(view: View, turn: int, since: int | None) -> list[list[Any]]:
    """The story of a turn, each sentence with its tone and its connection; or that of the last ones
    up to it, if the page has passed over them.
    """
    story = view.words.at(turn).story
    if since is not None and turn - since > 1:
        places = range(max(since + 1, turn - PASSED_MAX + 1), turn + 1)
        events = [event for place in places for event in view.recording.turns[place - 1].events]
        effects = [effect for place in places for effect in view.recording.effects(place)]
        story = story_of(events, effects)
    return [[one.tone, _name(one.conn), one.text] for one in story]


def _ends(view: View, turn: int, since: int | None) -> list[int]:
    """The turns up to this one, behind `since`, in which connections ended, and this one; the last
    few of them.
    """
    found, place = [turn], turn
    while since is not None and len(found) < ENDS_MAX:
        earlier = previous_of(view.timeline, "closes", place)
        if earlier is None or earlier <= since:
            break
        found.append(earlier)
        place = earlier
    return found[::-1]


def _ring(server: Any) -> Document:
    """The ring, and everybody around it."""
    figures = ring_figures(server)
    blocks = blocks_of(server.broadcast.ring, figures.max_bytes / BLOCKS_MAX)
    return {
        **figures._asdict(),
        "blocks": [list(block) for block in blocks],
        "cohorts": [_cohort(one) for one in figures.cohorts],
        "laggards": [_laggard(one) for one in figures.laggards],
        "names": sorted(_members(server)),
    }


def _members(server: Any) -> list[int]:
    """Some of those who have been sent everything."""
    found: list[int] = []
    for members in server.broadcast.cohorts.values():
        for conn in members:
            found.append(conn.generation)
            if len(found) == MEMBERS_MAX:
                return found
    return found


def _cohort(cohort: Any) -> Document:
    """A cohort."""
    topics = [_text(topic) for topic in cohort.topics]
    return {"encoding": cohort.encoding, "topics": topics, "clients": cohort.clients}


def _laggard(laggard: Any) -> Document:
    """A laggard."""
    topics = [_text(topic) for topic in laggard.topics]
    return {**laggard._asdict(), "conn": _name(laggard.conn), "topics": topics}


def _evicted(view: View, turn: int, since: int | None) -> list[Document]:
    """Who was evicted in this turn, or in one that was passed over, and where on the ring its
    cursor was before.
    """
    found = []
    for place in _ends(view, turn, since):
        gone = [close for close in view.words.at(place).closes if close.reason in EVICTIONS]
        laggards = {}
        if gone:
            before = ring_figures(view.recording[place - 1])
            laggards = {laggard.conn: laggard.offset for laggard in before.laggards}
        found += [
            {"conn": close.conn.generation, "offset": laggards.get(close.conn)} for close in gone
        ]
    return found[:ROWS_MAX]


def _ended(view: View, turn: int, since: int | None) -> list[list[Any]]:
    """Who ended in this turn, or in one that was passed over, and why."""
    closes = [close for place in _ends(view, turn, since) for close in view.words.at(place).closes]
    return [[one.conn.generation, one.reason.name, one.text] for one in closes[:ROWS_MAX]]


def _table(server: Any, before: Any, wanted: Wanted) -> Document:
    """A window of the table of connections; each row has the names of what changed in it."""
    count = min(max(0, wanted.rows), ROWS_MAX)
    clients = connections(server, max(0, wanted.start), count, wanted.by_lag)
    rows = []
    for client in clients:
        figures, was = connection_figures(server, client), find_figures(before, client.conn)
        rows.append({**row_of(figures), "changed": changed_in(was, figures)})
    return {"count": server.slots.used, "start": max(0, wanted.start), "rows": rows}


def row_of(figures: ConnectionFigures) -> Document:
    """A row of the table."""
    left = figures.seconds_left
    return {
        **figures._asdict(),
        "conn": figures.conn.generation,
        "slot": figures.conn.slot,
        "seconds_left": None if left is None else round(left, 3),
        "place": figures.place.value,
        "topics": [_text(topic) for topic in figures.topics],
    }


UNMARKED = ("seconds_left", "conn")
"""What changes all the time, or never."""


def changed_in(was: ConnectionFigures | None, figures: ConnectionFigures) -> list[str]:
    """The names of the figures that changed; `"new"` alone if there was no such connection."""
    if was is None:
        return ["new"]
    return [
        name
        for name in figures._fields
        if name not in UNMARKED and getattr(was, name) != getattr(figures, name)
    ]


def _figures(server: Any) -> Document:
    """The figures of the server as a whole."""
    totals = server.totals
    return {
        "clients": server.slots.used,
        "accepted": totals.accepted,
        "rejected": totals.rejected,
        "published": server.broadcast.next_number,
        "outbox_bytes": server.load.outbound,
        "skips": totals.skips,
        "state": server.running.name,
        "closed": dict(sorted(totals.closed.items())),
    }


def _changes(recording: Any, turn: int, is_wanted: bool) -> Document:
    """What changed since the turn before."""
    changes = recording.diff(turn - 1, turn) if turn and is_wanted else ()
    shown = [[_text(one.path), _value(one.before), _value(one.after)] for one in changes]
    return {"list": shown[:CHANGES_MAX], "more": max(0, len(shown) - CHANGES_MAX)}


def _wires(view: View, turn: int) -> Document | None:
    """What is on the wires, by connection: bytes that it has not read, and that have not come."""
    if view.wires is None:
        return None
    return {str(conn): list(pair) for conn, pair in view.wires.get(turn, {}).items()}


# -- lines -----------------------------------------------------------------------------------------


def log_lines(view: View, turn: int) -> list[list[Any]]:
    """The last lines that were logged up to a turn, each with its turn, its level and its text."""
    places = places_before(view.timeline.lines, turn, LOG_MAX)
    found = [line for place in places for line in view.words.at(place).logged]
    return found[-LOG_MAX:]


def dialogue_document(view: View, turn: int, name: int) -> Document:
    """The dialogue with a connection up to a turn: its last lines, each with its turn, its side
    (`"in"`, `"out"` or `"program"`), and whether something was before them.
    """
    life = view.timeline.lives[name]
    lines: list[list[Any]] = [
        [place, SIDES.get(line.kind, "program"), line.kind, line.text]
        for place in _places_of(view, turn, name)
        for line in view.words.of(place, life.conn)
    ]
    figures = find_figures(view.recording[turn], life.conn)
    first, last = _span_of(life)
    is_before = bool(lines) and lines[0][0] > first
    return {
        "conn": name,
        "peer": _text(life.peer),
        "slot": life.conn.slot,
        "first": first,
        "last": last,
        "row": None if figures is None else row_of(figures),
        "lines": lines[-DIALOGUE_MAX:],
        "has_more": is_before or len(lines) > DIALOGUE_MAX,
    }


def _wanted_dialogue(view: View, turn: int, name: int | None) -> Document | None:
    """The dialogue with the connection that the page follows, if it follows one."""
    return None if name is None else dialogue_document(view, turn, name)


def _span_of(life: Life) -> tuple[int, int]:
    """The first and the last turn in which something of a connection happened; 0 if none did."""
    return (life.turns[0], life.turns[-1]) if life.turns else (0, 0)


def why_document(view: View, name: int) -> Document:
    """The chain of facts that led to the end of a connection, each with its turn, the seconds since
    the first state, a word for its kind, and a sentence. It takes as long as the connection lasted.
    """
    explanation = view.recording.explain(view.timeline.lives[name].conn)
    facts = [
        [fact.turn, round(fact.at, 6), fact.kind, _text(fact.text)]
        for fact in explanation.facts[:FACTS_MAX]
    ]
    return {"conn": name, "facts": facts}


def _places_of(view: View, turn: int, name: int) -> list[int]:
    """The last turns up to this one in which something was between the server and a connection."""
    life = view.timeline.lives[name]
    own = places_before(life.turns, turn, DIALOGUE_TURNS_MAX)
    shared = places_before(view.timeline.fan_outs, turn, DIALOGUE_TURNS_MAX)
    first, last = _span_of(life)
    within = [place for place in shared if first <= place <= last]
    return sorted({*own, *within})[-DIALOGUE_TURNS_MAX:]


SIDES = {
    "Received": "in",
    "HalfClosed": "in",
    "ConnectionLost": "in",
    "Writable": "in",
    "Stalled": "in",
    "FanOutStalled": "in",
    "Send": "out",
    "FanOut": "out",
    "SendFile": "out",
    "Drop": "out",
}
"""Which side of a dialogue a line stands on, by its kind; all others are the program's."""


# -- values ----------------------------------------------------------------------------------------


def _name(conn: Any) -> int | None:
    """The name of a connection."""
    return None if conn is None else conn.generation


def _line(line: Line) -> list[Any]:
    """An event or an effect in words."""
    return [line.kind, _name(line.conn), line.text]


def _text(value: object) -> str:
    """A text of bounded length, in characters that can be printed."""
    text = str(value)
    return printable(text if len(text) <= TEXT_MAX else f"{text[: TEXT_MAX - 1]}…")


def _value(value: object) -> str:
    """What a change shows of a value."""
    text = "" if value is None else repr(value)
    return text if len(text) <= TEXT_MAX // 2 else f"{text[: TEXT_MAX // 2 - 1]}…"
