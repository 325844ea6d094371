"""What is said at scale, and what each listener must therefore receive, byte for byte.

Theory: every message carries its number and its topic, so what a client is to be sent is a function
of what was ordered. `Script` keeps it as one long string of frames for each set of topics, and a
client is a position in it. So every byte is compared, and gapless, in order and exactly once are
one comparison.

Rules: frames are made here by hand, from RFC 6455 section 5.2, not by the code under test. It does
not know sockets, nor who is slow.
"""

from typing import NamedTuple, TypeAlias

BINARY = b"\x82"
"""The first byte of a whole binary message."""

Topics: TypeAlias = frozenset[str]
NO_TOPICS: Topics = frozenset()


class Batch(NamedTuple):
    """So many messages of one length, in bytes, to one topic, or to everybody for an empty one."""

    topic: str
    length: int
    messages: int


def payload(number: int, topic: str, length: int) -> bytes:
    """The message of this number: its number, its topic, and a filling that is not the same for its
    neighbours.
    """
    return b"%010d %s " % (number, topic.encode()) + b"%c" % (97 + number % 26) * (
        length - 12 - len(topic)
    )


def frame(data: bytes) -> bytes:
    """An unmasked binary frame in its shortest form."""
    length = len(data)
    if length < 126:
        return BINARY + bytes((length,)) + data
    if length < 65_536:
        return BINARY + b"\x7e" + length.to_bytes(2, "big") + data
    return BINARY + b"\x7f" + length.to_bytes(8, "big") + data


class Script:
    """All that was said, as each set of topics hears it."""

    def __init__(self) -> None:
        self.streams: dict[Topics, bytearray] = {}
        self.next_number = 0

    def stream(self, topics: Topics) -> bytearray:
        """What those are sent who hear these topics; it grows, and is empty when nobody asked for
        it before.
        """
        return self.streams.setdefault(topics, bytearray())

    def say(self, batch: Batch) -> None:
        """Write down one batch of messages."""
        first, self.next_number = self.next_number, self.next_number + batch.messages
        numbers = range(first, self.next_number)
        frames = b"".join([frame(payload(number, batch.topic, batch.length)) for number in numbers])
        for topics, stream in self.streams.items():
            if not batch.topic or batch.topic in topics:
                stream += frames
