"""The door: the listening socket of a running server, watched while there is room.

Theory: whether anybody is let in is one question with three answers: there is room, there is none (the core says so,
and those who come wait in the kernel), or there are no descriptors (the kernel says so, and asking again at once would
only burn the processor).  The listener is in the selector exactly while there is room.

Rules: accepting is bounded per tick.  A pause for want of descriptors ends by itself after `PAUSE_SECONDS`.  It does
not know what becomes of those who come in.
"""

import logging
import selectors
import socket
import time

from ..core.conn import Peer
from .listen import Stopped, accept_waiting

_LOG = logging.getLogger("sigil.server")

PAUSE_SECONDS = 1.0
"""How long no connection is accepted after descriptors ran out: long enough not to spin."""


class Door:
    """A listening socket and whether it is watched."""

    def __init__(self, listener: socket.socket, selector: selectors.BaseSelector, max_unsent_len: int) -> None:
        self._listener = listener
        self._selector = selector
        self._max_unsent_len = max_unsent_len
        self._is_watched = False
        self.opens_at: float | None = None
        """When a pause for want of descriptors ends, on `time.monotonic()`; None if there is none."""
        self.watch(True)

    def watch(self, has_room: bool) -> None:
        """Listen for newcomers, or leave them in the kernel's queue."""
        wanted = has_room and self.opens_at is None
        if wanted and not self._is_watched:
            self._selector.register(self._listener, selectors.EVENT_READ, self)
        elif self._is_watched and not wanted:
            self._selector.unregister(self._listener)
        self._is_watched = wanted

    def accept(self, most: int) -> list[tuple[socket.socket, Peer]]:
        """Up to `most` of the connections that are waiting, each with its peer."""
        arrivals = accept_waiting(self._listener, most, self._max_unsent_len)
        if arrivals.stopped is Stopped.EXHAUSTED:
            _LOG.warning("no descriptors are left: accepting no connections for %g s", PAUSE_SECONDS)
            self.opens_at = time.monotonic() + PAUSE_SECONDS
            self.watch(False)
        return arrivals.sockets

    def end_pause(self, now: float) -> None:
        """Forget a pause whose time is over; `watch` does the rest."""
        if self.opens_at is not None and now >= self.opens_at:
            self.opens_at = None

    def close(self) -> None:
        """Listen no more."""
        self.watch(False)
        self._listener.close()
