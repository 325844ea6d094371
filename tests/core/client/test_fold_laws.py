"""Laws of the client's fold, over random stories: whatever happens in whatever order, the counts
are right, no bound is passed, the same events have the same effects, and nothing is left behind.
"""

import pickle
import random

import pytest

from sigil.core.client.agent import Agent, CallState, make_agent
from sigil.core.client.connection import Phase
from sigil.core.client.events import (
    ClientClosed,
    ClientEvent,
    Connected,
    ConnectFailed,
    ConnectionBroken,
    ConnectionStale,
    DataReceived,
    EndReceived,
    HandshakeDone,
    PieceMade,
    RequestAbandoned,
    RequestMade,
    Resolved,
    ResponseWanted,
    SendBlocked,
    SendDrained,
)
from sigil.core.client.failures import FailureKind
from sigil.core.client.fold import advance
from sigil.core.client.limits import ClientLimits, Timeouts
from sigil.core.client.proxies import proxies_from
from sigil.core.client.racing import Address
from sigil.core.client.requests import RequestOptions
from sigil.core.events import InputRead, TimeRead
from tests.support.core_agent import request_to

LIMITS = ClientLimits(max_connections=4, max_connections_per_origin=2, max_waiting_requests=20)
PROXIES = proxies_from({"http_proxy": "user:secret@proxy:1", "no_proxy": "h1,h2 .x"})
ADDRESSES = (Address(6, "::1", 1), Address(4, "127.0.0.1", 1))
HOSTS = ("h1", "h2", "a.b.example", "127.0.0.1", "b.example")
HEAD = b"HTTP/1.1 200 OK\r\n"
ANSWERS = (
    HEAD + b"Set-Cookie: a=1\r\nSet-Cookie: b=2; Domain=b.example\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 302 Found\r\nLocation: //h2/z\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 307 Found\r\nLocation: //b.example/z\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    b"0\r\n\r\n",
    b"junk",
)


def made(chance: random.Random, number: int) -> RequestMade:
    """A request of some kind."""
    body = chance.choice([b"", b"body", None])
    options = RequestOptions(
        timeouts=Timeouts(whole=chance.choice([None, 5.0])), waits_as_asked=True
    )
    url = f"{chance.choice(['http', 'https'])}://{chance.choice(HOSTS)}/x/y"
    method = chance.choice(["GET", "POST", "PUT"])
    length = -1 if body is None else 0
    request = request_to(url, method, (), body, length, can_rewind=True, options=options)
    return RequestMade(number, request, bytes([number % 256]) * 32)


def event_for(chance: random.Random, agent: Agent, number: int) -> ClientEvent:
    """Something that happens to one of what there is."""
    connection = chance.choice(sorted(agent.connections) or [0])
    call = chance.choice(sorted(agent.calls) or [0])
    data = DataReceived(connection, chance.choice(ANSWERS))
    events: list[ClientEvent] = [
        Resolved(connection, ADDRESSES),
        Connected(connection, chance.randrange(2)),
        ConnectFailed(connection, chance.randrange(2), "no"),
        HandshakeDone(connection),
        *[data] * 4,
        chance.choice(
            [
                EndReceived(connection),
                ConnectionBroken(connection, "x"),
                ConnectionStale(connection),
                SendBlocked(connection),
                SendDrained(connection),
            ]
        ),
        RequestAbandoned(call, FailureKind.CANCELLED, "x"),
        PieceMade(call, chance.choice([b"", b"piece"])),
        ResponseWanted(call, chance.random() < 0.5),
        *[made(chance, number)] * 4,
    ]
    return chance.choice(events)


def check(agent: Agent) -> None:
    """What is always so."""
    connections, calls = agent.connections.values(), agent.calls.values()
    pools = agent.pools.values()
    assert agent.connection_count == len(connections) <= LIMITS.max_connections
    assert agent.connection_count == sum(pool.count for pool in pools)
    assert all(pool.count <= LIMITS.max_connections_per_origin for pool in pools)
    assert agent.waiting_count == sum(call.state is not CallState.ACTIVE for call in calls)
    idle = sum(connection.phase is Phase.IDLE for connection in connections)
    assert agent.idle_count == idle == sum(len(pool.idle) for pool in pools)
    assert agent.timers.count == sum(map(len, agent.timers.buckets.values()))
    for call in calls:
        if call.state is CallState.ACTIVE:
            assert agent.connections[call.connection].request == call.number


@pytest.mark.parametrize("seed", range(20))
def test_every_story_keeps_the_laws(seed: int) -> None:
    chance = random.Random(seed)
    agent = make_agent(LIMITS, "test", PROXIES if seed % 3 == 0 else proxies_from({}), 100.0)
    now = 100.0
    for number in range(200):
        events = [event_for(chance, agent, number)]
        if number % 8 == 0:
            now += chance.random() * 2
            events = [TimeRead(now, int(now)), InputRead()]
        after, effects = advance(agent, events)
        assert advance(agent, events) == (after, effects)
        assert pickle.loads(pickle.dumps(effects)) == effects
        agent = after
        check(agent)
    assert pickle.loads(pickle.dumps(agent)) == agent
    assert len(repr(agent)) < 20_000 and "secret" not in repr(agent)
    agent, _ = advance(agent, [ClientClosed("x")])
    assert not agent.calls and not agent.connections
