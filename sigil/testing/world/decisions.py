"""All random decisions of a world, by who makes them and in which tick: so that a world can be run
again with fewer of them.

Theory: a world is a function of its decisions. If these were one long sequence, leaving one out
would give all behind it to somebody else, and the world would be another one. So each one who
decides has a stream of its own for each tick, and a stream that comes to its end decides what is
simplest: that nothing happens, the first of several, the smallest number. A world that is run by a
`Script` with fewer decisions is the same world with less in it.

Rules: all streams are fed by one generator, in the order of the calls, so a seed decides
everything. What is made is kept as plain numbers: one for each call, an index for a choice. It does
not know what is decided.
"""

from collections.abc import Callable, MutableSequence, Sequence
from random import Random
from typing import Any, NamedTuple, TypeAlias, TypeVar

T = TypeVar("T")
Number: TypeAlias = int | float
Place: TypeAlias = tuple[int, str]
"""A tick, and who decides."""

NOTHING = 0.999999
"""What `random()` is where nothing is left: all that happens with some probability does not."""


class Script(NamedTuple):
    """The decisions of a world: what `Decisions` follow in the place of a seed."""

    seed: int
    rule: str
    """The rule that the world breaks."""
    kind: str
    """Which world it is: `plain`, `held-up`, or what its owner calls it."""
    ticks: tuple[int, ...]
    """The ticks that happen, by their numbers."""
    made: dict[Place, tuple[Number, ...]]

    def __str__(self) -> str:
        """The text that `read_script` reads."""
        lines = [f"world {self.kind} {self.seed}", f"rule {self.rule}"]
        lines.append(f"ticks {' '.join(map(str, self.ticks))}".rstrip())
        lines += [
            f"{tick} {who}: {' '.join(map(repr, numbers))}"
            for (tick, who), numbers in self.made.items()
        ]
        return "\n".join(lines) + "\n"


def read_script(text: str) -> Script:
    """The script in a text, of which lines that begin with `#` are for the reader; ValueError if it
    is none.
    """
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    heads = {word: rest for word, _, rest in (line.partition(" ") for line in lines[:3])}
    if list(heads) != ["world", "rule", "ticks"]:
        raise ValueError("a script begins with the lines world, rule and ticks")
    kind, _, seed = heads["world"].partition(" ")
    made: dict[Place, tuple[Number, ...]] = {}
    for line in lines[3:]:
        place, colon, numbers = line.partition(":")
        tick, _, who = place.partition(" ")
        if not colon:
            raise ValueError(f"not the decisions of somebody: {line!r}")
        made[int(tick), who] = tuple(map(_number, numbers.split()))
    return Script(int(seed), heads["rule"], kind, tuple(map(int, heads["ticks"].split())), made)


def _number(text: str) -> Number:
    return float(text) if "." in text or "e" in text else int(text)


class Decisions:
    """Where all decisions of a world come from: a seed, or a script; `made` are those that were
    made.
    """

    def __init__(self, seed: int, script: Script | None = None, is_kept: bool = True) -> None:
        self.source = Random(seed)
        self.script = script
        self.tick = 0
        self.made: dict[Place, list[Number]] = {}
        self._is_kept = is_kept or script is not None

    def of(self, who: str, is_by_tick: bool = True) -> Random:
        """The generator of somebody, whose decisions are kept by tick, or as one stream. It is the
        one of all if none are kept.
        """
        return Draws(self, who, is_by_tick) if self._is_kept else self.source

    def next(self, place: Place, default: Number, draw: Callable[[], Number]) -> Number:
        """The next decision of a stream."""
        made = self.made.get(place)
        if made is None:
            made = self.made[place] = []
        if self.script is None:
            number = draw()
        else:
            left = self.script.made.get(place, ())
            number = left[len(made)] if len(made) < len(left) else default
            # somebody else's, where one decision less was made before
            number = float(number) if isinstance(default, float) else int(number)
        made.append(number)
        return number


class Draws(Random):
    """The generator of one who decides."""

    def __init__(self, decisions: Decisions, who: str, is_by_tick: bool) -> None:
        super().__init__(0)
        self._decisions = decisions
        self._who = who
        self._is_by_tick = is_by_tick

    def _next(self, default: Number, draw: Callable[[], Number]) -> Number:
        decisions = self._decisions
        tick = decisions.tick if self._is_by_tick else 0
        return decisions.next((tick, self._who), default, draw)

    def random(self) -> float:
        """A number from 0 to below 1."""
        return self._next(NOTHING, self._decisions.source.random)

    def randrange(self, start: int, stop: int | None = None, step: int = 1) -> int:
        """A whole number below `start`, or from `start` to below `stop`."""
        assert step == 1, "nobody needs steps"
        first, end = (0, start) if stop is None else (start, stop)
        source = self._decisions.source
        return first + int(self._next(0, lambda: source.randrange(end - first))) % (end - first)

    def randint(self, a: int, b: int) -> int:
        """A whole number from `a` to `b`."""
        return self.randrange(a, b + 1)

    def choice(self, seq: Sequence[T]) -> T:  # type: ignore[override]  # typeshed's own type
        """One of these."""
        return seq[self.randrange(len(seq))]

    def shuffle(self, x: MutableSequence[Any]) -> None:
        """Bring these into another order: none where nothing is left."""
        for last in reversed(range(1, len(x))):
            at = last - self.randrange(last + 1)
            x[last], x[at] = x[at], x[last]

    def seed(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: the world has the seed."""
