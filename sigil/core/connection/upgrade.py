"""The parts of it."""

from ..broadcast.broadcast import first_number
from ..broadcast.entry import Hearing
from ..broadcast.negotiation import agree
from ..close_reasons import MEANINGS, CloseReason
from ..effects import Welcome
from ..http.head import request_of
from ..http.response import Response, Upgrade
from ..http.validate import check_hearing
from ..parse_result import Malformed, bad
from ..websocket.frames import Terms
from ..websocket.handshake import check_upgrade, encode_upgrade
from .client import CLEAR, PARKED, Client, Context, Step
from .output import emit
from .session import make_talk


def begin_talk(client: Client, response: Response, context: Context) -> Step | Malformed | str:
    """Upgrade the connection, as the handler said; or why the client is refused, or what is wrong with what it said.

    Bytes behind the request were sent before the client could know that it would be understood: by default they are
    a reason to refuse (RFC 6455 section 4.1 has the client wait).
    """
    assert isinstance(response.body, Upgrade)
    problem = check_hearing(response.body.topics, response.body.history)
    if problem is not None:
        return problem
    head, limits, intake = client.owed[0], context.limits, client.intake
    if intake.doom is not None:
        return intake.doom
    offer = check_upgrade(head, limits.origins)
    if isinstance(offer, Malformed):
        return offer
    if context.is_draining or not context.has_talk_room:
        reason = CloseReason.SHUTDOWN if context.is_draining else CloseReason.FULL
        return bad(MEANINGS[reason].sentence, reason)
    if intake.at_end or intake.discarded or (intake.buffer and not limits.ws_early_data):
        return bad("bytes, or the end, came behind an upgrade that was not answered yet", CloseReason.EXPECTED_EOF)
    agreed = agree(offer, response.body.subprotocol, limits)
    encoded = encode_upgrade(offer, agreed.subprotocol, agreed.extension, response.headers, context.date)
    if isinstance(encoded, str):
        return encoded
    terms = Terms(limits.max_ws_recv_frame_len, limits.max_ws_message_len, allows_rsv1=agreed.extension is not None)
    hearing = Hearing(agreed.encoding, frozenset(response.body.topics))
    cursor = first_number(context.stream, hearing, min(response.body.history, limits.history_messages))
    if cursor is None and client.outflow is not CLEAR:
        cursor = context.stream.next_number  # what was answered before is not taken yet
    talk = make_talk(terms, hearing, intake.buffer, cursor)
    client = client._replace(intake=PARKED, owed=(), answered=client.answered + 1, talk=talk)
    client, effects = emit(client, (encoded,))
    return client, [*effects, Welcome(client.conn, request_of(head, b"", client.peer))]
