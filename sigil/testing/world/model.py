"""What every WebSocket must receive: a model of the broadcast that is nothing but lists.

Theory: whatever rings, cohorts and cursors do, a client receives the messages published on its
topics and those sent to it alone, in the order in which the program sent them. So every message is
appended to a list for each client, and what arrives is compared with it, message by message.

Rules: every message is different, so one that is lost, repeated, torn or early is noticed when the
next one arrives. A client subscribes between its handler's return and `ws_open`: what was published
in between may reach it or not, but without a hole. It does not know how messages travel.
"""

from ...core.broadcast.encoding import Encoding, encode_message
from ...core.conn import Conn, Peer
from ...core.topics import ALL_TOPICS, Topic
from ...core.websocket.fragments import Message
from ...shell.loop.send_buffer import to_message


class Violation(AssertionError):
    """A rule was broken: `check` is the name of the rule, the text what was observed."""

    def __init__(self, check: str, text: str) -> None:
        super().__init__(f"{check}: {text}")
        self.check = check


def topics_in(names: str) -> frozenset[Topic]:
    """The topics in a target: names with dots between them, `-` for none, `all` for all."""
    topics = frozenset(names.split(".")) - {"-"}
    return frozenset((ALL_TOPICS,)) if "all" in topics else topics


def frame_len(message: Message, encoding: Encoding = Encoding.PLAIN) -> int:
    """Bytes of the frame that carries this message to a client."""
    return len(encode_message(*to_message(message), encoding))


class Expectation:
    """One WebSocket: the messages it must receive, and how many have arrived."""

    def __init__(
        self, topics: frozenset[Topic], history: int, upgraded_at: int, encoding: Encoding
    ) -> None:
        self.topics = set(topics)
        self.encoding = encoding
        self.history = history
        self.upgraded_at = upgraded_at
        """Messages published when the handler returned."""
        self.conn: Conn | None = None
        self.has_ended = False
        """Its `ws_close` was called."""
        self.is_closing = False
        """The program has closed it."""
        self.expected: list[Message] = []
        """What it must receive since it subscribed; until the first message has arrived, what it
        may receive.
        """
        self.joined = 0
        """How many of `expected` were published before `ws_open`."""
        self.window = 0
        """How many of those were published since the handler had returned."""
        self.kept = 0
        """How many of those were still in the ring."""
        self.has_begun = False
        self.received = 0

    @property
    def is_open(self) -> bool:
        """True while messages sent to it must arrive."""
        return self.conn is not None and not self.has_ended and not self.is_closing

    def is_subscribed(self, topic: str | None) -> bool:
        """True if it must receive what is published on this topic."""
        return topic is None or topic in self.topics or ALL_TOPICS in self.topics

    @property
    def is_known(self) -> bool:
        """True if it is known which messages it must receive."""
        return self.has_begun or not (self.history or self.window)

    def receive(self, message: Message) -> None:
        """Take a message that has arrived; `Violation` if it is not the next one."""
        if not self.has_begun:
            self._begin(message)
        if self.received == len(self.expected) or self.expected[self.received] != message:
            raise Violation(
                "order",
                f"{self.conn} received {_brief(message)} as number {self.received}, "
                f"not {[_brief(one) for one in self.expected[self.received : self.received + 3]]}",
            )
        self.received += 1

    def like_next(self, data: bytes) -> Message:
        """The message in these bytes: a text if one may come next, because Zstandard does not tell
        text from binary.
        """
        text = data.decode()
        begun = (
            self.expected[self.received : self.received + 1] if self.has_begun else self.expected
        )
        return text if text in begun else data

    def _begin(self, message: Message) -> None:
        """Derive from the first message how much history this client is sent."""
        before = self.expected[: self.joined]
        start = before.index(message) if message in before else self.joined
        count, min_count = self.joined - start, min(self.history, self.kept)
        if not min_count <= count <= self.history + self.window:
            raise Violation(
                "history",
                f"{self.conn} was sent {count} old messages, not {min_count} to "
                f"{self.history + self.window}",
            )
        del self.expected[:start]
        self.has_begun = True

    def expected_len(self) -> int:
        """Bytes of the frames it must still receive; one that has partly arrived counts as
        a whole.
        """
        start = self.received if self.has_begun else self.joined
        return sum(frame_len(message, self.encoding) for message in self.expected[start:])


def _brief(message: Message) -> str:
    return repr(message[:14])


class Model:
    """All expectations, and all messages that were published."""

    def __init__(self) -> None:
        self.published: list[tuple[Message, str | None]] = []
        self.upgrading: dict[Peer, Expectation] = {}
        self.expectations: dict[Conn, Expectation] = {}
        self.ended: dict[Peer, int] = {}
        """Event streams that the program has closed, and the number of messages published by then.
        """

    def upgrade(
        self, peer: Peer, topics: frozenset[Topic], history: int, encoding: Encoding
    ) -> None:
        """Note that a handler has returned an upgrade."""
        self.upgrading[peer] = Expectation(topics, history, len(self.published), encoding)

    def open(self, peer: Peer, conn: Conn, kept: list[str | None]) -> None:
        """Note a `ws_open`, at which the ring held frames with the topics `kept`."""
        expectation = self.upgrading[peer]
        expectation.conn = conn
        expectation.expected = [
            message for message, topic in self.published if expectation.is_subscribed(topic)
        ]
        expectation.joined = len(expectation.expected)
        expectation.window = sum(
            expectation.is_subscribed(topic)
            for _, topic in self.published[expectation.upgraded_at :]
        )
        expectation.kept = sum(map(expectation.is_subscribed, kept))
        self.expectations[conn] = expectation

    def publish(self, message: Message, topic: str | None) -> None:
        """Note a broadcast."""
        self.published.append((message, topic))
        for expectation in self.expectations.values():
            if expectation.is_open and expectation.is_subscribed(topic):
                expectation.expected.append(message)

    def open_expectations(self) -> list[Expectation]:
        """The WebSockets to which the program may send, in the order in which they were opened."""
        return [expectation for expectation in self.expectations.values() if expectation.is_open]
