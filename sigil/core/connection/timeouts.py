"""The parts of it."""

from collections.abc import Callable

from ..close_reasons import CloseReason
from .client import Client, Context, Gone, Outcome
from .deadlines import Waiting, waiting_for
from .event_stream import say_nothing
from .response_streams import give_up_stream, keep_alive
from .responses import give_up_answer
from .transitions import turn_out
from .websocket import ask_for_life, give_up_close, give_up_pong


def overdue(client: Client, context: Context) -> Outcome:
    """A deadline has passed."""
    return _OVERDUE[waiting_for(client)](client, context)


def _drop(client: Client, context: Context) -> Outcome:
    """It lingers and does not end."""
    return Gone(client, client.outflow.reason), []


def _say_nothing(client: Client, context: Context) -> Outcome:
    """An event stream has been silent."""
    return keep_alive(client, context) if client.talk is None else say_nothing(client, context)


def _drop_idle(client: Client, context: Context) -> Outcome:
    return Gone(client, CloseReason.IDLE_TIMEOUT), []


def _drop_reader(client: Client, context: Context) -> Outcome:
    """It took nothing for too long, or too little."""
    is_stalled = context.now >= client.since + context.limits.stall_timeout
    return Gone(client, CloseReason.WRITE_STALL if is_stalled else CloseReason.TOO_SLOW), []


def _tell_late_head(client: Client, context: Context) -> Outcome:
    return turn_out(client, CloseReason.HEADER_TIMEOUT, context)


def _tell_late_body(client: Client, context: Context) -> Outcome:
    """It took too long, or dribbled."""
    is_late = context.now >= client.since + context.limits.body_timeout
    return turn_out(client, CloseReason.BODY_TIMEOUT if is_late else CloseReason.TOO_SLOW, context)

_OVERDUE: dict[Waiting, Callable[[Client, Context], Outcome]] = {
    Waiting.IDLE: _drop_idle,
    Waiting.HEADER: _tell_late_head,
    Waiting.BODY: _tell_late_body,
    Waiting.ANSWER: give_up_answer,
    Waiting.PIECE: give_up_stream,
    Waiting.EVENT: _say_nothing,
    Waiting.WRITE: _drop_reader,
    Waiting.LINGER: _drop,
    Waiting.TALK: ask_for_life,
    Waiting.PONG: give_up_pong,
    Waiting.CLOSE: give_up_close,
}
"""What becomes of a connection that has waited too long for what it waits for."""
