"""Effects in short."""

from typing import get_args
from zlib import crc32

import pytest
from pyrsistent import pset

from sigil.core.broadcast.entry import Subscription
from sigil.core.conn import Conn, Ticket
from sigil.core.effects import Effect, FanOut, Pull, Send, Then
from sigil.core.trace.summary import EFFECT_KINDS, shortener_of, summary_names, summary_of
from tests.support.trace_values import calls_of

CONN = Conn(0, 3)


def test_each_kind_of_effect_has_a_number_of_its_own() -> None:
    assert {kind.effect for kind in EFFECT_KINDS} == set(get_args(Effect))
    assert len({kind.number for kind in EFFECT_KINDS}) == len(EFFECT_KINDS)


@pytest.mark.parametrize("kind", EFFECT_KINDS, ids=lambda kind: kind.effect.__name__)
def test_the_fields_of_a_kind_are_those_of_its_effect(kind) -> None:
    whole = {name.partition(".")[0]: None for name in kind.fields}
    assert tuple(whole) == kind.effect.__match_args__
    assert set(kind.converters) <= set(kind.fields)


def test_bytes_are_a_length_and_a_checksum() -> None:
    send = Send(CONN, (b"ab", memoryview(b"xcdx")[1:3]), Then.KEEP)
    assert summary_of(send) == (21, 0, 3, (4, crc32(b"abcd")), 0)
    assert summary_of(send, has_checksums=False) == (21, 0, 3, (4, None), 0)


def test_a_ticket_is_three_numbers() -> None:
    assert summary_of(Pull(Ticket(CONN, 1))) == (18, 0, 3, 1)


def test_the_order_of_a_set_does_not_matter() -> None:
    conns = [Conn(number, number * 7) for number in range(40)]
    fan_outs = [
        FanOut(Subscription(), pset(order), b"frame", 1, 2) for order in (conns, conns[::-1])
    ]
    assert summary_of(fan_outs[0]) == summary_of(fan_outs[1])
    assert summary_of(fan_outs[0])[1:3] == ((0, 0), (40, 7 * 780))


def test_names() -> None:
    assert summary_names((18, 0, 3, 1)) == (
        "Pull",
        ("ticket.conn.slot", "ticket.conn.generation", "ticket.number"),
    )
    assert summary_names((99,)) == ("effect 99", ())
    assert summary_names(()) == ("effect None", ())


def test_every_effect_of_worlds_has_a_summary_with_all_its_fields() -> None:
    for seed in range(4):
        for call in calls_of(seed):
            for effect in call.effects:
                summary = summary_of(effect)
                _, names = summary_names(summary)
                assert len(summary) == 1 + len(names)


def test_what_is_written_out_is_what_the_table_says() -> None:
    by_table = {kind.effect: shortener_of(kind) for kind in EFFECT_KINDS}
    for call in calls_of(1):
        for effect in call.effects:
            for has_checksums in (True, False):
                assert summary_of(effect, has_checksums) == by_table[type(effect)](
                    effect, has_checksums
                )
