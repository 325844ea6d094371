"""Reporting to a program every descriptor that is watched: for loops that own the set they poll.

Theory: some loops cannot be given one descriptor that stands for many: they have a table of their
own, and want to know what is in it. So the poller's kernel is wrapped: it watches as before, and
whatever it is asked to watch is reported to the program as well.  Which descriptors are ready the
kernel says, so that nobody is judged who has something to read.

Rules: the hooks are called in the middle of sigil's own work: what they call of the server waits
for the next tick. One that raises is logged, and the descriptor is one that cannot be watched: a
connection is lost then. Every descriptor that was added is deleted before it is closed. It does not
know what a descriptor is.
"""

import errno
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from ...core.effects import ERROR_LOG
from ..program.logs import write_text
from ..program.tracebacks import EXIT_EXCEPTIONS, error_text
from .poller import Epoll

_LOG = logging.getLogger(ERROR_LOG)


class PollHooks(NamedTuple):
    """What a program that owns the set of polled descriptors is called with; events are those of
    `select.poll`: POLLIN, POLLOUT, both, or 0 for neither.
    """

    add: Callable[[int, int], object]
    """Called with a descriptor and the events that it is to be polled for."""
    change: Callable[[int, int], object]
    """Called with a descriptor and other events."""
    delete: Callable[[int], object]
    """Called with a descriptor that is polled no more, before it is closed."""


class ReportingKernel:
    """What watches descriptors, and reports each to a program."""

    def __init__(self, kernel: Epoll, hooks: PollHooks) -> None:
        self._kernel = kernel
        self._hooks = hooks
        self._added: set[int] = set()
        """The descriptors that were added and not deleted."""
        if hasattr(kernel, "fileno"):
            self.fileno = kernel.fileno

    def register(self, descriptor: int, mask: int, /) -> None:
        """Watch one more."""
        self._kernel.register(descriptor, mask)
        self._added.add(descriptor)
        self._call(self._hooks.add, descriptor, mask)

    def modify(self, descriptor: int, mask: int, /) -> None:
        """Watch one for something else."""
        self._kernel.modify(descriptor, mask)
        self._call(self._hooks.change, descriptor, mask)

    def unregister(self, descriptor: int, /) -> None:
        """Watch one no more."""
        try:
            if descriptor in self._added:
                self._added.discard(descriptor)
                self._call(self._hooks.delete, descriptor)
        finally:
            self._kernel.unregister(descriptor)

    def poll(self, timeout: float | None, max_count: int, /) -> list[tuple[int, int]]:
        """Those that are ready, and for what; waits up to `timeout` seconds, or until one is."""
        return self._kernel.poll(timeout, max_count)

    def close(self) -> None:
        """Watch nothing any more."""
        for descriptor in sorted(self._added):
            with suppress(OSError):
                self._call(self._hooks.delete, descriptor)
        self._added.clear()
        self._kernel.close()

    def _call(self, hook: Callable[..., object], *values: int) -> None:
        """Call a hook; OSError if it raises, which is logged."""
        try:
            hook(*values)
        except EXIT_EXCEPTIONS:
            raise
        except BaseException as error:
            write_text(_LOG, logging.ERROR, error_text("a hook of the poll set raised", error))
            raise OSError(errno.EIO, "a hook of the poll set raised") from error
