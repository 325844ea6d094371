"""A recording: a lazy sequence of the states of a server, and what can be asked of it.

Theory: what was recorded is a first state and events, so every state in between can be had, in any
order, as often as somebody wants; and whatever one wants to know of a run is a function of those.
This class is where these functions are found by name: what they do stands in `core.trace`.

Rules: `recording[0]` is the first state, `recording[n]` the one after turn n, so its length is one
more than it has turns. Nothing of it changes. Whatever cannot be answered is an exception with a
sentence: IndexError for a turn that is not there, `RecordingError` for what does not fit together
or cannot be read, the classes below for the rest. It does not know files: the turns may come from
one, one by one.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from operator import index as as_index
from typing import overload

from ...core.conn import Conn
from ...core.effects import Effect
from ...core.http.validate import check_slow
from ...core.limits import Limits, without_aliases
from ...core.limits_check import check_limits
from ...core.server.state import Server
from ...core.trace.about import About
from ...core.trace.answers import AnswerDifference, Example, examples
from ...core.trace.bisect import first_true
from ...core.trace.closes import Close, closes_in
from ...core.trace.dialogue import MAX_LINES, Dialogue, dialogue_of
from ...core.trace.diff import MAX_CHANGES, Change, diff
from ...core.trace.explain import Explanation, explain_life
from ...core.trace.figures import RecordingStats, recording_stats
from ...core.trace.lives import Life, lives
from ...core.trace.shown import recording_html
from ...core.trace.states import States
from ...core.trace.turn import Turn
from ...core.trace.verify import Compared, Difference, compare
from ...core.trace.what_if import WhatIf, what_if
from ..loop.head_cache import cached_parser
from ..program.handlers import Handler
from .errors import asked_of_recording


class PredicateFailed(RuntimeError):
    """The predicate of a bisection raised, for the state after `turn`: the cause is what it raised,
    with its traceback.
    """

    def __init__(self, message: str, turn: int) -> None:
        super().__init__(message)
        self.turn = turn


class NeverTrue(LookupError):
    """There is no state of which the predicate of a bisection is true."""


class UnknownConn(LookupError):
    """There is no such connection in the recording."""


class Recording(Sequence[Server]):
    """The states of a server that was recorded: `recording[n]` is the one after turn n."""

    __slots__ = ("_lives", "_states", "about")

    def __init__(self, first: Server, turns: Sequence[Turn], about: About | None = None) -> None:
        self._states = States(first, turns, cached_parser(first.limits))
        self.about = about or About()
        """How the recording was made."""
        self._lives: dict[int, Life] | None = None

    @property
    def first(self) -> Server:
        """The state before the first turn."""
        return self._states.first

    @property
    def turns(self) -> Sequence[Turn]:
        """The turns in order, the first of which has number 1: events, and summaries of effects."""
        return self._states.turns

    def __repr__(self) -> str:
        count = len(self.turns)
        return f"<Recording of {count} {'turn' if count == 1 else 'turns'}>"

    def _repr_html_(self) -> str:
        with asked_of_recording():
            return recording_html(self.first, self.turns, self.about)

    # -- a sequence of states ----------------------------------------------------------------------

    def __len__(self) -> int:
        return self._states.count

    @overload
    def __getitem__(self, index: int) -> Server: ...
    @overload
    def __getitem__(self, index: slice) -> list[Server]: ...
    def __getitem__(self, index: int | slice) -> Server | list[Server]:
        if isinstance(index, slice):
            return [self._at(number) for number in range(*index.indices(len(self)))]
        return self._at(self._number(index))

    def __iter__(self) -> Iterator[Server]:
        yield self.first
        steps = self._states.walk()
        while True:
            with asked_of_recording():
                step = next(steps, None)
            if step is None:
                return
            yield step.after

    def _at(self, number: int) -> Server:
        """The state of this number."""
        with asked_of_recording():
            return self._states.at(number)

    def _number(self, index: int) -> int:
        """The number of the state of this index, which may count from the end; IndexError if there
        is none.
        """
        index = as_index(index)
        number = index + len(self) if index < 0 else index
        if not 0 <= number < len(self):
            count = len(self.turns)
            raise IndexError(f"there is no turn {index}: the recording has {count}, from 1 on")
        return number

    # -- what was ordered, and what changed --------------------------------------------------------

    def effects(self, turn: int) -> tuple[Effect, ...]:
        """The effects of a turn, from 1 on, computed again: whole, not only their summaries."""
        number = self._number(turn)
        if number == 0:
            raise IndexError("state 0 is before the first turn, which is turn 1")
        with asked_of_recording():
            return self._states.replayed(number).effects

    def diff(self, a: int, b: int, max_changes: int = MAX_CHANGES) -> tuple[Change, ...]:
        """What differs between the states of two numbers, named by field."""
        before, after = self[a], self[b]
        with asked_of_recording():
            return diff(before, after, max_changes)

    def bisect(self, predicate: Callable[[Server], object]) -> int:
        """The number of the first state of which this is true, if it stays true from there on; else
        of one that it becomes true of. 0 means that it is true of the first one.

        At most log2(n) + 1 states are looked at. `NeverTrue` if it is true of none, and
        `PredicateFailed` if it raises.
        """

        if not callable(predicate):
            raise TypeError(f"a predicate is a function of a state, not {type(predicate).__name__}")

        def is_true(number: int) -> object:
            state = self._at(number)
            try:
                return bool(predicate(state))
            except Exception as error:
                text = (
                    f"the predicate raised {type(error).__name__} for the state after turn {number}"
                )
                raise PredicateFailed(f"{text}: {error}", number) from error

        found = first_true(len(self), is_true)
        if found is None:
            raise NeverTrue(f"the predicate is true of no state of {len(self)}")
        return found

    def verify(self) -> Difference | None:
        """None if the core makes of the events what was recorded, to the byte; else where it
        differs first. What was redacted is compared by length, as far as `compare` says.
        """
        return self.compare().difference

    def compare(self) -> Compared:
        """What was compared with what the core makes of the events, and where they differ first: as
        a str a sentence.
        """
        with asked_of_recording():
            return compare(self._states, self.about.redaction)

    # -- what would be otherwise -------------------------------------------------------------------

    def what_if(self, limits: Limits | None = None, slow: str | None = None) -> WhatIf:
        """Who would have been ended, and who not, if the same had happened to a server with these
        limits, or with this policy for every slow reader, "drop" or "skip".

        ValueError for limits that make no sense, or another policy.
        """
        if not isinstance(limits, Limits | None):
            raise TypeError(f"limits are a Limits, not {type(limits).__name__}")
        given = self.first.limits if limits is None else without_aliases(limits)
        problem = check_limits(given) or (None if slow is None else check_slow(slow))
        if problem is not None:
            raise ValueError(problem)
        with asked_of_recording():
            return what_if(self._states, given, slow, cached_parser(given))

    def against(
        self, app: Handler, *, ignoring: Collection[str] = (), timeout: float = 30.0
    ) -> tuple[AnswerDifference, ...]:
        """The requests that another handler answers in another way than was recorded, in order:
        whose status, headers (but those in `ignoring`) or body differs, or which it fails at. One
        that takes longer than `timeout` seconds has not answered.

        What the handler does besides it does again, to whatever it does it.
        """
        from .handling import differences  # which needs asyncio

        if not callable(app):
            raise TypeError(f"a handler is a function of a request, not {type(app).__name__}")
        has_bodies = "body" not in self.about.redaction
        asked, limits = self._examples(), self.first.limits
        return tuple(differences(app, asked, limits, ignoring, has_bodies, timeout))

    def _examples(self) -> Iterator[Example]:
        """The requests that were answered, one by one."""
        found = examples(self._states)
        while True:
            with asked_of_recording():
                example = next(found, None)
            if example is None:
                return
            yield example

    # -- connections -------------------------------------------------------------------------------

    @property
    def conns(self) -> tuple[Conn, ...]:
        """All connections that were open at some time, in the order in which they came."""
        return tuple([life.conn for life in self._all_lives().values()])

    def closes(self) -> tuple[Close, ...]:
        """The ends of connections, in order: who, when, why."""
        with asked_of_recording():
            return closes_in(self._states)

    def dialogue(self, conn: Conn | int, max_lines: int = MAX_LINES) -> Dialogue:
        """What a person can read of a connection, or of the one of this generation; `UnknownConn`
        for one that is not there.
        """
        life = self._life(conn)
        with asked_of_recording():
            return dialogue_of(self._states, life, max_lines)

    def explain(self, conn: Conn | int | Close) -> Explanation:
        """The chain of facts that led to an end: that of a connection, or of the one of this
        generation; `UnknownConn` for one that is not there.
        """
        life = self._life(conn.conn if isinstance(conn, Close) else conn)
        with asked_of_recording():
            return explain_life(self._states, life)

    def stats(self) -> RecordingStats:
        """The figures of the recording."""
        with asked_of_recording():
            return recording_stats(self._states)

    def _all_lives(self) -> dict[int, Life]:
        """The lives of all connections, by generation."""
        if self._lives is None:
            with asked_of_recording():
                self._lives = lives(self._states)
        return self._lives

    def _life(self, conn: Conn | int) -> Life:
        """The life of a connection."""
        if not isinstance(conn, Conn | int):
            raise TypeError(f"a connection is named by a Conn or a number, not {conn!r}")
        found = self._all_lives()
        generation = conn if isinstance(conn, int) else conn.generation
        life = found.get(generation)
        if life is None or (isinstance(conn, Conn) and life.conn != conn):
            known = _names(sorted(found))
            raise UnknownConn(f"there is no connection {generation}: the recording has {known}")
        return life


def _names(numbers: Sequence[int]) -> str:
    """The numbers of connections, in short."""
    if not numbers:
        return "none"
    return f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else f"only {numbers[0]}"
