"""What becomes of what a program asks of one connection: to be read or not, to be told when more
can be sent, to end in so many seconds.

Theory: each of these is a field of `Control`, and what follows is read off it elsewhere: what the
connection is watched for and until when (`deadlines`), what may be parsed and delivered
(`client_status`). So nothing here undoes what is done there.

Rules: of a connection that ends nothing is asked any more. A program that stops to read a
connection is given no more of it, from this event on: messages that came are parked up to a bound,
and control frames are dealt with, until the connection is not read for want of room; of an HTTP
connection nothing is read. What ends ends the hold: a close frame, an end without one or a
violation of the protocol has what came before it delivered. The kernel says when it takes more
(`Writable`), and not before everything has left that was sent. It does not know who asks.
"""

from typing import Final

from ..control import (
    CallWritable,
    DeliveryHeld,
    ReadingAllowed,
    TimeoutReason,
    TimeoutRequested,
    WritableRequested,
)
from .body_pieces import give_piece
from .client import Client, Phase, with_outgoing, with_websocket
from .context import Context, Step
from .control import Control, Timeout, control_of
from .outgoing import asked_of, with_control
from .websocket_end import may_be_given_more
from .websocket_state import park_first, with_undelivered

ENDING: Final = (Phase.LINGER, Phase.DROPPED)


def _with_asked(client: Client, control: Control) -> Client:
    """The client of which this is asked; the client itself if it ends, or that is so already."""
    outgoing = client.outgoing
    asked = control_of(control)
    if client.incoming.phase in ENDING or asked == outgoing.control:
        return client
    return with_outgoing(client, with_control(outgoing, asked))


def allow_reading(client: Client, event: ReadingAllowed) -> Step:
    """The program wants no more of a connection, or wants it again: the piece of a body that it
    waits for is given to it.
    """
    websocket = client.websocket
    is_held = not event.is_allowed and (websocket is None or websocket.end is None)
    client = _with_asked(client, asked_of(client.outgoing).replace(is_held=is_held))
    return give_piece(client) if event.is_allowed else (client, [])


def take_back(client: Client, event: DeliveryHeld) -> Client:
    """Messages that were delivered come back, as the program has stopped to read: they are the
    first of those that wait. It may have closed meanwhile; then nobody is given them.
    """
    websocket, is_at_work = client.websocket, client.incoming.phase is not Phase.WEBSOCKET
    if websocket is None or not (is_at_work and event.messages and may_be_given_more(client)):
        return client
    undelivered = park_first(websocket.undelivered, event.messages)
    return with_websocket(client, with_undelivered(websocket, undelivered))


def on_timeout_requested(client: Client, event: TimeoutRequested, context: Context) -> Step:
    """The program gives a connection so many seconds, or any number again."""
    timeout = None
    if event.reason != TimeoutReason.NO_PENDING_TIMEOUT:
        timeout = Timeout(event.reason, event.seconds, context.now + event.seconds)
    return _with_asked(client, asked_of(client.outgoing).replace(timeout=timeout)), []


def on_writable_requested(client: Client, event: WritableRequested, context: Context) -> Step:
    """The program wants to know when more can be sent: the kernel is asked."""
    return _with_asked(client, asked_of(client.outgoing).replace(wants_writable=True)), []


def wants_writable(client: Client) -> bool:
    """True if the program is to be told when more can be sent to a client."""
    control = client.outgoing.control
    return control is not None and control.wants_writable


def report_writable(client: Client) -> Step:
    """The kernel takes more for a client for which nothing waits: tell the program, once."""
    control = asked_of(client.outgoing).replace(wants_writable=False)
    return _with_asked(client, control), [CallWritable(client.conn)]


def without_timeout(client: Client) -> Client:
    """The client without the timeout of the program."""
    return _with_asked(client, asked_of(client.outgoing).replace(timeout=None))
