"""Values become plain structures, and come back from them."""

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyrsistent import pmap, pset, pvector

from sigil.core.close_reasons import CloseReason
from sigil.core.conn import Conn
from sigil.core.connection.outgoing import NOTHING_OUTGOING
from sigil.core.events import Event
from sigil.core.limits import Limits
from sigil.core.server import advance, make_server
from sigil.core.topics import topics_of
from sigil.core.trace.events import event_fields, read_event
from sigil.core.trace.placeholder import Placeholder
from sigil.core.trace.plain import PlainError, Restorer, flatten, restore, tables
from sigil.core.trace.summary import summaries_of
from tests.support.builds import needs_pure_sources
from tests.support.trace_values import Call, calls_of

SEEDS = range(12)
EVERY = 9
"""Of the calls in a world each ninth is looked at."""

hashables = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    | st.binary() | st.builds(Conn, st.integers(), st.integers()),
    lambda inner: st.lists(inner, max_size=4).map(tuple)
    | st.frozensets(inner, max_size=4)
    | st.lists(inner, max_size=4).map(pvector)
    | st.lists(inner, max_size=4).map(pset)
    | st.dictionaries(inner, inner, max_size=4).map(pmap),
    max_leaves=12,
)  # fmt: skip


def packed_and_back(plain: object) -> object:
    """What msgpack makes of it."""
    data = msgpack.packb(plain, unicode_errors="surrogatepass")
    return msgpack.unpackb(data, use_list=False, unicode_errors="surrogatepass")


@settings(max_examples=300, deadline=None)
@given(hashables)
def test_a_value_comes_back(value: object) -> None:
    assert restore(flatten(value)) == value
    assert restore(packed_and_back(flatten(value))) == value


@pytest.mark.parametrize("seed", SEEDS)
def test_a_server_in_the_middle_of_anything_comes_back_and_goes_on_alike(seed: int) -> None:
    for call in calls_of(seed)[::EVERY]:
        assert_goes_on_alike(call)


def assert_goes_on_alike(call: Call) -> None:
    """The server that was read does the same as the one that was written."""
    restorer = Restorer()
    server = restorer.restore(packed_and_back(flatten(call.before)))
    assert server == call.before
    events: list[Event] = [
        read_event(packed_and_back(event_fields(event)), restorer) for event in call.events
    ]
    after, effects = advance(server, events)
    assert summaries_of(effects) == summaries_of(call.effects)
    assert flatten(after) == flatten(call.after) or after == call.after


def test_what_is_shared_stays_shared_and_constants_are_themselves() -> None:
    limits, frame = Limits(), b"a frame"
    back = restore(flatten((limits, limits, frame, frame, NOTHING_OUTGOING.replace())))
    assert back[0] is back[1]
    assert back[2] is back[3]
    assert back[4] is NOTHING_OUTGOING


def test_special_values() -> None:
    many = topics_of([f"topic {number}" for number in range(200)])
    assert restore(flatten(many)) == many
    assert restore(flatten(memoryview(b"abc"))) == b"abc"
    assert restore(flatten(CloseReason.OK)) is CloseReason.OK
    assert restore(flatten(2**80)) == 2**80
    assert restore(flatten([1, {"a": (2,)}])) == [1, {"a": (2,)}]


def test_the_programs_own_objects_become_placeholders() -> None:
    assert restore(flatten((object(), len))) == (
        Placeholder("builtins.object"),
        Placeholder("builtins.builtin_function_or_method"),
    )


def test_a_mask_makes_another_record_of_one_before_it_is_written() -> None:
    masked = flatten((Conn(1, 2), 3), {Conn: lambda conn: conn.replace(slot=0)})
    assert restore(masked) == (Conn(0, 2), 3)


def test_records_of_another_version_are_made_by_the_names_of_their_fields() -> None:
    own = tables()
    number = [row[0] for row in own["records"]].index("Conn")
    own["records"][number] = ["Conn", "generation", "colour", "slot"]
    assert restore((1, number, 5, "red", 7), own) == Conn(7, 5)


@pytest.mark.parametrize(
    ("plain", "sentence"),
    [
        ((99, 1), "the tag 99 is not known"),
        ((1, 9_999), "there is no number 9999"),
        ((9, 0), "there is no number 0"),
        ((1, 3, 1), "a value cannot be made"),
        ((2, 0, 77), "a value cannot be made"),
        ((5, 1), "a value cannot be made"),
        ((), "a value cannot be made"),
    ],
)
def test_what_is_no_value_is_refused_in_a_sentence(plain: tuple, sentence: str) -> None:
    with pytest.raises(PlainError, match=sentence):
        restore(plain)


def test_an_unknown_record_is_named() -> None:
    with pytest.raises(PlainError, match="record 'Teapot' is not known"):
        restore((1, 0), {"records": [["Teapot"]], "enums": []})
    with pytest.raises(PlainError, match="an enumeration is not known"):
        restore((2, 0, 0), {"records": [], "enums": [["Colour"]]})


def test_an_empty_server_comes_back() -> None:
    server = make_server(Limits(), 1.0, 2)
    assert restore(flatten(server)) == server


@needs_pure_sources  # the compiled core makes no connection of connections in the first place
def test_records_that_stand_in_each_other_many_times_are_refused_at_once() -> None:
    number = [row[0] for row in tables()["records"]].index("Conn")

    def doubled(depth: int) -> tuple:
        """A record in a set, in which there are two to the power of `depth` others."""
        chain = [(1, number, (9, place), (9, place)) for place in range(depth)]
        return (0, (1, number, 1, 2), *chain, (3, (9, depth)))

    with pytest.raises(PlainError, match="stand in each other so often"):
        restore(doubled(60))
    assert len(restore(doubled(7))) == 9


def test_a_record_may_be_shared_by_as_many_as_there_are() -> None:
    shared = (Limits(), Conn(1, 2))
    assert restore(flatten((shared,) * 5_000)) == (shared,) * 5_000
