"""Descriptors: how many are left is counted, the soft limit is raised by the command alone, and a
server takes no more connections than there are descriptors for, and says so.
"""

import os
import sys

import pytest

from sigil.core.limits import Limits
from sigil.shell.loop.descriptors import descriptors_left, soft_limit, within_descriptors
from tests.support.subprocesses import lines_of

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="counted as Linux does")


@on_linux
def test_each_descriptor_that_is_opened_is_one_less() -> None:
    before = descriptors_left()
    with open(os.devnull, "rb"):
        left = descriptors_left()
    assert before is not None and left == before - 1
    limit = soft_limit()
    assert limit is not None and before < limit


LOWERED = """
import logging, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 1024))
logging.basicConfig(level=logging.{level}, format="%(levelname)s %(message)s", stream=sys.stdout)
from sigil import Limits, Response, make_http_server
given = Limits({given})
server = make_http_server(lambda request: Response.text("x"), port=0, limits=given)
server.listen()
limits = server.state.limits
print(limits.max_connection_cnt, limits.max_ws_connection_cnt, server._limits == given)
server.stop(0)
server.tick()
"""


@on_linux
@pytest.mark.parametrize(
    ("given", "level", "line_count"),
    [("max_connection_cnt=300", "WARNING", 1), ("", "WARNING", 0), ("", "INFO", 1)],
)
def test_a_server_takes_no_more_connections_than_there_are_descriptors_and_says_so(
    given: str, level: str, line_count: int
) -> None:
    lines = lines_of(LOWERED.format(given=given, level=level))
    notes = [line for line in lines if "descriptors are left" in line]
    assert len(notes) == line_count
    counts = next(line for line in lines if line.endswith("True")).split()[:2]
    assert 100 < sum(map(int, counts)) < 256
    assert all(f"at most {counts[0]} connections and {counts[1]} WebSockets" in it for it in notes)


@on_linux
def test_a_server_that_has_enough_says_nothing() -> None:
    lines = lines_of(
        LOWERED.format(given="max_connection_cnt=9, max_ws_connection_cnt=9", level="INFO")
    )
    assert [line for line in lines if "descriptors" in line] == []
    assert "9 9 True" in lines


@on_linux
def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    source = """
import resource
from sigil.shell.loop.descriptors import raise_soft_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 500))
raise_soft_limit()
print(resource.getrlimit(resource.RLIMIT_NOFILE))
raise_soft_limit()
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    assert lines_of(source) == ["(500, 500)"] * 2


@pytest.mark.parametrize(
    ("limits", "count", "expected"),
    [
        (Limits(), 10_000, (1024, 1024)),
        (Limits(), 2_144, (1024, 1024)),
        (Limits(), 2_143, (1024, 1023)),
        (Limits(), 1_000, (452, 452)),
        (Limits(max_connection_cnt=3_000), 1_000, (674, 230)),
        (Limits(max_ws_connection_cnt=0), 1_000, (904, 0)),
        (Limits(), 100, (38, 37)),
        (Limits(), 4, (2, 1)),
        (Limits(), 0, (1, 0)),
    ],
)
def test_both_kinds_of_connection_give_way_in_proportion(
    limits: Limits, count: int, expected: tuple[int, int]
) -> None:
    lowered = within_descriptors(limits, count)
    assert (lowered.max_connection_cnt, lowered.max_ws_connection_cnt) == expected
    assert (
        lowered._replace(
            max_connection_cnt=limits.max_connection_cnt,
            max_ws_connection_cnt=limits.max_ws_connection_cnt,
        )
        == limits
    )
