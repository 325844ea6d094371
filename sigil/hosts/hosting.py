"""What the hosts have in common: how long to wait, how a server begins, and how it ends.

Theory: a loop with callbacks for descriptors and for times is a host as soon as it can watch a
descriptor, and can call once in so many seconds. `CallbackHost` is the rest of it, and each such
loop is a class of a few lines.

Rules: a server listens when it is attached, and is ticked until it has ended; nothing else drives
it meanwhile. Whatever leaves a tick ends the server, and is raised where the loop has called. It
does not know any loop.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from math import ceil
from typing import Protocol

from sigil import HttpServer


class Hosted(Protocol):
    """What a loop drives: a server, or a client that no server ticks.

    It may have `running`, which is False once it has ended; `listen`, with which it begins; and
    `stop` or `close`, with which it ends.
    """

    def tick(self, timeout: float, /) -> bool:
        """Do what there is to do, waiting for it up to `timeout` seconds; True if there was any."""

    def fileno(self) -> int:
        """The descriptor that is readable while a tick has something to do."""

    def next_deadline(self) -> float | None:
        """When a tick is needed though nothing is ready, on `time.monotonic()`; None if never."""


def begin(hosted: Hosted, name: str = "serve") -> int:
    """The descriptor of a server, which listens from now on, and belongs to this loop until
    `let_go`; OSError if it cannot, RuntimeError, for whoever has called `name`, if it is driven by
    something else.
    """
    if isinstance(hosted, HttpServer):
        hosted._begin_serving(name)
    try:
        listen = getattr(hosted, "listen", None)
        if listen is not None and not is_running(hosted):
            listen()
        return hosted.fileno()
    except BaseException:
        let_go(hosted)
        raise


def let_go(hosted: Hosted) -> None:
    """Whatever wants to may drive a server from now on."""
    if isinstance(hosted, HttpServer):
        hosted._end_serving()


def is_running(hosted: Hosted) -> bool:
    """False for a server that has ended, or was not begun, and for a client that was closed."""
    return bool(getattr(hosted, "running", True))


def seconds_left(hosted: Hosted) -> float | None:
    """How long a loop may wait for the descriptor; None for ever."""
    deadline = hosted.next_deadline()
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def milliseconds(seconds: float) -> int:
    """So many seconds for a clock that counts milliseconds, which is not earlier."""
    return ceil(seconds * 1_000)


def begin_end(hosted: Hosted, grace: float = 0.0) -> None:
    """Have a server end, which takes some ticks, or close a client."""
    stop = getattr(hosted, "stop", None)
    if stop is not None:
        stop(grace)
    else:
        getattr(hosted, "close", bool)()


def end_now(hosted: Hosted) -> None:
    """End a server at once, or close a client, and let go of it when that is done."""
    try:
        if is_running(hosted):
            _end(hosted)
    finally:
        let_go(hosted)


def _end(hosted: Hosted) -> None:
    stop = getattr(hosted, "stop", None)
    if stop is None:
        getattr(hosted, "close", bool)()
        return
    stop(0.0)
    stop(0.0)  # what its handler still has to end is not waited for
    while is_running(hosted):
        hosted.tick(0.0)


_ATTACHED: set["CallbackHost"] = set()
"""Held here, since a loop may hold what it calls back no longer than its program does."""


class CallbackHost(ABC):
    """A server in a loop that calls back: `detach` leaves it to itself."""

    def __init__(self, hosted: Hosted, on_end: Callable[[], object] | None) -> None:
        self.hosted = hosted
        self.is_attached = True
        self._on_end = on_end
        self._is_ticking = self._is_held = self._has_to_end = False
        self._descriptor = begin(hosted, "attach")
        try:
            self._watch(self._descriptor)
        except BaseException:
            end_now(hosted)
            raise
        _ATTACHED.add(self)
        self.tick()

    @abstractmethod
    def _watch(self, descriptor: int) -> None:
        """Have `tick` called whenever this is readable."""

    @abstractmethod
    def _unwatch(self) -> None:
        """Have nothing called any more."""

    @abstractmethod
    def _call_in(self, seconds: float | None) -> None:
        """Have `tick` called once in so many seconds (None: never), instead of when it was to be
        called before.
        """

    def tick(self, *_: object) -> None:
        """Tick once; for the loop, which a handler may run, to show a dialog, say: then all wait
        until it returns, and so does the end of the loop.
        """
        if not self.is_attached:
            return
        if self._is_ticking:
            self._is_held = True
            self._unwatch()  # it would be called again and again
            return
        try:
            self._tick_once()
        except BaseException:
            self.detach()
            end_now(self.hosted)
            raise
        if self._has_to_end:
            end_now(self.hosted)
        elif self.is_attached:
            self._go_on()

    def _tick_once(self) -> None:
        self._is_ticking = True
        try:
            self.hosted.tick(0.0)
        finally:
            self._is_ticking = False

    def _go_on(self) -> None:
        """Have the next tick called, or end, behind a tick."""
        if is_running(self.hosted):
            if self._is_held:
                self._is_held = False
                self._watch(self._descriptor)
            self._call_in(seconds_left(self.hosted))
            return
        self.detach()
        if self._on_end is not None:
            self._on_end()

    def detach(self, *_: object) -> None:
        """Leave the server to itself; twice is once."""
        if self.is_attached:
            self.is_attached = False
            _ATTACHED.discard(self)
            self._unwatch()
            let_go(self.hosted)

    def end(self, *_: object) -> None:
        """End the server at once, since the loop ends."""
        if self.is_attached:
            self.detach()
            self._has_to_end = self._is_ticking  # a handler has ended the loop
            if not self._is_ticking:
                end_now(self.hosted)
