"""What differs between two values is named by field, as far as somebody wants to know it."""

from itertools import pairwise
from random import Random
from typing import Any

import pytest
from pyrsistent import pmap, pset, pvector

from sigil.core.bounded_repr import bounded_repr
from sigil.core.broadcast.entry import NO_OPTIONS
from sigil.core.conn import Conn, Peer
from sigil.core.connection.client import make_client
from sigil.core.events import Accepted, Flush, Publish, Received, TickStarted
from sigil.core.limits import Limits
from sigil.core.server.fold import advance
from sigil.core.server.state import make_server
from sigil.core.trace.diff import MORE, SHOWN_MAX, Change, Findings, diff
from tests.support.recordings import watched_world

PEER = Peer("192.0.2.7", 50_000)
EMPTY = make_server(Limits(history_messages=10), 0.0, 0)


def changed(before: Any, after: Any) -> list[tuple[str, object, object]]:
    """What differs between two values that stand in a field `x`."""
    found = Findings(100)
    found.compare("x", before, after)
    return [(change.path, change.before, change.after) for change in found.changes]


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        (1, 1, []),
        (1, 2, [("x", 1, 2)]),
        (1, None, [("x", 1, None)]),
        (b"abc", b"abd", [("x", b"abc", b"abd")]),
        (b"abc", memoryview(b"abc"), []),
        ("abc", "abd", [("x", "abc", "abd")]),
        ((1, 2, 3), (1, 5, 3), [("x[1]", 2, 5)]),
        ((1, 2, 3), (1, 2, 3, 4, 5), [("x[3:5]", None, (4, 5))]),
        ((1, 2, 3), (3,), [("x[0:2]", (1, 2), None)]),
        ((1, 2, 3, 4), (1, 7, 4), [("x[1:3]", (2, 3), (7,))]),
        (pvector([1, 2]), pvector([1, 3]), [("x[1]", 2, 3)]),
        (pset([1, 2]), pset([2, 3]), [("x{1}", 1, None), ("x{3}", None, 3)]),
        (frozenset("a"), frozenset("b"), [("x{'a'}", "a", None), ("x{'b'}", None, "b")]),
        (pmap({"a": 1, "b": 2}), pmap({"a": 1, "b": 3}), [("x['b']", 2, 3)]),
        (pmap({"a": None}), pmap({}), [("x['a']", None, None)]),
        (pmap({}), pmap({"a": None}), [("x['a']", None, None)]),
        (Conn(1, 2), Conn(1, 3), [("x", Conn(1, 2), Conn(1, 3))]),
        (Limits(), Limits(max_headers=3), [("x.max_headers", 100, 3)]),
        (
            make_client(Conn(0, 0), PEER),
            make_client(Conn(0, 0), PEER, 2.5),
            [("x.waiting_since", 0.0, 2.5)],
        ),
    ],
)
def test_a_change_has_the_path_and_both_values(
    before: object, after: object, changes: list[tuple[str, object, object]]
) -> None:
    assert sorted(changed(before, after)) == changes


def test_a_client_is_named_by_its_generation_wherever_it_stands() -> None:
    one, _ = advance(EMPTY, [Accepted(7, PEER), Accepted(8, PEER)])
    two, _ = advance(one, [TickStarted(1.5, 1), Received(Conn(1, 1), b"GET /")])
    changes = {change.path: change.after for change in diff(one, two)}
    assert changes["now"] == 1.5
    assert changes["clients[1].incoming.buffer"] == b"GET /"
    assert not any(path.startswith("clients[0]") for path in changes)
    come = {change.path: change.before for change in diff(EMPTY, one)}
    assert come["clients[0]"] is None and come["slots.used"] == 0


def test_messages_on_the_ring_are_named_by_number() -> None:
    messages = tuple([(1, b"%d" % number, None, NO_OPTIONS) for number in range(4)])
    published, _ = advance(EMPTY, [Publish(messages)])
    flushed, _ = advance(published, [Flush(None)])
    paths = {change.path: change for change in diff(published, flushed)}
    assert paths["broadcast.ring.head_number"].after == 4
    run = paths["broadcast.ring[0:4]"]
    assert run.before is None and isinstance(run.after, tuple) and len(run.after) == 4
    back = {change.path: change for change in diff(flushed, published)}
    assert back["broadcast.ring[0:4]"].after is None


@pytest.mark.parametrize("seed", range(12))
def test_there_is_no_change_exactly_if_two_states_are_equal(seed: int) -> None:
    states, rng = watched_world(seed, is_held_up=seed % 3 == 0).states, Random(seed)
    for _ in range(40):
        one, other = rng.choice(states), rng.choice(states)
        assert (diff(one, other) == ()) == (one == other)
    for one, other in pairwise(states):
        assert (diff(one, other) == ()) == (one == other)


def test_how_much_is_listed_and_shown_is_bounded() -> None:
    crowd, _ = advance(EMPTY, [Accepted(number, PEER) for number in range(1_000)])
    changes = diff(EMPTY, crowd, max_changes=50)
    assert len(changes) == 51
    assert changes[-1].path == MORE and "more changes" in str(changes[-1].after)
    assert len(diff(EMPTY, crowd, max_changes=5_000)) > 1_000
    assert diff(EMPTY, EMPTY) == ()
    shown = repr(Change("x", crowd, EMPTY))
    assert len(shown) < 2 * SHOWN_MAX + 20 < len(bounded_repr(crowd))
    assert repr(Change("now", 1.0, 2.5)) == "now: 1.0 -> 2.5"
