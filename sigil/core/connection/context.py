"""What a transition may know of the server around its client.

Theory: a transition is a function of one client, one event and this record; nothing of the server
comes to it another way. So any of them can be called alone, in a test or in a notebook, with
`context()`: the context of a quiet server with default limits.

Rules: a context belongs to one event; the server makes it anew when one of its facts changes
(`server.batch`). It does not know any client.
"""

from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias, final

from ..broadcast.broadcast import Broadcast, make_broadcast
from ..effects import Effect
from ..http.encode import date_field_and_end
from ..http.head import Parsed, parse_headers_only
from ..limits import Limits
from ..value import Value
from .client import Client, Disconnected

Parse: TypeAlias = Callable[[bytes], Parsed]
"""Makes a head of the bytes of one: `parse_headers_only` with the limits, or something that caches
what it makes.
"""

DEFAULT_LIMITS: Final = Limits()

NEVER_ASKS: Final = -1
"""`asks_above` of a program that is not asked about bodies."""


@final
class Context(Value):
    """What a transition may know of the server around the client."""

    __match_args__ = (
        "limits", "now", "tick_started_at", "date", "is_draining", "logs_access", "asks_above",
        "parse", "last_request_number", "has_subscriber_slot", "broadcast",
        "has_unflushed_broadcast", "has_connection_slot",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        limits: Limits,
        now: float,
        tick_started_at: float,
        date: bytes,
        is_draining: bool,
        logs_access: bool,
        asks_above: int,
        parse: Parse,
        last_request_number: int,
        has_subscriber_slot: bool,
        broadcast: Broadcast,
        has_unflushed_broadcast: bool,
        has_connection_slot: bool,
    ) -> None:
        self.limits: Final = limits
        self.now: Final = now
        """Seconds, on a clock that never goes back."""
        self.tick_started_at: Final = tick_started_at
        self.date: Final = date
        """The end of every response's head: the line of its `Date` field, and the empty line."""
        self.is_draining: Final = is_draining
        self.logs_access: Final = logs_access
        self.asks_above: Final = asks_above
        """The program is to be asked how it wants the body of a request that is longer, or whose
        length nobody knows; `NEVER_ASKS` if about none.
        """
        self.parse: Final = parse
        self.last_request_number: Final = last_request_number
        """The number of a connection's last request; -1 while no requests are handed out."""
        self.has_subscriber_slot: Final = has_subscriber_slot
        """One more connection may become a WebSocket or an event stream."""
        self.broadcast: Final = broadcast
        self.has_unflushed_broadcast: Final = has_unflushed_broadcast
        """Something was published since the last flush."""
        self.has_connection_slot: Final = has_connection_slot
        """One more connection may be one of HTTP, that was a subscriber before."""


def context(
    limits: Limits = DEFAULT_LIMITS,
    now: float = 0.0,
    *,
    tick_started_at: float | None = None,
    date: bytes = date_field_and_end(0),
    is_draining: bool = False,
    logs_access: bool = False,
    asks_above: int = NEVER_ASKS,
    parse: Parse = parse_headers_only,
    is_paused: bool = False,
    has_subscriber_slot: bool = True,
    broadcast: Broadcast | None = None,
    has_connection_slot: bool = True,
) -> Context:
    """What a transition may know of a server with these limits at `now` (seconds), which unless
    told otherwise is quiet: it serves, has room for everybody, and nothing was published.

    `is_paused`: clients get no more requests handed out until some of what was sent is taken.
    `parse` is bound to `limits` if it is `parse_headers_only`.
    """
    if parse is parse_headers_only:
        parse = partial(parse_headers_only, limits=limits)
    last_request_number = limits.max_requests_per_connection - 1
    if is_paused:
        limits, last_request_number = limits._replace(max_queued_requests=0), -1
    if broadcast is None:
        broadcast = make_broadcast(limits)
    return Context(
        limits,
        now,
        now if tick_started_at is None else tick_started_at,
        date,
        is_draining,
        logs_access,
        asks_above,
        parse,
        last_request_number,
        has_subscriber_slot,
        broadcast,
        bool(broadcast.pending),
        has_connection_slot,
    )


Step: TypeAlias = tuple[Client, list[Effect]]
"""The client after a transition, and the effects of it."""
Outcome: TypeAlias = tuple[Client | Disconnected, list[Effect]]
"""A step that may also be the end of the connection."""
