"""The body of a request in pieces: given to the program as it comes, and as fast as it asks.

Theory: a program that stores an upload, or refuses it by its head, need not wait for the whole of
it, nor hold it. So where the program wants to be asked, it is, as soon as the head is there, and
before any of the body is read: it answers right away, or takes the body whole, or in pieces. Of a
body in pieces one piece at a time is on its way to the program, which says when it wants the next;
what comes meanwhile is held up to a bound, and then the connection is not read: back-pressure is
not asking.

Rules: the program is asked when everything that came before on the connection is answered, so that
the body belongs to the first outstanding request. A client that waits for a 100 Continue gets it
when the first piece is wanted. A response that is sent before the body has come is the last of the
connection. What is wrong with the body is answered at once, if no response has begun: the program
waits for pieces that cannot come, so its work on them is cancelled. How fast the body comes is the
program's business; silence is not. It does not know how a body is framed (`http.body`).
"""

from functools import lru_cache
from typing import Final

from ..conn import Ticket
from ..effects import AskBody, BodyPiece, Effect, HandlePieces
from ..events import BodyChosen
from ..http.body import begin_body, take_rope
from ..http.framing import body_too_long
from ..http.head import Head, is_for_server, request_of
from ..limits import Limits
from ..parse_result import Malformed, malformed
from ..rope import rope_join
from .client import (
    IDLE_HTTP,
    BodyMode,
    Client,
    Incoming,
    Phase,
    after_body,
    with_body_mode,
    with_buffer,
    with_incoming,
    with_requests,
)
from .client_status import is_in_pieces
from .context import Context, Step
from .outgoing import is_held
from .output import write_and_shut
from .responses import send_continue, send_error_response

ASKED: Final = BodyMode.ASKED
HELD: Final = BodyMode.HELD
WANTED: Final = BodyMode.WANTED
"""The members themselves: finding them on their class takes ten times as long."""


def is_asked_about(head: Head, context: Context) -> bool:
    """True if the program is to be asked how it wants the body behind this head: if it wants to be
    asked about one of this length, and the request is not answered by the server itself.
    """
    above, length = context.asks_above, head.body_length
    if above < 0 or 0 <= length <= above:
        return False
    return not is_for_server(head.method, head.target)


def ask_for_body(client: Client, head: Head, rest: bytes) -> Step:
    """Ask the program how it wants the body behind this head, of which `rest` has come."""
    incoming = Incoming(
        Phase.BODY, rest, 0, head, begin_body(head.body_length), head.expects_continue, None,
        client.incoming.peer_half_closed, 0, None, ASKED,
    )  # fmt: skip
    ticket = Ticket(client.conn, client.responded)
    request = request_of(head, b"", client.peer, client.conn)
    return with_incoming(client, incoming), [AskBody(ticket, request)]


def queue_for_body(buffer: bytes) -> Incoming:
    """Incoming data that begin with a head for whose body the program is to be asked, when all that
    came before is answered.
    """
    return IDLE_HTTP.replace(buffer=buffer, body_mode=BodyMode.QUEUED)


def choose_body(client: Client, event: BodyChosen, context: Context) -> Step:
    """The program has said how it wants a body: whole, which is read as any other, or in pieces."""
    incoming = client.incoming
    if incoming.body_mode is not ASKED or event.ticket.number != client.responded:
        return client, []
    assert incoming.head is not None and incoming.body is not None
    max_len = context.limits.max_body_len
    if not event.is_in_pieces and incoming.head.body_length > max_len:
        return send_error_response(client, body_too_long(max_len), context)
    if not event.is_in_pieces:
        whole = with_body_mode(incoming, BodyMode.WHOLE, incoming.body)
        return with_incoming(client, whole), []
    request = request_of(incoming.head, b"", client.peer, client.conn)
    client = _hand_out(client, with_body_mode(incoming, HELD, incoming.body), context)
    return client, [HandlePieces(event.ticket, request)]


def _hand_out(client: Client, incoming: Incoming, context: Context) -> Client:
    """The client with the request outstanding whose head was read last, and this left over."""
    assert client.incoming.head is not None
    return with_requests(client, incoming, (client.incoming.head,), 0, context.now)


def answer_without_body(client: Client, ticket: Ticket, context: Context) -> Client:
    """The client before a response of the program is sent to a request whose body has not been
    taken. A body that is there to its end is left out, and the connection goes on behind it.
    """
    incoming = client.incoming
    if incoming.head is None or ticket.number != client.responded:
        return client
    if incoming.body_mode is ASKED:
        length, buffer = incoming.head.body_length, incoming.buffer
        if 0 <= length <= len(buffer):
            incoming = with_buffer(after_body(incoming, b""), buffer[length:])
            incoming = incoming.replace(expects_continue=False)
        return _hand_out(client, incoming, context)
    if is_in_pieces(client) and incoming.body is not None and incoming.body.is_complete:
        return with_incoming(client, after_body(incoming, incoming.buffer))
    return client


# -- pieces ----------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def limits_in_pieces(limits: Limits) -> Limits:
    """The limits within which a body in pieces is read; the same record for the same limits."""
    return limits._replace(max_body_len=limits.max_streamed_body_len)


def want_piece(client: Client) -> Step:
    """The program wants the next piece: it gets what is there, or the first that comes."""
    incoming = client.incoming
    if incoming.body_mode is not HELD:
        return client, []
    assert incoming.body is not None
    client = with_incoming(client, with_body_mode(incoming, WANTED, incoming.body))
    effects: list[Effect] = []
    if incoming.expects_continue:
        client, effects = send_continue(client)
    client, more = give_piece(client)
    return client, effects + more


def give_piece(client: Client) -> Step:
    """Give the program the piece that it wants, if there is one; behind the last one the next
    request may come.
    """
    incoming, body = client.incoming, client.incoming.body
    if incoming.body_mode is not WANTED or body is None or not (body.rope or body.is_complete):
        return client, []
    if is_held(client.outgoing):
        return client, []
    piece = BodyPiece(Ticket(client.conn, client.responded), rope_join(body.rope), body.is_complete)
    if body.is_complete:
        return with_incoming(client, after_body(incoming, incoming.buffer)), [piece]
    return with_incoming(client, with_body_mode(incoming, HELD, take_rope(body))), [piece]


# -- the end ---------------------------------------------------------------------------------------


def fail_if_cut_off(client: Client, effects: list[Effect], context: Context) -> Step:
    """The client after these effects; it has failed if the program waits for a piece and the peer
    sends no more.
    """
    incoming = client.incoming
    if incoming.body_mode is not WANTED or not incoming.peer_half_closed:
        return client, effects
    error = malformed("the connection was closed before the request was complete")
    client, more = fail_pieces(client, error, context)
    return client, effects + more


def fail_pieces(client: Client, error: Malformed, context: Context) -> Step:
    """End a connection whose body in pieces goes wrong: with an error, unless a response has begun.

    What the program does for the request is cancelled.
    """
    if client.outgoing.streaming is not None:
        return write_and_shut(client, (), error.reason)
    return send_error_response(client, error, context)
