"""A world of somebody's own program: it among clients that come, ask, and go, or do none of that.

    World(app, clients=50, seed=7).run()

Theory: what a program must answer only its owner knows; what HTTP, the limits and time ask of every
server is known of all (`users_rules`). So here are the same server, kernel and clock as in a world
of sigil's own, with clients that ask for what they are told to (`visitors`), and all that goes
wrong on a network and a machine (`faults`).

Rules: time goes from one thing that happens to the next, so that an hour costs what happens in it.
Each client decides by itself, so that it can be left out. A world ends when all clients are gone,
then the server stops. It does not know what the program answers; `check` does.
"""

from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import Any

from ...core.http.request import Request
from ...core.limits import Limits
from ...core.server.state import ServerState
from ...shell.callbacks import Callbacks
from ...shell.program.handlers import Handler
from ..failures import standing_for
from .checks import CHECKS
from .decisions import Decisions, Script
from .faults import ALL_FAULTS, CLOCK_STEPS, Faults, to_faults
from .memory import check_memory, check_skipping, check_sums
from .model import Violation
from .simulation import Check, Outcome, Simulation
from .trace import Trace
from .traced_server import TracedServer
from .users_arguments import check_parts, check_seconds, check_whole, to_groups, to_names
from .users_rules import UsersRules
from .visiting_streams import VISITORS, WebSocketVisitor
from .visitors import Visitor, Visitors, draw_manner

TICK_SECONDS = 0.01
"""Between two ticks, if something is to be done."""
HELD_UP_SECONDS = (0.5, 3.0, 60.0)
BLOCKED_SECONDS = (0.02, 0.7, 3.0)
WAVE_PART = 0.1
"""The part of the time between two waves in which one comes."""
NEVER = 0.9999
"""A client whose first decision is above this never comes."""
_WAKE, _WATCH = 0, 1


class UsersWorld(Simulation):
    """A world of your own program; `run` runs it, and raises a `Violation` for the first rule that
    is broken, also by what `app` raises.

    `clients` are as many, or `Visitors`, which say of which kind they are and what they ask for;
    they come within `seconds`, at any time or in so many `waves`. `faults` are a `Faults`, or the
    names of some. `callbacks` and `limits` are those of the server. `between(server)` is called
    before each tick, as the loop of your program would. `check(server)` is called behind each: what
    it returns that is true was wrong. `skip` names rules that are not checked, and rules that look
    at all of the server are
    checked every `check_every` ticks. Without `is_recorded` there is no recording, nor can it be
    made shorter, and it takes less time and memory.
    """

    kind = "users"

    def __init__(
        self,
        app: Handler,
        *,
        clients: int | Visitors | Sequence[Visitors] = 20,
        faults: Faults | str | Iterable[str] = ALL_FAULTS,
        seed: int = 0,
        callbacks: Callbacks | None = None,
        limits: Limits | None = None,
        seconds: float = 30.0,
        between: Callable[[TracedServer], object] | None = None,
        check: Check | None = None,
        skip: str | Iterable[str] = (),
        check_every: int = 1,
        is_recorded: bool = True,
        tick_seconds: float = TICK_SECONDS,
        waves: int = 0,
        script: Script | None = None,
    ) -> None:
        self._arguments = {name: value for name, value in locals().items() if name in _ARGUMENTS}
        check_whole("seed", seed, -(2**63))
        check_whole("waves", waves, 0)
        check_whole("check_every", check_every, 1)
        check_seconds("seconds", seconds, True)
        check_seconds("tick_seconds", tick_seconds, False)
        check_parts(limits, callbacks, between, check)
        self.seed, self.skip = seed, frozenset(to_names(skip))
        self.seconds, self.waves = seconds, waves
        self.faults = to_faults(faults)
        self.limits = limits or Limits()
        self.groups = to_groups(clients)
        self._arguments |= {"faults": self.faults, "clients": self.groups, "skip": self.skip}
        self.decisions = Decisions(seed, script, is_recorded)
        self.trace = Trace(is_brief=not is_recorded)
        self.rules = UsersRules(self.limits)
        self.rng = self.decisions.of("world")
        self._of_program = self.decisions.of("program")
        self.server = TracedServer(
            self._blocking(app),
            self.limits,
            callbacks or Callbacks(),
            self.decisions.of("kernel"),
            self.trace,
            is_recorded,
            self.rules.note_turn,
        )
        network = self.server.network
        network.hidden_rate, network.exhausted_rate = self.faults.late, self.faults.descriptors
        network.is_reliable = self.faults == self.faults._replace(late=0.0, descriptors=0.0)
        self._between, self._check, self._check_every = between, check, check_every
        self._tick_seconds = tick_seconds
        self._notified: dict[Visitor, None] = {}
        self._alive: dict[Visitor, None] = {}
        self._heap: list[tuple[float, int, int, Visitor]] = []
        self._serial = count()
        self._arrivals = self._draw_arrivals()
        self._stops_at = self._draw_stop()
        self.connections = self.answered = self.received = 0
        self.statuses: dict[int, int] = {}

    def _draw_arrivals(self) -> list[tuple[float, int, Visitors]]:
        """When each client comes, the last first."""
        every = [group for group in self.groups for _ in range(group.number)]
        arrivals = []
        for number, group in enumerate(every):
            at = self.decisions.of(f"visitor-{number}-comes", False).random()
            if at < NEVER:
                arrivals.append((self._arrival(at), number, group))
        arrivals.sort(key=lambda arrival: arrival[:2], reverse=True)
        return arrivals

    def _arrival(self, at: float) -> float:
        """When somebody comes, from 0 to 1 of the time: at any time, or in one of the waves."""
        if not self.waves:
            return at * self.seconds
        wave, part = divmod(at * self.waves, 1.0)
        return (wave + part * WAVE_PART) * self.seconds / self.waves

    def _draw_stop(self) -> float:
        """When the server is stopped, if that is before all have gone."""
        if self.rng.random() < self.faults.stop:
            return self.rng.random() * self.seconds
        return float("inf")

    def _blocking(self, app: Handler) -> Handler:
        """A handler that blocks now and then, while time goes on."""
        chance, rng = self.faults.blocking, self._of_program
        if not chance:
            return app

        def call(request: Request) -> Any:
            if rng.random() < chance:
                self._hold_up(rng.choice(BLOCKED_SECONDS))
            return app(request)

        return standing_for(app, call)

    # -- the run -----------------------------------------------------------------------------------

    def _run(self) -> None:
        """All that happens: until all clients have gone, or the server is stopped."""
        while (self._arrivals or self._alive) and self.server.now < self._stops_at:
            self._step(self._next_time())
        self._end()

    def _next_time(self) -> float:
        """When something happens next."""
        times = [self._stops_at]
        if self._arrivals:
            times.append(self._arrivals[-1][0])
        if self._heap:
            times.append(self._heap[0][0])
        deadline = self.server.next_deadline()
        if deadline is not None:
            times.append(deadline)
        return max(self.server.now + self._tick_seconds, min(times))

    def _step(self, now: float) -> None:
        """One tick: the time passes, clients act, the server does, clients listen."""
        self.decisions.tick += 1
        server, faults, rng = self.server, self.faults, self.rng
        server.now = now
        if faults.held_up and rng.random() < faults.held_up:
            self._hold_up(rng.choice(HELD_UP_SECONDS))
        if faults.clock and rng.random() < faults.clock:
            server.step_clock(rng.choice(CLOCK_STEPS))
        self._connect_due(server.now)
        self._wake(server.now)
        if self._between is not None and server.listening:
            self._between(server)
        server.tick()
        self.rules.end_tick()
        self._listen(server.now)
        self._check_tick()

    def _hold_up(self, seconds: float) -> None:
        """Let time pass in which nobody is served."""
        self.server.now += seconds
        self.rules.note_held_up(self.server.now, seconds)

    def _connect_due(self, now: float) -> None:
        """Connect those who come by now."""
        arrivals = self._arrivals
        while arrivals and arrivals[-1][0] <= now:
            at, number, group = arrivals.pop()
            rng = self.decisions.of(f"visitor-{number}", False)
            manner = draw_manner(rng, self.faults)
            visitor = VISITORS[group.kind](number, rng, group, manner, self._notified, at)
            self._alive[visitor] = None
            self.connections += 1
            self.server.network.connect(visitor.wire)
            self._push(at, _WAKE, visitor)
            self._push(at + self.rules.watch_seconds, _WATCH, visitor)

    def _push(self, at: float, what: int, visitor: Visitor) -> None:
        """Have a client act, or be looked at, at a time."""
        heappush(self._heap, (at, next(self._serial), what, visitor))

    def _wake(self, now: float) -> None:
        """Have all act whose time has come, and look at those who are due to be."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            at, _, what, visitor = heappop(heap)
            if visitor not in self._alive:
                continue
            if what is _WAKE:
                again = visitor.wake(at)
                if again is not None:
                    self._push(max(again, at + 0.001), _WAKE, visitor)
                continue
            for violation in self.rules.overdue(visitor, now):
                self._raise(violation)
            self._push(now + self.rules.watch_seconds, _WATCH, visitor)

    def _listen(self, now: float) -> None:
        """Have all listen for whom something has come, and note who is gone."""
        notified = list(self._notified)
        self._notified.clear()
        for visitor in notified:
            try:
                again = visitor.listen(now)
            except Violation as violation:
                self._raise(violation)
                again = None
            wire = visitor.wire
            if wire.is_closed:
                if wire.conn is not None and wire.reason is None:
                    self._notified[visitor] = None  # its end is told in a later tick
                else:
                    self._note_end(visitor)
            elif again is not None:
                self._push(again, _WAKE, visitor)

    def _note_end(self, visitor: Visitor) -> None:
        """Note that a connection is over, and why."""
        if self._alive.pop(visitor, visitor) is visitor:
            return
        self.answered += visitor.answered
        for status in visitor.statuses:
            self.statuses[status] = self.statuses.get(status, 0) + 1
        if isinstance(visitor, WebSocketVisitor):
            self.received += visitor.received
        for violation in self.rules.kept(visitor):
            self._raise(violation)

    def _end(self) -> None:
        """Stop the server; everything that was opened must be closed, once, and in time."""
        limits, server = self.limits, self.server
        grace = self.rng.choice((5.0, 0.0, 0.5))
        waits = limits.ws_close_timeout + limits.linger_timeout + limits.stall_timeout
        server.stop(grace)
        began, bound = server.now, grace + waits + limits.shutdown_timeout + 15.0
        while server.running:
            self._step(server.now + 0.1)
            if self.rules.since(began, server.now) > bound:
                self._raise(Violation("ends", f"the server does not end in {bound:.0f} s"))
                break
        if self.rules.open:
            left = sorted(self.rules.open)[:3]
            self._raise(Violation("ends", f"{left} were opened and not closed"))

    # -- what is checked ---------------------------------------------------------------------------

    def _check_tick(self) -> None:
        """Check what must hold behind a tick."""
        server, rules = self.server, self.rules
        for violation in rules.failures(server):
            self._raise(violation)
        server.errors.clear()
        if not server.running:
            return
        state = server.state
        if self.decisions.tick % self._check_every == 0:
            for check in CHECKS_OF_ALL:
                for violation in check(state):
                    self._raise(violation)
            for violation in check_memory(state, rules.response_len, rules.tick_len):
                self._raise(violation)
            for violation in check_skipping(state, rules.longest):
                self._raise(violation)
        else:
            for violation in check_sums(state, rules.response_len):
                self._raise(violation)
        if self._check is not None and state.running is ServerState.SERVING:
            self._check_own(self._check)

    def _check_own(self, check: Check) -> None:
        """Check what the owner of the program asks for."""
        try:
            wrong = check(self.server)
        except AssertionError as error:
            wrong = error or "an assertion failed"
        if wrong:
            self._raise(Violation("check", str(wrong)))

    # -- what came of it ---------------------------------------------------------------------------

    def outcome(self) -> Outcome:
        """What has happened so far."""
        reasons = sorted((reason.name, number) for reason, number in self.rules.reasons.items())
        return Outcome(
            self.seed,
            self.trace.digest(),
            self.server.state.broadcast.next_number,
            self.received,
            self.server.dropped_count(),
            self.connections,
            self.answered,
            self.server.now,
            tuple(sorted(self.statuses.items())),
            tuple(reasons),
            self.violation,
        )

    def again(self, script: Script) -> "UsersWorld":
        """This world anew, by other decisions, with the same program: what that has kept it still
        has.
        """
        return UsersWorld(**{**self._arguments, "script": script})


_ARGUMENTS = frozenset(UsersWorld.__init__.__annotations__) - {"return"}
CHECKS_OF_ALL = tuple(check for check in CHECKS if check.__name__ != "check_budgets")
"""The checks of the core's value that hold for every program."""
