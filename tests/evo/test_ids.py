"""Ids are UUIDs that say whom they name, to who knows the prefix."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil import Conn, Limits
from sigil.evo.ids import (
    GENERATION_BITS,
    NUMBER_BITS,
    PREFIX_BITS,
    SLOT_BITS,
    WEBSOCKET,
    Named,
    check_id,
    decode_id,
    draw_prefix,
    encode_id,
)

PREFIXES = st.integers(0, 2**PREFIX_BITS - 1)
CONNS = st.builds(Conn, st.integers(0, 2**SLOT_BITS - 1), st.integers(0, 2**GENERATION_BITS - 1))
NUMBERS = st.integers(0, 2**NUMBER_BITS - 1)


def test_an_id_is_this_text() -> None:
    assert encode_id(0xDEADBEEF, Conn(5, 7), 3) == "deadbeef-0000-8140-8000-0001c0000003"
    assert encode_id(0, Conn(0, 0), WEBSOCKET) == "00000000-0000-8000-8000-000000000000"


@given(PREFIXES, CONNS, NUMBERS)
def test_an_id_is_a_uuid_and_names_what_it_was_made_of(
    prefix: int, conn: Conn, number: int
) -> None:
    text = encode_id(prefix, conn, number)
    assert str(uuid.UUID(text)) == text
    assert (uuid.UUID(text).version, uuid.UUID(text).variant) == (8, uuid.RFC_4122)
    assert decode_id(prefix, text) == Named(conn, number)
    assert decode_id(prefix ^ 1, text) is None


@given(st.lists(st.tuples(CONNS, NUMBERS), min_size=2, max_size=2, unique=True))
def test_two_requests_never_have_one_id(two: list[tuple[Conn, int]]) -> None:
    assert len({encode_id(1, conn, number) for conn, number in two}) == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SERVER",
        "deadbeef",
        str(uuid.UUID(int=0)),
        "c232ab00-9414-11ec-b3c8-9f6bdeced846",
        "\N{SNOWMAN}" * 36,
    ],
)
def test_a_text_that_is_no_id_names_nobody(text: str) -> None:
    assert decode_id(0, text) is None


@pytest.mark.parametrize(
    ("conn", "number"),
    [
        (Conn(2**SLOT_BITS, 0), 0),
        (Conn(0, 2**GENERATION_BITS), 0),
        (Conn(0, 0), 2**NUMBER_BITS),
    ],
)
def test_what_has_no_room_is_refused_and_not_cut(conn: Conn, number: int) -> None:
    with pytest.raises(OverflowError, match="has no room"):
        encode_id(0, conn, number)


def test_there_is_room_for_what_the_limits_allow() -> None:
    assert PREFIX_BITS + SLOT_BITS + GENERATION_BITS + NUMBER_BITS == 122
    assert Limits().max_requests_per_connection < 2**NUMBER_BITS
    assert 0 <= draw_prefix() < 2**PREFIX_BITS
    assert len({draw_prefix() for _ in range(20)}) > 15


def test_an_id_is_a_str() -> None:
    assert check_id("anything") == "anything"
    with pytest.raises(TypeError, match="an id is a str, not Conn"):
        check_id(Conn(0, 0))
