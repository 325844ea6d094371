"""The bounds of a client's WebSocket: those that make no sense are refused in a sentence."""

from math import inf, nan
from typing import Any

import pytest

from sigil.core.client.websocket_limits import (
    WebSocketLimits,
    check_websocket_limits,
    frame_rules,
)
from sigil.core.limits import Limits
from sigil.core.websocket.frames import FrameRules


@pytest.mark.parametrize("limits", [{}, {"max_message_len": 0}, {"ping_interval": inf}])
def test_limits_that_make_sense(limits: dict[str, Any]) -> None:
    assert check_websocket_limits(WebSocketLimits(**limits)) is None


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        ({"max_message_len": -1}, "max_message_len is not below 0"),
        ({"max_queue_len": 0}, "max_queue_len is at least 1"),
        ({"max_received_len": 0}, "max_received_len is at least 1"),
        ({"open_timeout": 0}, "open_timeout is a number of seconds above 0"),
        ({"close_timeout": nan}, "close_timeout is a number of seconds above 0"),
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
