"""What becomes of a connection whose deadline has passed: a function for everything that it can
wait for.

Theory: what a connection waits for decides what its end is: an error response, a ping, a comment,
or the connection dropped without one. The same `Waiting` decides how long it may (`deadlines`), so
no deadline has two meanings.

Rules: every member of `Waiting` that has a deadline has a row. A client that cannot be told
anything, because it does not read or has nothing outstanding, is dropped. It does not know which
deadlines have passed (`server.clock`).
"""

from collections.abc import Callable
from typing import Final

from ..close_reasons import CloseReason
from ..control import TimeoutReason
from ..effects import SERVER_LOG, Effect, Log, LogLevel
from .client import Client, Disconnected
from .context import Context, Outcome
from .control import Timeout
from .control_requests import without_timeout
from .deadlines import Waiting, is_heartbeat_next, waited_until, waiting_for
from .event_stream import send_keep_alive
from .heartbeat import send_heartbeat
from .outgoing import asked_of
from .output import write_and_shut
from .poll_answers import answer_poll
from .response_failures import half_closed_timed_out, response_timed_out
from .response_streams import send_sse_comment, stream_timed_out
from .responses import service_unavailable
from .slow_readers import look_at_reader
from .transitions import close_with_error, resume_after
from .websocket import send_ping
from .websocket_end import NO_CLOSE_FRAME, close_timed_out, disconnect, fail, pong_timed_out


def timed_out(client: Client, context: Context) -> Outcome:
    """A deadline has passed: do what is due for what the connection waits for, or because the
    program has given it no more time.
    """
    timeout = asked_of(client.outgoing).timeout
    if timeout is not None and timeout.until <= waited_until(client, context.limits):
        return _program_timed_out(client, timeout, context)
    waiting = waiting_for(client)
    if is_heartbeat_next(client, waiting, context.limits):
        return send_heartbeat(client, context)
    return TIMED_OUT[waiting](client, context)


def _program_timed_out(client: Client, timeout: Timeout, context: Context) -> Outcome:
    """The time is over that the program has given a connection. It ends at once: who waits for a
    response is told 503, and one that has begun is broken off.
    """
    reason, client = CloseReason.PROGRAM_TIMEOUT, without_timeout(client)
    text = f"{client.peer} closed after {timeout.seconds:g} s, {_reason_name(timeout.reason)}"
    effects: list[Effect] = [Log(SERVER_LOG, LogLevel.INFO, text)]
    outcome: Outcome
    if client.outgoing.outbox or client.outgoing.streaming is not None:
        outcome = disconnect(client, reason)
    elif client.subscriber is None and client.outstanding:
        segments = service_unavailable(reason, client.outstanding[0], context.date)
        outcome = write_and_shut(client, segments, reason)
    elif waiting_for(client) is Waiting.IDLE:
        outcome = Disconnected(client, reason), []
    else:
        outcome = close_with_error(client, reason, context)
    return outcome[0], effects + outcome[1]


def _reason_name(reason: int) -> str:
    """The name of a reason of `TimeoutReason`, or the number of one of the program's own."""
    try:
        return TimeoutReason(reason).name
    except ValueError:
        return f"reason {reason}"


def _idle_timed_out(client: Client, context: Context) -> Outcome:
    """No request has come: that needs no response (RFC 9112 section 9.5)."""
    return Disconnected(client, CloseReason.IDLE_TIMEOUT), []


def _header_timed_out(client: Client, context: Context) -> Outcome:
    """The head of a request has not ended in time."""
    return close_with_error(client, CloseReason.HEADER_TIMEOUT, context)


def _handshake_timed_out(client: Client, context: Context) -> Outcome:
    """The TLS handshake has not ended in time, and before that nothing can be said."""
    return Disconnected(client, CloseReason.TLS_HANDSHAKE_TIMEOUT), []


def _body_timed_out(client: Client, context: Context) -> Outcome:
    """The body of a request has not ended in time, or comes too slowly."""
    is_late = context.tick_started_at >= client.waiting_since + context.limits.body_timeout
    reason = CloseReason.BODY_TIMEOUT if is_late else CloseReason.TOO_SLOW
    return close_with_error(client, reason, context)


def _event_stream_silent(client: Client, context: Context) -> Outcome:
    """Nothing was sent on an event stream, of the program or of the broadcast."""
    if client.subscriber is None:
        return send_sse_comment(client, context)
    return send_keep_alive(client, context)


def _linger_timed_out(client: Client, context: Context) -> Outcome:
    """The peer has not ended its side after our last byte."""
    return disconnect(client, client.outgoing.reason)


def _half_closed_timed_out(client: Client, context: Context) -> Outcome:
    """The client has ended its side, and the program has had time: a WebSocket is over, though what
    came before is not dealt with to the end.
    """
    if client.websocket is None:
        return half_closed_timed_out(client, context)
    return fail(client, NO_CLOSE_FRAME.reason, context, NO_CLOSE_FRAME.message)


def _poll_timed_out(client: Client, context: Context) -> Outcome:
    """Nothing was published for a long-poll."""
    return resume_after(answer_poll(client, context), context)


TIMED_OUT: Final[dict[Waiting, Callable[[Client, Context], Outcome]]] = {
    Waiting.IDLE: _idle_timed_out,
    Waiting.HEADER: _header_timed_out,
    Waiting.BODY: _body_timed_out,
    Waiting.RESPONSE: response_timed_out,
    Waiting.CHUNK: stream_timed_out,
    Waiting.SSE: _event_stream_silent,
    Waiting.WRITE: look_at_reader,
    Waiting.LINGER: _linger_timed_out,
    Waiting.PING: send_ping,
    Waiting.PONG: pong_timed_out,
    Waiting.CLOSE: close_timed_out,
    Waiting.HANGUP: _half_closed_timed_out,
    Waiting.POLL: _poll_timed_out,
    Waiting.HANDSHAKE: _handshake_timed_out,
}
"""What becomes of a connection that has waited too long, by what it waits for; `CALLBACK` has no
deadline.
"""
