"""How a connection comes about: resolved, connected, led through a proxy, secured.

Theory: each step has its own way to fail, and who reads of a failure wants to know which it was.
So each is a phase, with a deadline of its own and a sentence of its own.

Rules: an address needs no resolver. The attempts to connect are a race (`racing`). A proxy of the
scheme https is reached over TLS, and TLS with the server is within that. A proxy is asked for a
tunnel wherever the connection is to be secured, or taken over; whatever it answers but 2xx is a
failure. What fails with the proxy is said to be the proxy's, its certificate too. It does not know
what is sent on a connection that is there.
"""

from ipaddress import ip_address

from ..parse_result import Malformed, NeedMore
from .agent import Call, Draft
from .connection import (
    Connection,
    Phase,
    in_phase,
    while_waiting,
    with_flow,
    with_race,
)
from .effects import Connect, Resolve, SendData, StartTls, UseAttempt
from .endings import fail_connection
from .failures import FailureKind
from .limits import DEFAULT_TIMEOUTS, Timeouts
from .proxies import proxy_authorization
from .racing import Address, after_begin, after_failure, due_attempt, start_race
from .requests import encode_connect
from .responses import parse_response_head
from .uri import Uri, is_ip_literal
from .waiting import after


def timeouts_of(draft: Draft, connection: Connection) -> Timeouts:
    """The timeouts of the request that a connection is made for."""
    call = draft.find_call(connection.request)
    return DEFAULT_TIMEOUTS if call is None else call.outgoing.options.timeouts


def open_connection(draft: Draft, connection: Connection) -> None:
    """Begin to make a connection."""
    route = connection.route
    host, port = route.next_host, route.next_port
    zone = host.partition("%")[2]
    if is_ip_literal(host) and (not zone or zone.isdigit()):  # what it is called, the system knows
        _connect(draft, connection, (_literal_address(host, port),))
        return
    deadline = after(draft.now, timeouts_of(draft, connection).resolve)
    draft.put(in_phase(connection, Phase.RESOLVING, deadline))
    draft.order(Resolve(connection.number, host, port))


def _literal_address(host: str, port: int) -> Address:
    """The address that a host is which needs no resolver."""
    text, _, zone = host.partition("%")
    return Address(ip_address(text).version, text, port, int(zone or "0"))


def on_resolved(draft: Draft, connection: Connection, addresses: tuple[Address, ...]) -> None:
    """The addresses of the host are known."""
    if connection.phase is not Phase.RESOLVING:
        return
    if not addresses:
        on_resolve_failed(draft, connection, "it has no address")
        return
    _connect(draft, connection, addresses)


def on_resolve_failed(draft: Draft, connection: Connection, error: str) -> None:
    """The addresses of the host cannot be had."""
    if connection.phase is Phase.RESOLVING:
        what = f"the host {connection.route.next_host} cannot be resolved: {error}"
        fail_connection(draft, connection, FailureKind.RESOLVE, what)


def _connect(draft: Draft, connection: Connection, addresses: tuple[Address, ...]) -> None:
    """Begin the race for these addresses."""
    race = start_race(addresses, draft.limits.max_addresses, draft.now)
    deadline = after(draft.now, timeouts_of(draft, connection).connect)
    begin_attempts(draft, in_phase(connection, Phase.CONNECTING, deadline, race))


def begin_attempts(draft: Draft, connection: Connection) -> None:
    """Begin the attempt that is due, if one is."""
    race = connection.race
    assert race is not None
    place = due_attempt(race, draft.now)
    if place is None:
        draft.put(connection)
        return
    race = after_begin(race, draft.now, draft.limits.attempt_delay)
    draft.put(with_race(connection, race))
    if race.begun < len(race.addresses):
        draft.look_at_connection(connection.number, race.next_at)
    draft.order(Connect(connection.number, place, race.addresses[place]))


def on_connect_failed(draft: Draft, connection: Connection, attempt: int, error: str) -> None:
    """An attempt has failed: the next one begins, or none is left."""
    race = connection.race
    if connection.phase is not Phase.CONNECTING or race is None or attempt not in race.running:
        return
    address = race.addresses[attempt]
    race = after_failure(race, attempt, f"{_shown(address)}: {error}", draft.now)
    if not race.is_lost:
        begin_attempts(draft, with_race(connection, race))
        return
    place = "the proxy" if connection.route.proxy is not None else "the server"
    errors = ", ".join(race.errors[:3])
    more = f", and {len(race.errors) - 3} more" if len(race.errors) > 3 else ""
    what = f"{place} cannot be connected to ({errors}{more})"
    fail_connection(draft, connection, FailureKind.CONNECT, what)


def _shown(address: Address) -> str:
    """An address with its port, as it is written."""
    host = f"[{address.host}]" if address.family == 6 else address.host
    return f"{host}:{address.port}"


def on_connected(draft: Draft, connection: Connection, attempt: int) -> bool:
    """An attempt has connected, and is kept. True if the connection is ready."""
    race = connection.race
    if connection.phase is not Phase.CONNECTING or race is None or attempt not in race.running:
        return False
    draft.order(UseAttempt(connection.number, attempt))
    proxy = connection.route.proxy
    if proxy is not None and proxy.is_secure:
        _secure_proxy(draft, connection, proxy)
        return False
    return _go_on(draft, connection)


def _go_on(draft: Draft, connection: Connection) -> bool:
    """Go on with a connection that leads to the server or to its proxy. True if it is ready."""
    route = connection.route
    if route.is_tunneled:
        call = draft.find_call(connection.request)
        assert call is not None
        _ask_for_tunnel(draft, connection, call)
        return False
    if route.is_secure:
        secure(draft, connection)
        return False
    return True


def on_handshake_done(draft: Draft, connection: Connection) -> bool:
    """A handshake has ended. True if the connection is ready."""
    if connection.phase is Phase.SECURING_PROXY:
        return _go_on(draft, connection)
    return connection.phase is Phase.SECURING


def _secure_proxy(draft: Draft, connection: Connection, proxy: Uri) -> None:
    """Begin the handshake of TLS with the proxy."""
    deadline = after(draft.now, timeouts_of(draft, connection).tls)
    draft.put(in_phase(connection, Phase.SECURING_PROXY, deadline))
    draft.order(StartTls(connection.number, proxy.host, connection.route.proxy_tls, True))


def _ask_for_tunnel(draft: Draft, connection: Connection, call: Call) -> None:
    """Ask a proxy to connect to the server."""
    deadline = after(draft.now, call.outgoing.options.timeouts.tls)
    draft.put(in_phase(connection, Phase.TUNNELING, deadline))
    authorization = proxy_authorization(connection.route.proxy)
    data = encode_connect(call.outgoing.uri, draft.user_agent, authorization)
    draft.order(SendData(connection.number, (data,)))


def receive_from_proxy(draft: Draft, connection: Connection, data: bytes) -> bool:
    """Take what a proxy answers to CONNECT. True if the connection is ready."""
    flow = connection.flow
    buffer = flow.buffer + data
    head = parse_response_head(buffer, draft.limits, flow.scan)
    if isinstance(head, NeedMore):
        flow = while_waiting(flow, buffer, head.scan, 0)
        draft.put(with_flow(connection, flow, connection.deadline))
        return False
    if isinstance(head, Malformed):
        what = f"the proxy's answer is malformed: {head.message}"
        fail_connection(draft, connection, FailureKind.PROXY, what)
        return False
    if head.is_informational:
        rest = buffer[head.size :]
        count = flow.informational + 1
        if count > draft.limits.max_informational_responses:
            what = "the proxy sends responses, and never the final one"
            fail_connection(draft, connection, FailureKind.PROXY, what)
            return False
        flow = while_waiting(flow, b"", 0, count)
        connection = with_flow(connection, flow, connection.deadline)
        draft.put(connection)
        return bool(rest) and receive_from_proxy(draft, connection, rest)
    if not 200 <= head.status < 300:
        reason = f" {head.reason}" if head.reason else ""
        what = f"the proxy made no tunnel: it answered {head.status}{reason}"
        fail_connection(draft, connection, FailureKind.PROXY, what)
        return False
    if buffer[head.size :]:
        what = "the proxy sent more before anything was asked for"
        fail_connection(draft, connection, FailureKind.PROXY, what)
        return False
    if connection.route.is_secure:
        secure(draft, connection)
        return False
    return True


def secure(draft: Draft, connection: Connection) -> None:
    """Begin the handshake of TLS."""
    deadline = after(draft.now, timeouts_of(draft, connection).tls)
    draft.put(in_phase(connection, Phase.SECURING, deadline))
    route = connection.route
    draft.order(StartTls(connection.number, route.host, route.tls))


def on_handshake_failed(
    draft: Draft, connection: Connection, error: str, is_certificate: bool
) -> None:
    """The handshake has failed."""
    if connection.phase is Phase.SECURING_PROXY:
        what = f"the TLS handshake with the proxy failed: {error}"
        if is_certificate:
            host = connection.route.next_host
            what = f"the certificate of the proxy is not one to be trusted for {host}: {error}"
        fail_connection(draft, connection, FailureKind.PROXY, what)
        return
    if connection.phase is not Phase.SECURING:
        return
    if is_certificate:
        host = connection.route.host
        what = f"the certificate is not one to be trusted for {host}: {error}"
        fail_connection(draft, connection, FailureKind.CERTIFICATE, what)
    else:
        fail_connection(draft, connection, FailureKind.TLS, f"the TLS handshake failed: {error}")
