"""What interrupts a server that is recorded may begin and end recordings, and have them written.

Theory: a signal handler runs between any two bytecodes of the thread that ticks, and so does a
profile function, which is called at each call and return of a function. So one that does what a
handler would do, at each of those of sigil's in turn, is a signal at the worst of moments.

Rules: every file that comes of it is read, and is run again to the byte. Nobody waits for himself.
"""

import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any

from sigil import Request, Response
from sigil.shell.recording.errors import RecordingError
from sigil.shell.recording.reader import read_recording
from sigil.shell.recording.recent import RecentTurns
from sigil.testing import Client
from tests.support.builds import needs_pure_sources
from tests.support.replaying import replayed
from tests.support.servers import PATIENCE

SIGIL = "sigil."
"""What is interrupted: functions of modules whose names begin so."""
STEP = 11
"""At each of so many calls and returns: prime, so that it is not the same place of every turn."""


def app(request: Request) -> Response:
    """Answers."""
    return Response.text(f"hello {request.path}")


class Interrupted:
    """Calls something at one call or return of a function, on the thread that makes it."""

    def __init__(self, number: int, deed: Callable[[], object]) -> None:
        self._left, self._deed = number, deed
        self.has_fired = False

    def __enter__(self) -> "Interrupted":
        sys.setprofile(self._look)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _look(self, frame: FrameType, event: str, argument: Any) -> None:
        if self.has_fired or not frame.f_globals.get("__name__", "").startswith(SIGIL):
            return  # within logging or threading, whose locks nobody can know of
        self._left -= 1
        if self._left < 0:
            self.has_fired = True
            sys.setprofile(None)
            self._deed()


def wait_for_threads() -> None:
    """Return when whatever was left to a thread is done."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and thread.name.startswith("sigil recording"):
            thread.join(PATIENCE)
            assert not thread.is_alive()


def at_every_call(tmp_path: Path, deeds: Callable[[Client, ExitStack, Path], Any]) -> int:
    """How often something was done at a call of two requests, each time in a server of its own;
    what was written then is read, and replays.
    """
    count = 0
    while True:
        client, folder = Client(app), tmp_path / str(count)
        folder.mkdir()
        with ExitStack() as stack:
            deed = deeds(client, stack, folder)
            with Interrupted(count * STEP, deed) as interrupted:
                client.get("/a")
                client.get("/b")
            client.get("/c")
        wait_for_threads()
        paths = sorted(folder.iterdir())
        assert paths
        for path in paths:
            replayed(read_recording(path))
        if not interrupted.has_fired:
            return count
        count += 1


@needs_pure_sources
def test_a_recording_may_be_ended_by_what_interrupts_it(tmp_path: Path) -> None:
    def deeds(client: Client, stack: ExitStack, folder: Path) -> Callable[[], object]:
        stack.enter_context(client.server.recording(folder / "run.mcap"))
        return stack.close

    assert at_every_call(tmp_path, deeds) > 20


@needs_pure_sources
def test_a_recording_may_be_begun_by_what_interrupts_another(tmp_path: Path) -> None:
    def deeds(client: Client, stack: ExitStack, folder: Path) -> Callable[[], object]:
        stack.enter_context(client.server.recording(folder / "run.mcap"))
        return lambda: stack.enter_context(client.server.recording(folder / "other.mcap"))

    assert at_every_call(tmp_path, deeds) > 20


@needs_pure_sources
def test_the_last_turns_may_be_written_by_what_interrupts_them(tmp_path: Path) -> None:
    def deeds(client: Client, stack: ExitStack, folder: Path) -> Callable[[], object]:
        recent = stack.enter_context(client.server.recorder())
        client.get("/before")
        recent.write(folder / "before.mcap")
        return lambda: recent.write(folder / "run.mcap")

    assert at_every_call(tmp_path, deeds) > 20


def write_or_be_refused(recent: RecentTurns, path: Path) -> None:
    """Write the last turns, or be told in a sentence why that cannot be here."""
    try:
        recent.write(path)
    except RecordingError as error:
        assert "by what this has interrupted" in str(error)


@needs_pure_sources
def test_what_writes_the_last_turns_may_be_interrupted_by_the_same(tmp_path: Path) -> None:
    count, has_fired = 0, True
    while has_fired:
        client = Client(app)
        with client.server.recorder() as recent:
            client.get("/")
            deed = Interrupted(count, lambda: write_or_be_refused(recent, tmp_path / "b.mcap"))
            with deed:
                recent.write(tmp_path / "a.mcap")
            has_fired = deed.has_fired
        assert (tmp_path / "a.mcap").exists()
        wait_for_threads()
        for path in sorted(tmp_path.iterdir()):
            replayed(read_recording(path))
            path.unlink()
        count += STEP
    assert count > 3 * STEP
