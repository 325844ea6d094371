"""Node for the tests: the packages they need, fetched once, and a program whose lines are read as they come.

Theory: the packages are test tools, so they are never in the tree but in $XDG_CACHE_HOME/sigil-javascript (or
~/.cache), in a folder named after their versions: other versions are another folder.  A `Script` is a process that
prints JSON, one value a line; a test reads what it waits for and is done when the process is.

Rules: every wait is bounded; where node or npm cannot be had, the test is skipped and says why.  `sigil-client.js` is
run as a copy called `.mjs`, since node takes `.js` for a module only where a package says so.
It does not know what the scripts do.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
CLIENT = HERE.parents[1] / "sigil" / "browser" / "sigil-client.js"
PACKAGES = ("ws@8.18.3", "fzstd@0.1.1", "typescript@5.9.3")
OLDEST_NODE = 18
PATIENCE_S = 20.0
INSTALL_S = 120.0


def packages_folder() -> Path:
    """Where these packages are, or will be."""
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache_home / "sigil-javascript" / hashlib.sha256(" ".join(PACKAGES).encode()).hexdigest()[:12]


def install(npm: str, folder: Path) -> str:
    """Fetch the packages into the folder, all of them or nothing; what went wrong, or nothing."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        command = (npm, "install", "--prefix", scratch, "--no-audit", "--no-fund", "--fetch-retries=1", *PACKAGES)
        try:
            done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=INSTALL_S, check=False)
        except subprocess.TimeoutExpired:
            return f"npm took more than {INSTALL_S:.0f} s"
        if done.returncode:
            complaints = [line for line in done.stderr.splitlines() if line.lower().startswith("npm err")]
            return f"npm install failed: {'; '.join(complaints[:2])}"
        with suppress(OSError):  # somebody else was quicker
            Path(scratch).rename(folder)
            Path(scratch).mkdir()
    return ""


@cache
def version_of(node: str) -> int:
    """The first number of its version; 0 if it does not start."""
    asked = subprocess.run([node, "-p", "parseInt(process.versions.node)"], capture_output=True, text=True, check=False)
    return 0 if asked.returncode else int(asked.stdout)


@cache
def find_node() -> tuple[str, str]:
    """The path of a node that the tests can use, and why there is none."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None:
        return "", "node is not installed"
    if version_of(node) < OLDEST_NODE:
        return "", f"node is older than {OLDEST_NODE}"
    if packages_folder().exists():
        return node, ""
    problem = "npm is not installed" if npm is None else install(npm, packages_folder())
    return ("", problem) if problem else (node, "")


def need_node() -> str:
    """The path of node; the test is skipped if it, or what the tests need with it, cannot be had."""
    node, problem = find_node()
    if problem:
        pytest.skip(problem)
    return node


def modules() -> Path:
    """The folder of the packages."""
    need_node()
    return packages_folder() / "node_modules"


class Script:
    """A process of node that prints JSON, one value a line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.said: list[Any] = []
        """All values that were read."""
        self._lines: Queue[str | None] = Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def next(self) -> Any:
        """The next value; AssertionError if there is none in time."""
        try:
            line = self._lines.get(timeout=PATIENCE_S)
        except Empty:
            raise AssertionError(f"it says no more; it said {self.said}") from None
        assert line is not None, f"it has ended; it said {self.said}; {self.complaints()}"
        self.said.append(json.loads(line))
        return self.said[-1]

    def until(self, kind: str) -> Any:
        """The next value that is a list and begins with this word."""
        while True:
            value = self.next()
            if isinstance(value, list) and value[0] == kind:
                return value

    def rest(self) -> list[Any]:
        """All further values of a script that ends well by itself."""
        found = []
        while (line := self._lines.get(timeout=PATIENCE_S)) is not None:
            found.append(json.loads(line))
        assert self.process.wait(PATIENCE_S) == 0, f"{self.said} {found} {self.complaints()}"
        return found

    def complaints(self) -> str:
        """What an ended script wrote to standard error."""
        assert self.process.stderr is not None
        self.process.wait(PATIENCE_S)
        return self.process.stderr.read()


@contextmanager
def running(folder: Path, *words: str, script: str = "scenarios.mjs") -> Iterator[Script]:
    """A script of this folder with these arguments; it is ended if it has not ended itself."""
    node = need_node()
    client = folder / "sigil-client.mjs"
    client.write_bytes(CLIENT.read_bytes())
    environment = os.environ | {"SIGIL_CLIENT": client.as_uri(), "SIGIL_MODULES": f"{modules()}/"}
    process = subprocess.Popen([node, str(HERE / script), *words], env=environment, text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield Script(process)
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def told(folder: Path, *words: str) -> list[Any]:
    """All that a script says that ends by itself."""
    with running(folder, *words) as script:
        return script.rest()
