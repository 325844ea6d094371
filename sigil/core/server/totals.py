"""Figures about a server, as values.

Theory: counting must not cost anything on the way, so a connection counts for itself, in its own
record, and its figures are added to the totals when it ends. `stats` adds the two sums up when
somebody asks.

Rules: every figure counts since the server was made; times are in seconds on the server's clock.
It does not know the machine: memory and processor time are the program's to measure.
"""

from typing import NamedTuple

from pyrsistent import PMap, pmap

from ..close_reasons import CloseReason
from ..connection.client import Client


class Totals(NamedTuple):
    """What connections that have ended left behind, and what concerns no connection."""

    accepted: int
    rejected: int
    requests: int
    bytes_in: int
    bytes_out: int
    stale_responses: int
    closed: PMap[str, int]
    sse_skipped: int


NO_TOTALS = Totals(0, 0, 0, 0, 0, 0, pmap(), 0)


def count_sent(totals: Totals, length: int) -> Totals:
    """The totals with so many bytes more that were sent to cohorts."""
    accepted, turned_away, requests, bytes_in, bytes_out, late, closed, skipped = totals
    return Totals(
        accepted, turned_away, requests, bytes_in, bytes_out + length, late, closed, skipped
    )


def requests_of(client: Client) -> int:
    """Complete requests a client has sent."""
    return client.responded + len(client.outstanding)


def add_closed(totals: Totals, client: Client, reason: CloseReason) -> Totals:
    """The totals with the figures of a connection that ended."""
    closed = totals.closed.set(reason.name, totals.closed.get(reason.name, 0) + 1)
    return Totals(
        totals.accepted,
        totals.rejected,
        totals.requests + requests_of(client),
        totals.bytes_in + client.bytes_in,
        totals.bytes_out + client.bytes_out,
        totals.stale_responses,
        closed,
        totals.sse_skipped,
    )
