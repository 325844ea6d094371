"""Limits: the numbers themselves, written out, so that changing one is a decision."""

import pytest

from sigil.core.limits import Limits, shortest_timeout


def test_the_bounds_of_a_default_server_are_these() -> None:
    limits = Limits()._asdict()
    assert {name: limits[name] for name in (
        "max_connection_cnt", "max_header_len", "max_headers", "max_target_len", "max_body_len", "max_chunk_line_len",
        "max_chunk_extension_len", "max_trailer_len", "max_queued_requests", "max_outbox_len", "header_timeout",
        "body_timeout", "idle_timeout", "stall_timeout", "linger_timeout", "max_linger_len")} == {
        "max_connection_cnt": 1024, "max_header_len": 65_536, "max_headers": 100, "max_target_len": 8_000,
        "max_body_len": 10_485_760, "max_chunk_line_len": 1_024, "max_chunk_extension_len": 16_384,
        "max_trailer_len": 8_192, "max_queued_requests": 64, "max_outbox_len": 262_144, "header_timeout": 10.0,
        "body_timeout": 30.0, "idle_timeout": 60.0, "stall_timeout": 30.0, "linger_timeout": 2.0,
        "max_linger_len": 1_048_576}


def test_every_bound_is_a_positive_number() -> None:
    assert all(value > 0 for value in Limits())


@pytest.mark.parametrize(("limits", "seconds"), [
    (Limits(), 2.0),
    (Limits(linger_timeout=100.0), 10.0),
    (Limits(stall_timeout=0.5), 0.5),
    (Limits(idle_timeout=0.25), 0.25),
    (Limits(body_timeout=1.5), 1.5),
    (Limits(header_timeout=1.0), 1.0),
])
def test_the_shortest_timeout_is_the_least_of_the_deadlines(limits: Limits, seconds: float) -> None:
    assert shortest_timeout(limits) == seconds
