"""A recording: a lazy sequence of the states of a server, and what can be asked of it.

Theory: what was recorded is a first state and events, so every state in between can be had, in any
order, as often as somebody wants; and whatever one wants to know of a run is a function of those.
This class is where these functions are found by name: what they do stands in `core.trace`.

Rules: `recording[0]` is the first state, `recording[n]` the one after turn n, so its length is one
more than it has turns. Nothing of it changes. Whatever cannot be answered is an exception with a
sentence: IndexError for a turn that is not there, the classes below for the rest. It does not know
files: the turns may come from one, one by one.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import overload

from ...core.effects import Effect
from ...core.server.state import Server
from ...core.trace.about import About
from ...core.trace.bisect import first_true
from ...core.trace.diff import MAX_CHANGES, Change, diff
from ...core.trace.states import States
from ...core.trace.turn import Turn
from ...core.trace.verify import Difference, verify
from ..loop.head_cache import cached_parser


class PredicateFailed(RuntimeError):
    """The predicate of a bisection raised, for the state after `turn`: the cause is what it raised,
    with its traceback.
    """

    def __init__(self, message: str, turn: int) -> None:
        super().__init__(message)
        self.turn = turn


class NeverTrue(LookupError):
    """There is no state of which the predicate of a bisection is true."""


class Recording(Sequence[Server]):
    """The states of a server that was recorded: `recording[n]` is the one after turn n."""

    __slots__ = ("_states", "about")

    def __init__(self, first: Server, turns: Sequence[Turn], about: About | None = None) -> None:
        self._states = States(first, turns, cached_parser(first.limits))
        self.about = about or About()
        """How the recording was made."""

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

    # -- a sequence of states ----------------------------------------------------------------------

    def __len__(self) -> int:
        return self._states.count

    @overload
    def __getitem__(self, index: int) -> Server: ...
    @overload
    def __getitem__(self, index: slice) -> list[Server]: ...
    def __getitem__(self, index: int | slice) -> Server | list[Server]:
        if isinstance(index, slice):
            return [self._states.at(number) for number in range(*index.indices(len(self)))]
        return self._states.at(self._number(index))

    def __iter__(self) -> Iterator[Server]:
        yield self.first
        for step in self._states.walk():
            yield step.after

    def _number(self, index: int) -> int:
        """The number of the state of this index, which may count from the end; IndexError if there
        is none.
        """
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
        return self._states.replayed(number).effects

    def diff(self, a: int, b: int, max_changes: int = MAX_CHANGES) -> tuple[Change, ...]:
        """What differs between the states of two numbers, named by field."""
        return diff(self[a], self[b], max_changes)

    def bisect(self, predicate: Callable[[Server], object]) -> int:
        """The number of the first state of which this is true, if it stays true from there on; else
        of one that it becomes true of. 0 means that it is true of the first one.

        At most log2(n) + 1 states are looked at. `NeverTrue` if it is true of none, and
        `PredicateFailed` if it raises.
        """

        def is_true(number: int) -> object:
            state = self._states.at(number)
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
        differs first.
        """
        return verify(self._states, has_checksums=not self.about.redaction)
