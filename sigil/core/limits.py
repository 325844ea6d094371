"""Every bound of the system, in one record.

Theory: a server is as robust as its weakest unbounded thing, so nothing here grows, waits or
repeats without a field of this record that says how far. A bound that is not enforced does not
belong here; one that is enforced has its reason beside it.

Rules: lengths are in bytes, times in seconds, counts are plain numbers; the last word of a name is
its unit, unless the name is one of Firedancer's (`max_connection_cnt` and its like). The docstring
of a field ends with what happens beyond the bound: a status, a close code, or what is done.

It does not know who enforces what: parsers take the record as an argument, the shell reads its own
fields.
"""

from typing import Final, NamedTuple


class Limits(NamedTuple):
    """All bounds. Replace what you need: `Limits(max_body_len=2**20, idle_timeout=5.0)`."""

    # -- connections -------------------------------------------------------------------------------
    max_connection_cnt: int = 1024
    """Connections open at once, WebSockets and event streams apart. Each costs a file descriptor
    and a record; beyond this `full_policy` decides.
    """
    full_policy: str = "evict"
    """What happens to a new connection when `max_connection_cnt` are open. `"evict"`: it replaces
    the one that is furthest behind or has been idle longest, so that idle connections cannot keep
    others out; `"wait"`: it waits in the kernel's queue; `"503"`: it is sent that status.
    """
    max_requests_per_connection: int = 10**9
    """Requests on one connection; it is closed behind the response to the last. Lower this if a
    load balancer is to distribute clients anew.
    """

    # -- the head of a request ---------------------------------------------------------------------
    max_header_len: int = 65_536
    """Bytes of the head of a request, request line and field lines together: enough for large
    cookies and tokens. 431 beyond.
    """
    max_headers: int = 100
    """Field lines of one request. Browsers send about 20, and each costs more memory than its
    bytes. 431 beyond.
    """
    max_target_len: int = 8_000
    """Bytes of the request target. RFC 9112 section 3 recommends at least 8000. 414 beyond."""

    # -- the body of a request ---------------------------------------------------------------------
    max_body_len: int = 10 * 2**20
    """Bytes of the decoded body of a request, which is held in memory until the handler is called.
    413 beyond, before the body is read if its length is declared.
    """
    max_request_len: int | None = None
    """Another name for `max_body_len`, that of Firedancer: if it is given, it replaces that."""
    max_chunk_line_len: int = 1_024
    """Bytes of one chunk-size line with its extensions, which are ignored. 400 beyond."""
    max_chunk_extension_len: int = 16_384
    """Bytes of all chunk extensions of one body: they are cheap to send and cost time to parse. 400
    beyond.
    """
    max_small_chunks: int = 4_096
    """Chunks of one body beyond one for every `min_chunk_len` bytes of it. Each costs far more time
    than its bytes, so a body that is nearly all overhead is none that somebody needs. 400 beyond.
    """
    min_chunk_len: int = 16
    """Bytes that a chunk has on average in a body of more than `max_small_chunks`: fewer than the
    lines and events that programs stream one by one. 400 below.
    """
    max_trailer_len: int = 8_192
    """Bytes of the trailer section of a chunked body, which is checked and dropped. 431 beyond."""
    max_form_len: int = 2**20
    """Bytes of a form that is decoded, those of its files not counted: what is typed by somebody,
    and what stands around it. 413 beyond.
    """
    max_form_fields: int = 1_000
    """Fields of one form or query, and cookies of one request, when they are decoded: each costs
    far more memory than its bytes. 400 beyond.
    """
    max_form_files: int = 1_000
    """Files of one multipart form, when it is decoded: as many as a folder may have that somebody
    uploads, though each costs far more than its bytes if it is small. 400 beyond.
    """
    max_part_headers: int = 8
    """Header lines of one part of a multipart form, when it is decoded. Browsers send two. 431
    beyond.
    """
    max_part_header_len: int = 4_096
    """Bytes of one such line, which has the name of a field and that of a file: each may be as long
    as a path may be. 431 beyond.
    """
    max_json_depth: int = 100
    """Arrays and objects within each other in what `Request.json` decodes: few enough for
    everything that walks through the value, as writing it again does. 400 beyond.
    """

    # -- requests and responses under way, for each client -----------------------------------------
    max_queued_requests: int = 64
    """Pipelined requests that were handed to the handler and are not yet answered. Further ones
    wait unparsed.
    """
    max_outbox_len: int = 262_144
    """Bytes that were sent to a client and that it has not taken. From there on its requests and
    messages are neither read nor parsed until it takes some. Nor are they while so much is held
    behind a response that is to come first, nor behind a stream until it ends.
    """
    max_tls_held_len: int = 65_536
    """Bytes of what one client is sent over TLS that are encrypted before the kernel is asked to
    take them, and so the most that is held of them if it does not: a few records, so that a system
    call is cheap for each. They count beside `max_outbox_len`.
    """
    date_header: bool = True
    """True: responses have a Date, as RFC 9110 section 6.6.1 wants of a server with a clock. False
    leaves it out, for peers that compare responses byte for byte.
    """

    # -- files -------------------------------------------------------------------------------------
    max_open_files: int = 1_024
    """Files that are open at once because they are being sent: each costs a descriptor, for as long
    as its client takes. What is small is read at once, and is not counted. 503 beyond.
    """
    max_file_send_len: int = 2**22
    """Bytes of a file that one client is sent before the others have their turn, or a MiB if it
    takes milliseconds, as from a disk: a turn costs more than the bytes of a small piece. The rest
    is sent in the next ticks.
    """
    max_ranges: int = 16
    """Ranges of one request: a player asks for one, and one that asks for many has the server frame
    each. Beyond this, the field is ignored and all is sent.
    """

    # -- WebSockets --------------------------------------------------------------------------------
    max_ws_connection_cnt: int = 1024
    """WebSockets, and event streams of what is broadcast, open at once, beside the other
    connections. Beyond this the oldest is evicted if `full_policy` is `"evict"`, else the new one
    is sent 503.
    """
    max_streamed_body_len: int = 2**31 - 1
    """Bytes of a request's body that the program takes in pieces: what it has taken is held no
    more, so this bounds no memory. 413 beyond.
    """
    max_body_piece_len: int = 262_144
    """Bytes of a body that is taken in pieces that are held until the program wants the next one.
    No more is read meanwhile, so that the client waits.
    """
    max_ws_recv_frame_len: int = 2**24
    """Bytes of the payload of one frame from a client. Close code 1009 beyond, before the payload
    is read.
    """
    max_ws_message_len: int = 2**24
    """Bytes of a whole message from a client, however it is fragmented or compressed. Close code
    1009 beyond, before the payload is read.
    """
    max_ws_piece_len: int = 65_536
    """Bytes of a piece of a longer message, inflated and in UTF-8, where the program takes it so
    (`ws_fragment`); a character that would be cut is in the next one. Python holds a text with up
    to four bytes a character. The pieces that wait for the program are held as messages are.
    """
    max_ws_streamed_len: int = 2**31 - 1
    """Bytes of a whole message, or of a frame, that the program takes in pieces, compressed or not:
    what it has taken is held no more, so this bounds no memory. Close code 1009 beyond.
    """
    max_ws_small_fragments: int = 4_096
    """Continuation frames of one message from a client beyond one for every `min_ws_fragment_len`
    bytes of it, empty ones included: they cost far more time than their bytes. Close code 1008
    beyond.
    """
    min_ws_fragment_len: int = 16
    """Bytes that a frame has on average in a message of more than `max_ws_small_fragments`: far
    fewer than anybody has a reason to cut a message into. Close code 1008 below.
    """
    max_ws_control_frames_per_second: int = 1_000
    """Pings and pongs from one client in one second: each ping is answered, and nobody measures
    anything so often. Close code 1008 beyond.
    """
    max_ws_outbox_len: int = 2**24
    """Bytes that the program has sent to one WebSocket and that it has not taken. Beyond this a
    message is dropped, and `send` returns `DROPPED`. From `max_outbox_len` on the client's own
    messages are not read; more than twice that lets a program that echoes drop nothing. A
    client that changes its topics while it does not read is dropped when so much is remembered
    of them.
    """
    max_ws_topics_per_client: int = 256
    """Topics that one WebSocket or event stream is subscribed to at once; each change of them
    copies the set. Beyond this a response that asks for more becomes a 500, and a subscription is
    not made, with a line in the error log.
    """
    max_topic_len: int = 256
    """Bytes of one topic in UTF-8, which may come from strangers. Beyond this it is refused like
    one topic too many.
    """
    compress_websocket: bool = True
    """True: the subprotocol `compress-zstd` is accepted from clients that offer it, and messages of
    more than 200 bytes are sent to them in Zstandard.
    """
    permessage_deflate: bool = True
    """True: the extension permessage-deflate (RFC 7692) is accepted from clients that offer it, as
    browsers do. No compression context is kept between messages, for anybody.
    """
    max_thread_queue_len: int = 2**23
    """Bytes that other threads have sent or broadcast and that the loop has not taken yet. A
    message beyond is dropped, and its thread gets `DROPPED`.
    """
    origins: tuple[str, ...] | None = None
    """Origins whose pages may open a WebSocket and read event streams and long-polls, such as
    `https://example.com`; `"self"` is the server's own, which is all that None allows, `"*"` all.
    A client that sends no Origin is no browser and is accepted. 403 for a WebSocket of others.
    """
    proxy_protocol: tuple[str, ...] = ()
    """Networks whose connections begin with a header of the PROXY protocol, version 1 or 2, which
    says for whom they are made: `"10.0.0.0/8"`, `"unix"`. One from there without such a header, or
    with one that is longer than `max_header_len`, is closed. From elsewhere none is believed.
    """
    ws_early_data: bool = False
    """True: frames may be received before the upgrade is answered. A client must wait (RFC 6455
    section 4.1), so by default it gets 400.
    """

    # -- broadcasts --------------------------------------------------------------------------------
    outgoing_buffer_sz: int = 32 * 2**20
    """Bytes of the latest broadcast messages, kept for subscribers that lag. One that needs an
    older message is evicted, and a message that does not fit by itself is dropped.
    """
    max_ws_send_frame_cnt: int = 8_192
    """The number of the latest broadcast messages that are kept likewise: small ones cost more than
    their bytes.
    """
    history_messages: int = 0
    """Earlier broadcast messages that a new subscriber may be sent first, at most. Above 0,
    messages are kept even while nobody is subscribed.
    """
    max_recode_len_per_tick: int = 262_144
    """Bytes of earlier broadcast messages that are encoded anew in one tick, over all subscribers,
    for those that ask for them in an encoding that nobody had; each counts 1 KiB more. The rest is
    encoded in the next ticks, so that a small request is no large delay for the others.
    """
    max_recoded_len: int = 2**23
    """Bytes of such messages that are kept for the next who asks, each counted with 1 KiB more.
    Beyond this those that were encoded before are forgotten.
    """

    max_retained_topics: int = 16_384
    """Topics of which the last message that was published with `retain=True` is kept for new
    subscribers. Beyond this those that were published first are dropped, and the log says so.
    """
    max_retained_len: int = 2**23
    """Bytes of the messages that are kept so, each counted with its topic and 384 bytes more; and
    half as many again of the same in other encodings. Beyond this those that were published first
    are dropped, and the log says so; a message that is longer by itself is not published.
    """

    # -- all clients together ----------------------------------------------------------------------
    max_inbound_len: int = 96 * 2**20
    """Bytes of incomplete requests and messages, and of the heads of requests that are not answered
    yet, over all clients: nine bodies of `max_body_len` at once. Beyond this those who hold most of
    them, the slowest first, get 503, or close code 1013, until an eighth of this is free.
    """
    max_outbound_len: int = 384 * 2**20
    """Bytes that were sent and not taken, or are held until another response was sent, over all
    clients. Beyond this no request is handed to the handler, and after a second those for whom most
    is held are dropped, the slowest first; half as many more are never held.
    """

    # -- the cache of heads, and the kernel's buffer -----------------------------------------------
    max_cached_heads: int = 256
    """Parsed heads in the cache, for clients that send the same bytes again; and as many blocks of
    field lines, for those whose first line differs. What has credentials is never cached.
    """
    max_cached_head_len: int = 2_048
    """Bytes of the longest head that is cached: a longer one is unlikely to be received again."""
    tcp_notsent_lowat: int = 65_536
    """Bytes that the kernel takes beyond those that are on their way in the network (the socket
    option TCP_NOTSENT_LOWAT), for a WebSocket, an event stream or a streamed response: few enough
    for a slow reader to be noticed, and for what is live not to be old when it comes.
    """
    max_unsent_response_len: int = 2**22
    """Bytes that the kernel takes so for a response that is sent as a whole, or a file, where it
    can be asked how much of them it still has (Linux): as many as its buffer has, since each time
    that it reports room costs more than sending so much.
    """
    tcp_keepalive: tuple[int, int, int] | None = None
    """Seconds of silence after which the kernel probes whether the peer is there (TCP keep-alive),
    seconds from one probe to the next, and how many of them are not answered before it breaks the
    connection. None for no probes: the deadlines below find out sooner.
    """

    # -- deadlines ---------------------------------------------------------------------------------
    header_timeout: float = 10.0
    """Seconds from the first byte of a head to its end, however steadily it is received. 408 after
    that.
    """
    body_timeout: float = 30.0
    """Seconds in which nothing of a body comes. 408 after that. A body that comes may take its
    time, as long as it is not below `min_body_rate`.
    """
    half_closed_timeout: float = 1.0
    """Seconds for the response, or for the next chunk of it, to a client that has ended its side.
    Nearly all who do have left, and a client that has left cannot be told from one that still reads
    until it is sent something. After that what works for it is cancelled; 503, or a broken
    connection if the response has begun. Infinity waits for `response_timeout`.
    """
    response_timeout: float = 300.0
    """Seconds for a late response, or for the next chunk of a streamed body, so that a `Deferred`
    that is never resolved does not hold its connection for ever. After that 503, or a broken
    connection if the response has begun.
    """
    sse_keep_alive_interval: float = 15.0
    """Seconds after which an event stream in which nothing was sent gets a comment, so that proxies
    keep it open and a dead client is noticed (the interval that the WHATWG standard advises). An
    event stream of what is broadcast gets its position so often, idle or not.
    """
    max_poll_timeout: float = 60.0
    """Seconds for which a long-poll may wait for something that is published, whatever its response
    asks for: proxies give up after so long. After that it is answered without.
    """
    idle_timeout: float = 60.0
    """Seconds between two requests. After that the connection is closed without a response."""
    stall_timeout: float = 30.0
    """Seconds in which a client takes no byte of what is sent to it. After that it is dropped."""
    rate_grace: float = 30.0
    """Seconds for which a client may send its body, or take what is sent to it, at any rate: long
    enough for a pause. After that `min_body_rate` and `min_read_rate` count. Who was faster than
    they ask for may pause again, so long at most.
    """
    min_body_rate: int = 240
    """Bytes per second, on average, at which a body must be received, since a few bytes now and
    then would pass every timeout that suits honest clients. 408 below.
    """
    min_read_rate: int = 240
    """Bytes per second, on average, that a client must take while it is behind: a byte a second is
    no progress. Dropped below. Whoever has caught up is measured anew.
    """
    ws_ping_interval: float = 20.0
    """Seconds after which a WebSocket from which nothing was received is pinged: a dead peer sends
    nothing that says so.
    """
    ws_pong_timeout: float = 20.0
    """Seconds for anything to be received after that ping. Close code 1011 after that."""
    ws_close_timeout: float = 5.0
    """Seconds for the answer to the server's close frame. After that the connection is closed
    without it.
    """
    shutdown_timeout: float = 10.0
    """Seconds that `shutdown` of the handler is waited for when the last connection has closed: as
    long as orchestrators give a process to end. After that the server ends without it.
    """
    tls_handshake_timeout: float = 10.0
    """Seconds for the TLS handshake of a connection, which is a few packets each way, and some of
    them may be lost. After that it is closed.
    """
    linger_timeout: float = 2.0
    """Seconds for which the client may go on sending after the last byte of the last response.
    After that the connection is closed.
    """
    max_linger_len: int = 2**20
    """Bytes that the client may go on sending after the last byte of the last response; they are
    read and dropped. Beyond this the connection is closed.
    """

    # -- one tick ----------------------------------------------------------------------------------
    max_accepts_per_tick: int = 64
    """Connections accepted in one tick, so that a flood of them leaves time for those that are
    open.
    """
    max_overdue_per_tick: int = 256
    """Connections that are closed, pinged or sent a comment in one tick because that is due, or
    closed because too much is held for them: all at once would keep the others waiting. The rest
    has its turn in the next tick, which is due at once.
    """
    max_reads_per_tick: int = 64
    """Connections read in one tick; the others are read in the next one."""
    max_read_len: int = 65_536
    """Bytes read from one connection in one tick, so that a fast sender leaves time for the others.
    """
    max_read_len_per_tick: int = 524_288
    """Bytes read in one tick from all connections together, in equal shares, `READ_SHARES_MAX` of
    them at most: what is nearly all overhead (chunks of one byte, pings) costs hundreds of times as
    much for each byte as a body, and whoever is quick to deal with waits for no more of it. Enough
    for eight whole reads, since many small ones make uploads expensive. If more connections are
    ready than there are shares, each still has one. The rest is read in the next tick.
    """
    max_body_read_len_per_tick: int = 2**22
    """Bytes read in one tick from connections that are in the middle of a body, a chunk of one, or
    the payload of a frame, in the place of their shares of the above: they cost next to nothing but
    to be copied, and each read as much as a small request. Whoever was read longest ago is first,
    and each may be read a sixteenth of this at least. The rest is read in the next ticks.
    """
    max_tls_handshakes_per_tick: int = 8
    """TLS handshakes that go on in one tick: each may cost the signature of a private key, a
    millisecond if that is RSA, and a crowd of newcomers leaves time for those that are open. The
    others go on in the next tick.
    """
    max_rounds_per_tick: int = 32
    """Rounds of effects and the events that they cause in one tick: an endless stream would make
    them endless.
    """
    max_user_seconds_per_tick: float = 0.005
    """Seconds in which handlers, callbacks and streams may be begun in one tick; one is, always.
    The others are for the next tick, so that what is answered leaves and everybody is read between
    two that are slow. `ws_open` and `sse_open` of those whom these handlers have let in are called.
    """
    slow_handler: float = 0.5
    """Seconds that a call of user code may block; one that takes longer is logged with its name:
    half a second in which nobody else is served is seen by whoever waits.
    """


READ_SHARE_MIN: Final = 1_024
"""The smallest share of a connection of what is read in one tick: most requests, whole."""

READ_SHARES_MAX: Final = 32
"""The shares into which what is read in one tick is divided, at most: smaller ones would cost more
for the reads than for what they bring.
"""


def read_share_len(limits: Limits, ready_count: int) -> int:
    """How many bytes are read from each of so many connections that are ready in one tick."""
    share_count = min(max(1, ready_count), limits.max_reads_per_tick, READ_SHARES_MAX)
    share_len = limits.max_read_len_per_tick // share_count
    return min(limits.max_read_len, max(READ_SHARE_MIN, share_len))


def without_aliases(limits: Limits) -> Limits:
    """The limits with `max_body_len` replaced by `max_request_len`, if that is given."""
    if limits.max_request_len is None:
        return limits
    return limits._replace(max_body_len=limits.max_request_len)


def shortest_timeout(limits: Limits) -> float:
    """The shortest of the timeouts, in seconds: no deadline passes sooner than that after it is
    set, but for `half_closed_timeout`, which begins with an event that is rare, and for looks at
    those who are behind, which may be late.
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
        limits.tls_handshake_timeout,
    )
