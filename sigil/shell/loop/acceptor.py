"""The acceptor: the listening sockets of a running server, watched while there is room.

Theory: whether a connection is accepted is one question with three answers: there is room; there is
none (the core says so, and newcomers wait in the kernel); or there are no descriptors or no memory
(the kernel says so, and asking again at once would only burn the processor). The listening sockets
are watched exactly while there is room.

Rules: accepting is bounded per tick, over all sockets, which take turns at being the first. Where
other processes accept from the same sockets, a pause leaves the rest of a burst to them. When
there are no descriptors or no memory, the core is told, which may close a connection instead; if it
does not, there is a pause, which ends by itself after `PAUSE_SECONDS`. It does not know what
becomes of accepted connections.
"""

import logging
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress

from ...core.effects import SERVER_LOG, Interest
from ..program.logs import write_log
from .connection_socket import close
from .listen import AcceptedSockets, AcceptStop, accept_waiting, set_options
from .poller import Poller

_LOG = logging.getLogger(SERVER_LOG)

_HANDS_ON_OPTIONS = sys.platform == "linux"
"""A connection begins with the TCP options of the listening socket that it comes from."""

PAUSE_SECONDS = 1.0
"""How long no connection is accepted after descriptors ran out: long enough not to spin."""


class Acceptor:
    """Listening sockets, at least one, and whether they are watched."""

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        poller: Poller,
        unsent_mark: int,
        is_ours: bool,
        pause: float = 0.0,
    ) -> None:
        self._pause_seconds = pause
        self._listeners = tuple(listeners)
        self._is_ours = is_ours
        self._poller = poller
        self._unsent_mark: int | None = unsent_mark
        """For connections that do not have it from their listening socket: None once all have."""
        for listener in self._listeners:
            set_options(listener, unsent_mark)
        self.others_accept: Callable[[], bool] = bool
        """Asked at the end: other processes go on with these sockets. By default there are none."""
        self._is_leaving = False
        self.at_close = ExitStack()
        """What is done when the listening sockets are closed."""
        self._is_watched = False
        self.resumes_at: float | None = None
        """When a pause ends, on `time.monotonic()`; None if there is none."""
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
                self._poller.forget(listener.fileno())
            return
        try:
            self._register()
        except OSError as error:
            self._pause(f"the listener cannot be watched ({error.strerror})")

    def _register(self) -> None:
        """Watch all of the sockets, or none if that cannot be."""
        with ExitStack() as watched:
            for listener in self._listeners:
                descriptor = listener.fileno()
                self._poller.watch(descriptor, Interest.READ, self)
                watched.callback(self._poller.forget, descriptor)
            watched.pop_all()
        self._is_watched = True

    def accept(self, max_count: int) -> AcceptedSockets:
        """Up to `max_count` of the connections that are waiting, each with its peer, and why there
        are no more.
        """
        if self._is_leaving and self.others_accept():
            return AcceptedSockets([], AcceptStop.ENOUGH)
        first, *others = self._listeners
        accepted = accept_waiting(first, max_count, self._unsent_mark)
        sockets = accepted.sockets
        for listener in others:
            if accepted.stopped is AcceptStop.NO_MORE:
                left_count = max_count - len(sockets)
                accepted = accept_waiting(listener, left_count, self._unsent_mark)
                sockets += accepted.sockets
        self._listeners = (*others, first)
        if accepted.stopped is AcceptStop.NO_MORE and _HANDS_ON_OPTIONS:
            self._unsent_mark = None  # whoever came before they were set is gone
        self.is_exhausted = accepted.stopped is AcceptStop.EXHAUSTED
        self._has_accepted = bool(sockets)
        return AcceptedSockets(sockets, accepted.stopped, accepted.error)

    def leave(self) -> None:
        """The server was asked to stop: from here on newcomers are for other processes, if there
        are any. From any thread.
        """
        self._is_leaving = True

    def end_tick(self, has_room: bool, is_freed: bool) -> None:
        """Watch for newcomers in the next tick, if there is room, or after the pause that is made
        when some were accepted; without descriptors only if some connection was accepted in this
        one, or was closed (`is_freed`), otherwise a while later.
        """
        if self.is_exhausted and not (is_freed or self._has_accepted):
            self._pause("no descriptors are left")
        elif self._has_accepted and self._pause_seconds:
            self.resumes_at = time.monotonic() + self._pause_seconds
        self.is_exhausted = self._has_accepted = False
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
        self.at_close.close()
