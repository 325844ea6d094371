"""What turns did in words: computed once, and bounded."""

from typing import Any

from sigil import Response
from sigil.apps.replay import words
from sigil.apps.replay.words import Words, printable
from sigil.core.conn import Conn
from sigil.testing import Client


class Counting:
    """A recording that counts what is computed."""

    def __init__(self, recording: Any) -> None:
        self.turns = recording.turns
        self.asked: list[int] = []
        self._recording = recording

    def effects(self, turn: int) -> Any:
        self.asked.append(turn)
        return self._recording.effects(turn)


def counting() -> Counting:
    client = Client(lambda request: Response.upgrade(), keeps_turns=True)
    for _ in range(3):
        client.websocket("/ws")
    client.server.broadcast("news")
    client.run_until_idle()
    return Counting(client.recording())


def test_a_turn_is_put_into_words_once() -> None:
    recording = counting()
    found = Words(recording)
    assert found.at(1) is found.at(1)
    assert recording.asked == [1]
    assert found.at(0).story[0].text == "Here the recording begins."


def test_what_was_not_asked_for_lately_is_forgotten(monkeypatch: Any) -> None:
    monkeypatch.setattr(words, "KEPT_MAX", 3)
    recording = counting()
    found = Words(recording)
    for turn in (1, 2, 3, 1, 4, 1, 2):
        found.at(turn)
    assert recording.asked == [1, 2, 3, 4, 2]


def test_a_member_of_a_cohort_is_sent_what_the_cohort_is() -> None:
    recording = counting()
    found = Words(recording)
    last = len(recording.turns)
    sent = [found.of(turn, Conn(1, 1)) for turn in range(1, last + 1)]
    (line,) = [line for lines in sent for line in lines if line.kind == "FanOut"]
    assert line.text == "send message 0, 6 bytes, as to 2 others that keep up"
    assert not any(found.of(turn, Conn(9, 9)) for turn in range(1, last + 1))


def test_what_cannot_be_printed_is_replaced() -> None:
    assert printable("a\nb\x1b\u202e<b>") == "a⏎b\ufffd\ufffd<b>"
    assert printable("plain") == "plain"
