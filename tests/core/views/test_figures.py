"""Figures of the ring: literal ones of small rings, and what is too much to be told one by one."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sigil.core.broadcast.broadcast import subscriber_count
from sigil.core.conn import Conn, Peer
from sigil.core.connection.websocket_send import buffered_amount
from sigil.core.events import Received, Writable
from sigil.core.limits import Limits
from sigil.core.server import make_server
from sigil.core.server.slots import find_client
from sigil.core.views.figures import (
    COHORTS_MAX,
    LAGGARDS_MAX,
    CohortFigures,
    LaggardFigures,
    RingFigures,
    SubscriberInfo,
    laggards_of,
    ring_figures,
    subscribers,
)
from tests.support.core_broadcasts import SMALL, join_websockets, publish_lengths, with_websockets
from tests.support.core_driver import PEER, advance_by, serving


def test_the_ring_of_nobody_is_empty() -> None:
    assert ring_figures(make_server(SMALL, 0.0, 0)) == RingFigures(
        max_bytes=600,
        max_frames=16,
        tail_number=0,
        tail_offset=0,
        head_number=0,
        head_offset=0,
        end_number=0,
        end_offset=0,
        members=0,
        cohorts=(),
        more_cohorts=0,
        laggards=(),
        more_laggards=0,
        dropped=0,
    )


def test_a_ring_with_somebody_behind() -> None:
    server, _ = with_websockets(2)
    server, _ = join_websockets(server, 1, ("news", "load"), Peer("::1", 7))
    server = publish_lengths(server, 100, taken={2: 30})
    server = publish_lengths(publish_lengths(server, 100), 50, flushes=False)
    assert ring_figures(server) == RingFigures(
        max_bytes=600,
        max_frames=16,
        tail_number=0,
        tail_offset=0,
        head_number=2,
        head_offset=200,
        end_number=3,
        end_offset=250,
        members=2,
        cohorts=(CohortFigures("plain", (), 2),),
        more_cohorts=0,
        laggards=(
            LaggardFigures(
                Conn(2, 2),
                "[::1]:7",
                ("load", "news"),
                cursor=1,
                offset=100,
                behind=2,
                outbox=70,
                buffered=220,
            ),
        ),
        more_laggards=0,
        dropped=0,
    )


def test_the_tail_moves_and_who_needed_it_is_dropped_and_counted() -> None:
    server, _ = with_websockets(2)
    server = publish_lengths(server, 100, taken={0: 0})
    for _ in range(6):
        server = publish_lengths(server, 100)
    figures = ring_figures(server)
    assert figures[2:8] == (1, 100, 7, 700, 7, 700)
    assert (figures.members, figures.laggards, figures.dropped) == (1, (), 1)


def test_the_largest_cohorts_and_the_slowest_laggards_are_told_and_the_others_counted() -> None:
    server, _ = with_websockets(3, Limits(outgoing_buffer_sz=60_000))
    for number in range(COHORTS_MAX + 1):
        server, _ = join_websockets(server, 2, (f"topic {number}",))
    server, _ = join_websockets(server, LAGGARDS_MAX + 2, ("last",))
    slots = range(17, 17 + LAGGARDS_MAX + 2)
    for slot in reversed(slots):
        server = publish_lengths(server, 100, taken={slot: 0})
    figures = ring_figures(server)
    assert [cohort.clients for cohort in figures.cohorts] == [3, 2, 2, 2, 2, 2]
    assert (figures.more_cohorts, figures.members) == (2, 17)
    assert [laggard.conn.slot for laggard in figures.laggards] == list(reversed(slots))[
        :LAGGARDS_MAX
    ]
    assert figures.more_laggards == 2
    assert len(laggards_of(server)) == LAGGARDS_MAX + 2


def test_who_hears_a_topic_is_counted_wherever_it_is() -> None:
    server, _ = with_websockets(2)
    server, _ = join_websockets(server, 3, ("news", "load"))
    server, _ = join_websockets(server, 1, ("news",))
    server = publish_lengths(server, 100, taken={3: 30})
    counts = [
        subscriber_count(server.broadcast, topic) for topic in ("news", "load", "ballast", "")
    ]
    assert counts == [4, 3, 0, 0]
    assert subscriber_count(server.broadcast) == 6
    assert sorted(subscribers(server, "news")) == [
        SubscriberInfo(Conn(slot, slot), PEER, slot == 3) for slot in range(2, 6)
    ]
    assert list(subscribers(server, "ballast")) == []
    server, _ = advance_by(server, Received(Conn(5, 5), b"\x88\x80abcd"))  # it takes its leave
    assert subscriber_count(server.broadcast, "news") == 3
    assert subscriber_count(serving().broadcast, "news") == 0


def test_the_figures_are_numbers_and_texts_and_names_of_connections() -> None:
    server, _ = join_websockets(make_server(SMALL, 0.0, 0), 2, ("a",), PEER)
    figures = ring_figures(publish_lengths(server, 100, taken={1: 30}))
    told: list[Any] = json.loads(json.dumps(figures, default=str))
    assert told[9] == [["plain", ["a"], 1]]
    assert told[11] == [[str(Conn(1, 1)), str(PEER), ["a"], 1, 100, 0, 70, 70]]


@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(2, 120), max_size=4),
            st.dictionaries(st.integers(0, 3), st.integers(0, 1)),
            st.sampled_from((None, 0, 1, 2, 3)),
        ),
        max_size=14,
    )
)
def test_everybody_is_told_of_once_and_between_tail_and_end(
    turns: list[tuple[list[int], dict[int, int], int | None]],
) -> None:
    server, conns = with_websockets(4)
    for lengths, taken, writable in turns:
        server = publish_lengths(server, *lengths, taken=taken)
        if writable is not None:
            server, _ = advance_by(server, Writable(conns[writable]))
        figures = ring_figures(server)
        assert figures.members + len(figures.laggards) + figures.dropped == 4
        assert (
            figures.tail_offset
            <= figures.head_offset
            <= figures.end_offset
            <= figures.tail_offset + figures.max_bytes
        )
        for laggard in figures.laggards:
            assert figures.tail_offset <= laggard.offset <= figures.end_offset
            assert laggard.buffered == buffered_amount(
                find_client(server.slots, laggard.conn), server.broadcast
            )
            assert laggard.buffered == laggard.outbox + figures.end_offset - laggard.offset
