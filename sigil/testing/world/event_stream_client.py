"""A client of a world that reads server-sent events, and checks what it receives.

Theory: an event carries its position, so this client needs no expectation of its own: each event is
looked up in the list of all messages published, and none between two events may have been on its
topics.

Rules: strict, as for WebSockets: an event that is torn, repeated, out of order or on another topic
is a `Violation`, and so is a message missed without a `gap` event, unless it is superseded. It
knows the product's encoding from its documentation only: bytes are parsed by a pattern. It does not
know the server, only its wire and the list.
"""

import json
import re
from random import Random

from ...core.topics import ALL_TOPICS
from .clients import SimulatedClient
from .model import Model, Violation, topics_in
from .network import RecordedWire

_EVENT = re.compile(
    rb"id: 0-([0-9]+)(?:\.[0-9]+)?\n(?:data: ([^\n]*)\n)?\n"
    rb"|event: gap\nid: 0-([0-9]+)(?:\.[0-9]+)?\ndata: (\{[^\n]*\})\n\n|:\n\n|data: ([^\n]*)\n\n"
)
_REQUEST = "GET /events/{}/{}/{} HTTP/1.1\r\nHost: h\r\n{}\r\n"


class EventStreamClient(SimulatedClient):
    """A client that opens an event stream, perhaps to resume one after a position."""

    def __init__(
        self,
        model: Model,
        wire: RecordedWire,
        rng: Random,
        max_read_per_tick: int,
        ticks_until_stalled: int,
    ) -> None:
        super().__init__(wire, rng, max_read_per_tick, ticks_until_stalled)
        self._model = model
        names = rng.choice(("-", "-", "a", "b", "a.b", "*", "all"))
        self._topics = topics_in(names)
        seen = rng.randint(0, len(model.published)) if rng.random() < 0.4 else None
        field = "" if seen is None else f"Last-Event-ID: 0-{seen}\r\n"
        slow = rng.choice(("drop", "drop", "skip"))
        self.outgoing += _REQUEST.format(names, rng.choice((0, 0, 1, 3)), slow, field).encode()
        self.skips = slow == "skip"
        self._has_opened = False
        """Its position, or a gap, was received as the stream began."""
        self._parsed_len = 0
        """How much of `wire.taken` has been parsed."""
        self.has_begun = False
        """The head of the response was received."""
        self.next_number = seen
        """The number of the next message that it must receive, if on its topics; None until known.
        """
        self.joined_at: int | None = None
        """How many messages were published when the server first had it as a subscriber; it must
        receive all later ones on its topics.
        """
        self.received = 0

    def is_subscribed(self, number: int) -> bool:
        """True if the message with this number is for it."""
        exclude = self._model.published[number].options.exclude
        is_its_own = exclude is not None and exclude == self.wire.conn
        return self._is_on_topics(number) and not is_its_own

    def _is_on_topics(self, number: int) -> bool:
        """True if the message with this number is a text on one of its topics."""
        message, topic, _ = self._model.published[number]
        is_on_topic = topic is None or topic in self._topics or ALL_TOPICS in self._topics
        return isinstance(message, str) and is_on_topic

    def _is_due(self, number: int) -> bool:
        """True if it may not miss the message with this number."""
        return self.is_subscribed(number) and not self._model.is_superseded(number, True)

    def join(self) -> None:
        """Note that the server has it as a subscriber."""
        if self.joined_at is None:
            self.joined_at = len(self._model.published)

    def read_received(self) -> None:
        """Parse what was received, and compare it with what was published."""
        data = bytes(self.wire.taken)
        if not self.has_begun:
            end = data.find(b"\r\n\r\n")
            if end < 0 or not data.startswith(b"HTTP/1.1 200 "):
                return
            self.has_begun, self._parsed_len = True, end + 4
        while event := _EVENT.match(data, self._parsed_len):
            self._parsed_len = event.end()
            self._take(event)
        if b"\n\n" in data[self._parsed_len :]:
            raise Violation(
                "frame",
                f"{self.wire.peer} received what is no event: {data[self._parsed_len :][:40]!r}",
            )

    def _take(self, event: re.Match[bytes]) -> None:
        """Take one event."""
        if event[4] is not None:
            self._take_gap(event)
        elif event[5] is not None:
            self._receive_retained(event[5].decode())
        elif event[2] is not None:
            self._receive(int(event[1]) - 1, event[2].decode())
        elif event[1] is not None:
            self._has_opened = True
            self._set_position(int(event[1]))

    def _take_gap(self, event: re.Match[bytes]) -> None:
        """Take a gap: as the stream begins, or, if it skips, at any time, up to what is kept."""
        gap, position = json.loads(event[4]), int(event[3])
        after = int(gap["after"].partition("-")[2])
        is_possible = position == after + gap["missed"] and position <= self._model.tail_number
        if self._has_opened and self.skips and is_possible:
            self._check_skipped(after)
        elif self.next_number is None or self._has_opened or after != self.next_number:
            raise Violation("gap", f"{self.wire.peer} was sent a gap it cannot have: {event[0]!r}")
        self._has_opened = True
        self.next_number = after + gap["missed"]
        self._set_position(position)

    def _set_position(self, number: int) -> None:
        """Take its position from the server; it must have received everything before."""
        if number > len(self._model.published):
            raise Violation(
                "position",
                f"{self.wire.peer} was sent position {number} of {len(self._model.published)}",
            )
        if self.next_number is not None:
            self._check_skipped(number)
        self.next_number = number

    def _check_skipped(self, number: int) -> None:
        """Check that it was subscribed to nothing between the last event and this number."""
        first = self.joined_at if self.next_number is None else self.next_number
        if self.next_number is not None and number < self.next_number:
            raise Violation("order", f"{self.wire.peer} received {number} again")
        skipped = [
            missed
            for missed in range(number if first is None else first, number)
            if self._is_due(missed)
        ]
        if skipped:
            raise Violation(
                "order", f"{self.wire.peer} received {number} and before it not {skipped[:3]}"
            )

    def needs(self, number: int) -> bool:
        """True if it still had to receive this message."""
        is_past = self.next_number is not None and number < self.next_number
        end = self._model.ended.get(self.wire.peer, len(self._model.published))
        return not is_past and number < end and self.is_subscribed(number)

    def _receive_retained(self, text: str) -> None:
        """Take a message that is retained, which has no position; of what it was moved past, also
        one that excluded it.
        """
        numbers = [
            number
            for number, entry in enumerate(self._model.published)
            if entry.message == text and entry.options.retain and self._is_on_topics(number)
        ]
        tail_number = self._model.tail_number if self.skips else 0
        if not any(number < tail_number or self.is_subscribed(number) for number in numbers):
            raise Violation("retained", f"{self.wire.peer} was sent {text[:14]!r}, which is not")

    def _receive(self, number: int, text: str) -> None:
        """Take a message."""
        published = self._model.published
        is_there = number < self._model.ended.get(self.wire.peer, len(published))
        if not is_there or published[number].message != text or not self.is_subscribed(number):
            raise Violation(
                "order", f"{self.wire.peer} received {text[:14]!r} as {number}, which it is not"
            )
        self._check_skipped(number)
        self.next_number = number + 1
        self.received += 1

    def missing(self) -> list[int]:
        """The numbers of messages that it should have received; none before it is a subscriber."""
        if self.joined_at is None:
            return []
        first = self.joined_at if self.next_number is None else self.next_number
        end = self._model.ended.get(self.wire.peer, len(self._model.published))
        numbers = range(end if first is None else first, end)
        return [number for number in numbers if self._is_due(number)]
