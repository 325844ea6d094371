"""Sending one piece of memory to all members of a cohort.

Theory: this is the loop to be fast in: one call for each client, and nothing else. It runs in C
(`map`), so that an interrupt comes between two sends and no count is lost. What sends is the same
for all connections of a server: `socket.socket.send`, or what sends over TLS.

Rules: a member that has not taken all is blocked and reported, with how much it took; one that is
blocked already is reported as having taken nothing. It does not know who is in a cohort.
"""

from collections.abc import Callable, Set
from itertools import repeat
from typing import Any, TypeAlias

from ...core.conn import Conn
from ...core.effects import FanOut
from ...core.events import FanOutStalled, Segment
from ..tls_problems import loss_of
from .connection_socket import CohortSockets, ConnectionSocket, ConnectionTable
from .engine import Engine

SendTo: TypeAlias = Callable[[Any, Segment], int]
"""Sends to a socket of the server's kind; how many bytes were taken."""


class FanOuts:
    """The fan-outs of one server, one at a time."""

    __slots__ = ("_blocked", "_engine", "_last", "_send_to", "cohorts")

    def __init__(
        self,
        engine: Engine,
        table: ConnectionTable,
        blocked: set[ConnectionSocket],
        send_to: SendTo,
    ) -> None:
        self._engine = engine
        self._blocked = blocked
        self._send_to = send_to
        self.cohorts = CohortSockets(table)
        self._last: tuple[tuple[ConnectionSocket, ...], list[int]] = (), []
        """The connections of the last fan-out, and how many bytes each took, as far as it came."""

    def fan_out(self, effect: FanOut) -> None:
        """Send the data to all members; one that does not take all of it is reported."""
        data, counts = effect.data, list[int]()
        connections, ready = self.cohorts.find(effect.subscription, effect.members, self._blocked)
        remaining, self._last, self._engine.touched = iter(ready), (connections, counts), effect
        while True:
            try:
                counts.extend(map(self._send_to, remaining, repeat(data)))
                break
            except (BlockingIOError, InterruptedError):
                counts.append(0)
            except OSError as error:
                lost = connections[len(counts)].conn
                counts.append(len(data))
                self._engine.report(loss_of(lost, error))
        self._report_stalled(effect, connections, counts)
        self._last = (), []

    def report_interrupted(self, effect: FanOut) -> None:
        """Report what has become of a fan-out that an interrupt has left."""
        connections, counts = self._last
        stalled = [event for event in self._engine.events if isinstance(event, FanOutStalled)]
        reported = {event.conn for event in stalled if event.end == effect.end}
        self._report_stalled(effect, connections, counts, reported)

    def _report_stalled(
        self,
        effect: FanOut,
        connections: tuple[ConnectionSocket, ...],
        counts: list[int],
        reported: Set[Conn] = frozenset(),
    ) -> None:
        """Report the members of a cohort that have not taken all: of each, how much it took, which
        is nothing for those without a count, if it is not `reported`.
        """
        length = len(effect.data)
        counts = counts + [0] * (len(connections) - len(counts))
        if counts.count(length) == len(counts):
            return
        for connection, count in zip(connections, counts, strict=True):
            if count != length and connection.conn not in reported:
                self._blocked.add(connection)
                self._engine.report(
                    FanOutStalled(
                        connection.conn, count, effect.start, effect.end, effect.subscription
                    )
                )
