"""A client of a world that hears the stream as server-sent events, and checks what it hears.

Theory: an event carries its position, so a subscriber needs no account of its own: event by event,
what came is looked up in the list of all that was published, and nothing between two events may
have been for it.

Rules: strict, as for WebSockets: an event that is torn, doubled, out of order or not meant for it
is a `Violation`, and so is a hole that no `gap` told of. It knows the product's encoding from its
documentation only: bytes are taken apart by a pattern. It does not know the server, only its line
and the list.
"""

import json
import re
from random import Random

from ...core.websocket.messages import Message
from .guests import Guest
from .model import Book, Violation
from .network import Line

_EVENT = re.compile(
    rb"id: 0-([0-9]+)\n(?:data: ([^\n]*)\n)?\n"
    rb"|event: gap\nid: 0-([0-9]+)\ndata: (\{[^\n]*\})\n\n|:\n\n"
)
_REQUEST = "GET /events/{}/{} HTTP/1.1\r\nHost: h\r\n{}\r\n"


class Subscriber(Guest):
    """A client that becomes a listener, perhaps one that was there before."""

    def __init__(self, book: Book, line: Line, dice: Random, gulp: int, patience: int) -> None:
        super().__init__(line, dice, gulp, patience)
        self._book = book
        names = dice.choice(("-", "-", "a", "b", "a.b", "*"))
        self._topics = frozenset(names.split("."))
        seen = dice.randint(0, len(book.published)) if dice.random() < 0.4 else None
        field = "" if seen is None else f"Last-Event-ID: 0-{seen}\r\n"
        self.outgoing += _REQUEST.format(names, dice.choice((0, 0, 1, 3)), field).encode()
        self._looked = 0
        """How much of `line.taken` has been understood."""
        self.is_listening = False
        """The head of the answer has come."""
        self.next_number = seen
        """The number from which on everything is for it, once that is known."""
        self.joined_at: int | None = None
        """How much was published when it was first seen to be a listener: from there on everything
        is for it.
        """
        self.heard = 0

    def hears(self, message: Message, topic: str | None) -> bool:
        """True if what is published on a topic is for it."""
        return isinstance(message, str) and (
            topic is None or topic in self._topics or "*" in self._topics
        )

    def join(self) -> None:
        """It was seen to be a listener."""
        if self.joined_at is None:
            self.joined_at = len(self._book.published)

    def look(self) -> None:
        """Take apart what has come, and compare it with what was published."""
        data = bytes(self.line.taken)
        if not self.is_listening:
            end = data.find(b"\r\n\r\n")
            if end < 0 or not data.startswith(b"HTTP/1.1 200 "):
                return
            self.is_listening, self._looked = True, end + 4
        while event := _EVENT.match(data, self._looked):
            self._looked = event.end()
            self._take(event)
        if b"\n\n" in data[self._looked :]:
            raise Violation(
                "frame",
                f"{self.line.peer} received what is no event: {data[self._looked :][:40]!r}",
            )

    def _take(self, event: re.Match[bytes]) -> None:
        """One event has come."""
        if event[4] is not None:
            if self.next_number is None or self.heard:
                raise Violation(
                    "gap", f"{self.line.peer} was told of a gap it cannot have: {event[0]!r}"
                )
            self.next_number += json.loads(event[4])["missed"]
            self._stand(int(event[3]))
        elif event[2] is not None:
            self._hear(int(event[1]) - 1, event[2].decode())
        elif event[1] is not None:
            self._stand(int(event[1]))

    def _stand(self, number: int) -> None:
        """It was told where it is: nothing before was for it that has not come."""
        if number > len(self._book.published):
            raise Violation(
                "position",
                f"{self.line.peer} is said to be at {number} of {len(self._book.published)}",
            )
        if self.next_number is not None:
            self._leave_out(number)
        self.next_number = number

    def _leave_out(self, number: int) -> None:
        """Nothing before this number was for it that has not come."""
        first = self.joined_at if self.next_number is None else self.next_number
        if self.next_number is not None and number < self.next_number:
            raise Violation("order", f"{self.line.peer} received {number} again")
        left_out = [
            missed
            for missed in range(number if first is None else first, number)
            if self.hears(*self._book.published[missed])
        ]
        if left_out:
            raise Violation(
                "order", f"{self.line.peer} received {number} and before it not {left_out[:3]}"
            )

    def needs(self, number: int) -> bool:
        """True if this message was still to be told to it."""
        is_told = self.next_number is not None and number < self.next_number
        end = self._book.ended.get(self.line.peer, len(self._book.published))
        return not is_told and number < end and self.hears(*self._book.published[number])

    def _hear(self, number: int, text: str) -> None:
        """A message has come."""
        published = self._book.published
        is_there = number < self._book.ended.get(self.line.peer, len(published))
        if not is_there or published[number][0] != text or not self.hears(*published[number]):
            raise Violation(
                "order", f"{self.line.peer} received {text[:14]!r} as {number}, which it is not"
            )
        self._leave_out(number)
        self.next_number = number + 1
        self.heard += 1

    def missing(self) -> list[int]:
        """The numbers of what is for it and has not come; nothing is as long as it is not
        listening.
        """
        if self.joined_at is None:
            return []
        first = self.joined_at if self.next_number is None else self.next_number
        end = self._book.ended.get(self.line.peer, len(self._book.published))
        numbers = range(end if first is None else first, end)
        return [number for number in numbers if self.hears(*self._book.published[number])]
