"""What is done faster for a connection at rest is what the general way does, to the last field of
the record.
"""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigil import Limits, Response
from sigil.core.conn import Ticket
from sigil.core.connection.client import IDLE_HTTP, Client, make_client
from sigil.core.connection.context import Context
from sigil.core.connection.deadlines import after_transition
from sigil.core.connection.transitions import TRANSITIONS
from sigil.core.effects import Effect, Handle, Send
from sigil.core.events import Event, HandlerReturned, Received
from sigil.core.http.head import parse_headers_only
from sigil.core.server import make_server
from sigil.core.server.batch import make_context
from tests.support.core_driver import CONN, PEER, same

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
PIECES = (
    GET,
    b"HEAD /a?b HTTP/1.1\r\nHost: a\r\nCookie: c=d\r\n\r\n",
    b"\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / H",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
)
BODIES = st.sampled_from((b"", b"hello", b"x" * 20_000))


def context_at(now: float, limits: Limits) -> Context:
    """What transitions know of a quiet server at this time."""
    return make_context(make_server(limits, now, 0), parse_headers_only)


def both_ways(
    client: Client, event: Event, context: Context
) -> tuple[tuple[Client, list[Effect]] | None, Client, list[Effect]]:
    """What the fast way makes of an event, if it does, and what the general one does."""
    transition = TRANSITIONS[type(event)]
    assert transition.idle_http is not None
    after, effects = transition.apply(client, event, context)
    assert isinstance(after, Client)
    return (
        transition.idle_http(client, event, context),
        *after_transition(client, after, effects, context),
    )


def summary(effects: Sequence[Effect]) -> tuple[list[Effect], bytes]:
    """The orders, with all that is sent joined."""
    sent = b"".join(b"".join(effect.segments) for effect in effects if isinstance(effect, Send))
    return [effect for effect in effects if not isinstance(effect, Send)], sent


def is_alike(
    fast: tuple[Client, list[Effect]] | None, client: Client, effects: list[Effect]
) -> bool:
    """True if the fast way declined, or did the same."""
    return fast is None or (same(fast[0], client) and same(summary(fast[1]), summary(effects)))


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=6),
    st.sampled_from((1, 2, 3, 100)),
    st.sampled_from((1, 2, 3, 100)),
)
def test_a_read_at_rest(pieces: list[bytes], queued: int, most: int) -> None:
    limits = Limits(max_queued_requests=queued, max_requests_per_connection=most)
    event = Received(CONN, b"".join(pieces))
    assert is_alike(*both_ways(make_client(CONN, PEER, 1.0), event, context_at(9.0, limits)))


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 4), st.integers(0, 2), st.lists(BODIES, min_size=1, max_size=5))
def test_an_answer_at_rest(asked: int, number: int, bodies: list[bytes]) -> None:
    context = context_at(9.0, Limits())
    client, _ = both_ways(make_client(CONN, PEER, 1.0), Received(CONN, GET * asked), context)[1:]
    event = HandlerReturned(Ticket(CONN, number), tuple(map(Response.bytes, bodies)))
    later = context_at(12.0, Limits())
    fast, after, effects = both_ways(client, event, later)
    assert is_alike(fast, after, effects)
    assert (fast is None) == (number > 0 or len(bodies) > asked or b"x" in b"".join(bodies))


@pytest.mark.parametrize("count", [1, 2, 16])
def test_simple_requests_and_nothing_else_are_read_the_fast_way(count: int) -> None:
    fast = both_ways(
        make_client(CONN, PEER, 1.0), Received(CONN, GET * count), context_at(9.0, Limits())
    )[0]
    assert fast is not None
    client, (order,) = fast
    assert isinstance(order, Handle)
    assert (len(order.requests), client.incoming is IDLE_HTTP, client.waiting_since) == (
        count,
        True,
        9.0,
    )


@pytest.mark.parametrize(
    ("data", "limits"),
    [
        (GET + GET[:9], Limits()),
        (b"\r\n\r\n", Limits()),
        (GET * 3, Limits(max_queued_requests=2)),
        (GET * 3, Limits(max_requests_per_connection=3)),
        (GET + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", Limits()),
    ],
)
def test_anything_else_is_read_the_general_way(data: bytes, limits: Limits) -> None:
    assert (
        both_ways(make_client(CONN, PEER, 1.0), Received(CONN, data), context_at(9.0, limits))[0]
        is None
    )
