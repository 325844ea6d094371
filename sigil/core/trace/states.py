"""The states of a recording: computed when somebody asks, some of them kept.

Theory: the server after a turn is what the core makes of the one before, so a recording of n turns
holds n + 1 servers and needs memory for one. To be had quickly in any order, some are kept: one at
every so many turns, which begins again there, and the last ones that were asked for, with those
before them, so that going back a turn at a time costs no more than going forward.

Rules: state 0 is the first one, state n that after turn n. What is kept is bounded in number: when
there are too many at even distances, every other one is given up. Nobody can tell by a result what
was kept. It does not know where the turns come from: a sequence of them may be a file.
"""

from collections.abc import Iterator, Sequence
from typing import Final, final

from ..connection.context import Parse
from ..effects import Effect
from ..http.head import parse_headers_only
from ..server.fold import advance
from ..server.state import Server
from ..value import Value
from .turn import Turn

INTERVAL: Final = 256
"""A state is kept every so many turns, at first: what lies between is computed in milliseconds."""
MAX_MARKS: Final = 128
"""States that are kept at even distances; beyond this, the distance is doubled."""
MAX_RECENT: Final = 32
"""States that are kept because they were asked for last, or come before one that was."""


class ReplayFailed(ValueError):
    """A turn that cannot be computed again: the core raises, which is the cause. A recording may
    say anything, and what a server never holds the core does not expect.
    """


@final
class Replayed(Value):
    """A turn that was computed again: the server before it and after it, and its effects."""

    __match_args__ = ("turn", "before", "after", "effects")
    __slots__ = __match_args__

    def __init__(
        self, turn: Turn, before: Server, after: Server, effects: tuple[Effect, ...]
    ) -> None:
        self.turn: Final = turn
        self.before: Final = before
        self.after: Final = after
        self.effects: Final = effects


def replay_turn(server: Server, turn: Turn, parse: Parse = parse_headers_only) -> Replayed:
    """A turn computed again, from the server after the one before; behind a gap, from the server
    that was recorded there. `ReplayFailed` if the core raises.
    """
    before = server if turn.gap is None else turn.gap.state
    try:
        after, effects = advance(before, turn.events, parse)
    except Exception as error:
        raised = f"the core raises {type(error).__name__}: {error}"
        raise ReplayFailed(f"turn {turn.number} cannot be replayed: {raised}") from error
    return Replayed(turn, before, after, tuple(effects))


class States:
    """The states of a recording, each computed when it is asked for."""

    __slots__ = ("_interval", "_marks", "_max_marks", "_recent", "first", "parse", "turns")

    def __init__(
        self,
        first: Server,
        turns: Sequence[Turn],
        parse: Parse = parse_headers_only,
        interval: int = INTERVAL,
        max_marks: int = MAX_MARKS,
    ) -> None:
        self.first: Final = first
        self.turns: Final = turns
        self.parse: Final = parse
        self._interval = max(1, interval)
        self._max_marks: Final = max(2, max_marks)
        self._marks: dict[int, Server] = {}
        self._recent: dict[int, Server] = {}

    @property
    def count(self) -> int:
        """How many states there are: one more than turns."""
        return len(self.turns) + 1

    @property
    def kept_count(self) -> int:
        """How many states are kept beside the first one."""
        return len({*self._marks, *self._recent})

    def at(self, number: int) -> Server:
        """The state after the turn of this number, which is between 0 and that of the last turn."""
        state = self._kept(number)
        if state is None:
            start = self._nearest(number)
            state = self._state_at(start)
            for index in range(start, number):
                state = replay_turn(state, self.turns[index], self.parse).after
                self._keep(index + 1, state, number)
        self._remember(number, state)
        return state

    def replayed(self, number: int) -> Replayed:
        """The turn of this number, from 1 on, computed again."""
        return replay_turn(self.at(number - 1), self.turns[number - 1], self.parse)

    def walk(self, start: int = 0, end: int | None = None) -> Iterator[Replayed]:
        """The turns behind state `start`, up to turn `end` or the last one, each computed again."""
        state = self.at(start)
        for index in range(start, len(self.turns) if end is None else end):
            step = replay_turn(state, self.turns[index], self.parse)
            state = step.after
            self._keep(index + 1, state, -1)
            yield step
        self._remember(len(self.turns) if end is None else end, state)

    def passed(self, number: int, state: Server) -> None:
        """Whoever has computed the states himself has come to this one: it may be kept."""
        self._keep(number, state, -1)

    # -- what is kept ------------------------------------------------------------------------------

    def _kept(self, number: int) -> Server | None:
        """The state of this number, if it is kept."""
        if number == 0:
            return self.first
        state = self._marks.get(number)
        return self._recent.get(number) if state is None else state

    def _state_at(self, number: int) -> Server:
        """The state of this number, which is kept."""
        state = self._kept(number)
        assert state is not None
        return state

    def _nearest(self, number: int) -> int:
        """The number of the last state up to this one that is kept."""
        return max([kept for kept in (0, *self._marks, *self._recent) if kept <= number])

    def _keep(self, number: int, state: Server, wanted: int) -> None:
        """Keep a state that was computed on the way to the one that is `wanted`, if it stands at an
        even distance, or shortly before that.
        """
        if number % self._interval == 0:
            self._marks[number] = state
            if len(self._marks) > self._max_marks:
                self._interval *= 2
                odd = [mark for mark in self._marks if mark % self._interval]
                for mark in odd:
                    del self._marks[mark]
        if wanted - MAX_RECENT // 2 < number <= wanted:
            self._remember(number, state)

    def _remember(self, number: int, state: Server) -> None:
        """Keep a state as one of the last ones; the one that was asked for least lately goes."""
        self._recent.pop(number, None)
        self._recent[number] = state
        if len(self._recent) > MAX_RECENT:
            del self._recent[next(iter(self._recent))]
