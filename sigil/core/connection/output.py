"""Bytes on their way out of one connection.

Theory: bytes are sent as if all of them would be taken; what is not taken comes back (`Stalled`)
and becomes the outbox. While there is an outbox, everything goes behind it, so nothing overtakes.

Rules: `write_and_shut` is the end: our side is shut behind the bytes, and the peer's is read until
it ends, so that no reset can overtake them (RFC 9112 section 9.6). It does not know what the bytes
mean.
"""

from typing import Final

from ..close_reasons import CloseReason
from ..conn import Ticket
from ..effects import CloseBody, Effect, Send, Then
from ..events import Segment
from ..http.bodies import EventStream, FileBody, StreamedBody, Upgrade
from .client import Client, after_last, after_send, lingering, with_outgoing
from .context import Step
from .control import at_end
from .outgoing import ending, with_outbox

KEEP: Final = Then.KEEP
"""The member itself, for the paths of every message: finding it on its class takes ten times as
long.
"""


def write(client: Client, segments: tuple[Segment, ...]) -> Step:
    """Send segments, or queue them behind what the client still has to take."""
    outgoing = client.outgoing
    if outgoing.outbox:
        outbox = outgoing.outbox + segments
        return with_outgoing(client, with_outbox(outgoing, outbox, outgoing.is_full)), []
    sent = after_send(client, outgoing, client.waiting_since, total_len(segments))
    return sent, [Send(client.conn, segments, KEEP)]


def total_len(segments: tuple[Segment, ...]) -> int:
    """The bytes of all segments."""
    return sum([len(segment) for segment in segments])


def close_early_responses(client: Client) -> Step:
    """Forget the responses that were held and will not be sent, and the requests that will not be
    handed out again; close the bodies that the program has a part in.
    """
    outgoing = client.outgoing
    if not outgoing.early_responses and not outgoing.postponed:
        return client, []
    effects: list[Effect] = [
        CloseBody(Ticket(client.conn, number))
        for number, response in outgoing.early_responses
        if isinstance(response.body, (StreamedBody, FileBody, Upgrade, EventStream))
    ]
    outgoing = outgoing.replace(early_responses=(), postponed=())
    return with_outgoing(client, outgoing), effects


def write_and_shut(client: Client, segments: tuple[Segment, ...], reason: CloseReason) -> Step:
    """Send the connection's last segments and shut our side behind them; the connection lingers.
    Nobody waits for the program any more.
    """
    client, effects = close_early_responses(client)
    cancellations: list[Effect] = [
        CloseBody(Ticket(client.conn, number))
        for number in range(client.responded, client.responded + len(client.outstanding))
    ]
    incoming, outgoing = lingering(client.incoming), client.outgoing
    control = at_end(outgoing.control)
    if outgoing.outbox:
        after = after_last(
            client, incoming, ending(outgoing, outgoing.outbox + segments, reason, control), 0
        )
        return after, effects + cancellations
    last = Send(client.conn, segments, Then.SHUT)
    after = after_last(client, incoming, ending(outgoing, (), reason, control), total_len(segments))
    return after, [*effects, last, *cancellations]
