"""What is encoded when it is asked for: a little in every tick, once, and the right bytes."""

import pytest

from sigil.core.broadcast.encoding import Encoding, encode_message
from sigil.core.broadcast.recoding import ENTRY_LEN, NOTHING_RECODED, in_tick, remember
from sigil.core.conn import Ticket
from sigil.core.connection.client_status import is_in_cohort
from sigil.core.effects import Send
from sigil.core.events import HandlerReturned, Received, TickStarted, Writable
from sigil.core.http.response import Response
from sigil.core.limits import Limits
from sigil.core.server import advance
from sigil.core.server.slots import find_client
from sigil.core.server.state import Server
from tests.support.builds import needs_pure_sources
from tests.support.core_websockets import bytes_to
from tests.support.crowds import FLUSH, conns_of, idle, published
from tests.support.requests import GET, UPGRADE

HISTORY = 300
LIMITS = Limits(history_messages=HISTORY, max_recode_len_per_tick=40_000)
DEFLATE = UPGRADE[:-2] + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
WAYS = {
    "event stream": (GET, Response.sse(history=HISTORY), Encoding.SSE),
    "deflate": (DEFLATE, Response.upgrade(history=HISTORY), Encoding.DEFLATE_15),
}


def past(count: int = HISTORY, clients: int = 1) -> Server:
    """A server to which so many messages of 250 bytes were published, and clients to come."""
    return published(idle(clients, LIMITS), count, 250)


def asking(server: Server, way: str, place: int = 0) -> Server:
    """The server when one of its clients has asked for all of them in an encoding of its own."""
    raw, response, _ = WAYS[way]
    conn = conns_of(server)[place]
    events = [Received(conn, raw), HandlerReturned(Ticket(conn, 0), (response,))]
    return advance(server, events)[0]


def ticks(server: Server, place: int = 0) -> tuple[Server, list[bytes], list[int]]:
    """The server when the client has taken all, what it was sent in each tick, and how many frames
    were remembered after each.
    """
    conn, sent, counts = conns_of(server)[place], list[bytes](), list[int]()
    for number in range(1, 100):
        server, effects = advance(
            server, [TickStarted(number * 0.01, number), Writable(conn), FLUSH]
        )
        sent.append(bytes_to(conn, effects))
        counts.append(len(server.broadcast.ring.recoded.frames))
        client = find_client(server.slots, conn)
        assert client is not None
        if is_in_cohort(client):
            return server, sent, counts
    raise AssertionError("the client never catches up")


def expected(way: str) -> bytes:
    """All messages as a client is sent them."""
    encoding = WAYS[way][2]
    return b"".join(
        [
            encode_message(1, b"%0250d" % number, encoding, f"0-{number + 1}")
            for number in range(HISTORY)
        ]
    )


@pytest.mark.parametrize("way", WAYS)
def test_a_history_in_an_encoding_of_its_own_is_spread_over_ticks_and_whole(way: str) -> None:
    _, sent, counts = ticks(asking(past(), way))
    assert b"".join(sent) == expected(way)
    per_tick = LIMITS.max_recode_len_per_tick // (250 + 4 + ENTRY_LEN) + 1
    steps = [after - before for before, after in zip([0, *counts], counts, strict=False)]
    assert max(steps) <= per_tick
    assert len([step for step in steps if step]) == -(-HISTORY // per_tick)


@needs_pure_sources
@pytest.mark.parametrize("way", WAYS)
def test_the_next_who_asks_has_it_for_nothing(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    server, _, _ = ticks(asking(past(clients=2), way))
    monkeypatch.setattr("sigil.core.broadcast.recoding.recode", None)
    _, sent, _ = ticks(asking(server, way, 1), 1)
    assert b"".join(sent) == expected(way)


def test_many_who_ask_share_what_a_tick_allows() -> None:
    server = past(clients=8)
    for place in range(8):
        server = asking(server, ("deflate", "event stream")[place % 2], place)
    before = server.broadcast.ring.recoded
    events = [TickStarted(1.0, 1), *map(Writable, conns_of(server)), FLUSH]
    server, effects = advance(server, events)
    encoded = len(server.broadcast.ring.recoded.frames) - len(before.frames)
    assert 0 < encoded <= LIMITS.max_recode_len_per_tick // (250 + 4 + ENTRY_LEN) + 1
    assert server.broadcast.ring.recoded.allowance > -250 - 4 - ENTRY_LEN
    assert any(isinstance(effect, Send) for effect in effects)


def test_what_is_remembered_is_bounded_and_the_first_is_kept() -> None:
    limits = Limits(max_recoded_len=5 * (100 + ENTRY_LEN))
    recoded = NOTHING_RECODED
    for number in range(100):
        recoded = remember(recoded, {(number, Encoding.SSE): b"x" * 100}, 0, limits)
        assert recoded.length <= limits.max_recoded_len
        assert (number, Encoding.SSE) in recoded.frames
    large = {(number, Encoding.SSE): b"x" * 9_000 for number in range(3)}
    assert list(remember(recoded, large, 0, limits).frames) == [(0, Encoding.SSE)]


def test_the_allowance_is_that_of_the_tick() -> None:
    recoded = in_tick(NOTHING_RECODED, 1.0, LIMITS)
    assert recoded.allowance == LIMITS.max_recode_len_per_tick
    spent = remember(recoded, {}, 30_000, LIMITS)
    assert in_tick(spent, 1.0, LIMITS) is spent
    assert in_tick(spent, 2.0, LIMITS).allowance == LIMITS.max_recode_len_per_tick
