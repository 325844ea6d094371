"""The spine: accepting, deadlines at the exact second, draining, stopping, and sends that are
joined.
"""

import pytest

from sigil.core.conn import Conn
from sigil.core.effects import Effect, Pull, Send, Then
from sigil.core.server import advance
from sigil.core.server.fold import coalesce
from tests.support.core_driver import (
    CONN,
    OK,
    OK_BYTES,
    advance_by,
    answered,
    asked,
    get,
    same,
    serving,
    ticket,
)

# -- joining ---------------------------------------------------------------------------------------

A, B = Conn(0, 0), Conn(1, 1)


@pytest.mark.parametrize(
    ("effects", "joined"),
    [
        ([], []),
        (
            [Send(A, (b"1",), Then.KEEP), Send(A, (b"2",), Then.SHUT)],
            [Send(A, (b"1", b"2"), Then.SHUT)],
        ),
        (
            [
                Send(A, (b"1",), Then.KEEP),
                Send(A, (b"2",), Then.KEEP),
                Send(A, (b"3", b"4"), Then.KEEP),
            ],
            [Send(A, (b"1", b"2", b"3", b"4"), Then.KEEP)],
        ),
        (
            [Send(A, (b"1",), Then.KEEP), Send(B, (b"2",), Then.KEEP), Send(A, (b"3",), Then.KEEP)],
            [Send(A, (b"1",), Then.KEEP), Send(B, (b"2",), Then.KEEP), Send(A, (b"3",), Then.KEEP)],
        ),
        (
            [Send(A, (b"1",), Then.SHUT), Send(A, (b"2",), Then.KEEP)],
            [Send(A, (b"1",), Then.SHUT), Send(A, (b"2",), Then.KEEP)],
        ),
        (
            [Send(A, (b"1",), Then.KEEP), Pull(ticket(0)), Send(A, (b"2",), Then.KEEP)],
            [Send(A, (b"1",), Then.KEEP), Pull(ticket(0)), Send(A, (b"2",), Then.KEEP)],
        ),
    ],
)
def test_neighbouring_sends_of_one_connection_are_one(
    effects: list[Effect], joined: list[Effect]
) -> None:
    assert same(coalesce(effects), joined)


def test_advancing_over_nothing_changes_nothing() -> None:
    server = serving()
    assert advance(server, []) == (server, [])


def test_sends_of_one_advance_are_joined() -> None:
    _, effects = advance_by(asked(get("/1") + get("/2")), answered(0, OK), answered(1, OK))
    assert same(effects, [Send(CONN, (OK_BYTES, OK_BYTES), Then.KEEP)])
