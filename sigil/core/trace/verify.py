"""Whether a recording and the core agree: the first effect of a turn that differs, and the field.

Theory: a recording has the events of each turn and a summary of each effect. The core is a function
of the events, so it must order the same again, to the byte, which is told by lengths and checksums.
If it does not, the recording was changed, or it was made by another version, or the core is not the
function that it should be. Whichever it is, what one wants to know is where it begins.

Rules: the first turn that differs, the first effect in it, the first field. A core that raises is a
difference too. It does not know how effects are summarized.
"""

from typing import Final, final

from ..value import Value
from .diff import brief
from .states import States, replay_turn
from .summary import summaries_of, summary_names
from .turn import Summary, Turn

NOTHING: Final = "no effect"


@final
class Difference(Value):
    """Where a recording and its replay differ first: the turn, the effect by its place from 0 on,
    its kind, the field, and what both have there, of bytes a length and a checksum. As a str it is
    a sentence.

    Without a field they are two kinds of effects, or one of them is none; `index` is -1 if the core
    has raised, which is what `replayed` says then.
    """

    __match_args__ = ("turn", "index", "kind", "field", "recorded", "replayed")
    __slots__ = __match_args__

    def __init__(
        self, turn: int, index: int, kind: str, field: str, recorded: object, replayed: object
    ) -> None:
        self.turn: Final = turn
        self.index: Final = index
        self.kind: Final = kind
        self.field: Final = field
        self.recorded: Final = recorded
        self.replayed: Final = replayed

    def __str__(self) -> str:
        if self.index < 0:
            return f"turn {self.turn}: the core raises {self.replayed}"
        where = f"turn {self.turn}, effect {self.index}"
        if not self.field:
            return f"{where}: {self.recorded} was recorded, and it is {self.replayed} now"
        where = f"{where} ({self.kind}): {self.field}"
        old, new = _length(self.recorded), _length(self.replayed)
        if old is None or new is None:
            texts = brief(self.recorded), brief(self.replayed)
            return f"{where} was recorded as {texts[0]}, and is {texts[1]} now"
        if old != new:
            return f"{where} was recorded as {old} bytes, and is {new} bytes now"
        return f"{where} has {new} bytes as it was recorded, but not the same ones"


def _length(value: object) -> int | None:
    """The length in a pair of a length and a checksum, perhaps behind a count; None for another
    value.
    """
    if not isinstance(value, tuple) or len(value) not in (2, 3):
        return None
    length = value[-2]
    return length if isinstance(length, int) else None


def verify(states: States, end: int | None = None, has_checksums: bool = True) -> Difference | None:
    """The first difference between what was recorded of the turns, up to turn `end`, and what the
    core makes of their events; None if there is none. Without checksums only lengths are compared.
    """
    count = len(states.turns) if end is None else end
    state = states.first
    for index in range(count):
        turn = states.turns[index]
        try:
            step = replay_turn(state, turn, states.parse)
        except Exception as error:
            raised = f"{type(error).__name__}: {error}"
            return Difference(turn.number, -1, NOTHING, "", None, raised)
        found = difference_in(turn, summaries_of(step.effects, has_checksums))
        if found is not None:
            return found
        state = step.after
        states.passed(index + 1, state)
    return None


def difference_in(turn: Turn, replayed: tuple[Summary, ...]) -> Difference | None:
    """The first difference between the effects that were recorded of a turn and these."""
    recorded = turn.effects
    if recorded == replayed:
        return None
    for index in range(max(len(recorded), len(replayed))):
        old = recorded[index] if index < len(recorded) else None
        new = replayed[index] if index < len(replayed) else None
        if old != new:
            return _difference(turn.number, index, old, new)
    return None


def _difference(turn: int, index: int, old: Summary | None, new: Summary | None) -> Difference:
    """The difference between two summaries, of which one may be missing."""
    before, after = _kind(old), _kind(new)
    if old is None or new is None or old[0] != new[0]:
        return Difference(turn, index, before, "", before, after)
    _, names = summary_names(old)
    for place, name in enumerate(names, 1):
        one = old[place] if place < len(old) else None
        other = new[place] if place < len(new) else None
        if one != other:
            return Difference(turn, index, before, name, one, other)
    return Difference(turn, index, before, "fields", len(old) - 1, len(new) - 1)


def _kind(summary: Summary | None) -> str:
    """The name of the kind of an effect."""
    return NOTHING if summary is None else summary_names(summary)[0]
