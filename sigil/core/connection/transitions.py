"""What an event does to one connection: a table of functions (client, event, context) -> (client or Gone, orders).

Theory: `intake` turns bytes into requests and `answer` turns responses into bytes; here they are put together, event
by event.  After every event that may have made something possible, `resume` goes on until nothing is.

Rules: total and pure.  What a transition leaves passes through `settle`.  `AT_REST` holds what is tried first for a
connection at rest: functions that do what the transition and `settle` would do, faster, or say None.  It does not know
the table of clients, nor any other client.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from ..close_reasons import MEANINGS, CloseReason
from ..effects import Effect, Send, Then
from ..events import (
    Answered,
    Chunk,
    Delivered,
    Ended,
    Failed,
    HalfClosed,
    Hangup,
    Lagged,
    Received,
    Refused,
    Stalled,
    Subscribe,
    Whisper,
    Writable,
)
from ..parse_result import bad
from . import fast_path
from .client import CALM, CLEAR, Client, Context, Gone, Outcome, Phase, may_parse
from .deadlines import Waiting, waiting_for
from .event_stream import end_listening, lose_listener
from .fast_path import Simple
from .output import emit_last
from .requests import foretell, handle_client_data, try_parse_and_handle
from .response_streams import ask_again, keep_alive, take_chunk, take_end
from .responses import release_held, send_continue, send_error_response, take_answers, take_refusal
from .websocket import delivered, fail, hear, lose, say_last
from .websocket_send import fall_behind, go_on, lagged, subscribed, whispered


def resume(client: Client, effects: list[Effect], context: Context) -> Outcome:
    """Go on with whatever the last event made possible: held answers, waiting requests, what is to be told last."""
    while client.intake.phase is not Phase.LINGER:
        if client.outflow.held:
            client, effects = release_held(client, effects, context)
        if client.intake.buffer and may_parse(client, context.limits):
            before = len(client.intake.buffer)
            client, more = try_parse_and_handle(client, context)
            effects = effects + more
            if len(client.intake.buffer) != before:
                continue
        if client.owed:
            break
        outcome = _conclude(client, context)
        if outcome is None:
            break
        effects = effects + outcome[1]
        if isinstance(outcome[0], Gone):
            return outcome[0], effects
        client = outcome[0]
    return client, effects


def _conclude(client: Client, context: Context) -> Outcome | None:
    """Nothing is owed: say what was left to say, or close what has no future; None if there is nothing to do."""
    intake = client.intake
    if intake.expects:
        return send_continue(client)
    if intake.doom is not None:
        return send_error_response(client, intake.doom, context)
    is_idle = intake.phase is Phase.HEAD and not intake.buffer
    if intake.at_end and not is_idle and not may_parse(client, context.limits):
        return None
    if intake.at_end and not is_idle:
        return foretell(client, bad("the connection was closed before the request was complete")), []
    if intake.at_end:
        return emit_last(client, (), CloseReason.PEER_CLOSED)
    if context.is_draining and is_idle:
        return emit_last(client, (), CloseReason.SHUTDOWN)
    return None


TALKS = (Phase.TALK, Phase.PARKED)


def received(client: Client, event: Received, context: Context) -> Outcome:
    """Bytes came."""
    if client.intake.phase in TALKS:
        return hear(client, event, context)
    client, effects = handle_client_data(client, event.data, context)
    if client.intake.phase is Phase.LINGER and client.intake.discarded > context.limits.max_linger_len:
        return Gone(client, client.outflow.reason), effects
    return resume(client, effects, context)


def answered(client: Client, event: Answered, context: Context) -> Outcome:
    """The handler returned."""
    before = client.bytes_out
    client, effects = take_answers(client, event, context)
    if client.intake.buffer and client.bytes_out - before > context.limits.max_outbox_len:
        client = client._replace(outflow=client.outflow._replace(is_full=True))
    return resume(client, effects, context)


def refused(client: Client, event: Refused, context: Context) -> Outcome:
    """User code failed."""
    return _resume_unless_gone(take_refusal(client, event, context), context)


def chunk(client: Client, event: Chunk, context: Context) -> Outcome:
    """A stream yielded."""
    return take_chunk(client, event, context)


def ended(client: Client, event: Ended, context: Context) -> Outcome:
    """A stream is at its end."""
    return _resume_unless_gone(take_end(client, event), context)


def _resume_unless_gone(outcome: Outcome, context: Context) -> Outcome:
    client, effects = outcome
    return outcome if isinstance(client, Gone) else resume(client, effects, context)


def half_closed(client: Client, event: HalfClosed, context: Context) -> Outcome:
    """The other side has ended its half."""
    if client.talk is not None and client.intake.phase is not Phase.LINGER:
        leave = lose if client.intake.phase in TALKS else lose_listener
        return leave(client, event, context)
    if client.intake.phase is Phase.LINGER and not client.outflow.outbox:
        return Gone(client, client.outflow.reason), []
    if client.intake is CALM and client.outflow is CLEAR and not client.owed and client.since < context.now:
        # nothing was sent in this tick, so everything sent before is known to have been taken
        return Gone(client, CloseReason.PEER_CLOSED), []
    is_listening = waiting_for(client) is Waiting.EVENT
    client = client._replace(intake=client.intake._replace(at_end=True))
    # most who end their half of an event stream have left: a byte to them finds out
    return keep_alive(client, context) if is_listening else resume(client, [], context)


def failed(client: Client, event: Failed, context: Context) -> Outcome:
    """The connection broke: after our last answer that is how some clients hang up."""
    is_over = client.intake.phase is Phase.LINGER
    return Gone(client, client.outflow.reason if is_over else CloseReason.PEER_RESET), []


def hung_up(client: Client, event: Hangup, context: Context) -> Outcome:
    """User code failed outside a request, or has had enough of this client."""
    if client.intake.phase in TALKS:
        return say_last(client, event.reason, event.code, event.text, context.stream)
    return turn_out(client, event.reason, context)


def turn_out(client: Client, reason: CloseReason, context: Context) -> Outcome:
    """The connection ends, with the status of this reason, after what is owed; a WebSocket at once, with its code."""
    if client.intake.phase in TALKS:
        return fail(client, reason, context)
    if client.intake.phase is Phase.LISTEN:
        return end_listening(client, reason, context)
    if client.intake.phase is Phase.LINGER:
        return client, []
    return resume(foretell(client, bad(MEANINGS[reason].sentence, reason)), [], context)


def stalled(client: Client, event: Stalled, context: Context) -> Outcome:
    """The kernel is full: what it did not take is queued, and its patience begins anew if it took anything."""
    outflow = client.outflow._replace(outbox=client.outflow.outbox + event.rest)
    if client.talk is not None:
        client = fall_behind(client, context.stream.ring)
    return client._replace(outflow=outflow, since=context.now if event.taken else client.since,
                           bytes_out=client.bytes_out - sum(map(len, event.rest))), []


def writable(client: Client, event: Writable, context: Context) -> Outcome:
    """The kernel takes bytes again: all that is queued is sent as if it would all be taken.

    If that is more than the budget, nothing is asked for and nothing parsed until the kernel has room once more.
    """
    if client.intake.phase >= Phase.TALK:
        return go_on(client, context)
    segments, then = client.outflow.outbox, Then.SHUT if client.intake.phase is Phase.LINGER else Then.KEEP
    count = sum(map(len, segments))
    is_full = count > context.limits.max_outbox_len
    client = client._replace(outflow=client.outflow._replace(outbox=(), is_full=is_full and then is Then.KEEP),
                             since=context.now, bytes_out=client.bytes_out + count)
    effects: list[Effect] = [Send(client.conn, segments, then)] if segments else []
    if is_full:
        return client, effects
    client, more = ask_again(client)
    return resume(client, effects + more, context)


class Transition(NamedTuple):
    """What an event does to a client: `apply`, and what to try first if the client is at rest.

    That is with an outflow that is `CLEAR` and an intake that is `CALM`, `TALKING` or `PARKED`, one after the other.
    """

    apply: Callable[[Client, Any, Context], Outcome]
    calm: Simple | None = None
    talking: Simple | None = None
    parked: Simple | None = None
    has_ticket: bool = False
    """The event names a request of the connection, not the connection alone."""


TRANSITIONS: dict[type, Transition] = {
    Received: Transition(received, fast_path.read_simple, fast_path.hear_simple),
    Answered: Transition(answered, fast_path.answer_simple, has_ticket=True),
    Delivered: Transition(delivered, None, None, fast_path.delivered_simple),
    Whisper: Transition(whispered, None, fast_path.whisper_simple, fast_path.whisper_simple),
    Stalled: Transition(stalled),
    Writable: Transition(writable),
    Chunk: Transition(chunk, has_ticket=True),
    Ended: Transition(ended, has_ticket=True),
    HalfClosed: Transition(half_closed),
    Failed: Transition(failed),
    Hangup: Transition(hung_up),
    Refused: Transition(refused, has_ticket=True),
    Subscribe: Transition(subscribed),
    Lagged: Transition(lagged),
}
"""Every kind of event that concerns one connection, and what it does."""
