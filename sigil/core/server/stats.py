"""The parts of it."""

from typing import NamedTuple

from .slots import clients_of
from .state import Server
from .totals import requests_of


class Stats(NamedTuple):
    """A server's figures.

    `clients` are open now; `accepted` and `rejected` connections, `requests` complete requests,
    `bytes_in` and `bytes_out` were counted since the start; `outbox_bytes` are held for clients
    now; `stale_responses` answers came for connections that were gone; `closed` counts ended
    connections by the name of their reason; `sse_skipped` binary messages were broadcast while
    event streams listened, which have only texts.
    """

    uptime_seconds: float
    clients: int
    accepted: int
    rejected: int
    requests: int
    bytes_in: int
    bytes_out: int
    outbox_bytes: int
    stale_responses: int
    closed: dict[str, int]
    sse_skipped: int


def stats(server: Server) -> Stats:
    """The figures of a server."""
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
        stale_responses=totals.stale_responses,
        outbox_bytes=server.load.outbound,
        closed=dict(sorted(totals.closed.items())),
        sse_skipped=totals.sse_skipped,
    )
