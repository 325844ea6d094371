"""A disk that is really full: the server serves on, it is said once, and the recording has a gap.

Theory: who may mount has a file system in memory that is full as a disk is. Who may not has a limit
on the length of files, which is the same to whoever writes one: a write takes part of it, and the
next one fails.

Rules: there is room again afterwards, whatever happens. It does not know how long anything takes.
"""

import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest

from sigil import Request, Response, make_http_server, replay
from sigil.cli.recordings import title_of
from tests.support.replaying import wait_until_written

PATIENCE = 60.0
Filling = Callable[[Path], AbstractContextManager[None]]
"""Makes the disk of a file full while a block runs."""


def app(request: Request) -> Response:
    """Answers."""
    return Response.text(f"hello {request.path}")


@contextmanager
def filled_by_ballast(path: Path) -> Iterator[None]:
    """No room left in the file system of this file."""
    ballast = path.with_name("ballast")
    with ballast.open("wb", buffering=0) as file:
        for size in (4096, 1):
            with suppress(OSError):
                while file.write(b"x" * size):
                    pass
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def limited(path: Path) -> Iterator[None]:
    """No file may become longer than this one is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 7, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture(name="disk")
def mount_a_disk(tmp_path: Path) -> Iterator[tuple[Path, Filling]]:
    """A folder, and what makes its disk full while a block runs."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder))
    try:
        is_mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        is_mounted = False
    if not is_mounted:
        yield folder, limited
        return
    try:
        yield folder, filled_by_ballast
    finally:
        subprocess.run(("umount", "--lazy", str(folder)), capture_output=True, check=False)


@pytest.mark.parametrize("is_mounted", [True, False], ids=["a file system", "a limit"])
def test_it_serves_on_and_marks_the_gap(
    is_mounted: bool,
    disk: tuple[Path, Filling],
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder, full = disk if is_mounted else (disk[0].parent, limited)
    path, server = folder / "run.mcap", make_http_server(app, port=0)
    with server.serve_in_thread(), server.recording(path):
        (recorder,) = server._recorders
        client = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)

        def ask(name: str, count: int = 5) -> None:
            for number in range(count):
                client.request("GET", f"/{name}/{number}")
                assert client.getresponse().read() == f"hello /{name}/{number}".encode()
                wait_until_written(recorder)

        ask("before")
        with full(path):
            ask("during", count=80)  # the last page of the file has room for some
        ask("after")
        client.close()
    recording = replay(path)
    assert recording.verify() is None
    (gap,) = [turn.gap for turn in recording.turns if turn.gap is not None]
    assert gap.missed >= 5
    assert f"1 gap, in which {gap.missed} turns are missing" in title_of(recording, str(path))
    said = [record.getMessage() for record in caplog.records]
    assert [f"recording to {path} has a gap: " in line for line in said].count(True) == 1
    assert said.count(f"recording to {path} goes on") == 1
