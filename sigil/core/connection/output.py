"""Bytes on their way out of one connection.

Theory: bytes are sent as if they would all be taken; what is not taken comes back (`Stalled`) and
becomes the outbox. While there is an outbox, everything goes through it, so nothing overtakes.

Rules: `write_and_shut` is the end: our side is shut behind the bytes, theirs is read until it ends,
so that no reset can overtake them (RFC 9112 section 9.6). It does not know what the bytes mean.
"""

from ..close_reasons import CloseReason
from ..conn import Ticket
from ..effects import CloseBody, Effect, Send, Then
from ..events import Segment
from ..http.response import StreamedBody
from .client import IDLE_HTTP, Client, Phase
from .context import Step

KEEP = Then.KEEP
"""The member itself, for the paths of every message: finding it on its class takes ten times as
long.
"""


def write(client: Client, segments: tuple[Segment, ...]) -> Step:
    """Send segments, or queue them behind what the client still has to take."""
    outgoing = client.outgoing
    if outgoing.outbox:
        return client._replace(outgoing=outgoing._replace(outbox=outgoing.outbox + segments)), []
    sent = client.bytes_out + sum(map(len, segments))
    return client._replace(bytes_out=sent), [Send(client.conn, segments, KEEP)]


def close_early_responses(client: Client) -> Step:
    """Answers that came before their turn will have none: their streams are let go."""
    unsent: list[Effect] = [
        CloseBody(Ticket(client.conn, number))
        for number, answer in client.outgoing.early_responses
        if isinstance(answer.body, StreamedBody)
    ]
    return client._replace(
        outgoing=client.outgoing._replace(early_responses=())
    ) if client.outgoing.early_responses else client, unsent


def write_and_shut(client: Client, segments: tuple[Segment, ...], reason: CloseReason) -> Step:
    """Send the connection's last segments and shut our side behind them."""
    client, effects = close_early_responses(client)
    incoming, outgoing = client.incoming, client.outgoing
    deaf = IDLE_HTTP._replace(
        phase=Phase.LINGER, peer_half_closed=incoming.peer_half_closed, discarded=incoming.discarded
    )
    outgoing = outgoing._replace(streaming=None, is_full=False, reason=reason)
    after = client._replace(
        incoming=deaf,
        outstanding=(),
        responded=client.responded + len(client.outstanding),
        outgoing=outgoing,
    )
    if outgoing.outbox:
        return after._replace(
            outgoing=outgoing._replace(outbox=outgoing.outbox + segments)
        ), effects
    sent = client.bytes_out + sum(map(len, segments))
    return after._replace(bytes_out=sent), [*effects, Send(client.conn, segments, Then.SHUT)]
