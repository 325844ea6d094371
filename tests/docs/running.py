"""Running what the documents show: processes with a deadline, ended by their own id.

What it is: programs are written to a folder and run there by the Python of the tests.  One that
serves is asked where it is, and must end with status 0 when it is interrupted. Its rules: no
sleeps; every process has a bound.  It does not know what is asked of a server.
"""

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.docs.blocks import PROGRAMS, Block

PATIENCE_SECONDS = 120.0
ADDRESS = re.compile(r"http://[^/\s]+:(\d+)")
LOUD = "import logging, sys; logging.basicConfig(level=logging.INFO, stream=sys.stdout)\n"
"""What a server is run behind, so that one which does not print its address logs it where the test
reads."""
CALLED = """
for name, test in list(globals().items()):
    if name.startswith("test_"):
        test()
"""
"""What a program is run before, so that the tests in it are called."""


def run(
    *words: str, folder: Path | None = None, seconds: float = PATIENCE_SECONDS
) -> "subprocess.CompletedProcess[str]":
    """A process that is expected to end by itself."""
    return subprocess.run(
        words, cwd=folder, capture_output=True, text=True, timeout=seconds, check=False
    )


def write_named(block: Block, folder: Path) -> None:
    """What the page has called files above this block: the last of each name, so that it can be
    imported."""
    for other in PROGRAMS:
        if other.file and other.page == block.page and other.line < block.line:
            (folder / other.file).write_text(other.text, encoding="utf-8")


def run_program(block: Block, folder: Path) -> "subprocess.CompletedProcess[str]":
    """A program that ends by itself, run in a folder with the files that it may import."""
    write_named(block, folder)
    (folder / "program.py").write_text(block.text + CALLED, encoding="utf-8")
    return run(sys.executable, "program.py", folder=folder)


class Serving:
    """A process that serves, and has printed on which port."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        assert process.stdout is not None
        self._printed: list[str] = []
        for line in process.stdout:
            self._printed.append(line)
            if ADDRESS.search(line):
                break
        found = ADDRESS.search("".join(self._printed))
        assert found is not None, f"it never printed where it listens: {self._printed}"
        self.port = int(found[1])

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def assert_ends(self) -> None:
        """It ends by itself, with status 0."""
        assert self._process.stdout is not None
        self._printed += self._process.stdout.readlines()
        assert self._process.wait() == 0, "".join(self._printed)


@contextmanager
def started(
    *words: str,
    folder: Path | None = None,
    stdin: IO[bytes] | None = None,
    pass_fds: tuple[int, ...] = (),
) -> Iterator[Serving]:
    """A process that serves, and at the end is killed if it is still there."""
    process = subprocess.Popen(
        words,
        cwd=folder,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        pass_fds=pass_fds,
    )
    watchdog = threading.Timer(PATIENCE_SECONDS, process.kill)
    watchdog.start()
    try:
        yield Serving(process)
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def serving(
    *words: str,
    folder: Path | None = None,
    stdin: IO[bytes] | None = None,
    pass_fds: tuple[int, ...] = (),
) -> Iterator[int]:
    """The port of a process that serves; it must end with status 0 when it is interrupted."""
    with started(*words, folder=folder, stdin=stdin, pass_fds=pass_fds) as server:
        yield server.port
        server.interrupt()
        server.assert_ends()


def words_of(block: Block) -> tuple[str, ...]:
    """The command that runs a server of the documents, on a free port."""
    text = LOUD + block.text.replace("port=8080", "port=0")
    return sys.executable, "-u", "-c", text


@contextmanager
def serving_program(block: Block) -> Iterator[int]:
    """The port of a server of the documents, which must end when it is interrupted."""
    with serving(*words_of(block)) as port:
        yield port
