"""The stream at a scale that suits a test run: thousands of real clients, stopped ones, slow ones,
topics.

Theory: what must be so whatever the machine is checked inside the scenarios, byte by byte; here
their figures are bounded, generously, for machines are noisy. `python -m tests.scale --clients
10000` prints them.

Rules: Linux alone, because the server's memory and descriptors are read from /proc. A descriptor
limit that is too low is a reason to skip.
"""

import os
import resource
from collections.abc import Iterator

import pytest

from tests.scale.crowd import crowd_of, raise_descriptor_limit
from tests.scale.scenarios import (
    COUNTED,
    KIB,
    MIB,
    SIPPING,
    STOPPED,
    Pace,
    count_calls,
    draw_topics,
    try_everybody,
    try_late,
    try_profile,
    try_slow,
    try_topics,
)
from tests.scale.script import Batch, Script, frame

pytestmark = pytest.mark.skipif(
    not os.path.exists("/proc/self/status"), reason="a process is examined in /proc"
)

CLIENTS = 2_000
SHARE_MIN = 0.75
"""Of the messages delivered per second of processor time, what slow clients leave to the others at
least; on a quiet machine it is 0.95 or so.
"""

SLACK = 2 * MIB
"""What an interpreter's memory grows by without anybody's doing."""


@pytest.fixture(autouse=True)
def enough_descriptors() -> Iterator[None]:
    """As many as there may be, for one test."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    problem = raise_descriptor_limit(CLIENTS)
    if problem:
        pytest.skip(problem)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


# -- the measure itself ----------------------------------------------------------------------------


def test_a_script_is_what_each_hears_in_order() -> None:
    script = Script()
    both, neither = script.stream(frozenset(("a", "b"))), script.stream(frozenset())
    for batch in (Batch("a", 16, 2), Batch("", 16, 1), Batch("c", 16, 1)):
        script.say(batch)
    assert neither == b"\x82\x100000000002  cccc"
    assert both == b"\x82\x100000000000 a aaa\x82\x100000000001 a bbb\x82\x100000000002  cccc"


@pytest.mark.parametrize(
    ("length", "head"),
    [
        (125, b"\x82\x7d"),
        (126, b"\x82\x7e\0\x7e"),
        (65_535, b"\x82\x7e\xff\xff"),
        (65_536, b"\x82\x7f\0\0\0\0\0\x01\0\0"),
    ],
)
def test_a_frame_has_the_shortest_head(length: int, head: bytes) -> None:
    assert frame(b"x" * length) == head + b"x" * length


def test_a_client_that_is_sent_something_else_is_noticed() -> None:
    with crowd_of() as crowd:
        crowd.join_all(3)
        crowd.script.next_number = 1
        with pytest.raises(AssertionError, match="other bytes"):
            crowd.tick(Batch("", 100, 1))


# -- the stream ------------------------------------------------------------------------------------


def test_thousands_receive_every_broadcast_in_order_and_leave_nothing_behind() -> None:
    found = try_everybody(CLIENTS, 50)
    assert found.member_bytes < 16 * KIB


@pytest.mark.parametrize("pace", [STOPPED, COUNTED], ids=["bytes", "frames"])
def test_one_that_stops_reading_is_dropped_and_costs_the_others_little(pace: Pace) -> None:
    found = try_slow(
        99, 1, pace._replace(ring_len=pace.ring_len // 4, most=pace.most // 4, phases=10)
    )
    assert found.published_len > 20 * min(found.ring_len, pace.most // 4 * (pace.tick.length + 4))
    assert found.grown_bytes < found.slow * 256 * KIB + SLACK
    assert found.cpu_share > SHARE_MIN


@pytest.mark.parametrize("pace", [STOPPED, COUNTED], ids=["bytes", "frames"])
def test_while_somebody_is_behind_messages_are_still_told_together(pace: Pace) -> None:
    without, with_one = count_calls(
        10, pace._replace(ring_len=pace.ring_len // 4, most=pace.most // 4)
    )
    assert 0 < without < with_one < without + 8


def test_slow_readers_get_a_prefix_without_gaps_and_cost_no_memory() -> None:
    found = try_slow(90, 10, SIPPING._replace(ring_len=MIB, phases=10))
    assert found.published_len > 20 * found.ring_len
    assert found.grown_bytes < found.slow * 256 * KIB + SLACK


def test_slow_readers_that_are_not_too_slow_get_everything() -> None:
    assert try_late(20, 10, SIPPING) == 10


def test_each_hears_its_own_topics() -> None:
    wanted = draw_topics(1_000, 20, 7)
    assert {len(topics) for topics in wanted} == {1, 2, 3}
    found = try_topics(1_000, 20, 60)
    assert (found.clients, found.cohorts) == (1_000, len(set(wanted)))


def test_nothing_in_the_core_is_done_for_each_client() -> None:
    found = try_profile(100, CLIENTS)
    assert found.core_calls_few > 0
    assert abs(found.core_calls_many - found.core_calls_few) < 5
