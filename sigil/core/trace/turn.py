"""One turn of a recording: a call of the core, with what it was given and what came of it.

Theory: `advance(server, events)` is all that ever happens, so a recording is a first server and the
events of each call. The server after a turn is not kept: it is what the core makes of the one
before. The effects are kept as summaries (`summary`), so that whoever computes them again can name
the first that differs.

Rules: turns are numbered from 1, without a gap in the numbers. Where turns were lost, because a
disk was full or slow, or where the server was replaced by another value, the next turn has a `Gap`:
it goes on from the server in there, not from the one before. It does not know files.
"""

from importlib import import_module
from typing import Final, TypeAlias, final

from ..events import Event
from ..server.state import Server
from ..value import Value

Plain: TypeAlias = "bool | int | float | str | bytes | tuple[Plain, ...] | None"
"""What recordings are made of."""

Summary: TypeAlias = tuple[Plain, ...]
"""An effect in short: its kind, a small number, and its fields; instead of bytes there is their
length and their CRC-32.
"""


@final
class Gap(Value):
    """Turns are missing here: `missed` of them, 0 if the server was only replaced. What follows
    goes on from `state`.
    """

    __match_args__ = ("missed", "state")
    __slots__ = __match_args__

    def __init__(self, missed: int, state: Server) -> None:
        self.missed: Final = missed
        self.state: Final = state


@final
class Turn(Value):
    """The call `number` of the core: its events, and summaries of its effects; with a `gap` it does
    not follow the turn before.
    """

    __match_args__ = ("number", "events", "effects", "gap")
    __slots__ = __match_args__

    def __init__(
        self,
        number: int,
        events: tuple[Event, ...],
        effects: tuple[Summary, ...],
        gap: Gap | None = None,
    ) -> None:
        self.number: Final = number
        self.events: Final = events
        self.effects: Final = effects
        self.gap: Final = gap

    def _repr_html_(self) -> str:
        shown = import_module("sigil.core.trace.shown")  # which knows turns
        return str(shown.turn_html(self))
