"""What every WebSocket must receive: a model of the stream that is nothing but lists.

Theory: whatever rings, cohorts and cursors do, a client receives what the program said to it, in
the order in which it was said: to all on its topics, and to it alone. So what the program says is
written down once more for each client, and what arrives is compared, message by message.

Rules: every message is different, so one that is lost, doubled, torn or early is noticed when the
next one arrives. A client joins between its handler's return and `ws_open`: what was published in
between may reach it or not, but without a hole. It does not know how messages travel.
"""

from ...core.broadcast.encoding import Encoding, encode_message
from ...core.conn import Conn, Peer
from ...core.websocket.messages import Message
from ...shell.loop.send_buffer import to_message


class Violation(AssertionError):
    """Something that must hold does not: `check` names the rule, the text says what was seen."""

    def __init__(self, check: str, text: str) -> None:
        super().__init__(f"{check}: {text}")
        self.check = check


def frame_len(message: Message, encoding: Encoding = Encoding.PLAIN) -> int:
    """Bytes of the frame that carries this message to a client."""
    return len(encode_message(*to_message(message), encoding))


class Account:
    """One WebSocket: what it must be told, and what has arrived."""

    def __init__(
        self, topics: frozenset[str], history: int, promised_at: int, encoding: Encoding
    ) -> None:
        self.topics = set(topics)
        self.encoding = encoding
        self.history = history
        self.promised_at = promised_at
        """Messages published when the handler returned."""
        self.conn: Conn | None = None
        self.has_ended = False
        """The program was told of its end."""
        self.is_closing = False
        """The program has closed it."""
        self.expected: list[Message] = []
        """What it is told since it joined; until the first message has arrived, what it might be
        told.
        """
        self.joined = 0
        """How many of `expected` were published before `ws_open`."""
        self.window = 0
        """How many of those were published since the handler had returned."""
        self.kept = 0
        """How many of those were still on the ring."""
        self.has_begun = False
        self.heard = 0

    @property
    def is_open(self) -> bool:
        """True while what the program says to it is to arrive."""
        return self.conn is not None and not self.has_ended and not self.is_closing

    def hears(self, topic: str | None) -> bool:
        """True if what is published on a topic is for it."""
        return topic is None or topic in self.topics

    @property
    def is_certain(self) -> bool:
        """True if it is known what it must be told."""
        return self.has_begun or not (self.history or self.window)

    def receive(self, message: Message) -> None:
        """A message has arrived; `Violation` if it is not the next one."""
        if not self.has_begun:
            self._begin(message)
        if self.heard == len(self.expected) or self.expected[self.heard] != message:
            raise Violation(
                "order",
                f"{self.conn} received {_brief(message)} as number {self.heard}, "
                f"not {[_brief(one) for one in self.expected[self.heard : self.heard + 3]]}",
            )
        self.heard += 1

    def like_next(self, data: bytes) -> Message:
        """These bytes, as a text if that is what may come next: in Zstandard nothing tells them
        apart.
        """
        text = data.decode()
        begun = self.expected[self.heard : self.heard + 1] if self.has_begun else self.expected
        return text if text in begun else data

    def _begin(self, message: Message) -> None:
        """The first message tells how much of what was published before it joined a client is sent."""
        before = self.expected[: self.joined]
        start = before.index(message) if message in before else self.joined
        count, least = self.joined - start, min(self.history, self.kept)
        if not least <= count <= self.history + self.window:
            raise Violation(
                "history",
                f"{self.conn} was sent {count} old messages, not {least} to "
                f"{self.history + self.window}",
            )
        del self.expected[:start]
        self.has_begun = True

    def owed_len(self) -> int:
        """Bytes of frames it must be told and that have not arrived, the one that is arriving
        counted as a whole.
        """
        start = self.heard if self.has_begun else self.joined
        return sum(frame_len(message, self.encoding) for message in self.expected[start:])


def _brief(message: Message) -> str:
    return repr(message[:14])


class Book:
    """All accounts, and all that was published."""

    def __init__(self) -> None:
        self.published: list[tuple[Message, str | None]] = []
        self.promised: dict[Peer, Account] = {}
        self.accounts: dict[Conn, Account] = {}
        self.ended: dict[Peer, int] = {}
        """Listeners whose stream the program has ended, and how much was published by then."""

    def promise(self, peer: Peer, topics: frozenset[str], history: int, encoding: Encoding) -> None:
        """A handler has returned an upgrade."""
        self.promised[peer] = Account(topics, history, len(self.published), encoding)

    def open(self, peer: Peer, conn: Conn, kept: list[str | None]) -> None:
        """The program was told of a new WebSocket, while frames with the topics `kept` were on the
        ring.
        """
        account = self.promised[peer]
        account.conn = conn
        account.expected = [message for message, topic in self.published if account.hears(topic)]
        account.joined = len(account.expected)
        account.window = sum(
            account.hears(topic) for _, topic in self.published[account.promised_at :]
        )
        account.kept = sum(map(account.hears, kept))
        self.accounts[conn] = account

    def publish(self, message: Message, topic: str | None) -> None:
        """The program has said something to all."""
        self.published.append((message, topic))
        for account in self.accounts.values():
            if account.is_open and account.hears(topic):
                account.expected.append(message)

    def open_accounts(self) -> list[Account]:
        """Those to whom the program may say something, in the order in which they were opened."""
        return [account for account in self.accounts.values() if account.is_open]
