"""Running totals of a server, as a value.

Theory: counting must not cost anything per request, so a connection counts for itself, in its own
record, and its figures are added to the totals when it ends. `stats` adds the totals and the open
connections up when somebody asks.

Rules: every total counts since the server was made. A total is only ever increased. This file does
not know the machine: memory and processor time are the program's to measure.
"""

from typing import NamedTuple

from pyrsistent import PMap, pmap

from ..close_reasons import CloseReason
from ..connection.client import Client


class Totals(NamedTuple):
    """What was counted for connections that have ended, and what belongs to no connection."""

    accepted: int
    rejected: int
    requests: int
    bytes_in: int
    bytes_out: int
    stale_responses: int
    closed: PMap[str, int]
    """Ended connections, by the name of their `CloseReason`."""
    sse_skipped: int
    """Binary messages that were published while there were event streams, which carry text only."""


NO_TOTALS = Totals(0, 0, 0, 0, 0, 0, pmap(), 0)


def count_sent(totals: Totals, length: int) -> Totals:
    """The totals with `length` more bytes sent, to cohorts."""
    accepted, rejected, requests, bytes_in, bytes_out, stale, closed, sse_skipped = totals
    return Totals(
        accepted, rejected, requests, bytes_in, bytes_out + length, stale, closed, sse_skipped
    )


def requests_of(client: Client) -> int:
    """How many complete requests a client has sent."""
    return client.responded + len(client.outstanding)


def add_closed(totals: Totals, client: Client, reason: CloseReason) -> Totals:
    """The totals with the figures of a connection that ended for this reason."""
    return totals._replace(
        requests=totals.requests + requests_of(client),
        bytes_in=totals.bytes_in + client.bytes_in,
        bytes_out=totals.bytes_out + client.bytes_out,
        closed=totals.closed.set(reason.name, totals.closed.get(reason.name, 0) + 1),
    )
