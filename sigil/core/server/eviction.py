"""Who goes first when there is not enough for all.

Theory: places and memory are bounded, so somebody has to give way, and who that is must not depend
on luck. Each question below is answered by a ranking of records: pure, total, and the same for the
same table.

Rules: a place is taken first from those who hold the others up, then from those to whom nothing is
owed, last from those whose answer is being made; among equals from the one that has waited longest.
Memory is taken first from the slowest. A ranking is made for several victims at once, because a
crowd at the door would ask once for each. It does not know what is done to a victim.
"""

from collections.abc import Iterable
from heapq import nsmallest

from ..conn import Conn
from ..connection.client import Client, incoming_len, is_subscriber, outbox_len
from ..connection.deadlines import Waiting, waiting_for

CANDIDATES_PER_RANKING = 32

_RANKS = {
    Waiting.WRITE: 0,
    Waiting.LINGER: 1,
    Waiting.IDLE: 2,
    Waiting.HEADER: 3,
    Waiting.BODY: 4,
    Waiting.SSE: 5,
    Waiting.CHUNK: 6,
    Waiting.RESPONSE: 7,
}


def eviction_candidates(clients: Iterable[Client]) -> tuple[tuple[Conn, float], ...]:
    """The next clients whose place is to be taken, each with the time since when it has waited,
    which proves it.
    """
    ranked = nsmallest(
        CANDIDATES_PER_RANKING,
        (client for client in clients if not is_subscriber(client)),
        key=_rank,
    )
    return tuple((client.conn, client.waiting_since) for client in ranked)


def _rank(client: Client) -> tuple[int, float, int]:
    return _RANKS[waiting_for(client)], client.waiting_since, client.conn.generation


def slowest_reader(clients: Iterable[Client], now: float) -> Client | None:
    """The client with an outbox that has taken the fewest bytes per second since it fell behind, or
    None.
    """
    return min(
        (client for client in clients if outbox_len(client)),
        key=lambda client: _read_rate(client, now),
        default=None,
    )


def _read_rate(client: Client, now: float) -> tuple[float, int]:
    read_lag = client.outgoing.read_lag
    if read_lag is None:
        return 0.0, client.conn.generation
    return (client.bytes_out - read_lag.bytes_out) / max(
        now - read_lag.since, 1e-9
    ), client.conn.generation


def slowest_sender(clients: Iterable[Client], now: float) -> Client | None:
    """The client with part of a request here that has sent the fewest bytes per second of it, or
    None.
    """
    return min(
        (client for client in clients if incoming_len(client)),
        key=lambda client: _send_rate(client, now),
        default=None,
    )


def _send_rate(client: Client, now: float) -> tuple[float, int]:
    return incoming_len(client) / max(now - client.waiting_since, 1e-9), client.conn.generation
