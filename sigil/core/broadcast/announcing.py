"""How a subscriber is sent its position, and a gap, in the form of its transport.

Theory: what is announced follows from the broadcast alone (`joining`), and is the same over every
transport; how it is written is a matter of its encoding.

Rules: a WebSocket that has not asked for positions is sent none. A gap has the position behind it,
and comes instead of that: whoever is cut off between the two would come back with the position, and
never know of the gap. It does not know when anything is announced.
"""

from ..http.ndjson import gap_line, position_line
from ..http.sse import encode_gap, encode_id
from .encoding import Encoding
from .entry import Subscription
from .position import gap_frame, position_frame


def announce_position(subscription: Subscription, position: str) -> bytes:
    """What sends a subscriber its position; empty for one that has not asked for that, or that is
    sent it with its answer.
    """
    if subscription.encoding is Encoding.SSE:
        return encode_id(position)
    return position_frame(position) if subscription.has_positions else b""


def announce_start(subscription: Subscription, position: str, gap: str) -> bytes:
    """What sends a subscriber its first position, or the gap before that, which is JSON and has the
    position, if it is not empty; nothing for one that has not asked for that.
    """
    if subscription.encoding is Encoding.LINES:
        return gap_line(gap) if gap else position_line(position)
    if not gap:
        return announce_position(subscription, position)
    if subscription.encoding is Encoding.SSE:
        return encode_gap(gap, position)
    if subscription.has_positions:
        return gap_frame(gap)
    return b""
