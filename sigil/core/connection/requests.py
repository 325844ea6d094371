"""Bytes become requests: heads are found, bodies read, and the handling of each complete request
ordered.

Theory: a connection is a stream of bytes that was cut anywhere. The buffer holds what is not parsed
yet; everything that can be parsed is, at once, and with a result that does not depend on the cuts.

Rules: what is wrong is never answered here: it becomes the client's `final_error`, and is answered
behind all outstanding requests. Behind an unsafe method, a body or a last request nothing is parsed
until the response is sent. Requests that arrive together are handed to the program together. It
does not know responses, but for the two that are about the server itself.
"""

from typing import Final

from ..conn import Ticket
from ..effects import Effect, Handle
from ..events import Postponed
from ..http.body import begin_body, continue_body_read
from ..http.fields import CRLF
from ..http.head import Head, Parsed, check_partial_head, find_header_end, is_for_server, request_of
from ..http.request import Request
from ..http.response import Response
from ..limits import Limits
from ..parse_result import Malformed, NeedMore, without_body_for_head
from ..rope import rope_join
from .client import (
    IDLE_HTTP,
    Client,
    Incoming,
    Phase,
    after_body,
    with_body,
    with_buffer,
    with_incoming,
    with_outgoing,
    with_read,
    with_requests,
)
from .client_status import has_response_room, is_behind, may_parse
from .context import Context, Step

BODY: Final = Phase.BODY
MUST_CLOSE: Final = Phase.MUST_CLOSE
"""The members themselves: finding them on their class takes ten times as long."""

ALLOW: Final = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
"""The methods that handlers see."""


def handle_client_data(client: Client, data: bytes, context: Context) -> Step:
    """Take the bytes that one read gave: order the handling of each request that they complete."""
    incoming, length = client.incoming, len(data)
    if incoming.phase >= MUST_CLOSE:
        incoming = incoming.replace(discarded=incoming.discarded + length)
        return with_read(client, incoming, length), []
    buffer = incoming.buffer + data if incoming.buffer else data
    if incoming.phase is BODY or not may_parse(client, context.limits):
        return try_parse_and_handle(
            with_read(client, with_buffer(incoming, buffer), length), context
        )
    client, effects = parse_heads(client, buffer, length, context)
    if client.incoming.buffer:
        client, more = try_parse_and_handle(client, context)
        effects = effects + more
    return client, effects


def try_parse_and_handle(client: Client, context: Context) -> Step:
    """Parse what the buffer holds, and order the handling (`Handle`) of each complete request; it
    calls no handler.
    """
    effects: list[Effect] = []
    while client.incoming.buffer and may_parse(client, context.limits):
        before = client.incoming
        if before.phase is BODY:
            client, more = _read_body(client, context)
        else:
            client, more = parse_heads(client, before.buffer, 0, context)
        effects = effects + more if effects else more
        after = client.incoming
        if after.phase is before.phase and len(after.buffer) == len(before.buffer):
            break  # what is left is not complete
    return client, effects


def take_pipelined(
    client: Client, buffer: bytes, scan: int, context: Context
) -> tuple[list[Head], list[Request], int, Parsed | None]:
    """The heads and requests at the front of `buffer` that may be pipelined, as many as there is
    room for; empty lines before them are skipped (RFC 9112 section 2.2).

    Also returned: where what was parsed ends, and what was parsed behind them: a head that may not
    be pipelined, an error, `_INCOMPLETE`, or None if there is nothing. `scan` is where the search
    for the end of the first head begins. The loop to be fast in: everything that is done per
    request is here or in the parser.
    """
    parse, peer, length = context.parse, client.peer, len(buffer)
    room = _pipeline_room(client, context)
    heads: list[Head] = []
    requests: list[Request] = []
    start, last = 0, None
    while start < length:
        end = find_header_end(buffer, scan) + 4
        head = parse(buffer[start:end]) if end > start + 4 else _INCOMPLETE
        if type(head) is Head and head.may_pipeline and room > 0:
            if head is not last:
                request = request_of(head, b"", peer)
                last = head
            heads.append(head)
            requests.append(request)
            start = end
            if len(heads) == room:
                break
        elif buffer.startswith(CRLF, start):
            start += 2
        else:
            return heads, requests, start if head is _INCOMPLETE else end, head
        scan = start + 3
    return heads, requests, start, None


_INCOMPLETE: Final = NeedMore(0)
"""Stands for a head that has not ended."""


def parse_heads(client: Client, buffer: bytes, read_len: int, context: Context) -> Step:
    """Parse the heads at the front of the buffer, which is the client's with `read_len` bytes more:
    requests that may be pipelined are handed to the program together, and the first other one is
    begun.
    """
    scan = client.incoming.scan
    heads, requests, end, behind = take_pipelined(client, buffer, scan, context)
    rest = buffer[end:]
    if behind is _INCOMPLETE:
        incoming = _await_head(rest, 0 if end else scan, context)
        return order_handling(client, heads, requests, incoming, read_len)
    if behind is None:
        return order_handling(client, heads, requests, _incoming_from(rest), read_len)
    client, effects = order_handling(client, heads, requests, IDLE_HTTP, read_len)
    client, more = _begin_request(client, behind, rest, context)
    return client, effects + more if effects else more


def _requests_left(client: Client, context: Context) -> int:
    """How many requests may still come before this connection's last one."""
    return context.last_request_number - client.responded - len(client.outstanding)


def _pipeline_room(client: Client, context: Context) -> int:
    """How many pipelined requests may be handed out now; 0 if the next one is the last."""
    queue_room = context.limits.max_queued_requests - len(client.outstanding)
    return min(_requests_left(client, context), queue_room)


def _incoming_from(buffer: bytes) -> Incoming:
    """Incoming data that begins with these bytes."""
    return with_buffer(IDLE_HTTP, buffer) if buffer else IDLE_HTTP


def order_handling(
    client: Client, heads: list[Head], requests: list[Request], incoming: Incoming, read_len: int
) -> Step:
    """Order the handling of requests that came together, after a read of `read_len` bytes, and hold
    what came behind them.
    """
    if client.incoming.peer_half_closed:
        incoming = incoming.replace(peer_half_closed=True)
    after = with_requests(client, incoming, tuple(heads), read_len)
    if not heads:
        return after, []
    first = Ticket(client.conn, client.responded + len(client.outstanding))
    return after, [Handle(first, tuple(requests))]


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
    if _requests_left(client, context) <= 0:
        head = head.replace(keep_alive=False, may_pipeline=False)
    length = head.body_length
    if 0 <= length <= len(rest):
        incoming = _incoming_from(rest[length:])
        if is_half_closed or head.expects_continue:
            incoming = incoming.replace(
                peer_half_closed=is_half_closed, expects_continue=head.expects_continue
            )
        return finalize_request(with_incoming(client, incoming), head, rest[:length])
    incoming = Incoming(
        BODY, rest, 0, head, begin_body(length), head.expects_continue, None, is_half_closed, 0,
        None,
    )  # fmt: skip
    return with_incoming(client, incoming), []


def _read_body(client: Client, context: Context) -> Step:
    """Read as much of the body as has come, and finish the request if that is all of it."""
    incoming = client.incoming
    assert incoming.body is not None and incoming.head is not None
    read = continue_body_read(incoming.body, incoming.buffer, context.limits)
    if isinstance(read, Malformed):
        return fail_after_outstanding(client, read), []
    body, rest = read
    if not body.is_complete:
        return with_incoming(client, with_body(incoming, body, rest)), []
    client = with_incoming(client, after_body(incoming, rest))
    return finalize_request(client, incoming.head, rope_join(body.rope))


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
    server is paused.
    """
    outgoing, limits = client.outgoing, context.limits
    is_paused = not limits.max_queued_requests
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


def finalize_request(client: Client, head: Head, body: bytes) -> Step:
    """Order the handling of a complete request, or hold its response if it is the server's own
    (`TRACE`, `OPTIONS *`).
    """
    number = client.responded + len(client.outstanding)
    incoming = client.incoming
    if not head.keep_alive:
        incoming = incoming.replace(
            phase=Phase.MUST_CLOSE, buffer=b"", discarded=incoming.discarded + len(incoming.buffer)
        )
    client = with_requests(client, incoming, (head,), 0)
    if is_for_server(head.method, head.target):
        outgoing = client.outgoing
        held = (*outgoing.early_responses, (number, server_response(head)))
        return with_outgoing(client, outgoing.replace(early_responses=held)), []
    request = request_of(head, body, client.peer)
    return client, [Handle(Ticket(client.conn, number), (request,))]


def server_response(head: Head) -> Response:
    """The response to a request that no handler sees: TRACE is refused (it would echo credentials,
    RFC 9110 section 9.3.8), `OPTIONS *` is about the server.
    """
    if head.method == "TRACE":
        return Response.error(405, "TRACE is not allowed", headers=(("Allow", ALLOW),))
    return Response(204, (("Allow", ALLOW),), b"")
