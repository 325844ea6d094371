"""What the program says to WebSockets: to one, to all, and when it leaves.

Theory: a message said is a frame made, nothing more: it waits in the queue of its client until the turn of the loop is
flushed, so that all that was said to a client in one turn leaves in one piece.

Rules: what a client has not taken is bounded by `max_outbox_len`; beyond it a private message is dropped, which the
program is told, and a broadcast drops the client, because a stream with a hole in it is a lie.  A client that keeps up
is never held to have too much: what was said to it in this turn leaves at once when it is much.
It does not know sockets: it orders.
"""

from typing import TypeAlias

from .client import CLEAR, Client, Gone, Parse
from .conn import Conn
from .converse import flush, flush_simple, owed_len, room_for, talk_of, whispered
from .desk import Desk
from .effects import Effect
from .events import Flush, Publish, Whisper
from .reasons import CloseReason
from .records import Server
from .table import find
from .talk import SendStatus

Prospect: TypeAlias = tuple[SendStatus, int]
"""What would become of a message to a client: the status, and the bytes there is room for."""

NO_PROSPECT = (SendStatus.DROPPED, 0)


def prospect_of(server: Server, conn: Conn) -> Prospect:
    """What `Whisper` would do to a message to this client now: the first one that finds no room is dropped."""
    client = find(server.slots, conn)
    if client is None or client.talk is None:
        return NO_PROSPECT
    if client.outflow is CLEAR and not client.talk.closing:  # nearly always; the rest says the same of any client
        return SendStatus.SUCCESS, server.limits.max_outbox_len - client.talk.queued_len
    room = room_for(client, server.limits)
    if room <= 0:
        return NO_PROSPECT
    return SendStatus.BACKPRESSURE if client.outflow.outbox else SendStatus.SUCCESS, room


def publish(server: Server, event: Publish, parse: Parse) -> tuple[Server, list[Effect], SendStatus]:
    """Say a message to everybody, or to those who hear its topic; the worst that became of it for any of them."""
    desk = Desk(server, parse)
    status = SendStatus.SUCCESS
    for client in list(desk.draft.clients()):
        if client.talk is None or (event.topic is not None and event.topic not in client.talk.topics):
            continue
        status = max(status, _say_or_drop(desk, client, event), key=_BADNESS.index)
    return *desk.finish(), status


_BADNESS = (SendStatus.SUCCESS, SendStatus.BACKPRESSURE, SendStatus.DROPPED)


def _say_or_drop(desk: Desk, client: Client, event: Publish) -> SendStatus:
    """Say it to one of them; one that is too far behind is dropped."""
    if talk_of(client).closing:
        return SendStatus.SUCCESS
    if room_for(client, desk.server.limits) <= 0 and not client.outflow.outbox:
        desk.settle(client, flush(client))
        client = desk.draft.find(client.conn) or client
    if room_for(client, desk.server.limits) <= 0:
        desk.settle(client, (Gone(client, CloseReason.WS_CLIENT_TOO_SLOW), []))
        return SendStatus.DROPPED
    desk.settle(client, whispered(client, Whisper(client.conn, ((event.opcode, event.payload),)), desk.context))
    return SendStatus.BACKPRESSURE if client.outflow.outbox else SendStatus.SUCCESS


def flush_turn(server: Server, event: Flush, parse: Parse) -> tuple[Server, list[Effect]]:
    """What was said may leave: to one client, or to all to whom something was said, in the order in which it began."""
    if event.conn is not None:
        return _flush((event.conn,), Desk(server, parse))
    listed = tuple(server.unflushed)
    return _flush(listed, Desk(server._replace(unflushed=server.unflushed[:0]), parse)) if listed else (server, [])


def _flush(conns: tuple[Conn, ...], desk: Desk) -> tuple[Server, list[Effect]]:
    for conn in conns:
        client = desk.draft.find(conn)
        if client is None or client.talk is None:
            continue
        step = flush_simple(client)
        if step is None:
            desk.settle(client, flush(client))
        else:
            desk.draft.put(step[0])
            desk.effects += step[1]
    return desk.finish()


def buffered_amount(server: Server, conn: Conn) -> int:
    """Bytes owed to a client and not yet taken by the kernel; 0 for one that is gone."""
    client = find(server.slots, conn)
    return 0 if client is None else owed_len(client)
