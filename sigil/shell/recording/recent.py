"""The last turns of a server in memory, which are written when something has happened.

Theory: what led to a fault is wanted afterwards, when nobody has recorded. So the turns of the last
minute are kept as they would be written, in batches, each with the server at its beginning, which
shares most of its memory with the others. When the fault comes they are a recording of the past.

Rules: a batch is dropped when it is older than was asked for, or when all together have more bytes
than are allowed; what is left begins with a server of its own. Files are written by the thread that
has them written; one that a turn asks for is written behind that turn, by a thread of its own, and
no more than one in `pause` seconds. It does not know why anybody wants them.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from threading import Thread, get_ident
from time import monotonic

from ...core.close_reasons import CloseReason
from ...core.effects import SERVER_LOG, CallClose, Effect
from ...core.events import CloseRequested, Event, HandlerFailed
from ...core.server.state import Server
from ...core.trace.about import About
from ...core.trace.turn import Plain
from ..program.logs import write_log
from .batch import Batch
from .errors import RecordingError
from .file_writer import FileWriter
from .names import FileNames
from .own_lock import OwnLock
from .turn_recorder import TurnRecorder

_LOG = logging.getLogger(SERVER_LOG)


def _has_raised(event: Event) -> bool:
    """True for what comes of a handler, a stream or a callback that has raised."""
    if type(event) is CloseRequested:
        return event.reason is CloseReason.HANDLER_ERROR
    return type(event) is HandlerFailed


class RecentTurns:
    """The turns of the last seconds. `write(path)` writes them."""

    def __init__(
        self,
        seconds: float,
        max_len: int,
        about: Callable[[], About],
        flatten: Callable[[Server], Plain],
    ) -> None:
        self._seconds, self._max_len = seconds, max_len
        self._about, self._flatten = about, flatten
        self._lock = OwnLock()
        self._batches: deque[Batch] = deque()
        self._len = 0
        self._recorder: TurnRecorder | None = None
        self._path: str | PathLike[str] | None = None
        self._names: FileNames | None = None
        self._reasons: frozenset[CloseReason] = frozenset()
        self._on_error = False
        self._pause = self._written_at = 0.0
        self._threads: dict[Thread, None] = {}
        self._writing: set[int] = set()
        """The threads that are about to write, or at it."""

    def belongs_to(self, recorder: TurnRecorder) -> None:
        """Have the batches of this recorder."""
        self._recorder = recorder

    def write_when(
        self,
        path: str | PathLike[str],
        reasons: frozenset[CloseReason],
        on_error: bool,
        pause: float,
    ) -> None:
        """Write a file when a connection ends for one of these reasons, or when user code raises;
        `{number}` in its path is the number of the file.
        """
        self._names = FileNames(path)
        self._reasons, self._on_error = reasons, on_error
        self._pause, self._written_at = pause, monotonic() - pause

    # -- what the recorder calls -------------------------------------------------------------------

    def take(self, batch: Batch) -> None:
        """Keep a batch, and drop those that are too old or too many."""
        with self._lock:
            self._batches.append(batch)
            self._len += batch.size
            oldest = batch.ended - int(self._seconds * 1e9)
            while len(self._batches) > 1 and (
                self._batches[0].ended < oldest or self._len > self._max_len
            ):
                self._len -= self._batches.popleft().size

    def look(self, events: Sequence[Event], effects: Sequence[Effect]) -> None:
        """Write a file behind a turn in which something has happened that asks for it."""
        if not self._is_due():
            return
        for effect in effects:
            if type(effect) is CallClose and effect.reason in self._reasons:
                self._write_soon(f"a connection was closed: {effect.reason.name}")
                return
        if self._on_error and any(map(_has_raised, events)):
            self._write_soon("user code has raised")

    def note_raised(self) -> None:
        """Write a file behind the last turn: user code has raised, and no turn says so."""
        if self._on_error and self._is_due():
            self._write_soon("user code has raised")

    def _is_due(self) -> bool:
        """True if a file is to be written when something asks for it."""
        return self._names is not None and monotonic() - self._written_at >= self._pause

    def _write_soon(self, why: str) -> None:
        """Write a file in a thread of its own."""
        assert self._names is not None
        self._written_at = monotonic()
        self._start(self._names.next(), why)

    def _start(self, path: Path, why: str) -> None:
        """Have a thread of its own write a file, and log that, or what is wrong."""

        def write() -> None:
            self._write_and_log(path, why)
            self._threads.pop(thread, None)

        thread = Thread(target=write, name="sigil recording the last turns")
        self._threads[thread] = None
        thread.start()

    def _write_and_log(self, path: Path, why: str) -> None:
        """Write a file, and log that, or what is wrong."""
        try:
            self.write(path)
            write_log(_LOG, logging.WARNING, "the last turns were written to %s: %s", path, why)
        except RecordingError as error:
            write_log(_LOG, logging.ERROR, "the last turns were not written: %s", error)

    # -- what a program calls ----------------------------------------------------------------------

    def write(self, path: str | PathLike[str]) -> Path:
        """The path of the recording that was written, of what has happened in the last seconds; may
        be called from any thread. RecordingError if it cannot be written, or if nothing has
        happened.

        A signal handler that interrupts a turn has it written behind that by a thread of its own,
        which logs that it was, or why not. One that interrupts this very function on its thread is
        refused: it would wait for a thread that waits for what was interrupted.
        """
        writer = get_ident()
        if writer in self._writing:
            raise RecordingError("the last turns are being written by what this has interrupted")
        self._writing.add(writer)
        try:
            return self._write(path)
        finally:
            self._writing.discard(writer)

    def _write(self, path: str | PathLike[str]) -> Path:
        """`write`, by a thread that is not at it already."""
        recorder = self._recorder
        if self._lock.is_own or (recorder is not None and recorder.lock.is_own):
            path = FileNames(path).next()
            self._start(path, "a signal handler has asked for them")
            return path
        if recorder is not None:
            recorder.hand_over()
        with self._lock:
            batches = list(self._batches)
        if not batches:
            raise RecordingError("there is nothing to write: no turn was recorded yet")
        writer = FileWriter(
            FileNames(path), self._about, flatten=self._flatten, max_pending_len=2 * self._max_len
        )
        for batch in batches:
            writer.take(batch.copy())
        writer.end(batches[-1].last)
        if writer.trouble:
            raise RecordingError(f"a recording cannot be written to {path}: {writer.trouble}")
        return writer.path

    def end(self) -> None:
        """Wait for what is being written."""
        for thread in tuple(self._threads):
            thread.join()
