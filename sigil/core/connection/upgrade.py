"""The parts of it."""

from ..broadcast.broadcast import first_cursor
from ..broadcast.entry import Subscription
from ..broadcast.negotiation import negotiate
from ..close_reasons import CLOSE_INFO, CloseReason
from ..effects import CallWsOpen
from ..http.head import request_of
from ..http.response import Response, Upgrade
from ..http.validate import check_subscription
from ..parse_result import Malformed, malformed
from ..websocket.frames import FrameRules
from ..websocket.handshake import check_upgrade, encode_upgrade
from .client import DELIVERING, NOTHING_OUTGOING, Client, Context, Step
from .output import write
from .session import make_session


def open_websocket(client: Client, response: Response, context: Context) -> Step | Malformed | str:
    """Upgrade the connection, as the handler said; or why the client is refused, or what is wrong
    with what it said.

    Bytes behind the request were sent before the client could know that it would be understood: by
    default they are a reason to refuse (RFC 6455 section 4.1 has the client wait).
    """
    assert isinstance(response.body, Upgrade)
    problem = check_subscription(response.body.topics, response.body.history)
    if problem is not None:
        return problem
    head, limits, incoming = client.outstanding[0], context.limits, client.incoming
    if incoming.final_error is not None:
        return incoming.final_error
    offer = check_upgrade(head, limits.origins)
    if isinstance(offer, Malformed):
        return offer
    if context.is_draining or not context.has_subscriber_slot:
        reason = CloseReason.SHUTDOWN if context.is_draining else CloseReason.FULL
        return malformed(CLOSE_INFO[reason].sentence, reason)
    if (
        incoming.peer_half_closed
        or incoming.discarded
        or (incoming.buffer and not limits.ws_early_data)
    ):
        return malformed(
            "bytes, or the end, came behind an upgrade that was not answered yet",
            CloseReason.EXPECTED_EOF,
        )
    agreed = negotiate(offer, response.body.subprotocol, limits)
    encoded = encode_upgrade(
        offer, agreed.subprotocol, agreed.extension, response.headers, context.date
    )
    if isinstance(encoded, str):
        return encoded
    rules = FrameRules(
        limits.max_ws_recv_frame_len,
        limits.max_ws_message_len,
        allows_rsv1=agreed.extension is not None,
    )
    subscription = Subscription(agreed.encoding, frozenset(response.body.topics))
    cursor = first_cursor(
        context.broadcast, subscription, min(response.body.history, limits.history_messages)
    )
    if cursor is None and client.outgoing is not NOTHING_OUTGOING:
        cursor = context.broadcast.next_number  # what was answered before is not taken yet
    session = make_session(rules, subscription, incoming.buffer, cursor)
    client = client._replace(
        incoming=DELIVERING, outstanding=(), responded=client.responded + 1, session=session
    )
    client, effects = write(client, (encoded,))
    return client, [*effects, CallWsOpen(client.conn, request_of(head, b"", client.peer))]
