"""Child processes of the bench, and their CPU clocks.

Theory: the CPU time, user and system, of a whole server process and of those that it started, is
read from outside through the clock of each process, which counts nanoseconds.

Rules: every child has a bound on its life, and is ended by its pid whatever happens. A child says
what it has to say in lines on standard output; what it says last on standard error explains why it
ended. It does not know what the children do.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import which
from typing import IO, NamedTuple

REPOSITORY = Path(__file__).resolve().parents[2]
NATIVE = Path(__file__).resolve().parent / "native"
COMPILE_FLAGS = ("-O2", "-std=gnu11")
GRACE_S = 5.0
CPU_CLOCK = 2
RETRY_S = 0.005
LISTENING_S = 20.0
HOST = "127.0.0.1"


class BenchError(Exception):
    """A server that did not start, or an answer that was wrong."""


class Child(NamedTuple):
    """A process, and the file that its standard error goes to."""

    process: subprocess.Popen[str]
    errors: IO[str]


@contextmanager
def child(
    command: Sequence[str],
    environment: dict[str, str],
    pass_fds: Sequence[int] = (),
    is_told: bool = False,
) -> Iterator[Child]:
    """A process of ours, with pipes for input and output; `is_told` says how it ends."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
            pass_fds=pass_fds,
        )
        try:
            yield Child(process, errors)
        finally:
            end(process, is_told)


def end(process: subprocess.Popen[str], is_told: bool) -> None:
    """The process has ended, and so has what it started: at once, unless it `is_told` to.

    A loop in C may never see a signal that Python handles, so nobody is waited for.
    """
    family = descendants(process.pid)
    if is_told:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
    for pid in family:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            with suppress(BrokenPipeError):
                pipe.close()


def last_line(errors: IO[str]) -> str:
    """The last line that a child has written on standard error."""
    errors.seek(0)
    lines = errors.read().strip().splitlines()
    return lines[-1] if lines else "nothing on standard error"


def line_of(child: Child) -> list[str]:
    """The words of one line from a child; its own alarm bounds the wait."""
    assert child.process.stdout is not None
    line = child.process.stdout.readline()
    if not line:
        ended = child.process.wait(GRACE_S)
        is_late = ended == -signal.SIGALRM
        raise BenchError("it took too long" if is_late else last_line(child.errors))
    return line.split()


def tell(child: Child, line: str) -> None:
    """Write a line to a child."""
    assert child.process.stdin is not None
    child.process.stdin.write(line + "\n")
    child.process.stdin.flush()


def environment_of(is_here: bool) -> dict[str, str]:
    """The environment of a child: with this repository on its path, or without."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return {**environment, "PYTHONPATH": str(REPOSITORY)} if is_here else environment


def pin(pid: int, cpu: int, is_wanted: bool) -> None:
    """Keep a process on one of the CPUs that we may use."""
    cpus = sorted(os.sched_getaffinity(0))
    if is_wanted and len(cpus) > 1:
        os.sched_setaffinity(pid, {cpus[cpu % len(cpus)]})


def connect(port: int, process: subprocess.Popen[str]) -> socket.socket:
    """A connection to a server that may not listen yet."""
    deadline = time.monotonic() + LISTENING_S
    while True:
        try:
            return socket.create_connection((HOST, port), timeout=LISTENING_S)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise BenchError("it does not listen") from None
        with suppress(subprocess.TimeoutExpired):
            process.wait(RETRY_S)
            raise BenchError("it ended before it listened")


# -- clocks and memory -----------------------------------------------------------------------------


def descendants(pid: int) -> list[int]:
    """A process and all that it has started."""
    found = [pid]
    with suppress(FileNotFoundError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for one in (task / "children").read_text().split():
                found += descendants(int(one))
    return found


def cpu_ns(pid: int) -> int:
    """The CPU time so far of a process and all that it has started.

    The id of a process's clock is what clock_getcpuclockid(3) answers on Linux.
    """
    return sum(time.clock_gettime_ns((~one << 3) | CPU_CLOCK) for one in descendants(pid))


def memory_of(pid: int, *fields: str) -> int:
    """Bytes of memory of a process and all that it has started, as the kernel's fields have it."""
    total = 0
    for one in descendants(pid):
        for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in fields:
                total += int(rest.split()[0]) * 1024
    return total


# -- programs in C ---------------------------------------------------------------------------------


def compile_tools(folder: Path) -> None:
    """The loads and the floors in C, in the folder. There is no bench without a compiler."""
    compiler = next(filter(None, map(which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        raise BenchError("the loads are in C, and there is no C compiler")
    for source in NATIVE.glob("*.c"):
        command = (compiler, *COMPILE_FLAGS, "-o", str(folder / source.stem), str(source))
        subprocess.run(command, check=True, timeout=60)
