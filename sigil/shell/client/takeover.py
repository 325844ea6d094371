"""What a protocol is that takes a connection over behind a 101.

Theory: `sigil.core.client.connection` says how the bytes of a connection come to another protocol.
In the shell this is an object with a method for each of the effects; it orders what it wants with
the `Line` that it is given.

Rules: all methods are called on the thread that ticks, between two steps of the core. What one
raises ends its connection and is logged. `end` is called once, behind everything else. It does not
know which protocol this is.
"""

import logging
from collections.abc import Callable
from math import inf
from typing import Protocol, TypeAlias, assert_never

from ...core.client.effects import (
    TransferBlocked,
    TransferData,
    TransferDrained,
    TransferDue,
    TransferEnded,
)
from ...core.client.events import (
    ClientEvent,
    CloseOrdered,
    DataOrdered,
    DeadlineOrdered,
    ReadingOrdered,
)
from ...core.client.failures import Failure
from ...core.client.responses import ResponseHead
from ...core.effects import ERROR_LOG
from ...core.events import Segment
from ...core.tls import Tls
from ..program.logs import write_text
from ..program.tracebacks import EXIT_EXCEPTIONS, error_text

_LOG = logging.getLogger(ERROR_LOG)

TransferEffect: TypeAlias = (
    TransferData | TransferBlocked | TransferDrained | TransferDue | TransferEnded
)


class Reports(Protocol):
    """What is needed of the loop."""

    def report(self, event: ClientEvent) -> None:
        """Tell the core an event, now or when it is done with what it does."""


class Line:
    """A connection that was handed over, as its protocol uses it."""

    __slots__ = ("_reports", "connection", "tls")

    def __init__(self, reports: Reports, connection: int, tls: Tls | None) -> None:
        self._reports = reports
        self.connection = connection
        self.tls = tls
        """What the handshake of TLS has settled; None without TLS."""

    def send(self, *segments: Segment) -> None:
        """Send bytes; `blocked` follows if the kernel does not take all, `drained` when it has."""
        if segments:
            self._reports.report(DataOrdered(self.connection, segments))

    def set_reading(self, is_wanted: bool) -> None:
        """Read the connection, or do not read it, from now on."""
        self._reports.report(ReadingOrdered(self.connection, is_wanted))

    def set_deadline(self, at: float | None) -> None:
        """Have `due` called at a time of `time.monotonic()`; None: at none."""
        self._reports.report(DeadlineOrdered(self.connection, inf if at is None else at))

    def close(self) -> None:
        """Close the connection, behind what the kernel has taken; `end` follows."""
        self._reports.report(CloseOrdered(self.connection))


class TakenOver(Protocol):
    """A protocol that has a connection."""

    def begin(self, line: Line, head: ResponseHead, data: bytes, now: float, /) -> None:
        """The connection is there: `head` is that of the 101, `data` came behind it."""

    def receive(self, data: bytes, now: float, /) -> None:
        """Bytes were received."""

    def blocked(self) -> None:
        """The kernel has not taken all that was sent."""

    def drained(self) -> None:
        """The kernel has taken all that was sent."""

    def due(self, now: float, /) -> None:
        """The deadline has passed."""

    def lacking_len(self) -> int:
        """Bytes that are known to come, and may be read at once; 0 if that is not known."""

    def end(self, failure: Failure | None, /) -> None:
        """The connection has ended, with a failure or as it should."""


class Protocols:
    """The protocols that have connections, by the numbers of these."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self._by_connection: dict[int, TakenOver] = {}

    def begin(
        self, protocol: TakenOver, line: Line, head: ResponseHead, data: bytes, now: float
    ) -> None:
        """Give a connection to its protocol."""
        self._by_connection[line.connection] = protocol
        self._call(line.connection, protocol.begin, line, head, data, now)

    def transfer(self, effect: TransferEffect, now: float) -> None:
        """Tell a protocol what has happened to its connection."""
        number = effect.connection
        protocol = self._by_connection.get(number)
        if protocol is None:
            return
        match effect:
            case TransferData():
                self._call(number, protocol.receive, effect.data, now)
            case TransferBlocked():
                self._call(number, protocol.blocked)
            case TransferDrained():
                self._call(number, protocol.drained)
            case TransferDue():
                self._call(number, protocol.due, now)
            case TransferEnded():
                del self._by_connection[number]
                self._call(number, protocol.end, effect.failure)
            case _:
                assert_never(effect)

    def lacking_len(self, connection: int) -> int:
        """Bytes that the protocol of a connection knows to come."""
        protocol = self._by_connection.get(connection)
        return 0 if protocol is None else protocol.lacking_len()

    def _call(self, connection: int, function: Callable[..., object], *args: object) -> None:
        """Call a protocol; one that raises is logged, and its connection ends."""
        try:
            function(*args)
        except EXIT_EXCEPTIONS:
            raise
        except BaseException as error:
            write_text(_LOG, logging.ERROR, error_text("a protocol of a client raised", error))
            self._reports.report(CloseOrdered(connection))
