"""The turns of a server in memory, kept while it runs: a recording without a file.

Theory: whoever hands the engine its core can look at every call of it. So a server in memory is
recorded by a core that does what the core does, and keeps what it was given and what came of it.

Rules: nothing is changed on its way, and every turn is kept: it is for tests and for simulations,
which end. It does not know files, nor what a turn means.
"""

from collections.abc import Callable, Iterable, Sequence

from ..core.connection.context import Parse
from ..core.effects import Effect
from ..core.events import Event
from ..core.server.state import Server
from ..core.trace.about import About
from ..core.trace.summary import summaries_of
from ..core.trace.turn import Turn
from ..shell.loop.engine import Advance
from ..shell.recording.recording import Recording


def recording_of(
    first: Server, turns: Iterable[tuple[Sequence[Event], Sequence[Effect]]]
) -> Recording:
    """The recording of a server that was given these events in each turn, of which these effects
    came.
    """
    kept = [
        Turn(number, tuple(events), summaries_of(effects))
        for number, (events, effects) in enumerate(turns, 1)
    ]
    return Recording(first, tuple(kept))


class KeptTurns:
    """What is handed to an engine in the place of its core, `advance`; `recording` has all turns.

    `looks` is called behind every turn, with its number: for whoever notes what the core does not
    know.
    """

    def __init__(self, core: Advance) -> None:
        self._core = core
        self._first: Server | None = None
        self._turns: list[Turn] = []
        self.looks: Callable[[int], None] | None = None

    def advance(
        self, server: Server, events: Sequence[Event], parse: Parse
    ) -> tuple[Server, list[Effect]]:
        """What the core makes of these events, which is kept."""
        if self._first is None:
            self._first = server
        kept = tuple(events)
        after, effects = self._core(server, events, parse)
        number = len(self._turns) + 1
        self._turns.append(Turn(number, kept, summaries_of(effects)))
        if self.looks is not None:
            self.looks(number)
        return after, effects

    def recording(self, server: Server, about: About | None = None) -> Recording:
        """All turns so far, of a server that is this one if there were none."""
        first = server if self._first is None else self._first
        return Recording(first, tuple(self._turns), about)
