"""What every WebSocket must receive: a model of the broadcast that is nothing but lists.

Theory: whatever rings, cohorts and cursors do, a client receives the messages published on its
topics and those sent to it alone, in the order in which the program sent them. So every message is
appended to a list for each client, and what arrives is compared with it, message by message. Some
may be left out: what was published with `latest`, once there is a newer one on its topic; and, for
a client that skips, what the ring has not any more.

Rules: every message is different, so one that is lost, repeated, torn or early is noticed when the
next one arrives. A client subscribes between its handler's return and `ws_open`: what was published
in between may reach it or not, but without a hole. It does not know how messages travel.
"""

from typing import NamedTuple

from ...core.broadcast.encoding import Encoding, encode_message
from ...core.broadcast.entry import NO_OPTIONS, PublishOptions
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


RETAINED_TOPICS = ("r", "q")
"""The topics on which messages are retained; only those who go on where they were have them."""


def frame_len(message: Message, encoding: Encoding = Encoding.PLAIN) -> int:
    """Bytes of the frame that carries this message to a client."""
    return len(encode_message(*to_message(message), encoding))


class Expected(NamedTuple):
    """A message that a client must receive; with its number, and whether it was published with
    `latest`, if it was published.
    """

    message: Message
    number: int | None = None
    is_latest: bool = False


class Publication(NamedTuple):
    """A message that was published."""

    message: Message
    topic: str | None
    options: PublishOptions

    def expected(self, number: int) -> Expected:
        """The message as one that must be received."""
        return Expected(self.message, number, self.options.latest)


class Expectation:
    """One WebSocket: the messages it must receive, and how many have arrived."""

    def __init__(
        self,
        model: "Model",
        topics: frozenset[Topic],
        history: int,
        encoding: Encoding,
        skips: bool,
    ) -> None:
        self._model = model
        self.topics = set(topics)
        self.encoding = encoding
        self.skips = skips
        self.history = history
        self.upgraded_at = len(model.published)
        """Messages published when the handler returned."""
        self.conn: Conn | None = None
        self.has_ended = False
        """Its `ws_close` was called."""
        self.is_closing = False
        """The program has closed it."""
        self.expected: list[Expected] = []
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
        self.retained: set[Message] = set()
        """What came before all else because it is retained."""

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
        has_retained = ALL_TOPICS in self.topics and bool(self._model.retained)
        return self.has_begun or not (self.history or self.window or has_retained)

    def receive(self, message: Message) -> None:
        """Take a message that has arrived; `Violation` if it is not the next one that it must."""
        if not self.has_begun and self._is_retained(message):
            self.retained.add(message)
            return
        if not self.has_begun:
            self._begin(message)
        place, following = self.received, self.expected[self.received : self.received + 3]
        while place < len(self.expected) and self.expected[place].message != message:
            if not self._may_miss(self.expected[place]):
                place = len(self.expected)
            place += 1
        if place >= len(self.expected):
            raise Violation(
                "order",
                f"{self.conn} received {_brief(message)} as number {self.received}, "
                f"not {[_brief(one.message) for one in following]}",
            )
        self._check_not_excluded(self.expected[place])
        self.received = place + 1

    def _check_not_excluded(self, item: "Expected") -> None:
        """`Violation` for a message that was not for this client, unless it was sent what is
        retained of messages that it was moved past.
        """
        if self._is_excluded(item) and (item.number or 0) >= self._model.tail_number:
            raise Violation("order", f"{self.conn} received {_brief(item.message)}, not for it")

    def _is_excluded(self, item: "Expected") -> bool:
        """True for a message that was published for all but this client."""
        if item.number is None:
            return False
        return self._model.published[item.number].options.exclude == self.conn

    def _is_retained(self, message: Message) -> bool:
        """True for a message that may come first because it is retained."""
        if ALL_TOPICS not in self.topics:
            return False
        return any(
            entry.message == message and entry.options.retain for entry in self._model.published
        )

    def _may_miss(self, item: "Expected") -> bool:
        """True for a message that need not arrive any more."""
        if item.number is None:
            return False
        if item.message in self.retained or self._is_excluded(item):
            return True  # it came before all else, or is for the others
        is_skipped = self.skips and item.number < self._model.tail_number
        return is_skipped or self._model.is_superseded(item.number)

    def like_next(self, data: bytes) -> Message:
        """The message in these bytes: a text if one may come next, because Zstandard does not tell
        text from binary.
        """
        text = data.decode()
        following = self.expected[self.received :] if self.has_begun else self.expected
        return text if any(item.message == text for item in following) else data

    def _begin(self, message: Message) -> None:
        """Derive from the first message how much history this client is sent."""
        before = self.expected[: self.joined]
        messages = [item.message for item in before]
        start = messages.index(message) if message in messages else self.joined
        count = sum(not self._may_miss(item) for item in before[start:])
        # which were superseded, or skipped, when it was decided where it begins, nobody has noted
        is_certain = not (self.skips or self.retained or any(item.is_latest for item in before))
        min_count = min(self.history, self.kept) if is_certain else 0
        if not min_count <= count <= self.history + self.window:
            raise Violation(
                "history",
                f"{self.conn} was sent {count} old messages, not {min_count} to "
                f"{self.history + self.window}",
            )
        del self.expected[:start]
        self.has_begun = True

    def expected_len(self) -> tuple[int, int]:
        """Bytes of the frames it must still receive, and of those that it may; one that has partly
        arrived counts as a whole, and one that was published may be counted as a plain frame, which
        is the longer or the shorter one, since nobody has encoded it for this client yet.
        """
        needed = possible = 0
        for item in self.expected[self.received if self.has_begun else self.joined :]:
            lengths = [frame_len(item.message, self.encoding)]
            if item.number is not None:
                lengths.append(frame_len(item.message))
            needed += 0 if self._may_miss(item) else min(lengths)
            possible += max(lengths)
        return needed, possible


def _brief(message: Message) -> str:
    return repr(message[:14])


class Model:
    """All expectations, and all messages that were published."""

    def __init__(self) -> None:
        self.published: list[Publication] = []
        self.tail_number = 0
        """The number of the oldest message on the ring, as of the last tick."""
        self._newest: dict[str | None, int] = {}
        self._newest_text: dict[str | None, int] = {}
        """The last numbers published with `latest`, by topic; and of texts among these."""
        self.retained: dict[str, int] = {}
        """The number of the last message that is retained on each topic."""
        self.retained_numbers: frozenset[int] = frozenset()
        """The numbers of what the server retains, as of the last tick."""
        self.upgrading: dict[Peer, Expectation] = {}
        self.expectations: dict[Conn, Expectation] = {}
        self.ended: dict[Peer, int] = {}
        """Event streams that the program has closed, and the number of messages published by then.
        """

    def upgrade(
        self,
        peer: Peer,
        topics: frozenset[Topic],
        history: int,
        encoding: Encoding,
        skips: bool,
    ) -> None:
        """Note that a handler has returned an upgrade."""
        self.upgrading[peer] = Expectation(self, topics, history, encoding, skips)

    def open(self, peer: Peer, conn: Conn, kept: list[str | None]) -> None:
        """Note a `ws_open`, at which the ring held frames with the topics `kept`."""
        expectation = self.upgrading[peer]
        expectation.conn = conn
        expectation.expected = [
            publication.expected(number)
            for number, publication in enumerate(self.published)
            if expectation.is_subscribed(publication.topic) and publication.options.exclude != conn
        ]
        expectation.joined = len(expectation.expected)
        expectation.window = sum(
            expectation.is_subscribed(publication.topic)
            for publication in self.published[expectation.upgraded_at :]
        )
        expectation.kept = sum(map(expectation.is_subscribed, kept))
        self.expectations[conn] = expectation

    def publish(
        self, message: Message, topic: str | None, options: PublishOptions = NO_OPTIONS
    ) -> None:
        """Note a broadcast."""
        number, publication = len(self.published), Publication(message, topic, options)
        self.published.append(publication)
        if options.retain and topic is not None:
            self.retained[topic] = number
        if options.latest:
            self._newest[topic] = number
            if isinstance(message, str):
                self._newest_text[topic] = number
        for expectation in self.expectations.values():
            may_be_retained = expectation.skips and options.retain
            is_for_it = expectation.conn != options.exclude or may_be_retained
            if expectation.is_open and is_for_it and expectation.is_subscribed(topic):
                expectation.expected.append(publication.expected(number))

    def is_superseded(self, number: int, is_text_only: bool = False) -> bool:
        """True if whoever is behind is not sent this message any more, as there is a newer one."""
        publication, newest = self.published[number], self._newest
        if is_text_only:
            newest = self._newest_text
        return publication.options.latest and newest.get(publication.topic, number) > number

    def open_expectations(self) -> list[Expectation]:
        """The WebSockets to which the program may send, in the order in which they were opened."""
        return [expectation for expectation in self.expectations.values() if expectation.is_open]
