"""Kept states: they share what did not change, and compare and pickle as the values they are.

Theory: whoever records, compares or goes back keeps thousands of states, which only works if one
costs what happened in its turn. Bytes are counted as Python allocates them, so the figure is the
same on every machine of one kind; `tests/bench/snapshot_cost.py` prints more of them.

Rules: bounds have room for other versions of Python, and are far below what a copy of anything
would take. Nothing is timed.
"""

import copy
import gc
import pickle
import tracemalloc

import pytest

from sigil import Response
from sigil.core.events import Flush, HandlerReturned, Received
from sigil.core.http.bodies import FileBody
from sigil.core.server import advance
from sigil.core.server.state import Server
from sigil.testing import Client
from tests.support.builds import needs_pure_sources
from tests.support.core_driver import CONN, get, serving, ticket
from tests.support.crowds import publishing
from tests.support.traffic import LIVE, MIXES, Mix, crowd, turns
from tests.support.work import calls_of

BYTES_PER_STATE = 20_000
"""Ten thousand of them are 200 MB."""
WARM, KEPT = 64, 200


@pytest.fixture(scope="module")
def live() -> Server:
    """A server with 1,000 clients and a full ring, some of whom are behind."""
    return turns(crowd(1_000), LIVE, 0, WARM)[-1]


def kept_bytes(server: Server, mix: Mix) -> float:
    """Bytes that each kept state of so many turns adds."""
    turns(server, mix, WARM, 1)
    gc.collect()
    tracemalloc.start()
    kept = turns(server, mix, WARM, KEPT)
    gc.collect()
    allocated, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return allocated / len(kept)


def test_ten_thousand_states_under_live_traffic_are_less_than_200_mb(live: Server) -> None:
    ring = live.broadcast.ring
    assert ring.head_number - ring.tail_number == ring.max_frames and live.slots.used == 1_000
    assert live.broadcast.laggards
    assert kept_bytes(live, LIVE) < BYTES_PER_STATE


@pytest.mark.parametrize("mix", MIXES[:4], ids=lambda mix: mix.name)
def test_a_kept_state_costs_what_happened_in_its_turn(live: Server, mix: Mix) -> None:
    assert kept_bytes(live, mix) < 3_000


def test_it_does_not_cost_more_among_many(live: Server) -> None:
    few = turns(crowd(100), LIVE, 0, WARM)[-1]
    assert kept_bytes(live, LIVE) < 1.5 * kept_bytes(few, LIVE)


@needs_pure_sources
def test_states_that_share_are_compared_without_looking_into_what_they_share(live: Server) -> None:
    before, after = turns(live, LIVE, WARM, 2)
    again = after.replace()
    assert again is not after and again == after and before != after
    calls = calls_of(lambda: again == after)
    assert calls < 50, "parts that are the same are known by identity"
    # one turn ago, all was nearly the same: an entry is compared, but not what is in it
    assert calls_of(lambda: before == after) < 10_000


def test_states_that_share_nothing_are_equal_by_value(live: Server) -> None:
    other = turns(crowd(1_000), LIVE, 0, WARM)[-1]
    assert other is not live and other == live and hash(other) == hash(live)


def test_a_state_is_pickled_and_goes_on_as_if_it_had_not_been(live: Server) -> None:
    other = pickle.loads(pickle.dumps(live))
    assert other == live
    on, other_on = turns(live, LIVE, WARM, 20)[-1], turns(other, LIVE, WARM, 20)[-1]
    assert other_on == on
    for events in ([publishing("one more"), Flush(None)], [Received(CONN, b"\x88\x80abcd")]):
        assert advance(other_on, events) == advance(on, events)


def test_states_with_everything_are_pickled() -> None:
    def app(request: object) -> Response:
        return Response.upgrade(topics=["a", "b"], history=3, slow="skip")

    with Client(app) as client:
        sockets = [client.websocket("/") for _ in range(3)]
        client.server.broadcast("kept", topic="a", retain=True)
        client.server.broadcast("newest", topic="b", latest=True)
        sockets[0].send("hello")
        client.connect().send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf")
        client.run_until_idle()
        state = client.state
        assert pickle.loads(pickle.dumps(state)) == state == copy.deepcopy(state)


def test_what_cannot_be_pickled_is_a_sentence() -> None:
    def chunks() -> object:
        yield b"x"

    server, _ = advance(serving(), [Received(CONN, get("/1") + get("/2"))])
    early = HandlerReturned(ticket(1), (Response.stream(chunks()),))  # type: ignore[arg-type]
    server, _ = advance(server, [early])
    with pytest.raises(TypeError, match="its chunks are a generator, which goes on in its own"):
        pickle.dumps(server)
    with open(__file__, "rb") as file, pytest.raises(TypeError, match="is open in this process"):
        pickle.dumps(FileBody(file))
    assert pickle.loads(pickle.dumps(Response.file("page.html"))) == Response.file("page.html")
