"""The footprint as a sum: it grows with every limit, counts what the limits promise, and covers
what a head costs.

Theory: that the sum is large enough as a whole is measured on a server that is besieged, in
tests/shell/test_server_footprint.py; here its terms are looked at one by one.
"""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.core.http.head import Head, parse_headers_only
from sigil.core.limits import Limits
from sigil.core.views.footprint import footprint, head_len

MIB = 2**20
SMALL = Limits(
    max_connection_cnt=8,
    max_ws_connection_cnt=8,
    max_header_len=8_192,
    max_body_len=65_536,
    max_queued_requests=4,
    max_outbox_len=65_536,
    max_ws_message_len=65_536,
    outgoing_buffer_sz=MIB,
    max_ws_send_frame_cnt=256,
    max_cached_heads=16,
    max_ws_outbox_len=131_072,
    max_ws_topics_per_client=64,
    max_thread_queue_len=MIB,
    max_read_len=8_192,
)
COUNTED = (
    "max_connection_cnt",
    "max_header_len",
    "max_headers",
    "max_target_len",
    "max_body_len",
    "max_queued_requests",
    "max_outbox_len",
    "max_ws_outbox_len",
    "max_ws_topics_per_client",
    "max_topic_len",
    "max_thread_queue_len",
    "max_ws_connection_cnt",
    "max_ws_message_len",
    "outgoing_buffer_sz",
    "max_ws_send_frame_cnt",
    "max_inbound_len",
    "max_outbound_len",
    "max_cached_heads",
    "max_cached_head_len",
    "max_accepts_per_tick",
    "max_reads_per_tick",
    "max_read_len",
)


def test_a_small_server_is_small() -> None:
    assert 4 * MIB < footprint(SMALL) < 32 * MIB


def test_a_server_that_takes_nobody_costs_what_it_remembers() -> None:
    nobody = SMALL._replace(max_connection_cnt=1, max_ws_connection_cnt=0, max_cached_heads=0)
    assert footprint(nobody, response_len=0) < 3 * MIB + nobody.max_thread_queue_len


@given(st.sampled_from(COUNTED), st.integers(1, 2**24), st.sampled_from([SMALL, Limits()]))
def test_a_wider_limit_is_never_a_smaller_footprint(name: str, more: int, limits: Limits) -> None:
    wider = limits._replace(**{name: getattr(limits, name) + more})
    assert footprint(wider) >= footprint(limits)


WIDE_ENOUGH = ("max_inbound_len", "max_outbound_len", "max_reads_per_tick")
"""What a small server has more of than its few clients can ever use."""


@pytest.mark.parametrize("name", COUNTED)
def test_every_limit_counts_in_a_small_server_that_can_use_it(name: str) -> None:
    grows = footprint(SMALL._replace(**{name: 2 * getattr(SMALL, name)})) > footprint(SMALL)
    assert grows is (name not in WIDE_ENOUGH)


def test_the_inbound_budget_counts_when_there_are_many_clients() -> None:
    limits = Limits()
    assert (
        footprint(limits) - footprint(limits._replace(max_inbound_len=0)) >= limits.max_inbound_len
    )


def test_what_the_program_makes_counts_for_every_client() -> None:
    assert (
        footprint(SMALL, response_len=2 * MIB) - footprint(SMALL, response_len=MIB) >= 8 * 4 * MIB
    )
    assert footprint(SMALL, turn_len=1_024) < footprint(SMALL, turn_len=2_048)
    assert footprint(SMALL, turn_len=MIB) == footprint(SMALL, turn_len=8 * MIB), (
        "no more than fits is published"
    )


FIELDS = b"".join(b"%c%02d: v%d\r\n" % (65 + index % 26, index, index) for index in range(90))


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + FIELDS + b"\r\n",
        b"GET /%F0%9F%98%80"
        + b"a" * 7_900
        + b"?"
        + b"q" * 20
        + b" HTTP/1.1\r\nHost: a\r\n"
        + FIELDS
        + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n"
        + b"".join(b"X: %d%0600d\r\n" % (index, 0) for index in range(90))
        + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"z" * 60_000 + b"\r\n\r\n",
    ],
    ids=["least", "many fields", "wide path", "one name", "one field"],
)
def test_a_head_costs_no_more_than_it_is_counted_for(head: bytes) -> None:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        heads = [parse_headers_only(bytes(bytearray(head))) for _ in range(20)]
        cost = (tracemalloc.get_traced_memory()[0] - before) / 20
    finally:
        tracemalloc.stop()
    assert type(heads[0]) is Head
    assert cost < head_len(Limits(), len(head))


def test_a_bound_counts_by_either_of_its_names() -> None:
    wide = SMALL._replace(max_body_len=MIB)
    assert footprint(SMALL._replace(max_request_len=MIB)) == footprint(wide) > footprint(SMALL)
    assert footprint(wide._replace(max_request_len=65_536)) == footprint(SMALL)
