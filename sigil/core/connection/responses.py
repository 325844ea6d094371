"""Responses become bytes: in order, framed, and with the connection's fate decided.

Theory: answers may come in any order and leave in one.  The first request that is owed an answer is the only one
that can be answered; what comes early is held.  Whether the connection goes on is decided when an answer is sent,
never later: its `Connection` field has said so.

Rules: functions take a client and return it with the orders that follow; they leave clock and interest to `settle`.
After a connection's last answer it lingers (`emit_last`).  It does not know where requests come from.
"""

from ..close_reasons import MEANINGS, CloseReason
from ..conn import Ticket
from ..effects import Abandon, Access, Effect, Note, Pull, Then
from ..events import Answered, Refused, Segment
from ..http.encode import CONTINUE, Encoded, encode_response
from ..http.head import Head
from ..http.headers import Headers
from ..http.response import Pulled, Response, Subscription, Upgrade
from ..parse_result import Malformed
from ..websocket.handshake import refuse_upgrade
from .client import Client, Context, Gone, Outcome, Outflow, Phase, Step
from .event_stream import begin_listening
from .output import emit, emit_last
from .upgrade import begin_talk

INFO, WARNING, ERROR = 20, 30, 40
"""Levels of the logging module."""

NO_HEAD = Head("GET", "", "", "", 1, Headers(), 0, False, False, False)
"""Stands for a head that was not read when an error is answered."""
UNREAD = NO_HEAD._replace(method="-", target="-")
"""The same in the access log."""

_KEEP = Then.KEEP
_INTERNAL = Response.error(500)


def _with(client: Client, outflow: Outflow) -> Client:
    """The client with another outflow."""
    return client._replace(outflow=outflow)


# -- answers ------------------------------------------------------------------------------------------------------


def take_answers(client: Client, event: Answered, context: Context) -> Step:
    """Answers have come: send those whose turn it is, hold what is early, let go what nobody waits for."""
    effects: list[Effect] = []
    for number, response in enumerate(event.responses, event.ticket.number):
        client, more = take_answer(client, number, response, context)
        effects += more
    return client, effects


def take_answer(client: Client, number: int, response: Response, context: Context) -> Step:
    """One answer that needs a closer look."""
    ahead, outflow = number - client.answered, client.outflow
    is_awaited = 0 <= ahead < len(client.owed) and number not in dict(outflow.held) and (
        ahead > 0 or outflow.streaming is None)
    if not is_awaited:
        return client, _abandon(client, number, response)
    if ahead:
        return _with(client, outflow._replace(held=(*outflow.held, (number, response)))), []
    client, effects = send_response(client, response, context)
    return release_held(client, effects, context)


def _abandon(client: Client, number: int, response: Response) -> list[Effect]:
    """Let go of the stream of an answer that will not be sent."""
    return [Abandon(Ticket(client.conn, number))] if isinstance(response.body, Pulled) else []


def release_held(client: Client, effects: list[Effect], context: Context) -> Step:
    """Send the answers that were held, as far as it is their turn."""
    while client.owed and client.outflow.streaming is None:
        held = dict(client.outflow.held)
        response = held.pop(client.answered, None)
        if response is None:
            break
        client = _with(client, client.outflow._replace(held=tuple(held.items())))
        client, more = send_response(client, response, context)
        effects = effects + more
    return client, effects


def send_response(client: Client, response: Response, context: Context) -> Step:
    """Answer the first request that is owed an answer."""
    if isinstance(response.body, Upgrade):
        return _upgrade(client, response, context)
    effects: list[Effect] = []
    if isinstance(response.body, Subscription) and (context.is_draining or not context.has_talk_room):
        response, effects = _refuse_listener(client, context)
    head, number = client.owed[0], client.answered
    is_last = len(client.owed) == 1 and client.intake.doom is None
    intake = client.intake
    closes = not head.persists or (is_last and (context.is_draining or (intake.at_end and not intake.buffer)))
    if intake.expects and is_last and intake.phase is not Phase.BODY:
        client, effects = send_continue(client)
    encoded = encode_response(response, head, closes, context.date)
    if isinstance(encoded, str):
        effects += [Note("sigil.error", ERROR, f"{head.method} {head.target}: {encoded}")]
        effects += _abandon(client, number, response)
        response, encoded = _INTERNAL, encode_known(_INTERNAL, head, closes, context.date)
    if context.logs_access:
        effects += [_access(client, head, response)]
    if isinstance(response.body, Subscription) and encoded.streaming is not None:
        client, more = begin_listening(client, encoded.segments, response.body, context)
    else:
        client, more = _begin(client, encoded)
    effects += more
    if isinstance(response.body, Pulled):
        effects.append(Abandon(Ticket(client.conn, number)) if encoded.streaming is None
                       else Pull(Ticket(client.conn, number)))
    return client, effects


def _upgrade(client: Client, response: Response, context: Context) -> Step:
    """The connection becomes a WebSocket, or the request is answered with why it does not."""
    head, begun = client.owed[0], begin_talk(client, response, context)
    if isinstance(begun, Malformed):
        note = Note("sigil.server", INFO, f"{client.peer} refused with {begun.status}, {begun.reason.name}: "
                                          f"{begun.message}")
        client, effects = send_response(client, refuse_upgrade(begun), context)
        return client, [note, *effects]
    if isinstance(begun, str):
        note = Note("sigil.error", ERROR, f"{head.method} {head.target}: {begun}")
        client, effects = send_response(client, _INTERNAL, context)
        return client, [note, *effects]
    access = Access(client.peer, head.method, head.target, head.version, 101, 0)
    return (begun[0], [access, *begun[1]]) if context.logs_access else begun


def _refuse_listener(client: Client, context: Context) -> tuple[Response, list[Effect]]:
    """There is no room for one more who listens: the answer, and a line for the log."""
    reason = CloseReason.SHUTDOWN if context.is_draining else CloseReason.FULL
    meaning = MEANINGS[reason]
    note = Note("sigil.server", INFO, f"{client.peer} refused with {meaning.status}, {reason.name}: {meaning.sentence}")
    return Response.error(meaning.status, meaning.sentence, headers=(("Retry-After", "1"),)), [note]


def _begin(client: Client, encoded: Encoded) -> Step:
    """Send what there is of an answer: all of it, or the head of a stream."""
    if encoded.streaming is None:
        return _finish(client, encoded.segments, encoded.closes)
    return emit(_with(client, client.outflow._replace(streaming=encoded.streaming)), encoded.segments)


def _finish(client: Client, segments: tuple[Segment, ...], closes: bool) -> Step:
    """The last segments of an answer: the next request is the first one owed now, or there will be none."""
    done = client._replace(owed=client.owed[1:], answered=client.answered + 1,
                           outflow=client.outflow._replace(streaming=None))
    if closes:
        return emit_last(done, segments, CloseReason.OK)
    return emit(done, segments) if segments else (done, [])


def encode_known(response: Response, head: Head, closes: bool, date: bytes) -> Encoded:
    """An answer of our own, which is known to be sendable."""
    encoded = encode_response(response, head, closes, date)
    assert isinstance(encoded, Encoded)
    return encoded


def _access(client: Client, head: Head, response: Response) -> Access:
    """The line for the access log."""
    length = len(response.body) if isinstance(response.body, bytes) else -1
    return Access(client.peer, head.method, head.target, head.version, response.status, length)


def send_error_response(client: Client, doom: Malformed, context: Context) -> Step:
    """Tell the client what was wrong, as the connection's last answer, and the log why; some reasons need no answer."""
    if not doom.status:
        return emit_last(client, (), doom.reason)
    response = Response.error(doom.status, doom.message)
    head = client.intake.head or (NO_HEAD._replace(method="HEAD") if doom.is_head else NO_HEAD)
    encoded = encode_known(response, head, True, context.date)
    access: list[Effect] = [_access(client, client.intake.head or UNREAD, response)] if context.logs_access else []
    note = Note("sigil.server", INFO, f"{client.peer} refused with {doom.status}, {doom.reason.name}: {doom.message}")
    client, effects = emit_last(client, encoded.segments, doom.reason)
    return client, [note, *access, *effects]


def unavailable(reason: CloseReason, head: Head, date: bytes) -> tuple[Segment, ...]:
    """The 503 for somebody there is no place or no time for, to be sent before closing.

    Only who was not let in is told to try again: a request that was handed out may have had its effect.
    """
    retry = (("Retry-After", "1"),) if head is NO_HEAD else ()
    response = Response.error(503, MEANINGS[reason].sentence, headers=retry)
    return encode_known(response, head, True, date).segments


def send_continue(client: Client) -> Step:
    """The interim answer that a client waits for before it sends its body (RFC 9110 section 10.1.1)."""
    return emit(client._replace(intake=client.intake._replace(expects=False)), (CONTINUE,))


# -- streams ------------------------------------------------------------------------------------------------------


def give_up_answer(client: Client, context: Context) -> Outcome:
    """A late answer is overdue: the client is told, and the connection ends, for what it asked for may still happen."""
    reason = CloseReason.ANSWER_TIMEOUT
    head = client.owed[0]
    text = f"{head.method} {head.target}: no answer for {context.limits.answer_timeout:g} s"
    access: list[Effect] = [_access(client, head, Response.error(503))] if context.logs_access else []
    client, effects = emit_last(client, unavailable(reason, head, context.date), reason)
    return client, [Note("sigil.error", ERROR, text), *access, *effects]


def take_refusal(client: Client, event: Refused, context: Context) -> Outcome:
    """User code failed: its account goes to the log, the client gets a status and no internals."""
    notes: list[Effect] = [Note("sigil.error", ERROR, event.account)] if event.account else []
    ticket = event.ticket
    if client.outflow.streaming is not None and ticket.number == client.answered:
        return Gone(client, CloseReason.HANDLER_ERROR), notes
    is_error = type(event.status) is int and 400 <= event.status <= 599
    response = Response.error(event.status if is_error else 500, event.message)
    client, effects = take_answer(client, ticket.number, response, context)
    return client, notes + effects
