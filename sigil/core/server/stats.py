"""The statistics of a server: what `HttpServer.stats()` returns.

Theory: connections count for themselves and `Totals` has those that ended, so a statistic is a sum
over the open connections plus a total. It is made when somebody asks, which costs one pass over the
table, and nothing before.

Rules: a value in, a value out. Counts are since the server was made, times are in seconds on the
server's clock. It does not know where the figures are shown.
"""

from typing import NamedTuple

from ..bounded_repr import html_repr
from ..build import core_build
from .slots import clients_of
from .state import Server
from .totals import requests_of


class Stats(NamedTuple):
    """Statistics of a server; all counts but `clients` and `outbox_bytes` are since its start."""

    uptime_seconds: float
    clients: int
    """Connections open now."""
    accepted: int
    """Connections accepted."""
    rejected: int
    """Connections answered with a 503 instead of being accepted."""
    requests: int
    """Complete requests."""
    bytes_in: int
    bytes_out: int
    outbox_bytes: int
    """Bytes held for clients now, because they do not read fast enough or another response comes
    first.
    """
    stale_responses: int
    """Responses that came too late: the connection was gone, or answered with an error."""
    closed: dict[str, int]
    """Ended connections, by the name of their `CloseReason`."""
    sse_skipped: int
    """Binary messages that were published while there were event streams, which carry text only."""
    skips: int
    """How often a slow subscriber was moved on past messages that are not kept (`slow="skip"`)."""
    skipped_messages: int
    """Those messages, on whatever topic."""
    retained_dropped: int
    """Messages that were retained and were dropped to make room for others."""
    core: str
    """Which core runs: `"compiled"` or `"pure"`."""

    def _repr_html_(self) -> str | None:
        return html_repr(self)


def stats(server: Server) -> Stats:
    """The statistics of a server, as of its `now`."""
    clients = list(clients_of(server.slots))
    totals = server.totals
    return Stats(
        uptime_seconds=server.now - server.started_at,
        clients=len(clients),
        accepted=totals.accepted,
        rejected=totals.rejected,
        requests=totals.requests + sum(map(requests_of, clients)),
        bytes_in=totals.bytes_in + sum(client.bytes_in for client in clients),
        bytes_out=totals.bytes_out + sum(client.bytes_out for client in clients),
        outbox_bytes=server.load.outbound,
        stale_responses=totals.stale_responses,
        closed=dict(sorted(totals.closed.items())),
        sse_skipped=totals.sse_skipped,
        skips=totals.skips,
        skipped_messages=totals.skipped_messages,
        retained_dropped=totals.retained_dropped,
        core=core_build(),
    )
