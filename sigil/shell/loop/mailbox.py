"""Words for the thread that ticks, from any other.

Theory: the core and everything around it belong to one thread. Whoever is on another leaves word
and wakes it; the tick takes the words that were there when it looked.

Rules: `put` never blocks and may be called from a signal handler. Words that come when nobody will
take them any more are given to `discard`. It does not know what the words mean.
"""

import selectors
import socket
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Generic, TypeVar

Word = TypeVar("Word")

WORD_LEN = 200
"""What a word takes beside its bytes, near enough."""


class Mailbox(Generic[Word]):
    """A queue with a descriptor that wakes a selector."""

    def __init__(self, discard: Callable[[Word], object]) -> None:
        self._words: deque[Word] = deque()
        self._length = 0
        """About how many bytes were left since the last look: threads may miscount each other a
        little.
        """
        self._discard = discard
        self._is_closed = False
        self._waker: socket.socket | None = None
        self._sleeper: socket.socket | None = None

    def __len__(self) -> int:
        """How many words wait."""
        return len(self._words)

    def open(self, selector: selectors.BaseSelector) -> None:
        """Wake this selector from now on.  OSError if descriptors ran out."""
        waker, sleeper = socket.socketpair()
        try:
            waker.setblocking(False)
            sleeper.setblocking(False)
            selector.register(sleeper, selectors.EVENT_READ, self)
        except BaseException:
            waker.close()
            sleeper.close()
            raise
        self._waker, self._sleeper, self._is_closed = waker, sleeper, False

    def fileno(self) -> int:
        """The descriptor that wakes the selector when a byte is written to it; -1 if nobody is to
        be woken.
        """
        return -1 if self._waker is None else self._waker.fileno()

    def put(self, word: Word, length: int = 0, most: int = 0) -> bool:
        """Leave word, and wake whoever waits; False if it takes `body_length` bytes and
        `max_frames` already wait.
        """
        length += WORD_LEN
        if most and self._length + length > most:
            return False
        self._length += length
        self._words.append(word)
        self.wake()
        if self._is_closed:
            self._clear()
        return True

    def wake(self) -> None:
        """Wake whoever waits for the selector."""
        waker = self._waker
        if waker is not None:
            with suppress(OSError):  # full, so it is awake; or closed, so there is nobody to wake
                waker.send(b"\0")

    def take(self) -> Iterator[Word]:
        """The words that are there now; what comes meanwhile, and what is not taken after all, is
        for the next time.
        """
        self._length = 0
        for _ in range(len(self._words)):
            yield self._words.popleft()

    def drain_wakeup(self) -> None:
        """Forget that we were woken."""
        with suppress(
            OSError
        ):  # there is no more; or nothing can be had now, and we are woken again
            while self._sleeper is not None and self._sleeper.recv(4_096):
                pass

    def close(self) -> None:
        """Wake nobody any more, and take nothing."""
        for end in (self._waker, self._sleeper):
            if end is not None:
                with suppress(OSError):  # it is closed all the same
                    end.close()
        self._waker = self._sleeper = None
        self._is_closed = True
        self._clear()

    def _clear(self) -> None:
        with suppress(IndexError):  # another thread may be doing the same
            while True:
                self._discard(self._words.popleft())
