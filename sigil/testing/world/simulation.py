"""What all worlds have in common: a server in memory whose every decision follows from one seed, a
trace and a recording of what happened, and a run that ends in an outcome or a violation.

Theory: there are two kinds. `World(17)` is sigil's own program among its own clients, of which
everything that they must be sent is known (`own_world`). `World(app, clients=...)` is somebody's
program among clients that only HTTP and the limits are known of (`users_world`). Both are a number
of steps; what differs is who takes part and which rules can be checked.

Rules: a world is run once. A rule that is broken ends it, unless it is skipped. It does not know
the rules.
"""

from collections.abc import Callable
from typing import NamedTuple

from ...core.limits import Limits
from ...shell.recording.recording import Recording
from ..turns import recording_of
from .decisions import Decisions, Script
from .model import Violation
from .trace import Trace
from .traced_server import TracedServer


class Outcome(NamedTuple):
    """The result of a world: the digest of all that happened, the number of messages published and
    received, of clients dropped for being slow, of connections and of answers.
    """

    seed: int
    digest: str
    published: int
    received: int
    dropped: int
    connections: int = 0
    answers: int = 0
    seconds: float = 0.0
    """How much time has passed on the clock of the server."""
    statuses: tuple[tuple[int, int], ...] = ()
    """How many answers there were of each status."""
    reasons: tuple[tuple[str, int], ...] = ()
    """How many connections ended for each reason."""
    violation: Violation | None = None
    """The rule that was broken, if one was."""


class Simulation:
    """A world, of either kind.

    `run` runs it to its end, and raises a `Violation` for the first rule that is broken. `skip`
    names rules that are not checked. With `keeps_lines`, `trace.lines` can be read afterwards.

    """

    seed: int
    limits: Limits
    decisions: Decisions
    trace: Trace
    server: TracedServer
    violation: Violation | None = None
    """The rule that was broken, once it has run."""
    kind = "plain"
    """Which world it is, in the script of its decisions."""

    def run(self) -> Outcome:
        """Run the world to its end; `Violation` for the first rule that is broken."""
        try:
            self._run()
        except Violation as violation:
            self.violation = violation
            violation.args = (f"{violation.args[0]} (seed {self.seed})",)
            raise
        finally:
            self.server.shut_down()
        return self.outcome()

    def outcome(self) -> Outcome:
        """What has happened so far, also after a rule was broken."""
        raise NotImplementedError

    def recording(self) -> Recording:
        """What has happened, as states that can be looked at, compared and searched; RuntimeError
        if nothing was kept.
        """
        server = self.server
        if server.turns is None:
            raise RuntimeError("this world is not recorded: make it with is_recorded=True")
        return recording_of(server.first, server.turns)

    def again(self, script: Script) -> "Simulation":
        """This world anew, by other decisions."""
        raise NotImplementedError

    def script(self, rule: str = "") -> Script:
        """The decisions that were made so far."""
        made = {place: tuple(numbers) for place, numbers in self.decisions.made.items() if numbers}
        return Script(self.seed, rule, self.kind, self._ticks_made(), made)

    def _run(self) -> None:
        """All that happens."""
        raise NotImplementedError

    def _ticks_made(self) -> tuple[int, ...]:
        """The ticks that happened and may be left out, by their numbers."""
        return ()

    def _raise(self, violation: Violation) -> None:
        """Raise a violation, unless its rule is skipped."""
        if violation.check not in self.skip:
            raise violation

    skip: frozenset[str] = frozenset()


Check = Callable[[TracedServer], object]
"""A rule of somebody's own: what it returns that is true is what was wrong; it may raise, too."""
