"""A server that can be recorded: to a file, while it serves.

Theory: recording is putting a function around the core, and taking it away again. Both are one
assignment, so any thread may do it at any time: the next turn is the first, or there is none.

Rules: several recordings may be made at once, each with its own function; they may end in any
order. It does not know how turns are written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from threading import Lock
from typing import TYPE_CHECKING

from ..control import Controlling

if TYPE_CHECKING:
    from pathlib import Path

    from ...core.limits import Limits
    from ...core.trace.about import About
    from ..loop.engine import Advance, Engine
    from .turn_recorder import TurnRecorder


class Recorded(Controlling):
    """What a server that can be recorded is."""

    __slots__ = ("_core", "_recorders", "_recorders_lock")

    def __init__(self, limits: Limits, engine: Engine) -> None:
        super().__init__(limits, engine)
        self._core: Advance = engine._advance
        self._recorders: tuple[TurnRecorder, ...] = ()
        self._recorders_lock = Lock()

    @contextmanager
    def recording(
        self,
        path: str | PathLike[str],
        *,
        redact: Sequence[str] = (),
        max_len: int | None = None,
        max_seconds: float | None = None,
        keep: int | None = None,
    ) -> Iterator[Path]:
        """Record every turn to a file while the block runs: `with server.recording("run.mcap"):`.

        It may be begun and ended by any thread, before the server listens or while it serves. A
        file that is there is overwritten. With `max_len` bytes or `max_seconds` another file begins
        when one has so many, with a number in its name (`{number}` and `{time}` in the path say
        where), and the last `keep` of them are kept. The block is given the path of the first file.
        What is in `redact` is made unreadable: `authorization`, `cookie` and other names of header
        fields, `body`, `messages`. When the disk is full or too slow, the server serves on, and the
        recording has a gap.

        RecordingError if the file cannot be written; ModuleNotFoundError without the packages of
        `sigil-http[record]`.
        """
        from .about_text import about_now
        from .file_writer import FileWriter, Rotation
        from .names import FileNames
        from .turn_recorder import TurnRecorder

        def about() -> About:
            return about_now(tuple(redact))

        rotation = Rotation(max_len, max_seconds, keep)
        names = FileNames(path, rotation != Rotation())
        writer = FileWriter(names, about, rotation)
        recorder = TurnRecorder(writer.take)
        writer.flush_with(recorder.flush)
        self._begin_recorder(recorder)
        try:
            yield writer.path
        finally:
            self._end_recorder(recorder)
            writer.end(self._engine.snapshot)

    def _begin_recorder(self, recorder: TurnRecorder) -> None:
        """Let a recorder have every turn from now on."""
        with self._recorders_lock:
            if not self._recorders:
                self._core = self._engine._advance
            self._recorders = (*self._recorders, recorder)
            self._surround()

    def _end_recorder(self, recorder: TurnRecorder) -> None:
        """Let a recorder have no more turns, and give away what it has."""
        with self._recorders_lock:
            self._recorders = tuple([one for one in self._recorders if one is not recorder])
            self._surround()
        recorder.end()

    def _surround(self) -> None:
        """Have the engine call the core by way of all recorders."""
        core = self._core
        for recorder in self._recorders:
            core = recorder.around(core)
        self._engine._advance = core


http_server_recording = Recorded.recording
