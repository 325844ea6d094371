"""Signals that mean stop.

Theory: a signal handler may do next to nothing, and `stop` is made for it: it posts an event and
wakes the server. But the interpreter runs it only between two instructions of the main thread: a
signal that comes just before a wait, or to another thread, interrupts nothing. So the interpreter
is made to write to the descriptor that wakes the server.

Rules: handlers are installed in the main thread only (the interpreter knows no other), and what was
there before comes back. It does not know what stopping is.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopping_on_signals(stop: Callable[[], object]) -> Iterator[None]:
    """SIGINT and SIGTERM call `stop` while this is entered in the main thread; elsewhere they are
    not touched.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop()

    before = {number: signal.signal(number, on_signal) for number in STOPPING}
    try:
        yield
    finally:
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
