"""What a client keeps of requests that are over: nothing that grows with them."""

from sigil.core.client.effects import Connect
from sigil.core.client.events import Connected, DataReceived, RequestAbandoned
from sigil.core.client.failures import FailureKind
from sigil.core.client.limits import ClientLimits, Timeouts
from sigil.core.client.requests import RequestOptions
from tests.support.core_agent import Driven, request_to

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LONG = RequestOptions(timeouts=Timeouts(whole=3_600.0))


def test_timers_of_what_is_over_are_forgotten() -> None:
    client = Driven()
    client.ask(request_to(options=LONG))
    client.tell(Connected(0, 0), DataReceived(0, OK))
    for _ in range(2_000):
        client.ask(request_to(options=LONG))
        client.tell(DataReceived(0, OK))
    assert client.agent.timers.count < 300
    assert client.agent.timers.count == sum(map(len, client.agent.timers.buckets.values()))


def test_deadlines_are_kept_when_timers_are_made_anew() -> None:
    client = Driven(ClientLimits(max_connections_per_origin=1))
    client.ask(request_to(options=LONG))
    client.ask(request_to(options=RequestOptions(timeouts=Timeouts(whole=50.0))))
    for _ in range(1_000):
        number = client.ask(request_to("http://127.0.0.2/", options=LONG))
        client.tell(RequestAbandoned(number, FailureKind.CANCELLED, ""))
    assert client.agent.timers.count < 300
    assert client.at(9.0) == []
    assert len(client.at(11.0)) >= 2 and 0 not in client.agent.calls  # no connection in time
    client.at(51.0)
    assert not client.agent.calls


def test_queues_do_not_grow_with_requests_that_were_abandoned() -> None:
    client = Driven(ClientLimits(max_connections_per_origin=1, max_connections=1))
    client.ask()
    for host in ("127.0.0.1", "127.0.0.2") * 500:
        number = client.ask(f"http://{host}/")
        client.tell(RequestAbandoned(number, FailureKind.CANCELLED, ""))
    assert sum(len(pool.waiting) for pool in client.agent.pools.values()) < 50
    assert len(client.agent.blocked) < 50
    assert client.agent.waiting_count == 0
    client.ask("http://127.0.0.2/")
    client.tell(RequestAbandoned(0, FailureKind.CANCELLED, ""))
    assert [effect.address.host for effect in client.of(Connect)] == ["127.0.0.2"]


def test_a_time_beyond_all_bounds_is_never() -> None:
    client = Driven()
    client.ask(request_to(options=RequestOptions(timeouts=Timeouts(*[1e308] * 7))))
    client.tell(Connected(0, 0), DataReceived(0, OK))
    assert not client.agent.calls


def test_room_that_was_made_is_for_who_has_made_it() -> None:
    client = Driven(ClientLimits(max_connections=2, max_connections_per_origin=1))
    hosts = [f"http://127.0.0.{number}/" for number in range(1, 6)]
    for host in hosts[:2]:
        client.ask(host)
    for number in (0, 1):
        client.tell(Connected(number, 0))
    for host in hosts[2:]:
        client.ask(host)  # they wait for room
    client.tell(DataReceived(0, OK), DataReceived(1, OK))
    assert client.agent.connection_count == len(client.agent.connections) == 2
    for number in range(2, 5):
        client.tell(Connected(number, 0), DataReceived(number, OK))
        assert client.agent.connection_count <= 2
    assert not client.agent.calls and client.agent.waiting_count == 0
