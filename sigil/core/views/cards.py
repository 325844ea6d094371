"""Cards of a server and of what is in it: what a notebook shows in the place of their repr.

Theory: a value is looked at to see what it is like: of a server, whether it is busy, who is behind,
what its memory holds and what it waits for. Each card says the few things that matter about one
kind of record, as figures and small pictures.

Rules: a value in, HTML out, of bounded length whatever is in it: many are drawn together or
counted. Texts of strangers are escaped (`markup`), and credentials are not shown at all: notebooks
are given away. It does not know where it is shown, nor that a server listens anywhere.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from ..broadcast.broadcast import Broadcast
from ..close_reasons import CLOSE_INFO, CloseReason
from ..conn import Conn
from ..connection.client import Client
from ..connection.client_status import outbox_len
from ..connection.deadlines import waiting_for
from ..http.bodies import FileBody, StreamedBody, Upgrade
from ..http.request import Request
from ..http.response import Response
from ..server.slots import Slots
from ..server.state import Server, counted_now
from ..server.stats import Stats, stats
from ..server.timer_wheel import BUCKETS_PER_PERIOD, next_expiry
from ..topics import names_of
from .connections import WAITS, Place, kind_of, place_of
from .figures import LAGGARDS_MAX, laggards_of
from .markup import (
    Markup,
    badge,
    bar,
    card,
    code,
    count_of,
    fields,
    heading,
    joined,
    legend,
    more_than,
    quiet,
    row,
    seconds_of,
    size_of,
    tag,
    text,
    tiles,
)
from .ring_parts import filed_marks, marks_of, ring_parts

CELLS_MAX: Final = 360
"""Squares of the slot table: of more slots, several are one square."""
REASONS_MAX: Final = 8
HEADERS_MAX: Final = 24
BODY_CHARS_MAX: Final = 400
TOPICS_MAX: Final = 12
HIDDEN_FIELDS: Final = frozenset(
    ("authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key")
)
"""Header fields of which only the length is shown."""


# -- a server --------------------------------------------------------------------------------------


def server_card(server: Server, address: str = "") -> str:
    """A server: its figures, its ring, its slots, its timers, and how connections ended."""
    figures = stats(server)
    about = joined((badge(server.running.name.lower()), quiet(address)))
    return card(
        "HttpServer" if address else "Server",
        about,
        tiles(
            (
                ("clients", f"{figures.clients:,}"),
                ("subscribers", f"{server.broadcast.open_count:,}"),
                ("requests", f"{figures.requests:,}"),
                ("published", f"{server.broadcast.next_number:,}"),
                ("received", size_of(figures.bytes_in)),
                ("sent", size_of(figures.bytes_out)),
                ("held for clients", size_of(figures.outbox_bytes)),
                ("running for", seconds_of(figures.uptime_seconds)),
            )
        ),
        ring_parts(server.broadcast, marks_of(laggards_of(server, LAGGARDS_MAX))),
        slot_parts(server.slots),
        timer_parts(server),
        close_parts(figures.closed),
    )


LOOKS: Final = ("idle", "ok", "kept", "behind", "bad")
"""Of a slot: the one that is furthest to the right is shown, if several are one square."""
MEANINGS: Final = ("HTTP, idle", "subscriber", "HTTP, at work", "behind", "ending")


def look_of(client: Client) -> str:
    """How a slot is drawn."""
    place = place_of(client)
    if place is Place.ENDING:
        return "bad"
    if place is Place.LAGGARD:
        return "behind"
    if place is Place.COHORT:
        return "ok"
    return "kept" if client.outstanding or client.incoming.buffer else "idle"


def slot_parts(slots: Slots) -> Markup:
    """The slot table as squares, in order; free slots are empty."""
    count = len(slots.entries)
    if not count:
        return Markup("")
    looks = ["free" if isinstance(entry, int) else look_of(entry) for entry in slots.entries]
    step = -(-count // CELLS_MAX)
    counts = Counter(looks)
    squares = [_square(looks[start : start + step], start) for start in range(0, count, step)]
    title = f"Slots: {slots.used:,} of {count:,} in use"
    if step > 1:
        title = f"{title}, {step} to a square"
    pairs = [(look, f"{counts[look]:,} {name}") for look, name in zip(LOOKS, MEANINGS, strict=True)]
    if counts["free"]:
        pairs.append(("free", f"{counts['free']:,} free"))
    shown = [pair for pair in pairs if counts[pair[0]]]
    return joined((heading(title), tag("div", *squares, look="slots"), legend(shown)))


def _square(looks: list[str], first: int) -> Markup:
    """A square for these slots: as the most remarkable of them."""
    known = [look for look in LOOKS if look in looks]
    last = first + len(looks) - 1
    title = f"slot {first:,}" if len(looks) == 1 else f"slots {first:,} to {last:,}"
    return tag("i", look=known[-1] if known else "free", title=title)


BARS: Final = BUCKETS_PER_PERIOD + 2
BAR_WIDTH: Final = 10


def timer_parts(server: Server) -> Markup:
    """The timers: how many connections are looked at when, from now on."""
    wheel, now = server.wheel, counted_now(server)
    due = next_expiry(wheel)
    if due is None:
        return Markup("")
    counts = [0] * BARS
    for index, bucket in wheel.buckets.items():
        place = int((index * wheel.granularity - now) / wheel.granularity)
        counts[min(max(place, 0), BARS - 1)] += len(bucket)
    top = max(counts)
    boxes = [
        f'<rect class="idle" x="{BAR_WIDTH * place}" width="{BAR_WIDTH - 2}"'
        f' y="{30 - 28 * count / top:.1f}" height="{28 * count / top:.1f}"/>'
        for place, count in enumerate(counts)
        if count
    ]
    svg = (
        f'<svg role="img" viewBox="0 0 {BAR_WIDTH * BARS} 32" preserveAspectRatio="none"'
        ' style="height:32px">'
        f'<line class="line" x1="0" x2="{BAR_WIDTH * BARS}" y1="31" y2="31"'
        f' vector-effect="non-scaling-stroke"/>{"".join(boxes)}</svg>'
    )
    words = (
        f"{count_of(sum(counts), 'look')} at connections in the next {seconds_of(wheel.period)};"
        f" the first in {seconds_of(max(0.0, due - now))}"
    )
    return joined((heading("Timers"), Markup(svg), tag("div", quiet(words))))


def close_parts(closed: dict[str, int]) -> Markup:
    """How connections ended: the most frequent reasons first."""
    if not closed:
        return Markup("")
    ordered = sorted(closed.items(), key=lambda item: (-item[1], item[0]))
    most = ordered[0][1]
    rows = [
        row(
            text(name.lower().replace("_", " ")),
            bar([("kept" if name == "OK" else "bad", count / most)]),
            text(f"{count:,}"),
            title=_sentence_of(name),
        )
        for name, count in ordered[:REASONS_MAX]
    ]
    title = heading(f"Ended: {count_of(sum(closed.values()), 'connection')}")
    return joined((title, *rows, more_than(len(ordered) - REASONS_MAX, "reason")))


def _sentence_of(name: str) -> str:
    """What the reason of this name means."""
    found = [reason for reason in CloseReason if reason.name == name]
    return CLOSE_INFO[found[0]].sentence if found else ""


# -- parts of it -----------------------------------------------------------------------------------


def broadcast_card(broadcast: Broadcast) -> str:
    """A broadcast: its ring, its cohorts and its laggards, and what it retains."""
    retained = broadcast.retained
    kept = count_of(len(retained.messages), "message") + f", {size_of(retained.length)}"
    about = quiet(count_of(broadcast.open_count, "subscriber"))
    parts = [ring_parts(broadcast, filed_marks(broadcast))]
    if retained.messages:
        parts += [heading("Retained"), tag("div", text(kept))]
    return card("Broadcast", about, *parts)


def client_card(client: Client) -> str:
    """A connection: what it is, what it waits for, what is on its way in and out."""
    about = joined((badge(kind_of(client)), code(client.peer), quiet(_conn(client.conn))))
    figures = tiles(
        (
            ("requests", f"{client.responded + len(client.outstanding):,}"),
            ("received", size_of(client.bytes_in)),
            ("sent", size_of(client.bytes_out)),
            ("outbox", size_of(outbox_len(client))),
        )
    )
    return card("Client", about, figures, heading("Now"), fields(_now_of(client)))


def _now_of(client: Client) -> Iterator[tuple[str, Markup]]:
    """What a connection does at the moment."""
    incoming, outgoing, subscriber = client.incoming, client.outgoing, client.subscriber
    yield "waits for", text(f"{WAITS[waiting_for(client)]}, since {client.waiting_since:.3f}")
    yield "reads", text(incoming.phase.name.lower().replace("_", " "))
    if incoming.buffer:
        yield "incomplete", code(repr(incoming.buffer[:80]))
    for head in client.outstanding[:3]:
        yield "unanswered", code(f"{head.method} {head.target}")
    if len(client.outstanding) > 3:
        yield "", more_than(len(client.outstanding) - 3, "request")
    if outgoing.early_responses:
        yield "early", text(count_of(len(outgoing.early_responses), "response"))
    if outgoing.is_full:
        yield "kernel", text("takes nothing at the moment")
    if subscriber is not None:
        cursor = subscriber.cursor
        place = "at the head" if cursor is None else f"behind, at message {cursor:,}"
        yield "subscriber", text(place)
        names = names_of(subscriber.subscription.topics)
        more = "" if len(names) <= TOPICS_MAX else f" … {len(names):,} in all"
        yield "topics", text(", ".join(names[:TOPICS_MAX]) + more if names else "none", 240)
        yield "encoding", text(subscriber.subscription.encoding.name.lower())


def _conn(conn: Conn) -> str:
    """The name of a connection, in words."""
    return f"slot {conn.slot}, generation {conn.generation}"


def request_card(request: Request) -> str:
    """A request: its first line, its header fields, and the beginning of its body."""
    line = joined((badge(request.method), code(request.target, 300)))
    about = quiet(f"from {request.peer}, HTTP/1.{request.version}")
    parts = [tag("div", line), heading("Headers"), header_fields(request.headers)]
    if request.params:
        names = [(str(name), code(value)) for name, value in list(request.params.items())[:12]]
        parts += [heading("Parameters"), fields(names)]
    return card("Request", about, *parts, *_body_of(request.body))


def response_card(response: Response) -> str:
    """A response: its status, its header fields, and the beginning of its body."""
    about = joined((badge(response.status), quiet(response.reason)))
    body = response.body
    parts = [heading("Headers"), header_fields(response.headers)]
    if isinstance(body, bytes):
        return card("Response", about, *parts, *_body_of(body))
    return card("Response", about, *parts, heading("Body"), tag("div", text(_kind_of_body(body))))


def _kind_of_body(body: object) -> str:
    """What a body is that is not bytes, in words."""
    match body:
        case StreamedBody():
            return "a stream: chunks that are made while they are sent"
        case FileBody():
            return f"a file: {body.file!s:.200}"
        case Upgrade():
            topics = ", ".join(names_of(body.topics)) or "none"
            return f"the connection becomes a WebSocket; topics: {topics}"
        case _:
            return f"what is published ({type(body).__name__})"


def header_fields(headers: Any) -> Markup:
    """Header fields, credentials without their values."""
    pairs = list(headers.items() if hasattr(headers, "items") else headers)
    shown = [(name, _value_of(name, value)) for name, value in pairs[:HEADERS_MAX]]
    if not pairs:
        return quiet("none")
    return joined((fields(shown), more_than(len(pairs) - HEADERS_MAX, "field")))


def _value_of(name: str, value: str) -> Markup:
    """The value of a field as it is shown."""
    if name.lower() in HIDDEN_FIELDS:
        return quiet(f"not shown ({count_of(len(value), 'character')})")
    return code(value, 200)


def _body_of(body: bytes) -> list[Markup]:
    """The beginning of a body; nothing if it is empty."""
    if not body:
        return []
    try:
        start = body[: 4 * BODY_CHARS_MAX].decode("utf-8", "strict")
    except UnicodeDecodeError:
        start = repr(body[:BODY_CHARS_MAX])
    content = " ".join(start.split("\n"))
    return [heading(f"Body: {size_of(len(body))}"), tag("div", code(content, BODY_CHARS_MAX))]


def stats_card(figures: Stats) -> str:
    """The statistics of a server."""
    counts = ("clients", "accepted", "rejected", "requests", "stale_responses", "sse_skipped",
              "skips", "skipped_messages", "retained_dropped")  # fmt: skip
    pairs = [(name.replace("_", " "), f"{getattr(figures, name):,}") for name in counts]
    sizes = ("bytes_in", "bytes_out", "outbox_bytes")
    pairs += [(name.replace("_", " "), size_of(getattr(figures, name))) for name in sizes]
    about = quiet(f"{seconds_of(figures.uptime_seconds)}, {figures.core} core")
    return card("Stats", about, tiles(pairs), close_parts(figures.closed))


# -- which card ------------------------------------------------------------------------------------

CARDS: Final[dict[type, Any]] = {
    Server: server_card,
    Broadcast: broadcast_card,
    Client: client_card,
    Request: request_card,
    Response: response_card,
    Stats: stats_card,
}
"""By the class of a record."""


def card_of(value: object) -> str | None:
    """The card of a record; None if it has none."""
    make = CARDS.get(type(value))
    return None if make is None else str(make(value))
