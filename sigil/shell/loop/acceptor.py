"""The acceptor: the listening sockets of a running server, watched while there is room.

Theory: whether a connection is accepted is one question with three answers: there is room; there is
none (the core says so, and newcomers wait in the kernel); or there are no descriptors or no memory
(the kernel says so, and asking again at once would only burn the processor). The listening sockets
are in the selector exactly while there is room.

Rules: accepting is bounded per tick, over all sockets, which take turns at being the first. When
there are no descriptors or no memory, the core is told, which may close a connection instead; if it
does not, there is a pause, which ends by itself after `PAUSE_SECONDS`. It does not know what
becomes of accepted connections.
"""

import logging
import selectors
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress

from ...core.effects import SERVER_LOG
from ..program.logs import write_log
from .connection_socket import close
from .listen import AcceptedSockets, AcceptStop, accept_waiting

_LOG = logging.getLogger(SERVER_LOG)

PAUSE_SECONDS = 1.0
"""How long no connection is accepted after descriptors ran out: long enough not to spin."""


class Acceptor:
    """Listening sockets, at least one, and whether they are watched."""

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        selector: selectors.BaseSelector,
        tcp_notsent_lowat: int,
        is_ours: bool,
    ) -> None:
        self._listeners = tuple(listeners)
        self._is_ours = is_ours
        self._selector = selector
        self._tcp_notsent_lowat = tcp_notsent_lowat
        self._is_watched = False
        self.resumes_at: float | None = None
        """When a pause for want of descriptors or memory ends, on `time.monotonic()`; None if there
        is none.
        """
        self._has_accepted = False
        self.is_exhausted = False
        """The last newcomer could not be accepted, for want of descriptors or memory."""
        self._register()

    def watch(self, has_room: bool) -> None:
        """Watch for newcomers, or leave them in the kernel's queue; during a pause the latter."""
        should_watch = has_room and self.resumes_at is None
        if should_watch is self._is_watched:
            return
        if not should_watch:
            self._is_watched = False
            for listener in self._listeners:
                self._selector.unregister(listener)
            return
        try:
            self._register()
        except OSError as error:
            self._pause(f"the listener cannot be watched ({error.strerror})")

    def _register(self) -> None:
        """Watch all of the sockets, or none if that cannot be."""
        with ExitStack() as watched:
            for listener in self._listeners:
                self._selector.register(listener, selectors.EVENT_READ, self)
                watched.callback(self._selector.unregister, listener)
            watched.pop_all()
        self._is_watched = True

    def accept(self, max_count: int) -> AcceptedSockets:
        """Up to `max_count` of the connections that are waiting, each with its peer, and why there
        are no more.
        """
        first, *others = self._listeners
        accepted = accept_waiting(first, max_count, self._tcp_notsent_lowat)
        sockets = accepted.sockets
        for listener in others:
            if accepted.stopped is AcceptStop.NO_MORE:
                left_count = max_count - len(sockets)
                accepted = accept_waiting(listener, left_count, self._tcp_notsent_lowat)
                sockets += accepted.sockets
        self._listeners = (*others, first)
        self.is_exhausted = accepted.stopped is AcceptStop.EXHAUSTED
        self._has_accepted = bool(sockets)
        return AcceptedSockets(sockets, accepted.stopped, accepted.error)

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
        """Close the listening sockets: one that was handed in may be another process's too, and is
        not shut down.
        """
        self.watch(False)
        for listener in self._listeners:
            if self._is_ours:
                close(listener)
            else:
                with suppress(OSError):  # it is closed all the same
                    listener.close()
