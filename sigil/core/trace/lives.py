"""The life of one connection in a recording: the turns from when it was accepted to its end.

Theory: everything that concerns a connection lies between two turns, and the summaries of effects
say which ones, without computing anything. So what is asked about one of many connections costs the
turns of its life, and those before it once.

Rules: a connection is named by its generation, which no other has. One that was open when the
recording began has its life from there, one that was open at the end up to there. It does not know
what is asked.
"""

from collections.abc import Iterator
from typing import Final, final

from ..conn import Conn, Peer
from ..effects import Adopt, CallClose
from ..events import Accepted
from ..server.slots import Slots, clients_of, find_client
from ..value import Value
from .states import Replayed, States
from .summary import EFFECT_KINDS

_NUMBERS: Final = {kind.effect: kind.number for kind in EFFECT_KINDS}
_ADOPT: Final = _NUMBERS[Adopt]
_CALL_CLOSE: Final = _NUMBERS[CallClose]


@final
class Life(Value):
    """From which turn to which a connection was open: `first` is 0 if it was open when the
    recording began, `last` is None if it was open when that ended.
    """

    __match_args__ = ("conn", "first", "last")
    __slots__ = __match_args__

    def __init__(self, conn: Conn, first: int, last: int | None) -> None:
        self.conn: Final = conn
        self.first: Final = first
        self.last: Final = last


def lives(states: States) -> dict[int, Life]:
    """The lives of all connections, by generation."""
    found: dict[int, Life] = {}
    for client in clients_of(states.first.slots):
        found[client.conn.generation] = Life(client.conn, 0, None)
    for index in range(len(states.turns)):
        turn = states.turns[index]
        if turn.gap is not None:
            _pass_gap(found, turn.number, turn.gap.state.slots)
        for summary in turn.effects:
            if summary[0] == _ADOPT:
                conn = Conn(_int(summary[1]), _int(summary[2]))
                found[conn.generation] = Life(conn, turn.number, None)
            elif summary[0] == _CALL_CLOSE:
                life = found.get(_int(summary[2]))
                if life is not None:
                    found[life.conn.generation] = Life(life.conn, life.first, turn.number)
    return found


def _pass_gap(found: dict[int, Life], number: int, slots: Slots) -> None:
    """Know who is there behind a gap: newcomers, and those who have ended in it."""
    there = {client.conn.generation: client.conn for client in clients_of(slots)}
    for generation, conn in there.items():
        found.setdefault(generation, Life(conn, number, None))
    for generation, life in list(found.items()):
        if life.last is None and generation not in there:
            found[generation] = Life(life.conn, life.first, number)


def _int(value: object) -> int:
    """A field of a summary that is a number."""
    return value if isinstance(value, int) else -1


def walk_life(states: States, life: Life) -> Iterator[Replayed]:
    """The turns of a life, computed again."""
    end = len(states.turns) if life.last is None else life.last
    return states.walk(max(0, life.first - 1), end)


def peer_in(step: Replayed, conn: Conn) -> Peer | None:
    """Who a connection is of, by the states around a turn; None if it is not there."""
    client = find_client(step.after.slots, conn) or find_client(step.before.slots, conn)
    if client is not None:
        return client.peer
    ids = [
        effect.socket_id for effect in step.effects if type(effect) is Adopt and effect.conn == conn
    ]
    for event in step.turn.events:
        if type(event) is Accepted and event.socket_id in ids:
            return event.peer
    return None
