"""What a server that publishes what another one does is told by that one, its upstream.

Theory: the upstream sends its messages over a WebSocket, each behind its position there, and behind
the topic and the options with which it was published. What comes is read into two facts: the stream
begins here, or goes on behind a gap; and these messages were published there, with these numbers.
Whoever is told the facts (`server.upstream`) need not know how they came.

Rules: a stream begins when all that is retained there has come, so that it begins whole; who is cut
off before that begins again. A message that has no position was sent to this client alone, and is
passed over. An upstream whose first word is no position tells none: then what it says is numbered
here, in an epoch of its own for each connection, so that a loss of the connection is a gap. It does
not know sockets, nor when to connect.
"""

import json
from collections.abc import Sequence
from typing import Final, TypeAlias, final

from ..limits import Limits
from ..value import Value
from ..websocket.frames import Opcode, encode_frame
from .entry import Publication, PublishOptions
from .position import parse_position
from .retained import NOTHING_RETAINED, Retained, retain

RetainedThere: TypeAlias = tuple[int, str | None, bytes]
"""A message that the upstream retains: its number there, its topic, and its plain frame."""


@final
class UpstreamJoined(Value):
    """The stream of an upstream begins here, or goes on behind a gap: at the position before its
    message `number` in this epoch. `retained` is all that it retains, in order, published before;
    None: what was retained here stays so, since only what is missing is not known.
    """

    __match_args__ = ("epoch", "number", "retained")
    __slots__ = __match_args__

    def __init__(
        self, epoch: int, number: int, retained: tuple[RetainedThere, ...] | None = ()
    ) -> None:
        self.epoch: Final = epoch
        self.number: Final = number
        self.retained: Final = retained


@final
class UpstreamPublished(Value):
    """The upstream has published messages, each with its number there; it is now at the position
    before message `end`, and what is not among these was not for this server.
    """

    __match_args__ = ("epoch", "messages", "end")
    __slots__ = __match_args__

    def __init__(self, epoch: int, messages: tuple[tuple[int, Publication], ...], end: int) -> None:
        self.epoch: Final = epoch
        self.messages: Final = messages
        self.end: Final = end


UpstreamEvent: TypeAlias = UpstreamJoined | UpstreamPublished


@final
class Label(Value):
    """What was said of the message that follows: its number, whether it is a retained one, and how
    it was published.
    """

    __match_args__ = ("number", "is_stored", "topic", "options")
    __slots__ = __match_args__

    def __init__(
        self, number: int, is_stored: bool, topic: str | None, options: PublishOptions
    ) -> None:
        self.number: Final = number
        self.is_stored: Final = is_stored
        self.topic: Final = topic
        self.options: Final = options


@final
class Following(Value):
    """How far an upstream was followed.

    `number` messages of the epoch are behind, None for nothing yet. `starting_at` is where the
    stream begins, with an epoch, once all that is retained has come, and `retained` what has.
    `label` is what was said of the next message. `has_started`: this connection has said where it
    begins. `is_labelled`: it tells topics. `own_epoch` is that of an upstream without positions,
    `is_numbered_here` for one that is known to be so.
    """

    __match_args__ = (
        "limits", "own_epoch", "epoch", "number", "starting_at", "retained", "label",
        "has_started", "is_labelled", "is_numbered_here",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        limits: Limits,
        own_epoch: int,
        epoch: int,
        number: int | None,
        starting_at: tuple[int, int] | None,
        retained: Retained,
        label: Label | None,
        has_started: bool,
        is_labelled: bool,
        is_numbered_here: bool,
    ) -> None:
        self.limits: Final = limits
        self.own_epoch: Final = own_epoch
        self.epoch: Final = epoch
        self.number: Final = number
        self.starting_at: Final = starting_at
        self.retained: Final = retained
        self.label: Final = label
        self.has_started: Final = has_started
        self.is_labelled: Final = is_labelled
        self.is_numbered_here: Final = is_numbered_here


def make_following(limits: Limits, own_epoch: int) -> Following:
    """An upstream from which nothing has come; what is retained is bounded by these limits."""
    return Following(limits, own_epoch, 0, None, None, NOTHING_RETAINED, None, False, False, False)


def reconnected(following: Following) -> Following:
    """The upstream over another connection, on which nothing has come."""
    return following.replace(
        own_epoch=following.own_epoch + following.is_numbered_here,
        starting_at=None,
        retained=NOTHING_RETAINED,
        label=None,
        has_started=False,
        is_labelled=False,
    )


def passed_over(following: Following) -> tuple[Following, UpstreamJoined | None]:
    """The upstream behind the message that it was about to send, which is too long to be taken over
    any connection, and a gap in its place. None if that has no position to come back behind.

    Of what is retained nothing comes behind such a message: the stream begins with what has come.
    """
    label = following.label
    if label is None or following.is_numbered_here or not following.has_started:
        return following, None
    following = following.replace(label=None)
    if following.starting_at is not None:
        return _joined(following)
    if following.number is None or label.number < following.number:
        return following, None
    number = label.number + 1
    return following.replace(number=number), UpstreamJoined(following.epoch, number, None)


def position_of(following: Following) -> str:
    """The position with which to come back; empty for one that has none."""
    if following.number is None or following.is_numbered_here:
        return ""
    return f"{following.epoch}-{following.number}"


# -- what is said ----------------------------------------------------------------------------------


def read_messages(
    following: Following, messages: Sequence[str | bytes]
) -> tuple[Following, list[UpstreamEvent]]:
    """The upstream after these messages, and what they say."""
    events: list[UpstreamEvent] = []
    published: list[tuple[int, Publication]] = []
    for message in messages:
        before, one = following, None
        if following.label is None and isinstance(message, str) and message[:1] == "\0":
            following, joined = _read_word(following, message)
        else:
            following, joined, one = _read_message(following, message)
        if joined is not None:
            events += [*_published(before, published), joined]
            published = []
        if one is not None:
            published.append(one)
    events += _published(following, published)
    return following, events


def _published(
    following: Following, messages: list[tuple[int, Publication]]
) -> list[UpstreamEvent]:
    """The event of these messages, and of the position where the upstream is."""
    if following.number is None or following.starting_at is not None:
        return []
    return [UpstreamPublished(following.epoch, tuple(messages), following.number)]


def _read_word(following: Following, text: str) -> tuple[Following, UpstreamJoined | None]:
    """The upstream after a word of the protocol, and the event if the stream begins."""
    name, _, value = text[1:].partition(":")
    if name in ("next", "retained"):
        return following.replace(label=_read_label(name, value)), None
    if name == "position":
        return _at_position(following, value, is_gap=False)
    if name == "gap":
        return _at_position(following, _position_in(value), is_gap=True)
    if name == "relay":
        return following.replace(is_labelled=True), None
    return following, None


def _position_in(gap: str) -> str:
    """The position in a gap; empty for what is none."""
    try:
        position = json.loads(gap)["position"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return position if isinstance(position, str) else ""


def _read_label(name: str, value: str) -> Label | None:
    """What is said of the next message; None if it cannot be understood."""
    written, _, rest = value.partition(" ")
    flags, _, topic_text = rest.partition(" ")
    position = parse_position(written)
    if position is None or position.number < 1:
        return None
    topic: object = None
    if topic_text:
        try:
            topic = json.loads(topic_text)
        except (ValueError, RecursionError):
            return None
    if not (topic is None or isinstance(topic, str)):
        return None
    options = PublishOptions(latest=flags in ("1", "3"), retain=flags in ("2", "3"))
    return Label(position.number - 1, name == "retained", topic, options)


def _at_position(
    following: Following, text: str, is_gap: bool
) -> tuple[Following, UpstreamJoined | None]:
    """The upstream at a position that it tells, and the event if the stream begins there."""
    position = parse_position(text)
    if position is None:
        return following, None
    place = position.epoch, position.number
    is_whole = position.retained_from >= position.number
    if not is_gap and (following.has_started or not _begins(following, place)):
        if following.starting_at is None:
            return _advanced(following, place), None
        if not is_whole:
            return following, None
        return _joined(following)
    following = following.replace(
        has_started=True, starting_at=place, retained=NOTHING_RETAINED, is_numbered_here=False
    )
    return _joined(following) if is_whole else (following, None)


def _begins(following: Following, place: tuple[int, int]) -> bool:
    """True if a stream begins at this place, and does not go on where it was."""
    return following.is_numbered_here or place != (following.epoch, following.number)


def _advanced(following: Following, place: tuple[int, int]) -> Following:
    """The upstream at a place in its stream that is not before the one where it is."""
    following = following.replace(has_started=True)
    number = following.number
    if number is None or place[0] != following.epoch or place[1] <= number:
        return following
    return following.replace(number=place[1])


def _joined(following: Following) -> tuple[Following, UpstreamJoined | None]:
    """The upstream when all has come that is retained, and the event."""
    assert following.starting_at is not None
    epoch, number = following.starting_at
    messages = following.retained.messages
    stored = [(message.number, topic, message.frame) for topic, message in messages.items()]
    stored.sort(key=_number_of)
    following = following.replace(
        epoch=epoch, number=number, starting_at=None, retained=NOTHING_RETAINED
    )
    return following, UpstreamJoined(epoch, number, tuple(stored))


def _number_of(stored: RetainedThere) -> int:
    """What is retained is sorted by its number."""
    return stored[0]


def _read_message(
    following: Following, message: str | bytes
) -> tuple[Following, UpstreamJoined | None, tuple[int, Publication] | None]:
    """The upstream after a message, the event if the stream begins before that, and the message
    with its number if it was published.
    """
    opcode = Opcode.TEXT if isinstance(message, str) else Opcode.BINARY
    payload = message.encode() if isinstance(message, str) else message
    label, joined = following.label, None
    if not following.has_started:
        following = following.replace(
            has_started=True, is_numbered_here=True, starting_at=(following.own_epoch, 0)
        )
        following, joined = _joined(following)
    if following.is_numbered_here:
        label = Label(following.number or 0, False, None, PublishOptions())
    following = following.replace(label=None)
    if label is None:
        return following, joined, None
    if label.is_stored:
        return _stored(following, label, opcode, payload), joined, None
    if following.starting_at is not None or following.number is None:
        return following, joined, None
    if label.number < following.number:
        return following, joined, None
    publication = int(opcode), payload, label.topic, label.options
    return following.replace(number=label.number + 1), joined, (label.number, publication)


def _stored(following: Following, label: Label, opcode: int, payload: bytes) -> Following:
    """The upstream with one more message that it retains; what is too much is dropped as it will be
    where it is published.
    """
    if following.starting_at is None or label.number >= following.starting_at[1]:
        return following
    frame = encode_frame(opcode, payload)
    retained = retain(following.retained, label.number, label.topic, frame, following.limits)
    return following.replace(retained=retained)
