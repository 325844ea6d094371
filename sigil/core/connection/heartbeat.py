"""Heartbeats: messages by which a page sees that its WebSocket is alive.

Theory: the server pings a WebSocket from which nothing comes, but a page is not shown pings: over a
connection that has died without a word, where no FIN and no reset gets through, it would wait for
ever and say that it is live. So a client may ask for messages that mean nothing else. The first
follows the handshake and says how often they come; a client that misses two of them in a row gives
up.

Rules: only who asks is sent any, with `sigil-heartbeats` in the query of the handshake, as
`sigil-client.js` does, which shows them to nobody; nor is the program shown that parameter. They
come every `Limits.ws_ping_interval`, whatever else is sent, but none to a client that is behind
with reading or closing. It does not know what the page does.
"""

from math import inf

from ..http.head import HEARTBEATS, Head
from ..http.request_line import split_target
from ..limits import Limits
from ..websocket.frames import Opcode, frame_len
from .client import Client, with_subscriber, with_websocket
from .client_status import subscriber_of, websocket_of
from .context import Context, Outcome
from .send_queue import enqueue


def asks_for_heartbeats(head: Head, limits: Limits) -> bool:
    """True if the query of a handshake asks for heartbeats, and there are any: none are sent within
    limits by which nobody is pinged.
    """
    _, query = split_target(head.target)
    return 0 < limits.ws_ping_interval < inf and HEARTBEATS in query.split("&")


def heartbeat(limits: Limits) -> bytes:
    """The payload of a heartbeat: a text with the time from one to the next, in milliseconds. No
    message for people, and no JSON, begins with NUL.
    """
    return b"\0heartbeat:%d" % (limits.ws_ping_interval * 1_000)


def send_heartbeat(client: Client, context: Context) -> Outcome:
    """The client with a heartbeat in its queue, and the time of the next one."""
    subscriber, payload = subscriber_of(client), heartbeat(context.limits)
    queue = enqueue(subscriber.queue, Opcode.TEXT, payload)
    queued_len = subscriber.queued_len + frame_len(len(payload))
    client = with_subscriber(client, subscriber.replace(queue=queue, queued_len=queued_len))
    heartbeat_at = context.now + context.limits.ws_ping_interval
    return with_websocket(client, websocket_of(client).replace(heartbeat_at=heartbeat_at)), []
