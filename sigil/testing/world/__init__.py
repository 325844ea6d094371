"""A world: the product's own core and engine among clients, a network and a program that all follow
from one seed.

    from sigil.testing import World

    World(17).run()

Theory: what breaks a server is not an event but the order of many, so orders are drawn at random,
by the thousand, with everything real left out that would make them slow or different the next time.
After every tick all that must hold is looked at; a seed that finds a defect finds it again for
ever.

Rules: one `random.Random(seed)` decides everything, so the same seed gives the same digest in every
interpreter. A world ends in order: everybody reads, nobody speaks, then the server stops; and then
the sums must come out. It does not know what the defect is: `Violation` names the rule that was
broken.
"""

import re
from collections.abc import Iterator
from functools import partial
from random import Random
from typing import NamedTuple

from ...core.close_reasons import CloseReason
from ...core.conn import Peer
from ...core.connection.websocket_send import buffered_amount
from ...core.limits import Limits
from ...core.server.slots import find_client
from .checks import CHECKS
from .guests import Asker, Guest, Listener
from .model import Account, Violation
from .network import Line, Mood
from .play import GOODBYE, Play
from .stage import Stage
from .subscriber import Subscriber
from .trace import Trace

__all__ = ["Outcome", "Violation", "World"]

MAX_LAST_TICKS = 800
"""Ticks in which a world must come to rest, and in which it must end."""

PATIENCE_SECONDS = 100.0
"""Longer than a world lasts."""

FAREWELLS = (GOODBYE, 1001)
"""The codes of a close frame that is said behind all that was to be said."""

_NEEDED = re.compile("it needed message ([0-9]+),")
INNOCENT = frozenset(
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
    """What a world came to: the digest of all that happened, and how much that was."""

    seed: int
    digest: str
    published: int
    received: int
    dropped: int


class World:
    """One world; `run` lets it happen.

    `skip` names rules that are not looked at. With `is_kept`, `trace.lines` can be read afterwards.
    """

    def __init__(
        self, seed: int, skip: frozenset[str] = frozenset(), is_kept: bool = False
    ) -> None:
        self.seed = seed
        self.dice = dice = Random(seed)
        self.skip = skip
        self.trace = Trace(is_kept)
        self.limits = limits = draw_limits(dice)
        self.play = Play(dice, limits, is_async=dice.random() < 0.2)
        self.server = self.play.server = Stage(
            self.play.handle, limits, self.play.callbacks, dice, self.trace
        )
        self.guests: list[Guest] = []
        self._coming = dice.randint(2, 6)
        self._ticks = dice.randint(8, 30)
        self._is_at_rest = False
        self._ends_in_peace = dice.random() < 0.7
        self._hurried: set[Peer] = set()
        """Who was gone, at the latest, when more was published within a few ticks than is kept."""

    # -- the course of things ----------------------------------------------------------------------

    def run(self) -> Outcome:
        """Let everything happen; `Violation` for the first rule that is broken."""
        try:
            self._happen()
        finally:
            self.server.abandon()
        accounts = self.play.book.accounts.values()
        return Outcome(
            self.seed,
            self.trace.digest(),
            len(self.play.book.published),
            sum(account.heard for account in accounts)
            + sum(guest.heard for guest in self.guests if isinstance(guest, Subscriber)),
            self.server.dropped_count(),
        )

    def _happen(self) -> None:
        """The ticks of this world, from its beginning to its end."""
        for _ in range(self._ticks):
            if self._coming and self.dice.random() < 0.5:
                self._invite()
            self._tick(self.dice.choice((0.0, 0.001, 0.01, 0.01, 0.3)))
            if self.dice.random() < 0.5:
                self.play.stir()
        if self._ends_in_peace:
            self._come_to_rest()
            self._check_all()
        self._end(1.0 if self._ends_in_peace else self.dice.choice((0.0, 0.2, 5.0)))

    def _invite(self) -> None:
        """One more client is at the door."""
        self._coming -= 1
        dice = self.dice
        kind = dice.choice(
            (Listener, Listener, Listener, partial(Subscriber, self.play.book), Asker)
        )
        cuts = dice.choice((0.0, 0.0, 0.3))
        mood = dice.choice(
            (Mood(None, 0.0, cuts), Mood(None, 0.2, cuts), Mood(dice.randint(10, 600), 0.1, cuts))
        )
        line = Line(Peer("192.0.2.1", 5_000 + len(self.guests)), dice, mood)
        patience = dice.choice((1_000, 1_000, dice.randint(3, 15)))
        self.guests.append(kind(line, dice, dice.choice((5, 50, 500)), patience))
        self.server.network.connect(line)

    def _tick(self, seconds: float) -> None:
        """One tick of everybody, and a look at all that must hold."""
        for guest in self.guests:
            guest.act()
        self.server.now += seconds
        self.server.tick()
        self.trace.add("ticked", self.server.now)
        if self.play.is_hurried:
            self._hurried |= {
                guest.line.peer for guest in self.guests if guest.line.reason is not None
            }
        self.play.turns.append((0, 0))
        for violation in self._violations():
            self._raise(violation)

    def _come_to_rest(self) -> None:
        """Nobody says anything new, and everybody reads."""
        self.play.is_over = self.server.network.is_calm = True
        self.play.keep_promises(len(self.play.promises))
        self._is_at_rest = True
        for guest in self.guests:
            guest.settle()
        for _ in range(MAX_LAST_TICKS):
            self._tick(0.01)
            is_speaking = any(guest.outgoing and not guest.is_gone for guest in self.guests)
            if not (is_speaking or self.server.has_work or self.server.waits):
                return
        self._raise(Violation("rest", "the world does not come to rest"))

    def _check_all(self) -> None:
        """What must hold whenever nothing is under way."""
        for violation in (*self._missing(), *self._unjust()):
            self._raise(violation)

    def _end(self, grace: float) -> None:
        """The server stops; everything that was opened is closed, once."""
        self.play.is_over = True
        self.server.stop(grace)
        for _ in range(MAX_LAST_TICKS):
            if not self.server.running:
                break
            self._tick(0.1)
        else:
            self._raise(Violation("ends", "the server does not end"))
        if grace:
            self._check_all()
        play = self.play
        if set(play.opened) != set(play.closed) or len(play.opened) != len(play.closed):
            self._raise(Violation("ends", "not everything that was opened was closed"))
        if not all(account.has_ended for account in play.book.accounts.values()):
            self._raise(Violation("ends", "not every WebSocket that was opened was closed"))

    def _raise(self, violation: Violation) -> None:
        """Stop at a violation, unless it is of a rule that is not looked at."""
        if violation.check not in self.skip:
            raise violation

    # -- what must hold ----------------------------------------------------------------------------

    def _violations(self) -> Iterator[Violation]:
        """What does not hold after a tick."""
        listeners = self.server.listeners()
        for guest in self.guests:
            try:
                if isinstance(guest, Listener):
                    self._introduce(guest)
                if guest.line.peer in listeners and isinstance(guest, Subscriber):
                    guest.join()
                guest.look()
            except Violation as violation:
                yield violation
        yield from self.play.found
        if self.server.errors:
            yield Violation("defect", f"the program raised {self.server.errors[0]!r}")
        for line in self.server.log:
            if line.logger == "sigil.error":
                yield Violation("defect", line.text)
        if self.server.running:
            state = self.server.state
            for check in CHECKS:
                yield from check(state)
            for guest in self.guests:
                if isinstance(guest, Listener) and guest.account is not None:
                    yield from self._buffered(guest, guest.account)

    def _introduce(self, guest: Listener) -> None:
        """A guest is given its account once it has one."""
        conn = guest.line.conn
        if guest.account is None and conn is not None:
            guest.account = self.play.book.accounts.get(conn)

    def _buffered(self, guest: Listener, account: Account) -> Iterator[Violation]:
        """What a client is owed is what it must be told and the network has not taken."""
        if (
            not (
                account.is_open
                and account.is_certain
                and guest.is_upgraded
                and self.server.listening
            )
            or guest.is_gone
            or guest.faults
            or guest.saw_control
            or self.limits.ws_ping_interval < PATIENCE_SECONDS
        ):
            return
        conn = account.conn
        assert conn is not None
        expected = account.owed_len() - guest.untold_len()
        told = buffered_amount(
            find_client(self.server.state.slots, conn), self.server.state.broadcast
        )
        if told != expected:
            yield Violation(
                "buffered", f"{conn} is said to be owed {told} bytes, it is owed {expected}"
            )

    def _missing(self) -> Iterator[Violation]:
        """Who is open at the end has been told everything; who was closed by the program too."""
        for guest in self.guests:
            if isinstance(guest, Listener) and guest.account is not None:
                account = guest.account
                was_closed = (
                    guest.saw_close is not None
                    and guest.saw_close.code in FAREWELLS
                    and not guest.faults
                )
                is_open = (
                    account.is_open and not guest.is_gone and not guest.faults and self._is_at_rest
                )
                owed = account.owed_len()
                if (was_closed or is_open) and owed:
                    yield Violation(
                        "missing", f"{account.conn} was not told {owed} bytes, {was_closed=}"
                    )
            is_whole = not guest.is_gone or guest.line.reason in (
                CloseReason.OK,
                CloseReason.SHUTDOWN,
            )
            if (
                isinstance(guest, Subscriber)
                and self._is_at_rest
                and is_whole
                and not guest.faults
                and guest.missing()
            ):
                yield Violation("missing", f"{guest.line.peer} was not told {guest.missing()[:3]}")
            if (
                self._is_at_rest
                and isinstance(guest, Asker)
                and not guest.is_gone
                and not guest.faults
            ):
                whole = [answer for answer in guest.answers if answer.is_whole]
                if len(whole) != len(guest.asked):
                    yield Violation(
                        "missing",
                        f"{guest.line.peer} asked {len(guest.asked)} times and got "
                        f"{len(whole)} answers",
                    )

    def _unjust(self) -> Iterator[Violation]:
        """Who did nothing wrong was not thrown out, and who was is told why in the log."""
        notes = [note.text for note in self.server.log]
        for guest in self.guests:
            reason, conn = guest.line.reason, guest.line.conn
            if reason is None or conn is None:
                continue
            if self._is_innocent(guest) and reason not in INNOCENT:
                yield Violation(
                    "served", f"{conn} read everything and was closed with {reason.name}"
                )
            why = next(
                (note for note in notes if str(guest.line.peer) in note and reason.name in note), ""
            )
            if reason is CloseReason.WS_CLIENT_TOO_SLOW and not self._is_reason(why, guest):
                yield Violation(
                    "explained", f"{conn} was dropped; why, if anybody said so: {why!r}"
                )

    def _is_reason(self, why: str, guest: Guest) -> bool:
        """True if a line of the log names a message that a client needed."""
        needed = _NEEDED.search(why)
        return needed is not None and (
            not isinstance(guest, Subscriber) or guest.needs(int(needed[1]))
        )

    def _is_innocent(self, guest: Guest) -> bool:
        """True for a client that took everything at once and did nothing that ends a connection."""
        return (
            isinstance(guest, Listener | Subscriber)
            and guest.was_prompt
            and not guest.faults - {"pinged", "closed"}
            and guest.line.peer not in self._hurried
        )


def draw_limits(dice: Random) -> Limits:
    """Bounds so tight that they are met, and patience so long that it is not."""
    return Limits(
        max_outbox_len=dice.choice((60, 300, 2_000)),
        max_ws_outbox_len=dice.choice((60, 300, 2_000)),
        outgoing_buffer_sz=dice.choice((100, 400, 3_000)),
        max_ws_send_frame_cnt=dice.choice((3, 20, 200)),
        history_messages=dice.choice((0, 0, 2, 5)),
        max_rounds_per_tick=dice.choice((1, 2, 32)),
        max_reads_per_tick=dice.choice((1, 3, 256)),
        max_read_len=dice.choice((60, 200, 65_536)),
        max_accepts_per_tick=dice.choice((1, 64)),
        max_queued_requests=dice.choice((1, 4, 64)),
        ws_ping_interval=dice.choice((PATIENCE_SECONDS, PATIENCE_SECONDS, 0.5)),
        header_timeout=PATIENCE_SECONDS,
        max_ws_connection_cnt=dice.choice((2, 1_024, 1_024, 1_024)),
    )
