"""The acceptor: the listening socket of a running server, watched while there is room.

Theory: whether a connection is accepted is one question with three answers: there is room; there is
none (the core says so, and newcomers wait in the kernel); or there are no descriptors or no memory
(the kernel says so, and asking again at once would only burn the processor). The listening socket
is in the selector exactly while there is room.

Rules: accepting is bounded per tick. When there are no descriptors or no memory, the core is told,
which may close a connection instead; if it does not, there is a pause, which ends by itself after
`PAUSE_SECONDS`. It does not know what becomes of accepted connections.
"""

import logging
import selectors
import socket
import time
from contextlib import suppress

from ...core.effects import SERVER_LOG
from ..program.logs import write_log
from .connection_socket import close
from .listen import AcceptedSockets, AcceptStop, accept_waiting

_LOG = logging.getLogger(SERVER_LOG)

PAUSE_SECONDS = 1.0
"""How long no connection is accepted after descriptors ran out: long enough not to spin."""


class Acceptor:
    """A listening socket and whether it is watched."""

    def __init__(
        self,
        listener: socket.socket,
        selector: selectors.BaseSelector,
        tcp_notsent_lowat: int,
        is_ours: bool,
    ) -> None:
        self._listener = listener
        self._is_ours = is_ours
        self._selector = selector
        self._tcp_notsent_lowat = tcp_notsent_lowat
        self._is_watched = True
        self.resumes_at: float | None = None
        """When a pause for want of descriptors or memory ends, on `time.monotonic()`; None if there
        is none.
        """
        self._has_accepted = False
        self.is_exhausted = False
        """The last newcomer could not be accepted, for want of descriptors or memory."""
        selector.register(listener, selectors.EVENT_READ, self)

    def watch(self, has_room: bool) -> None:
        """Watch for newcomers, or leave them in the kernel's queue; during a pause the latter."""
        should_watch = has_room and self.resumes_at is None
        if should_watch is self._is_watched:
            return
        self._is_watched = should_watch
        if not should_watch:
            self._selector.unregister(self._listener)
            return
        try:
            self._selector.register(self._listener, selectors.EVENT_READ, self)
        except OSError as error:
            self._is_watched = False
            self._pause(f"the listener cannot be watched ({error.strerror})")

    def accept(self, max_count: int) -> AcceptedSockets:
        """Up to `max_count` of the connections that are waiting, each with its peer, and why there
        are no more.
        """
        accepted = accept_waiting(self._listener, max_count, self._tcp_notsent_lowat)
        self.is_exhausted = accepted.stopped is AcceptStop.EXHAUSTED
        self._has_accepted = bool(accepted.sockets)
        return accepted

    def end_tick(self, has_room: bool, is_freed: bool) -> None:
        """Watch for newcomers in the next tick, if there is room; without descriptors only if some
        connection was accepted in this one, or was closed (`is_freed`), otherwise a while later.
        """
        if self.is_exhausted and not (is_freed or self._has_accepted):
            self._pause("no descriptors are left")
        self.is_exhausted = False
        self.watch(has_room)

    def _pause(self, why: str) -> None:
        """Accept no connections for `PAUSE_SECONDS`."""
        text = "%s: accepting no connections for %g s"
        write_log(_LOG, logging.WARNING, text, why, PAUSE_SECONDS)
        self.resumes_at = time.monotonic() + PAUSE_SECONDS

    def end_pause(self, now: float) -> None:
        """End a pause whose time is over; the next `watch` does the rest."""
        if self.resumes_at is not None and now >= self.resumes_at:
            self.resumes_at = None

    def close(self) -> None:
        """Close the listening socket: one that was handed in may be another process's too, and is
        not shut down.
        """
        self.watch(False)
        if self._is_ours:
            close(self._listener)
            return
        with suppress(OSError):  # it is closed all the same
            self._listener.close()
