"""What packs a turn: the fast packer makes the bytes of msgpack, and what it refuses is packed all
the same.
"""

import enum
from datetime import UTC, datetime
from fractions import Fraction

import msgpack
import pytest
from hypothesis import given, settings

from sigil.core.conn import Conn, Ticket
from sigil.core.events import Event, HandlerReturned
from sigil.core.http.response import Response
from sigil.core.trace.events import event_fields, read_event
from sigil.core.trace.placeholder import Placeholder
from sigil.core.trace.plain import Restorer
from sigil.shell.recording.packages import packer, unpack
from tests.support.builds import needs_pure_sources
from tests.support.trace_values import any_event

pack = packer()


@needs_pure_sources
@settings(max_examples=150, deadline=None)
@given(any_event)
def test_every_event_is_packed_as_msgpack_does(event: Event) -> None:
    row = event_fields(event)
    assert pack(row) == msgpack.packb(row, unicode_errors="surrogatepass")
    assert read_event(unpack(pack(row)), Restorer()) == event


class Text(str):
    __slots__ = ()


class Data(bytes):
    __slots__ = ()


class Number(int):
    __slots__ = ()


class Colour(enum.IntEnum):
    RED = 3


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("half of a pair: \ud800", "half of a pair: \ud800"),
        (Text("derived"), "derived"),
        (Data(b"derived"), b"derived"),
        (Number(7), 7),
        (Colour.RED, 3),
        (bytearray(b"changing"), b"changing"),
        (memoryview(b"a view"), b"a view"),
        (-(2**63), -(2**63)),
        (2**64 - 1, 2**64 - 1),
        (float("-inf"), float("-inf")),
        ((None, True, "", b"", ()), (None, True, "", b"", ())),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_derived_from_a_scalar_is_packed_as_one(value: object, read: object) -> None:
    assert unpack(pack((1, value, (value,)))) == (1, read, (read,))


PARTS = {
    "status": lambda odd: Response(odd, (), b""),
    "the fields": lambda odd: Response(200, odd, b""),
    "a pair": lambda odd: Response(200, (odd,), b""),
    "a name": lambda odd: Response(200, ((odd, "value"),), b""),
    "a value": lambda odd: Response(200, (("Name", odd),), b""),
    "the reason": lambda odd: Response(200, (), b"", odd),
}


@needs_pure_sources  # the compiled core refuses what is not of its type
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("odd", [datetime.now(UTC), Fraction(1, 3)], ids=["datetime", "Fraction"])
def test_what_a_program_has_put_into_a_response_comes_back_as_a_placeholder(
    part: str, odd: object
) -> None:
    ticket = Ticket(Conn(0, 1), 2)
    row = event_fields(HandlerReturned(ticket, (PARTS[part](odd),)))
    name = f"{type(odd).__module__}.{type(odd).__qualname__}"
    expected = PARTS[part](Placeholder(name))
    assert read_event(unpack(pack(row)), Restorer()) == HandlerReturned(ticket, (expected,))
