"""Responses become bytes: in order, framed, and with the connection's fate decided.

Theory: answers may come in any order and leave in one. The first request that is owed an answer is
the only one that can be answered; what comes early is held. Whether the connection goes on is
decided when an answer is sent, never later: its `Connection` field has said so.

Rules: functions take a client and return it with the orders that follow; they leave clock and
interest to `settle`. After a connection's last answer it lingers (`write_and_shut`). It does not
know where requests come from.
"""

from ..close_reasons import CLOSE_INFO, CloseReason
from ..conn import Ticket
from ..effects import ERROR_LOG, SERVER_LOG, AccessLog, CloseBody, Effect, Log, LogLevel, Pull, Then
from ..events import HandlerFailed, HandlerReturned, Segment
from ..http.encode import CONTINUE, Encoded, encode_response
from ..http.head import Head
from ..http.headers import Headers
from ..http.response import EventStream, Response, StreamedBody, Upgrade
from ..parse_result import Malformed
from ..websocket.handshake import reject_upgrade
from .client import Client, Context, Disconnected, Outcome, Outgoing, Phase, Step
from .event_stream import open_event_stream
from .output import write, write_and_shut
from .upgrade import open_websocket

NO_HEAD = Head("GET", "", "", "", 1, Headers(), 0, False, False, False)
"""Stands for a head that was not read when an error is answered."""
UNREAD = NO_HEAD._replace(method="-", target="-")
"""The same in the access log."""

_KEEP = Then.KEEP
_INTERNAL = Response.error(500)


def with_outgoing(client: Client, outgoing: Outgoing) -> Client:
    """The client with another outflow."""
    return client._replace(outgoing=outgoing)


# -- answers ---------------------------------------------------------------------------------------


def take_responses(client: Client, event: HandlerReturned, context: Context) -> Step:
    """Answers have come: send those whose turn it is, hold what is early, let go what nobody waits
    for.
    """
    effects: list[Effect] = []
    for number, response in enumerate(event.responses, event.ticket.number):
        client, more = take_response(client, number, response, context)
        effects += more
    return client, effects


def take_response(client: Client, number: int, response: Response, context: Context) -> Step:
    """One answer that needs a closer look."""
    ahead, outgoing = number - client.responded, client.outgoing
    is_awaited = (
        0 <= ahead < len(client.outstanding)
        and number not in dict(outgoing.early_responses)
        and (ahead > 0 or outgoing.streaming is None)
    )
    if not is_awaited:
        return client, _close_body_of(client, number, response)
    if ahead:
        return with_outgoing(
            client,
            outgoing._replace(early_responses=(*outgoing.early_responses, (number, response))),
        ), []
    client, effects = send_response(client, response, context)
    return send_early_responses(client, effects, context)


def _close_body_of(client: Client, number: int, response: Response) -> list[Effect]:
    """Let go of the stream of an answer that will not be sent."""
    return (
        [CloseBody(Ticket(client.conn, number))] if isinstance(response.body, StreamedBody) else []
    )


def send_early_responses(client: Client, effects: list[Effect], context: Context) -> Step:
    """Send the answers that were held, as far as it is their turn."""
    while client.outstanding and client.outgoing.streaming is None:
        held = dict(client.outgoing.early_responses)
        response = held.pop(client.responded, None)
        if response is None:
            break
        client = with_outgoing(
            client, client.outgoing._replace(early_responses=tuple(held.items()))
        )
        client, more = send_response(client, response, context)
        effects = effects + more
    return client, effects


def send_response(client: Client, response: Response, context: Context) -> Step:
    """Answer the first request that is owed an answer."""
    if isinstance(response.body, Upgrade):
        return _upgrade(client, response, context)
    effects: list[Effect] = []
    if isinstance(response.body, EventStream) and (
        context.is_draining or not context.has_subscriber_slot
    ):
        response, effects = _reject_event_stream(client, context)
    head, number = client.outstanding[0], client.responded
    is_last = len(client.outstanding) == 1 and client.incoming.final_error is None
    incoming = client.incoming
    closes = not head.keep_alive or (
        is_last and (context.is_draining or (incoming.peer_half_closed and not incoming.buffer))
    )
    if incoming.expects_continue and is_last and incoming.phase is not Phase.BODY:
        client, effects = send_continue(client)
    encoded = encode_response(response, head, closes, context.date)
    if isinstance(encoded, str):
        effects += [Log(ERROR_LOG, LogLevel.ERROR, f"{head.method} {head.target}: {encoded}")]
        effects += _close_body_of(client, number, response)
        response, encoded = _INTERNAL, encode_known(_INTERNAL, head, closes, context.date)
    if context.logs_access:
        effects += [_access(client, head, response)]
    if isinstance(response.body, EventStream) and encoded.streaming is not None:
        client, more = open_event_stream(client, encoded.segments, response.body, context)
    else:
        client, more = _begin_response(client, encoded)
    effects += more
    if isinstance(response.body, StreamedBody):
        effects.append(
            CloseBody(Ticket(client.conn, number))
            if encoded.streaming is None
            else Pull(Ticket(client.conn, number))
        )
    return client, effects


def _upgrade(client: Client, response: Response, context: Context) -> Step:
    """The connection becomes a WebSocket, or the request is answered with why it does not."""
    head, begun = client.outstanding[0], open_websocket(client, response, context)
    if isinstance(begun, Malformed):
        note = Log(
            SERVER_LOG,
            LogLevel.INFO,
            f"{client.peer} refused with {begun.status}, {begun.reason.name}: {begun.message}",
        )
        client, effects = send_response(client, reject_upgrade(begun), context)
        return client, [note, *effects]
    if isinstance(begun, str):
        note = Log(ERROR_LOG, LogLevel.ERROR, f"{head.method} {head.target}: {begun}")
        client, effects = send_response(client, _INTERNAL, context)
        return client, [note, *effects]
    access = AccessLog(client.peer, head.method, head.target, head.version, 101, 0)
    return (begun[0], [access, *begun[1]]) if context.logs_access else begun


def _reject_event_stream(client: Client, context: Context) -> tuple[Response, list[Effect]]:
    """There is no room for one more who listens: the answer, and a line for the log."""
    reason = CloseReason.SHUTDOWN if context.is_draining else CloseReason.FULL
    info = CLOSE_INFO[reason]
    note = Log(
        SERVER_LOG,
        LogLevel.INFO,
        f"{client.peer} refused with {info.status}, {reason.name}: {info.sentence}",
    )
    return Response.error(info.status, info.sentence, headers=(("Retry-After", "1"),)), [note]


def _begin_response(client: Client, encoded: Encoded) -> Step:
    """Send what there is of an answer: all of it, or the head of a stream."""
    if encoded.streaming is None:
        return finish_response(client, encoded.segments, encoded.closes)
    return write(
        with_outgoing(client, client.outgoing._replace(streaming=encoded.streaming)),
        encoded.segments,
    )


def finish_response(client: Client, segments: tuple[Segment, ...], closes: bool) -> Step:
    """The last segments of an answer: the next request is the first one owed now, or there will be
    none.
    """
    done = client._replace(
        outstanding=client.outstanding[1:],
        responded=client.responded + 1,
        outgoing=client.outgoing._replace(streaming=None),
    )
    if closes:
        return write_and_shut(done, segments, CloseReason.OK)
    return write(done, segments) if segments else (done, [])


def encode_known(response: Response, head: Head, closes: bool, date: bytes) -> Encoded:
    """An answer of our own, which is known to be sendable."""
    encoded = encode_response(response, head, closes, date)
    assert isinstance(encoded, Encoded)
    return encoded


def _access(client: Client, head: Head, response: Response) -> AccessLog:
    """The line for the access log."""
    length = len(response.body) if isinstance(response.body, bytes) else -1
    return AccessLog(client.peer, head.method, head.target, head.version, response.status, length)


def send_error_response(client: Client, error: Malformed, context: Context) -> Step:
    """Tell the client what was wrong, as the connection's last answer, and the log why; some
    reasons need no answer.
    """
    if not error.status:
        return write_and_shut(client, (), error.reason)
    response = Response.error(error.status, error.message)
    head = client.incoming.head or (NO_HEAD._replace(method="HEAD") if error.is_head else NO_HEAD)
    encoded = encode_known(response, head, True, context.date)
    access: list[Effect] = (
        [_access(client, client.incoming.head or UNREAD, response)] if context.logs_access else []
    )
    note = Log(
        SERVER_LOG,
        LogLevel.INFO,
        f"{client.peer} refused with {error.status}, {error.reason.name}: {error.message}",
    )
    client, effects = write_and_shut(client, encoded.segments, error.reason)
    return client, [note, *access, *effects]


def service_unavailable(reason: CloseReason, head: Head, date: bytes) -> tuple[Segment, ...]:
    """The 503 for somebody there is no place or no time for, to be sent before closing.

    Only who was not let in is told to try again: a request that was handed out may have had its
    effect.
    """
    retry = (("Retry-After", "1"),) if head is NO_HEAD else ()
    response = Response.error(503, CLOSE_INFO[reason].sentence, headers=retry)
    return encode_known(response, head, True, date).segments


def send_continue(client: Client) -> Step:
    """The interim answer that a client waits for before it sends its body (RFC 9110 section
    10.1.1).
    """
    return write(
        client._replace(incoming=client.incoming._replace(expects_continue=False)), (CONTINUE,)
    )


# -- streams ---------------------------------------------------------------------------------------


def response_timed_out(client: Client, context: Context) -> Outcome:
    """A late answer is overdue: the client is told, and the connection ends, for what it asked for
    may still happen.
    """
    reason = CloseReason.ANSWER_TIMEOUT
    head = client.outstanding[0]
    text = f"{head.method} {head.target}: no answer for {context.limits.response_timeout:g} s"
    access: list[Effect] = (
        [_access(client, head, Response.error(503))] if context.logs_access else []
    )
    client, effects = write_and_shut(
        client, service_unavailable(reason, head, context.date), reason
    )
    return client, [Log(ERROR_LOG, LogLevel.ERROR, text), *access, *effects]


def respond_to_failure(client: Client, event: HandlerFailed, context: Context) -> Outcome:
    """User code failed: its account goes to the log, the client gets a status and no internals."""
    notes: list[Effect] = (
        [Log(ERROR_LOG, LogLevel.ERROR, event.traceback)] if event.traceback else []
    )
    ticket = event.ticket
    if client.outgoing.streaming is not None and ticket.number == client.responded:
        return Disconnected(client, CloseReason.HANDLER_ERROR), notes
    is_error = type(event.status) is int and 400 <= event.status <= 599
    response = Response.error(event.status if is_error else 500, event.message)
    client, effects = take_response(client, ticket.number, response, context)
    return client, notes + effects
