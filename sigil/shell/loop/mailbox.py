"""What other threads post for the thread that ticks, and how it is woken.

Theory: the core and everything around it belong to one thread. Other threads post to a queue and
wake that thread; a tick takes the items that were there when it looked.

Rules: `put` never blocks and may be called from a signal handler, also from one that interrupts any
method here: what changes is changed by one indivisible step. Whoever waits is woken once for all
that is posted until it looks. Items that come when nobody will take them any more are given to
`discard`. It does not know what the items mean.
"""

import socket
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Generic, TypeVar

from ...core.effects import Interest
from .poller import Poller

Item = TypeVar("Item")

ITEM_OVERHEAD = 200
"""Bytes that an item takes beside those of its message, near enough."""


class Mailbox(Generic[Item]):
    """A queue with a descriptor that wakes whoever waits."""

    def __init__(self, discard: Callable[[Item], object]) -> None:
        self._items: deque[Item] = deque()
        self._length = 0
        """About how many bytes were posted since the last `take`: threads that post at the same
        time may miscount a little.
        """
        self._discard = discard
        self._is_closed = False
        self._is_woken = False
        """There is a byte for the sleeper, or will be at once; or it has been read, and what is
        posted is taken behind that.
        """
        self.is_taken_soon = False
        """What is posted now is taken in this tick, so nobody need be woken for it."""
        self.wake_here: Callable[[], bool] | None = None
        """Wakes whoever waits without a system call, if that is possible where it is called."""
        self._waker: socket.socket | None = None
        self._sleeper: socket.socket | None = None

    def __len__(self) -> int:
        """How many items wait."""
        return len(self._items)

    def open(self, poller: Poller) -> None:
        """Wake whoever waits for this from now on.  OSError if descriptors ran out."""
        waker, sleeper = socket.socketpair()
        try:
            waker.setblocking(False)
            sleeper.setblocking(False)
            poller.watch(sleeper.fileno(), Interest.READ, self)
        except BaseException:
            waker.close()
            sleeper.close()
            raise
        self._waker, self._sleeper, self._is_closed = waker, sleeper, False
        self._is_woken = False

    def fileno(self) -> int:
        """The descriptor that wakes whoever waits when a byte is written to it; -1 if nobody is to
        be woken.
        """
        return -1 if self._waker is None else self._waker.fileno()

    def copy_ends(self) -> tuple[socket.socket, ...]:
        """Descriptors of one's own for both ends, the one that wakes first: it can be written to as
        long as both are open, also when this is closed. OSError if descriptors ran out.
        """
        ends = [end for end in (self._waker, self._sleeper) if end is not None]
        with ExitStack() as copied:
            copies = tuple(copied.enter_context(end.dup()) for end in ends)
            copied.pop_all()
        return copies

    def put(self, item: Item, length: int = 0, max_bytes: int = 0) -> bool:
        """Post an item of `length` bytes and wake whoever waits; False if more than `max_bytes`
        would wait then (0: no such bound).
        """
        length += ITEM_OVERHEAD
        if max_bytes and self._length + length > max_bytes:
            return False
        self._length += length
        self._items.append(item)
        if not self.is_taken_soon:
            self.wake()
        if self._is_closed:
            self.clear()
        return True

    def wake(self) -> None:
        """Wake whoever waits, unless that was done since it looked last: a byte costs more than all
        the rest.
        """
        waker = self._waker
        if waker is None or self._is_woken:
            return
        if self.wake_here is not None and self.wake_here():
            return
        try:
            self._is_woken = True  # before the byte: it may be read at once
            waker.send(b"\0")
        except OSError:  # full, so it is awake; or closed, so there is nobody to wake
            pass
        except BaseException:  # of a signal handler: it may not have been sent
            self._is_woken = False
            raise

    def take(self, max_count: int | None = None) -> Iterator[Item]:
        """The items that are there now, or the first `max_count` of them; those posted meanwhile,
        and those not taken after all, are for the next time.
        """
        self._length = 0
        count = len(self._items)
        for _ in range(count if max_count is None else min(count, max_count)):
            try:
                item = self._items.popleft()
            except IndexError:  # what an item led to has taken the rest
                return
            yield item

    def drain_wakeup(self) -> None:
        """Read the bytes that have woken it, so that it waits again.

        Once: what interrupts this again and again would be read for ever. What is left wakes it
        again.
        """
        try:
            if self._sleeper is not None:
                self._sleeper.recv(65_536)
        except OSError:  # there are none, or none can be read now: it is woken again
            pass
        finally:
            self._is_woken = False  # behind the byte: what was posted before is taken behind this

    def close(self) -> None:
        """Close the descriptors; what is posted from now on is discarded."""
        for end in (self._waker, self._sleeper):
            if end is not None:
                with suppress(OSError):  # it is closed all the same
                    end.close()
        self._waker = self._sleeper = None
        self._is_closed = True
        self.clear()

    def clear(self) -> None:
        """Discard all items."""
        self._length = 0
        with suppress(IndexError):  # another thread may be doing the same
            while True:
                self._discard(self._items.popleft())
