"""A recording that is written to files while the server serves: the thread, and its queue.

Theory: a disk may be slow, full or gone, and whoever is served must not notice. So batches go
through a queue to a thread, which spends its time in calls that let the loop go on: to compress, to
sum up, to write. The queue is bounded in bytes; what does not fit is not recorded, and what cannot
be written, or is longer than what is read, is not either. Each leaves a gap, behind which the
recording goes on with the server as it is then.

Rules: a file is opened, and its beginning is written, when it is asked for; what is wrong then is
raised. What goes wrong later is logged once, and once more when it is well again. A file that has
grown too long or too old is ended, and the next begins with a server of its own, so that each can
be read alone. It does not know what a turn is.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from threading import Condition, Thread
from time import monotonic, time
from typing import BinaryIO, NamedTuple

from ...core.effects import SERVER_LOG
from ...core.server.state import Server
from ...core.trace.about import About
from ...core.trace.plain import flatten
from ...core.trace.turn import Plain
from ..program.logs import write_log
from .batch import GAPS, LAG, STATS, Batch
from .channels import lag_json, stats_json
from .errors import RecordingError
from .mcap_file import McapFile
from .names import FileNames
from .packages import MAX_LEN, TooLong, check_len, packer

_LOG = logging.getLogger(SERVER_LOG)

MAX_PENDING_LEN = 64 * 2**20
"""So many bytes of turns wait for the disk at most: some seconds of a busy server."""
FLUSH_SECONDS = 1.0
RETRY_SECONDS = 10.0
"""A server that is too long is made bytes no more often: that keeps the loop from its work."""
FIGURES_NS = 1_000_000_000
"""Figures are written once in so many nanoseconds."""


class Rotation(NamedTuple):
    """When another file begins, and how many are kept."""

    max_len: int | None = None
    """Bytes of a file, about: what is written at once may be more."""
    max_seconds: float | None = None
    keep: int | None = None
    """How many files of this recording are kept; the oldest are removed."""


NO_ROTATION = Rotation()


def _nothing() -> None:
    """Hands nothing over: nobody has said what does."""


def _open_to_write(path: Path) -> BinaryIO:
    """The file at a path, empty; BlockingIOError if another recording is being written to it."""
    file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666), "wb", 0)
    try:
        flock(file, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        file.close()
        raise
    except OSError:
        pass  # a filesystem without locks: nobody can be asked
    with suppress(OSError):  # what cannot be cut off has no length: a pipe, a device
        file.truncate(0)
    return file


class FileWriter:
    """Writes batches to files, in a thread of its own."""

    def __init__(
        self,
        names: FileNames,
        about: Callable[[], About],
        rotation: Rotation = NO_ROTATION,
        flatten: Callable[[Server], Plain] = flatten,
        max_pending_len: int = MAX_PENDING_LEN,
        longest: int = MAX_LEN,
    ) -> None:
        self._names, self._about, self._rotation = names, about, rotation
        self._flatten = flatten
        """Makes a server a plain structure, without what is redacted."""
        self._max_pending_len, self._longest = max_pending_len, longest
        self._flush: Callable[[], None] = _nothing
        """Has what is growing handed over."""
        self._pack = packer()
        self._changed = Condition()
        self._queue: deque[Batch] = deque()
        self._pending_len = 0
        self._missed = 0
        """Turns that were lost behind the last one that was written, or is to be."""
        self._file: McapFile | None = None
        self._is_begun = False
        """The beginning of the file is written, which is when the first batch has come."""
        self._opened_at = self._opened_time = 0.0
        """When the file was opened, on a clock that never goes back, and in seconds since 1970."""
        self._retry_at = 0.0
        self._figures_at = 0
        self._is_troubled = False
        self.trouble = ""
        """Why turns are missing, if some are."""
        self._is_ending = False
        self._process = os.getpid()
        """Whose file it is: one that is forked has its own copy of everything but the file."""
        self.path = names.next()
        """The file that is written."""
        self._open(self.path)
        self._thread = Thread(target=self._run, name="sigil recording", daemon=True)
        self._thread.start()

    def flush_with(self, flush: Callable[[], None]) -> None:
        """Have this called once a second, so that what grows slowly is written too."""
        self._flush = flush

    # -- what the loop calls -----------------------------------------------------------------------

    def take(self, batch: Batch) -> None:
        """Write this batch when its time comes, unless too much waits already."""
        with self._changed:
            if self._pending_len + batch.size > self._max_pending_len and self._queue:
                self._missed += batch.missed + batch.count
                is_first, self._is_troubled = not self._is_troubled, True
                if is_first:
                    self._log_gap("the disk is too slow")
                return
            if self._missed:
                batch.missed += self._missed
                batch.is_joined = False
                self._missed = 0
            self._queue.append(batch)
            self._pending_len += batch.size
            self._changed.notify()

    def end(self, server: Server) -> None:
        """Write what waits, and the end of the file; a recording without turns has this server. In
        a process that was forked meanwhile nothing is written: the file is that of the other.
        """
        if os.getpid() != self._process:
            return
        with self._changed:
            self._is_ending = True
            self._changed.notify()
        self._thread.join()
        if not self._is_begun:
            self._write(Batch(server, True))
        self._end_file()

    # -- the thread --------------------------------------------------------------------------------

    def _run(self) -> None:
        """Write batches until the end."""
        while True:
            with self._changed:
                if not self._queue and not self._is_ending:
                    self._changed.wait(FLUSH_SECONDS)
                # one at a time: the next, to which one that is lost is a gap, stays in the queue
                batch = self._queue.popleft() if self._queue else None
                is_ending = self._is_ending and batch is None
            if batch is not None:
                length = batch.size  # figures are added to it
                self._write(batch)
                with self._changed:
                    self._pending_len -= length
            if is_ending:
                return
            if batch is None:
                self._flush()

    def _write(self, batch: Batch) -> None:
        """Write a batch, or leave it out."""
        try:
            if self._is_over():
                self._rotate()
            self._write_to(self._ready_file(batch), batch)
        except OSError as error:
            self._lose(batch, str(error.strerror or error))
        except TooLong as error:
            self._lose(batch, str(error))
        except Exception as error:  # a defect of ours ends no thread that others wait for
            self._lose(batch, f"{type(error).__name__}: {error}")
        else:
            if self._is_troubled:
                self._is_troubled = False
                write_log(_LOG, logging.WARNING, "recording to %s goes on", self.path)

    def _write_to(self, file: McapFile, batch: Batch) -> None:
        """Write a batch as the next one of a file."""
        if not batch.is_joined:
            file.add(self._gap(batch))
            batch.is_joined = True
            batch.missed = 0
        if batch.ended - self._figures_at >= FIGURES_NS:
            self._figures_at = batch.ended
            batch.add(STATS, 0, batch.ended, stats_json(batch.last))
            batch.add(LAG, 0, batch.ended, lag_json(batch.last))
        if batch.size:
            file.add(batch)

    def _gap(self, batch: Batch) -> Batch:
        """A batch of one message: how many turns are missing, and the server from which the
        recording goes on.
        """
        gap = Batch(batch.start, True)
        gap.add(GAPS, 0, batch.begun, self._packed(batch.start, batch.missed))
        return gap

    def _packed(self, server: Server, missed: int | None = None) -> bytes:
        """The bytes of a server, behind the number of turns that are missing before it, if that is
        given; `TooLong` if they cannot be read, and for some time behind that.
        """
        if monotonic() < self._retry_at:
            raise TooLong(self.trouble)
        plain = self._flatten(server)
        data = self._pack(plain if missed is None else (missed, plain))
        if len(data) > self._longest:
            self._retry_at = monotonic() + RETRY_SECONDS
        check_len(len(data), self._longest, "a server")
        return data

    def _lose(self, batch: Batch, why: str) -> None:
        """Leave out a batch: what follows goes on behind a gap."""
        with self._changed:
            following = self._queue[0] if self._queue else None
            if following is None:
                self._missed += batch.missed + batch.count
            else:
                following.missed += batch.missed + batch.count
                following.is_joined = False
            is_first, self._is_troubled = not self._is_troubled, True
        if is_first:
            self._log_gap(why)

    def _log_gap(self, why: str) -> None:
        """Log that turns are not recorded."""
        self.trouble = why
        text = "recording to %s has a gap: %s"
        write_log(_LOG, logging.ERROR, text, self.path, why)

    # -- files -------------------------------------------------------------------------------------

    def _open(self, path: Path) -> None:
        """Open a file; RecordingError with a sentence if that cannot be."""
        try:
            file = _open_to_write(path)
        except BlockingIOError:
            text = f"a recording cannot be written to {path}: another one is being written to it"
            raise RecordingError(text) from None
        except OSError as error:
            why = error.strerror or error
            raise RecordingError(f"a recording cannot be written to {path}: {why}") from error
        self.path, self._file, self._is_begun = path, McapFile(file, self._longest), False
        self._opened_at, self._opened_time = monotonic(), time()

    def _ready_file(self, batch: Batch) -> McapFile:
        """The file that is written, with a beginning: that of the batch, if it has none."""
        if self._file is None:
            self._open(self._names.next())
        file = self._file
        assert file is not None
        if not self._is_begun:
            packed = self._packed(batch.start)
            begun = batch.begun or int(self._opened_time * 1e9)
            about = self._about().replace(begun=min(self._opened_time, begun / 1e9))
            file.begin(about, batch.start, packed, begun)
            self._is_begun = batch.is_joined = True
        return file

    def _is_over(self) -> bool:
        """True if the file is so long, or so old, that another is to begin."""
        if self._file is None or not self._is_begun:
            return False
        max_len, max_seconds, _ = self._rotation
        is_long = max_len is not None and self._file.size >= max_len
        return is_long or (max_seconds is not None and monotonic() - self._opened_at >= max_seconds)

    def _rotate(self) -> None:
        """End the file, remove those that are too many, and let the next batch begin another."""
        self._end_file()
        self._names.remove_old(self._rotation.keep)

    def _end_file(self) -> None:
        """Write the end of the file, as far as the disk allows: it can be read without."""
        file, self._file = self._file, None
        if file is None:
            return
        try:
            if self._is_begun:
                file.end()
        except OSError as error:
            self._log_gap(str(error.strerror or error))
        finally:
            file.close()
