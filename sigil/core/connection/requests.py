"""Bytes become requests: heads are found, bodies read, and the handling of each complete request
ordered.

Theory: a connection is a stream of bytes that was cut anywhere. The buffer holds what is not
understood yet; everything that can be understood is, at once, and in a way that does not depend on
the cuts.

Rules: what is wrong is never answered here: it becomes the client's `final_error`, and is told
after all that was owed before it. Behind an unsafe method, a body or a last request nothing is
parsed until the answer is there. Requests that arrive together are handed over together. It does
not know responses, but for the two that are about the server itself.
"""

from ..conn import Ticket
from ..effects import Effect, Handle
from ..http.body import begin_body, continue_body_read
from ..http.fields import CRLF
from ..http.head import Head, Parsed, check_partial_head, find_header_end, is_for_server, request_of
from ..http.request import Request
from ..http.response import Response
from ..parse_result import Malformed, NeedMore, without_body_for_head
from ..rope import rope_join
from .client import (
    IDLE_HTTP,
    Client,
    Incoming,
    Phase,
    may_parse,
    with_incoming,
    with_requests,
)
from .context import Context, Step

ALLOW = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
"""The methods that handlers see."""


def handle_client_data(client: Client, data: bytes, context: Context) -> Step:
    """Take the bytes that one read gave, and do with them what can be done."""
    incoming = client.incoming
    if incoming.phase >= Phase.MUST_CLOSE:
        taken = incoming._replace(discarded=incoming.discarded + len(data))
        return client._replace(bytes_in=client.bytes_in + len(data), incoming=taken), []
    taken = incoming._replace(buffer=incoming.buffer + data)
    return try_parse_and_handle(
        client._replace(bytes_in=client.bytes_in + len(data), incoming=taken), context
    )


def try_parse_and_handle(client: Client, context: Context) -> Step:
    """Parse what the buffer holds and order the handling of each complete request."""
    effects: list[Effect] = []
    while client.incoming.buffer and may_parse(client, context.limits):
        before = client.incoming
        client, more = (_read_body if before.phase is Phase.BODY else parse_heads)(client, context)
        effects += more
        if client.incoming.phase is before.phase and len(client.incoming.buffer) == len(
            before.buffer
        ):
            break
    return client, effects


def take_pipelined(
    client: Client, buffer: bytes, scan: int, context: Context
) -> tuple[list[Head], list[Request], int, Parsed | None]:
    """The simple requests at the front of `buffer`, as many as may be handed out; empty lines
    before them are skipped.

    Also returned: where what was looked at ends, and what comes behind the requests if it is not
    simple. The loop to be fast in: everything per request is here or in the parser.
    """
    parse, peer, length, room = (
        context.parse,
        client.peer,
        len(buffer),
        _pipeline_room(client, context),
    )
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


_INCOMPLETE = NeedMore(0)
"""Stands for a head that has not ended."""


def parse_heads(client: Client, context: Context) -> Step:
    """Heads at the front of the buffer: simple ones are handed over together, and the first other
    one is looked at.
    """
    buffer, scan = client.incoming.buffer, client.incoming.scan
    heads, requests, end, behind = take_pipelined(client, buffer, scan, context)
    if behind is _INCOMPLETE:
        return order_handling(
            client, heads, requests, _await_head(buffer[end:], 0 if end else scan, context)
        )
    client, effects = order_handling(client, heads, requests, _incoming_from(buffer[end:]))
    if behind is None:
        return client, effects
    client, more = _begin_request(client, behind, context)
    return client, effects + more


def _requests_left(client: Client, context: Context) -> int:
    """How many requests may still come before this connection's last one."""
    return context.last_request_number - client.responded - len(client.outstanding)


def _pipeline_room(client: Client, context: Context) -> int:
    """How many simple requests may be handed out now; 0 if the next one is the last."""
    return min(
        _requests_left(client, context),
        context.limits.max_queued_requests - len(client.outstanding),
    )


def _incoming_from(buffer: bytes) -> Incoming:
    """An intake that begins with these bytes."""
    return IDLE_HTTP._replace(buffer=buffer) if buffer else IDLE_HTTP


def order_handling(
    client: Client, heads: list[Head], requests: list[Request], incoming: Incoming
) -> Step:
    """Order the handling of requests that came together, and keep what came behind them."""
    if client.incoming.peer_half_closed:
        incoming = incoming._replace(peer_half_closed=True)
    after = with_requests(client, incoming, tuple(heads))
    if not heads:
        return after, []
    first = Ticket(client.conn, client.responded + len(client.outstanding))
    return after, [Handle(first, tuple(requests))]


def _await_head(buffer: bytes, scan: int, context: Context) -> Incoming:
    """The head at the front has not ended: it can already be wrong."""
    error = check_partial_head(buffer, scan, context.limits) if buffer != b"\r" else None
    return (
        IDLE_HTTP._replace(buffer=buffer, scan=len(buffer))
        if error is None
        else _failing_with(without_body_for_head(buffer, error))
    )


def _failing_with(error: Malformed) -> Incoming:
    """An intake that takes nothing more."""
    return IDLE_HTTP._replace(phase=Phase.MUST_CLOSE, final_error=error)


def fail_after_outstanding(client: Client, error: Malformed) -> Client:
    """Nothing more is read from this client: `error` is what it will be told when it has got what
    it is owed.
    """
    incoming = client.incoming
    return with_incoming(
        client,
        _failing_with(error)._replace(
            head=incoming.head,
            expects_continue=incoming.expects_continue,
            peer_half_closed=incoming.peer_half_closed,
            discarded=incoming.discarded,
        ),
    )


def _begin_request(client: Client, head: Parsed, context: Context) -> Step:
    """A head that is not simple: a refusal, a request that ends something, or one with a body to
    come.
    """
    if isinstance(head, Malformed):
        return fail_after_outstanding(client, head), []
    assert isinstance(head, Head)
    if _requests_left(client, context) <= 0:
        head = head._replace(keep_alive=False, may_pipeline=False)
    if head.body_length == 0:
        return finalize_request(client, head, b"")
    incoming = client.incoming._replace(
        phase=Phase.BODY,
        head=head,
        body=begin_body(head.body_length),
        expects_continue=head.expects_continue,
    )
    return with_incoming(client, incoming), []


def _read_body(client: Client, context: Context) -> Step:
    """As much of the body as has come."""
    incoming = client.incoming
    assert incoming.body is not None and incoming.head is not None
    read = continue_body_read(incoming.body, incoming.buffer, context.limits)
    if isinstance(read, Malformed):
        return fail_after_outstanding(client, read), []
    body, rest = read
    if not body.is_complete:
        return with_incoming(client, incoming._replace(body=body, buffer=rest)), []
    done = with_incoming(
        client, incoming._replace(phase=Phase.HEAD, head=None, body=None, buffer=rest)
    )
    return finalize_request(done, incoming.head, rope_join(body.rope))


def finalize_request(client: Client, head: Head, body: bytes) -> Step:
    """A request is complete: order its handling, or hold the answer if it is one that we give
    ourselves.
    """
    number = client.responded + len(client.outstanding)
    incoming = client.incoming
    if not head.keep_alive:
        incoming = incoming._replace(
            phase=Phase.MUST_CLOSE, buffer=b"", discarded=incoming.discarded + len(incoming.buffer)
        )
    client = client._replace(outstanding=(*client.outstanding, head), incoming=incoming)
    if is_for_server(head.method, head.target):
        outgoing = client.outgoing
        return client._replace(
            outgoing=outgoing._replace(
                early_responses=(*outgoing.early_responses, (number, server_response(head)))
            )
        ), []
    return client, [Handle(Ticket(client.conn, number), (request_of(head, body, client.peer),))]


def server_response(head: Head) -> Response:
    """What sigil answers itself: TRACE is refused (it would echo credentials), `OPTIONS *` is about
    the server.
    """
    if head.method == "TRACE":
        return Response.error(405, "TRACE is not allowed", headers=(("Allow", ALLOW),))
    return Response(204, (("Allow", ALLOW),), b"")
