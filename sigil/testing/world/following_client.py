"""A client of a world that goes on where it was: over a WebSocket that asks for positions, or by
long-polls, and over many connections, one after the other.

Theory: whoever comes back with the last position that it was sent has lost nothing and gets nothing
twice, whatever ended the connection, and over which transport it comes back. So what was received
is kept beside the connections (`Follower`), and each position, gap and message is held against the
list of all that was published.

Rules: strict, as for event streams. A message that is lost without a gap, repeated, out of order or
on another topic is a `Violation`; so is one that is retained and does not come before all else. It
knows the forms from the documentation only. It does not know the server, only wires and the list.
"""

import base64
import json
import re
from random import Random
from typing import Any

from ...core.topics import Topic
from ...core.websocket.fragments import CompressedMessage, Message
from ...core.websocket.frames import FrameRules, Opcode, encode_close, encode_masked
from ...core.websocket.messages import BETWEEN_MESSAGES, Close, MessageReader, Ping, receive_data
from ..answers import BadAnswer, read_answers
from .clients import SimulatedClient
from .model import Model, Violation, topics_in
from .network import RecordedWire

_FRAME_RULES = FrameRules(2**62, 2**62, is_masked=False)
_MASK = b"\x37\xfa\x21\x3d"
_POSITION = re.compile(r"0-([0-9]+)(?:\.([0-9]+))?")
_UPGRADE = (
    "GET /follow/{}?after={} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_POLL = "GET /poll/{}?after={} HTTP/1.1\r\nHost: h\r\n\r\n"


class Follower:
    """What somebody has received, over all its connections."""

    def __init__(self, model: Model, names: str) -> None:
        self._model = model
        self.names = names
        self.topics: frozenset[Topic] = topics_in(names)
        self.position = ""
        """What it comes back with."""
        self.next_number: int | None = None
        """The number of the first message that it has not been sent; None before it has any."""
        self.received = 0
        self._is_fresh = True
        """Nothing has come over this connection."""
        self._asked_from = 0
        """The first number that what is retained and must come may have."""
        self._retained_from = 0
        self._retained: dict[int, int] = {}
        """By the number behind it, the place that each retained message of a connection had."""
        self._lacks_from: int | None = None
        """The first number that what is retained and still to come may have; None if nothing is."""

    def connect(self) -> None:
        """Begin anew, with another connection."""
        self._lacks_from = None
        match = _POSITION.fullmatch(self.position)
        self._asked_from = 0 if match is None else int(match[2] or match[1])
        self._retained.clear()
        self._is_fresh = True

    # -- what comes --------------------------------------------------------------------------------

    def take_position(self, text: str) -> None:
        """Take a position: all that is before it must have come."""
        number, retained_from = self._parse(text)
        self.position = text
        if self._is_fresh:
            self._begin(number, retained_from)
            return
        self._move_to(number)
        if retained_from == number and self._lacks_from is not None:
            self._check_retained(number)
        self._retained_from = max(self._retained_from, retained_from)

    def take_gap(self, gap: dict[str, Any], asked: str) -> None:
        """Take a gap, which is told first, and only of what is not kept."""
        number, retained_from = self._parse(gap["position"])
        at = self.next_number
        is_possible = at is not None and gap["missed"] == number - at > 0
        if not self._is_fresh or gap["after"] != asked or not is_possible:
            raise Violation("gap", f"{self.names}, at {at}, was sent a gap it cannot have: {gap}")
        if number > self._model.tail_number:
            raise Violation("gap", f"{number} is kept: {gap}")
        self.position, self.next_number = gap["position"], number
        self._begin(number, retained_from)

    def take_retained(self, message: Message) -> None:
        """Take a message that is retained: in order, and before all else."""
        number = self._number_of(message)
        position = self.next_number or 0
        is_wanted = self._lacks_from is not None and self._lacks_from <= number < position
        entry = self._model.published[number]
        if not (is_wanted and entry.options.retain and self._is_subscribed(number)):
            raise Violation(
                "retained", f"{self.names}, at {position}, was sent {number} {message!r}"
            )
        if number < self._retained_from:
            raise Violation("retained", f"{self.names} was sent {number} again, or too late")
        self._retained_from = number + 1
        self._retained[number] = len(self._retained)

    def end_retained(self) -> None:
        """Take no more that is retained: all of it must have come."""
        if self._lacks_from is not None:
            self._check_retained(self.next_number or 0)

    def take_message(self, text: str, message: Message) -> None:
        """Take a message with the position behind it."""
        number = self._parse(text)[0] - 1
        is_there = 0 <= number < len(self._model.published)
        if not is_there or self._model.published[number].message != message:
            raise Violation("order", f"{self.names} received {message[:14]!r} as {number}")
        if not self._is_subscribed(number) or self._lacks_from is not None:
            raise Violation("order", f"{self.names} received {number}, which is not its turn")
        self._move_to(number)
        self.next_number, self.position = number + 1, text
        self.received += 1

    def missing(self) -> list[int]:
        """The numbers of messages that it should have received by now."""
        if self.next_number is None:
            return []
        numbers = range(self.next_number, len(self._model.published))
        return [number for number in numbers if self._is_due(number)]

    # -- what that means ---------------------------------------------------------------------------

    def _parse(self, text: str) -> tuple[int, int]:
        """The numbers in a position; the second is the first if there is none."""
        match = _POSITION.fullmatch(text)
        if match is None or int(match[1]) > len(self._model.published):
            raise Violation("position", f"{text!r} is no position")
        number = int(match[1])
        return number, number if match[2] is None else int(match[2])

    def _begin(self, number: int, retained_from: int) -> None:
        """Begin at the first position of a connection, which says what is still to come."""
        self._is_fresh = False
        self._move_to(number)
        self._retained_from = retained_from
        self._lacks_from = self._asked_from
        if retained_from == number:
            self._check_retained(number)

    def _move_to(self, number: int) -> None:
        """Go on at this number: nothing between may be missed."""
        at = self.next_number
        if at is not None and number < at:
            raise Violation("order", f"{self.names}, at {at}, received {number} again")
        missed = [one for one in range(number if at is None else at, number) if self._is_due(one)]
        if missed:
            raise Violation("order", f"{self.names}, at {at}, received {number}, not {missed[:3]}")
        self.next_number = number

    def _check_retained(self, number: int) -> None:
        """Check that all that is retained still and is before this number has come."""
        first, self._lacks_from = self._lacks_from or 0, None
        missed = [
            one
            for one in self._model.retained_numbers
            if first <= one < number and one not in self._retained and self._is_subscribed(one)
        ]
        if missed:
            raise Violation("retained", f"{self.names} was not sent {missed}, which are retained")

    def _number_of(self, message: Message) -> int:
        """The number of a message."""
        for number, entry in enumerate(self._model.published):
            if entry.message == message:
                return number
        raise Violation(
            "retained", f"{self.names} was sent {message[:14]!r}, which nobody published"
        )

    def _is_subscribed(self, number: int) -> bool:
        """True if a message is for it."""
        topic = self._model.published[number].topic
        return topic is None or topic in self.topics

    def _is_due(self, number: int) -> bool:
        """True if it may not miss a message."""
        return self._is_subscribed(number) and not self._model.is_superseded(number)


class FollowingClient(SimulatedClient):
    """One connection of a follower, which may be a WebSocket or one for long-polls."""

    def __init__(
        self,
        follower: Follower,
        wire: RecordedWire,
        rng: Random,
        max_read_per_tick: int,
        ticks_until_stalled: int,
    ) -> None:
        super().__init__(wire, rng, max_read_per_tick, ticks_until_stalled)
        self.follower = follower
        self.is_polling = rng.random() < 0.5
        self.asked = ""
        self._answered = 0
        self._parsed_len = 0
        self._next: str | None = None
        self._inbound: MessageReader = BETWEEN_MESSAGES
        self.is_upgraded = self.has_closed = self.has_begun = False

    def act_at_random(self) -> None:
        """Ask, if it has not; sometimes end the connection, to come back."""
        if not self.has_begun:
            self.has_begun = True
            self._ask()
        if self.rng.random() < 0.04:
            self.faults.add("reset")
            self.wire.has_reset = True

    def _ask(self) -> None:
        """Ask for what is behind the last position."""
        follower = self.follower
        follower.connect()
        self.asked = follower.position
        form = _POLL if self.is_polling else _UPGRADE
        self.outgoing += form.format(follower.names, self.asked).encode()

    def is_waiting(self) -> bool:
        """True if all that is published must reach it by itself."""
        if not self.has_begun or self.is_gone or self.faults or self.wire.has_half_closed:
            return False
        if self.is_polling:
            return not self.outgoing and self.wire.conn is not None and not self._has_answer()
        return self.is_upgraded and not self.has_closed

    def _has_answer(self) -> bool:
        """True if the last question was answered."""
        return self._answered == len(self.wire.taken)

    def read_received(self) -> None:
        """Decode what was received, and compare it with what was published."""
        if not self.has_begun or self.wire.has_reset:
            return
        if self.is_polling:
            self._read_answers()
        else:
            self._read_frames()

    def _read_answers(self) -> None:
        """Take the answer to the last question, and ask the next one."""
        data = bytes(self.wire.taken[self._answered :])
        try:
            answers = read_answers(data, ())
        except BadAnswer as error:
            raise Violation("frame", f"{self.wire.peer}: {error}") from None
        if not answers or not answers[-1].is_whole:
            return
        (answer,) = answers
        self._answered = len(self.wire.taken)
        if answer.status != 200:
            return
        lines = [json.loads(line) for line in answer.body.splitlines()]
        for line in lines:
            self._take_line(line)
        if "text" in lines[-1] or lines[-1].get("position") != self.follower.position:
            raise Violation("frame", f"{self.wire.peer}: an answer ends with {lines[-1]}")
        if not self.is_silent and not self.is_gone and not self.wire.is_shut:
            self._ask()

    def _take_line(self, line: dict[str, Any]) -> None:
        """Take a line of an answer."""
        follower = self.follower
        message: Message | None = line.get("text")
        if "base64" in line:
            message = base64.b64decode(line["base64"])
        if "gap" in line:
            follower.take_gap(line["gap"], self.asked)
        elif message is None:
            follower.take_position(line["position"])
        elif "retained" in line:
            follower.take_retained(message)
        else:
            follower.end_retained()
            follower.take_message(line["position"], message)

    def _read_frames(self) -> None:
        """Take the messages of a WebSocket."""
        data = bytes(self.wire.taken)
        if not self.is_upgraded:
            end = data.find(b"\r\n\r\n")
            if end < 0 or not data.startswith(b"HTTP/1.1 101"):
                return
            self.is_upgraded, self._parsed_len = True, end + 4
        fresh, self._parsed_len = data[self._parsed_len :], len(data)
        self._inbound, items, error = receive_data(self._inbound, fresh, _FRAME_RULES)
        if error is not None:
            raise Violation("frame", f"{self.wire.peer} received what is no frame: {error}")
        for item in items:
            if isinstance(item, str | bytes):
                self._take_message(item)
            elif isinstance(item, Ping):
                self.outgoing += encode_masked(Opcode.PONG, item.payload, _MASK)
            elif isinstance(item, Close):
                self.has_closed = True
                self.outgoing += encode_masked(Opcode.CLOSE, encode_close(item.code), _MASK)
            else:
                assert not isinstance(item, CompressedMessage)

    def _take_message(self, message: Message) -> None:
        """Take a message of the program's, or a text of the server's own."""
        follower = self.follower
        if isinstance(message, str) and message.startswith("\0"):
            word, _, text = message[1:].partition(":")
            if word == "position":
                follower.take_position(text)
            elif word == "gap":
                follower.take_gap(json.loads(text), self.asked)
            elif word == "next":
                self._next = text
        elif self._next is None:
            follower.take_retained(message)
        else:
            follower.take_message(self._next, message)
            self._next = None
