"""Limits: the numbers themselves, written out, so that changing one is a decision."""

from typing import Any

import pytest

from sigil.core.limits import Limits, read_share_len, shortest_timeout
from sigil.core.limits_check import check_limits

ANY_KEEPALIVE: tuple[Any, ...] = (
    3,
    (1, 2),
    (1, 2, 0),
    (0, 1, 1),
    (1, 1, 128),
    (1, 1.5, 1),
    [1, 1, 1],
)
"""What is no TCP keep-alive."""


def test_the_bounds_of_a_default_server_are_these() -> None:
    limits = Limits()._asdict()
    assert {
        name: limits[name]
        for name in (
            "max_connection_cnt",
            "max_header_len",
            "max_headers",
            "max_target_len",
            "max_body_len",
            "max_chunk_line_len",
            "max_chunk_extension_len",
            "max_trailer_len",
            "max_queued_requests",
            "max_outbox_len",
            "header_timeout",
            "body_timeout",
            "idle_timeout",
            "stall_timeout",
            "linger_timeout",
            "max_linger_len",
        )
    } == {
        "max_connection_cnt": 1024,
        "max_header_len": 65_536,
        "max_headers": 100,
        "max_target_len": 8_000,
        "max_body_len": 10_485_760,
        "max_chunk_line_len": 1_024,
        "max_chunk_extension_len": 16_384,
        "max_trailer_len": 8_192,
        "max_queued_requests": 64,
        "max_outbox_len": 262_144,
        "header_timeout": 10.0,
        "body_timeout": 30.0,
        "idle_timeout": 60.0,
        "stall_timeout": 30.0,
        "linger_timeout": 2.0,
        "max_linger_len": 1_048_576,
    }


def test_the_default_limits_make_sense_and_every_bound_is_positive() -> None:
    assert check_limits(Limits()) is None
    assert check_limits(Limits(tcp_keepalive=(32_767, 1, 127))) is None
    assert [
        name
        for name, value in Limits()._asdict().items()
        if type(value) in (int, float) and value <= 0
    ] == ["history_messages"]


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        (Limits(full_policy="drop"), "full_policy is one of evict, wait, 503, not 'drop'"),
        (Limits(max_read_len=0), "max_read_len is a whole number, 1 or more, not 0"),
        (Limits(max_queued_requests=0), "max_queued_requests is a whole number, 1 or more, not 0"),
        (
            Limits(max_rounds_per_tick=1.5),
            "max_rounds_per_tick is a whole number, 1 or more, not 1.5",
        ),  # type: ignore[arg-type]
        (Limits(max_request_len=-5), "max_request_len is a whole number, 0 or more, not -5"),
        (Limits(origins="https://a"), "origins is None or a tuple of origins, not 'https://a'"),  # type: ignore[arg-type]
        *(
            (
                Limits(tcp_keepalive=value),
                "tcp_keepalive is None or (seconds, seconds, probes), of which seconds are 1 to "
                f"32767 and probes 1 to 127, not {value!r}",
            )
            for value in ANY_KEEPALIVE
        ),
        (Limits(body_timeout=-1.0), "body_timeout is a number, 0 or more, not -1.0"),
        (Limits(idle_timeout=float("nan")), "idle_timeout is a number, 0 or more, not nan"),
        (Limits(date_header="no"), "date_header is True or False, not 'no'"),  # type: ignore[arg-type]
        (Limits(max_body_len="10"), "max_body_len is a whole number, 0 or more, not '10'"),  # type: ignore[arg-type]
    ],
)
def test_limits_that_make_no_sense_are_told(limits: Limits, sentence: str) -> None:
    assert check_limits(limits) == sentence


def test_no_timeout_at_all_makes_sense() -> None:
    assert check_limits(Limits(idle_timeout=float("inf"), max_body_len=0)) is None


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [
        (Limits(), 2.0),
        (Limits(half_closed_timeout=0.5), 2.0),
        (Limits(stall_timeout=0.5), 0.5),
        (Limits(idle_timeout=0.25), 0.25),
        (Limits(body_timeout=0.5), 0.5),
        (Limits(header_timeout=1.0), 1.0),
    ],
)
def test_the_shortest_timeout_is_the_least_of_the_deadlines(limits: Limits, seconds: float) -> None:
    assert shortest_timeout(limits) == seconds


@pytest.mark.parametrize(
    ("ready_count", "length"),
    [(0, 65_536), (8, 65_536), (16, 32_768), (32, 16_384), (64, 16_384), (10_000, 16_384)],
)
def test_what_is_read_in_one_tick_is_shared(ready_count: int, length: int) -> None:
    assert read_share_len(Limits(), ready_count) == length
    assert read_share_len(Limits(max_read_len=500), ready_count) == 500


def test_shares_of_little_are_a_kibibyte_at_least() -> None:
    little = Limits(max_read_len_per_tick=16_384)
    assert [read_share_len(little, count) for count in (1, 8, 16, 64)] == [
        16_384,
        2_048,
        1_024,
        1_024,
    ]
