"""Which request gets which connection: one that is idle, a new one, or one later.

Theory: a connection costs round trips, so one that is there is used again; the one used last, since
the others may be left to end. Too many are no faster and are a burden on the server, so there is a
bound for each origin and one for all, and requests wait in the order in which they came.

Rules: an idle connection of another pool gives way when there are too many in all. A call that is
over is passed by in its queue. Who is assigned to whom is put down in the draft (`assigned`), and
`fold` lets them begin. It does not know what is sent on a connection.
"""

from math import inf

from pyrsistent import PDeque, pdeque

from .agent import Call, CallState, Draft, Pool, activated, queued
from .connection import NO_FLOW, Connection, Phase, Route, made_idle, with_request
from .effects import CloseConnection, GiveFailure
from .failures import FailureKind, failure_of
from .proxies import Proxies, proxy_for
from .requests import OutgoingRequest
from .waiting import after


def route_of(outgoing: OutgoingRequest, proxies: Proxies) -> Route:
    """Where the connection for a request leads."""
    uri, options = outgoing.uri, outgoing.options
    proxy = options.proxy
    if proxy is None and options.uses_proxy and proxies.by_scheme:
        proxy = proxy_for(uri, proxies)
    if proxy is None:
        return Route(uri.host, uri.port, uri.is_secure, options.tls)
    proxy_tls = options.proxy_tls if proxy.is_secure else 0
    if uri.is_secure or options.upgrade:
        return Route(uri.host, uri.port, uri.is_secure, options.tls, proxy, proxy_tls)
    return Route("", 0, False, 0, proxy, proxy_tls)


def enqueue(draft: Draft, call: Call) -> None:
    """Have a call wait for a connection, and give it one if there is."""
    if draft.waiting_count >= draft.limits.max_waiting_requests:
        what = f"{draft.waiting_count} requests wait already"
        finish_call(draft, call)
        outgoing = call.outgoing
        failure = failure_of(FailureKind.QUEUE_FULL, outgoing.method, outgoing.uri, what)
        draft.order(GiveFailure(call.number, failure))
        return
    route = route_of(call.outgoing, draft.proxies)
    pool = draft.pool(route)
    draft.put_call(queued(call))
    draft.waiting_count += 1
    waiting = _without_gone(draft, pool.waiting).append(call.number)
    draft.put_pool(route, Pool(pool.idle, pool.count, waiting))
    dispatch(draft, route)


def _without_gone(draft: Draft, waiting: PDeque[int]) -> PDeque[int]:
    """A queue without the calls that are over, if these are most of it."""
    if len(waiting) <= 2 * draft.waiting_count + 16:
        return waiting
    return pdeque([number for number in waiting if draft.find_call(number) is not None])


def finish_call(draft: Draft, call: Call) -> None:
    """Forget a call: it is over."""
    latest = draft.find_call(call.number)
    if latest is None:
        return
    if latest.state is not CallState.ACTIVE:
        draft.waiting_count -= 1
    draft.forget_call(call.number)


def dispatch(draft: Draft, route: Route) -> None:
    """Give connections to the first requests that wait in a pool, as far as there are any."""
    while not draft.is_closed:
        pool = draft.pool(route)
        if not pool.waiting:
            return
        call = draft.find_call(pool.waiting.left)
        if call is None or call.state is not CallState.QUEUED:
            draft.put_pool(route, Pool(pool.idle, pool.count, pool.waiting.popleft()))
            continue
        if pool.idle:
            _use_idle(draft, route, pool, call)
        elif pool.count >= draft.limits.max_connections_per_origin:
            return
        elif not _make_room(draft):
            _block(draft, route)
            return
        else:
            _use_new(draft, route, call)


def _block(draft: Draft, route: Route) -> None:
    """Have the pool of a route go on when there is room again; that it is put down more often than
    once does no harm, but is forgotten before it is much.
    """
    blocked = draft.blocked
    if len(blocked) > 2 * draft.pool_count() + 16:
        blocked = pdeque(list(dict.fromkeys(blocked)))
    draft.blocked = blocked.append(route)


def _use_idle(draft: Draft, route: Route, pool: Pool, call: Call) -> None:
    """Give a call the idle connection that was used last."""
    number = pool.idle[-1]
    draft.put_pool(route, Pool(pool.idle[:-1], pool.count, pool.waiting.popleft()))
    draft.idle_count -= 1
    draft.waiting_count -= 1
    draft.put_call(activated(call, number))
    connection = draft.find_connection(number)
    assert connection is not None
    draft.put(with_request(connection, call.number, NO_FLOW, inf))
    draft.assigned.append(number)


def _use_new(draft: Draft, route: Route, call: Call) -> None:
    """Give a call a connection that is to be made."""
    pool = draft.pool(route)  # another one may have made room
    draft.put_pool(route, Pool(pool.idle, pool.count + 1, pool.waiting.popleft()))
    draft.waiting_count -= 1
    number = draft.next_connection
    draft.next_connection += 1
    draft.connection_count += 1
    draft.put_call(activated(call, number))
    draft.put(Connection(number, route, Phase.RESOLVING, call.number))
    draft.assigned.append(number)


def _make_room(draft: Draft) -> bool:
    """True if one more connection may be opened, after an idle one was closed perhaps."""
    if draft.connection_count < draft.limits.max_connections:
        return True
    return _close_oldest_idle(draft)


def _close_oldest_idle(draft: Draft) -> bool:
    """Close the connection that has been idle longest; False if none is idle. Its place is for
    whoever asks: nobody else is let in.
    """
    while draft.idle_order:
        number = draft.idle_order.left
        draft.idle_order = draft.idle_order.popleft()
        connection = draft.find_connection(number)
        if connection is not None and connection.phase is Phase.IDLE:
            draft.order(CloseConnection(number))
            _remove(draft, connection)
            return True
    return False


# -- the end of a request, and of a connection -----------------------------------------------------


def release(draft: Draft, connection: Connection) -> None:
    """A connection whose request was answered is idle, and serves whoever waits."""
    limits = draft.limits
    route, number = connection.route, connection.number
    if not limits.max_idle_connections or draft.is_closed:
        close_connection(draft, connection)
        return
    draft.put(made_idle(connection, after(draft.now, limits.idle_timeout)))
    pool = draft.pool(route)
    draft.put_pool(route, Pool((*pool.idle, number), pool.count, pool.waiting))
    draft.idle_count += 1
    dispatch(draft, route)
    latest = draft.find_connection(number)
    if latest is None or latest.phase is not Phase.IDLE:
        return
    draft.idle_order = _remembered(draft, number)
    if draft.idle_count > limits.max_idle_connections:
        _close_oldest_idle(draft)
    dispatch_blocked(draft)


def _remembered(draft: Draft, number: int) -> PDeque[int]:
    """The order of the idle ones with one more at its end; without those that are idle no more, if
    these are most of it.
    """
    order = draft.idle_order.append(number)
    if len(order) > 2 * draft.idle_count + 16:
        latest = dict.fromkeys(reversed(list(order)))
        order = pdeque([each for each in reversed(latest) if _is_idle(draft, each)])
    return order


def _is_idle(draft: Draft, number: int) -> bool:
    connection = draft.find_connection(number)
    return connection is not None and connection.phase is Phase.IDLE


def close_connection(draft: Draft, connection: Connection) -> None:
    """Close a connection, whose request is no business of it any more."""
    draft.order(CloseConnection(connection.number))
    forget_connection(draft, connection)


def forget_connection(draft: Draft, connection: Connection) -> None:
    """Forget a connection that is closed, and let whoever waits have its place."""
    if draft.find_connection(connection.number) is not None:
        _remove(draft, connection)
        dispatch(draft, connection.route)
        dispatch_blocked(draft)


def _remove(draft: Draft, connection: Connection) -> None:
    """Take a connection out of its pool, and out of all counts."""
    number, route = connection.number, connection.route
    draft.forget(number)
    draft.connection_count -= 1
    pool = draft.pool(route)
    idle = pool.idle
    if connection.phase is Phase.IDLE and number in idle:
        idle = tuple([other for other in idle if other != number])
        draft.idle_count -= 1
    draft.put_pool(route, Pool(idle, pool.count - 1, pool.waiting))


def dispatch_blocked(draft: Draft) -> None:
    """Let the pools go on that waited because there were too many connections in all."""
    for _ in range(len(draft.blocked)):
        if not draft.blocked:
            return
        is_full = draft.connection_count >= draft.limits.max_connections
        if is_full and not draft.idle_count:
            return
        route = draft.blocked.left
        draft.blocked = draft.blocked.popleft()
        dispatch(draft, route)
