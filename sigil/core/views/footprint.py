"""The footprint: how much memory a server can come to hold, from its limits alone.

Theory: everything that grows has a limit, so the sum of all limits, each with what an object costs
beside its bytes, is a bound that no client can exceed. Each term below is what the worst clients
can bring about by one means; they are added up as if all were used at once, which is too much by a
small factor and never too little.

Rules: bytes of this process; what the kernel holds for a socket is not counted. What the program
makes is its own choice, so it is asked for: the longest body, chunk or message that it makes anew,
and how much it publishes in one tick. What is made once and given to many counts once, and not
here; so does a body or a message held by a handler that responds later. Numbers in capitals are
measured for CPython on 64 bits, and rounded up. Every limit on memory has to be in a term: a test
varies each of them. This file does not know a server: another test attacks one, and compares.
"""

from typing import Final

from ..broadcast.retained import MESSAGE_BYTES as RETAINED_BYTES
from ..broadcast.retained import PIECES_MAX, max_encoded_len
from ..connection.client_status import UNCOUNTED_BYTES
from ..connection.subscriber import places_len_max
from ..http.field_lines import (
    REMEMBERED_FIELDS,
    REMEMBERED_LEN,
    REMEMBERED_SET_FIELDS,
    REMEMBERED_SETS,
)
from ..http.head import FIELD_BYTES, HEAD_BYTES, TARGET_FACTOR, TEXT_FACTOR
from ..http.headers import REMEMBERED_NAME_LEN, REMEMBERED_NAMES
from ..limits import Limits, without_aliases
from ..server.budgets import outbound_bound

SERVER_BYTES: Final = 2**20
"""A server without clients: its value, its tables, its threads' queues, the parser's."""
CONNECTION_BYTES: Final = 6_144
"""An idle connection: socket, record, places in tables and timers, callbacks, which are 1 KiB; the
4 KiB that are read of it when it is accepted; and, when it ends, its last effects.
"""
TLS_BYTES: Final = 65_536
"""A connection over TLS beside that: 17 KiB when it is idle, most of it OpenSSL's; a record each
way while it is read and written; and a handshake, with a chain of certificates.
"""
TLS_SERVER_BYTES: Final = 4 * 2**20
"""OpenSSL itself, a context, and the sessions that it remembers."""
CHAR_BYTES_MAX: Final = 4
"""Bytes of a character, all through a text that has one character that needs them."""
RECORD_BYTES: Final = 512
"""A small record, the texts in it apart, and its place in a table."""
_FIELD_BYTES: Final = RECORD_BYTES + (CHAR_BYTES_MAX + 1) * REMEMBERED_LEN
REMEMBERED_BYTES: Final = (
    REMEMBERED_NAMES * (RECORD_BYTES + 3 * REMEMBERED_NAME_LEN)
    + REMEMBERED_FIELDS * _FIELD_BYTES
    + REMEMBERED_SETS * REMEMBERED_SET_FIELDS * _FIELD_BYTES
)
"""The names and the fields of headers that are remembered (`headers`, `field_lines`): so much in a
process, however many servers it has.
"""
FILE_BYTES: Final = 1_024
"""A file on its way to a client: descriptor, facts, place in a table. What is small is read at once
and counts as a response.
"""
RESPONSE_BYTES: Final = 2_048
"""A response beside its body: record, head in bytes, its place in a queue."""
TOPIC_BYTES: Final = 480
"""A topic of a subscriber beside its text: the string, its places in the set while that is made
anew, and in the index by which cohorts are found.
"""
MESSAGE_BYTES: Final = 1_216
"""A published message beside its text and that of its topic: header, options, place on its page,
the page, and its places in what finds it: by topic, as the newest one of that, by who is excluded.
"""
ENCODINGS_BYTES: Final = 10 * 128
"""All other encodings of a published message, beside their bytes."""
RUN_BYTES: Final = 128
"""A hole in the positions of a stream that was taken over; there may be two for each message."""
EVENT_GROWTH: Final = 7
"""Bytes of a server-sent event for each byte of a text that is nothing but line ends."""
EVENT_BYTES: Final = 48
"""Bytes of a server-sent event beside its text, at most."""
ROUND_PART: Final = 8
"""Handlers make no more in one round than this part of the budget for what goes out, and one
response more (`Application`).
"""
PING_BYTES: Final = 12
"""Bytes for each byte that is read, when that is pings without payload: nothing smaller on the wire
makes an object.
"""


INFLATER_BYTES: Final = 80 * 1_024
"""What zlib has of a message that is inflated piece by piece, and the last 32 KiB of it: what comes
behind may refer back to them.
"""


def footprint(
    limits: Limits,
    *,
    response_len: int = 65_536,
    tick_len: int = 1_024,
    ws_fragment: bool = False,
    tls: bool = False,
) -> int:
    """An upper bound, in bytes, of what a server within these limits holds, whatever its clients
    do. That of the default limits is below 2 GiB.

    `response_len` is the longest body, chunk of a stream, or message that the program makes anew,
    and `tick_len` how much it publishes in one tick, both in bytes. With `ws_fragment` the program
    takes long messages in pieces: each WebSocket may be in the middle of a compressed one. With
    `tls` all connections are over TLS.
    """
    if not isinstance(limits, Limits):
        raise TypeError(f"limits are a Limits, not {type(limits).__name__}")
    limits = without_aliases(limits)
    return (
        SERVER_BYTES
        + _connections(limits)
        + _incoming(limits)
        + _requests(limits)
        + _files(limits)
        + _responses(limits, response_len)
        + _subscribers(limits)
        + _broadcast(limits, tick_len)
        + _retained(limits, tick_len)
        + _cached_heads(limits)
        + REMEMBERED_BYTES
        + (_inflated(limits) if ws_fragment else 0)
        + tls * _tls(limits)
    )


def _tls(limits: Limits) -> int:
    """Bytes for TLS on all connections: what OpenSSL has for each, and what each does not take."""
    count = limits.max_connection_cnt + limits.max_ws_connection_cnt
    return TLS_SERVER_BYTES + count * (TLS_BYTES + 2 * limits.max_tls_held_len)


def _connections(limits: Limits) -> int:
    """Bytes for all connections that are open, and those that were just accepted."""
    open_cnt = limits.max_connection_cnt + limits.max_ws_connection_cnt
    return (open_cnt + limits.max_accepts_per_tick) * CONNECTION_BYTES


def _incoming(limits: Limits) -> int:
    """Bytes that have come and are no complete request or message, the reads of one tick, and what
    they become at its end.

    A text may take four bytes where one came, and the bytes are released only when the server value
    that holds them is replaced. Of compressed messages, one at a time is decompressed.
    """
    whole = limits.max_body_len + max(limits.max_chunk_line_len, limits.max_trailer_len)
    # a body in pieces is held up to the last read before the bound, and a buffer behind that
    in_pieces = limits.max_body_piece_len + limits.max_read_len + limits.max_header_len
    body = max(whole, in_pieces)
    http = max(limits.max_header_len, body) + limits.max_read_len
    websocket = limits.max_header_len + limits.max_ws_message_len + limits.max_read_len
    all_websockets = limits.max_ws_connection_cnt * websocket
    all_clients = limits.max_connection_cnt * http + all_websockets + _all_requests(limits)

    client_cnt = limits.max_connection_cnt + limits.max_ws_connection_cnt
    reads = min(client_cnt, limits.max_reads_per_tick)
    # the budget is enforced when a read is handled: all reads of a tick may be held beside it
    in_tick = (reads + 1) * limits.max_read_len + limits.max_body_read_len_per_tick
    budget = limits.max_inbound_len + in_tick
    held, held_text = min(budget, all_clients), min(budget, all_websockets)
    handed_over = max(held, CHAR_BYTES_MAX * held_text)

    pings = reads * (limits.max_read_len + limits.max_header_len) * PING_BYTES
    decompressed = 0
    if limits.permessage_deflate:
        decompressed = (1 + CHAR_BYTES_MAX) * limits.max_ws_message_len
    return held + handed_over + pings + decompressed


def _inflated(limits: Limits) -> int:
    """Bytes for a compressed message of each WebSocket that is being inflated, and of the piece
    that the program has.
    """
    if not limits.permessage_deflate:
        return 0
    held = INFLATER_BYTES + 3 * limits.max_ws_piece_len
    return limits.max_ws_connection_cnt * held + (2 + CHAR_BYTES_MAX) * limits.max_ws_piece_len


def head_len(limits: Limits, length: int) -> int:
    """Bytes that a parsed head of `length` bytes costs at most.

    Its text counts twice, as it came and with repeated fields combined; its target once more, and
    as the decoded path, whose characters may be wider.
    """
    target = min(length, limits.max_target_len)
    fields = limits.max_headers * FIELD_BYTES
    return HEAD_BYTES + fields + TEXT_FACTOR * length + TARGET_FACTOR * target


def _all_requests(limits: Limits) -> int:
    """Bytes of the heads of as many requests as may be outstanding."""
    requests = limits.max_connection_cnt * limits.max_queued_requests
    return requests * head_len(limits, limits.max_header_len)


def _requests(limits: Limits) -> int:
    """Bytes of the heads of outstanding requests that are in no sum: those of a small one for each
    connection. The others are counted with what has come (`_incoming`).
    """
    return min(_all_requests(limits), limits.max_connection_cnt * UNCOUNTED_BYTES)


def _files(limits: Limits) -> int:
    """Bytes of files that are being sent, each to a request of its own."""
    requests = limits.max_connection_cnt * limits.max_queued_requests
    return min(limits.max_open_files, requests) * FILE_BYTES


def _responses(limits: Limits, response_len: int) -> int:
    """Bytes of responses that came before their turn, and of what was sent to anybody and not
    taken.

    The sum is bounded, but for what handlers make in one round. What is half taken is held whole.
    """
    clients, subscribers = limits.max_connection_cnt, limits.max_ws_connection_cnt
    early = limits.max_outbox_len + response_len + limits.max_queued_requests * RESPONSE_BYTES
    queued = max(limits.max_outbox_len, limits.max_ws_outbox_len) + places_len_max(limits)
    all_clients = clients * (early + limits.max_outbox_len + response_len)
    all_subscribers = subscribers * (queued + (1 + EVENT_GROWTH) * response_len + RESPONSE_BYTES)
    in_one_round = limits.max_outbound_len // ROUND_PART + response_len
    budget = outbound_bound(limits) + in_one_round
    half_taken = (clients + subscribers) * response_len
    return min(budget, all_clients + all_subscribers) + half_taken


def _subscribers(limits: Limits) -> int:
    """Bytes of the topics of subscribers, and of messages from other threads."""
    topic = TOPIC_BYTES + CHAR_BYTES_MAX * limits.max_topic_len
    topics = limits.max_ws_topics_per_client * topic
    return limits.max_ws_connection_cnt * topics + limits.max_thread_queue_len


def _broadcast(limits: Limits, tick_len: int) -> int:
    """Bytes of the ring, of a page of it that is released only when its last message is, of what
    was encoded anew, and of one tick's messages for each cohort.
    """
    if not limits.max_ws_connection_cnt and not limits.history_messages:
        return 0  # nothing that is published is ever held
    messages = min(tick_len, limits.max_ws_send_frame_cnt)
    events = EVENT_GROWTH * tick_len + EVENT_BYTES * messages
    tick = min(events, EVENT_GROWTH * limits.outgoing_buffer_sz)
    messages = limits.max_ws_send_frame_cnt * (MESSAGE_BYTES + ENCODINGS_BYTES + 2 * RUN_BYTES)
    held = limits.outgoing_buffer_sz + limits.max_recoded_len + messages
    # one tick more for the last message that was encoded anew, which is kept whatever its length
    return held + (3 + limits.max_ws_connection_cnt) * tick


def _retained(limits: Limits, tick_len: int) -> int:
    """Bytes of what is retained, and of the same in other encodings, of which one message is kept
    whatever its length.
    """
    message = RETAINED_BYTES + CHAR_BYTES_MAX * limits.max_topic_len + tick_len
    held = min(limits.max_retained_len, limits.max_retained_topics * message)
    longest = min(EVENT_GROWTH * held, EVENT_GROWTH * tick_len + EVENT_BYTES)
    pieces = PIECES_MAX * min(held, limits.max_outbox_len + tick_len)
    return held + max_encoded_len(limits) + longest + pieces if held else 0


def _cached_heads(limits: Limits) -> int:
    """Bytes of parsed heads that may come again, and of headers that may come behind another first
    line, with the bytes that each is looked up by.
    """
    length = min(limits.max_cached_head_len, limits.max_header_len)
    return 2 * limits.max_cached_heads * (head_len(limits, length) + length)
