"""Bytes on their way out of one connection.

Theory: bytes are sent as if they would all be taken; what is not taken comes back (`Stalled`) and becomes the outbox.
While there is an outbox, everything goes through it, so nothing overtakes.

Rules: `emit_last` is the end: our side is shut behind the bytes, theirs is read until it ends, so that no reset can
overtake them (RFC 9112 section 9.6).  It does not know what the bytes mean.
"""

from ..close_reasons import CloseReason
from ..conn import Ticket
from ..effects import Abandon, Effect, Send, Then
from ..events import Segment
from ..http.response import Pulled
from .client import CALM, Client, Phase, Step


def emit(client: Client, segments: tuple[Segment, ...]) -> Step:
    """Send segments, or queue them behind what the client still has to take."""
    outflow = client.outflow
    if outflow.outbox:
        return client._replace(outflow=outflow._replace(outbox=outflow.outbox + segments)), []
    sent = client.bytes_out + sum(map(len, segments))
    return client._replace(bytes_out=sent), [Send(client.conn, segments, Then.KEEP)]


def let_go_held(client: Client) -> Step:
    """Answers that came before their turn will have none: their streams are let go."""
    unsent: list[Effect] = [Abandon(Ticket(client.conn, number)) for number, answer in client.outflow.held
                            if isinstance(answer.body, Pulled)]
    return client._replace(outflow=client.outflow._replace(held=())) if client.outflow.held else client, unsent


def emit_last(client: Client, segments: tuple[Segment, ...], reason: CloseReason) -> Step:
    """Send the connection's last segments and shut our side behind them."""
    client, effects = let_go_held(client)
    intake, outflow = client.intake, client.outflow
    deaf = CALM._replace(phase=Phase.LINGER, at_end=intake.at_end, discarded=intake.discarded)
    outflow = outflow._replace(streaming=None, is_full=False, reason=reason)
    after = client._replace(intake=deaf, owed=(), answered=client.answered + len(client.owed), outflow=outflow)
    if outflow.outbox:
        return after._replace(outflow=outflow._replace(outbox=outflow.outbox + segments)), effects
    sent = client.bytes_out + sum(map(len, segments))
    return after._replace(bytes_out=sent), [*effects, Send(client.conn, segments, Then.SHUT)]
