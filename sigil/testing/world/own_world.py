"""A world of sigil's own: its program, its clients, and all that these must be sent.

Theory: what breaks a server is seldom one event but the order of many, so orders are drawn at
random, by the thousand, without everything real that would make them slow or different the next
time. After every tick all invariants are checked; a seed that finds a defect always finds it again.

Rules: one seed decides everything, so the same seed gives the same digest in every interpreter. A
world ends in order: every client reads, none sends, then the server stops; and then the sums must
agree. It does not know what must hold (`own_rules`), nor what the defect is: `Violation` names the
rule that was broken.
"""

from functools import partial
from random import Random

from ...core.conn import Peer
from .clients import HttpClient, WebSocketClient
from .decisions import Decisions, Script
from .event_stream_client import EventStreamClient
from .following_client import Follower, FollowingClient
from .limits import draw_limits
from .machine import draw_machine
from .model import Violation
from .network import Behaviour, RecordedWire
from .own_rules import OwnRules, is_following
from .program import Program
from .simulation import Outcome, Simulation
from .trace import Trace
from .traced_server import TracedServer

MAX_LAST_TICKS = 800
"""Ticks in which a world must become idle, and in which it must end."""

LAST_TICKS_FROM = 1_000
"""The numbers of the ticks behind those that may be left out."""

TICK_SECONDS = (0.0, 0.001, 0.01, 0.01, 0.3)
HELD_UP_SECONDS = (*TICK_SECONDS, 0.3, 1.2, 60.0)
"""How much time passes between two ticks; a loop that is held up passes by several timeouts."""


class OwnWorld(Simulation):
    """One world of sigil's own; `run` runs it.

    `skip` names rules that are not checked. With `keeps_lines`, `trace.lines` can be read
    afterwards. With `is_held_up`, timeouts are short, the loop is held up now and then, for longer
    than they are, and the server is stopped at any turn. A `script` decides in the place of the
    seed.
    """

    def __init__(
        self,
        program: int = 0,
        skip: frozenset[str] = frozenset(),
        keeps_lines: bool = False,
        is_held_up: bool = False,
        script: Script | None = None,
    ) -> None:
        self.seed, self.skip, self.is_held_up = program, skip, is_held_up
        self.kind = "held-up" if is_held_up else "plain"
        self.decisions = Decisions(program, script)
        self.rng = rng = self.decisions.of("world")
        self.trace = Trace(keeps_lines)
        self.limits = limits = draw_limits(self.decisions.of("limits"), is_held_up)
        self.machine = machine = draw_machine(self.decisions.of("machine"))
        is_async = rng.random() < 0.2
        self.program = Program(self.decisions.of("program"), limits, is_async, machine)
        self.server = self.program.server = TracedServer(
            self.program.handle,
            limits,
            self.program.callbacks,
            self.decisions.of("kernel"),
            self.trace,
        )
        self.server.network.descriptors = machine.descriptors
        self.rules = OwnRules(self.program, self.server, limits, is_held_up)
        self.clients = self.rules.clients
        self._followers: list[Follower] = []
        self._clients_left = rng.randint(2, 6)
        self._waits_for_idle = rng.random() < 0.7
        count = rng.randint(1 if is_held_up else 8, 30)
        self._ticks = tuple(range(count)) if script is None else script.ticks
        self._next_tick = LAST_TICKS_FROM

    # -- the run -----------------------------------------------------------------------------------

    def _run(self) -> None:
        """All ticks of this world."""
        rng = self.rng
        for number in self._ticks:
            self.decisions.tick = number
            if self._clients_left and rng.random() < 0.5:
                self._connect_client(number)
            self._tick(rng.choice(HELD_UP_SECONDS if self.is_held_up else TICK_SECONDS))
            if rng.random() < 0.5:
                self.program.act()
        if self._waits_for_idle:
            self._become_idle()
            self._check_all()
        self._end(1.0 if self._waits_for_idle else rng.choice((0.0, 0.2, 5.0)))

    def _ticks_made(self) -> tuple[int, ...]:
        """The ticks in which something may happen, by their numbers."""
        return self._ticks

    def again(self, script: Script) -> "OwnWorld":
        """This world anew, by other decisions."""
        return OwnWorld(self.seed, self.skip, self.trace.keeps_lines, self.is_held_up, script)

    def outcome(self) -> Outcome:
        """What has happened so far."""
        expectations = self.program.model.expectations.values()
        streams = [one for one in self.clients if isinstance(one, EventStreamClient)]
        return Outcome(
            self.seed,
            self.trace.digest(),
            len(self.program.model.published),
            sum(expectation.received for expectation in expectations)
            + sum(client.received for client in streams),
            self.server.dropped_count(),
            len(self.clients),
            sum(len(one.answers) for one in self.clients if isinstance(one, HttpClient)),
            self.server.now,
        )

    def _connect_client(self, number: int) -> None:
        """Connect one more client, drawn at random; it is known by the tick in which it came."""
        self._clients_left -= 1
        rng = self.decisions.of(f"client-{number}")
        kind = rng.choice(
            (
                WebSocketClient,
                WebSocketClient,
                WebSocketClient,
                partial(EventStreamClient, self.program.model),
                HttpClient,
                self._following_client,
                self._following_client,
            )
        )
        cuts = rng.choice((0.0, 0.0, 0.3))
        behaviour = rng.choice(
            (
                Behaviour(None, 0.0, cuts),
                Behaviour(None, 0.2, cuts),
                Behaviour(rng.randint(10, 600), 0.1, cuts),
            )
        )
        of_wire = self.decisions.of(f"wire-{number}")
        wire = RecordedWire(Peer("192.0.2.1", 5_000 + number), of_wire, behaviour)
        ticks_until_stalled = rng.choice((1_000, 1_000, rng.randint(3, 15)))
        self.clients.append(kind(wire, rng, rng.choice((5, 50, 500)), ticks_until_stalled))
        self.server.network.connect(wire)

    def _following_client(
        self, wire: RecordedWire, rng: Random, max_read_per_tick: int, ticks_until_stalled: int
    ) -> FollowingClient:
        """A client that goes on where one was whose connection is over, or that is new."""
        self._clients_left += rng.random() < 0.6
        busy = {one.follower for one in self.clients if is_following(one)}
        free = [follower for follower in self._followers if follower not in busy]
        if not free or rng.random() < 0.3:
            names = rng.choice(("r", "q.a", "r.q", "a", "-"))
            free = [Follower(self.program.model, names)]
            self._followers += free
        return FollowingClient(rng.choice(free), wire, rng, max_read_per_tick, ticks_until_stalled)

    def _tick(self, seconds: float) -> None:
        """Tick the clients and the server once, and check all invariants."""
        for client in self.clients:
            client.act()
        self.server.now += seconds
        self.server.step_clock(self.machine.step(self.rng))
        began = self.server.unix_time
        self.server.tick()
        self.trace.add("ticked", self.server.now)
        self.rules.note_tick(began)
        for violation in self.rules.violations():
            self._raise(violation)

    def _next(self, seconds: float) -> None:
        """One tick more, behind those in which something may happen."""
        self.decisions.tick = self._next_tick
        self._next_tick += 1
        self._tick(seconds)

    def _become_idle(self) -> None:
        """Tick until nothing is in progress: no client sends anything new, and all read."""
        self.program.is_silent = self.server.network.is_reliable = True
        self.program.resolve_deferred(len(self.program.deferred))
        self.rules.is_idle = True
        for client in self.clients:
            client.become_reliable()
        for _ in range(MAX_LAST_TICKS):
            self._next(0.01)
            is_sending = any(client.outgoing and not client.is_gone for client in self.clients)
            if not (is_sending or self.server.has_work or self.server.waits):
                return
        self._raise(Violation("idle", "the world does not become idle"))

    def _check_all(self) -> None:
        """Check what must hold whenever nothing is in progress."""
        rules = self.rules
        for violation in (*rules.missing(), *rules.wrongly_closed(), *rules.miscounted()):
            self._raise(violation)

    def _end(self, grace: float) -> None:
        """Stop the server; everything that was opened must be closed, once."""
        self.program.is_silent = True
        self.server.stop(grace)
        for _ in range(MAX_LAST_TICKS):
            if not self.server.running:
                break
            self._next(0.1)
        else:
            self._raise(Violation("ends", "the server does not end"))
        if grace:
            self._check_all()
        program = self.program
        if set(program.opened) != set(program.closed) or len(program.opened) != len(program.closed):
            self._raise(Violation("ends", "not everything that was opened was closed"))
        if not all(expectation.has_ended for expectation in program.model.expectations.values()):
            self._raise(Violation("ends", "not every WebSocket that was opened was closed"))
