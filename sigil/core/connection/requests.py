"""Bytes become requests: heads are found, bodies read, and the handling of each complete request ordered.

Theory: a connection is a stream of bytes that was cut anywhere.  The buffer holds what is not understood yet;
everything that can be understood is, at once, and in a way that does not depend on the cuts.

Rules: what is wrong is never answered here: it becomes the client's `doom`, and is told after all that was owed
before it.  Behind an unsafe method, a body or a last request nothing is parsed until the answer is there.
Requests that arrive together are handed over together.  It does not know responses, but for the two that are about
the server itself.
"""

from ..conn import Ticket
from ..effects import Effect, Handle
from ..http.body import begin_body, continue_body_read
from ..http.fields import CRLF
from ..http.head import Head, Parsed, find_header_end, inspect, is_own, request_of
from ..http.request import Request
from ..http.response import Response
from ..parse_result import Malformed, NeedMore, answer_to
from ..rope import join
from .client import CALM, Client, Context, Intake, Phase, Step, may_parse, with_requests

ALLOW = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
"""The methods that handlers see."""


def handle_client_data(client: Client, data: bytes, context: Context) -> Step:
    """Take the bytes that one read gave, and do with them what can be done."""
    intake = client.intake
    if intake.phase >= Phase.DEAF:
        taken = intake._replace(discarded=intake.discarded + len(data))
        return client._replace(bytes_in=client.bytes_in + len(data), intake=taken), []
    taken = intake._replace(buffer=intake.buffer + data)
    return try_parse_and_handle(client._replace(bytes_in=client.bytes_in + len(data), intake=taken), context)


def _with(client: Client, intake: Intake) -> Client:
    """The client with another intake."""
    return client._replace(intake=intake)


def try_parse_and_handle(client: Client, context: Context) -> Step:
    """Parse what the buffer holds and order the handling of each complete request."""
    effects: list[Effect] = []
    while client.intake.buffer and may_parse(client, context.limits):
        before = client.intake
        client, more = (_read_body if before.phase is Phase.BODY else read_heads)(client, context)
        effects += more
        if client.intake.phase is before.phase and len(client.intake.buffer) == len(before.buffer):
            break
    return client, effects


def take_simple(client: Client, buffer: bytes, scan: int,
                context: Context) -> tuple[list[Head], list[Request], int, Parsed | None]:
    """The simple requests at the front of `buffer`, as many as may be handed out; empty lines before them are skipped.

    Also returned: where what was looked at ends, and what comes behind the requests if it is not simple.
    The loop to be fast in: everything per request is here or in the parser.
    """
    parse, peer, length, room = context.parse, client.peer, len(buffer), _room(client, context)
    heads: list[Head] = []
    requests: list[Request] = []
    start, last = 0, None
    while start < length:
        end = find_header_end(buffer, scan) + 4
        head = parse(buffer[start:end]) if end > start + 4 else _UNENDED
        if type(head) is Head and head.is_simple and room > 0:
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
            return heads, requests, start if head is _UNENDED else end, head
        scan = start + 3
    return heads, requests, start, None


_UNENDED = NeedMore(0)
"""Stands for a head that has not ended."""


def read_heads(client: Client, context: Context) -> Step:
    """Heads at the front of the buffer: simple ones are handed over together, and the first other one is looked at."""
    buffer, scan = client.intake.buffer, client.intake.scan
    heads, requests, end, behind = take_simple(client, buffer, scan, context)
    if behind is _UNENDED:
        return _hand_over(client, heads, requests, _await_head(buffer[end:], 0 if end else scan, context))
    client, effects = _hand_over(client, heads, requests, _rest(buffer[end:]))
    if behind is None:
        return client, effects
    client, more = _take_head(client, behind, context)
    return client, effects + more


def _space(client: Client, context: Context) -> int:
    """How many requests may still come before this connection's last one."""
    return context.last_number - client.answered - len(client.owed)


def _room(client: Client, context: Context) -> int:
    """How many simple requests may be handed out now; 0 if the next one is the last."""
    return min(_space(client, context), context.limits.max_queued_requests - len(client.owed))


def _rest(buffer: bytes) -> Intake:
    """An intake that begins with these bytes."""
    return CALM._replace(buffer=buffer) if buffer else CALM


def _hand_over(client: Client, heads: list[Head], requests: list[Request], intake: Intake) -> Step:
    """Order the handling of requests that came together, and keep what came behind them."""
    if client.intake.at_end:
        intake = intake._replace(at_end=True)
    after = with_requests(client, intake, tuple(heads))
    if not heads:
        return after, []
    first = Ticket(client.conn, client.answered + len(client.owed))
    return after, [Handle(first, tuple(requests))]


def _await_head(buffer: bytes, scan: int, context: Context) -> Intake:
    """The head at the front has not ended: it can already be wrong."""
    flaw = inspect(buffer, scan, context.limits) if buffer != b"\r" else None
    return CALM._replace(buffer=buffer, scan=len(buffer)) if flaw is None else _doomed(answer_to(buffer, flaw))


def _doomed(flaw: Malformed) -> Intake:
    """An intake that takes nothing more."""
    return CALM._replace(phase=Phase.DEAF, doom=flaw)


def foretell(client: Client, flaw: Malformed) -> Client:
    """Nothing more is read from this client: `flaw` is what it will be told when it has got what it is owed."""
    intake = client.intake
    return _with(client, _doomed(flaw)._replace(head=intake.head, expects=intake.expects, at_end=intake.at_end,
                                                discarded=intake.discarded))


def _take_head(client: Client, head: Parsed, context: Context) -> Step:
    """A head that is not simple: a refusal, a request that ends something, or one with a body to come."""
    if isinstance(head, Malformed):
        return foretell(client, head), []
    assert isinstance(head, Head)
    if _space(client, context) <= 0:
        head = head._replace(persists=False, is_simple=False)
    if head.length == 0:
        return finalize_request(client, head, b"")
    intake = client.intake._replace(phase=Phase.BODY, head=head, body=begin_body(head.length), expects=head.expects)
    return _with(client, intake), []


def _read_body(client: Client, context: Context) -> Step:
    """As much of the body as has come."""
    intake = client.intake
    assert intake.body is not None and intake.head is not None
    read = continue_body_read(intake.body, intake.buffer, context.limits)
    if isinstance(read, Malformed):
        return foretell(client, read), []
    body, rest = read
    if not body.is_complete:
        return _with(client, intake._replace(body=body, buffer=rest)), []
    done = _with(client, intake._replace(phase=Phase.HEAD, head=None, body=None, buffer=rest))
    return finalize_request(done, intake.head, join(body.rope))


def finalize_request(client: Client, head: Head, body: bytes) -> Step:
    """A request is complete: order its handling, or hold the answer if it is one that we give ourselves."""
    number = client.answered + len(client.owed)
    intake = client.intake
    if not head.persists:
        intake = intake._replace(phase=Phase.DEAF, buffer=b"", discarded=intake.discarded + len(intake.buffer))
    client = client._replace(owed=(*client.owed, head), intake=intake)
    if is_own(head.method, head.target):
        outflow = client.outflow
        return client._replace(outflow=outflow._replace(held=(*outflow.held, (number, own_answer(head))))), []
    return client, [Handle(Ticket(client.conn, number), (request_of(head, body, client.peer),))]


def own_answer(head: Head) -> Response:
    """What sigil answers itself: TRACE is refused (it would echo credentials), `OPTIONS *` is about the server."""
    if head.method == "TRACE":
        return Response.error(405, "TRACE is not allowed", headers=(("Allow", ALLOW),))
    return Response(204, (("Allow", ALLOW),), b"")
