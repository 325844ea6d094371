"""The bounds of a client's WebSocket: those that make no sense are refused in a sentence."""

import tracemalloc
from collections import deque
from math import inf, nan
from typing import Any

import pytest

from sigil.core.client.websocket import make_client_websocket, receive
from sigil.core.client.websocket_limits import (
    WebSocketLimits,
    check_websocket_limits,
    frame_rules,
    websocket_footprint,
)
from sigil.core.client.websocket_positions import Delivery
from sigil.core.limits import Limits
from sigil.core.websocket.frames import FrameRules


@pytest.mark.parametrize("limits", [{}, {"max_message_len": 0}, {"ping_interval": inf}])
def test_limits_that_make_sense(limits: dict[str, Any]) -> None:
    assert check_websocket_limits(WebSocketLimits(**limits)) is None


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        ({"max_message_len": -1}, "max_message_len is a whole number, 0 or more, not -1"),
        ({"max_queue_len": 0}, "max_queue_len is a whole number, 1 or more, not 0"),
        ({"max_received_len": 0}, "max_received_len is a whole number, 1 or more, not 0"),
        ({"open_timeout": 0}, "open_timeout is a number of seconds above 0, not 0"),
        ({"close_timeout": nan}, "close_timeout is a number of seconds above 0, not nan"),
        ({"max_message_len": "1"}, "max_message_len is a whole number, not '1'"),
        ({"max_message_len": 1.5}, "max_message_len is a whole number, not 1.5"),
        ({"ping_interval": None}, "ping_interval is a number, not None"),
        ({"pong_timeout": True}, "pong_timeout is a number, not True"),
    ],
)
def test_limits_that_make_no_sense(limits: dict[str, Any], problem: str) -> None:
    assert check_websocket_limits(WebSocketLimits(**limits)) == problem


def test_a_client_reads_frames_that_are_not_masked_within_the_bounds_of_a_server() -> None:
    limits, servers = WebSocketLimits(), Limits()
    rules = FrameRules(2**24, 2**24, True, False, 4_096, 16)
    assert frame_rules(limits, allows_rsv1=True) == rules
    assert limits.max_message_len == servers.max_ws_message_len
    assert limits.max_queue_len == servers.max_ws_outbox_len
    assert limits.ping_interval == servers.ws_ping_interval


def test_what_a_websocket_holds_is_not_more_than_it_is_counted_for() -> None:
    """Of empty messages, which cost most for their bytes, and of a long one that is not whole."""
    limits, read_len = WebSocketLimits(max_message_len=2**16, max_received_len=2**14), 2**16
    start = (b"\x01\x7f" + (2**16).to_bytes(8)) + b"x" * (2**16 - 1)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        websocket = make_client_websocket(bytes(32), None, limits, 0.0)
        waiting: deque[tuple[Delivery, int]] = deque()
        for data in (b"\x81\x00" * (limits.max_received_len // 64), b"\x81\x00" * (read_len // 2)):
            websocket, outputs = receive(websocket, data, 0.0)
            messages = [output for output in outputs if isinstance(output, str)]
            waiting += [(Delivery(message, f"{1}-{2}"), 64) for message in messages]
        websocket, _ = receive(websocket, start, 0.0)
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert len(waiting) == limits.max_received_len // 64 + read_len // 2
    assert 2**16 < held < websocket_footprint(limits, read_len)
