"""The figures of a server as Prometheus reads them: the text format 0.0.4, or OpenMetrics 1.0.

Theory: a scrape is a function of the server's value, and of what its loop has measured. So it is
text made of a value, and whoever asks for it pays for it; nothing is counted on the way that was
not counted before. Names are as the conventions have them: `sigil_` before them, base units, and
`_total` behind what only grows.

Rules: the order is always the same, and each family has its HELP and TYPE. Every reason for an end
is there from the start, so that a rate has a beginning. Label values are escaped. Of what strangers
send nothing is in it: neither paths nor topics, so it has a bounded length. It does not know who
may see it.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from ..close_reasons import CloseReason
from ..server.state import Server, ServerState
from ..server.stats import Stats, stats
from .figures import RingFigures, ring_figures
from .footprint import footprint

TEXT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OPEN_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Histogram(NamedTuple):
    """How often something took how many seconds: `counts` has one number for each of the upper
    `bounds`, and one for what took longer; `total` is the sum of all seconds.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float


class ProcessFigures(NamedTuple):
    """What the process takes, as far as its system tells; None where it does not."""

    cpu_seconds: float | None = None
    resident_bytes: int | None = None
    open_fds: int | None = None
    started_at: float | None = None
    """In seconds since 1970."""


class Measured(NamedTuple):
    """What a loop has measured beside the server's value; None where nobody has."""

    handlers: Histogram | None = None
    callbacks: Histogram | None = None
    lag: Histogram | None = None
    process: ProcessFigures = ProcessFigures()


NOTHING_MEASURED: Final = Measured()

Labels = tuple[tuple[str, str], ...]


class Family(NamedTuple):
    """A metric: its name without `_total`, its type, what it says, and its values by their labels,
    or a histogram.
    """

    name: str
    kind: str
    help: str
    values: Sequence[tuple[Labels, float]] = ()
    histogram: Histogram | None = None


def metrics_text(
    server: Server,
    measured: Measured = NOTHING_MEASURED,
    version: str = "",
    is_open: bool = False,
) -> str:
    """All figures of a server as text; with `is_open` in OpenMetrics, else for Prometheus."""
    lines = [
        line
        for family in families(server, measured, version)
        for line in _lines_of(family, is_open)
    ]
    return "\n".join([*lines, "# EOF", ""] if is_open else [*lines, ""])


# -- what there is ---------------------------------------------------------------------------------


def families(server: Server, measured: Measured, version: str) -> Iterator[Family]:
    """All metrics of a server, in order."""
    figures = stats(server)
    yield Family("sigil_build_info", "gauge", "What runs: always 1.", _build_of(figures, version))
    yield from _connections(server, figures)
    yield from _traffic(server, figures)
    yield from _ring(ring_figures(server))
    yield from _memory(server, figures)
    yield from _times(measured)
    yield from _process(measured.process)


def _build_of(figures: Stats, version: str) -> Sequence[tuple[Labels, float]]:
    return (((("version", version), ("core", figures.core)), 1),)


def _gauge(name: str, help: str, value: float) -> Family:
    return Family(name, "gauge", help, (((), value),))


def _counter(name: str, help: str, value: float) -> Family:
    return Family(name, "counter", help, (((), value),))


def _connections(server: Server, figures: Stats) -> Iterator[Family]:
    serving = float(server.running is ServerState.SERVING)
    yield _gauge("sigil_serving", "1 while new connections are accepted.", serving)
    yield _gauge("sigil_uptime_seconds", "Since the server was made.", figures.uptime_seconds)
    yield _gauge("sigil_connections", "Connections that are open.", figures.clients)
    yield _gauge(
        "sigil_subscribers",
        "WebSockets, event streams and long-polls that hear what is published.",
        server.broadcast.open_count,
    )
    accepted, rejected = figures.accepted, figures.rejected
    yield _counter("sigil_connections_accepted", "Connections that were accepted.", accepted)
    yield _counter("sigil_connections_rejected", "Those that got a 503 instead.", rejected)
    closed = figures.closed
    names = [reason.name for reason in CloseReason]
    reasons = [((("reason", name.lower()),), float(closed.get(name, 0))) for name in names]
    yield Family("sigil_closes", "counter", "Connections that ended, by reason.", reasons)


def _traffic(server: Server, figures: Stats) -> Iterator[Family]:
    yield _counter("sigil_requests", "Complete requests.", figures.requests)
    yield _counter("sigil_received_bytes", "Bytes that were read.", figures.bytes_in)
    yield _counter("sigil_sent_bytes", "Bytes that were handed to the kernel.", figures.bytes_out)
    yield _counter(
        "sigil_published_messages",
        "Messages that were published; of an edge, the number of the last one.",
        server.broadcast.next_number,
    )
    yield _counter(
        "sigil_stale_responses", "Responses that came too late.", figures.stale_responses
    )
    yield _counter(
        "sigil_sse_skipped_messages",
        "Binary messages that event streams could not be sent.",
        figures.sse_skipped,
    )
    yield _counter("sigil_slow_skips", "How often a slow subscriber was moved on.", figures.skips)
    yield _counter(
        "sigil_skipped_messages", "Messages that it was moved past.", figures.skipped_messages
    )
    yield _counter(
        "sigil_retained_dropped_messages",
        "Retained messages that made room for others.",
        figures.retained_dropped,
    )


def _ring(ring: RingFigures) -> Iterator[Family]:
    length, messages = ring.end_offset - ring.tail_offset, ring.end_number - ring.tail_number
    yield _gauge("sigil_ring_bytes", "Bytes of messages on the ring.", length)
    yield _gauge("sigil_ring_capacity_bytes", "Bytes that it has room for.", ring.max_bytes)
    yield _gauge("sigil_ring_messages", "Messages on the ring.", messages)
    yield _gauge("sigil_ring_capacity_messages", "Messages it has room for.", ring.max_frames)
    cohorts = len(ring.cohorts) + ring.more_cohorts
    yield _gauge("sigil_ring_cohorts", "Groups that are sent the same bytes.", cohorts)
    yield _gauge("sigil_ring_at_head", "Subscribers that were sent everything.", ring.members)
    laggards = len(ring.laggards) + ring.more_laggards
    yield _gauge("sigil_ring_laggards", "Subscribers that are behind.", laggards)
    furthest = max([laggard.behind for laggard in ring.laggards], default=0)
    yield _gauge("sigil_ring_behind_messages", "How far the last of them is.", furthest)


def _memory(server: Server, figures: Stats) -> Iterator[Family]:
    load, retained = server.load, server.broadcast.retained
    yield _gauge("sigil_inbound_bytes", "Bytes held of what is incomplete.", load.inbound)
    yield _gauge("sigil_outbound_bytes", "Bytes that wait for clients.", figures.outbox_bytes)
    paused = float(load.paused_at is not None)
    yield _gauge("sigil_paused", "1 while handlers wait for clients to read.", paused)
    yield _gauge("sigil_retained_messages", "Messages retained.", len(retained.messages))
    bound = footprint(server.limits)
    yield _gauge("sigil_memory_bound_bytes", "What all of it takes at most (footprint).", bound)


def _times(measured: Measured) -> Iterator[Family]:
    for name, help, histogram in (
        ("sigil_handler_seconds", "For how long a handler kept the loop.", measured.handlers),
        ("sigil_callback_seconds", "For how long a callback did.", measured.callbacks),
        (
            "sigil_loop_lag_seconds",
            "Between two looks at the sockets, while nobody looked.",
            measured.lag,
        ),
    ):
        if histogram is not None:
            yield Family(name, "histogram", help, histogram=histogram)


def _process(process: ProcessFigures) -> Iterator[Family]:
    if process.cpu_seconds is not None:
        yield _counter("process_cpu_seconds", "User and system time.", process.cpu_seconds)
    if process.resident_bytes is not None:
        yield _gauge("process_resident_memory_bytes", "Resident memory.", process.resident_bytes)
    if process.open_fds is not None:
        yield _gauge("process_open_fds", "Open file descriptors.", process.open_fds)
    if process.started_at is not None:
        yield _gauge("process_start_time_seconds", "Since 1970.", process.started_at)


# -- how it is written -----------------------------------------------------------------------------


def _lines_of(family: Family, is_open: bool) -> Iterator[str]:
    """A family as lines: in OpenMetrics a counter is named without `_total`, but for its value."""
    suffix = "_total" if family.kind == "counter" else ""
    name = family.name if is_open else family.name + suffix
    yield f"# HELP {name} {_help(family.help, is_open)}"
    yield f"# TYPE {name} {family.kind}"
    for labels, value in family.values:
        yield f"{family.name}{suffix}{_labels(labels)} {_number(value)}"
    if family.histogram is not None:
        yield from _buckets(family.name, family.histogram)


def _buckets(name: str, histogram: Histogram) -> Iterator[str]:
    """A histogram: how many took no longer than each bound, the sum, and how many there were."""
    count = 0
    bounds = [*map(repr, histogram.bounds), "+Inf"]
    for bound, more in zip(bounds, histogram.counts, strict=True):
        count += more
        yield f'{name}_bucket{{le="{bound}"}} {count}'
    yield f"{name}_sum {_number(histogram.total)}"
    yield f"{name}_count {count}"


def _labels(labels: Iterable[tuple[str, str]]) -> str:
    """Labels in braces; nothing if there are none."""
    texts = [f'{name}="{escaped(value)}"' for name, value in labels]
    return "{" + ",".join(texts) + "}" if texts else ""


def escaped(value: str) -> str:
    """A label value as it stands between quotes."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _help(text: str, is_open: bool) -> str:
    """A HELP text; OpenMetrics has quotes escaped as well."""
    return escaped(text) if is_open else text.replace("\\", "\\\\").replace("\n", "\\n")


def _number(value: float) -> str:
    """A number: whole ones without a fraction."""
    if isinstance(value, float) and not value.is_integer():
        return repr(value)
    return str(int(value))
