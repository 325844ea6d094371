"""Where a subscriber begins: at the head, with a history, or behind the position that it came back
with.

Theory: a client comes with nothing, or with the last position that it was told, from whatever
transport. What is still to be sent to it follows from that and from the ring, the same for all
transports; only how it is told its position, and a gap, is theirs.

Rules: who comes back is sent exactly what was published behind its position; or is told a gap, and
goes on at the first message that is kept. How many messages are gone is known, on which topics they
were is not. What is retained comes first: to a new client all of it, and to one that is back what
was published behind its position and is not kept otherwise. A position that is malformed, of
another epoch or of a time to come is a gap of unknown length, and its client begins as a new one:
it is never left without a word. It does not know clients, nor the wire.
"""

from typing import Final, final

from ..value import Value
from .broadcast import Broadcast, first_cursor
from .cohort_index import NO_TOPICS
from .entry import Subscription
from .numbering import own_number, public_number
from .position import gap_json, parse_position
from .retained import RetainedRange, has_any
from .ring import start_at


@final
class Joining(Value):
    """Where a subscriber begins.

    `cursor` is the number of the first message that it is to be sent, None if it is where the head
    is and joins its cohort; `position` is what it is told, and `gap` the JSON of what is missing,
    empty if nothing is. `retained` is what it is to be sent before all that, None for nothing.
    """

    __match_args__ = ("cursor", "position", "gap", "retained")
    __slots__ = __match_args__

    def __init__(
        self, cursor: int | None, position: str, gap: str, retained: RetainedRange | None = None
    ) -> None:
        self.cursor: Final = cursor
        self.position: Final = position
        self.gap: Final = gap
        self.retained: Final = retained


def join(broadcast: Broadcast, subscription: Subscription, after: str, history: int) -> Joining:
    """Where a subscriber begins that comes back with the position `after`, or that is new (empty)
    and is sent the last `history` messages.
    """
    ring, asked = broadcast.ring, parse_position(after)
    numbering = ring.numbering
    head = public_number(numbering, broadcast.next_number)
    if asked is None or asked.epoch != ring.epoch or asked.number > head:
        cursor = first_cursor(broadcast, subscription, history)
        number = broadcast.next_number if cursor is None else cursor
        missed, has_gap, retained_from = None, bool(after), 0
    else:
        needed = own_number(numbering, asked.number)
        number = max(needed, ring.tail_number)
        is_up_to_date = number == broadcast.next_number and not broadcast.pending
        cursor = None if is_up_to_date else number
        missed = public_number(numbering, number) - asked.number
        has_gap = number > needed
        retained_from = own_number(numbering, asked.retained_from)
    if subscription.is_relay and has_gap:
        retained_from = 0  # it retains the same, and nobody knows what was cleared meanwhile
    wanted = RetainedRange(retained_from, number, subscription.topics, NO_TOPICS, True)
    retained = wanted if has_any(broadcast.retained, wanted, subscription.encoding) else None
    if retained is None:
        retained_from = number
    elif cursor is None:
        cursor = number  # what is published from now on comes behind what is retained
    position = start_at(ring, number, retained_from)
    gap = gap_json(after, position, missed) if has_gap else ""
    return Joining(cursor, position, gap, retained)
