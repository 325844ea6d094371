"""What is shown of values: never more than fits on a screen or two."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from pyrsistent import pmap, pset, pvector

from sigil import Conn, Limits, Request, Response
from sigil.core.bounded_repr import MAX_REPR_LEN, bounded_repr
from sigil.core.effects import Effect
from sigil.core.events import Event, Received
from sigil.core.http.headers import Headers
from sigil.core.parse_result import NeedMore
from sigil.core.value import Value
from sigil.testing import Client
from tests.support.builds import needs_pure_sources

A_FEW_KB = 2 * MAX_REPR_LEN


class Plain(NamedTuple):
    """A record that is not of sigil."""

    name: Any
    other: Any = None


SMALL: list[Any] = [
    None,
    3,
    "text",
    b"bytes",
    (),
    (1,),
    (1, "b"),
    [],
    [1, [2]],
    {},
    {"a": (1,)},
    set(),
    {1},
    frozenset(),
    frozenset([1]),
    pvector(),
    pvector([1]),
    pmap(),
    pmap({1: 2}),
    pset(),
    pset([1]),
    Plain("x", (Plain(None),)),
]


@pytest.mark.parametrize("value", SMALL, ids=repr)
def test_what_is_small_is_shown_as_always(value: Any) -> None:
    assert bounded_repr(value) == repr(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x" * 1_000, f"'{'x' * 200}'... of 1000"),
        (b"x" * 10**7, f"b'{'x' * 200}'... of 10000000"),
        (memoryview(b"abc"), "memoryview(b'abc')"),
        (memoryview(b""), "memoryview(b'')"),
        (memoryview(b"abcdef")[::2], "memoryview(b'ace')"),
        (memoryview(b"abcdefgh").cast("I"), "memoryview(b'abcdefgh')"),
        (frozenset("hello world"), "frozenset({' ', 'd', 'e', 'h', 'l', 'o', 'r', 'w'})"),
        ({3, "b", (1,), "a"}, "{'a', 'b', (1,), 3}"),
        (Plain(b"x" * 201), f"Plain(name=b'{'x' * 200}'... of 201, other=None)"),
    ],
)
def test_of_what_is_large_the_beginning_is_shown(value: Any, text: str) -> None:
    assert bounded_repr(value) == text


def nested(depth: int) -> Any:
    """A value of which each level has many."""
    return "x" * 150 if depth == 0 else Plain(*[[nested(depth - 1)] * 100] * 2)


@pytest.mark.parametrize(
    "value",
    [
        list(range(10**6)),
        pvector(range(10**5)),
        pmap(dict.fromkeys(range(1000), "x" * 100)),
        pset(range(10**5)),
        nested(1),
        nested(2),
        nested(3),
    ],
    ids=lambda value: type(value).__name__,
)
def test_however_much_there_is(value: Any) -> None:
    text = bounded_repr(value)
    assert len(text) < A_FEW_KB and "in all" in text


def reachable(value: Any, seen: set[int]) -> Iterator[Any]:
    """A value, and all that can be reached from it by fields and items."""
    if id(value) in seen or isinstance(value, str | bytes | int | float | None):
        return
    seen.add(id(value))
    yield value
    items = value.values() if hasattr(value, "values") else value
    if isinstance(value, Value):
        items = [getattr(value, name) for name in value.__match_args__]
    if isinstance(items, Headers) or not hasattr(items, "__iter__"):
        return
    for item in items:
        yield from reachable(item, seen)


def busy() -> Client:
    """A server with much of everything."""
    client = Client(respond, limits=Limits(history_messages=1_000))
    for number in range(60):
        connection = client.connect(window_len=1_000)
        if number % 3 == 0:
            client.websocket("/ws").send("hello" * 1_000)
        elif number % 3 == 1:
            connection.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n" * 60)
        else:
            connection.send(
                b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n" + b"x" * 8_000
            )
    for number in range(500):
        client.server.broadcast("m" * 10_000, topic=f"topic {number}")
    client.run_until_idle()
    return client


def respond(request: Request) -> Response:
    """Much of it, or a WebSocket with many topics."""
    if request.path == "/ws":
        return Response.upgrade(topics=[f"topic {number}" for number in range(200)], history=100)
    return Response.bytes(b"y" * 100_000)


def test_the_repr_of_a_server_and_of_whatever_is_in_it_is_bounded() -> None:
    client, count = busy(), 0
    for value in reachable(client.state, set()):
        if isinstance(value, Value):
            count += 1
            assert len(repr(value)) < A_FEW_KB, type(value)
    assert count > 500


LARGE = (b"x" * 10**6, ["x" * 10**6], ("x" * 10**6,) * 10**4, Plain(b"x" * 10**6))


@needs_pure_sources
@pytest.mark.parametrize("kind", [*Event.__args__, *Effect.__args__, Request, Response])
@pytest.mark.parametrize("number", range(len(LARGE)))
def test_the_repr_of_every_event_and_effect_is_bounded(kind: Any, number: int) -> None:
    record = kind(*[LARGE[number]] * len(kind.__match_args__))
    assert len(repr(record)) < A_FEW_KB
    assert repr(record).startswith(f"{kind.__name__}(")


def test_a_record_is_shown_as_it_is_made() -> None:
    assert repr(NeedMore(3)) == "NeedMore(scan=3)"
    assert repr(Conn(1, 2)) == "Conn(slot=1, generation=2)"
    assert (
        repr(Received(Conn(1, 2), b"x")) == "Received(conn=Conn(slot=1, generation=2), data=b'x')"
    )


def test_a_view_is_shown_up_to_some_length_and_one_that_was_released_as_that() -> None:
    assert bounded_repr(memoryview(b"x" * 300)) == f"memoryview({b'x' * 200!r}... of 300)"
    view = memoryview(b"abc")
    view.release()
    assert bounded_repr(view) == "<released memoryview>"
