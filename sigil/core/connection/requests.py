"""Bytes become requests: heads are found, bodies read, and the handling of each complete request
ordered.

Theory: a connection is a stream of bytes that was cut anywhere. The buffer holds what is not parsed
yet; everything that can be parsed is, at once, and with a result that does not depend on the cuts.

Rules: what is wrong is never answered here: it becomes the client's `final_error`, and is answered
behind all outstanding requests. Behind an unsafe method, a body or a last request nothing is parsed
until the response is sent. Requests that arrive together are handed to the program together. It
does not know responses, but for the two that are about the server itself.
"""

from collections.abc import Sequence
from typing import Final

from ..conn import Ticket
from ..effects import SERVER_LOG, Effect, Handle, Log, LogLevel
from ..events import Postponed
from ..http.body import begin_body, continue_body_read
from ..http.fields import CRLF
from ..http.framing import body_too_long
from ..http.head import (
    Head,
    Parsed,
    check_partial_head,
    find_header_end,
    is_for_server,
    requests_of,
)
from ..http.request import Request
from ..http.response import Response
from ..limits import Limits
from ..parse_result import Malformed, NeedMore, without_body_for_head
from ..proxy_protocol import parse_proxy_header
from ..rope import rope_join
from ..securing import StartTls
from .body_pieces import (
    ask_for_body,
    fail_pieces,
    give_piece,
    is_asked_about,
    limits_in_pieces,
    queue_for_body,
)
from .client import (
    IDLE_HTTP,
    SECURING,
    WHOLE,
    Client,
    Incoming,
    Phase,
    after_body,
    discarding,
    with_body,
    with_buffer,
    with_incoming,
    with_outgoing,
    with_peer,
    with_read,
    with_requests,
)
from .client_status import has_response_room, is_at_rest, is_behind, may_parse
from .context import Context, Step
from .outgoing import is_held

BODY: Final = Phase.BODY
MUST_CLOSE: Final = Phase.MUST_CLOSE
PROXY: Final = Phase.PROXY
PROXY_TLS: Final = Phase.PROXY_TLS
"""The members themselves: finding them on their class takes ten times as long."""

ALLOW: Final = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
"""The methods that handlers see."""


def handle_client_data(client: Client, data: bytes, context: Context) -> Step:
    """Take the bytes that one read gave: order the handling of each request that they complete."""
    incoming, length = client.incoming, len(data)
    if incoming.phase >= MUST_CLOSE:
        if incoming.phase is PROXY or incoming.phase is PROXY_TLS:
            return take_proxy_header(client, data, context)
        incoming = incoming.replace(discarded=incoming.discarded + length)
        return with_read(client, incoming, length), []
    return try_parse_and_handle(client, context, data)


def take_proxy_header(client: Client, data: bytes, context: Context) -> Step:
    """Read the header of the PROXY protocol, which says who the peer is, and whatever follows it; a
    connection that begins otherwise ends without a word to the peer, and with one to the log.
    """
    incoming = client.incoming
    buffer = incoming.buffer + data if incoming.buffer else data
    header = parse_proxy_header(buffer, context.limits.max_header_len)
    if isinstance(header, NeedMore):
        return with_read(client, with_buffer(incoming, buffer), len(data)), []
    if isinstance(header, Malformed):
        text = f"{client.peer} closed, {header.reason.name}: {header.message}"
        client = with_read(client, with_buffer(incoming, b""), len(data))
        note = Log(SERVER_LOG, LogLevel.WARNING, text)
        return fail_after_outstanding(client, header), [note]
    rest = buffer[header.length :]
    if incoming.phase is PROXY_TLS:
        client = with_read(client, SECURING, len(data) - len(rest))
        client = client if header.peer is None else with_peer(client, header.peer)
        return client, [StartTls(client.conn, rest)]
    begun = IDLE_HTTP.replace(peer_half_closed=True) if incoming.peer_half_closed else IDLE_HTTP
    client = with_read(client, begun, len(data) - len(rest))
    if header.peer is not None:
        client = with_peer(client, header.peer)
    return try_parse_and_handle(client, context, rest)


def try_parse_and_handle(client: Client, context: Context, data: bytes = b"") -> Step:
    """Parse what the buffer holds, behind it the `data` that was just read, and order the handling
    (`Handle`) of each complete request; it calls no handler.
    """
    incoming, read_len = client.incoming, len(data)
    buffer = incoming.buffer + data if incoming.buffer else data
    effects: list[Effect] = []
    while buffer and may_parse(client, context.limits):
        phase = client.incoming.phase
        if phase is BODY:
            client, more = _read_body(client, buffer, read_len, context)
        else:
            client, more = parse_heads(client, buffer, read_len, context)
        effects = effects + more if effects else more
        after, before_len, read_len = client.incoming, len(buffer), 0
        buffer = after.buffer
        if after.phase is phase and len(buffer) == before_len:
            break  # what is left is not complete
    if read_len:
        client = with_read(client, with_buffer(client.incoming, buffer), read_len)
    return client, effects


def take_pipelined(
    client: Client, buffer: bytes, scan: int, context: Context
) -> tuple[list[Head], int, int, Parsed | None]:
    """The heads at the front of `buffer` of requests that may be pipelined, as many as there is
    room for; empty lines before them are skipped (RFC 9112 section 2.2).

    Also returned: where they end, where what was parsed behind them ends, and what that is: a head
    that may not be pipelined, an error, `_INCOMPLETE`, or None if there is nothing. `scan` is where
    the search for the end of the first head begins.
    """
    parse, length, room = context.parse, len(buffer), _pipeline_room(client, context)
    heads: list[Head] = []
    start = 0
    while start < length:
        end = find_header_end(buffer, scan) + 4
        head = parse(buffer[start:end]) if end > start + 4 else _INCOMPLETE
        if type(head) is Head and head.may_pipeline and room > 0:
            heads.append(head)
            start = end
            room -= 1
            if not room:
                break
        elif buffer.startswith(CRLF, start):
            start += 2
        else:
            return heads, start, start if head is _INCOMPLETE else end, head
        scan = start + 3
    return heads, start, start, None


_INCOMPLETE: Final = NeedMore(0)
"""Stands for a head that has not ended."""


def parse_heads(client: Client, buffer: bytes, read_len: int, context: Context) -> Step:
    """Parse the heads at the front of the buffer, which is the client's with `read_len` bytes more:
    requests that may be pipelined are handed to the program together, and the first other one is
    begun.
    """
    scan = client.incoming.scan
    heads, start, end, behind = take_pipelined(client, buffer, scan, context)
    rest = buffer[end:]
    if behind is None:
        incoming = _incoming_from(rest)
    elif behind is _INCOMPLETE:
        incoming = _await_head(rest, 0 if end else scan, context)
    elif _waits_to_ask(client, heads, behind, context):
        incoming = queue_for_body(buffer[start:])
    else:
        client, effects = finalize_request(client, heads, context, b"", IDLE_HTTP, read_len)
        client, more = _begin_request(client, behind, rest, context)
        return client, effects + more if effects else more
    return finalize_request(client, heads, context, b"", incoming, read_len)


def _waits_to_ask(client: Client, heads: list[Head], behind: Parsed, context: Context) -> bool:
    """True if the program is to be asked how it wants the body of a request, and others come first:
    these, or those that are outstanding.
    """
    is_asked = type(behind) is Head and is_asked_about(behind, context)
    return is_asked and bool(heads or client.outstanding)


def _pipeline_room(client: Client, context: Context) -> int:
    """How many pipelined requests may be handed out now; 0 if the next one is the last."""
    queued = len(client.outstanding)
    left = context.last_request_number - client.responded - queued
    room = context.limits.max_queued_requests - queued
    return left if left < room else room


def _incoming_from(buffer: bytes) -> Incoming:
    """Incoming data that begins with these bytes."""
    return with_buffer(IDLE_HTTP, buffer) if buffer else IDLE_HTTP


def _await_head(buffer: bytes, scan: int, context: Context) -> Incoming:
    """Incoming data with a head that has not ended, or with what is wrong with it already."""
    error = check_partial_head(buffer, scan, context.limits) if buffer != b"\r" else None
    if error is None:
        return IDLE_HTTP.replace(buffer=buffer, scan=len(buffer))
    return _failing_with(without_body_for_head(buffer, error))


def _failing_with(error: Malformed) -> Incoming:
    """Incoming data of a connection that takes nothing more."""
    return IDLE_HTTP.replace(phase=Phase.MUST_CLOSE, final_error=error)


def fail_after_outstanding(client: Client, error: Malformed) -> Client:
    """The client with nothing more to be parsed, and `error` to be answered behind its outstanding
    requests.
    """
    incoming = client.incoming
    failing = _failing_with(error).replace(
        head=incoming.head,
        expects_continue=incoming.expects_continue,
        peer_half_closed=incoming.peer_half_closed,
        discarded=incoming.discarded,
    )
    return with_incoming(client, failing)


def _begin_request(client: Client, head: Parsed, rest: bytes, context: Context) -> Step:
    """Begin a request that may not be pipelined, with what came behind its head: finish it if its
    body is there, else wait for that; an error is held until everything before it is answered.
    """
    is_half_closed = client.incoming.peer_half_closed
    if isinstance(head, Malformed):
        return fail_after_outstanding(client, head), []
    assert isinstance(head, Head)
    if context.last_request_number <= client.responded + len(client.outstanding):
        head = head.replace(keep_alive=False, may_pipeline=False)
    length = head.body_length
    if is_asked_about(head, context):
        return ask_for_body(client, head, rest)
    if length > context.limits.max_body_len:
        return fail_after_outstanding(client, body_too_long(context.limits.max_body_len)), []
    if 0 <= length <= len(rest):
        incoming = _incoming_from(rest[length:])
        if head.expects_continue:
            incoming = incoming.replace(expects_continue=True)
        return finalize_request(client, (head,), context, rest[:length], incoming)
    incoming = Incoming(
        BODY, rest, 0, head, begin_body(length), head.expects_continue, None, is_half_closed, 0,
        None, WHOLE,
    )  # fmt: skip
    return with_incoming(client, incoming), []


def _read_body(client: Client, buffer: bytes, read_len: int, context: Context) -> Step:
    """Read as much of the body as is in the buffer, which is the client's with `read_len` bytes
    more, and finish the request if that is all of it.
    """
    incoming = client.incoming
    if incoming.body_mode is not WHOLE:
        return _read_pieces(client, buffer, read_len, context)
    assert incoming.body is not None and incoming.head is not None
    read = continue_body_read(incoming.body, buffer, context.limits)
    if isinstance(read, Malformed):
        client = with_read(client, with_buffer(incoming, buffer), read_len)
        return fail_after_outstanding(client, read), []
    body, rest = read
    if not body.is_complete:
        return with_read(client, with_body(incoming, body, rest), read_len), []
    done, head = after_body(incoming, rest), incoming.head
    return finalize_request(client, (head,), context, rope_join(body.rope), done, read_len)


def _read_pieces(client: Client, buffer: bytes, read_len: int, context: Context) -> Step:
    """Read as much of a body in pieces as is in the buffer, which is the client's with `read_len`
    bytes more, and give the program the piece that it waits for.
    """
    incoming = client.incoming
    assert incoming.body is not None
    read = continue_body_read(incoming.body, buffer, limits_in_pieces(context.limits))
    if isinstance(read, Malformed):
        client = with_read(client, with_buffer(incoming, buffer), read_len)
        return fail_pieces(client, read, context)
    body, rest = read
    return give_piece(with_read(client, with_body(incoming, body, rest), read_len))


def on_postponed(client: Client, event: Postponed, context: Context) -> Step:
    """Keep requests that were not handled, to be handed out again when what was sent is taken, if
    nothing else is to be waited for.
    """
    outgoing = client.outgoing
    first, last = client.responded, client.responded + len(client.outstanding)
    known = dict(outgoing.postponed) | {
        number: request
        for number, request in enumerate(event.requests, event.ticket.number)
        if first <= number < last
    }
    outgoing = outgoing.replace(postponed=tuple(sorted(known.items())))
    client = with_outgoing(client, outgoing)
    if _next_postponed(client, context.limits):
        client = with_outgoing(client, outgoing.replace(is_full=True))
    return client, []


def _next_postponed(client: Client, limits: Limits) -> tuple[tuple[int, Request], ...]:
    """Those of the postponed requests for whose responses there is room.

    The first outstanding one waits for no room, as its response is the one that others are held
    behind.
    """
    outgoing, first = client.outgoing, client.responded
    if is_behind(client, limits):
        return ()
    if has_response_room(client, limits):
        return outgoing.postponed
    return tuple([item for item in outgoing.postponed if item[0] == first])


def hand_out_again(client: Client, context: Context) -> Step:
    """Order the handling of the postponed requests for whose responses there is room, unless the
    server is paused, or the program has stopped to read.
    """
    outgoing, limits = client.outgoing, context.limits
    is_paused = not limits.max_queued_requests or is_held(outgoing)
    if is_paused or not outgoing.postponed:
        return client, []
    ready = _next_postponed(client, limits)
    left = outgoing.postponed[len(ready) :]
    effects: list[Effect] = []
    while ready:
        first, requests = ready[0][0], [request for _, request in ready]
        count = next(
            (place for place, (number, _) in enumerate(ready) if number != first + place),
            len(ready),
        )
        effects.append(Handle(Ticket(client.conn, first), tuple(requests[:count])))
        ready = ready[count:]
    return with_outgoing(client, outgoing.replace(postponed=left)), effects


def finalize_request(
    client: Client,
    heads: Sequence[Head],
    context: Context,
    body: bytes = b"",
    incoming: Incoming = IDLE_HTTP,
    read_len: int = 0,
) -> Step:
    """Order the handling of complete requests: of those that came together, which have no body, or
    of one with its body; or hold the response if it is the server's own (`TRACE`, `OPTIONS *`).

    `incoming` is what came behind them, after a read of `read_len` bytes.
    """
    if client.incoming.peer_half_closed:
        incoming = incoming.replace(peer_half_closed=True)
    if not heads:
        return with_read(client, incoming, read_len), []
    last, first = heads[-1], Ticket(client.conn, client.responded + len(client.outstanding))
    if not last.keep_alive:
        discarded = incoming.discarded + len(incoming.buffer)
        incoming = discarding(incoming, MUST_CLOSE, discarded)
    # whoever was at rest begins to wait for a response
    begins = is_at_rest(client) and not client.outstanding
    waiting_since = context.now if begins else client.waiting_since
    client = with_requests(client, incoming, tuple(heads), read_len, waiting_since)
    if is_for_server(last.method, last.target):
        outgoing = client.outgoing
        held = (*outgoing.early_responses, (first.number, server_response(last)))
        return with_outgoing(client, outgoing.replace(early_responses=held)), []
    return client, [Handle(first, requests_of(heads, body, client.peer, client.conn))]


def server_response(head: Head) -> Response:
    """The response to a request that no handler sees: TRACE is refused (it would echo credentials,
    RFC 9110 section 9.3.8), `OPTIONS *` is about the server.
    """
    if head.method == "TRACE":
        return Response.error(405, "TRACE is not allowed", headers=(("Allow", ALLOW),))
    return Response(204, (("Allow", ALLOW),), b"")
