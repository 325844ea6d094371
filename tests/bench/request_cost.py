"""CPU microseconds per request: sigil beside two floors and uvicorn, in one run.

    python tests/bench/request_cost.py [--rounds N] [--requests N] [--servers NAME,NAME]
        [--scenarios NAME,NAME]

What is measured. The CPU time, user and system, of the whole server process (all its threads), read
from outside through its process CPU clock, which counts nanoseconds; divided by the requests
answered between two readings. The kernel gives the split of user and system only in ticks, so that
split is of all rounds together and is rough where the total is not. Starting, connecting, warming
up and closing lie outside the readings.

The rules. Never wall time: the machine is shared, and a neighbour changes how long a run takes more
than what it costs. Numbers are read as ratios, each taken within one round, between servers
measured seconds apart; a round starts every server afresh (so that no one lucky memory layout or
hash seed decides), measures each in turn, and the next round begins one server further on. The
table gives medians over rounds, and the minimum, since noise mostly adds. Every response is checked
by the load: status, length, body. Every run is bounded, and every child is ended by its pid.

The floors. `c floor` understands nothing and answers prebuilt bytes: what this kernel charges any
server. `py floor` is the same in Python: what the interpreter and its socket calls charge any
server that has one recv and one send for each read. The distance from `py floor` is the price of
everything a server does for its users.

Caches. In `keepalive` and `pipeline` every request has the same bytes, the best case of a server
that remembers heads; in `varying` and `pipevary` no two are alike, its worst. `browser` repeats its
bytes too, but they hold a cookie, and a careful server doesn't keep those.

What it doesn't know. Loopback: a send does the receiver's network work too, and no network card is
paid for. The load is a closed loop, so a server cheaper than the load finds fewer sockets ready per
poll, and pays for more polls, than it would at saturation: the c floor's cost is a little
overstated, ratios to it understated. CPU time under a noisy neighbour includes the caches he
emptied. Nothing here is about latency, large bodies, TLS or many cores.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from math import isnan
from pathlib import Path
from statistics import median
from typing import IO, NamedTuple

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
COMPILE_FLAGS = ("-O2", "-std=gnu11")
COUNTER = "0000000000"
LIFE_S = 300
GRACE_S = 5.0
WARM_SHARE = 10
CPU_CLOCK = 2
PROFILE_LINES = 45

SMALL_HEAD = "Host: 127.0.0.1:8080\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\n\r\n"
BROWSER_HEAD = (
    "Host: 127.0.0.1:8080\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 "
    "Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
    "*/*;q=0.8\r\n"
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Cache-Control: max-age=0\r\n"
    "Connection: keep-alive\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef; theme=dark; "
    "visitor=0f1e2d3c4b5a69788796a5b4c3d2e1f0\r\n"
    "Referer: http://127.0.0.1:8080/index.html\r\n"
    "Upgrade-Insecure-Requests: 1\r\n\r\n"
)


class Scenario(NamedTuple):
    name: str
    words: str
    conn_cnt: int
    depth: int
    request: str


class Tools(NamedTuple):
    """What the compiler made, and the command lines that stand in where there is none."""

    load: tuple[str, ...]
    c_floor: tuple[str, ...]


class Running(NamedTuple):
    name: str
    port: int
    process: subprocess.Popen[str]


class Usage(NamedTuple):
    total_ns: int
    user_ticks: int
    system_ticks: int


class Sample(NamedTuple):
    scenario: str
    server: str
    turn: int
    request_cnt: int
    response_sz: int
    usage: Usage


class Row(NamedTuple):
    server: str
    user_us: float
    system_us: float
    total_us: float
    min_us: float
    spread_percent: float
    ratios: tuple[float | None, ...]
    request_cnt: int
    response_sz: int


class Settings(NamedTuple):
    rounds: int
    requests: int
    servers: tuple[str, ...]
    scenarios: tuple[Scenario, ...]
    pin: bool
    python_load: bool
    profile: str


class BenchError(Exception):
    """A server that didn't start, or an answer that was wrong."""


SCENARIOS = (
    Scenario(
        "keepalive",
        "64 connections, one small GET in flight on each",
        64,
        1,
        f"GET / HTTP/1.1\r\n{SMALL_HEAD}",
    ),
    Scenario(
        "pipeline",
        "16 connections, 16 small GETs in one send",
        16,
        16,
        f"GET / HTTP/1.1\r\n{SMALL_HEAD}",
    ),
    Scenario(
        "browser",
        "64 connections, a browser's head of ten fields",
        64,
        1,
        f"GET / HTTP/1.1\r\n{BROWSER_HEAD}",
    ),
    Scenario(
        "varying",
        "64 connections, no two heads alike",
        64,
        1,
        f"GET /item?id={COUNTER} HTTP/1.1\r\n{SMALL_HEAD}",
    ),
    Scenario(
        "pipevary",
        "16 connections, 16 GETs in one send, no two heads alike",
        16,
        16,
        f"GET /item?id={COUNTER} HTTP/1.1\r\n{SMALL_HEAD}",
    ),
)
SERVERS = ("py-floor", "c-floor", "uvicorn", "sigil")
YARDSTICKS = ("py-floor", "c-floor", "uvicorn")
PACKAGES = ("sigil-http", "uvicorn", "uvloop", "httptools", "pyrsistent")
NEEDS = {"uvicorn": ("uvicorn", "uvloop", "httptools"), "sigil": ("sigil",)}


# Reading the clock


def read_usage(pid: int) -> Usage:
    """The CPU time of a process so far. The id of its clock is what clock_getcpuclockid(3) answers
    on Linux.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Usage(time.clock_gettime_ns((~pid << 3) | CPU_CLOCK), int(fields[11]), int(fields[12]))


def usage_between(before: Usage, after: Usage) -> Usage:
    return Usage(*(late - early for early, late in zip(before, after, strict=True)))


# Children


@contextmanager
def child(command: Sequence[str], errors: IO[str]) -> Iterator[subprocess.Popen[str]]:
    """A process of ours, ended by its pid whatever happens."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(REPOSITORY), os.environ.get("PYTHONPATH", ""))),
    }
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        env=environment,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                with suppress(BrokenPipeError):
                    pipe.close()


@contextmanager
def error_file() -> Iterator[IO[str]]:
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        yield errors


def last_line(errors: IO[str]) -> str:
    errors.seek(0)
    lines = errors.read().strip().splitlines()
    return lines[-1] if lines else "none"


def hear(process: subprocess.Popen[str], errors: IO[str], who: str) -> list[str]:
    """One line of words from a child. Its own alarm bounds the wait."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise BenchError(f"{who}: {last_line(errors)}")
    return line.split()


def pin(pid: int, cpu: int, wanted: bool) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    if wanted and len(cpus) > 1:
        os.sched_setaffinity(pid, {cpus[cpu % len(cpus)]})


def compile_tools(folder: Path, python_load: bool) -> Tools:
    python_command = (sys.executable, str(HERE / "load_client.py"))
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        return Tools(python_command, ())
    for name in ("load", "floor"):
        subprocess.run(
            [compiler, *COMPILE_FLAGS, "-o", folder / name, HERE / f"{name}.c"],
            check=True,
            timeout=60,
        )
    return Tools(
        python_command if python_load else (str(folder / "load"),), (str(folder / "floor"),)
    )


# Measuring


def why_absent(server: str, tools: Tools) -> str:
    """Why a server cannot run here; empty when it can."""
    if server == "c-floor" and not tools.c_floor:
        return "no C compiler"
    missing = [module for module in NEEDS.get(server, ()) if find_spec(module) is None]
    return f"not installed: {', '.join(missing)}" if missing else ""


def server_command(server: str, tools: Tools, profile: str) -> tuple[str, ...]:
    if server == "c-floor":
        return (*tools.c_floor, str(LIFE_S))
    name = "floor" if server == "py-floor" else server
    extra = (profile,) if profile else ()
    return (sys.executable, str(HERE / "bench_server.py"), name, str(LIFE_S), *extra)


@contextmanager
def running(server: str, tools: Tools, settings: Settings) -> Iterator[Running]:
    with (
        error_file() as errors,
        child(server_command(server, tools, settings.profile), errors) as process,
    ):
        pin(process.pid, 0, settings.pin)
        server_running = Running(server, int(hear(process, errors, server)[0]), process)
        try:
            yield server_running
        except BenchError as error:
            raise BenchError(f"{error}; the server's last words: {last_line(errors)}") from error


def batch_counts(scenario: Scenario, request_cnt: int) -> tuple[int, int]:
    """How many batches to warm up with and how many to measure: at least one of each for every
    connection.
    """
    batch_cnt = max(scenario.conn_cnt, request_cnt // scenario.depth)
    return max(scenario.conn_cnt, batch_cnt // WARM_SHARE), batch_cnt


def load_command(scenario: Scenario, port: int, tools: Tools, request_cnt: int) -> tuple[str, ...]:
    numbers = (
        port,
        scenario.conn_cnt,
        scenario.depth,
        *batch_counts(scenario, request_cnt),
        scenario.request.find(COUNTER),
        LIFE_S,
    )
    return (*tools.load, *map(str, numbers), scenario.request)


def measure(
    server: Running, scenario: Scenario, turn: int, tools: Tools, settings: Settings
) -> Sample:
    command = load_command(scenario, server.port, tools, settings.requests)
    with error_file() as errors, child(command, errors) as load:
        pin(load.pid, 1, settings.pin)
        assert load.stdin is not None
        response_sz = int(hear(load, errors, server.name)[1])
        before = read_usage(server.process.pid)
        load.stdin.write("go\n")
        load.stdin.flush()
        done = hear(load, errors, server.name)
        usage = usage_between(before, read_usage(server.process.pid))
    expected_cnt = batch_counts(scenario, settings.requests)[1] * scenario.depth
    if (int(done[1]), int(done[2])) != (expected_cnt, expected_cnt * response_sz):
        raise BenchError(
            f"{server.name}: {expected_cnt} responses of {response_sz} bytes expected, "
            f"got {done[1:]}"
        )
    return Sample(scenario.name, server.name, turn, expected_cnt, response_sz, usage)


def measure_server(server: str, turn: int, tools: Tools, settings: Settings) -> Iterator[Sample]:
    with running(server, tools, settings) as process:
        for scenario in settings.scenarios:
            yield measure(process, scenario, turn, tools, settings)


def rotated(servers: tuple[str, ...], turn: int) -> tuple[str, ...]:
    at = turn % len(servers)
    return servers[at:] + servers[:at]


def measure_all(
    servers: tuple[str, ...], tools: Tools, settings: Settings
) -> tuple[list[Sample], dict[str, str]]:
    """Every sample, and for each server that failed, why: it is dropped from the rounds that
    follow.
    """
    samples: list[Sample] = []
    failures: dict[str, str] = {}
    for turn in range(settings.rounds):
        for server in rotated(servers, turn):
            if server in failures:
                continue
            try:
                samples.extend(measure_server(server, turn, tools, settings))
            except BenchError as error:
                failures[server] = str(error)
    return samples, failures


# The table


def cost_us(sample: Sample) -> float:
    return sample.usage.total_ns / sample.request_cnt / 1000


def ratio_to(costs_us: dict[int, float], yardstick_us: dict[int, float]) -> float | None:
    """The median, over rounds both took part in, of the ratio within the round."""
    ratios = [costs_us[turn] / yardstick_us[turn] for turn in costs_us if turn in yardstick_us]
    return median(ratios) if ratios else None


def make_row(server: str, samples: Sequence[Sample], costs_us: dict[str, dict[int, float]]) -> Row:
    mine = [sample for sample in samples if sample.server == server]
    costs = list(costs_us[server].values())
    total_us = median(costs)
    user_ticks, system_ticks = (sum(sample.usage[field] for sample in mine) for field in (1, 2))
    user_share = (
        user_ticks / (user_ticks + system_ticks) if user_ticks + system_ticks else float("nan")
    )
    return Row(
        server,
        total_us * user_share,
        total_us * (1 - user_share),
        total_us,
        min(costs),
        100 * (max(costs) - min(costs)) / total_us,
        tuple(ratio_to(costs_us[server], costs_us.get(yardstick, {})) for yardstick in YARDSTICKS),
        sum(sample.request_cnt for sample in mine),
        mine[0].response_sz,
    )


def make_rows(samples: Sequence[Sample]) -> list[Row]:
    costs_us: dict[str, dict[int, float]] = {}
    for sample in samples:
        costs_us.setdefault(sample.server, {})[sample.turn] = cost_us(sample)
    return [make_row(server, samples, costs_us) for server in SERVERS if server in costs_us]


def table_lines(rows: Sequence[Row]) -> Iterator[str]:
    heads = ("user_us", "system_us", "total_us", "min_us", "spread")
    yield f"{'server':<10}" + "".join(
        f"{head:>10}" for head in (*heads, *(f"/{name}" for name in YARDSTICKS))
    )
    for row in rows:
        numbers = (row.user_us, row.system_us, row.total_us, row.min_us)
        ratios = "".join(f"{'-' if ratio is None else f'{ratio:.3g}':>10}" for ratio in row.ratios)
        yield (
            f"{row.server:<10}"
            + "".join(f"{'-' if isnan(us) else f'{us:.2f}':>10}" for us in numbers)
            + f"{row.spread_percent:>9.0f}%"
            + ratios
        )


def checked_words(rows: Sequence[Row]) -> str:
    return "checked: " + ", ".join(
        f"{row.server} {row.request_cnt} x {row.response_sz} bytes" for row in rows
    )


def package_words(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} absent"


def head_lines(tools: Tools, settings: Settings) -> Iterator[str]:
    yield f"{platform.python_implementation()} {platform.python_version()}, " + ", ".join(
        map(package_words, PACKAGES)
    )
    load = "Python" if tools.load[0] == sys.executable else "C"
    yield (
        f"{platform.system()} {platform.release()}, {os.cpu_count()} cores; "
        f"rounds: {settings.rounds}, "
        f"requests a round: {settings.requests}; load in {load}{', pinned' if settings.pin else ''}"
    )
    yield (
        "CPU microseconds of the server process per request: medians over rounds; "
        "ratios are medians within rounds"
    )


def print_tables(samples: Sequence[Sample], settings: Settings) -> None:
    for scenario in settings.scenarios:
        rows = make_rows([sample for sample in samples if sample.scenario == scenario.name])
        print(f"\n{scenario.name}: {scenario.words} ({len(scenario.request)}-byte request)")
        print(*table_lines(rows), sep="\n")
        print(checked_words(rows))


def print_profile(path: str) -> None:
    import pstats

    print("\nprofile (cProfile's own cost included; read the order, not the numbers)")
    pstats.Stats(path).strip_dirs().sort_stats("tottime").print_stats(PROFILE_LINES)


# The command


def chosen_scenarios(names: str) -> tuple[Scenario, ...]:
    wanted = names.split(",")
    unknown = set(wanted) - {scenario.name for scenario in SCENARIOS}
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return tuple(scenario for scenario in SCENARIOS if scenario.name in wanted)


def chosen_servers(names: str) -> tuple[str, ...]:
    wanted = names.split(",")
    unknown = set(wanted) - set(SERVERS)
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return tuple(server for server in SERVERS if server in wanted)


def parse(arguments: Sequence[str]) -> Settings:
    parser = argparse.ArgumentParser(
        description="CPU microseconds per request, beside floors and uvicorn."
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--requests", type=int, default=40_000, help="for each server, scenario and round"
    )
    parser.add_argument("--servers", type=chosen_servers, default=SERVERS, help=",".join(SERVERS))
    parser.add_argument(
        "--scenarios",
        type=chosen_scenarios,
        default=SCENARIOS,
        help=",".join(scenario.name for scenario in SCENARIOS),
    )
    parser.add_argument("--pin", action="store_true", help="server on one core, load on another")
    parser.add_argument(
        "--python-load", action="store_true", help="the load in Python though there is a compiler"
    )
    parser.add_argument(
        "--profile", metavar="SERVER", help="instead: one server (not c-floor) once, under cProfile"
    )
    chosen = parser.parse_args(arguments)
    servers = chosen_servers(chosen.profile) if chosen.profile else chosen.servers
    rounds = 1 if chosen.profile else max(1, chosen.rounds)
    return Settings(
        rounds, chosen.requests, servers, chosen.scenarios, chosen.pin, chosen.python_load, ""
    )


def main(arguments: Sequence[str]) -> int:
    settings = parse(arguments)
    with tempfile.TemporaryDirectory(prefix="sigil-bench-") as folder:
        if "--profile" in arguments:
            settings = settings._replace(profile=str(Path(folder) / "profile"))
        tools = compile_tools(Path(folder), settings.python_load)
        absent = {server: why_absent(server, tools) for server in settings.servers}
        print(*head_lines(tools, settings), sep="\n", flush=True)
        samples, failures = measure_all(
            tuple(server for server in absent if not absent[server]), tools, settings
        )
        print_tables(samples, settings)
        if settings.profile and not failures:
            print_profile(settings.profile)
    for server, why in absent.items():
        if why:
            print(f"skipped: {server}: {why}")
    for why in failures.values():
        print(f"failed: {why}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
