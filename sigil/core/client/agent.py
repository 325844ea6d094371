"""All that a client knows, as one value: its connections, its requests, and who waits for whom.

Theory: requests wait for connections, so both are in one table. A `Pool` has the connections to one
place and the requests that wait for one of them; a `Call` is a request from when it was made until
it was answered, through all its redirects and attempts.

Rules: an agent is never changed. Many events at once go through a `Draft`, which is private to one
call and ends in a new agent. A pool is there as long as it has connections or requests; a call is
in the queue of one pool at most, and one that is gone is passed by in the queue. It does not decide
anything: `pooling`, `connecting`, `exchange` and `endings` do.
"""

from enum import IntEnum
from math import inf
from typing import Final, final

from pyrsistent import PDeque, PMap, pdeque, pmap

from ..limits import Limits
from ..value import Value
from .connection import Connection, Route, looked_at
from .cookies import EMPTY_JAR, CookieJar
from .effects import ClientEffect
from .limits import DEFAULT_LIMITS, ClientLimits, body_limits
from .proxies import NO_PROXIES, Proxies
from .requests import OutgoingRequest
from .responses import ResponseHead
from .timers import NO_TIMERS, Timers, put_down
from .uri import Uri

History = tuple[tuple[Uri, ResponseHead], ...]


class CallState(IntEnum):
    """What a request is waiting for."""

    QUEUED = 0
    """A connection."""
    PAUSING = 1
    """The time of its next attempt."""
    ACTIVE = 2
    """Its connection: the making of it, or the response."""


@final
class Call(Value):
    """A request from when it was made until it is answered.

    `outgoing` is what is sent now, after redirects; `connection` the number of its connection, or
    -1. `attempts` have failed, of which it is known; `history` has the redirects. `whole_at` is
    when all of it must be over (`inf`: there is no such time), `resumes_at` when the next attempt
    is made.
    """

    __match_args__ = (
        "number", "outgoing", "seed", "state", "connection", "attempts", "history", "whole_at",
        "resumes_at",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        number: int,
        outgoing: OutgoingRequest,
        seed: bytes,
        state: CallState,
        connection: int,
        attempts: int,
        history: History,
        whole_at: float,
        resumes_at: float = inf,
    ) -> None:
        self.number: Final = number
        self.outgoing: Final = outgoing
        self.seed: Final = seed
        self.state: Final = state
        self.connection: Final = connection
        self.attempts: Final = attempts
        self.history: Final = history
        self.whole_at: Final = whole_at
        self.resumes_at: Final = resumes_at


NO_CONNECTION: Final = -1
TIMERS_SPARE: Final = 256
"""Timers of those that are gone, beside as many as there are others, that are not worth the work of
forgetting them.
"""


def activated(old: Call, connection: int) -> Call:
    """The call with a connection."""
    return Call(
        old.number, old.outgoing, old.seed, CallState.ACTIVE, connection, old.attempts,
        old.history, old.whole_at,
    )  # fmt: skip


def queued(old: Call) -> Call:
    """The call, which waits for a connection."""
    return Call(
        old.number, old.outgoing, old.seed, CallState.QUEUED, NO_CONNECTION, old.attempts,
        old.history, old.whole_at,
    )  # fmt: skip


def redirected(old: Call, outgoing: OutgoingRequest, head: ResponseHead) -> Call:
    """The call with what follows a redirect."""
    history = (*old.history, (old.outgoing.uri, head))
    return Call(
        old.number, outgoing, old.seed, CallState.QUEUED, NO_CONNECTION, 0, history, old.whole_at
    )


def pausing(old: Call, at: float) -> Call:
    """The call after one more attempt that has failed; the next one is made at a time."""
    return Call(
        old.number, old.outgoing, old.seed, CallState.PAUSING, NO_CONNECTION, old.attempts + 1,
        old.history, old.whole_at, at,
    )  # fmt: skip


@final
class Pool(Value):
    """The connections to one place: those that are idle, the one used last behind the others; how
    many there are in all; and the requests that wait for one.
    """

    __match_args__ = ("idle", "count", "waiting")
    __slots__ = __match_args__

    def __init__(self, idle: tuple[int, ...], count: int, waiting: PDeque[int]) -> None:
        self.idle: Final = idle
        self.count: Final = count
        self.waiting: Final = waiting


EMPTY_POOL: Final = Pool((), 0, pdeque())


@final
class Agent(Value):
    """A client. `now` and `unix_time` are the clocks as they were told last.

    `connection_count` counts connections, `waiting_count` the calls that wait, `blocked` are the
    routes of pools whose first request waits because there are too many connections in all.
    `idle_order` has the idle connections in the order in which they became so, and some that are
    idle no more. `user_agent` is the value of that field.
    """

    __match_args__ = (
        "limits", "user_agent", "now", "unix_time", "connections", "calls", "pools",
        "connection_count", "waiting_count", "idle_count", "blocked", "idle_order", "timers",
        "next_connection", "jar", "proxies", "is_closed", "reading_limits",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        limits: ClientLimits,
        user_agent: str,
        now: float,
        unix_time: int,
        connections: PMap[int, Connection],
        calls: PMap[int, Call],
        pools: PMap[Route, Pool],
        connection_count: int,
        waiting_count: int,
        idle_count: int,
        blocked: PDeque[Route],
        idle_order: PDeque[int],
        timers: Timers,
        next_connection: int,
        jar: CookieJar,
        proxies: Proxies,
        is_closed: bool,
        reading_limits: Limits,
    ) -> None:
        self.limits: Final = limits
        self.user_agent: Final = user_agent
        self.now: Final = now
        self.unix_time: Final = unix_time
        self.connections: Final = connections
        self.calls: Final = calls
        self.pools: Final = pools
        self.connection_count: Final = connection_count
        self.waiting_count: Final = waiting_count
        self.idle_count: Final = idle_count
        self.blocked: Final = blocked
        self.idle_order: Final = idle_order
        self.timers: Final = timers
        self.next_connection: Final = next_connection
        self.jar: Final = jar
        self.proxies: Final = proxies
        self.is_closed: Final = is_closed
        self.reading_limits: Final = reading_limits


def make_agent(
    limits: ClientLimits = DEFAULT_LIMITS,
    user_agent: str = "sigil",
    proxies: Proxies = NO_PROXIES,
    now: float = 0.0,
    unix_time: int = 0,
) -> Agent:
    """A client that has done nothing yet."""
    return Agent(
        limits, user_agent, now, unix_time, pmap(), pmap(), pmap(), 0, 0, 0, pdeque(), pdeque(),
        NO_TIMERS, 0, EMPTY_JAR, proxies, False, body_limits(limits),
    )  # fmt: skip


def timer_of_call(number: int) -> int:
    """The key of a call in the timers."""
    return 2 * number + 1


def timer_of_connection(number: int) -> int:
    """The key of a connection in the timers."""
    return 2 * number


class Draft:
    """An agent being rewritten, and the effects that were ordered meanwhile: reads see earlier
    writes; `finish` returns the new agent.
    """

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._connections: dict[int, Connection | None] = {}
        self._calls: dict[int, Call | None] = {}
        self._pools: dict[Route, Pool] = {}
        self.limits = agent.limits
        self.reading_limits = agent.reading_limits
        self.user_agent = agent.user_agent
        self.now = agent.now
        self.unix_time = agent.unix_time
        self.connection_count = agent.connection_count
        self.waiting_count = agent.waiting_count
        self.idle_count = agent.idle_count
        self.blocked = agent.blocked
        self.idle_order = agent.idle_order
        self.timers = agent.timers
        self.next_connection = agent.next_connection
        self.jar = agent.jar
        self.proxies = agent.proxies
        self.is_closed = agent.is_closed
        self.effects: list[ClientEffect] = []
        self.assigned: list[int] = []
        """Connections to which a call was assigned that has not begun."""

    def finish(self) -> Agent:
        """The agent as it is now."""
        if self.timers.count > 2 * self._timed_count() + TIMERS_SPARE:
            self._renew_timers()
        return Agent(
            self.limits, self.user_agent, self.now, self.unix_time, self._finished_connections(),
            self._finished_calls(), self._finished_pools(), self.connection_count,
            self.waiting_count, self.idle_count, self.blocked, self.idle_order, self.timers,
            self.next_connection, self.jar, self.proxies, self.is_closed, self.reading_limits,
        )  # fmt: skip

    def _timed_count(self) -> int:
        """How many may have to be looked at, or a few more."""
        known = len(self._agent.calls) + len(self._agent.connections)
        return known + len(self._calls) + len(self._connections)

    def _renew_timers(self) -> None:
        """Forget when to look at those that are gone: they are most of the timers."""
        self.timers = NO_TIMERS
        for connection in self.connections():
            if connection.looked_at != inf:
                self.look_at_connection(connection.number, connection.looked_at)
            if connection.race is not None:
                self.look_at_connection(connection.number, connection.race.next_at)
        for call in self.calls():
            self.look_at_call(call)

    def _finished_connections(self) -> PMap[int, Connection]:
        table = self._agent.connections
        for number, connection in self._connections.items():
            table = table.discard(number) if connection is None else table.set(number, connection)
        return table

    def _finished_calls(self) -> PMap[int, Call]:
        table = self._agent.calls
        for number, call in self._calls.items():
            table = table.discard(number) if call is None else table.set(number, call)
        return table

    def _finished_pools(self) -> PMap[Route, Pool]:
        table = self._agent.pools
        for route, pool in self._pools.items():
            is_used = pool.count or pool.waiting
            table = table.set(route, pool) if is_used else table.discard(route)
        return table

    def find_connection(self, number: int) -> Connection | None:
        """The connection of this number as it is now; None if it is gone."""
        if number in self._connections:
            return self._connections[number]
        return self._agent.connections.get(number)

    def find_call(self, number: int) -> Call | None:
        """The call of this number as it is now; None if it is over."""
        if number in self._calls:
            return self._calls[number]
        return self._agent.calls.get(number)

    def pool(self, route: Route) -> Pool:
        """The pool of a route."""
        pool = self._pools.get(route)
        return self._agent.pools.get(route, EMPTY_POOL) if pool is None else pool

    def pool_count(self) -> int:
        """How many pools there are, or a few more."""
        return len(self._agent.pools) + len(self._pools)

    def put_pool(self, route: Route, pool: Pool) -> None:
        """Replace a pool; one of nothing is gone in the end."""
        self._pools[route] = pool

    def connections(self) -> list[Connection]:
        """All connections, as they are now."""
        numbers = {**self._agent.connections, **self._connections}
        found = [self.find_connection(number) for number in numbers]
        return [connection for connection in found if connection is not None]

    def calls(self) -> list[Call]:
        """All calls that are not over, as they are now."""
        found = [self.find_call(number) for number in {**self._agent.calls, **self._calls}]
        return [call for call in found if call is not None]

    def forget_call(self, number: int) -> None:
        """Remove a call that is over."""
        self._calls[number] = None

    def forget(self, number: int) -> None:
        """Remove a connection that is gone."""
        self._connections[number] = None

    def put(self, connection: Connection) -> None:
        """Replace a connection by a later version of itself, and look at it in time."""
        deadline = connection.deadline
        if deadline < connection.looked_at:
            self.timers = put_down(self.timers, timer_of_connection(connection.number), deadline)
            connection = looked_at(connection, deadline)
        self._connections[connection.number] = connection

    def put_call(self, call: Call) -> None:
        """Replace a call by a later version of itself."""
        self._calls[call.number] = call

    def look_at_call(self, call: Call) -> None:
        """Look at a call when its next time comes, if there is one."""
        at = min(call.whole_at, call.resumes_at)
        if at != inf:
            self.timers = put_down(self.timers, timer_of_call(call.number), at)

    def look_at_connection(self, number: int, at: float) -> None:
        """Look at a connection at a time as well."""
        self.timers = put_down(self.timers, timer_of_connection(number), at)

    def order(self, effect: ClientEffect) -> None:
        """Order an effect behind those before."""
        self.effects.append(effect)
