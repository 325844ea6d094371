"""What an event does to one connection: a table of functions (client, event, context) -> (client or
Gone, orders).

Theory: `incoming` turns bytes into requests and `answer` turns responses into bytes; here they are
put together, event by event. After every event that may have made something possible, `resume` goes
on until nothing is.

Rules: total and pure. What a transition leaves passes through `settle`. `AT_REST` holds what is
tried first for a connection at rest: functions that do what the transition and `settle` would do,
faster, or say None. It does not know the table of clients, nor any other client.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from ..close_reasons import CLOSE_INFO, CloseReason
from ..effects import Effect, Send, Then
from ..events import (
    CloseRequested,
    ConnectionLost,
    Delivered,
    FanOutStalled,
    HalfClosed,
    HandlerFailed,
    HandlerReturned,
    Received,
    SendMessages,
    Stalled,
    StreamChunk,
    StreamEnded,
    Subscribe,
    Writable,
)
from ..parse_result import malformed
from . import fast_path
from .client import IDLE_HTTP, NOTHING_OUTGOING, Client, Disconnected, Phase, may_parse
from .context import Context, Outcome
from .deadlines import Waiting, waiting_for
from .event_stream import event_stream_half_closed, stop_event_stream
from .fast_path import FastTransition
from .output import write_and_shut
from .requests import fail_after_outstanding, handle_client_data, try_parse_and_handle
from .response_streams import end_stream, pull_again, send_sse_comment, take_chunk
from .responses import (
    respond_to_failure,
    send_continue,
    send_early_responses,
    send_error_response,
    take_responses,
)
from .websocket import (
    delivered,
    fail,
    receive_frames,
    start_closing_handshake,
    websocket_half_closed,
)
from .websocket_send import (
    become_laggard,
    fan_out_stalled,
    queue_messages,
    resume_sending,
    subscribed,
)


def resume(client: Client, effects: list[Effect], context: Context) -> Outcome:
    """Go on with whatever the last event made possible: held answers, waiting requests, what is to
    be told last.
    """
    while client.incoming.phase is not Phase.LINGER:
        if client.outgoing.early_responses:
            client, effects = send_early_responses(client, effects, context)
        if client.incoming.buffer and may_parse(client, context.limits):
            before = len(client.incoming.buffer)
            client, more = try_parse_and_handle(client, context)
            effects = effects + more
            if len(client.incoming.buffer) != before:
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


def _after_last_response(client: Client, context: Context) -> Outcome | None:
    """Nothing is owed: say what was left to say, or close what has no future; None if there is
    nothing to do.
    """
    incoming = client.incoming
    if incoming.expects_continue:
        return send_continue(client)
    if incoming.final_error is not None:
        return send_error_response(client, incoming.final_error, context)
    is_idle = incoming.phase is Phase.HEAD and not incoming.buffer
    if incoming.peer_half_closed and not is_idle and not may_parse(client, context.limits):
        return None
    if incoming.peer_half_closed and not is_idle:
        return fail_after_outstanding(
            client, malformed("the connection was closed before the request was complete")
        ), []
    if incoming.peer_half_closed:
        return write_and_shut(client, (), CloseReason.PEER_CLOSED)
    if context.is_draining and is_idle:
        return write_and_shut(client, (), CloseReason.SHUTDOWN)
    return None


WEBSOCKET_PHASES = (Phase.WEBSOCKET, Phase.DELIVERING)


def received(client: Client, event: Received, context: Context) -> Outcome:
    """Bytes came."""
    if client.incoming.phase in WEBSOCKET_PHASES:
        return receive_frames(client, event, context)
    client, effects = handle_client_data(client, event.data, context)
    if (
        client.incoming.phase is Phase.LINGER
        and client.incoming.discarded > context.limits.max_linger_len
    ):
        return Disconnected(client, client.outgoing.reason), effects
    return resume(client, effects, context)


def handler_returned(client: Client, event: HandlerReturned, context: Context) -> Outcome:
    """The handler returned."""
    before = client.bytes_out
    client, effects = take_responses(client, event, context)
    if client.incoming.buffer and client.bytes_out - before > context.limits.max_outbox_len:
        client = client._replace(outgoing=client.outgoing._replace(is_full=True))
    return resume(client, effects, context)


def handler_failed(client: Client, event: HandlerFailed, context: Context) -> Outcome:
    """User code failed."""
    return _resume_unless_gone(respond_to_failure(client, event, context), context)


def stream_chunk(client: Client, event: StreamChunk, context: Context) -> Outcome:
    """A stream yielded."""
    return take_chunk(client, event, context)


def stream_ended(client: Client, event: StreamEnded, context: Context) -> Outcome:
    """A stream is at its end."""
    return _resume_unless_gone(end_stream(client, event), context)


def _resume_unless_gone(outcome: Outcome, context: Context) -> Outcome:
    client, effects = outcome
    return outcome if isinstance(client, Disconnected) else resume(client, effects, context)


def half_closed(client: Client, event: HalfClosed, context: Context) -> Outcome:
    """The other side has ended its half."""
    if client.subscriber is not None and client.incoming.phase is not Phase.LINGER:
        leave = (
            websocket_half_closed
            if client.incoming.phase in WEBSOCKET_PHASES
            else event_stream_half_closed
        )
        return leave(client, event, context)
    if client.incoming.phase is Phase.LINGER and not client.outgoing.outbox:
        return Disconnected(client, client.outgoing.reason), []
    if (
        client.incoming is IDLE_HTTP
        and client.outgoing is NOTHING_OUTGOING
        and not client.outstanding
        and client.waiting_since < context.now
    ):
        # nothing was sent in this tick, so everything sent before is known to have been taken
        return Disconnected(client, CloseReason.PEER_CLOSED), []
    is_listening = waiting_for(client) is Waiting.SSE
    client = client._replace(incoming=client.incoming._replace(peer_half_closed=True))
    # most who end their half of an event stream have left: a byte to them finds out
    return send_sse_comment(client, context) if is_listening else resume(client, [], context)


def connection_lost(client: Client, event: ConnectionLost, context: Context) -> Outcome:
    """The connection broke: after our last answer that is how some clients hang up."""
    is_over = client.incoming.phase is Phase.LINGER
    return Disconnected(client, client.outgoing.reason if is_over else CloseReason.PEER_RESET), []


def close_requested(client: Client, event: CloseRequested, context: Context) -> Outcome:
    """User code failed outside a request, or has had enough of this client."""
    if client.incoming.phase in WEBSOCKET_PHASES:
        return start_closing_handshake(
            client, event.reason, event.code, event.text, context.broadcast
        )
    return close_with_error(client, event.reason, context)


def close_with_error(client: Client, reason: CloseReason, context: Context) -> Outcome:
    """The connection ends, with the status of this reason, after what is owed; a WebSocket at once,
    with its code.
    """
    if client.incoming.phase in WEBSOCKET_PHASES:
        return fail(client, reason, context)
    if client.incoming.phase is Phase.EVENT_STREAM:
        return stop_event_stream(client, reason, context)
    if client.incoming.phase is Phase.LINGER:
        return client, []
    return resume(
        fail_after_outstanding(client, malformed(CLOSE_INFO[reason].sentence, reason)), [], context
    )


def stalled(client: Client, event: Stalled, context: Context) -> Outcome:
    """The kernel is full: what it did not take is queued, and its patience begins anew if it took
    anything.
    """
    outgoing = client.outgoing._replace(outbox=client.outgoing.outbox + event.rest)
    if client.subscriber is not None:
        client = become_laggard(client, context.broadcast.ring)
    return client._replace(
        outgoing=outgoing,
        waiting_since=context.now if event.taken else client.waiting_since,
        bytes_out=client.bytes_out - sum(map(len, event.rest)),
    ), []


def writable(client: Client, event: Writable, context: Context) -> Outcome:
    """The kernel takes bytes again: all that is queued is sent as if it would all be taken.

    If that is more than the budget, nothing is asked for and nothing parsed until the kernel has
    room once more.
    """
    if client.incoming.phase >= Phase.WEBSOCKET:
        return resume_sending(client, context)
    segments, then = (
        client.outgoing.outbox,
        Then.SHUT if client.incoming.phase is Phase.LINGER else Then.KEEP,
    )
    count = sum(map(len, segments))
    is_full = count > context.limits.max_outbox_len
    client = client._replace(
        outgoing=client.outgoing._replace(outbox=(), is_full=is_full and then is Then.KEEP),
        waiting_since=context.now,
        bytes_out=client.bytes_out + count,
    )
    effects: list[Effect] = [Send(client.conn, segments, then)] if segments else []
    if is_full:
        return client, effects
    client, more = pull_again(client)
    return resume(client, effects + more, context)


class Transition(NamedTuple):
    """What an event does to a client: `apply`, and what to try first if the client is at rest.

    That is with an outflow that is `NOTHING_OUTGOING` and an intake that is `CALM`,
    `IDLE_WEBSOCKET` or `DELIVERING`, one after the other.
    """

    apply: Callable[[Client, Any, Context], Outcome]
    idle_http: FastTransition | None = None
    idle_websocket: FastTransition | None = None
    delivering: FastTransition | None = None
    has_ticket: bool = False
    """The event names a request of the connection, not the connection alone."""


TRANSITIONS: dict[type, Transition] = {
    Received: Transition(received, fast_path.received, fast_path.receive_frames),
    HandlerReturned: Transition(handler_returned, fast_path.handler_returned, has_ticket=True),
    Delivered: Transition(delivered, None, None, fast_path.delivered),
    SendMessages: Transition(
        queue_messages, None, fast_path.queue_messages, fast_path.queue_messages
    ),
    Stalled: Transition(stalled),
    Writable: Transition(writable),
    StreamChunk: Transition(stream_chunk, has_ticket=True),
    StreamEnded: Transition(stream_ended, has_ticket=True),
    HalfClosed: Transition(half_closed),
    ConnectionLost: Transition(connection_lost),
    CloseRequested: Transition(close_requested),
    HandlerFailed: Transition(handler_failed, has_ticket=True),
    Subscribe: Transition(subscribed),
    FanOutStalled: Transition(fan_out_stalled),
}
"""Every kind of event that concerns one connection, and what it does."""
