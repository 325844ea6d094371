"""What must hold in a world of sigil's own: after each tick, once it is idle, and at its end.

Theory: of these clients everything is known: what they must be sent (`model`), what they have done
that may end their connections (`faults`), and what the server says of them. So each rule compares
two of these.

Rules: each is a generator of `Violation`s. What holds for the core's value alone is in `checks`. It
does not know who acts when.
"""

import re
from collections.abc import Iterator
from typing import TypeGuard

from ...core.close_reasons import CloseReason
from ...core.conn import Peer
from ...core.connection.websocket_send import buffered_amount
from ...core.effects import ERROR_LOG
from ...core.limits import Limits
from ...core.server.slots import find_client
from .checks import CHECKS, MAX_MESSAGE_LEN, MAX_RESPONSE_LEN
from .clients import HttpClient, SimulatedClient, WebSocketClient
from .event_stream_client import EventStreamClient
from .following_client import FollowingClient
from .limits import LONG_SECONDS
from .memory import check_memory, check_skipping
from .model import Expectation, Violation
from .program import PROGRAM_CLOSE_CODE, Program
from .traced_server import TracedServer

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


class OwnRules:
    """The rules of one world, and what they remember."""

    def __init__(
        self, program: Program, server: TracedServer, limits: Limits, is_held_up: bool
    ) -> None:
        self.program = program
        self.server = server
        self.limits = limits
        self.is_held_up = is_held_up
        self.clients: list[SimulatedClient] = []
        self.is_idle = False
        """All clients read everything, and none sends."""
        self._log_seen = 0
        self._began = 0
        """The Unix time when the last tick began."""
        self._tick_len = MAX_MESSAGE_LEN
        """The most bytes that were published in a tick."""
        self._overrun: set[Peer] = set()
        """Clients that were closed by the time when more was published in a few ticks than is held.
        """

    def note_tick(self, began: int) -> None:
        """Note what was published in a tick that is over, and the Unix time when it began."""
        self._began = began
        self._tick_len = max(self._tick_len, self.program.ticks[-1][1])
        if self.program.is_overrunning:
            self._overrun |= {
                client.wire.peer for client in self.clients if client.wire.reason is not None
            }
        self.program.ticks.append((0, 0))

    def violations(self) -> Iterator[Violation]:
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
        for line in self.server.log[self._log_seen :]:
            if line.logger == ERROR_LOG:
                yield Violation("defect", line.text)
        self._log_seen = len(self.server.log)
        if self.server.running:
            state = self.server.state
            for check in CHECKS:
                yield from check(state)
            yield from check_memory(state, MAX_RESPONSE_LEN, self._tick_len)
            yield from check_skipping(state, MAX_RESPONSE_LEN)
            yield from self._date()
            for client in self.clients:
                if isinstance(client, WebSocketClient) and client.expectation is not None:
                    yield from self._buffered(client, client.expectation)

    def _date(self) -> Iterator[Violation]:
        """Check that the Unix time, which the Date field tells, was read in this tick."""
        time, first, last = self.server.state.unix_time, self._began, self.server.unix_time
        if not first <= time <= last:
            yield Violation("date", f"{time} is told in a tick that lasted from {first} to {last}")

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

    def missing(self) -> Iterator[Violation]:
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
                    and self.is_idle
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
                and self.is_idle
                and is_whole
                and not client.faults
                and client.missing()
            ):
                yield Violation(
                    "missing", f"{client.wire.peer} was not sent {client.missing()[:3]}"
                )
            if self.is_idle and isinstance(client, FollowingClient) and client.is_waiting():
                missing = client.follower.missing()
                if missing:
                    yield Violation("missing", f"{client.wire.peer} was not sent {missing[:3]}")
            if (
                self.is_idle
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

    def miscounted(self) -> Iterator[Violation]:
        """Check that the bytes that were sent are counted; of connections that have ended, nobody
        knows what was taken last.
        """
        if any(client.is_gone or client.wire.is_shut for client in self.clients):
            return
        sent, counted = self.server.network.bytes_written, self.server.stats().bytes_out
        if sent != counted:
            yield Violation("counted", f"{sent} bytes were sent, and {counted} are counted")

    def wrongly_closed(self) -> Iterator[Violation]:
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


def is_following(client: SimulatedClient) -> TypeGuard[FollowingClient]:
    """True for a connection of a follower that is not over."""
    return isinstance(client, FollowingClient) and not client.is_gone


def _skips(client: SimulatedClient) -> bool:
    """True for a subscriber that is moved on if it falls off the ring."""
    if isinstance(client, WebSocketClient):
        return client.expectation is not None and client.expectation.skips
    return isinstance(client, EventStreamClient) and client.skips
