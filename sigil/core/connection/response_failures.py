"""What a client gets when the program fails it: it raises, or does not answer in time.

Theory: a failure of the program is no failure of the server. The client is told as much as it may
know, with a status; the log gets the rest. A response that has begun cannot be taken back, and is
broken off, so that nobody takes half of it for all.

Rules: as in `responses`, functions take a client and return it with the effects. It does not know
what went wrong in the program.
"""

from ..close_reasons import CloseReason
from ..effects import ERROR_LOG, Effect, Log, LogLevel
from ..events import HandlerFailed, HandlerReturned
from ..http.response import Response
from .client import Client, Disconnected
from .context import Context, Outcome
from .output import write_and_shut
from .responses import access_line, service_unavailable, take_responses


def response_timed_out(client: Client, context: Context) -> Outcome:
    """A deferred response is overdue: answer 503 and end the connection, for what was asked for may
    still happen.
    """
    reason, head = CloseReason.ANSWER_TIMEOUT, client.outstanding[0]
    text = f"{head.method} {head.target}: no answer for {context.limits.response_timeout:g} s"
    effects: list[Effect] = [Log(ERROR_LOG, LogLevel.ERROR, text)]
    if context.logs_access:
        effects.append(access_line(client, head, Response.error(503), client.waiting_since))
    segments = service_unavailable(reason, head, context.date)
    client, sent = write_and_shut(client, segments, reason)
    return client, effects + sent


def half_closed_timed_out(client: Client, context: Context) -> Outcome:
    """A client that has ended its side was sent nothing for some time: it is taken to have left.
    One that waits for a response all the same is answered 503.
    """
    if client.outgoing.streaming is not None:
        return Disconnected(client, CloseReason.PEER_CLOSED), []
    reason, head = CloseReason.ANSWER_TIMEOUT, client.outstanding[0]
    effects: list[Effect] = []
    if context.logs_access:
        effects.append(access_line(client, head, Response.error(503), client.waiting_since))
    segments = service_unavailable(reason, head, context.date)
    client, sent = write_and_shut(client, segments, CloseReason.PEER_CLOSED)
    return client, effects + sent


def respond_to_failure(client: Client, event: HandlerFailed, context: Context) -> Outcome:
    """User code failed: log its traceback, and answer with the event's status and none of the
    internals. A response that has begun is broken off.
    """
    notes: list[Effect] = (
        [Log(ERROR_LOG, LogLevel.ERROR, event.traceback)] if event.traceback else []
    )
    ticket = event.ticket
    if client.outgoing.streaming is not None and ticket.number == client.responded:
        return Disconnected(client, CloseReason.HANDLER_ERROR), notes
    is_error = type(event.status) is int and 400 <= event.status <= 599
    response = Response.error(event.status if is_error else 500, event.message)
    answer = HandlerReturned(ticket, (response,))
    client, effects = take_responses(client, answer, context)
    return client, notes + effects
