"""Whether a recording and the core agree: the first effect of a turn that differs, and the field.

Theory: a recording has the events of each turn and a summary of each effect. The core is a function
of the events, so it must order the same again, to the byte, which is told by lengths and checksums.
If it does not, the recording was changed, or it was made by another version, or the core is not the
function that it should be. Whichever it is, what one wants to know is where it begins.

Rules: the first turn that differs, the first effect in it, the first field. A core that raises is a
difference too. Where something was redacted there are no checksums, and what is compressed has
another length: that is no difference, nor is what may come of it. It does not know how effects are
summarized, but where the length of what is sent stands.
"""

from collections.abc import Collection
from typing import Final, final

from ..broadcast.encoding import Encoding
from ..effects import Effect, FanOut, Send
from ..server.slots import find_client
from ..value import Value
from .diff import brief
from .redaction import MESSAGES
from .states import Replayed, ReplayFailed, States, replay_turn
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


@final
class Compared(Value):
    """What a recording and its replay were compared by, and where they differ first, None if they
    do not: so many `turns`, by bytes, or by lengths where something was redacted. As a str it is a
    sentence.

    What was compressed is shorter when it was redacted: `recoded` is the first turn that has such
    lengths, 0 if there is none. From there on the server may do something else, because it has
    sent less; if so, no more is compared, and `is_whole` is false.
    """

    __match_args__ = ("difference", "turns", "has_checksums", "recoded", "is_whole")
    __slots__ = __match_args__

    def __init__(
        self,
        difference: Difference | None,
        turns: int,
        has_checksums: bool,
        recoded: int = 0,
        is_whole: bool = True,
    ) -> None:
        self.difference: Final = difference
        self.turns: Final = turns
        self.has_checksums: Final = has_checksums
        self.recoded: Final = recoded
        self.is_whole: Final = is_whole

    def __str__(self) -> str:
        if self.difference is not None:
            return f"it differs from its replay:\n  {self.difference}"
        if self.has_checksums:
            return "it was replayed: the same effects, to the byte"
        text = "it was replayed: it is redacted, so effects were compared by kind, field and length"
        if self.recoded:
            text += f", but from turn {self.recoded} on not how long messages are that were encoded"
        if self.is_whole:
            return f"{text}; they are the same"
        return (
            f"{text}; they are the same up to turn {self.turns}, behind which the replay goes "
            "another way, because what it has sent is not as long"
        )


def compare(states: States, redaction: Collection[str] = ()) -> Compared:
    """The comparison of what was recorded of the turns, without what is in `redaction`, with what
    the core makes of their events: it ends at the first difference.
    """
    state, recoded, has_checksums = states.first, 0, not redaction
    has_recoded = MESSAGES in redaction
    for index in range(len(states.turns)):
        turn = states.turns[index]
        try:
            step = replay_turn(state, turn, states.parse)
        except ReplayFailed as error:
            raised = f"{type(error.__cause__).__name__}: {error.__cause__}"
            found: Difference | None = Difference(turn.number, -1, NOTHING, "", None, raised)
        else:
            replayed = summaries_of(step.effects, has_checksums)
            found = difference_in(turn, replayed)
            if found is not None and has_recoded and _is_recoded(step, replayed):
                recoded, found = recoded or turn.number, None
            state = step.after
        if found is not None:
            if recoded:
                return Compared(None, index, has_checksums, recoded, is_whole=False)
            return Compared(found, index, has_checksums)
        states.passed(index + 1, state)
    return Compared(None, len(states.turns), has_checksums, recoded)


def _is_recoded(step: Replayed, replayed: tuple[Summary, ...]) -> bool:
    """True if effects differ from those that were recorded only in how long messages are that are
    not sent as plain frames: compressed, or as lines of a text.
    """
    recorded = step.turn.effects
    if len(recorded) != len(replayed):
        return False
    for effect, old, new in zip(step.effects, recorded, replayed, strict=True):
        if old != new and not (
            old[:3] == new[:3] and old[4:] == new[4:] and _is_encoded(step, effect)
        ):
            return False
    return True


def _is_encoded(step: Replayed, effect: Effect) -> bool:
    """True if this effect sends messages that are more than plain frames; the length of what is
    sent stands at place 3 of its summary.
    """
    if type(effect) is FanOut:
        return effect.subscription.encoding is not Encoding.PLAIN
    if type(effect) is not Send:
        return False
    for server in (step.before, step.after):
        client = find_client(server.slots, effect.conn)
        if client is not None and client.subscriber is not None:
            return client.subscriber.subscription.encoding is not Encoding.PLAIN
    return False


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
