"""Bounds that make no sense are told, and all of them together bound memory."""

import pytest

from sigil.core.client.limits import (
    ClientLimits,
    Timeouts,
    check_client_limits,
    check_timeouts,
    client_footprint,
)


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


MEMORY = (
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
    "max_send_len",
)
"""The limits on which memory depends."""


@pytest.mark.parametrize("name", MEMORY)
def test_every_limit_on_memory_is_in_the_footprint(name: str) -> None:
    usual = ClientLimits()
    twice = usual._replace(**{name: 2 * getattr(usual, name)})
    assert client_footprint(twice) > client_footprint(usual)


def test_fewer_requests_at_once_take_less() -> None:
    assert client_footprint(ClientLimits(), 1) < client_footprint(ClientLimits(), 10)
