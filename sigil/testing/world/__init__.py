"""A world: the product's own core and engine among clients, a network and a program that all follow
from one seed.

    from sigil.testing import World

    World(17).run()

Theory: what breaks a server is seldom one event but the order of many, so orders are drawn at
random, by the thousand, without everything real that would make them slow or different the next
time. After every tick all invariants are checked; a seed that finds a defect always finds it again.

Rules: one `random.Random(seed)` decides everything, so the same seed gives the same digest in every
interpreter. A world ends in order: every client reads, none sends, then the server stops; and then
the sums must agree. It does not know what the defect is: `Violation` names the rule that was
broken.
"""

import re
from collections.abc import Iterator
from functools import partial
from random import Random
from typing import NamedTuple, TypeGuard

from ...core.close_reasons import CloseReason
from ...core.conn import Peer
from ...core.connection.websocket_send import buffered_amount
from ...core.server.slots import find_client
from .checks import CHECKS
from .clients import HttpClient, SimulatedClient, WebSocketClient
from .event_stream_client import EventStreamClient
from .following_client import Follower, FollowingClient
from .limits import LONG_SECONDS, draw_limits
from .model import Expectation, Violation
from .network import Behaviour, UnreliableWire
from .program import PROGRAM_CLOSE_CODE, Program
from .trace import Trace
from .traced_server import TracedServer

__all__ = ["Outcome", "Violation", "World"]

MAX_LAST_TICKS = 800
"""Ticks in which a world must become idle, and in which it must end."""


TICK_SECONDS = (0.0, 0.001, 0.01, 0.01, 0.3)
HELD_UP_SECONDS = (*TICK_SECONDS, 0.3, 1.2, 60.0)
"""How much time passes between two ticks; a loop that is held up passes by several timeouts."""

ORDERLY_CODES = (PROGRAM_CLOSE_CODE, 1001)
"""The codes of a close frame that is sent after all other messages."""

_NEEDED = re.compile("it needed message ([0-9]+),")
ORDERLY_REASONS = frozenset(
    (
        CloseReason.OK,
        CloseReason.SHUTDOWN,
        CloseReason.PEER_CLOSED,
        CloseReason.WS_PEER_CLOSED,
        CloseReason.EVICTED,
    )
)
"""Why a client that broke no rule and read everything may be closed."""


class Outcome(NamedTuple):
    """The result of a world: the digest of all that happened, and the number of messages published
    and received and of clients dropped.
    """

    seed: int
    digest: str
    published: int
    received: int
    dropped: int


class World:
    """One world; `run` runs it.

    `skip` names rules that are not checked. With `keeps_lines`, `trace.lines` can be read
    afterwards. With `is_held_up`, timeouts are short, the loop is held up now and then, for longer
    than they are, and the server is stopped at any turn.
    """

    def __init__(
        self,
        seed: int,
        skip: frozenset[str] = frozenset(),
        keeps_lines: bool = False,
        is_held_up: bool = False,
    ) -> None:
        self.seed = seed
        self.rng = rng = Random(seed)
        self.skip = skip
        self.trace = Trace(keeps_lines)
        self.is_held_up = is_held_up
        self.limits = limits = draw_limits(rng, is_held_up)
        self.program = Program(rng, limits, is_async=rng.random() < 0.2)
        self.server = self.program.server = TracedServer(
            self.program.handle, limits, self.program.callbacks, rng, self.trace
        )
        self.clients: list[SimulatedClient] = []
        self._followers: list[Follower] = []
        self._clients_left = rng.randint(2, 6)
        self._ticks = rng.randint(1 if is_held_up else 8, 30)
        self._is_idle = False
        self._waits_for_idle = rng.random() < 0.7
        self._overrun: set[Peer] = set()
        """Clients that were closed by the time when more was published in a few ticks than is held.
        """

    # -- the run -----------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Run the world to its end; `Violation` for the first rule that is broken."""
        try:
            self._run_ticks()
        finally:
            self.server.shut_down()
        expectations = self.program.model.expectations.values()
        return Outcome(
            self.seed,
            self.trace.digest(),
            len(self.program.model.published),
            sum(expectation.received for expectation in expectations)
            + sum(
                client.received for client in self.clients if isinstance(client, EventStreamClient)
            ),
            self.server.dropped_count(),
        )

    def _run_ticks(self) -> None:
        """All ticks of this world."""
        for _ in range(self._ticks):
            if self._clients_left and self.rng.random() < 0.5:
                self._connect_client()
            self._tick(self.rng.choice(HELD_UP_SECONDS if self.is_held_up else TICK_SECONDS))
            if self.rng.random() < 0.5:
                self.program.act()
        if self._waits_for_idle:
            self._become_idle()
            self._check_all()
        self._end(1.0 if self._waits_for_idle else self.rng.choice((0.0, 0.2, 5.0)))

    def _connect_client(self) -> None:
        """Connect one more client, drawn at random."""
        self._clients_left -= 1
        rng = self.rng
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
        wire = UnreliableWire(Peer("192.0.2.1", 5_000 + len(self.clients)), rng, behaviour)
        ticks_until_stalled = rng.choice((1_000, 1_000, rng.randint(3, 15)))
        self.clients.append(kind(wire, rng, rng.choice((5, 50, 500)), ticks_until_stalled))
        self.server.network.connect(wire)

    def _following_client(
        self, wire: UnreliableWire, rng: Random, max_read_per_tick: int, ticks_until_stalled: int
    ) -> FollowingClient:
        """A client that goes on where one was whose connection is over, or that is new."""
        self._clients_left += rng.random() < 0.6
        busy = {one.follower for one in self.clients if _is_following(one)}
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
        self.server.tick()
        self.trace.add("ticked", self.server.now)
        if self.program.is_overrunning:
            self._overrun |= {
                client.wire.peer for client in self.clients if client.wire.reason is not None
            }
        self.program.ticks.append((0, 0))
        for violation in self._violations():
            self._raise(violation)

    def _become_idle(self) -> None:
        """Tick until nothing is in progress: no client sends anything new, and all read."""
        self.program.is_silent = self.server.network.is_reliable = True
        self.program.resolve_deferred(len(self.program.deferred))
        self._is_idle = True
        for client in self.clients:
            client.become_reliable()
        for _ in range(MAX_LAST_TICKS):
            self._tick(0.01)
            is_sending = any(client.outgoing and not client.is_gone for client in self.clients)
            if not (is_sending or self.server.has_work or self.server.waits):
                return
        self._raise(Violation("idle", "the world does not become idle"))

    def _check_all(self) -> None:
        """Check what must hold whenever nothing is in progress."""
        for violation in (*self._missing(), *self._wrongly_closed()):
            self._raise(violation)

    def _end(self, grace: float) -> None:
        """Stop the server; everything that was opened must be closed, once."""
        self.program.is_silent = True
        self.server.stop(grace)
        for _ in range(MAX_LAST_TICKS):
            if not self.server.running:
                break
            self._tick(0.1)
        else:
            self._raise(Violation("ends", "the server does not end"))
        if grace:
            self._check_all()
        program = self.program
        if set(program.opened) != set(program.closed) or len(program.opened) != len(program.closed):
            self._raise(Violation("ends", "not everything that was opened was closed"))
        if not all(expectation.has_ended for expectation in program.model.expectations.values()):
            self._raise(Violation("ends", "not every WebSocket that was opened was closed"))

    def _raise(self, violation: Violation) -> None:
        """Raise a violation, unless its rule is skipped."""
        if violation.check not in self.skip:
            raise violation

    # -- the rules ---------------------------------------------------------------------------------

    def _violations(self) -> Iterator[Violation]:
        """The violations after a tick."""
        event_streams = self.server.event_streams()
        self.program.model.tail_number = self.server.state.broadcast.ring.tail_number
        yield from self._retained()
        for client in self.clients:
            try:
                if isinstance(client, WebSocketClient):
                    self._match_expectation(client)
                if client.wire.peer in event_streams and isinstance(client, EventStreamClient):
                    client.join()
                client.read_received()
            except Violation as violation:
                yield violation
        yield from self.program.violations
        if self.server.errors:
            yield Violation("defect", f"the program raised {self.server.errors[0]!r}")
        for line in self.server.log:
            if line.logger == "sigil.error":
                yield Violation("defect", line.text)
        if self.server.running:
            state = self.server.state
            for check in CHECKS:
                yield from check(state)
            for client in self.clients:
                if isinstance(client, WebSocketClient) and client.expectation is not None:
                    yield from self._buffered(client, client.expectation)

    def _retained(self) -> Iterator[Violation]:
        """Check that what is retained is the last of each topic that is to be, or was dropped."""
        model, messages = self.program.model, self.server.state.broadcast.retained.messages
        found = {topic: message.number for topic, message in messages.items()}
        model.retained_numbers = frozenset(found.values())
        expected = dict(sorted(model.retained.items(), key=lambda item: item[1]))
        while len(expected) > self.limits.max_retained_topics:
            del expected[next(iter(expected))]
        if found != expected:
            yield Violation("retained", f"{found} are retained, not {expected}")

    def _match_expectation(self, client: WebSocketClient) -> None:
        """Give a client its expectation once there is one."""
        conn = client.wire.conn
        if client.expectation is None and conn is not None:
            client.expectation = self.program.model.expectations.get(conn)

    def _buffered(self, client: WebSocketClient, expectation: Expectation) -> Iterator[Violation]:
        """Check `buffered_amount`: what a client must receive and the network has not taken."""
        if (
            not (
                expectation.is_open
                and expectation.is_known
                and client.is_upgraded
                and self.server.listening
            )
            or client.is_gone
            or client.faults
            or client.received_control
            or self.limits.ws_ping_interval < LONG_SECONDS
        ):
            return
        conn = expectation.conn
        assert conn is not None
        needed, possible = expectation.expected_len()
        partial_len = client.partial_len()
        reported = buffered_amount(
            find_client(self.server.state.slots, conn), self.server.state.broadcast
        )
        if not needed - partial_len <= reported <= possible - partial_len:
            expected = f"{needed - partial_len} to {possible - partial_len}"
            yield Violation(
                "buffered", f"{conn} has {reported} bytes buffered, it should be {expected}"
            )

    def _missing(self) -> Iterator[Violation]:
        """Check that clients that are open at the end, or closed by the program, were sent
        everything.
        """
        for client in self.clients:
            if isinstance(client, WebSocketClient) and client.expectation is not None:
                expectation = client.expectation
                was_closed = (
                    client.received_close is not None
                    and client.received_close.code in ORDERLY_CODES
                    and not client.faults
                )
                is_open = (
                    expectation.is_open
                    and not client.is_gone
                    and not client.faults
                    and self._is_idle
                )
                remaining, _ = expectation.expected_len()
                if (was_closed or is_open) and remaining:
                    yield Violation(
                        "missing",
                        f"{expectation.conn} was not sent {remaining} bytes, {was_closed=}",
                    )
            is_whole = not client.is_gone or client.wire.reason in (
                CloseReason.OK,
                CloseReason.SHUTDOWN,
            )
            if (
                isinstance(client, EventStreamClient)
                and self._is_idle
                and is_whole
                and not client.faults
                and client.missing()
            ):
                yield Violation(
                    "missing", f"{client.wire.peer} was not sent {client.missing()[:3]}"
                )
            if self._is_idle and isinstance(client, FollowingClient) and client.is_waiting():
                missing = client.follower.missing()
                if missing:
                    yield Violation("missing", f"{client.wire.peer} was not sent {missing[:3]}")
            if (
                self._is_idle
                and isinstance(client, HttpClient)
                and not client.is_gone
                and not client.faults
            ):
                whole = [answer for answer in client.answers if answer.is_whole]
                if len(whole) != len(client.asked):
                    yield Violation(
                        "missing",
                        f"{client.wire.peer} asked {len(client.asked)} times and got "
                        f"{len(whole)} answers",
                    )

    def _wrongly_closed(self) -> Iterator[Violation]:
        """Check that a client was closed for a reason, and that the log has it."""
        notes = [note.text for note in self.server.log]
        for client in self.clients:
            reason, conn = client.wire.reason, client.wire.conn
            if reason is None or conn is None:
                continue
            if self._behaved_well(client) and not self._is_orderly(client, reason):
                yield Violation(
                    "served", f"{conn} read everything and was closed with {reason.name}"
                )
            why = next(
                (note for note in notes if str(client.wire.peer) in note and reason.name in note),
                "",
            )
            if reason is not CloseReason.WS_CLIENT_TOO_SLOW:
                continue
            if _skips(client) and _NEEDED.search(why):
                yield Violation("skips", f"{conn} was dropped, and not moved on: {why!r}")
            if not self._is_reason(why, client):
                yield Violation("explained", f"{conn} was dropped; the log has: {why!r}")

    def _is_orderly(self, client: SimulatedClient, reason: CloseReason) -> bool:
        """True if a client that broke no rule may have been closed for this reason: one that asks
        nothing more is closed when it has all its answers.
        """
        if reason is CloseReason.IDLE_TIMEOUT and isinstance(client, HttpClient):
            return sum(answer.is_whole for answer in client.answers) == len(client.asked)
        return reason in ORDERLY_REASONS

    def _is_reason(self, why: str, client: SimulatedClient) -> bool:
        """True if a line of the log names a message that a client needed."""
        needed = _NEEDED.search(why)
        return needed is not None and (
            not isinstance(client, EventStreamClient) or client.needs(int(needed[1]))
        )

    def _behaved_well(self, client: SimulatedClient) -> bool:
        """True for a client that read everything at once and did nothing that ends a connection; if
        timeouts are short, it has also sent everything at once.
        """
        is_in_time = client.max_sent_per_tick is None or not self.is_held_up
        return (
            isinstance(client, WebSocketClient | EventStreamClient | HttpClient)
            and client.was_reliable
            and is_in_time
            and not client.faults - {"pinged", "closed"}
            and client.wire.peer not in self._overrun
        )


def _is_following(client: SimulatedClient) -> TypeGuard[FollowingClient]:
    """True for a connection of a follower that is not over."""
    return isinstance(client, FollowingClient) and not client.is_gone


def _skips(client: SimulatedClient) -> bool:
    """True for a subscriber that is moved on if it falls off the ring."""
    if isinstance(client, WebSocketClient):
        return client.expectation is not None and client.expectation.skips
    return isinstance(client, EventStreamClient) and client.skips
