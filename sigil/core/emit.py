"""Bytes on their way out of one connection.

Theory: bytes are sent as if they would all be taken; what is not taken comes back (`Stalled`) and becomes the outbox.
While there is an outbox, everything goes through it, so nothing overtakes.

Rules: `emit_last` is the end: our side is shut behind the bytes, theirs is read until it ends, so that no reset can
overtake them (RFC 9112 section 9.6).  It does not know what the bytes mean.
"""

from .client import CALM, Client, Phase, Step
from .conn import Ticket
from .effects import Abandon, Send, Then
from .events import Segment
from .reasons import CloseReason
from .response import Pulled


def emit(client: Client, segments: tuple[Segment, ...]) -> Step:
    """Send segments, or queue them behind what the client still has to take."""
    outflow = client.outflow
    if outflow.outbox:
        return client._replace(outflow=outflow._replace(outbox=outflow.outbox + segments)), []
    sent = client.bytes_out + sum(map(len, segments))
    return client._replace(bytes_out=sent), [Send(client.conn, segments, Then.KEEP)]


def emit_last(client: Client, segments: tuple[Segment, ...], reason: CloseReason) -> Step:
    """Send the connection's last segments and shut our side behind them."""
    intake, outflow, conn = client.intake, client.outflow, client.conn
    unsent = [Abandon(Ticket(conn, number)) for number, answer in outflow.held if isinstance(answer.body, Pulled)]
    deaf = CALM._replace(phase=Phase.LINGER, at_end=intake.at_end, discarded=intake.discarded)
    outflow = outflow._replace(held=(), streaming=None, is_full=False, reason=reason)
    after = client._replace(intake=deaf, owed=(), answered=client.answered + len(client.owed), outflow=outflow)
    if outflow.outbox:
        return after._replace(outflow=outflow._replace(outbox=outflow.outbox + segments)), [*unsent]
    sent = client.bytes_out + sum(map(len, segments))
    return after._replace(bytes_out=sent), [*unsent, Send(conn, segments, Then.SHUT)]
