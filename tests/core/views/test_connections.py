"""Rows of the table of connections: literal ones, and those first that lag."""

from sigil.core.conn import Conn
from sigil.core.connection.deadlines import Waiting
from sigil.core.events import HalfClosed, Received, TickStarted
from sigil.core.limits import Limits
from sigil.core.server.slots import find_client
from sigil.core.views.connections import (
    WAITS,
    ConnectionFigures,
    Place,
    connection_figures,
    connections,
    find_figures,
)
from tests.support.core_broadcasts import (
    SMALL,
    join_websockets,
    publish_lengths,
    with_websockets,
)
from tests.support.core_driver import CONN, advance_by, get, serving


def test_a_connection_that_has_sent_nothing() -> None:
    assert find_figures(serving(Limits(idle_timeout=60.0)), CONN) == ConnectionFigures(
        conn=CONN,
        peer="192.0.2.1:5000",
        kind="http",
        phase="HEAD",
        waits_for="a request",
        seconds_left=60.0,
        requests=0,
        outstanding=0,
        bytes_in=0,
        bytes_out=0,
        outbox=0,
        buffered=0,
        place=Place.NONE,
        cursor=None,
        behind=0,
        topics=(),
        encoding="",
    )


def test_a_request_that_waits_for_the_handler() -> None:
    limits = Limits(response_timeout=30.0)
    server, _ = advance_by(serving(limits), Received(CONN, get("/a")), TickStarted(10.0, 10))
    figures = find_figures(server, CONN)
    assert figures is not None
    assert (figures.waits_for, figures.seconds_left) == ("the handler", 20.0)
    assert (figures.requests, figures.outstanding, figures.bytes_in) == (1, 1, len(get("/a")))


def test_who_keeps_up_and_who_lags() -> None:
    server, (fast, slow) = with_websockets(2)
    server, (third,) = join_websockets(server, 1, ("news",))
    server = publish_lengths(server, 50, taken={slow.slot: 20})
    server = publish_lengths(server, 60, 70)
    rows = {conn: find_figures(server, conn) for conn in (fast, slow, third)}
    assert {conn: row and (row.place, row.cursor, row.behind) for conn, row in rows.items()} == {
        fast: (Place.COHORT, 3, 0),
        slow: (Place.LAGGARD, 1, 2),
        third: (Place.COHORT, 3, 0),
    }
    assert [row and (row.kind, row.topics, row.encoding) for row in rows.values()] == [
        ("websocket", (), "plain"),
        ("websocket", (), "plain"),
        ("websocket", ("news",), "plain"),
    ]
    lagging = rows[slow]
    assert lagging is not None
    assert (lagging.outbox, lagging.buffered) == (30, 160)
    assert lagging.waits_for == "the peer to read"


def test_whose_end_has_begun() -> None:
    server, _ = advance_by(serving(SMALL), Received(CONN, b"\x00\r\n\r\n"))
    figures = find_figures(server, CONN)
    assert figures is not None
    assert (figures.place, figures.phase) == (Place.ENDING, "LINGER")
    server, _ = advance_by(server, HalfClosed(CONN))
    assert find_figures(server, CONN) is None


def test_a_window_by_slot_or_by_lag() -> None:
    server, conns = with_websockets(6)
    server = publish_lengths(server, 20, taken={4: 0})
    server = publish_lengths(server, 20, taken={1: 3, 3: 0})
    assert [client.conn.slot for client in connections(server, 0, 10)] == [0, 1, 2, 3, 4, 5]
    assert [client.conn.slot for client in connections(server, 2, 2)] == [2, 3]
    assert [client.conn.slot for client in connections(server, 0, 10, by_lag=True)] == [
        4,
        3,
        1,
        0,
        2,
        5,
    ]
    assert [client.conn.slot for client in connections(server, 1, 3, by_lag=True)] == [3, 1, 0]
    assert connections(server, 9, 3) == [] == connections(server, 9, 3, by_lag=True)
    client = find_client(server.slots, conns[0])
    assert client is not None
    assert connection_figures(server, client) == find_figures(server, conns[0])


def test_nobody_has_no_row() -> None:
    assert find_figures(serving(), Conn(0, 1)) is None
    assert find_figures(serving(), Conn(9, 9)) is None


def test_whatever_is_waited_for_has_its_words() -> None:
    assert set(WAITS) == set(Waiting)
