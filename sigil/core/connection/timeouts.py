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
from .client import Client, Disconnected
from .context import Context, Outcome
from .deadlines import Waiting, is_heartbeat_next, waiting_for
from .event_stream import send_keep_alive
from .heartbeat import send_heartbeat
from .poll_answers import answer_poll
from .response_failures import half_closed_timed_out, response_timed_out
from .response_streams import send_sse_comment, stream_timed_out
from .slow_readers import look_at_reader
from .transitions import close_with_error, resume_after
from .websocket import send_ping
from .websocket_end import NO_CLOSE_FRAME, close_timed_out, disconnect, fail, pong_timed_out


def timed_out(client: Client, context: Context) -> Outcome:
    """A deadline has passed: do what is due for what the connection waits for."""
    waiting = waiting_for(client)
    if is_heartbeat_next(client, waiting, context.limits):
        return send_heartbeat(client, context)
    return TIMED_OUT[waiting](client, context)


def _idle_timed_out(client: Client, context: Context) -> Outcome:
    """No request has come: that needs no response (RFC 9112 section 9.5)."""
    return Disconnected(client, CloseReason.IDLE_TIMEOUT), []


def _header_timed_out(client: Client, context: Context) -> Outcome:
    """The head of a request has not ended in time."""
    return close_with_error(client, CloseReason.HEADER_TIMEOUT, context)


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
}
"""What becomes of a connection that has waited too long, by what it waits for; `CALLBACK` has no
deadline.
"""
