"""The parts of it."""

from collections.abc import Callable

from ..close_reasons import CloseReason
from .client import Client, Disconnected
from .context import Context, Outcome
from .deadlines import Waiting, waiting_for
from .event_stream import send_keep_alive
from .response_streams import send_sse_comment, stream_timed_out
from .responses import response_timed_out
from .transitions import close_with_error
from .websocket import close_timed_out, pong_timed_out, send_ping


def timed_out(client: Client, context: Context) -> Outcome:
    """A deadline has passed."""
    return _TIMED_OUT[waiting_for(client)](client, context)


def _drop(client: Client, context: Context) -> Outcome:
    """It lingers and does not end."""
    return Disconnected(client, client.outgoing.reason), []


def _event_stream_silent(client: Client, context: Context) -> Outcome:
    """An event stream has been silent."""
    return (
        send_sse_comment(client, context)
        if client.subscriber is None
        else send_keep_alive(client, context)
    )


def _drop_idle(client: Client, context: Context) -> Outcome:
    return Disconnected(client, CloseReason.IDLE_TIMEOUT), []


def _drop_reader(client: Client, context: Context) -> Outcome:
    """It took nothing for too long, or too little."""
    is_stalled = context.now >= client.waiting_since + context.limits.stall_timeout
    return Disconnected(client, CloseReason.WRITE_STALL if is_stalled else CloseReason.TOO_SLOW), []


def _header_timed_out(client: Client, context: Context) -> Outcome:
    return close_with_error(client, CloseReason.HEADER_TIMEOUT, context)


def _body_timed_out(client: Client, context: Context) -> Outcome:
    """It took too long, or dribbled."""
    is_late = context.now >= client.waiting_since + context.limits.body_timeout
    return close_with_error(
        client, CloseReason.BODY_TIMEOUT if is_late else CloseReason.TOO_SLOW, context
    )


_TIMED_OUT: dict[Waiting, Callable[[Client, Context], Outcome]] = {
    Waiting.IDLE: _drop_idle,
    Waiting.HEADER: _header_timed_out,
    Waiting.BODY: _body_timed_out,
    Waiting.RESPONSE: response_timed_out,
    Waiting.CHUNK: stream_timed_out,
    Waiting.SSE: _event_stream_silent,
    Waiting.WRITE: _drop_reader,
    Waiting.LINGER: _drop,
    Waiting.PING: send_ping,
    Waiting.PONG: pong_timed_out,
    Waiting.CLOSE: close_timed_out,
}
"""What becomes of a connection that has waited too long for what it waits for."""
