"""Whom to evict when there are not enough slots, or not enough memory, for all.

Theory: slots and memory are bounded, so some connection has to be closed when they run out, and
which one must not depend on luck. Each function below ranks records: it is pure and total, and the
same table gives the same result.

Rules: a slot is taken first from those who hold others up (their outbox is not read), then from
those who have no request under way, then from those who have come in this very moment or whose
response is being made, last from those who read theirs at a good rate; among equals, from the one
that has waited longest. The table is not ranked for each newcomer: a part of it is looked at each
time, the next one the next time, and the best candidates that were seen are kept (`Candidates`), as
Redis does to find keys that were not used for long. A candidate is what it was ranked as, or passed
over. Memory is taken from whoever would need longest to be rid of what it holds. WebSockets and
event streams are never ranked for slots here: they are bounded by `max_ws_connection_cnt`. This
file does not know how a connection is closed.
"""

from collections.abc import Iterable
from heapq import nsmallest
from typing import Final, TypeAlias, final

from ..conn import Conn
from ..connection.client import Client
from ..connection.client_status import incoming_len, is_subscriber, outgoing_len
from ..connection.deadlines import Waiting, waiting_for
from ..connection.read_lag import read_len
from ..value import Value
from .slots import Draft

EVICTION_ORDER: Final[tuple[Waiting, ...]] = (
    Waiting.WRITE,
    Waiting.LINGER,
    Waiting.IDLE,
    Waiting.HANDSHAKE,
    Waiting.HEADER,
    Waiting.BODY,
    Waiting.SSE,
    Waiting.CHUNK,
    Waiting.HANGUP,
    Waiting.CALLBACK,
    Waiting.RESPONSE,
)
"""By what it waits for, who loses its slot first. What only a subscriber waits for is not here."""

_RANKS: Final = {waiting: rank for rank, waiting in enumerate(EVICTION_ORDER)}

GOOD_RATE, GOOD_SECONDS = 8_192, 5.0
"""Whoever has taken so many bytes per second since it fell behind, some of them in the last so many
seconds, is held up by the network and not by itself: a download that goes on.
"""

# -- slots -----------------------------------------------------------------------------------------

FIRST_LOOK: Final = 128
"""Slots that are looked at when no candidate is known: all of them, in a small server."""
NEXT_LOOK: Final = 32
"""Slots that are looked at for each further eviction, so that all are within some."""
LONGEST_LOOK: Final = 1_024
"""Slots that are looked at to find somebody who has no request under way, or in one tick to find
the slowest readers.
"""
MAX_CANDIDATES: Final = 64
"""Candidates that are kept."""

Rank: TypeAlias = tuple[int, float, int]
"""The place of a client in the order of eviction; no two have the same."""


@final
class Candidates(Value):
    """The best candidates for eviction that were seen, first ones first, each with the rank that it
    had; and the slot from which to look on.
    """

    __match_args__ = ("ranked", "next_slot")
    __slots__ = __match_args__

    def __init__(self, ranked: tuple[tuple[Rank, Conn], ...], next_slot: int) -> None:
        self.ranked: Final = ranked
        self.next_slot: Final = next_slot


NO_CANDIDATES: Final = Candidates((), 0)


def next_to_evict(
    draft: Draft, candidates: Candidates, now: float
) -> tuple[Client | None, Candidates]:
    """The connection to lose its slot next, and the candidates that are left; None if all are
    subscribers.
    """
    known, slot = candidates.ranked, candidates.next_slot
    count = NEXT_LOOK if known else FIRST_LOOK
    looked, slot_count = 0, draft.slot_count
    while True:
        seen = [
            (_rank(client, now), client.conn)
            for client in draft.clients_from(slot, min(count, slot_count - looked))
            if not is_subscriber(client)
        ]
        slot, looked = (slot + count) % max(1, slot_count), looked + count
        ranked = nsmallest(MAX_CANDIDATES, {*known, *seen})
        is_last = looked >= slot_count
        for index, (rank, conn) in enumerate(ranked):
            client = draft.find_client(conn)
            if client is None or is_subscriber(client) or _rank(client, now) != rank:
                continue
            if rank[0] <= _RANKS[Waiting.IDLE] or is_last or looked >= LONGEST_LOOK:
                return client, Candidates(tuple(ranked[index + 1 :]), slot)
            break
        if is_last:
            return None, Candidates((), slot)
        known, count = tuple(ranked), FIRST_LOOK


def _rank(client: Client, now: float) -> Rank:
    """The place of a client in the order of eviction."""
    waiting = waiting_for(client)
    rank = _RANKS[waiting]
    if waiting is Waiting.WRITE and is_read_well(client, now):
        rank = len(EVICTION_ORDER)
    elif not client.bytes_in and client.waiting_since >= now:
        rank = _RANKS[Waiting.CHUNK]  # it came this very moment, and may have asked by now
    return rank, client.waiting_since, client.conn.generation


def is_read_well(client: Client, now: float) -> bool:
    """True for a client that is behind with reading and goes on at a good rate."""
    return now - client.waiting_since <= GOOD_SECONDS and _read_rate(client, now) >= GOOD_RATE


# -- memory ----------------------------------------------------------------------------------------

FACTOR: Final = 16
"""Whoever holds less than so small a part of what another one holds comes after it, however slow it
is: to drop it would be of no use.
"""
SLOW_RATE: Final = 64
"""Bytes per second that are added to every rate: what is slower makes no difference."""
SECONDS_MIN: Final = 1e-9
"""Keeps a rate finite for a client that began at this very moment."""


def slowest_readers(
    clients: Iterable[Client], now: float, unread: frozenset[Conn], max_count: int, least: int = 0
) -> list[Conn]:
    """The clients for whom more than the `least` is held, first those for whom much is, of them
    whoever would need longest to read it, at the rate at which it has read since it fell behind;
    the `unread` last.
    """
    held = [
        (length, _read_rate(client, now), client.conn)
        for client in clients
        if (length := outgoing_len(client)) > least
    ]
    ranked = _by_use([holder for holder in held if holder[2] not in unread], max_count)
    if len(ranked) < max_count:
        ranked += _by_use([holder for holder in held if holder[2] in unread], max_count)
    return ranked[:max_count]


def _read_rate(client: Client, now: float) -> float:
    """Bytes per second that a client has read since it fell behind."""
    read_lag = client.outgoing.read_lag
    if read_lag is None:
        return 0.0
    return read_len(client, read_lag) / max(now - read_lag.since, SECONDS_MIN)


def slowest_senders(clients: Iterable[Client], now: float) -> list[Conn]:
    """The clients of which something incomplete is held, first those of which much is, of them
    whoever would need longest to send as much again, at the rate at which it has sent that.
    """
    held = [
        (length, length / max(now - _sending_since(client), SECONDS_MIN), client.conn)
        for client in clients
        if (length := incoming_len(client))
    ]
    return _by_use(held, len(held))


def _sending_since(client: Client) -> float:
    """When a client began to send what is incomplete."""
    pace = client.incoming.pace
    return client.waiting_since if pace is None else pace.since


def _by_use(held: list[tuple[int, float, Conn]], max_count: int) -> list[Conn]:
    """Some connections, each with the bytes that it holds and its rate: first the one whose end is
    of most use.
    """
    largest = max([length for length, _, _ in held], default=0)
    ranked = nsmallest(
        max_count,
        [
            (length * FACTOR < largest, -length / (rate + SLOW_RATE), conn.generation, conn)
            for length, rate, conn in held
        ],
    )
    return [conn for _, _, _, conn in ranked]
