"""Every bound of the system, in one record.

Theory: a server is as robust as its weakest unbounded thing, so nothing here grows, waits or repeats without a
field of this record that says how far.  A bound that is not enforced does not belong here; one that is enforced
has its reason beside it.

Rules: lengths are bytes, times are seconds, counts are plain numbers; the last word of a name is its unit unless
it is one of the names of the system this one learned from (`max_connection_cnt`, ...).

It does not know who enforces what: parsers take the record as an argument, the shell reads its own fields.
"""

from typing import NamedTuple


class Limits(NamedTuple):
    """All bounds.  Replace what you need: `Limits(max_body_len=2**20, idle_timeout=5.0)`."""

    # -- connections ----------------------------------------------------------------------------------------------
    max_connection_cnt: int = 1024
    """Connections open at once.  Each costs a descriptor and a record; one more is answered 503."""

    # -- the head of a request ------------------------------------------------------------------------------------
    max_header_len: int = 65_536
    """Request line and fields together.  Large cookies and tokens fit; 431 beyond."""
    max_headers: int = 100
    """Field lines of one request.  Browsers send about 20; each costs more than its bytes; 431 beyond."""
    max_target_len: int = 8_000
    """The request target.  RFC 9112 section 3 recommends at least 8000 octets; 414 beyond."""

    # -- the body of a request ------------------------------------------------------------------------------------
    max_body_len: int = 10 * 2**20
    """The decoded body, which is held in memory until the handler runs; 413 beyond, before it is read."""
    max_chunk_line_len: int = 1_024
    """One chunk-size line with its extensions, which mean nothing to us; 400 beyond."""
    max_chunk_extension_len: int = 16_384
    """All chunk extensions of one body: they cost the sender nothing and the parser time; 400 beyond."""
    max_trailer_len: int = 8_192
    """The trailer section of a chunked body, which is checked and dropped; 431 beyond."""

    # -- what one client may have under way -----------------------------------------------------------------------
    max_queued_requests: int = 64
    """Pipelined requests handed out and not yet answered; further ones wait unparsed."""
    max_outbox_len: int = 262_144
    """Bytes a client may owe us reading: above it the client is neither read nor parsed until it drains."""

    # -- what is remembered ---------------------------------------------------------------------------------------
    max_remembered_heads: int = 256
    """Parsed heads kept for clients that send the same bytes again; heads with credentials never are."""
    max_remembered_len: int = 2_048
    """A head longer than this is not remembered: it is unlikely to come again."""

    max_unsent_len: int = 65_536
    """Bytes that the kernel takes for a client beyond what the network does: so a slow reader is seen to read."""

    # -- deadlines ------------------------------------------------------------------------------------------------
    header_timeout: float = 10.0
    """From the first byte of a head to its end, however steadily it dribbles; 408 after."""
    body_timeout: float = 30.0
    """From the end of the head to the end of the body; 408 after."""
    idle_timeout: float = 60.0
    """Between requests: a kept connection that asks nothing is closed without a word."""
    stall_timeout: float = 30.0
    """A client that takes no byte of what it is owed for so long is dropped."""
    linger_timeout: float = 2.0
    """After our last byte: how long the client may go on sending before the connection is closed under it."""
    max_linger_len: int = 2**20
    """After our last byte: how much of what the client goes on sending is read and thrown away."""

    # -- one turn of the loop -------------------------------------------------------------------------------------
    max_accepts_per_tick: int = 64
    """Connections accepted in one tick, so that a flood of them leaves time for those already here."""
    max_reads_per_tick: int = 256
    """Connections read in one tick; the rest are still ready in the next one."""
    max_read_len: int = 65_536
    """Bytes taken from one connection in one tick, so that a fast sender cannot keep the loop to itself."""
    max_rounds_per_tick: int = 32
    """Times a tick follows effects to the events they cause (an endless stream would hold it for ever)."""


def shortest_timeout(limits: Limits) -> float:
    """The shortest of the deadlines, in seconds: nothing can become due sooner than this after being set."""
    return min(limits.header_timeout, limits.body_timeout, limits.idle_timeout, limits.stall_timeout,
               limits.linger_timeout)
