"""Running totals of a server, as a value.

Theory: counting must not cost anything per request, so a connection counts for itself, in its own
record, and its figures are added to the totals when it ends. `stats` adds the totals and the open
connections up when somebody asks.

Rules: every total counts since the server was made. A total is only ever increased. This file does
not know the machine: memory and processor time are the program's to measure.
"""

from collections.abc import Sequence
from typing import Final, final

from pyrsistent import PMap, pmap

from ..close_reasons import CloseReason
from ..connection.client import Client
from ..value import Value


@final
class Totals(Value):
    """What was counted for connections that have ended, and what belongs to no connection."""

    __match_args__ = (
        "accepted", "rejected", "requests", "bytes_in", "bytes_out", "stale_responses",
        "closed", "sse_skipped", "skips", "skipped_messages", "retained_dropped",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        accepted: int,
        rejected: int,
        requests: int,
        bytes_in: int,
        bytes_out: int,
        stale_responses: int,
        closed: PMap[str, int],
        sse_skipped: int,
        skips: int,
        skipped_messages: int,
        retained_dropped: int,
    ) -> None:
        self.accepted: Final = accepted
        self.rejected: Final = rejected
        self.requests: Final = requests
        self.bytes_in: Final = bytes_in
        self.bytes_out: Final = bytes_out
        self.stale_responses: Final = stale_responses
        self.closed: Final = closed
        """Ended connections, by the name of their `CloseReason`."""
        self.sse_skipped: Final = sse_skipped
        """Binary messages that were published while there were event streams, which carry text
        only.
        """
        self.skips: Final = skips
        """Slow subscribers that were moved on past messages that were not kept any more."""
        self.skipped_messages: Final = skipped_messages
        """Those messages, on whatever topic."""
        self.retained_dropped: Final = retained_dropped
        """Retained messages that were dropped to make room for others."""


NO_TOTALS: Final = Totals(0, 0, 0, 0, 0, 0, pmap(), 0, 0, 0, 0)


def count_sent(totals: Totals, length: int) -> Totals:
    """The totals with `length` more bytes sent, to cohorts."""
    return Totals(
        totals.accepted, totals.rejected, totals.requests, totals.bytes_in,
        totals.bytes_out + length, totals.stale_responses, totals.closed, totals.sse_skipped,
        totals.skips, totals.skipped_messages, totals.retained_dropped,
    )  # fmt: skip


def count_skip(totals: Totals, messages: int) -> Totals:
    """The totals when a slow subscriber was moved on past so many messages."""
    return totals.replace(
        skips=totals.skips + 1, skipped_messages=totals.skipped_messages + messages
    )


def requests_of(client: Client) -> int:
    """How many complete requests a client has sent."""
    return client.responded + len(client.outstanding)


def add_run(totals: Totals, accepted: int, ended: Sequence[tuple[Client, CloseReason]]) -> Totals:
    """The totals with the figures of a run of events: so many connections were accepted, and these
    have ended, each for its reason.
    """
    requests, bytes_in, bytes_out = totals.requests, totals.bytes_in, totals.bytes_out
    closed, counts = totals.closed, dict[CloseReason, int]()
    for client, reason in ended:
        requests += requests_of(client)
        bytes_in += client.bytes_in
        bytes_out += client.bytes_out
        counts[reason] = counts.get(reason, 0) + 1
    for reason, count in counts.items():  # one, mostly
        closed = closed.set(reason.name, closed.get(reason.name, 0) + count)
    return Totals(
        totals.accepted + accepted, totals.rejected, requests, bytes_in, bytes_out,
        totals.stale_responses, closed, totals.sse_skipped, totals.skips, totals.skipped_messages,
        totals.retained_dropped,
    )  # fmt: skip
