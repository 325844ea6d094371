"""Budgets over all clients together: the sums, what exceeds them, and what is done about it.

Theory: a bound for each client is not enough, because there may be many clients; so what they hold
together is bounded too. The sums are kept as a running `Load`, to which every change of a client
adds its difference: no budget check walks the table.

Rules: `due_measure` says what is to be done, one measure at a time, and whoever does it asks again;
so the end is reached by steps that are each right alone. More WebSockets than fit evict the oldest
one. Too many bytes of incomplete requests reject those who hold most of them. Too many bytes not
yet read by clients pause the server: no request is handed to a handler until half of them are gone;
half as many more are never held: then those who hold most are dropped at once. Whoever rejects
or drops goes on until a good part of the budget is free: clients are ranked once for that many
bytes, not once for each client. This file does not know how a client is evicted.
"""

from enum import IntEnum
from typing import Final, final

from ..connection.client import Client
from ..connection.client_status import incoming_len, outgoing_len
from ..limits import Limits
from ..value import Value


@final
class Load(Value):
    """What all clients hold together."""

    __match_args__ = ("inbound", "outbound", "paused_at", "websockets")
    __slots__ = __match_args__

    def __init__(
        self, inbound: int, outbound: int, paused_at: float | None, websockets: int
    ) -> None:
        self.inbound: Final = inbound
        """Bytes that came and are no complete request or message yet."""
        self.outbound: Final = outbound
        """Bytes held for clients that have not read them yet."""
        self.paused_at: Final = paused_at
        """Since when no request is handed to a handler because of `outbound`; None while they are.
        """
        self.websockets: Final = websockets
        """Subscribers: WebSockets and event streams of what is broadcast."""


NO_LOAD: Final = Load(0, 0, None, 0)


class Measure(IntEnum):
    """What is to be done about a load."""

    EVICT_SUBSCRIBER = 0
    REJECT_SENDERS = 1
    DROP_READERS = 2
    PAUSE = 3
    RESUME = 4


def outbound_bound(limits: Limits) -> int:
    """How many bytes are held at most: half as many again as the budget. A pause keeps clients from
    asking for more, but not what was asked for before, nor what the program sends unasked.
    """
    return limits.max_outbound_len + limits.max_outbound_len // 2


def inbound_target(limits: Limits) -> int:
    """How many bytes of incomplete requests may be left when the budget was exceeded."""
    return limits.max_inbound_len - limits.max_inbound_len // 8


def due_measure(load: Load, limits: Limits) -> Measure | None:
    """What is to be done first about this load; None if it is within its budgets."""
    if load.websockets > limits.max_ws_connection_cnt:
        return Measure.EVICT_SUBSCRIBER
    if load.inbound > limits.max_inbound_len:
        return Measure.REJECT_SENDERS
    if load.outbound > outbound_bound(limits):
        return Measure.DROP_READERS
    if load.paused_at is None:
        return Measure.PAUSE if load.outbound > limits.max_outbound_len else None
    # half the budget, so that a server at its bound does not pause and resume with every segment
    return Measure.RESUME if load.outbound <= limits.max_outbound_len // 2 else None


def load_after(load: Load, before: Client, after: Client | None) -> Load:
    """The load when a client has become another one, or is gone (None); the very same if that makes
    no difference. Subscribers are counted elsewhere, when they begin and end.
    """
    more_in, more_out = -incoming_len(before), -outgoing_len(before)
    if after is not None:
        more_in, more_out = more_in + incoming_len(after), more_out + outgoing_len(after)
    if not more_in and not more_out:
        return load
    return Load(load.inbound + more_in, load.outbound + more_out, load.paused_at, load.websockets)


def has_subscriber_slot(load: Load, limits: Limits) -> bool:
    """True if one more connection may become a subscriber, in a free place or an evicted one's."""
    max_subscribers = limits.max_ws_connection_cnt
    if load.websockets < max_subscribers:
        return True
    return limits.full_policy == "evict" and max_subscribers > 0
