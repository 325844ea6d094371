"""One figure: a row, measured on a server that is started for it.

Theory: a server is started afresh for every figure (so that no one lucky memory layout or hash seed
decides), the load connects and warms up, the server's CPU clock is read, the load runs, the clock
is read again. Starting, connecting, warming up and closing lie outside.

Rules: never wall time, for a neighbour changes how long a run takes more than what it costs. The
load checks every answer, and that all came. Server and load share one core unless told otherwise: a
load that reads on another core while the server sends makes that send up to twice as dear (locks,
cache lines), and whether it does depends on who else is on the machine; on one core the figures
repeat. It does not know what else is measured.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from .processes import (
    BenchError,
    Child,
    child,
    connect,
    cpu_ns,
    environment_of,
    last_line,
    line_of,
    memory_of,
    pin,
    tell,
)
from .requests import COUNTER, GET, UPGRADE
from .rows import AtRest, Echo, FanOut, Growth, Http, Row, Start, traffic_of
from .servers import COMPILED, LIFE_S, Server, command_of

WARM_SHARE = 10
REPEATS = 3
RESIDENT = "Rss"
PRIVATE = ("Private_Clean", "Private_Dirty")
FIRST_WORDS = {"http": (GET, b"hello, world\n"), "echo": (UPGRADE, b"\r\n\r\n")}
"""What a connection that will be silent sends, and how the answer ends."""


class Bench(NamedTuple):
    """Where the programs in C are, the Python of each server, and on which cores they run.

    `scale` shrinks the work of each measurement; `profile` is a file for cProfile, or "".
    """

    tools: Path
    pythons: dict[str, str]
    cores: str = "one"
    scale: float = 1.0
    profile: str = ""


class Running(NamedTuple):
    """A server that listens."""

    server: Server
    child: Child
    port: int

    @property
    def pid(self) -> int:
        """Its process."""
        return self.child.process.pid


@contextmanager
def running(server: Server, row: Row, bench: Bench) -> Iterator[Running]:
    """The server, started for this row."""
    python = bench.pythons.get(server.name, sys.executable)
    command = command_of(server, row.load, bench.tools, python)
    if bench.profile:
        command.append(bench.profile)
    environment = environment_of(server.name != COMPILED)
    with child(command, environment, is_told=bool(bench.profile)) as started:
        pin(started.process.pid, 0, bench.cores != "any")
        try:
            port = int(line_of(started)[0])
            if server.is_late:
                connect(port, started.process).close()
            yield Running(server, started, port)
        except (BenchError, OSError) as error:
            words = last_line(started.errors)
            raise BenchError(f"{error}; the server's last words: {words}") from error


# -- CPU time of a load ----------------------------------------------------------------------------


def scaled(row: Row, bench: Bench) -> tuple[int, int, int]:
    """(runs to warm up with, runs to measure, units of work these are)."""
    load = traffic_of(row.load)
    per_run = load.depth * (load.reader_cnt if isinstance(load, FanOut) else 1)
    least = 2 if isinstance(load, FanOut) else load.conn_cnt
    run_cnt = max(least, int(row.work_cnt * bench.scale) // per_run)
    return max(least, run_cnt // WARM_SHARE), run_cnt, run_cnt * per_run


def load_command(at: Running, row: Row, bench: Bench, control: int) -> list[str]:
    """The command line of the load."""
    load, runs = traffic_of(row.load), scaled(row, bench)[:2]
    is_compared = int(not at.server.is_floor)
    numbers: list[int]
    if isinstance(load, Http):
        places = (load.request.find(COUNTER), load.body.find(COUNTER))
        numbers = [at.port, load.conn_cnt, load.depth, *runs, *places, is_compared]
        numbers += [int(load.is_closing), LIFE_S]
        return [str(bench.tools / "http_load"), *map(str, numbers), load.request, load.body]
    numbers = [at.port, load.conn_cnt, load.depth, load.payload_sz]
    if isinstance(load, FanOut) and load.is_deflated:
        numbers += [*runs, control, LIFE_S]
        return [sys.executable, "-m", "tests.bench.deflate_load", *map(str, numbers)]
    if isinstance(load, Echo):
        mode = "echo"
        numbers += [load.fragment_cnt, int(load.has_pings), *runs, is_compared, 0, LIFE_S]
    else:
        mode = "read"
        behind_every = max(1, load.behind_every)
        numbers += [behind_every, 0, *runs, control, load.per_second, LIFE_S]
    return [str(bench.tools / "websocket_load"), mode, *map(str, numbers)]


def cpu_us(at: Running, row: Row, bench: Bench) -> float:
    """Microseconds of the server's CPU for each unit of work."""
    assert at.child.process.stdin is not None
    control = at.child.process.stdin.fileno()
    with child(load_command(at, row, bench, control), environment_of(True), (control,)) as load:
        pin(load.process.pid, int(bench.cores == "two"), bench.cores != "any")
        line_of(load)
        before = cpu_ns(at.pid)
        tell(load, "go")
        done = line_of(load)
        spent_ns = cpu_ns(at.pid) - before
    expected_cnt = scaled(row, bench)[2]
    if int(done[1]) != expected_cnt:
        raise BenchError(f"{expected_cnt} answers expected, got {done[1]}")
    return spent_ns / expected_cnt / 1000


# -- silent connections ----------------------------------------------------------------------------


def ask(sock: socket.socket, service: str) -> None:
    """The first words of a connection, and the whole answer."""
    words, ending = FIRST_WORDS[service]
    sock.sendall(words.encode())
    got = b""
    while not got.endswith(ending):
        data = sock.recv(65536)
        if not data:
            raise BenchError("a connection was closed that should be idle")
        got += data
    if not got.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 101 ")):
        raise BenchError(f"wrong answer: {got[:40]!r}")


def open_silent(at: Running, service: str, count: int, stack: ExitStack) -> None:
    """So many more connections, each of which is answered once and then says nothing."""
    for _ in range(count):
        sock = stack.enter_context(connect(at.port, at.child.process))
        ask(sock, service)


def bytes_at_rest(at: Running, row: Row, bench: Bench) -> float:
    """Bytes for each connection, without what the first tenth of them make the process take."""
    assert isinstance(row.load, AtRest)
    count = max(20, int(row.load.conn_cnt * bench.scale))
    with ExitStack() as stack:
        open_silent(at, row.load.service, count // 10, stack)
        before = memory_of(at.pid, *PRIVATE)
        open_silent(at, row.load.service, count - count // 10, stack)
        return (memory_of(at.pid, *PRIVATE) - before) / (count - count // 10)


def growth_percent(at: Running, row: Row, bench: Bench) -> float:
    """What the silent ones add to the cost of one that is busy; noise mostly adds too, so each is
    the least of some.
    """
    assert isinstance(row.load, Growth)
    count = max(10, int(row.load.conn_cnt * bench.scale))
    alone_us = min(cpu_us(at, row, bench) for _ in range(REPEATS))
    with ExitStack() as stack:
        open_silent(at, row.load.service, count, stack)
        among_us = min(cpu_us(at, row, bench) for _ in range(REPEATS))
    return 100 * (among_us / alone_us - 1)


# -- the beginning ---------------------------------------------------------------------------------


def first_answer(server: Server, row: Row, bench: Bench) -> float:
    """Milliseconds of CPU until a server that is spawned has answered, or its megabytes then."""
    assert isinstance(row.load, Start)
    with running(server, row, bench) as at:
        with connect(at.port, at.child.process) as sock:
            ask(sock, "http")
        if row.load.what == "time":
            return cpu_ns(at.pid) / 1e6
        return memory_of(at.pid, RESIDENT) / 2**20


def figure_of(server: Server, row: Row, bench: Bench) -> float:
    """The figure of a row for a server, in the row's unit."""
    if isinstance(row.load, Start):
        return first_answer(server, row, bench)
    with running(server, row, bench) as at:
        if isinstance(row.load, AtRest):
            return bytes_at_rest(at, row, bench)
        if isinstance(row.load, Growth):
            return growth_percent(at, row, bench)
        return cpu_us(at, row, bench)


def in_turn(servers: Sequence[Server], turn: int) -> list[Server]:
    """The servers, beginning one further on in each round: a neighbour should bother all alike."""
    at = turn % len(servers)
    return [*servers[at:], *servers[:at]]
