"""Signals that mean stop.

Theory: a signal handler may do next to nothing, and `stop` is made for it: it posts an event and
wakes the server. But the interpreter runs it only between two instructions of the main thread: a
signal that comes just before a wait, or to another thread, interrupts nothing. So the interpreter
is made to write to the descriptor that wakes the server.

Nor can a signal handler stop user code that blocks, but by raising: so does the second signal, if
such code is what keeps the server from stopping.

Rules: handlers are installed in the main thread only (the interpreter knows no other), and what was
there before comes back. A process that user code has forked has what was there before, too: whoever
ends it does not mean the server. It does not know what stopping is.
"""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any

from ..program.tracebacks import SecondSignal

STOPPING = (signal.SIGINT, signal.SIGTERM)
LOOPS = (
    "asyncio.",
    "selectors.",
    "sigil.hosts.",
    "sigil.shell.",
    "tkinter.",
    "trio.",
    "uvloop.",
)
"""The packages of host loops, and our own: none of their code blocks for long."""


def is_host_loop(frame: FrameType | None) -> bool:
    """True if this is the code of a host loop, which waits or is about to call somebody."""
    return frame is not None and f"{frame.f_globals.get('__name__')}.".startswith(LOOPS)


def signal_forked(number: int, before: Any) -> None:
    """Have a signal do what it did `before`, since it has come to a process that was forked."""
    signal.signal(number, signal.SIG_DFL if before is None else before)
    signal.raise_signal(number)


class StopOnSignal:
    """What is called with a signal: it stops one server, its `owner`, and those of blocks around
    this one.
    """

    def __init__(
        self,
        owner: object,
        stop: Callable[[], object],
        is_held_up: Callable[[FrameType | None], bool],
    ) -> None:
        self.owner = owner
        self._stop = stop
        self._is_held_up = is_held_up
        self._is_second = self.is_over = False
        self._interrupted: FrameType | None = None
        self._process = os.getpid()
        self.before: dict[int, Any] = {}
        for number in STOPPING:  # one may come as soon as it is handled
            self.before[number] = signal.signal(number, self.on_signal)

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Stop them all; SecondSignal if user code keeps one from it."""
        if os.getpid() != self._process:
            signal_forked(number, self.before[number])
            return
        are_held_up = [each.ask(frame) for each in (self, *self.others(number))]
        if any(are_held_up):
            raise SecondSignal

    def ask(self, frame: FrameType | None) -> bool:
        """Stop the server; True if user code keeps it from that, for the second time."""
        was_second, self._is_second = self._is_second, True
        outer = self._interrupted
        self._interrupted = interrupted = outer or frame  # this may interrupt itself
        try:
            must_raise = self._is_held_up(interrupted) and was_second and not self.is_over
            self._stop()
        finally:
            self._interrupted = outer
        return must_raise

    def others(self, number: int) -> "list[StopOnSignal]":
        """Those of blocks around this one, one for each other server."""
        found: list[StopOnSignal] = [self]
        around = getattr(self.before.get(number), "__self__", None)
        while isinstance(around, StopOnSignal):
            if all(around.owner is not each.owner for each in found):
                found.append(around)
            around = getattr(around.before.get(number), "__self__", None)
        return found[1:]


@contextmanager
def stopping_on_signals(
    owner: object, stop: Callable[[], object], is_held_up: Callable[[FrameType | None], bool]
) -> Iterator[bool]:
    """SIGINT and SIGTERM call `stop` while this is entered in the main thread, and that of other
    owners within whose blocks this is; elsewhere they are not touched. From the second one on they
    also raise `SecondSignal`, where `is_held_up` says so. True if there are no such others.

    It is called with each signal and the frame that the signal has interrupted.
    """
    if threading.current_thread() is not threading.main_thread():
        yield True
        return
    handling = StopOnSignal(owner, stop, is_held_up)
    try:
        yield not any(handling.others(number) for number in STOPPING)
    finally:
        handling.is_over = True
        for number, handler in handling.before.items():
            signal.signal(number, handler)


@contextmanager
def waking_on_signals(copy_ends: Callable[[], Sequence[socket.socket]]) -> Iterator[None]:
    """Any signal writes a byte to the first of these non-blocking sockets while this is entered in
    the main thread.

    They are copies, since a server may end before: its own number would be another socket's then,
    and the byte would go there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with ExitStack() as copies:
        ends = [copies.enter_context(end) for end in copy_ends()]
        before = signal.set_wakeup_fd(ends[0].fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            try:
                signal.set_wakeup_fd(before)
            except (OSError, ValueError):  # whoever had it has closed it
                signal.set_wakeup_fd(-1)
