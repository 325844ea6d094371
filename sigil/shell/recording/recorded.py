"""A server that can be recorded: to a file, while it serves.

Theory: recording is putting a function around the core, and taking it away again. Both are one
assignment, so any thread may do it at any time: the next turn is the first, or there is none.

Rules: several recordings may be made at once, each with its own function; they may end in any
order. It does not know how turns are written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, NamedTuple

from ..control import Controlling
from .own_lock import OwnLock, call_outside

if TYPE_CHECKING:
    from pathlib import Path

    from ...core.close_reasons import CloseReason
    from ...core.limits import Limits
    from ...core.server.state import Server
    from ...core.trace.about import About
    from ...core.trace.redactor import Redactor
    from ...core.trace.turn import Plain
    from ..loop.engine import Advance, Engine
    from .recent import RecentTurns
    from .turn_recorder import TurnRecorder


MAX_KEPT_LEN = 64 * 2**20
"""Bytes of turns that are kept in memory: a minute of some ten thousand requests a second."""
PAUSE_SECONDS = 60.0
"""A server that fails all the time writes a file in so many seconds, and not one each time."""
BATCH_LEN, BATCHES = 2**20, 16
"""What is kept in memory is dropped in pieces: a sixteenth of all, or a mebibyte."""


class Parts(NamedTuple):
    """What a recording is made with: what it says about itself, what makes a server a plain
    structure, what redacts its turns.
    """

    about: Callable[[], About]
    flatten: Callable[[Server], Plain]
    redactor: Redactor | None


def _parts_of(redact: Sequence[str] | str) -> Parts:
    """What a recording is made with that redacts this; `a,b` is `["a", "b"]`."""
    from ...core.trace.plain import flatten
    from ...core.trace.redaction import redaction_of
    from ...core.trace.redactor import Redactor
    from .about_text import about_now
    from .arguments import to_names

    asked = to_names(redact)
    redaction = redaction_of(asked)
    if redaction is None:
        return Parts(partial(about_now, ()), flatten, None)
    redactor = Redactor(redaction)
    return Parts(partial(about_now, asked), redactor.flatten, redactor)


def _nothing() -> None:
    """Nothing more is to be done."""


class Recorded(Controlling):
    """What a server that can be recorded is."""

    __slots__ = ("_core", "_recorders", "_recorders_lock")

    def __init__(self, limits: Limits, engine: Engine) -> None:
        super().__init__(limits, engine)
        self._core: Advance = engine._advance
        self._recorders: tuple[TurnRecorder, ...] = ()
        self._recorders_lock = OwnLock()
        self._guard.note_raised = self._note_raised

    @contextmanager
    def recording(
        self,
        path: str | PathLike[str],
        *,
        redact: Sequence[str] | str = (),
        max_len: int | None = None,
        max_seconds: float | None = None,
        keep: int | None = None,
    ) -> Iterator[Path]:
        """Record every turn to a file while the block runs: `with server.recording("run.mcap"):`.

        It may be begun and ended by any thread, before the server listens or while it serves; by a
        signal handler, too: if that interrupts a turn, the recording ends behind it, and the file
        is whole a moment later. A file that is there is overwritten. With `max_len` bytes or
        `max_seconds` another file begins when one has so many, with a number in its name
        (`{number}` and `{time}` in the path say where), and the last `keep` of them are kept. The
        block is given the path of the first file.
        What is in `redact` is made unreadable: `authorization`, `cookie` and other names of header
        fields, `body`, `messages`. When the disk is full or too slow, the server serves on, and the
        recording has a gap.

        RecordingError if the file cannot be written, or another recording is being written to it;
        ValueError for arguments that make no sense; ModuleNotFoundError without the packages of
        `sigil-http[record]`.
        """
        from .arguments import check_rotation
        from .file_writer import FileWriter, Rotation
        from .names import FileNames
        from .turn_recorder import TurnRecorder

        check_rotation(max_len, max_seconds, keep)
        parts = _parts_of(redact)
        rotation = Rotation(max_len, max_seconds, keep)
        names = FileNames(path, rotation != Rotation())
        writer = FileWriter(names, parts.about, rotation, parts.flatten)
        recorder = TurnRecorder(writer.take, parts.redactor)
        writer.flush_with(recorder.flush)
        self._begin_recorder(recorder)
        try:
            yield writer.path
        finally:
            self._end_recorder(recorder, lambda: writer.end(self._engine.snapshot))

    @contextmanager
    def recorder(
        self,
        seconds: float = 60.0,
        *,
        redact: Sequence[str] | str = (),
        max_len: int = MAX_KEPT_LEN,
        path: str | PathLike[str] | None = None,
        reasons: Iterable[CloseReason] = (),
        on_error: bool = True,
        pause: float = PAUSE_SECONDS,
    ) -> Iterator[RecentTurns]:
        """Keep the turns of the last `seconds` in memory while the block runs, `max_len` bytes at
        most; `.write(path)` of what the block is given writes them, from any thread, and from a
        signal handler.

        With a `path` they are written by themselves when a connection ends for one of `reasons`,
        and, unless `on_error` is false, when a handler, a callback or a stream raises: at most once
        in `pause` seconds. `{number}` in the path is the number of the file.

        RecordingError if there is no folder for such a file, or none may be written there;
        TypeError and ValueError for arguments that make no sense; ModuleNotFoundError without the
        packages of `sigil-http[record]`.
        """
        from .arguments import check_folder, check_number, to_reasons
        from .recent import RecentTurns
        from .turn_recorder import TurnRecorder

        check_number("seconds", seconds, 0)
        check_number("max_len", max_len, 1)
        check_number("pause", pause, 0)
        known = to_reasons(reasons, path)
        parts = _parts_of(redact)
        recent = RecentTurns(seconds, max_len, parts.about, parts.flatten)
        if path is not None:
            check_folder(path)
            recent.write_when(path, known, on_error, pause)
        batch_len = max(1, min(BATCH_LEN, max_len // BATCHES))
        recorder = TurnRecorder(
            recent.take, parts.redactor, recent.look, batch_len, recent.note_raised
        )
        recent.belongs_to(recorder)
        self._begin_recorder(recorder)
        try:
            yield recent
        finally:
            self._end_recorder(recorder, recent.end)

    def _begin_recorder(self, recorder: TurnRecorder) -> None:
        """Let a recorder have every turn from now on."""

        def begin() -> None:
            with self._recorders_lock:
                if recorder.has_ended:
                    return
                if not self._recorders:
                    self._core = self._engine._advance
                self._recorders = (*self._recorders, recorder)
                self._surround()

        call_outside(begin, self._recorders_lock)

    def _end_recorder(self, recorder: TurnRecorder, then: Callable[[], None] = _nothing) -> None:
        """Let a recorder have no more turns, and give away what it has; `then` is called behind
        that.
        """

        def end() -> None:
            with self._recorders_lock:
                self._recorders = tuple([one for one in self._recorders if one is not recorder])
                self._surround()
                recorder.end()
            then()

        call_outside(end, self._recorders_lock, recorder.lock)

    def _note_raised(self) -> None:
        """Tell the recorders that user code has raised, where no turn says so."""
        for recorder in self._recorders:
            if recorder.note_raised is not None:
                recorder.note_raised()

    def _surround(self) -> None:
        """Have the engine call the core by way of all recorders."""
        core = self._core
        for recorder in self._recorders:
            core = recorder.around(core)
        self._engine._advance = core


http_server_recording = Recorded.recording
http_server_recorder = Recorded.recorder
