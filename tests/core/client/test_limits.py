"""Bounds that make no sense are told, and all of them together bound memory."""

import pytest

from sigil.core.client.limits import (
    ClientLimits,
    Timeouts,
    check_client_limits,
    check_timeouts,
    client_footprint,
)
from sigil.core.client.websocket_limits import WebSocketLimits


def test_the_defaults_make_sense() -> None:
    assert check_client_limits(ClientLimits()) is None
    assert check_timeouts(Timeouts()) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"max_connections": 0},
        {"max_response_len": -1},
        {"max_response_len": 1.5},
        {"idle_timeout": float("nan")},
        {"max_cookies": True},
        {"max_retries": "2"},
    ],
)
def test_limits_that_make_no_sense_are_told_by_their_name(changes: dict[str, object]) -> None:
    problem = check_client_limits(ClientLimits()._replace(**changes))  # type: ignore[arg-type]
    assert problem is not None and next(iter(changes)) in problem


@pytest.mark.parametrize("value", [0, -1.0, "1", True, float("nan")])
def test_a_timeout_is_a_positive_number_or_none(value: object) -> None:
    problem = check_timeouts(Timeouts()._replace(connect=value))  # type: ignore[arg-type]
    assert problem is not None and "connect" in problem
    assert check_timeouts(Timeouts(connect=None)) is None


COUNTED = (
    "max_connections",
    "max_waiting_requests",
    "max_response_header_len",
    "max_response_headers",
    "max_response_len",
    "max_unread_len",
    "max_chunk_line_len",
    "max_trailer_len",
    "max_cookies",
    "max_cookie_len",
    "max_read_len",
    "max_body_read_len_per_tick",
    "max_send_len",
)
"""Every limit on memory."""
NOT_MEMORY = {
    "max_connections_per_origin": "a part of all connections",
    "idle_timeout": "time",
    "max_idle_connections": "a part of all connections",
    "max_informational_responses": "counted, and not held",
    "max_drained_len": "read and dropped",
    "max_chunk_extension_len": "counted and dropped",
    "max_redirects": "one request after another",
    "max_retries": "one attempt after another",
    "retry_base": "time",
    "max_retry_delay": "time",
    "max_cookies_per_domain": "a part of all cookies",
    "attempt_delay": "time",
    "max_addresses": "a few bytes of a request that has no response yet",
    "max_resolver_threads": "stacks, of the operating system",
    "max_abandoned_resolver_threads": "stacks, of the operating system",
}
"""The limits that bound no memory of their own, each with the reason."""
WEBSOCKET_COUNTED = ("max_message_len", "max_queue_len", "max_received_len")
WEBSOCKET_NOT_MEMORY = {
    "max_small_fragments": "fragments are counted; what is in them is part of the message",
    "min_fragment_len": "fragments are counted; what is in them is part of the message",
    "open_timeout": "time",
    "ping_interval": "time",
    "pong_timeout": "time",
    "close_timeout": "time",
}


def test_every_limit_is_counted_or_has_a_reason_not_to_be() -> None:
    assert sorted([*COUNTED, *NOT_MEMORY]) == sorted(ClientLimits._fields)
    websocket = [*WEBSOCKET_COUNTED, *WEBSOCKET_NOT_MEMORY]
    assert sorted(websocket) == sorted(WebSocketLimits._fields)


@pytest.mark.parametrize("name", [*COUNTED, *NOT_MEMORY])
def test_the_footprint_grows_with_every_limit_on_memory_and_no_other(name: str) -> None:
    usual = ClientLimits()
    twice = usual._replace(**{name: 2 * getattr(usual, name)})
    grows = client_footprint(twice, websockets=5) > client_footprint(usual, websockets=5)
    assert grows is (name in COUNTED)


@pytest.mark.parametrize("name", WebSocketLimits._fields)
def test_the_footprint_grows_with_every_limit_on_memory_of_websockets(name: str) -> None:
    limits, usual = ClientLimits(), WebSocketLimits()
    twice = usual._replace(**{name: 2 * getattr(usual, name)})
    few = client_footprint(limits, 1, websockets=3, websocket_limits=usual)
    more = client_footprint(limits, 1, websockets=3, websocket_limits=twice)
    assert (more > few) is (name in WEBSOCKET_COUNTED)
    without = client_footprint(limits, 1, websockets=0, websocket_limits=twice)
    assert without == client_footprint(limits, 1)


def test_fewer_at_once_take_less() -> None:
    limits = ClientLimits()
    assert client_footprint(limits, 1) < client_footprint(limits, 10) < client_footprint(limits)
    assert client_footprint(limits, 1) < client_footprint(limits, 1, websockets=1)


@pytest.mark.parametrize("max_response_len", [0, 2**30])
def test_without_numbers_every_connection_is_what_takes_more(max_response_len: int) -> None:
    limits = ClientLimits(max_response_len=max_response_len)
    most = client_footprint(limits)
    mixes = [client_footprint(limits, websockets=count) for count in (0, 100, 256)]
    assert most == max(mixes)
