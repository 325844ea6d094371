"""One published message, who it is for, and its position in the stream.

Theory: a message is framed once when it is published, and encoded once for each encoding that some
subscriber has then. What is stored is `Published`: the plain frame, its topic, and those encodings.
Subscribers differ only in their `Subscription`, so whether an entry is for one, and what that one
is sent, are functions of the two. What else becomes of a message was decided when it was published
(`PublishOptions`).

Rules: an entry without a topic is for everybody; one with a topic is for the subscribers of that
topic, or of `ALL_TOPICS`. A binary message is for nobody with a text-only encoding. Who has asked
for positions is sent one before each frame, which is made when it is sent.

It does not know the ring: numbers are passed in.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias, final

from ..conn import Conn
from ..topics import ALL_TOPICS, Topics
from ..value import Value
from ..websocket.frames import SHORT_FRAME_HEADERS, Opcode, encode_frame
from .encoding import ENCODING_INFO, Encoding, recode
from .position import format_position, labelled_next_frame, message_label, next_frame

SHOWN_BYTES_MAX: Final = 32
"""Bytes of a frame that a `repr` shows."""


@final
class PublishOptions(Value):
    """What a message was published with, beside its topic.

    `latest`: whoever is behind is not sent it any more once a newer one was published on its topic
    that is `latest` too. `retain`: it is kept for whoever subscribes to its topic. `exclude`: the
    connection that is not sent it, or None.
    """

    __match_args__ = ("latest", "retain", "exclude")
    __slots__ = __match_args__

    def __init__(
        self, latest: bool = False, retain: bool = False, exclude: Conn | None = None
    ) -> None:
        self.latest: Final = latest
        self.retain: Final = retain
        self.exclude: Final = exclude

    def __reduce__(self) -> str | tuple[Any, ...]:
        return "NO_OPTIONS" if self is NO_OPTIONS else (PublishOptions, self._values())


NO_OPTIONS: Final = PublishOptions()
"""Those of most messages."""
RETAINED: Final = PublishOptions(retain=True)
LATEST: Final = PublishOptions(latest=True)
"""Those of most others."""

Publication: TypeAlias = tuple[int, bytes, str | None, PublishOptions]
"""A message that is to be published: its opcode (1 for text, 2 for binary), its payload, the topic
to whose subscribers it goes, or None for all, and its options.
"""


@final
class Published(Value):
    """One published message: its plain frame, its topic or None for everybody, the message in each
    encoding that some subscriber had when it was published, and its options.
    """

    __match_args__ = ("frame", "topic", "encodings", "options")
    __slots__ = __match_args__

    def __init__(
        self,
        frame: bytes,
        topic: str | None,
        encodings: tuple[tuple[Encoding, bytes], ...],
        options: PublishOptions = NO_OPTIONS,
    ) -> None:
        self.frame: Final = frame
        self.topic: Final = topic
        self.encodings: Final = encodings
        self.options: Final = options

    def __repr__(self) -> str:
        shown = repr(self.frame[:SHOWN_BYTES_MAX])
        if len(self.frame) > SHOWN_BYTES_MAX:
            shown += f"... ({len(self.frame)} bytes)"
        names = ", ".join([encoding.name for encoding, _ in self.encodings])
        options = "" if self.options == NO_OPTIONS else f", {self.options!r}"
        return f"Published({shown}, topic={self.topic!r}, encodings=({names}){options})"


@final
class Subscription(Value):
    """What a subscriber receives, and how: its encoding, the topics beside what is for all, and
    whether it is told its position with each message, as a WebSocket that has asked for that; and
    with that, as `is_relay`, the topic and the options of the message.
    """

    __match_args__ = ("encoding", "topics", "has_positions", "is_relay")
    __slots__ = __match_args__

    def __init__(
        self,
        encoding: Encoding = Encoding.PLAIN,
        topics: Topics = frozenset(),
        has_positions: bool = False,
        is_relay: bool = False,
    ) -> None:
        self.encoding: Final = encoding
        self.topics: Final = topics
        self.has_positions: Final = has_positions
        self.is_relay: Final = is_relay


def with_topics(subscription: Subscription, topics: Topics) -> Subscription:
    """The subscription to other topics."""
    return Subscription(
        subscription.encoding, topics, subscription.has_positions, subscription.is_relay
    )


# -- making entries --------------------------------------------------------------------------------


def plain_entries(messages: Sequence[Publication]) -> tuple[Published, ...]:
    """The entries of some messages, in no encoding but the plain one.

    That of `(1, b"hello", None, NO_OPTIONS)` has the frame `b"\\x81\\x05hello"`.
    """
    try:
        return tuple(
            [
                Published(SHORT_FRAME_HEADERS[opcode][len(payload)] + payload, topic, (), options)
                for opcode, payload, topic, options in messages
            ]
        )
    except LookupError:  # one of them is long
        return tuple(
            [
                Published(encode_frame(opcode, payload), topic, (), options)
                for opcode, payload, topic, options in messages
            ]
        )


def retained_entry(frame: bytes, topic: str | None) -> Published:
    """The entry of a message that is to be retained, of which this is the plain frame."""
    return Published(frame, topic, (), RETAINED)


def entry_len(entry: Published) -> int:
    """The bytes of an entry in all its encodings; one that is the plain frame itself takes none."""
    frame = entry.frame
    length = len(frame)
    for _, encoded in entry.encodings:
        if encoded is not frame:
            length += len(encoded)
    return length


def entries_len(entries: Sequence[Published]) -> int:
    """The bytes of some entries in all their encodings."""
    return sum(map(entry_len, entries))


# -- who is sent what ------------------------------------------------------------------------------


def matches(entry: Published, subscription: Subscription) -> bool:
    """True if an entry is for the subscribers with this subscription."""
    topic, topics = entry.topic, subscription.topics
    if topic is not None and topic not in topics and ALL_TOPICS not in topics:
        return False
    is_text = entry.frame[0] & 0x0F == Opcode.TEXT
    return is_text or not ENCODING_INFO[subscription.encoding].is_text_only


def is_excluded(entry: Published, conn: Conn | None) -> bool:
    """True if an entry is not sent to this connection, whatever it is subscribed to."""
    exclude = entry.options.exclude
    return exclude is not None and exclude == conn


def label_of(entry: Published) -> str:
    """What a relay is told of an entry behind its position."""
    return message_label(entry.topic, entry.options.latest, entry.options.retain)


def position_for(entry: Published, subscription: Subscription, epoch: int, number: int) -> bytes:
    """What a subscriber is sent before the frame of an entry whose position has this number: that
    behind it, if it has asked for positions.
    """
    if not subscription.has_positions:
        return b""
    if subscription.is_relay:
        return labelled_next_frame(epoch, number, label_of(entry))
    return next_frame(epoch, number)


def frame_for(entry: Published, subscription: Subscription, epoch: int, number: int) -> bytes:
    """What a subscriber is sent of an entry: its frame or event; empty if the entry is not for it.

    `number` is that of its position. If no subscriber had the encoding when it was published, it is
    encoded now: only a subscriber that asked for history needs that.
    """
    if not matches(entry, subscription):
        return b""
    if subscription.encoding is Encoding.PLAIN:
        return entry.frame
    for encoding, encoded in entry.encodings:
        if encoding is subscription.encoding:
            return encoded
    return recode(entry.frame, subscription.encoding, format_position(epoch, number))


def frame_len_for(entry: Published, subscription: Subscription) -> int:
    """The bytes of what a subscriber is sent of an entry that is for it; those of the plain frame
    if the entry was not encoded for it.
    """
    for encoding, encoded in entry.encodings:
        if encoding is subscription.encoding:
            return len(encoded)
    return len(entry.frame)
