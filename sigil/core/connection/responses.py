"""Responses become bytes: in order, framed, and with the end of the connection decided.

Theory: responses may come in any order and leave in one. Only the first outstanding request can be
answered; a response that comes early is held. Whether the connection goes on is decided when a
response is sent, never later: its `Connection` field has promised it (RFC 9112 section 9.3).

Rules: functions take a client and return it with the effects; they leave clock and interest to
`after_transition`. After its last response a connection lingers (`write_and_shut`). A response that
cannot be sent is the program's error: it goes to the error log, and the client gets 500. It does
not know where requests come from.
"""

from collections.abc import Sequence
from typing import Final

from ..close_reasons import CLOSE_INFO, CloseReason
from ..conn import Ticket
from ..effects import (
    ERROR_LOG,
    SERVER_LOG,
    AccessLog,
    CloseBody,
    Effect,
    LimitUnsent,
    Log,
    LogLevel,
    Pull,
    Send,
    SendFile,
)
from ..events import HandlerReturned, Segment
from ..http.bodies import EventStream, FileBody, Poll, StreamedBody, Upgrade, file_body_len
from ..http.encode import CONTINUE, Encoded, encode_response, gather
from ..http.head import Head, is_for_server
from ..http.headers import Headers
from ..http.response import Response
from ..parse_result import Malformed
from ..websocket.handshake import reject_upgrade
from ..websocket.origin import cross_origin_fields
from .client import (
    WHOLE,
    BodyMode,
    Client,
    Phase,
    after_responses,
    with_incoming,
    with_outgoing,
)
from .client_status import is_polling
from .context import Context, Step
from .event_stream import event_stream_subscription, open_event_stream
from .outgoing import with_streaming
from .output import KEEP, write, write_and_shut
from .poll import open_poll
from .upgrade import open_websocket

NO_HEAD: Final = Head("GET", "", "", "", 1, Headers(), 0, False, False, False, 0)
"""Stands for a head that was not read when an error is answered."""
UNREAD: Final = NO_HEAD.replace(method="-", target="-")
"""Stands for it in the access log."""

_INTERNAL_ERROR: Final = Response.error(500)


# -- in order --------------------------------------------------------------------------------------


def take_responses(client: Client, event: HandlerReturned, context: Context) -> Step:
    """Send the responses that can be sent, hold those that are early, and close those that nobody
    waits for.
    """
    number, responses = event.ticket.number, event.responses
    effects: list[Effect] = []
    while responses:
        count, first = 1, client.responded
        is_first = number == first and client.outstanding and not is_polling(client)
        if is_first and client.outgoing.streaming is None:
            client, more = send_response(client, responses, context)
            count = client.responded - first or 1  # a stream counts when it has ended
            if client.outgoing.early_responses:
                client, more = send_early_responses(client, more, context)
        else:
            client, more = _hold_response(client, number, responses[0])
        effects = effects + more if effects else more
        number, responses = number + count, responses[count:]
    return client, effects


def _hold_response(client: Client, number: int, response: Response) -> Step:
    """Hold a response that is early, or close one that is not awaited: of a request that is not
    outstanding, or has its response already.
    """
    held, ahead = client.outgoing.early_responses, number - client.responded
    # the first outstanding request has its response already while the body of that is streamed
    if 0 < ahead < len(client.outstanding) and number not in dict(held):
        outgoing = client.outgoing.replace(early_responses=(*held, (number, response)))
        return with_outgoing(client, outgoing), []
    return client, _close_body_of(client, number, response)


def _close_body_of(client: Client, number: int, response: Response) -> list[Effect]:
    """Close the body of a response that will not be sent, if the program has a part in it."""
    if isinstance(response.body, (StreamedBody, FileBody, Upgrade, EventStream)):
        return [CloseBody(Ticket(client.conn, number))]
    return []


def send_early_responses(client: Client, effects: list[Effect], context: Context) -> Step:
    """Send the responses that were held, as far as their requests are the first outstanding ones
    now.
    """
    while client.outstanding and client.outgoing.streaming is None:
        held = dict(client.outgoing.early_responses)
        response = held.pop(client.responded, None)
        if response is None:
            break
        outgoing = client.outgoing.replace(early_responses=tuple(held.items()))
        client, more = send_response(with_outgoing(client, outgoing), (response,), context)
        effects = effects + more
    return client, effects


# -- sending them ----------------------------------------------------------------------------------


def send_response(client: Client, responses: Sequence[Response], context: Context) -> Step:
    """Send the first outstanding requests their responses, of which there is at least one: in one
    piece all those in front that have a body of bytes, or the first one alone if that is another;
    the body of a stream is pulled.
    """
    response, effects = responses[0], list[Effect]()
    body = response.body
    if isinstance(body, Upgrade):
        return _close_if_refused(client, _upgrade(client, response, context))
    if client.incoming.expects_continue:
        client, effects = _send_due_continue(client)
    if isinstance(body, bytes):
        client, more = _send_whole(client, responses, context)
    elif isinstance(body, EventStream):
        opened = _send_event_stream(client, response, body, context)
        client, more = _close_if_refused(client, opened)
    elif isinstance(body, Poll):
        client, more = _begin_poll(client, response, body, context)
    else:
        client, more = _send_stream(client, response, context)
    return client, effects + more if effects else more


def _close_if_refused(before: Client, opened: Step) -> Step:
    """The step of a response that was to open a WebSocket or an event stream; if it has opened
    none, what the program has a part in is not needed any more.
    """
    client, effects = opened
    if client.subscriber is None:
        effects = [*effects, CloseBody(Ticket(before.conn, before.responded))]
    return client, effects


def _send_whole(client: Client, responses: Sequence[Response], context: Context) -> Step:
    """Send those at the front of these responses that have a body of bytes, up to the last one of
    the connection; one that cannot be sent is left, and answered with 500 if it is the first.
    """
    pieces: list[bytes] = []
    effects: list[Effect] = []
    count, closes, outstanding = 0, False, client.outstanding
    for response, head in zip(responses, outstanding, strict=False):
        if not isinstance(response.body, bytes):
            break
        closes = _is_last_response(client, count, context)
        encoded = encode_response(response, head, closes, context.date)
        if isinstance(encoded, str):
            if not count:
                return _send_internal_error(client, encoded, [], context)
            closes = False
            break
        if context.logs_access:
            effects.append(access_line(client, head, response, _since(client, head, context)))
        pieces += encoded.pieces
        count += 1
        if encoded.closes:
            closes = True
            break
    client, sent = _send_pieces(client, count, pieces, closes, context)
    return client, effects + sent if effects else sent


def _send_pieces(
    client: Client, count: int, pieces: list[bytes], closes: bool, context: Context
) -> Step:
    """Send the pieces of `count` whole responses, the last of the connection if it `closes`."""
    segments = gather(pieces)
    if not closes and not client.outgoing.outbox:
        length = sum(map(len, segments))
        after = after_responses(client, count, length, context.now)
        return after, [Send(client.conn, segments, KEEP)]
    after = after_responses(client, count, 0, context.now)
    if closes:
        return write_and_shut(after, segments, CloseReason.OK)
    return write(after, segments)


def _send_stream(client: Client, response: Response, context: Context) -> Step:
    """Send the head of a response whose body is streamed or a file, and order the first of it."""
    head, ticket = client.outstanding[0], Ticket(client.conn, client.responded)
    encoded = _encode_stream(client, response, context)
    if isinstance(encoded, str):
        unsent = _close_body_of(client, ticket.number, response)
        return _send_internal_error(client, encoded, unsent, context)
    effects: list[Effect] = []
    if context.logs_access:
        effects.append(access_line(client, head, response, _since(client, head, context)))
    order = _next_order(ticket, encoded, context)
    if isinstance(order, Pull):
        effects.append(LimitUnsent(client.conn))  # what is pulled may be live
    client, sent = _begin_response(client, encoded)
    return client, [*effects, *sent, order]


def _next_order(ticket: Ticket, encoded: Encoded, context: Context) -> Effect:
    """What is ordered behind the head of a response whose body the shell has."""
    if encoded.streaming is None:
        return CloseBody(ticket)
    if encoded.streaming.is_file:
        return SendFile(ticket, context.limits.max_file_send_len)
    return Pull(ticket)


def _encode_stream(client: Client, response: Response, context: Context) -> Encoded | str:
    """The head of a response to the first outstanding request that is no whole body, encoded, or
    why it cannot be sent; that of an event stream says whose pages may read it.
    """
    head, closes = client.outstanding[0], _is_last_response(client, 0, context)
    body = response.body
    if isinstance(body, EventStream) or (isinstance(body, StreamedBody) and body.is_sse):
        response = readable_elsewhere(response, head, context)
    return encode_response(response, head, closes, context.date)


def readable_elsewhere(response: Response, head: Head, context: Context) -> Response:
    """The response, with the fields by which pages of other origins may read it, if those of the
    request's Origin may; one that cannot be sent as it is stays so.
    """
    if "origin" not in head.headers.combined:
        return response
    if isinstance(encode_response(response, head, False, context.date), str):
        return response
    more = cross_origin_fields(head.headers, context.limits.origins, response.headers)
    return response.replace(headers=(*response.headers, *more), prepared=None)


def _send_event_stream(
    client: Client, response: Response, body: EventStream, context: Context
) -> Step:
    """Send the head of an event stream and subscribe the client, if there is room for one more."""
    if context.is_draining or not context.has_subscriber_slot:
        return _reject_event_stream(client, context)
    head, encoded = client.outstanding[0], _encode_stream(client, response, context)
    if isinstance(encoded, str):
        return _send_internal_error(client, encoded, [], context)
    subscription = event_stream_subscription(body, context.limits)
    if isinstance(subscription, str):
        return _send_internal_error(client, subscription, [], context)
    effects: list[Effect] = []
    if context.logs_access:
        effects.append(access_line(client, head, response, _since(client, head, context)))
    if encoded.streaming is None:
        client, sent = _begin_response(client, encoded)
    else:
        client, sent = open_event_stream(
            client, gather(encoded.pieces), body, subscription, context
        )
    return client, effects + sent


def _reject_event_stream(client: Client, context: Context) -> Step:
    """Refuse an event stream with the status of the reason, for want of room or because the server
    is stopping.
    """
    reason = CloseReason.SHUTDOWN if context.is_draining else CloseReason.FULL
    info = CLOSE_INFO[reason]
    rejection = Response.error(info.status, info.sentence, headers=(("Retry-After", "1"),))
    note = _refusal_note(client, info.status, reason, info.sentence)
    client, effects = send_response(client, (rejection,), context)
    return client, [note, *effects]


def _begin_poll(client: Client, response: Response, body: Poll, context: Context) -> Step:
    """Let a long-poll wait for what is published, if there is room for one more; the next flush
    answers it if there is something already.
    """
    if context.is_draining or not context.has_subscriber_slot:
        return _reject_event_stream(client, context)
    opened = open_poll(client, response, body, context)
    if isinstance(opened, str):
        return _send_internal_error(client, opened, [], context)
    return opened, []


def _upgrade(client: Client, response: Response, context: Context) -> Step:
    """Make the connection a WebSocket, or answer the request with why it does not become one."""
    head, since = client.outstanding[0], client.waiting_since
    opened = open_websocket(client, response, context)
    if isinstance(opened, Malformed):
        note = _refusal_note(client, opened.status, opened.reason, opened.message)
        client, effects = send_response(client, (reject_upgrade(opened),), context)
        return client, [note, *effects]
    if isinstance(opened, str):
        return _send_internal_error(client, opened, [], context)
    client, effects = opened
    if context.logs_access:
        access = access_line(client, head, Response(101, (), b""), since)
        effects = [access, *effects]
    return client, effects


def _send_internal_error(
    client: Client, problem: str, unsent: list[Effect], context: Context
) -> Step:
    """Answer 500, for the response that the handler made cannot be sent; the error log says why.

    `unsent` are effects that end what was to be sent.
    """
    head = client.outstanding[0]
    note = Log(ERROR_LOG, LogLevel.ERROR, f"{head.method} {head.target}: {problem}")
    client, effects = send_response(client, (_INTERNAL_ERROR,), context)
    return client, [note, *unsent, *effects]


def _is_last_response(client: Client, index: int, context: Context) -> bool:
    """True if the response to the outstanding request at this index ends the connection."""
    incoming, head = client.incoming, client.outstanding[index]
    if not head.keep_alive:
        return True
    if incoming.body_mode is not WHOLE and incoming.body_mode is not BodyMode.QUEUED:
        return True  # the rest of its body is not read
    if len(client.outstanding) > index + 1 or incoming.final_error is not None:
        return False  # another response comes behind it
    if incoming.buffer and "upgrade" in head.headers.combined:
        return True  # what came behind an upgrade that is not made may not be meant as HTTP
    return context.is_draining or (incoming.peer_half_closed and not incoming.buffer)


def _send_due_continue(client: Client) -> Step:
    """Send the interim response that a client still waits for whose request was answered without
    its body having been awaited.
    """
    incoming = client.incoming
    is_last = len(client.outstanding) == 1 and incoming.final_error is None
    if incoming.expects_continue and is_last and incoming.phase is not Phase.BODY:
        return send_continue(client)
    return client, []


def _refusal_note(client: Client, status: int, reason: CloseReason, sentence: str) -> Log:
    """The line for the server's log about a client that is refused."""
    text = f"{client.peer} refused with {status}, {reason.name}: {sentence}"
    return Log(SERVER_LOG, LogLevel.INFO, text)


def _begin_response(client: Client, encoded: Encoded) -> Step:
    """Send what there is of a response: all of it, or the head of a streamed one."""
    if encoded.streaming is None:
        return finish_response(client, gather(encoded.pieces), encoded.closes)
    outgoing = with_streaming(client.outgoing, encoded.streaming)
    return write(with_outgoing(client, outgoing), gather(encoded.pieces))


def finish_response(client: Client, segments: tuple[Segment, ...], closes: bool) -> Step:
    """Send the last segments of a response: the next request is the first outstanding one now, or,
    if it `closes`, there is none.
    """
    done = after_responses(client, 1, 0, client.waiting_since)
    if client.outgoing.streaming is not None:
        done = with_outgoing(done, with_streaming(client.outgoing, None))
    if closes:
        return write_and_shut(done, segments, CloseReason.OK)
    return write(done, segments) if segments else (done, [])


def send_continue(client: Client) -> Step:
    """Send the interim response that a client waits for before it sends its body (RFC 9110 section
    10.1.1).
    """
    incoming = client.incoming.replace(expects_continue=False)
    return write(with_incoming(client, incoming), (CONTINUE,))


def access_line(client: Client, head: Head, response: Response, since: float) -> AccessLog:
    """The line for the access log about this response, which took the time `since`."""
    body, length = response.body, -1
    if isinstance(body, bytes):
        length = len(body)
    elif isinstance(body, FileBody):
        length = file_body_len(body)
    method, target, version, status = head.method, head.target, head.version, response.status
    return AccessLog(client.peer, method, target, version, status, length, since)


def _since(client: Client, head: Head, context: Context) -> float:
    """Since when the program was to answer the first outstanding request; what the server answers
    by itself is answered at once.
    """
    return context.now if is_for_server(head.method, head.target) else client.waiting_since


# -- errors ----------------------------------------------------------------------------------------


def send_error_response(client: Client, error: Malformed, context: Context) -> Step:
    """Answer with the error's status and message as the connection's last response, and log why; an
    error without a status ends the connection without a response.
    """
    if not error.status:
        return write_and_shut(client, (), error.reason)
    response = Response.error(error.status, error.message)
    head = client.incoming.head
    if head is None:
        head = NO_HEAD.replace(method="HEAD") if error.is_head else NO_HEAD
    encoded = encode_known(response, head, True, context.date)
    effects: list[Effect] = [_refusal_note(client, error.status, error.reason, error.message)]
    if context.logs_access:
        effects.append(access_line(client, client.incoming.head or UNREAD, response, context.now))
    client, sent = write_and_shut(client, gather(encoded.pieces), error.reason)
    return client, effects + sent


def service_unavailable(reason: CloseReason, head: Head, date: bytes) -> tuple[Segment, ...]:
    """The segments of a 503 for a client that there is no room or no time for, to be sent before
    its connection is closed.

    Only one that was not accepted (`NO_HEAD`) is asked to try again: a request that was handed to
    the program may have had its effect.
    """
    retry = (("Retry-After", "1"),) if head is NO_HEAD else ()
    response = Response.error(503, CLOSE_INFO[reason].sentence, headers=retry)
    return gather(encode_known(response, head, True, date).pieces)


def encode_known(response: Response, head: Head, closes: bool, date: bytes) -> Encoded:
    """A response of the server's own, encoded, which is known to be possible."""
    encoded = encode_response(response, head, closes, date)
    assert isinstance(encoded, Encoded)
    return encoded
