"""A request is sent on a connection, and its response is read.

Theory: a connection carries one request at a time: HTTP/1.1 could pipeline, and no client does,
since a response that is slow or broken then holds up all behind it. So what is received while a
request is under way is its response, and what is received behind that is nothing that was asked
for.

Rules: bytes are taken by the same functions whatever they are cut into. A response that is complete
before its request was sent ends the connection. Responses 1xx are passed by, up to a bound. It does
not know what a program makes of a response.
"""

from math import inf

from ..events import Segment
from ..http.body import BodyReader, BodyState, continue_body_read, take_rope
from ..http.chunks import (
    COPY_MAX,
    Framing,
    StreamState,
    after_chunk,
    encode_chunk,
    encode_last_chunk,
)
from ..http.tokens import parse_list
from ..parse_result import Malformed, NeedMore
from .agent import Call, Draft, redirected
from .connection import (
    BLOCKED,
    PULLING,
    Connection,
    Flow,
    Phase,
    Sending,
    in_phase,
    while_reading,
    while_sending,
    while_waiting,
    with_flow,
    with_request,
)
from .cookies import cookie_field, with_cookies
from .effects import CheckIdle, GiveBody, GiveEnd, GiveHead, HandOver, PullBody, SendData
from .endings import abandon_call, fail_connection, give_failure, pause_call
from .failures import Failure, FailureKind
from .pooling import close_connection, enqueue, finish_call, release
from .proxies import proxy_authorization
from .redirects import client_reset
from .requests import CHUNKED, OutgoingRequest, TargetForm, encode_request_head
from .responses import (
    UNTIL_CLOSE,
    ResponseHead,
    is_too_large,
    keeps_alive,
    parse_response_head,
    response_body,
)
from .retries import asked_delay
from .waiting import deadline_of_flow

# -- sending ---------------------------------------------------------------------------------------


def start_request(draft: Draft, connection: Connection, call: Call) -> None:
    """Send a request on a connection that is ready for it."""
    outgoing = call.outgoing
    head = encode_head(draft, connection, outgoing)
    body = outgoing.body
    sending, framing = Sending.DONE, None
    segments: tuple[Segment, ...] = (head,)
    if body is None:
        sending, framing = Sending.PULLING, _framing_of(outgoing)
    elif body:
        segments = (head + body,) if len(body) <= COPY_MAX else (head, body)
    flow = Flow(sending, framing)
    deadline = deadline_of_flow(flow, False, outgoing.options.timeouts, draft.now)
    draft.put(with_request(connection, call.number, flow, deadline))
    if connection.used:  # what came behind a response is not the answer to this request
        draft.order(CheckIdle(connection.number))
    draft.order(SendData(connection.number, segments))
    if body is None:
        draft.order(PullBody(call.number, draft.limits.max_send_len, True))


def encode_head(draft: Draft, connection: Connection, outgoing: OutgoingRequest) -> bytes:
    """The head of a request, as it is sent on this connection."""
    uri, jar, route = outgoing.uri, draft.jar, connection.route
    cookie = outgoing.options.cookies
    if jar.count and outgoing.options.uses_cookies:
        kept = cookie_field(jar, uri, draft.unix_time)
        cookie = f"{kept}; {cookie}" if kept and cookie else kept or cookie
    if not route.is_forwarded:
        return encode_request_head(outgoing, draft.user_agent, cookie)
    authorization = proxy_authorization(route.proxy)
    return encode_request_head(
        outgoing, draft.user_agent, cookie, TargetForm.ABSOLUTE, authorization
    )


def _framing_of(outgoing: OutgoingRequest) -> StreamState:
    """How the end of a body that is pulled is marked."""
    if outgoing.length == CHUNKED:
        return StreamState(Framing.CHUNKED, 0, False, True, False)
    return StreamState(Framing.CONTENT_LENGTH, outgoing.length, False, True, False)


def on_piece_made(draft: Draft, call: Call, data: bytes) -> None:
    """The next piece of a body is there; empty at its end."""
    connection = draft.find_connection(call.connection)
    if connection is None or connection.flow.outgoing is None:
        return
    flow = connection.flow
    framing = flow.outgoing
    assert framing is not None
    if flow.sending not in PULLING:
        return
    encoded = encode_chunk(framing, data) if data else encode_last_chunk(framing)
    if isinstance(encoded, str):
        abandon_call(draft, call, FailureKind.BODY, encoded.replace("stream", "body", 1))
        return
    is_blocked = flow.sending is Sending.BLOCKED_PULLING
    if not data:
        sending = Sending.BLOCKED if is_blocked else Sending.DONE
        flow = while_sending(flow, sending, None)
    else:
        sending = Sending.BLOCKED_PULL if is_blocked else Sending.PULLING
        flow = while_sending(flow, sending, after_chunk(framing, len(data), True))
    _put_flow(draft, connection, flow, call)
    if encoded:
        draft.order(SendData(connection.number, encoded))
    if sending is Sending.PULLING:
        draft.order(PullBody(call.number, draft.limits.max_send_len, False))


def on_send_blocked(draft: Draft, connection: Connection) -> None:
    """The kernel has not taken all that was sent."""
    flow = connection.flow
    call = _call_of(draft, connection)
    if call is None:
        return
    if flow.sending is Sending.DONE:
        flow = while_sending(flow, Sending.BLOCKED, None)
    elif flow.sending is Sending.PULLING:
        flow = while_sending(flow, Sending.BLOCKED_PULLING, flow.outgoing)
    _put_flow(draft, connection, flow, call)


def on_send_drained(draft: Draft, connection: Connection) -> None:
    """The kernel has taken all that was sent, and had not at first."""
    flow = connection.flow
    call = _call_of(draft, connection)
    if call is None or flow.sending not in BLOCKED:
        return
    sending = Sending.DONE if flow.sending is Sending.BLOCKED else Sending.PULLING
    _put_flow(draft, connection, while_sending(flow, sending, flow.outgoing), call)
    if flow.sending is Sending.BLOCKED_PULL:
        draft.order(PullBody(call.number, draft.limits.max_send_len, False))


def _call_of(draft: Draft, connection: Connection) -> Call | None:
    """The call that is under way on a connection; None if it went on elsewhere, such as behind a
    redirect that came before all of the body was sent.
    """
    call = draft.find_call(connection.request)
    is_here = call is not None and call.connection == connection.number
    return call if is_here and connection.phase is Phase.ACTIVE else None


def _put_flow(draft: Draft, connection: Connection, flow: Flow, call: Call) -> None:
    """The connection is a step further, and has time for the next one."""
    timeouts = call.outgoing.options.timeouts
    deadline = deadline_of_flow(flow, connection.is_paused, timeouts, draft.now)
    draft.put(with_flow(connection, flow, deadline))


# -- receiving -------------------------------------------------------------------------------------


def receive(draft: Draft, connection: Connection, data: bytes) -> None:
    """Take what was received while a request is under way."""
    call = draft.find_call(connection.request)
    if call is None:
        close_connection(draft, connection)
        return
    flow = connection.flow
    buffer = flow.buffer + data if flow.buffer else data
    if flow.reader is None:
        _receive_head(draft, connection, call, buffer, flow.scan, flow.informational)
    else:
        _receive_body(draft, connection, call, flow.head, flow.reader, buffer)


def _receive_head(
    draft: Draft, connection: Connection, call: Call, buffer: bytes, scan: int, informational: int
) -> None:
    """Take the head of a response, and what is behind it; those of 1xx are passed by."""
    while True:
        head = parse_response_head(buffer, draft.limits, scan)
        if isinstance(head, Malformed):
            fail_connection(draft, answered(connection), FailureKind.PROTOCOL, head.message)
            return
        if isinstance(head, NeedMore):
            flow = while_waiting(connection.flow, buffer, head.scan, informational)
            _put_flow(draft, connection, flow, call)
            return
        if not head.is_informational:
            _on_head(draft, connection, call, head, buffer[head.size :])
            return
        buffer, scan, informational = buffer[head.size :], 0, informational + 1
        if informational > draft.limits.max_informational_responses:
            what = f"there were more than {informational - 1} responses before the final one"
            fail_connection(draft, answered(connection), FailureKind.PROTOCOL, what)
            return


def answered(connection: Connection) -> Connection:
    """The connection, of which it is known that something came back."""
    flow = connection.flow
    flow = while_waiting(flow, b"", 0, flow.informational)
    return with_flow(connection, flow, connection.deadline)


def _on_head(
    draft: Draft, connection: Connection, call: Call, head: ResponseHead, rest: bytes
) -> None:
    """The head of a response is complete: it is for the program, or leads to another request."""
    outgoing = call.outgoing
    if head.status == 101:
        _on_upgrade(draft, connection, call, head, rest)
        return
    reader = response_body(head, outgoing.method)
    if isinstance(reader, Malformed):
        fail_connection(draft, answered(connection), FailureKind.PROTOCOL, reader.message)
        return
    if outgoing.options.uses_cookies and "set-cookie" in head.headers.combined:
        fields = head.headers.get_all("set-cookie")
        draft.jar = with_cookies(draft.jar, fields, outgoing.uri, draft.unix_time, draft.limits)
    following = client_reset(outgoing, head, len(call.history))
    if following is None:
        delay = asked_delay(outgoing, head, call.attempts + 1, draft.unix_time, draft.limits)
        if delay is not None:
            _drain(draft, connection, call, head, reader, rest)
            pause_call(draft, call, delay)
            return
        if not _is_too_large(draft, connection, call, reader):
            draft.order(GiveHead(call.number, connection.number, head, outgoing.uri, call.history))
            _receive_body(draft, connection, call, head, reader, rest)
        return
    _drain(draft, connection, call, head, reader, rest)  # before: it may serve what follows
    if isinstance(following, Failure):
        give_failure(draft, call, following)
    else:
        enqueue(draft, redirected(call, following, head))


def _is_too_large(draft: Draft, connection: Connection, call: Call, reader: BodyReader) -> bool:
    """True if a body is declared to be longer than may be held: it is not read."""
    max_len = draft.limits.max_response_len
    declared = reader.remaining
    if call.outgoing.options.is_streamed or declared <= max_len or declared >= UNTIL_CLOSE:
        return False
    what = f"the body is {declared} bytes long, and no more than {max_len} are held"
    fail_connection(draft, answered(connection), FailureKind.TOO_LARGE, what)
    return True


def _on_upgrade(
    draft: Draft, connection: Connection, call: Call, head: ResponseHead, rest: bytes
) -> None:
    """A 101: another protocol has the connection, if it was asked for."""
    wanted = call.outgoing.options.upgrade
    given = parse_list(head.headers.combined.get("upgrade", ""))
    options = parse_list(head.headers.combined.get("connection", ""))
    if not wanted or given != [wanted.lower()] or "upgrade" not in options:
        what = "the server switched to a protocol that was not asked for"
        fail_connection(draft, answered(connection), FailureKind.PROTOCOL, what)
        return
    draft.put(in_phase(connection, Phase.TAKEN_OVER, inf))
    finish_call(draft, call)
    draft.order(HandOver(call.number, connection.number, head, rest))


def _receive_body(
    draft: Draft,
    connection: Connection,
    call: Call,
    head: ResponseHead | None,
    reader: BodyReader,
    data: bytes,
) -> None:
    """Take more of the body of a response."""
    taken = continue_body_read(reader, data, draft.reading_limits)
    if isinstance(taken, Malformed):
        kind = FailureKind.TOO_LARGE if is_too_large(taken) else FailureKind.PROTOCOL
        fail_connection(draft, answered(connection), kind, taken.message)
        return
    reader, rest = taken
    if reader.rope:
        draft.order(GiveBody(call.number, reader.rope))
        reader = take_rope(reader)
    ends = _ends_with_connection(reader)
    if not reader.is_complete:
        flow = while_reading(connection.flow, head, reader, rest, ends, False)
        _put_flow(draft, connection, flow, call)
        return
    finish_call(draft, call)
    draft.order(GiveEnd(call.number))
    end_exchange(draft, connection, call.outgoing, head, rest)


def _ends_with_connection(reader: BodyReader) -> bool:
    """True for a body that ends with the connection."""
    return reader.state is BodyState.LENGTH and reader.remaining + reader.length >= UNTIL_CLOSE


def end_exchange(
    draft: Draft,
    connection: Connection,
    outgoing: OutgoingRequest,
    head: ResponseHead | None,
    rest: bytes,
) -> None:
    """A response is complete: the connection is used again, or closed."""
    is_done = connection.flow.sending is Sending.DONE and not rest
    if client_transaction_completed(outgoing, head) and is_done:
        release(draft, connection)
    else:
        close_connection(draft, connection)


def client_transaction_completed(outgoing: OutgoingRequest, head: ResponseHead | None) -> bool:
    """True if the connection may be used again behind this request and its response (Reuse), False
    if it is to be closed (Close).
    """
    return head is not None and keeps_alive(head) and not outgoing.prepared.closes


# -- what nobody wants -----------------------------------------------------------------------------


def _drain(
    draft: Draft,
    connection: Connection,
    call: Call,
    head: ResponseHead,
    reader: BodyReader,
    data: bytes,
) -> None:
    """Read a body that nobody wants, to use the connection again; or close it, if that is more
    work.
    """
    taken = continue_body_read(reader, data, draft.reading_limits)
    if isinstance(taken, Malformed):
        close_connection(draft, connection)
        return
    reader, rest = taken
    max_len = draft.limits.max_drained_len
    if reader.is_complete:
        end_exchange(draft, connection, call.outgoing, head, rest)
    elif reader.length + reader.remaining > max_len or not keeps_alive(head):
        close_connection(draft, connection)
    else:
        flow = while_reading(connection.flow, head, take_rope(reader), rest, False, True)
        # nobody waits for it, so it has no more time than an idle one, whatever the program allows
        draft.put(with_flow(connection, flow, draft.now + draft.limits.idle_timeout))


def receive_unwanted(draft: Draft, connection: Connection, data: bytes) -> None:
    """Take more of a body that nobody wants."""
    flow = connection.flow
    reader, head = flow.reader, flow.head
    assert reader is not None and head is not None
    taken = continue_body_read(reader, flow.buffer + data, draft.reading_limits)
    if isinstance(taken, Malformed) or taken[0].length > draft.limits.max_drained_len:
        close_connection(draft, connection)
        return
    reader, rest = take_rope(taken[0]), taken[1]
    if not reader.is_complete:
        flow = while_reading(flow, head, reader, rest, False, True)
        draft.put(with_flow(connection, flow, connection.deadline))
    elif rest or flow.sending is not Sending.DONE:
        close_connection(draft, connection)
    else:
        release(draft, connection)


# -- the end of the other side ---------------------------------------------------------------------


def receive_end(draft: Draft, connection: Connection, is_truncated: bool) -> None:
    """The other end sends no more while a request is under way."""
    flow = connection.flow
    call = draft.find_call(connection.request)
    if flow.is_unwanted or call is None:
        close_connection(draft, connection)
        return
    if flow.ends_with_connection and not is_truncated:
        finish_call(draft, call)
        draft.order(GiveEnd(call.number))
        close_connection(draft, connection)
        return
    fail_connection(draft, connection, FailureKind.CLOSED, _what_ended(flow, is_truncated))


def _what_ended(flow: Flow, is_truncated: bool) -> str:
    """What it means that the other end sends no more, in words."""
    if is_truncated:
        return "the connection was cut off: TLS was not closed, so the response may not be complete"
    if not flow.has_answered:
        return "the server closed the connection without an answer"
    if flow.reader is None:
        return "the connection ended within the head of the response"
    lacking = flow.reader.remaining
    if flow.reader.state is BodyState.LENGTH and lacking:
        return f"the connection ended {lacking} bytes before the end of the body"
    return "the connection ended within a chunked body"
