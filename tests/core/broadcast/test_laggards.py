"""Laggards: the tail of the ring comes to those that need a look, and to no others."""

from random import Random

import pytest

from sigil.core.broadcast.broadcast import NO_CURSOR, SPARE_FRAMES, make_broadcast
from sigil.core.broadcast.laggards import (
    add_laggard,
    laggards_passed,
    move_laggards,
    raise_lowest_cursor,
    remove_laggard,
)
from sigil.core.broadcast.ring import ring_skip
from sigil.core.conn import Conn
from sigil.core.limits import Limits

EMPTY = make_broadcast(Limits())


@pytest.mark.parametrize("seed", range(20))
def test_the_tail_comes_to_whoever_it_has_passed(seed: int) -> None:
    dice, broadcast = Random(seed), EMPTY
    cursors: dict[Conn, int] = {}
    filed: dict[Conn, int] = {}
    for _ in range(300):
        conn, tail = Conn(dice.randint(0, 9), 0), broadcast.ring.tail_number
        what = dice.choice(("lag", "read", "catch up", "publish"))
        if what == "lag" and conn not in cursors:
            cursors[conn] = filed[conn] = tail + dice.randint(0, 200)
            broadcast = add_laggard(broadcast, conn, cursors[conn])
        elif what == "read" and conn in cursors:
            cursors[conn] += dice.randint(0, 100)
            assert add_laggard(broadcast, conn, cursors[conn]) is broadcast
        elif what == "catch up" and conn in cursors:
            broadcast = remove_laggard(broadcast, conn)
            del cursors[conn], filed[conn]
        elif what == "publish":
            broadcast = broadcast.replace(ring=ring_skip(broadcast.ring, dice.randint(1, 90)))
            tail = broadcast.ring.tail_number
            passed = laggards_passed(broadcast)
            assert sorted(passed) == sorted(one for one in filed if filed[one] < tail)
            moved = [(one, max(tail, cursors[one])) for one in passed]
            cursors |= dict(moved)
            filed |= dict(moved)
            broadcast = raise_lowest_cursor(move_laggards(broadcast, moved))
            assert laggards_passed(broadcast) == []
            lowest = min(filed.values(), default=NO_CURSOR)
            assert broadcast.lowest_cursor in (lowest, tail + SPARE_FRAMES)
        assert dict(broadcast.laggards) == filed
        assert broadcast.lowest_cursor <= min(filed.values(), default=NO_CURSOR)


def test_who_needs_something_older_is_filed_anew() -> None:
    broadcast = add_laggard(add_laggard(EMPTY, Conn(1, 1), 9), Conn(1, 1), 5)
    assert dict(broadcast.laggards) == {Conn(1, 1): 5}
    assert {number: set(conns) for number, conns in broadcast.laggards_at.items()} == {
        5: {Conn(1, 1)}
    }
