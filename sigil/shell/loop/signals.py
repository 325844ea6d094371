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
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@contextmanager
def stopping_on_signals(
    stop: Callable[[], object], is_held_up: Callable[[FrameType | None], bool]
) -> Iterator[None]:
    """SIGINT and SIGTERM call `stop` while this is entered in the main thread; elsewhere they are
    not touched. From the second one on they also raise `SecondSignal`, where `is_held_up` says so.

    It is called with each signal and the frame that the signal has interrupted.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    is_second = is_over = False
    interrupted: FrameType | None = None
    process = os.getpid()

    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal is_second, interrupted
        if os.getpid() != process:
            signal_forked(number, before[number])
            return
        was_second, is_second = is_second, True
        outer, interrupted = interrupted, interrupted or frame  # this may interrupt itself
        try:
            must_raise = is_held_up(interrupted) and was_second and not is_over
            stop()
        finally:
            interrupted = outer
        if must_raise:
            raise SecondSignal

    before: dict[int, Any] = {number: signal.signal(number, on_signal) for number in STOPPING}
    try:
        yield
    finally:
        is_over = True
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def waking_on_signals(descriptor: int) -> Iterator[None]:
    """Any signal writes a byte to this non-blocking socket while this is entered in the main
    thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
