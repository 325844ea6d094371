"""Signals that mean stop.

Theory: a signal handler may do next to nothing, and `stop` is made for it: it leaves word and wakes the server.

Rules: handlers are installed in the main thread only (the interpreter knows no other), and what was there before comes
back.  It does not know what stopping is.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopping_on_signals(stop: Callable[[], object]) -> Iterator[None]:
    """SIGINT and SIGTERM call `stop` while this is entered in the main thread; elsewhere they are not touched."""
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
