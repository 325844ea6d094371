"""A world that breaks a rule is made as short as it can be, and breaks the same one.

Theory: what is needed for a defect is seldom more than a few decisions, and which ones is found by
leaving others out (delta debugging, Zeller and Hildebrandt 2002): first ticks, then whole clients,
then what somebody did in a tick, then single decisions, each in halves, quarters and so on, until
nothing more can be left out. That is sound since a world is the same with less in it
(`decisions`): what is left out leaves the others as they were.

Rules: a shorter script counts if the world still breaks the same rule. The number of runs is
bounded; what was found by then is the result. A world that goes another way when it is run again by
its own decisions cannot be made shorter, and that is said: its program has kept something, or goes
by a clock or by chance. It does not know what decisions are about.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from .decisions import NOTHING, Number, Place, Script
from .model import Violation
from .simulation import Simulation

T = TypeVar("T")

MAX_RUNS = 1_500
"""How often a world is run again, at most: some seconds for a small one."""


class _Again(Protocol):
    """Makes a world by other decisions."""

    def __call__(self, script: Script) -> Simulation: ...


def broken_rule_of(world: Simulation) -> Violation | None:
    """The rule that a world breaks as it is run; what is raised beside is a rule broken, too."""
    try:
        world.run()
    except Violation as violation:
        return violation
    except Exception as error:  # nothing may be raised, so that is broken too
        world.violation = Violation("defect", f"{type(error).__name__}: {error}")
    return world.violation


def shrink(world: Simulation, max_runs: int = MAX_RUNS, again: "_Again | None" = None) -> Script:
    """The shortest script that is found by which this world, which has broken a rule, still does.

    `again(script)` makes the world anew, with its program: for one that keeps something from one
    request to the next. ValueError if the world has broken no rule, or goes another way when it is
    run again.
    """
    if world.violation is None:
        raise ValueError("only a world that has run, and has broken a rule, can be made shorter")
    if again is not None and not callable(again):
        raise TypeError(f"again is a function of a script, not {type(again).__name__}")
    script = world.script(world.violation.check)
    second = (again or world.again)(script)
    violation = broken_rule_of(second)
    is_same = violation is not None and violation.check == script.rule
    # with `again` another digest may be that of a name or a number that the program makes up
    if not is_same or (again is None and second.trace.digest() != world.trace.digest()):
        raise ValueError(
            "the world goes another way when it is run again by the same decisions: its program "
            "keeps something, or goes by a clock or by chance. Give again=..., a function that "
            "makes the world of a script with its program anew: World(make_app(), script=script)"
        )
    return Shrinker(again or world.again, script, max_runs).shortest()


class Shrinker:
    """The shortest script so far, and what is tried to make it shorter."""

    def __init__(self, again: _Again, script: Script, max_runs: int) -> None:
        self._again = again
        self._best = script
        self._runs_left = max_runs

    def shortest(self) -> Script:
        """Try all there is, again and again, until nothing becomes shorter."""
        self._tries(self._best)
        size = None
        while size != _size(self._best) and self._runs_left > 0:
            size = _size(self._best)
            self._leave_out(self._best.ticks, _without_ticks)
            self._leave_out(sorted({who for _, who in self._best.made}), _without_people)
            self._leave_out(tuple(self._best.made), _without_places)
            for place in tuple(self._best.made):
                self._shorten(place)
        return self._best

    def _tries(self, script: Script) -> bool:
        """True if the world breaks the same rule by this script, which is the best one then, as far
        as it was followed.
        """
        if self._runs_left <= 0:
            return False
        self._runs_left -= 1
        world = self._again(script)
        violation = broken_rule_of(world)
        if violation is None or violation.check != self._best.rule:
            return False
        self._best = _tidy(world, script, world.script(script.rule))
        return True

    def _leave_out(
        self, items: Sequence[T], without: Callable[[Script, frozenset[T]], Script]
    ) -> None:
        """Leave out as many of these as can be: half of them, a quarter, and so on."""
        left, length = list(items), len(items)
        while length and self._runs_left > 0:
            at = 0
            while at < len(left):
                part = frozenset(left[at : at + length])
                if self._tries(without(self._best, part)):
                    left = left[:at] + left[at + length :]
                else:
                    at += length
            length //= 2

    def _shorten(self, place: Place) -> None:
        """Leave out the last decisions of a stream, and make the others simpler."""
        count = len(self._best.made.get(place, ()))
        while count and self._runs_left > 0:
            numbers = self._best.made.get(place, ())
            if self._tries(_with(self._best, place, numbers[: len(numbers) - count])):
                continue
            count //= 2
        for index in range(len(self._best.made.get(place, ()))):
            numbers = self._best.made.get(place, ())
            for simpler in _simpler(numbers[index]) if index < len(numbers) else ():
                changed = (*numbers[:index], simpler, *numbers[index + 1 :])
                if self._tries(_with(self._best, place, changed)):
                    break


def _simpler(number: Number) -> tuple[Number, ...]:
    """What may stand in the place of a decision: the simplest first."""
    if isinstance(number, float):
        return tuple(one for one in (NOTHING, round(number, 1)) if one != number and one < 1)
    return tuple(sorted({0, number // 2, number - 1} - {number, -1}))


def _size(script: Script) -> tuple[int, int]:
    """What is to become less: ticks, and decisions."""
    return len(script.ticks), sum(map(len, script.made.values()))


def _tidy(world: Simulation, tried: Script, made: Script) -> Script:
    """The script as far as it was followed: without ticks behind the end, and without what is
    decided so anyway.
    """
    kept = {place: _without_defaults(numbers) for place, numbers in made.made.items()}
    ticks = tuple(tick for tick in tried.ticks if tick <= world.decisions.tick)
    return tried._replace(ticks=ticks, made={place: kept[place] for place in kept if kept[place]})


def _without_defaults(numbers: tuple[Number, ...]) -> tuple[Number, ...]:
    """The decisions of a stream up to the last that would not be made anyway."""
    end = len(numbers)
    while end and numbers[end - 1] == _default(numbers[end - 1]):
        end -= 1
    return numbers[:end]


def _default(number: Number) -> Number:
    """What would be decided in the place of this decision, if it were not there."""
    return NOTHING if isinstance(number, float) else 0


def _with(script: Script, place: Place, numbers: tuple[Number, ...]) -> Script:
    return script._replace(made={**script.made, place: numbers})


def _without_ticks(script: Script, ticks: frozenset[int]) -> Script:
    made = {place: of for place, of in script.made.items() if place[0] not in ticks or not place[0]}
    return script._replace(
        ticks=tuple(tick for tick in script.ticks if tick not in ticks), made=made
    )


def _without_people(script: Script, people: frozenset[str]) -> Script:
    made = {place: numbers for place, numbers in script.made.items() if place[1] not in people}
    return script._replace(made=made)


def _without_places(script: Script, places: frozenset[Place]) -> Script:
    made = {place: numbers for place, numbers in script.made.items() if place not in places}
    return script._replace(made=made)
