"""What the turns of a recording did, in words, remembered for those that were asked for lately.

Theory: to read what a turn did it has to be computed again, with those between it and a state that
is kept; and who looks at a turn looks at the last lines of the log and of a dialogue too, most of
which were there a turn before. So what was put into words is kept, and the turns that are asked for
together are computed in order, each from the one before.

Rules: so many turns are kept, those that were asked for last. A turn may hold a thousand events: no
more of them are put into words than somebody reads. It does not know what is asked for.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sigil import CloseReason, Conn
from sigil.core.views.sentences import Line, counted, effect_line, event_line
from sigil.core.views.story import Sentence, story_of

KEPT_MAX = 2_000
"""Turns whose words are kept: a few kilobytes each."""
LINES_MAX = 400
"""Events, and effects, of a turn that are put into words."""
INFO = 20


class Close(NamedTuple):
    """A connection that ended, and why."""

    conn: Conn
    reason: CloseReason
    text: str


class TurnWords(NamedTuple):
    """What a turn did: its story, its events and effects, the lines that it logged (each with its
    turn, its level and its text), and who ended. `cohorts` are the lines of what cohorts were sent,
    each with its members.
    """

    story: tuple[Sentence, ...] = ()
    events: tuple[Line, ...] = ()
    effects: tuple[Line, ...] = ()
    logged: tuple[list[Any], ...] = ()
    closes: tuple[Close, ...] = ()
    cohorts: tuple[tuple[Line, Any], ...] = ()


BEGIN = TurnWords((Sentence("quiet", None, "Here the recording begins."),))
"""What is said of the first state."""
UNSAID = ("Watch", "LimitUnsent", "ReadSendQueue", "Flush", "SendQueueRead", "CallClose", "FanOut")
"""Kinds of which a dialogue says nothing, or says it otherwise."""


class Words:
    """The words of a recording's turns."""

    def __init__(self, recording: Any) -> None:
        self._recording = recording
        self._kept: dict[int, TurnWords] = {0: BEGIN}

    def at(self, turn: int) -> TurnWords:
        """What a turn did."""
        found = self._kept.pop(turn, None)
        if found is None:
            found = _words_of(turn, self._recording.turns[turn - 1], self._recording.effects(turn))
        self._kept[turn] = found
        if len(self._kept) > KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        return found

    def of(self, turn: int, conn: Conn) -> list[Line]:
        """What was between the server and a connection in a turn."""
        words = self.at(turn)
        lines = [*words.events, *words.effects]
        own = [line for line in lines if line.conn == conn and line.kind not in UNSAID]
        return own + [line for line, members in words.cohorts if conn in members]


def _words_of(place: int, turn: Any, effects: Sequence[Any]) -> TurnWords:
    """The words of a turn."""
    story = story_of(turn.events, effects)
    if turn.gap is not None:
        lost = f"{turn.gap.missed:,} turns are missing before this one."
        text = lost if turn.gap.missed else "The server was replaced here by another value."
        story = (Sentence("warning", None, text), *story)
    lines = [(effect, effect_line(effect)) for effect in effects[:LINES_MAX]]
    logged = [_logged(place, effect) for effect in effects]
    return TurnWords(
        story,
        tuple(event_line(event) for event in turn.events[:LINES_MAX]),
        tuple(line for _, line in lines),
        tuple(line for line in logged if line is not None),
        tuple(
            Close(effect.conn, effect.reason, effect_line(effect).text)
            for effect in effects
            if type(effect).__name__ == "CallClose"
        ),
        tuple(
            (line._replace(text=_to_a_member(effect)), effect.members)
            for effect, line in lines
            if line.kind == "FanOut"
        ),
    )


def _to_a_member(effect: Any) -> str:
    """What a member of a cohort is sent with the others."""
    last, others = effect.end - 1, len(effect.members) - 1
    which = (
        f"message {last:,}" if effect.start == last else f"messages {effect.start:,} to {last:,}"
    )
    size, more = counted(len(effect.data), "byte"), counted(others, "other")
    return f"send {which}, {size}" + (f", as to {more} that keep up" if others else "")


def _logged(turn: int, effect: Any) -> list[Any] | None:
    """The line of an effect that logs."""
    kind = type(effect).__name__
    if kind == "Log":
        return [turn, effect.level, printable(effect.text[:LINES_MAX])]
    return [turn, INFO, effect_line(effect).text] if kind == "AccessLog" else None


def printable(text: str) -> str:
    """A text in characters that can be printed."""
    if text.isprintable():
        return text
    return "".join([char if char.isprintable() else _picture(char) for char in text])


def _picture(char: str) -> str:
    """What is shown for a character that cannot be printed."""
    return "⏎" if char == "\n" else "\N{REPLACEMENT CHARACTER}"
