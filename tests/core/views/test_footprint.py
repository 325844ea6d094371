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
from sigil.core.views.footprint import REMEMBERED_BYTES, footprint, head_len

MIB = 2**20
SMALL = Limits(
    max_connection_cnt=8,
    max_ws_connection_cnt=8,
    max_header_len=8_192,
    max_body_len=65_536,
    max_body_piece_len=16_384,
    max_queued_requests=4,
    max_outbox_len=65_536,
    max_ws_message_len=65_536,
    outgoing_buffer_sz=MIB,
    max_ws_send_frame_cnt=256,
    max_cached_heads=16,
    max_ws_outbox_len=131_072,
    max_ws_topics_per_client=16,
    max_topic_len=64,
    max_thread_queue_len=MIB,
    max_read_len=8_192,
    max_recoded_len=65_536,
    max_retained_topics=64,
    max_retained_len=65_536,
)
CROWDED = SMALL._replace(
    max_connection_cnt=4_096,
    max_ws_connection_cnt=4_096,
    max_inbound_len=MIB,
    max_outbound_len=MIB,
    max_reads_per_tick=64,
)
"""A server with so many clients that what bounds all of them together is reached."""

COUNTED = {
    "max_connection_cnt": SMALL,
    "max_header_len": SMALL,
    "max_headers": SMALL,
    "max_target_len": SMALL,
    "max_body_len": SMALL,
    "max_request_len": SMALL._replace(max_request_len=65_536),
    "max_body_piece_len": SMALL._replace(max_body_piece_len=131_072),
    "max_chunk_line_len": SMALL._replace(max_chunk_line_len=16_384),
    "max_trailer_len": SMALL,
    "max_queued_requests": SMALL,
    "max_outbox_len": SMALL,
    "max_tls_held_len": SMALL,
    "max_open_files": SMALL._replace(max_open_files=16),
    "max_ws_connection_cnt": SMALL,
    "max_ws_message_len": SMALL,
    "max_ws_outbox_len": SMALL,
    "max_ws_topics_per_client": SMALL,
    "max_topic_len": SMALL,
    "max_thread_queue_len": SMALL,
    "outgoing_buffer_sz": SMALL,
    "max_ws_send_frame_cnt": SMALL,
    "max_recoded_len": SMALL,
    "max_retained_topics": SMALL._replace(max_retained_len=MIB),
    "max_retained_len": SMALL,
    "max_inbound_len": CROWDED,
    "max_outbound_len": CROWDED,
    "max_cached_heads": SMALL,
    "max_cached_head_len": SMALL,
    "max_accepts_per_tick": SMALL,
    "max_reads_per_tick": CROWDED,
    "max_read_len": SMALL,
    "max_body_read_len_per_tick": CROWDED,
}
"""Every limit on memory, with limits under which nothing else bounds the same before it does."""

SWITCHES = {
    "permessage_deflate": (SMALL._replace(permessage_deflate=False), True),
    "history_messages": (SMALL._replace(max_ws_connection_cnt=0), 1),
}
"""What makes room for something at all, however much of it: limits without it, and a value with."""

NOT_MEMORY = {
    "max_file_send_len": "bytes that the kernel sends from its own memory",
    "max_ranges": "the framing of each range is a part of a response",
    "full_policy": "says who is refused, not how many are held",
    "max_requests_per_connection": "bounds requests over time: they are not held",
    "max_form_len": "decoded by the handler, which then holds what it likes",
    "max_form_fields": "decoded by the handler, which then holds what it likes",
    "max_form_files": "decoded by the handler, which then holds what it likes",
    "max_part_headers": "decoded by the handler, which then holds what it likes",
    "max_part_header_len": "decoded by the handler, which then holds what it likes",
    "max_json_depth": "decoded by the handler, which then holds what it likes",
    "max_streamed_body_len": "a body in pieces, of which `max_body_piece_len` is held",
    "max_chunk_extension_len": "extensions are counted and discarded, not held",
    "max_small_chunks": "chunks are counted; what is in them is part of the body",
    "min_chunk_len": "chunks are counted; what is in them is part of the body",
    "max_ws_piece_len": "a piece is part of a message; counted if the program takes pieces",
    "max_ws_streamed_len": "a message in pieces, of which `max_ws_piece_len` is held",
    "max_ws_small_fragments": "fragments are counted; what is in them is part of the message",
    "min_ws_fragment_len": "fragments are counted; what is in them is part of the message",
    "max_ws_control_frames_per_second": "a rate",
    "max_ws_recv_frame_len": "a frame is part of a message, which `max_ws_message_len` bounds",
    "compress_websocket": "a message in Zstandard counts in every entry, whether anybody has it",
    "date_header": "a line of each head, or none",
    "origins": "what the program gives, once",
    "proxy_protocol": "what the program gives, once; a header is a beginning of the buffer",
    "ws_early_data": "early frames are bytes of the read, and counted as such",
    "max_recode_len_per_tick": "work of a tick: what it makes is bounded by `max_recoded_len`",
    "tcp_notsent_lowat": "bytes in the kernel",
    "max_unsent_response_len": "bytes in the kernel",
    "tcp_keepalive": "time, of the kernel",
    "header_timeout": "time",
    "body_timeout": "time",
    "response_timeout": "time",
    "half_closed_timeout": "time",
    "sse_keep_alive_interval": "time",
    "idle_timeout": "time",
    "max_poll_timeout": "time",
    "stall_timeout": "time",
    "rate_grace": "time",
    "min_body_rate": "a rate",
    "min_read_rate": "a rate",
    "ws_ping_interval": "time",
    "ws_pong_timeout": "time",
    "ws_close_timeout": "time",
    "shutdown_timeout": "time",
    "linger_timeout": "time",
    "tls_handshake_timeout": "time",
    "max_tls_handshakes_per_tick": "work of a tick",
    "max_linger_len": "bytes that are read and discarded",
    "max_overdue_per_tick": "work of a tick",
    "max_user_seconds_per_tick": "time",
    "slow_handler": "time",
    "max_read_len_per_tick": "what is read is bounded by `max_read_len` for each connection",
    "max_rounds_per_tick": "work of a tick: what a round makes is sent or bounded before the next",
}
"""The limits that bound no memory of this process, each with the reason."""


def test_every_limit_is_counted_or_has_a_reason_not_to_be() -> None:
    assert sorted([*COUNTED, *SWITCHES, *NOT_MEMORY]) == sorted(Limits._fields)
    assert all(NOT_MEMORY.values())


@pytest.mark.parametrize("name", COUNTED)
def test_the_footprint_grows_with_every_limit_on_memory(name: str) -> None:
    limits = COUNTED[name]
    doubled = limits._replace(**{name: 2 * getattr(limits, name)})
    assert footprint(doubled, tls=True) > footprint(limits, tls=True)


@pytest.mark.parametrize("name", SWITCHES)
def test_the_footprint_grows_with_what_is_switched_on(name: str) -> None:
    limits, value = SWITCHES[name]
    assert footprint(limits._replace(**{name: value})) > footprint(limits)


@pytest.mark.parametrize("name", NOT_MEMORY)
def test_no_other_limit_is_in_the_footprint(name: str) -> None:
    value = getattr(SMALL, name)
    wider = 2 * value if isinstance(value, int | float) and type(value) is not bool else value
    assert footprint(SMALL._replace(**{name: wider})) == footprint(SMALL)


def test_a_small_server_is_small() -> None:
    assert 4 * MIB < footprint(SMALL) < 32 * MIB


def test_a_server_that_takes_nobody_costs_what_it_remembers() -> None:
    nobody = SMALL._replace(
        max_connection_cnt=1, max_ws_connection_cnt=0, max_cached_heads=0, max_retained_topics=0
    )
    most = 3 * MIB + nobody.max_thread_queue_len + REMEMBERED_BYTES
    assert footprint(nobody, response_len=0) < most < 16 * MIB


@given(
    st.sampled_from([name for name in COUNTED if name != "max_request_len"]),
    st.integers(1, 2**24),
    st.sampled_from([SMALL, Limits()]),
)
def test_a_wider_limit_is_never_a_smaller_footprint(name: str, more: int, limits: Limits) -> None:
    wider = limits._replace(**{name: getattr(limits, name) + more})
    assert footprint(wider) >= footprint(limits)


def test_the_inbound_budget_counts_when_there_are_many_clients() -> None:
    limits = Limits()
    assert (
        footprint(limits) - footprint(limits._replace(max_inbound_len=0)) >= limits.max_inbound_len
    )


def test_what_the_program_makes_counts_for_every_client() -> None:
    assert (
        footprint(SMALL, response_len=2 * MIB) - footprint(SMALL, response_len=MIB) >= 8 * 4 * MIB
    )
    assert footprint(SMALL, tick_len=1_024) < footprint(SMALL, tick_len=2_048)
    assert footprint(SMALL, tick_len=MIB) == footprint(SMALL, tick_len=8 * MIB), (
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


def test_the_defaults_are_a_bound_that_a_small_machine_can_promise() -> None:
    assert footprint(Limits()) < 2 * 2**30


def test_a_program_that_takes_messages_in_pieces_needs_more_for_each_websocket() -> None:
    limits = Limits()
    more = footprint(limits, ws_fragment=True) - footprint(limits)
    assert more > limits.max_ws_connection_cnt * limits.max_ws_piece_len
    assert footprint(limits._replace(max_ws_piece_len=2**17), ws_fragment=True) > more
    plain = limits._replace(permessage_deflate=False)
    assert footprint(plain, ws_fragment=True) == footprint(plain)
