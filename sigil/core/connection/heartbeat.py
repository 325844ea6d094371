"""Heartbeats: messages by which a page sees that its WebSocket is alive; and positions, of one that
is sent nothing else.

Theory: the server pings a WebSocket from which nothing comes, but a page is not shown pings: over a
connection that has died without a word, where no FIN and no reset gets through, it would wait for
ever and say that it is live. So a client may ask for messages that mean nothing else. The first
follows the handshake and says how often they come; a client that misses two of them in a row gives
up. A client that has asked for its position is sent that as often: on a rare topic it would come
back with one that the ring has long overwritten, and be told of a gap in which nothing was for it.

Rules: only who asks is sent any. Heartbeats are asked for with `sigil-heartbeats` in the query of
the handshake, as `sigil-client.js` does, which shows them to nobody; nor is the program shown that
parameter. Both come every `Limits.ws_ping_interval`, whatever else is sent, but none to a client
that is behind with reading or closing, and no position to one that lacks what was published. An
event stream has its keep-alives; who asks there is sent a comment at the beginning that says how
often they come, and a long-poll (`poll`) how long it may wait. It does not know what the page does.
"""

from math import inf

from ..broadcast.entry import Subscription
from ..broadcast.position import position_frame
from ..broadcast.ring import position_at
from ..http.head import HEARTBEATS, Head
from ..http.request_line import split_target
from ..limits import Limits
from ..websocket.frames import Opcode, encode_frame
from .client import Client, with_subscriber, with_websocket
from .client_status import subscriber_of, websocket_of
from .context import Context, Outcome
from .send_queue import append_frames


def asks_for_heartbeats(head: Head, limits: Limits) -> bool:
    """True if the query of a handshake asks for heartbeats, and there are any: none are sent within
    limits by which nobody is pinged.
    """
    return _are_sent(limits) and asks_for_announcements(head)


def asks_for_announcements(head: Head) -> bool:
    """True if the query asks for heartbeats, or for what stands for them over other transports."""
    _, query = split_target(head.target)
    return HEARTBEATS in query.split("&")


def _are_sent(limits: Limits) -> bool:
    """True within limits by which somebody is pinged."""
    return 0 < limits.ws_ping_interval < inf


def heartbeat(limits: Limits) -> bytes:
    """The payload of a heartbeat: a text with the time from one to the next, in milliseconds. No
    message for people, and no JSON, begins with NUL.
    """
    return b"\0heartbeat:%d" % (limits.ws_ping_interval * 1_000)


def keep_alive_notice(head: Head, limits: Limits) -> tuple[bytes, ...]:
    """What an event stream begins with for a client that asks for heartbeats: a comment with the
    milliseconds after which something has come in any case. Empty for who does not ask.
    """
    interval = limits.sse_keep_alive_interval
    asks = 0 < interval < inf and asks_for_announcements(head)
    return (b":heartbeat:%d\n" % (interval * 1_000),) if asks else ()


def first_heartbeat(head: Head, subscription: Subscription, context: Context) -> float | None:
    """When the heartbeat, or the position, behind the one that is sent at once is due; None for who
    wants neither.
    """
    limits = context.limits
    if asks_for_heartbeats(head, limits) or (subscription.has_positions and _are_sent(limits)):
        return context.now + limits.ws_ping_interval
    return None


def send_heartbeat(client: Client, context: Context) -> Outcome:
    """The client with what is due in its queue, and the time of the next heartbeat."""
    subscriber, websocket = subscriber_of(client), websocket_of(client)
    frames, ring = b"", context.broadcast.ring
    if websocket.has_heartbeats:
        frames = encode_frame(Opcode.TEXT, heartbeat(context.limits))
    if subscriber.subscription.has_positions and subscriber.cursor is None:
        frames += position_frame(position_at(ring, ring.head_number))
    if frames:
        queued_len = subscriber.queued_len + len(frames)
        queue = append_frames(subscriber.queue, frames)
        client = with_subscriber(client, subscriber.replace(queue=queue, queued_len=queued_len))
    heartbeat_at = context.now + context.limits.ws_ping_interval
    return with_websocket(client, websocket.replace(heartbeat_at=heartbeat_at)), []
