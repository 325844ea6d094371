"""Whom to evict when there are not enough slots, or not enough memory, for all.

Theory: slots and memory are bounded, so some connection has to be closed when they run out, and
which one must not depend on luck. Each function below ranks records: it is pure and total, and the
same table gives the same result.

Rules: a slot is taken first from those who hold others up (their outbox is not read), then from
those who have no request under way, last from those whose response is being made; among equals,
from the one that has waited longest. Memory is taken first from the slowest. One ranking names
several candidates, because a burst of new connections would otherwise rank the whole table once for
each of them. WebSockets and event streams are never ranked here: they are bounded by
`max_ws_connection_cnt`. This file does not know how a connection is closed.
"""

from collections.abc import Iterable
from heapq import nsmallest

from ..conn import Conn
from ..connection.client import Client, incoming_len, is_subscriber, outbox_len
from ..connection.deadlines import Waiting, waiting_for

CANDIDATES_PER_RANKING = 32

EVICTION_ORDER: tuple[Waiting, ...] = (
    Waiting.WRITE,
    Waiting.LINGER,
    Waiting.IDLE,
    Waiting.HEADER,
    Waiting.BODY,
    Waiting.SSE,
    Waiting.CHUNK,
    Waiting.HALF_CLOSED,
    Waiting.RESPONSE,
)
"""By what it waits for, who loses its slot first. What only a subscriber waits for is not here."""

_RANKS = {waiting: rank for rank, waiting in enumerate(EVICTION_ORDER)}

SECONDS_MIN = 1e-9
"""Keeps a rate finite for a client that began at this very moment."""


def eviction_candidates(clients: Iterable[Client]) -> tuple[tuple[Conn, float], ...]:
    """The next connections to lose their slot, the first one first, at most
    `CANDIDATES_PER_RANKING`.

    Each comes with its `waiting_since`: while that is unchanged, the client still waits for the
    same thing and its rank still holds.
    """
    ranked = nsmallest(
        CANDIDATES_PER_RANKING,
        (client for client in clients if not is_subscriber(client)),
        key=_rank,
    )
    return tuple((client.conn, client.waiting_since) for client in ranked)


def _rank(client: Client) -> tuple[int, float, int]:
    """The place of a client in the order of eviction."""
    return _RANKS[waiting_for(client)], client.waiting_since, client.conn.generation


def slowest_reader(clients: Iterable[Client], now: float) -> Client | None:
    """The client with an outbox that has read the fewest bytes per second since it fell behind;
    None if no client has an outbox.
    """
    return min(
        (client for client in clients if outbox_len(client)),
        key=lambda client: (_read_rate(client, now), client.conn.generation),
        default=None,
    )


def _read_rate(client: Client, now: float) -> float:
    """Bytes per second that a client has read since it fell behind."""
    read_lag = client.outgoing.read_lag
    if read_lag is None:
        return 0.0
    return (client.bytes_out - read_lag.bytes_out) / max(now - read_lag.since, SECONDS_MIN)


def slowest_sender(clients: Iterable[Client], now: float) -> Client | None:
    """The client with an incomplete request or message that has sent the fewest bytes per second of
    it; None if nothing is incomplete.
    """
    return min(
        (client for client in clients if incoming_len(client)),
        key=lambda client: (_send_rate(client, now), client.conn.generation),
        default=None,
    )


def _send_rate(client: Client, now: float) -> float:
    """Bytes per second at which a client sends what is incomplete."""
    return incoming_len(client) / max(now - client.waiting_since, SECONDS_MIN)
