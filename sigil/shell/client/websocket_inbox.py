"""What was received over a WebSocket and the program has not taken.

Theory: a program that iterates takes messages when it likes, and a server sends when it likes. So
messages wait here, as they came, still compressed; when they are too many bytes the connection is
not read, until the program has taken half of them.

Rules: `is_full` and `has_room` are told apart, so that the connection is not paused and resumed
with each message. A message counts 64 bytes beside its own. It does not know the connection.
"""

from collections import deque

from ...core.client.websocket_limits import COUNTED_BYTES
from ...core.client.websocket_positions import Fact


class Inbox:
    """Facts in the order in which they came."""

    __slots__ = ("_facts", "held_len", "max_len")

    def __init__(self, max_len: int) -> None:
        self.max_len = max_len
        self._facts: deque[tuple[Fact, int]] = deque()
        self.held_len = 0

    def __len__(self) -> int:
        return len(self._facts)

    @property
    def is_full(self) -> bool:
        """True when no more is to be read."""
        return self.held_len >= self.max_len

    @property
    def has_room(self) -> bool:
        """True when so much was taken that it is to be read again."""
        return self.held_len <= self.max_len // 2

    def put(self, fact: Fact, length: int) -> None:
        """Add a fact, of a message of so many bytes."""
        length += COUNTED_BYTES
        self._facts.append((fact, length))
        self.held_len += length

    def take(self) -> Fact | None:
        """The first fact, which is here no more; None if there is none."""
        if not self._facts:
            return None
        fact, length = self._facts.popleft()
        self.held_len -= length
        return fact

    def clear(self) -> None:
        """Forget everything."""
        self._facts.clear()
        self.held_len = 0
