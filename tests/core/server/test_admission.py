"""Newcomers: adopted while there is room, answered 503 when there is none."""

from sigil.core.conn import Conn, Peer
from sigil.core.effects import Adopt, CallOpen, Log, Reject
from sigil.core.events import Accepted, ConnectionLost
from sigil.core.limits import Limits
from sigil.core.server import make_server, step
from tests.support.core_driver import CONN, FULL, PEER, advance_by, effect_names, same


def test_a_connection_at_the_door_is_adopted_and_greeted() -> None:
    server, effects = step(make_server(Limits(), 0.0, 0), Accepted(7, PEER))
    assert same(effects, (Adopt(CONN, 7), CallOpen(CONN)))
    server, effects = step(server, Accepted(8, PEER))
    assert same(effects, (Adopt(Conn(1, 1), 8), CallOpen(Conn(1, 1))))


def test_one_connection_more_than_the_bound_is_turned_away_with_a_503() -> None:
    server = make_server(Limits(max_connection_cnt=2, full_policy="503"), 0.0, 0)
    server, effects = advance_by(server, Accepted(1, PEER), Accepted(2, PEER))
    assert effect_names(effects) == ["Adopt", "CallOpen", "Adopt", "CallOpen"]
    server, effects = advance_by(server, Accepted(3, Peer("::1", 9)))
    assert same(
        effects,
        [
            Log(
                "sigil.server",
                30,
                "[::1]:9 rejected, FULL: this server has as many connections as it accepts",
            ),
            Reject(3, FULL),
        ],
    )
    server, _ = advance_by(server, ConnectionLost(CONN, 104))
    assert same(
        advance_by(server, Accepted(4, PEER))[1], [Adopt(Conn(0, 2), 4), CallOpen(Conn(0, 2))]
    )
