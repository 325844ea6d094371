"""What becomes of a client that is behind with reading when it is to be looked at.

Theory: nothing is said of a client before the kernel was asked what it still holds for it
(`read_lag`), so its deadline only orders that, and the answer decides. Who is sent what is live is
not asked about: the kernel holds little for it, and its deadline is its end.

Rules: as long as something was taken since the last answer, the time to read begins anew. It does
not know when a client is to be looked at.
"""

from ..close_reasons import CloseReason
from ..effects import ReadSendQueue
from ..events import SendQueueRead
from .client import Client
from .context import Context, Outcome
from .deadlines import Waiting, timeout_of, waiting_for
from .read_lag import after_look, is_asked_about
from .websocket_end import disconnect


def look_at_reader(client: Client, context: Context) -> Outcome:
    """A client has taken nothing for too long, or too little; or it is time to ask whether it has
    taken anything.
    """
    if is_asked_about(client):
        return client, [ReadSendQueue(client.conn)]
    return _drop(client, context)


def on_send_queue_read(client: Client, event: SendQueueRead, context: Context) -> Outcome:
    """What the kernel still holds for a client is known: one that is overdue by that is dropped."""
    if waiting_for(client) is not Waiting.WRITE:
        return client, []
    client = after_look(client, event.length, context.now)
    if timeout_of(client, Waiting.WRITE, context.limits) > context.tick_started_at:
        return client, []
    return _drop(client, context)


def _drop(client: Client, context: Context) -> Outcome:
    """Drop a client that has taken nothing for too long, or too little."""
    is_stalled = context.tick_started_at >= client.waiting_since + context.limits.stall_timeout
    return disconnect(client, CloseReason.WRITE_STALL if is_stalled else CloseReason.TOO_SLOW)
