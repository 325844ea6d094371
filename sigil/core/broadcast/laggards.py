"""Laggards: the subscribers with a cursor of their own, as the tail of the ring comes to them.

Theory: publishing overwrites what is oldest, so before that somebody has to look at the laggards
that may still need it, and at no others, however many there are. So a laggard is filed under a
number, and looked at when the tail has passed that.

Rules: the number of a laggard is not above its cursor, and is made equal to it only when the tail
comes there: a laggard that reads on costs nothing here. Nobody is filed below
`Broadcast.lowest_cursor`. One that skips and has fallen off the ring, so that its cursor is below
the tail, is filed above all numbers: nobody looks at it until it reads on. It does not know what a
laggard needs, nor what becomes of one.
"""

from collections.abc import Iterable
from typing import Final

from ..conn import Conn
from .broadcast import NO_CURSOR, NO_MEMBERS, SPARE_FRAMES, Broadcast
from .ring import Ring

ELSEWHERE: Final = NO_CURSOR + 1
"""The number of those who were behind when the stream was taken over: of what they lack nothing is
kept, and they are told so when they read on.
"""


def filed_under(cursor: int, ring: Ring) -> int:
    """The number under which a laggard with this cursor is filed."""
    if cursor >= ring.tail_number:
        return cursor
    return ELSEWHERE if cursor < ring.numbering.began_at else NO_CURSOR


def has_fallen_off(broadcast: Broadcast, conn: Conn) -> bool:
    """True for a laggard that needed what is overwritten, and has not read on since."""
    return broadcast.laggards.get(conn) == NO_CURSOR


def add_laggard(broadcast: Broadcast, conn: Conn, cursor: int) -> Broadcast:
    """The broadcast with a laggard, which needs what was published from its cursor on.

    One whose cursor has moved on stays under its old number until the tail comes to it, so that
    reading costs it nothing here.
    """
    known = broadcast.laggards.get(conn)
    if known is not None:
        if known <= cursor:
            return broadcast
        broadcast = remove_laggard(broadcast, conn)
    others = broadcast.laggards_at.get(cursor, NO_MEMBERS)
    return broadcast.replace(
        laggards=broadcast.laggards.set(conn, cursor),
        laggards_at=broadcast.laggards_at.set(cursor, others.add(conn)),
        lowest_cursor=min(broadcast.lowest_cursor, cursor),
    )


def remove_laggard(broadcast: Broadcast, conn: Conn) -> Broadcast:
    """The broadcast without this laggard."""
    number = broadcast.laggards[conn]
    others = broadcast.laggards_at[number].remove(conn)
    if others:
        laggards_at = broadcast.laggards_at.set(number, others)
    else:
        laggards_at = broadcast.laggards_at.remove(number)
    return broadcast.replace(laggards=broadcast.laggards.remove(conn), laggards_at=laggards_at)


def laggards_passed(broadcast: Broadcast) -> list[Conn]:
    """The laggards whose number the tail has passed, each of which needs a look, in order."""
    if not broadcast.laggards:
        return []
    numbers = range(broadcast.lowest_cursor, broadcast.ring.tail_number)
    passed = [broadcast.laggards_at.get(number, NO_MEMBERS) for number in numbers]
    return [conn for conns in passed for conn in sorted(conns)]


def move_laggards(broadcast: Broadcast, moved: Iterable[tuple[Conn, int]]) -> Broadcast:
    """The broadcast with these laggards under the numbers of their cursors, which have moved on."""
    for conn, cursor in moved:
        broadcast = add_laggard(remove_laggard(broadcast, conn), conn, cursor)
    return broadcast


def raise_lowest_cursor(broadcast: Broadcast) -> Broadcast:
    """The broadcast when those that the tail has passed were looked at: nobody is left below it.

    The next laggard is looked for among as many numbers as are of use to `publish_capacity`.
    """
    lowest = NO_CURSOR
    if broadcast.laggards:
        lowest, end = broadcast.ring.tail_number, broadcast.ring.tail_number + SPARE_FRAMES
        while lowest < end and lowest not in broadcast.laggards_at:
            lowest += 1
    return broadcast.replace(lowest_cursor=lowest)
