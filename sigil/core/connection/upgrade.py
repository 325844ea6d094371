"""A request becomes a WebSocket (RFC 6455 section 4.2).

Theory: the handler asks for the upgrade, and the request decides whether it can be had. Three
things can come of it: the connection is a WebSocket from here on, or the client is refused with a
status, or the handler's response is wrong, which is the program's fault and answered with 500.

Rules: the 101 response is written here and the program notified (`CallWsOpen`); nothing is
delivered until it has returned from that. It does not know what happens on the WebSocket
(`websocket`).
"""

from functools import lru_cache
from typing import Final

from ..broadcast.announcing import announce_start
from ..broadcast.cohort_index import shared
from ..broadcast.entry import Subscription
from ..broadcast.joining import Joining, join
from ..broadcast.negotiation import negotiate
from ..broadcast.position import RELAY_VERSION, relay_frame
from ..close_reasons import CLOSE_INFO, CloseReason
from ..effects import CallWsOpen, LimitUnsent
from ..http.bodies import Upgrade
from ..http.head import Head, request_of
from ..http.request_line import query_value
from ..http.response import Response
from ..http.validate import check_slow, check_start, check_subscription
from ..limits import Limits
from ..parse_result import Malformed, malformed
from ..websocket.frames import FrameRules, Opcode, encode_frame
from ..websocket.handshake import check_upgrade, encode_upgrade, is_upgrade
from .client import DELIVERING, Client, Incoming
from .context import Context, Step
from .heartbeat import asks_for_heartbeats, first_heartbeat, heartbeat
from .outgoing import NOTHING_OUTGOING
from .output import write
from .subscriber import Subscriber, add_topics, make_subscriber
from .websocket import take_data
from .websocket_send import begins_behind
from .websocket_state import make_websocket

AFTER: Final = "after"
"""The parameter of the query by which a client asks for its position, and says where it was."""

RELAY: Final = "sigil-relay"
"""The one by which a server that publishes again what it is sent asks for topics and options: the
version of that which it knows.
"""

IS_CLOSING: Final = malformed("the connection is being closed", CloseReason.SHUTDOWN)
"""Why a connection that the program has closed meanwhile is not upgraded."""


def open_websocket(client: Client, response: Response, context: Context) -> Step | Malformed | str:
    """Upgrade the connection of the first outstanding request as the response asks; or why the
    client is refused (`Malformed`), or what is wrong with the response (a sentence).
    """
    assert isinstance(response.body, Upgrade)
    body = response.body
    problem = check_subscription(body.topics, body.history) or check_start(body.after or None)
    problem = problem or check_slow(body.slow)
    if problem is not None:
        return problem
    head, limits, incoming = client.outstanding[0], context.limits, client.incoming
    if incoming.final_error is not None:
        return incoming.final_error if incoming.final_error.status else IS_CLOSING
    refusal = _check_early_data(incoming, limits) if is_upgrade(head) else None
    if refusal is not None:
        return refusal
    offer = check_upgrade(head, limits.origins, client.peer.tls is not None)
    if isinstance(offer, Malformed):
        return offer
    refusal = _check_room(context)
    if refusal is not None:
        return refusal
    agreed = negotiate(offer, body.subprotocol, limits)
    encoded = encode_upgrade(
        offer, agreed.subprotocol, agreed.extension, response.headers, context.date
    )
    if isinstance(encoded, str):
        return encoded
    rules = _frame_rules(limits, agreed.extension is not None, body)
    after = _start_of(body, head)
    subscription = add_topics(
        Subscription(
            agreed.encoding, frozenset(), after is not None, after is not None and _is_relay(head)
        ),
        body.topics,
        limits,
    )
    if isinstance(subscription, str):
        return subscription
    history = min(body.history, limits.history_messages)
    joining = join(context.broadcast, subscription, after or "", history)
    client = client.replace(
        incoming=DELIVERING,
        outstanding=(),
        responded=client.responded + 1,
        subscriber=_subscribe(client, subscription, joining, body.slow, context),
        websocket=make_websocket(
            rules, first_heartbeat(head, subscription, context), asks_for_heartbeats(head, limits)
        ),
    )
    client, sent = write(client, (encoded, *_opening(head, subscription, joining, limits)))
    effects = [LimitUnsent(client.conn), *sent]
    opening = CallWsOpen(client.conn, request_of(head, b"", client.peer, client.conn))
    if not incoming.buffer:
        return client, [*effects, opening]
    early, more = take_data(client, incoming.buffer, client.bytes_in, client.waiting_since, context)
    assert isinstance(early, Client), "what waits for `ws_open` ends nothing"
    return early, [*effects, opening, *more]


def _start_of(body: Upgrade, head: Head) -> str | None:
    """The position behind which a client begins that is told its position; None for one that is
    not, which a program may have said, or the query.
    """
    after = body.after
    if after is None:
        return query_value(head.target, AFTER)
    return after if isinstance(after, str) else None


def _is_relay(head: Head) -> bool:
    """True if the query of a handshake asks for what a relay needs, in this version or one that
    knows it.
    """
    version = query_value(head.target, RELAY) or ""
    return version.isascii() and version.isdigit() and int(version[:9]) >= RELAY_VERSION


def _check_early_data(incoming: Incoming, limits: Limits) -> Malformed | None:
    """Why nothing can come of this request, whatever it asks for, or None: bytes behind it were
    sent before the client could know that it would be upgraded (RFC 6455 section 4.1 has it wait).
    """
    has_early_data = bool(incoming.buffer) and not limits.ws_early_data
    if incoming.peer_half_closed or incoming.discarded or has_early_data:
        return malformed(
            "bytes, or the end, came behind an upgrade that was not answered yet",
            CloseReason.EXPECTED_EOF,
        )
    return None


def _opening(
    head: Head, subscription: Subscription, joining: Joining, limits: Limits
) -> tuple[bytes, ...]:
    """What a client is sent first, if it has asked for any of it: its position, what is missing
    before that, and how often heartbeats come.
    """
    start = announce_start(subscription, joining.position, joining.gap)
    frames: tuple[bytes, ...] = (start,) if start else ()
    if subscription.is_relay:
        frames = (*frames, relay_frame())
    if asks_for_heartbeats(head, limits):
        frames = (*frames, encode_frame(Opcode.TEXT, heartbeat(limits)))
    return frames


def _check_room(context: Context) -> Malformed | None:
    """Why nobody can become a WebSocket now, or None."""
    if context.is_draining or not context.has_subscriber_slot:
        reason = CloseReason.SHUTDOWN if context.is_draining else CloseReason.FULL
        return malformed(CLOSE_INFO[reason].sentence, reason)
    return None


_remembered_rules = lru_cache(maxsize=64)(FrameRules)


def _frame_rules(limits: Limits, allows_rsv1: bool, body: Upgrade) -> FrameRules:
    """What the peer's frames have to keep to; the same record for the same limits."""
    max_frame_len, max_len = limits.max_ws_recv_frame_len, limits.max_ws_message_len
    piece_len = 0
    if body.max_message_len is not None:
        max_len = min(max_len, body.max_message_len)
    if body.takes_pieces:
        max_len = max_frame_len = limits.max_ws_streamed_len
        piece_len = limits.max_ws_piece_len
    return _remembered_rules(
        max_frame_len,
        max_len,
        allows_rsv1,
        max_small_fragments=limits.max_ws_small_fragments,
        min_fragment_len=limits.min_ws_fragment_len,
        piece_len=piece_len,
    )


def _subscribe(
    client: Client, subscription: Subscription, joining: Joining, slow: str, context: Context
) -> Subscriber:
    """The client as a subscriber, which is sent what follows from where it begins."""
    broadcast, cursor, skips = context.broadcast, joining.cursor, slow == "skip"
    if cursor is None and client.outgoing is not NOTHING_OUTGOING:
        cursor = broadcast.next_number  # the responses before it are not taken yet
    is_behind = begins_behind(client, cursor, broadcast)
    subscription = shared(broadcast.cohort_index, subscription)
    return make_subscriber(subscription, cursor, is_behind, skips, joining.retained)
