"""Every event is a flat tuple, and comes back from it."""

from typing import get_args

import msgpack
import pytest
from hypothesis import given, settings

from sigil.core.conn import Conn
from sigil.core.events import Event, HalfClosed, TickStarted
from sigil.core.trace.events import event_fields, field_names, read_event, writer_of
from sigil.core.trace.kinds import KINDS
from sigil.core.trace.plain import PlainError, Restorer
from tests.support.builds import needs_pure_sources
from tests.support.trace_values import any_event

BY_EVENT = {kind.event: kind for kind in KINDS}


def packed_and_back(plain: object) -> object:
    """What msgpack makes of it."""
    data = msgpack.packb(plain, unicode_errors="surrogatepass")
    return msgpack.unpackb(data, use_list=False, unicode_errors="surrogatepass")


@needs_pure_sources
@settings(max_examples=150, deadline=None)
@given(any_event)
def test_an_event_comes_back_from_its_fields(event: Event) -> None:
    assert read_event(event_fields(event), Restorer()) == event


@needs_pure_sources
@settings(max_examples=80, deadline=None)
@given(any_event)
def test_an_event_comes_back_from_msgpack(event: Event) -> None:
    assert read_event(packed_and_back(event_fields(event)), Restorer()) == event


@needs_pure_sources
@settings(max_examples=150, deadline=None)
@given(any_event)
def test_what_is_written_out_is_what_the_table_says(event: Event) -> None:
    assert event_fields(event) == writer_of(BY_EVENT[type(event)])(event)


def test_each_kind_of_event_has_a_number_of_its_own() -> None:
    assert {kind.event for kind in KINDS} == set(get_args(Event))
    assert len({kind.number for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.event.__name__)
def test_the_fields_of_a_kind_are_those_of_its_event(kind) -> None:
    whole = {name.partition(".")[0]: None for name in field_names(kind)}
    assert tuple(whole) == kind.event.__match_args__


def test_a_literal_event() -> None:
    assert event_fields(HalfClosed(Conn(0, 3))) == (7, 0, 3)
    assert event_fields(TickStarted(1.5, 7)) == (1, 1.5, 7)


def test_what_is_no_event_is_named() -> None:
    with pytest.raises(PlainError, match="kind of event 99 is not known"):
        read_event((99, 1), Restorer())
    with pytest.raises(PlainError, match="kind of event None"):
        read_event((), Restorer())
    with pytest.raises(PlainError, match="a Received cannot be made"):
        read_event((6, 1), Restorer())


def test_a_field_of_a_newer_version_is_passed_over_and_one_of_an_older_is_its_default() -> None:
    assert read_event((7, 0, 3, "new"), Restorer()) == HalfClosed(Conn(0, 3))
    event = read_event((4, 5, ("127.0.0.1", 80)), Restorer())
    assert event.is_tls is False
