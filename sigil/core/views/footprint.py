"""The footprint: how much memory a server can come to hold, from its limits alone.

Theory: everything that grows has a limit, so the sum of all limits, each with what an object costs
beside its bytes, is a bound that no client can move. Each term below is what the worst clients can
bring about by one means; they are added up as if all were used at once, which is too much by a
small factor and never too little.

Rules: bytes of this process; what the kernel keeps for a socket is not counted. What the program
makes is its own choice, so it is asked for: the longest body, piece or message that it makes anew,
and how much it publishes in one turn of its loop. What is made once and given to many counts once,
and not here; so does a body or a message in the hands of a handler that answers later. Numbers in
capitals are measured for CPython on 64 bits, and rounded up. It does not know a server: a test has
one besieged, and compares.
"""

from ..limits import Limits, without_aliases

SERVER = 2**20
"""A server without clients: its value, its tables, its threads' queues, the parser's."""
CONNECTION = 6_144
"""A connection at rest: socket, record, places in tables and timers, callbacks; and, when it
leaves, its last words.
"""
FIELD = 320
"""A field line beside its text: the pair, two strings, the dictionary's entry."""
HEAD = 1_024
"""A head beside its fields, its request, and what stands for a request while its answer is awaited.
"""
ANSWER = 2_048
"""The answer to a request beside its body: record, head in bytes, its place in a queue."""
TOPIC = 256
"""A topic of a subscriber beside its text: the string, and its places in the set while that is made
anew.
"""
FRAME = 512
"""A published message beside its text: header, place on its page, the page."""
ENCODINGS = 9 * 128
"""The same message in all other encodings, beside their bytes."""
CHAR_BYTES_MAX = 4
"""Bytes of a character, all through a text that has one character that needs them."""
EVENT = 7
"""Bytes of an event for each of a text that is nothing but line ends."""
EVENT_ID = 48
"""Bytes of an event beside its text, at most."""
PING_BYTES = 12
"""Bytes for each byte of pings without payload, the smallest things that are made of what is read.
"""


def footprint(limits: Limits, *, response_len: int = 65_536, turn_len: int = 65_536) -> int:
    """An upper bound, in bytes, for what a server within these limits holds, whatever its clients
    do.

    `response_len` is the longest body, piece of a stream, or message that the program makes anew,
    and `turn_len` how much it publishes in one turn of its loop, both in bytes.
    """
    limits = without_aliases(limits)
    return (
        SERVER
        + _connections(limits)
        + _arriving(limits)
        + _requests(limits)
        + _answers(limits, response_len)
        + _websockets(limits, response_len)
        + _published(limits, turn_len)
        + _cached(limits)
    )


def _connections(limits: Limits) -> int:
    """Everybody who has a place, and who is at the door."""
    return (
        limits.max_connection_cnt + limits.max_ws_connection_cnt + limits.max_accepts_per_tick
    ) * CONNECTION


def _arriving(limits: Limits) -> int:
    """What has come and is not complete, the reads of one tick, and what becomes of them at the end
    of it.

    A text may take four bytes where one came, and bytes are let go only when the server that holds
    them is replaced. Of what came compressed, one message at a time is inflated.
    """
    reads = min(limits.max_connection_cnt + limits.max_ws_connection_cnt, limits.max_reads_per_tick)
    body = limits.max_body_len + max(limits.max_chunk_line_len, limits.max_trailer_len)
    http = max(limits.max_header_len, body) + limits.max_read_len
    talk = limits.max_header_len + limits.max_ws_message_len + limits.max_read_len
    all_http, all_talk = limits.max_connection_cnt * http, limits.max_ws_connection_cnt * talk
    most = limits.max_inbound_len + (reads + 1) * limits.max_read_len
    kept, kept_talk = min(most, all_http + all_talk), min(most, all_talk)
    crumbs = reads * (limits.max_read_len + limits.max_header_len) * PING_BYTES
    inflated = (1 + CHAR_BYTES_MAX) * limits.max_ws_message_len if limits.permessage_deflate else 0
    return kept + max(kept, CHAR_BYTES_MAX * kept_talk) + crumbs + inflated


def head_len(limits: Limits, length: int) -> int:
    """What a parsed head of so many bytes costs: its text twice, folded and as it came; its path
    once more, wider.
    """
    target = min(length, limits.max_target_len)
    return HEAD + limits.max_headers * FIELD + 2 * length + (2 + CHAR_BYTES_MAX) * target


def _requests(limits: Limits) -> int:
    """Heads of requests that wait for their answers, behind a stream or a promise: in no budget but
    their number.
    """
    return (
        limits.max_connection_cnt
        * limits.max_queued_requests
        * head_len(limits, limits.max_header_len)
    )


def _answers(limits: Limits, response_len: int) -> int:
    """Answers that wait for their turn behind a stream or a promise, or to be read; of each client
    one is half read.

    What waits for its turn is in no budget but its number, so `max_outbound_len` does not make it
    less.
    """
    queue = limits.max_queued_requests * (response_len + ANSWER)
    return limits.max_connection_cnt * (queue + limits.max_outbox_len + 2 * response_len)


def _websockets(limits: Limits, response_len: int) -> int:
    """What was said to WebSockets and not taken: as much as is kept for each, the message after
    that, one half read.

    And what other threads have said; and the topics of each.
    """
    said = (
        max(limits.max_outbox_len, limits.max_ws_outbox_len) + (1 + EVENT) * response_len + ANSWER
    )
    topics = limits.max_ws_topics_per_client * (TOPIC + CHAR_BYTES_MAX * limits.max_topic_len)
    return limits.max_ws_connection_cnt * (said + topics) + limits.max_thread_queue_len


def _published(limits: Limits, turn_len: int) -> int:
    """The ring, a page of it that is let go only when its last message is, and one turn's messages
    for each cohort.
    """
    if not limits.max_ws_connection_cnt and not limits.history_messages:
        return 0
    turn = min(
        EVENT * turn_len + EVENT_ID * limits.max_ws_send_frame_cnt,
        EVENT * limits.outgoing_buffer_sz,
    )
    ring = limits.outgoing_buffer_sz + limits.max_ws_send_frame_cnt * (FRAME + ENCODINGS)
    return ring + (2 + limits.max_ws_connection_cnt) * turn


def _cached(limits: Limits) -> int:
    """Heads that were parsed and may come again, and the bytes they are known by."""
    length = min(limits.max_cached_head_len, limits.max_header_len)
    return limits.max_cached_heads * (head_len(limits, length) + length)
