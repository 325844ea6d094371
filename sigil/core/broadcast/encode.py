"""What is published, in the encodings that its subscribers have.

Theory: an entry is encoded when it is published, once for each encoding that somebody has then. Who
comes later with another one, and asks for what was before, is sent that as soon as it is encoded,
a little in every tick (`recoding`).

Rules: an entry that would not fit on the ring in all its encodings is stored plain. It does not
know any subscriber.
"""

from collections.abc import Sequence
from itertools import islice

from ..limits import Limits
from .broadcast import Broadcast
from .encoding import Encoding, recode
from .entry import Published, Subscription, entry_len
from .numbering import public_number
from .position import format_position
from .reading import entries_due
from .recoding import encode_anew, in_tick, recoding_cost, remember, stored_frame
from .retained import (
    RetainedMessage,
    RetainedRange,
    encode_retained,
    messages_in,
    piece_of,
    remember_retained,
    retained_cost,
    stored_retained,
    with_piece,
)
from .ring import FRAMES_MAX


def encode_entries(entries: tuple[Published, ...], broadcast: Broadcast) -> tuple[Published, ...]:
    """The plain entries that are published next, in each encoding that has subscribers."""
    return tuple(
        [
            encode_entry(entry, broadcast, number)
            for number, entry in enumerate(entries, broadcast.next_number)
        ]
    )


def encode_entry(entry: Published, broadcast: Broadcast, number: int) -> Published:
    """A plain entry in each encoding that has subscribers, unless all of them together do not fit
    on the ring; `number` is the one that the entry will have.
    """
    ring = broadcast.ring
    position = format_position(ring.epoch, public_number(ring.numbering, number))
    encodings = tuple(
        [
            (encoding, _encoded(entry.frame, encoding, position))
            for encoding, _ in broadcast.encoding_counts
        ]
    )
    encoded = entry.replace(encodings=encodings)
    return encoded if entry_len(encoded) <= broadcast.ring.max_bytes else entry


def _encoded(frame: bytes, encoding: Encoding, position: str) -> bytes:
    """A plain frame in another encoding; the very same object if it is the same there."""
    encoded = recode(frame, encoding, position)
    return frame if encoded == frame else encoded


def encode_for(
    broadcast: Broadcast,
    cursor: int,
    places: Sequence[tuple[int, Subscription]],
    tick_started_at: float,
    limits: Limits,
) -> Broadcast:
    """The broadcast with what a laggard is sent next encoded, as far as this tick allows: what was
    published from its cursor up to each of the places, for the subscription that belongs to it.
    """
    ring = broadcast.ring
    recoded, encoding = in_tick(ring.recoded, tick_started_at, limits), places[-1][1].encoding
    frames: dict[tuple[int, Encoding], bytes] = {}
    room, spent = limits.max_outbox_len, 0
    encoded_from = dict(broadcast.encoded_from).get(encoding, broadcast.next_number)
    for end, subscription in places:
        end = min(end, encoded_from)
        if cursor >= end:
            continue
        entries = entries_due(ring, cursor, end, subscription)
        for number, entry in islice(entries, FRAMES_MAX):
            if room <= 0 or spent >= recoded.allowance:
                break
            frame = stored_frame(entry, number, encoding, recoded)
            if frame is None:
                public = public_number(ring.numbering, number)
                frame = encode_anew(entry, public, encoding, ring.epoch)
                frames[number, encoding] = frame
                spent += recoding_cost(entry)
            room -= len(frame)
        cursor = end
    if frames:
        recoded = remember(recoded, frames, spent, limits)
    if recoded is ring.recoded:
        return broadcast
    return broadcast.replace(ring=ring.replace(recoded=recoded))


def encode_retained_for(
    broadcast: Broadcast,
    wanted: RetainedRange,
    encoding: Encoding,
    tick_started_at: float,
    limits: Limits,
) -> Broadcast:
    """The broadcast with what a subscriber is sent next of what is retained encoded, as far as this
    tick allows.
    """
    retained = broadcast.retained
    recoded = in_tick(broadcast.ring.recoded, tick_started_at, limits)
    frames: list[tuple[str | None, RetainedMessage]] = []
    room, spent = limits.max_outbox_len, 0
    for topic, message in islice(messages_in(retained, wanted, encoding), FRAMES_MAX):
        if room <= 0 or spent >= recoded.allowance:
            break
        frame = stored_retained(retained, topic, message, encoding)
        if frame is None:
            frame = encode_retained(message, encoding)
            frames.append((topic, RetainedMessage(message.number, frame)))
            spent += retained_cost(message)
        room -= len(frame)
    if frames:
        retained = remember_retained(retained, frames, encoding, limits)
        recoded = recoded.replace(allowance=recoded.allowance - spent)
    if recoded is broadcast.ring.recoded:
        return broadcast
    return broadcast.replace(ring=broadcast.ring.replace(recoded=recoded), retained=retained)


def retained_ahead(
    broadcast: Broadcast,
    wanted: RetainedRange,
    encoding: Encoding,
    tick_started_at: float,
    limits: Limits,
) -> Broadcast:
    """The broadcast with what a subscriber is sent next of what is retained encoded, and in one
    piece if others that join are sent the same.
    """
    room = limits.max_outbox_len
    if piece_of(broadcast.retained, wanted, encoding, room) is not None:
        return broadcast
    if encoding is not Encoding.PLAIN:
        broadcast = encode_retained_for(broadcast, wanted, encoding, tick_started_at, limits)
    retained = with_piece(broadcast.retained, wanted, encoding, room, FRAMES_MAX)
    return broadcast if retained is broadcast.retained else broadcast.replace(retained=retained)
