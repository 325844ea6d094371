"""The descriptors that are watched, and whom each belongs to.

Theory: one call waits for many descriptors, and what it returns are numbers. So there is one table,
from each number to its owner, beside what the kernel has: a list, since the numbers of descriptors
are small and dense. epoll(7) costs the same however many are watched. `selectors` of the library
keeps a record and a name for each descriptor as well, which takes as long as the system call and a
fifth of the memory of an idle connection; so it is what is used where there is no epoll, and not in
between.

Rules: an interest is as in the core: 1 to read, 2 to write, 0 for neither. A descriptor that cannot
be watched is not watched any more. A call that was interrupted may be made once more. It does not
know what a descriptor is, nor what its owner does when it is ready.
"""

import select
import selectors
from collections.abc import Callable
from typing import Protocol

LONGEST = 86_400.0
"""Seconds that one wait takes at most; whoever waits for longer waits again."""
READABLE, WRITABLE = 1, 4
"""The bits of a descriptor that is ready, as epoll has them; any other bit says that it broke."""
_MASKS = (0, READABLE, WRITABLE, READABLE | WRITABLE)
"""The bits that are waited for, by interest."""


class Epoll(Protocol):
    """What is needed of `select.epoll`."""

    def register(self, descriptor: int, mask: int, /) -> None:
        """Watch one more."""

    def modify(self, descriptor: int, mask: int, /) -> None:
        """Watch one for something else."""

    def unregister(self, descriptor: int, /) -> None:
        """Watch one no more."""

    def poll(self, timeout: float | None, max_count: int, /) -> list[tuple[int, int]]:
        """Those that are ready, and for what; waits up to `timeout` seconds, or until one is."""

    def close(self) -> None:
        """Watch nothing any more."""


class SelectorAsEpoll:
    """A selector of the library, with the methods of epoll."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        if hasattr(selector, "fileno"):  # kqueue and /dev/poll have one
            self.fileno = selector.fileno

    def register(self, descriptor: int, mask: int) -> None:
        """Watch one more; FileExistsError if it is watched."""
        try:
            self._selector.register(descriptor, _MASKS.index(mask))
        except KeyError as error:
            raise FileExistsError from error

    def modify(self, descriptor: int, mask: int) -> None:
        """Watch one for something else."""
        self._selector.modify(descriptor, _MASKS.index(mask))

    def unregister(self, descriptor: int) -> None:
        """Watch one no more; FileNotFoundError if it was not."""
        try:
            self._selector.unregister(descriptor)
        except KeyError as error:
            raise FileNotFoundError from error

    def poll(self, timeout: float | None, max_count: int) -> list[tuple[int, int]]:
        """All that are ready, and for what."""
        return [(key.fd, _MASKS[events]) for key, events in self._selector.select(timeout)]

    def close(self) -> None:
        """Watch nothing any more."""
        self._selector.close()


class Poller:
    """The descriptors that are watched; `kernel` is what watches them."""

    __slots__ = ("_can_watch_for_nothing", "_kernel", "_owners")

    def __init__(
        self, kernel: Epoll | None = None, wrap: Callable[[Epoll], Epoll] | None = None
    ) -> None:
        if kernel is None:
            has_epoll = hasattr(select, "epoll")
            kernel = select.epoll() if has_epoll else SelectorAsEpoll(selectors.DefaultSelector())
        self._kernel = kernel if wrap is None else wrap(kernel)
        self._owners: list[object] = []
        """By descriptor; None for one that is not watched."""
        # epoll reports a connection that breaks even if it is watched for nothing; with any other
        # that is seen when the connection is used
        self._can_watch_for_nothing = not isinstance(kernel, SelectorAsEpoll)

    def watch_kernel(self, wrap: Callable[[Epoll], Epoll]) -> None:
        """Have all that is asked of the kernel go through another one from now on."""
        self._kernel = wrap(self._kernel)

    def fileno(self) -> int | None:
        """One descriptor that is readable while any of them is ready; None if there is no such."""
        fileno = getattr(self._kernel, "fileno", None)
        return None if fileno is None else int(fileno())

    def owns(self, descriptor: int) -> bool:
        """True if this descriptor is watched."""
        return 0 <= descriptor < len(self._owners) and self._owners[descriptor] is not None

    def watch(self, descriptor: int, interest: int, owner: object) -> None:
        """Watch a descriptor for this from now on; OSError if that cannot be."""
        if not (interest or self._can_watch_for_nothing):
            self.forget(descriptor)
            return
        mask, owners = _MASKS[interest], self._owners
        if descriptor >= len(owners):
            owners.extend([None] * (descriptor + 1 - len(owners)))
        try:
            if owners[descriptor] is None:
                self._register(descriptor, mask)
                owners[descriptor] = owner
            else:
                self._kernel.modify(descriptor, mask)
        except OSError:
            self.forget(descriptor)
            raise

    def hand_over(self, descriptor: int, owner: object) -> None:
        """Let a descriptor belong to another owner, watched for what it is watched for."""
        if 0 <= descriptor < len(self._owners) and self._owners[descriptor] is not None:
            self._owners[descriptor] = owner

    def _register(self, descriptor: int, mask: int) -> None:
        try:
            self._kernel.register(descriptor, mask)
        except FileExistsError:  # this was interrupted before
            self._kernel.modify(descriptor, mask)

    def forget(self, descriptor: int) -> None:
        """Watch a descriptor no more, before it is closed: a forked child may keep it open."""
        if 0 <= descriptor < len(self._owners) and self._owners[descriptor] is not None:
            try:  # noqa: SIM105 - `suppress` takes as long as the call
                self._kernel.unregister(descriptor)
            except OSError:  # it broke, or this was interrupted before
                pass
            self._owners[descriptor] = None

    def wait(self, timeout: float | None) -> list[tuple[object, int]]:
        """The owners of all descriptors that are ready, and what for; None in the place of one that
        could not be taken out. Waits up to `timeout` seconds (None: as long as it takes).
        """
        owners = self._owners
        if timeout is not None:  # epoll would wait for ever, or has no such number
            timeout = min(max(timeout, 0.0), LONGEST)
        try:
            ready = self._kernel.poll(timeout, len(owners) or 1)
        except InterruptedError:  # a signal: whoever waits looks again
            return []
        return [(owners[descriptor], mask) for descriptor, mask in ready]

    def close(self) -> None:
        """Watch nothing any more."""
        self._owners.clear()
        self._kernel.close()


def ready_for(mask: int, interest: int) -> int:
    """What somebody with this interest is ready for: one that broke can be read and written, which
    will say how.
    """
    readable = 1 if mask & ~WRITABLE else 0
    writable = 2 if mask & ~READABLE else 0
    return interest & (readable | writable)
