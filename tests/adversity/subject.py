"""A server in a process of its own, and what the kernel says about that process.

Theory: memory, processor time and descriptors belong to a process, so a claim about those of the
server can only be checked on a process in which there is nothing else.

Rules: the process ends with the block, whatever happened. It prints its port first and its figures
when it is asked for them by HTTP. Everything is read from /proc, so this is for Linux alone. It
does not know what is measured, nor why.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import HOST, PATIENCE

on_linux = pytest.mark.skipif(
    not os.path.exists("/proc/self/status"), reason="a process is examined in /proc"
)


class Subject:
    """The process under test."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self.process = process
        self.port = port
        self._folder = Path("/proc", str(process.pid))

    def memory_bytes(self, name: str) -> int:
        """A figure of its memory: VmRSS is what it occupies now, VmHWM the most it ever did."""
        for line in (self._folder / "status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1_024
        raise LookupError(name)

    def cpu_seconds(self) -> float:
        """The processor time it has taken."""
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self) -> int:
        """How many it has open."""
        return len(os.listdir(self._folder / "fd"))

    def get(self, path: str, timeout: float = PATIENCE) -> bytes:
        """The body of the answer to a request on a connection of its own."""
        client = HTTPConnection(HOST, self.port, timeout=timeout)
        try:
            client.request("GET", path)
            return client.getresponse().read()
        finally:
            client.close()

    def figures(self) -> dict[str, Any]:
        """What the program answers to /figures."""
        figures: dict[str, Any] = json.loads(self.get("/figures", 1.0))
        return figures


@contextmanager
def subject(source: str, *words: str) -> Iterator[Subject]:
    """A process that runs this source, whose first line of output is the port."""
    process = subprocess.Popen(
        [sys.executable, "-c", source, *words],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.strip().isdecimal(), process.communicate(timeout=PATIENCE)
        yield Subject(process, int(line))
        assert process.poll() is None, (
            f"the process has ended: {process.communicate(timeout=PATIENCE)}"
        )
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)
