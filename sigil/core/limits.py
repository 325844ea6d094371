"""Every bound of the system, in one record.

Theory: a server is as robust as its weakest unbounded thing, so nothing here grows, waits or
repeats without a field of this record that says how far. A bound that is not enforced does not
belong here; one that is enforced has its reason beside it.

Rules: lengths are bytes, times are seconds, counts are plain numbers; the last word of a name is
its unit unless it is one of the names of the system this one learned from (`max_connection_cnt`,
...).

It does not know who enforces what: parsers take the record as an argument, the shell reads its own
fields.
"""

from typing import NamedTuple


class Limits(NamedTuple):
    """All bounds.  Replace what you need: `Limits(max_body_len=2**20, idle_timeout=5.0)`."""

    # -- connections -------------------------------------------------------------------------------
    max_connection_cnt: int = 1024
    """Connections open at once. Each costs a descriptor and a record; beyond them `full_policy`
    decides.
    """
    full_policy: str = "evict"
    """When all are open, a newcomer may `evict` the one that is furthest behind or has been idle
    longest (so that idle connections cannot lock anybody out), `wait` in the kernel's queue, or get
    a `503`.
    """
    max_requests_per_connection: int = 10**9
    """The answer to the last one ends the connection. Lower it where a balancer is to spread
    clients anew.
    """

    # -- the head of a request ---------------------------------------------------------------------
    max_header_len: int = 65_536
    """Request line and fields together.  Large cookies and tokens fit; 431 beyond."""
    max_headers: int = 100
    """Field lines of one request. Browsers send about 20; each costs more than its bytes; 431
    beyond.
    """
    max_target_len: int = 8_000
    """The request target.  RFC 9112 section 3 recommends at least 8000 octets; 414 beyond."""

    # -- the body of a request ---------------------------------------------------------------------
    max_body_len: int = 10 * 2**20
    """The decoded body, which is held in memory until the handler runs; 413 beyond, before it is
    read.
    """
    max_request_len: int | None = None
    """The other name of that bound, by which the system this one learned from has it: if given, it
    takes its place.
    """
    max_chunk_line_len: int = 1_024
    """One chunk-size line with its extensions, which mean nothing to us; 400 beyond."""
    max_chunk_extension_len: int = 16_384
    """All chunk extensions of one body: they cost the sender nothing and the parser time; 400
    beyond.
    """
    max_trailer_len: int = 8_192
    """The trailer section of a chunked body, which is checked and dropped; 431 beyond."""

    # -- what one client may have under way --------------------------------------------------------
    max_queued_requests: int = 64
    """Pipelined requests handed out and not yet answered; further ones wait unparsed."""
    max_outbox_len: int = 262_144
    """Bytes a client may owe us reading: from there on it is neither read nor parsed until it
    drains.
    """

    # -- WebSockets --------------------------------------------------------------------------------
    max_ws_connection_cnt: int = 1024
    """WebSockets and event streams of what is broadcast that are open at once, beside other
    connections; beyond them `full_policy` evicts the oldest, or refuses.
    """
    max_ws_recv_frame_len: int = 2**24
    """Payload of one frame from a client; close code 1009 beyond, before the payload is read."""
    max_ws_message_len: int = 2**24
    """A whole message from a client, however it is fragmented; 1009 beyond, before the payload is
    read.
    """
    max_ws_outbox_len: int = 2**24
    """Bytes said to one WebSocket that it has not taken: from there on a message is dropped, and
    the program is told. Its own messages are not read from `max_outbox_len` on.
    """
    max_ws_topics_per_client: int = 1_024
    """Topics that one WebSocket or event stream is subscribed to at once. They are held as one set,
    which is made anew with every change; 500 beyond if a response asks for more, and a subscription
    beyond is not made, which the error log tells.
    """
    max_topic_len: int = 256
    """A topic that somebody is subscribed to, in UTF-8: it is a name, and may come from strangers;
    beyond, the same.
    """
    compress_websocket: bool = True
    """The sub-protocol `compress-zstd` is spoken with whoever offers it: messages over 200 bytes
    come in Zstandard.
    """
    permessage_deflate: bool = True
    """Deflate (RFC 7692) is spoken with whoever offers it, as browsers do; no window is kept, for
    anybody.
    """
    max_thread_queue_len: int = 2**26
    """Bytes that other threads have said and the loop has not taken yet; a message beyond is
    dropped, and its thread is told.
    """
    outgoing_buffer_sz: int = 64 * 2**20
    """Bytes of what was broadcast last that are kept for clients that are behind: one that needs
    older ones is dropped. A message that does not fit by itself is dropped.
    """
    max_ws_send_frame_cnt: int = 8_192
    """Messages kept for the same purpose: small ones cost more than their bytes."""
    history_messages: int = 0
    """What is broadcast is kept for clients to come, who may ask for up to so many of the last
    messages.
    """
    origins: tuple[str, ...] | None = None
    """Origins whose pages may open a WebSocket, spelled as browsers do (`https://example.com`),
    `"*"` for all; None: the server's own. A client that is no browser sends none and is accepted;
    others are answered 403.
    """
    ws_early_data: bool = False
    """Whether frames may come before the upgrade is answered. A client has to wait (RFC 6455
    section 4.1): 400.
    """

    # -- what all clients together may have under way ----------------------------------------------
    max_inbound_len: int = 2**29
    """Bytes of requests that are not complete, over all clients: above it the slowest sender is
    told 503.
    """
    max_outbound_len: int = 2**30
    """Bytes that clients owe us reading, over all of them: above it no request is handed out, and
    after a second the slowest readers are dropped.
    """

    # -- what is remembered ------------------------------------------------------------------------
    max_cached_heads: int = 256
    """Parsed heads kept for clients that send the same bytes again; heads with credentials never
    are.
    """
    max_cached_head_len: int = 2_048
    """A head longer than this is not remembered: it is unlikely to come again."""

    tcp_notsent_lowat: int = 65_536
    """Bytes that the kernel takes for a client beyond what the network does: so a slow reader is
    seen to read.
    """

    # -- deadlines ---------------------------------------------------------------------------------
    header_timeout: float = 10.0
    """From the first byte of a head to its end, however steadily it dribbles; 408 after."""
    body_timeout: float = 30.0
    """From the end of the head to the end of the body; 408 after."""
    response_timeout: float = 300.0
    """For a late answer, or the next piece of a stream: a promise that nobody keeps must not hold a
    connection for ever; 503 after, or a broken connection if the answer has begun.
    """
    sse_keep_alive_interval: float = 15.0
    """An event stream that is silent for so long gets a comment, so that proxies keep it and a dead
    client is noticed (the interval the WHATWG standard advises); one of what is broadcast gets its
    position so often, silent or not.
    """
    idle_timeout: float = 60.0
    """Between requests: a kept connection that asks nothing is closed without a word."""
    stall_timeout: float = 30.0
    """A client that takes no byte of what it is owed for so long is dropped."""
    rate_grace: float = 30.0
    """How long a client may send its body, or be behind with reading, at any rate: long enough for
    a pause.
    """
    min_body_rate: int = 240
    """Bytes per second, on average, at which a body must come: a dribble beats every timeout set
    for honest clients; 408 below.
    """
    min_read_rate: int = 240
    """Bytes per second, on average, that a client must take while it is behind: one byte a second
    is no progress; dropped below.
    """
    ws_ping_interval: float = 20.0
    """A WebSocket that is silent for so long is asked for a sign of life: dead peers do not say
    that they are.
    """
    ws_pong_timeout: float = 20.0
    """For that sign of life; close code 1011 after."""
    ws_close_timeout: float = 5.0
    """For the answer to our close frame; the connection is closed without it after."""
    linger_timeout: float = 2.0
    """After our last byte: how long the client may go on sending before the connection is closed
    under it.
    """
    max_linger_len: int = 2**20
    """After our last byte: how much of what the client goes on sending is read and thrown away."""

    # -- one turn of the loop ----------------------------------------------------------------------
    max_accepts_per_tick: int = 64
    """Connections accepted in one tick, so that a flood of them leaves time for those already here.
    """
    max_reads_per_tick: int = 256
    """Connections read in one tick; the rest are still ready in the next one."""
    max_read_len: int = 65_536
    """Bytes taken from one connection in one tick, so that a fast sender cannot keep the loop to
    itself.
    """
    max_rounds_per_tick: int = 32
    """Times a tick follows effects to the events they cause (an endless stream would hold it for
    ever).
    """


FULL_POLICIES = ("evict", "wait", "503")

_AT_LEAST_ONE = frozenset(
    (
        "max_connection_cnt",
        "max_requests_per_connection",
        "max_headers",
        "max_queued_requests",
        "tcp_notsent_lowat",
        "max_accepts_per_tick",
        "max_reads_per_tick",
        "max_read_len",
        "max_rounds_per_tick",
        "outgoing_buffer_sz",
        "max_ws_send_frame_cnt",
    )
)
"""What the server cannot work without."""


def without_aliases(limits: Limits) -> Limits:
    """The same limits with the bound on bodies under its own name, whichever name it was given by."""
    return (
        limits
        if limits.max_request_len is None
        else limits._replace(max_body_len=limits.max_request_len)
    )


def shortest_timeout(limits: Limits) -> float:
    """The shortest of the deadlines, in seconds: nothing can become due sooner than this after
    being set.
    """
    return min(
        limits.header_timeout,
        limits.body_timeout,
        limits.idle_timeout,
        limits.stall_timeout,
        limits.response_timeout,
        limits.sse_keep_alive_interval,
        limits.rate_grace,
        limits.linger_timeout,
        limits.ws_ping_interval,
        limits.ws_pong_timeout,
        limits.ws_close_timeout,
    )


def check_limits(limits: Limits) -> str | None:
    """None if a server can work within these limits, or a sentence about the first that makes no
    sense.
    """
    if limits.full_policy not in FULL_POLICIES:
        return f"full_policy is one of {', '.join(FULL_POLICIES)}, not {limits.full_policy!r}"
    if limits.origins is not None and not isinstance(limits.origins, tuple):
        return f"origins is None or a tuple of origins, not {limits.origins!r}"
    for name, value in zip(limits._fields, limits, strict=True):
        default = (
            0 if name == "max_request_len" and value is not None else Limits._field_defaults[name]
        )
        if type(default) in (int, float) and not _is_number(
            value, type(default), int(name in _AT_LEAST_ONE)
        ):
            kind = "a whole number" if type(default) is int else "a number"
            return f"{name} is {kind}, {int(name in _AT_LEAST_ONE)} or more, not {value!r}"
    return None


WHOLE_MAX = 2**31 - 1
"""More than any count or length here can sensibly be, and the most that the kernel understands."""


def _is_number(value: object, kind: type, minimum: int) -> bool:
    """True for a number of this kind that is not less, and not too large for a whole one; NaN is
    neither.
    """
    if kind is int:
        return type(value) is int and minimum <= value <= WHOLE_MAX
    return isinstance(value, int | float) and value >= minimum
