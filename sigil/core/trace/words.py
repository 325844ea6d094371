"""What a connection is, what it waits for and how far it is behind, in words.

Theory: a record says everything, and a sentence what matters: these are the sentences.

Rules: each is true of the state that it is made of, and of no other. It does not know what comes of
it.
"""

from math import inf
from typing import Final

from ..connection.client import Client
from ..connection.client_status import buffered_len, outbox_len
from ..connection.deadlines import deadline_of, waiting_for
from ..server.state import Server, counted_now
from ..topics import Topic, Topics, in_order
from ..views.connections import WAITS
from .closes import kind_of
from .wire import count_of

TOPICS_SHOWN: Final = 5
"""Topics of a subscriber that are named."""

_NAMES: Final = {
    "websocket": "a WebSocket",
    "event stream": "an event stream",
    "long-poll": "a long-poll",
}


def lag_of(server: Server, client: Client, cursor: int) -> str:
    """How far behind a subscriber is, beside what is kept."""
    ring, head = server.broadcast.ring, server.broadcast.next_number
    kept = ring.head_offset + server.broadcast.pending_len - ring.tail_offset
    return (
        f"it was {count_of(head - cursor, 'message')} behind: it needed message {cursor} of "
        f"{head}, and the oldest that was kept was {ring.tail_number} ({count_of(kept, 'byte')} of "
        f"{ring.max_bytes:,}); {count_of(outbox_len(client), 'byte')} waited for the kernel"
    )


def state_of(client: Client | None) -> str:
    """What a connection is, in words."""
    if client is None or client.subscriber is None:
        return "an HTTP connection"
    subscriber, kind = client.subscriber, kind_of(client)
    policy = "skip" if subscriber.skips else "drop"
    encoding = subscriber.subscription.encoding.name.lower()
    topics = _topics(subscriber.subscription.topics)
    return f"{_NAMES[kind]} (topics: {topics}; encoding: {encoding}; slow={policy!r})"


def _topics(topics: Topics) -> str:
    """Some of these topics."""
    names = [_topic(topic) for topic in in_order(topics)]
    more = len(names) - TOPICS_SHOWN
    return ", ".join([*names[:TOPICS_SHOWN], *([f"{more} more"] if more > 0 else [])]) or "none"


def _topic(topic: Topic) -> str:
    """A topic in words."""
    return repr(topic) if isinstance(topic, str) else "all topics"


def waits(client: Client, server: Server) -> str:
    """What a connection waits for, since when, and until when."""
    now = counted_now(server)
    waiting, until = waiting_for(client), deadline_of(client, server.limits)
    text = f"waiting for {WAITS[waiting]} for {max(0.0, now - client.waiting_since):.3f} s"
    if until < inf:
        text = f"{text}, {until - now:.3f} s before its deadline"
    return f"{text}, with {count_of(buffered_len(client), 'byte')} held for it"
