"""What each event does to one connection: a table of functions (client, event, context) -> (client
or `Disconnected`, effects).

Theory: `requests` turns bytes into requests and `responses` turns responses into bytes; here they
are put together, event by event. After every event that may have made something possible, `resume`
goes on until nothing is.

Rules: total and pure. A function of the table is called `on_` and the name of its event, wherever
it stands; what it leaves passes through `after_transition`. It does not know the table of clients,
nor any other client.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ..close_reasons import CLOSE_INFO, CloseReason
from ..control import DeliveryHeld, ReadingAllowed, TimeoutRequested, WritableRequested
from ..effects import Effect, Send, Then
from ..events import (
    BodyChosen,
    BodyWanted,
    CloseRequested,
    ConnectionLost,
    Delivered,
    FanOutStalled,
    FileSent,
    HalfClosed,
    HandlerFailed,
    HandlerReturned,
    Postponed,
    Received,
    SendMessages,
    SendQueueRead,
    Stalled,
    StreamChunk,
    StreamEnded,
    Subscribe,
    Writable,
)
from ..limits import Limits
from ..parse_result import malformed
from ..securing import HandshakeFailed
from .body_pieces import (
    answer_without_body,
    choose_body,
    fail_if_cut_off,
    fail_pieces,
    want_piece,
)
from .client import (
    IDLE_HTTP,
    WHOLE,
    BodyMode,
    Client,
    Disconnected,
    Phase,
    after_send,
    with_incoming,
    with_outgoing,
)
from .client_status import (
    has_more_behind,
    is_at_rest,
    is_close_due,
    is_in_pieces,
    is_polling,
    may_parse,
)
from .context import Context, Outcome
from .control_requests import (
    allow_reading,
    on_timeout_requested,
    on_writable_requested,
    report_writable,
    take_back,
    wants_writable,
)
from .deadlines import Waiting, waiting_for
from .event_stream import event_stream_half_closed, stop_event_stream
from .outgoing import NOTHING_OUTGOING, with_outbox
from .output import total_len, write_and_shut
from .poll_answers import answer_poll
from .requests import (
    fail_after_outstanding,
    hand_out_again,
    handle_client_data,
    on_postponed,
    try_parse_and_handle,
)
from .response_failures import respond_to_failure
from .response_streams import count_file, end_stream, on_stream_chunk, pull_again, send_sse_comment
from .responses import (
    send_continue,
    send_early_responses,
    send_error_response,
    take_responses,
)
from .slow_readers import on_send_queue_read
from .subscriber import CloseState
from .tls_handshake import on_handshake_failed, on_tls_failed
from .websocket import (
    deliver_waiting,
    on_delivered,
    receive_frames,
    websocket_half_closed,
    websocket_writable,
)
from .websocket_end import (
    answer_close,
    disconnect,
    fail,
    notify_end,
    start_closing_handshake,
)
from .websocket_send import (
    become_laggard,
    on_fan_out_stalled,
    on_send_messages,
    on_subscribe,
    resume_sending,
)

HEAD: Final = Phase.HEAD
PROXIES: Final = (Phase.PROXY, Phase.PROXY_TLS)
LINGER: Final = Phase.LINGER
"""The members themselves: finding them on their class takes ten times as long."""
WEBSOCKET_PHASES: Final = (Phase.WEBSOCKET, Phase.DELIVERING)


# -- going on --------------------------------------------------------------------------------------


def resume(client: Client, effects: list[Effect], context: Context) -> Outcome:
    """Do whatever the last event made possible: send early responses, parse waiting requests, and
    then what comes last; `effects` are those until here.
    """
    while client.incoming.phase is not LINGER:
        if is_at_rest(client) and (client.outstanding or not context.is_draining):
            break
        if client.outgoing.early_responses:
            client, effects = send_early_responses(client, effects, context)
        if client.outgoing.postponed:
            client, more = hand_out_again(client, context)
            effects = effects + more
        if client.incoming.buffer and may_parse(client, context.limits):
            length = len(client.incoming.buffer)
            client, more = try_parse_and_handle(client, context)
            effects = effects + more
            if len(client.incoming.buffer) != length:
                continue
        if client.outstanding:
            break
        outcome = _after_last_response(client, context)
        if outcome is None:
            break
        effects = effects + outcome[1]
        if isinstance(outcome[0], Disconnected):
            return outcome[0], effects
        client = outcome[0]
    return client, effects


def resume_after(outcome: Outcome, context: Context) -> Outcome:
    """The outcome, with whatever it made possible done."""
    client, effects = outcome
    return outcome if isinstance(client, Disconnected) else resume(client, effects, context)


def _after_last_response(client: Client, context: Context) -> Outcome | None:
    """What is done when no request is outstanding: send what comes last, or close a connection on
    which nothing more can come; None if there is nothing to do.
    """
    incoming = client.incoming
    if incoming.body_mode is BodyMode.ASKED:
        return None  # the program's choice is next
    if incoming.expects_continue:
        return send_continue(client)
    if incoming.final_error is not None:
        return send_error_response(client, incoming.final_error, context)
    is_proxy = incoming.phase in PROXIES
    is_idle = (is_proxy or incoming.phase is HEAD) and not incoming.buffer
    if incoming.peer_half_closed:
        return _after_last_byte(client, is_idle or is_proxy, context.limits)
    if context.is_draining and is_idle:
        return write_and_shut(client, (), CloseReason.SHUTDOWN)
    return None


def _after_last_byte(client: Client, is_idle: bool, limits: Limits) -> Outcome | None:
    """What is done when the peer sends no more either: what it has sent is all of it."""
    if is_idle:
        return write_and_shut(client, (), CloseReason.PEER_CLOSED)
    if not may_parse(client, limits):
        return None  # what is in the buffer may be complete, and is parsed when there is room
    error = malformed("the connection was closed before the request was complete")
    return fail_after_outstanding(client, error), []


# -- bytes from the peer ---------------------------------------------------------------------------


def on_received(client: Client, event: Received, context: Context) -> Outcome:
    """Take the bytes that came."""
    if client.websocket is not None and client.incoming.phase in WEBSOCKET_PHASES:
        return receive_frames(client, event, context)
    client, effects = handle_client_data(client, event.data, context)
    incoming = client.incoming
    if incoming.phase is LINGER and incoming.discarded > context.limits.max_linger_len:
        outcome, more = disconnect(client, client.outgoing.reason)
        return outcome, effects + more
    return resume(client, effects, context)


def on_half_closed(client: Client, event: HalfClosed, context: Context) -> Outcome:
    """The peer has ended its side of the connection."""
    incoming = client.incoming
    if incoming.phase in WEBSOCKET_PHASES:
        return websocket_half_closed(client, event, context)
    if incoming.phase is Phase.EVENT_STREAM:
        return event_stream_half_closed(client, event, context)
    if incoming.phase is Phase.LINGER and not client.outgoing.outbox:
        return disconnect(client, client.outgoing.reason)
    is_idle = (
        incoming is IDLE_HTTP and client.outgoing is NOTHING_OUTGOING and not client.outstanding
    )
    if is_idle and client.waiting_since < context.now:
        # nothing was sent in this tick, so everything sent before is known to have been taken
        return Disconnected(client, CloseReason.PEER_CLOSED), []
    is_event_stream = waiting_for(client) is Waiting.SSE
    client = with_incoming(client, incoming.replace(peer_half_closed=True))
    if is_polling(client):  # most who do have left: nothing that it may read is held back
        return resume_after(answer_poll(client, context), context)
    # most who end their half of an event stream have left: a byte to them finds out
    if is_event_stream:
        return send_sse_comment(client, context)
    return _resume_pieces(client, [], context)


def on_connection_lost(client: Client, event: ConnectionLost, context: Context) -> Outcome:
    """The connection is broken: after our last response that is how some clients hang up."""
    if client.incoming.phase in (Phase.LINGER, Phase.DROPPED):
        return disconnect(client, client.outgoing.reason)
    if event.problem:
        return on_tls_failed(client, event.problem)
    return disconnect(client, CloseReason.PEER_RESET)


# -- from the program ------------------------------------------------------------------------------


def on_handler_returned(client: Client, event: HandlerReturned, context: Context) -> Outcome:
    """Send the responses that the handler returned."""
    before = client.bytes_out
    if client.incoming.body_mode is not WHOLE:
        client = answer_without_body(client, event.ticket, context)
    client, effects = take_responses(client, event, context)
    has_more = client.incoming.buffer or client.outgoing.postponed
    if has_more and client.bytes_out - before > context.limits.max_outbox_len:
        outgoing = client.outgoing
        client = with_outgoing(client, with_outbox(outgoing, outgoing.outbox, True))
    return resume(client, effects, context)


def on_handler_failed(client: Client, event: HandlerFailed, context: Context) -> Outcome:
    """Answer a request whose handler, or streamed body, failed."""
    if client.incoming.body_mode is not WHOLE:
        client = answer_without_body(client, event.ticket, context)
    return resume_after(respond_to_failure(client, event, context), context)


def on_body_chosen(client: Client, event: BodyChosen, context: Context) -> Outcome:
    """Read a body as the program wants it."""
    client, effects = choose_body(client, event, context)
    return resume(client, effects, context)


def on_body_wanted(client: Client, event: BodyWanted, context: Context) -> Outcome:
    """Give the program the next piece of a body, as soon as there is one."""
    if event.ticket.number != client.responded:
        return client, []
    return _resume_pieces(*want_piece(client), context)


def _resume_pieces(client: Client, effects: list[Effect], context: Context) -> Outcome:
    """Do what has become possible; a body in pieces that cannot go on is given up."""
    after, effects = resume(client, effects, context)
    if isinstance(after, Disconnected):
        return after, effects
    return fail_if_cut_off(after, effects, context)


def on_stream_ended(client: Client, event: StreamEnded, context: Context) -> Outcome:
    """End a streamed response."""
    return resume_after(end_stream(client, event), context)


def on_file_sent(client: Client, event: FileSent, context: Context) -> Outcome:
    """Go on with what was sent of a file."""
    return resume_after(count_file(client, event, context), context)


def on_close_requested(client: Client, event: CloseRequested, context: Context) -> Outcome:
    """Close the connection for the program, which wants it, or has failed outside a request."""
    if client.incoming.phase in WEBSOCKET_PHASES:
        was_closed_by_peer = is_close_due(client)
        client, effects = start_closing_handshake(
            client, event.reason, event.code, event.text, context.broadcast
        )
        return answer_close(client, context) if was_closed_by_peer else (client, effects)
    return close_with_error(client, event.reason, context)


def close_with_error(client: Client, reason: CloseReason, context: Context) -> Outcome:
    """End the connection with the status of this reason, behind the outstanding responses; a
    WebSocket at once, with its code.
    """
    if client.incoming.phase in WEBSOCKET_PHASES:
        return fail(client, reason, context)
    if client.incoming.phase is Phase.EVENT_STREAM:
        return stop_event_stream(client, reason, context)
    if client.incoming.phase in (Phase.LINGER, Phase.DROPPED):
        return _stop_delivering(client, reason)
    if client.incoming.phase is Phase.TLS:
        return Disconnected(client, reason), []
    if is_polling(client):
        return _answer_and_close(client, reason, context)
    error = malformed(CLOSE_INFO[reason].sentence, reason)
    if is_in_pieces(client):
        return fail_pieces(client, error, context)
    return resume(fail_after_outstanding(client, error), [], context)


def _answer_and_close(client: Client, reason: CloseReason, context: Context) -> Outcome:
    """End the connection of a long-poll behind its answer."""
    client, effects = answer_poll(client, context)
    outcome, more = close_with_error(client, reason, context)
    return outcome, effects + more


def _stop_delivering(client: Client, reason: CloseReason) -> Outcome:
    """A connection that has ended is closed once more: a WebSocket whose messages still wait for
    the program has no more of them delivered, unless it is only that the server stops.
    """
    subscriber = client.subscriber
    if subscriber is None or subscriber.close_state is not CloseState.ENDED:
        return client, []
    return (client, []) if reason is CloseReason.SHUTDOWN else notify_end(client)


def on_reading_allowed(client: Client, event: ReadingAllowed, context: Context) -> Outcome:
    """Stop to read a connection, or go on with it, what has come first."""
    client, effects = allow_reading(client, event)
    if not event.is_allowed:
        return client, effects
    if client.incoming.phase in WEBSOCKET_PHASES:
        return deliver_waiting(client, context)
    return _resume_pieces(client, effects, context)


def on_delivery_held(client: Client, event: DeliveryHeld, context: Context) -> Outcome:
    """Have messages wait that the program was not called with; its replies are sent."""
    client = take_back(client, event)
    return on_delivered(client, Delivered(event.conn, event.replies), context)


# -- from the kernel -------------------------------------------------------------------------------


def on_stalled(client: Client, event: Stalled, context: Context) -> Outcome:
    """Hold what the kernel did not take; the time to read begins anew if it took anything."""
    if client.incoming.phase is Phase.DROPPED:
        return client, []
    outgoing = client.outgoing
    outgoing = with_outbox(outgoing, outgoing.outbox + event.rest, outgoing.is_full)
    if client.subscriber is not None:
        client = become_laggard(client, context.broadcast.ring)
    waiting_since = context.now if event.taken else client.waiting_since
    return after_send(client, outgoing, waiting_since, -total_len(event.rest)), []


def on_writable(client: Client, event: Writable, context: Context) -> Outcome:
    """Send the outbox, as if all of it would be taken.

    If that is more than the budget, what waits behind it to be pulled or parsed waits until the
    kernel has room once more. If nothing waits, it was the program that wanted to know.
    """
    if wants_writable(client) and not (client.outgoing.outbox or client.outgoing.is_full):
        return report_writable(client)
    if client.incoming.phase in WEBSOCKET_PHASES:
        return websocket_writable(client, context)
    if client.incoming.phase is Phase.EVENT_STREAM:
        return resume_sending(client, context)
    segments = client.outgoing.outbox
    then = Then.SHUT if client.incoming.phase is Phase.LINGER else Then.KEEP
    length, streaming = total_len(segments), client.outgoing.streaming
    is_full = length > context.limits.max_outbox_len and has_more_behind(client)
    has_more = is_full or (streaming is not None and streaming.is_file)
    outgoing = with_outbox(client.outgoing, (), has_more and then is Then.KEEP)
    client = after_send(client, outgoing, context.now, length)
    effects: list[Effect] = [Send(client.conn, segments, then)] if segments else []
    if is_full:
        return client, effects
    client, more = pull_again(client, context.limits)
    return resume(client, effects + more, context)


# -- the table -------------------------------------------------------------------------------------


class Transition(NamedTuple):
    """What an event does to a client."""

    apply: Callable[[Client, Any, Context], Outcome]
    has_ticket: bool = False
    """The event names a request of the connection, not the connection alone."""


TRANSITIONS: Final[dict[type, Transition]] = {
    Received: Transition(on_received),
    HandlerReturned: Transition(on_handler_returned, has_ticket=True),
    Delivered: Transition(on_delivered),
    SendMessages: Transition(on_send_messages),
    Stalled: Transition(on_stalled),
    Writable: Transition(on_writable),
    SendQueueRead: Transition(on_send_queue_read),
    StreamChunk: Transition(on_stream_chunk, has_ticket=True),
    StreamEnded: Transition(on_stream_ended, has_ticket=True),
    FileSent: Transition(on_file_sent, has_ticket=True),
    HalfClosed: Transition(on_half_closed),
    ConnectionLost: Transition(on_connection_lost),
    CloseRequested: Transition(on_close_requested),
    HandlerFailed: Transition(on_handler_failed, has_ticket=True),
    Postponed: Transition(on_postponed, has_ticket=True),
    BodyChosen: Transition(on_body_chosen, has_ticket=True),
    BodyWanted: Transition(on_body_wanted, has_ticket=True),
    Subscribe: Transition(on_subscribe),
    FanOutStalled: Transition(on_fan_out_stalled),
    DeliveryHeld: Transition(on_delivery_held),
    ReadingAllowed: Transition(on_reading_allowed),
    WritableRequested: Transition(on_writable_requested),
    TimeoutRequested: Transition(on_timeout_requested),
    HandshakeFailed: Transition(on_handshake_failed),
}
"""Every kind of event that concerns one connection, and what it does. That none is missing is held
by `tests/core/connection/test_transitions.py`.
"""
