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

PATIENCE_SECONDS = 30.0
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


@contextmanager
def serving(
    *words: str,
    folder: Path | None = None,
    stdin: IO[bytes] | None = None,
    pass_fds: tuple[int, ...] = (),
) -> Iterator[int]:
    """The port of a process that serves; it must end with status 0 when it is interrupted."""
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
        assert process.stdout is not None
        printed: list[str] = []
        found = None
        for line in process.stdout:
            printed.append(line)
            found = ADDRESS.search(line)
            if found is not None:
                break
        assert found is not None, f"it never printed where it listens: {printed}"
        yield int(found[1])
        process.send_signal(signal.SIGINT)
        printed += process.stdout.readlines()
        assert process.wait() == 0, "".join(printed)
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def serving_program(block: Block) -> Iterator[int]:
    """The port of a server of the documents, which is run on a free one."""
    text = LOUD + block.text.replace("port=8080", "port=0")
    with serving(sys.executable, "-u", "-c", text) as port:
        yield port
