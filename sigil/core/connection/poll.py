"""A long-poll: a request that is answered as soon as something is published, with that.

Theory: a client that has neither WebSockets nor event streams asks again and again, each time
behind the position that it was told last. Between the question and the answer it is a subscriber
like any other, with a place in the broadcast; what it is sent first is its answer, and ends it. So
it is nothing but a response that comes late, from the core itself, and the connection goes on.

Rules: an answer is about `max_outbox_len` bytes long at most, and its last line is the position
from which the rest is answered at once. A long-poll takes the place of a subscriber while it waits;
it is sent nothing but its answer, and the program cannot subscribe it to more. Who asks for it by
`sigil-heartbeats` in the query is told how long it may wait, and, if it is new, its position at
once. This file does not
know when it is answered (`poll_answers`).
"""

from ..broadcast.announcing import announce_start
from ..broadcast.cohort_index import shared
from ..broadcast.encoding import Encoding
from ..broadcast.entry import Subscription
from ..broadcast.joining import join
from ..http.bodies import Poll
from ..http.ndjson import encode_line
from ..http.response import Response
from ..http.validate import check_start, check_subscription, check_timeout
from .client import Client, with_subscriber
from .context import Context
from .heartbeat import asks_for_announcements
from .outgoing import NOTHING_OUTGOING
from .subscriber import Polling, add_topics, make_subscriber
from .websocket_send import begins_behind


def open_poll(client: Client, response: Response, body: Poll, context: Context) -> Client | str:
    """The client with its first outstanding request a long-poll that waits; or a sentence about
    what is wrong with the response.
    """
    problem = check_subscription(body.topics, body.history) or check_start(body.after)
    problem = problem or check_timeout(body.timeout)
    if problem is not None:
        return problem
    limits, broadcast = context.limits, context.broadcast
    subscription = add_topics(Subscription(Encoding.LINES), body.topics, limits)
    if isinstance(subscription, str):
        return subscription
    history = min(body.history, limits.history_messages)
    joining = join(broadcast, subscription, body.after or "", history)
    timeout = min(body.timeout, limits.max_poll_timeout)
    head = client.outstanding[0]
    is_due = bool(joining.gap) or not timeout or head.method == "HEAD"
    opening = announce_start(subscription, joining.position, joining.gap)
    if asks_for_announcements(head):
        # It watches over its connection, so it is to know soon that there is one.
        is_due = is_due or not body.after
        opening += encode_line({"timeout": timeout})
    cursor = joining.cursor
    if cursor is None and (is_due or client.outgoing is not NOTHING_OUTGOING):
        cursor = broadcast.next_number  # so that the next flush looks at it
    polling = Polling(
        response.replace(body=b""),
        context.now + timeout,
        is_due,
        opening,
    )
    subscriber = make_subscriber(
        shared(broadcast.cohort_index, subscription),
        cursor,
        begins_behind(client, cursor, broadcast),
        retained=joining.retained,
        polling=polling,
    )
    return with_subscriber(client, subscriber)
