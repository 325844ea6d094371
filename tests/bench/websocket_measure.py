"""What the WebSocket benches share: servers in turn within a round, the load beside each, and the
table of ratios.

Theory: a bench is a value: its servers, its yardsticks and its scenarios. A scenario is measured
the same way whatever it is: a server is started afresh, the compiled load connects and warms up,
the server's CPU clock is read, the load runs, the clock is read again. The rules and the readings
are those of request_cost.py, whose parts are used.

Rules: every process has a bound on its life and is ended by its pid. A message counts when its last
byte has come; the load compares every byte with what must come, except in the answers of an echo
floor, which it only counts.

Server and load share one core unless --cores says otherwise. A load that reads on another core
while the server sends makes that send up to twice as dear (locks, cache lines), and whether it does
depends on who else is on the machine: on one core the figures repeat within a few hundredths, on
two they come in two kinds. It does not know what a server is made of.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from statistics import median
from typing import IO, NamedTuple

from request_cost import (
    COMPILE_FLAGS,
    GRACE_S,
    HERE,
    LIFE_S,
    BenchError,
    Running,
    Usage,
    child,
    error_file,
    hear,
    last_line,
    package_words,
    pin,
    print_profile,
    ratio_to,
    read_usage,
    rotated,
    usage_between,
)

WARM_SHARE = 10
SPARE_DESCRIPTORS = 64
PACKAGES = ("sigil-http", "websockets", "pyrsistent")
COMPILED = {"c-floor": "echo", "c-joined": "joined", "c-each": "each"}
"""The servers that are modes of websocket_floor.c; the others are names in websocket_server.py."""
SUFFIXES = {"echo": "", "read": "-ticks", "squeezed": "-squeezed"}
"""What the name of a server in websocket_server.py ends with, by the mode of the load."""
UNCOMPARED = ("py-floor", "c-floor")


class Scenario(NamedTuple):
    """`mode` is the load's: echo sends batches of `depth` messages, read orders ticks of as many to
    everyone.

    squeezed does the same, and inflates what comes.
    """

    name: str
    words: str
    mode: str
    conn_cnt: int
    depth: int
    payload_sz: int


class Bench(NamedTuple):
    words: str
    servers: tuple[str, ...]
    yardsticks: tuple[str, ...]
    scenarios: tuple[Scenario, ...]
    message_cnt: int


class Settings(NamedTuple):
    rounds: int
    message_cnt: int
    servers: tuple[str, ...]
    scenarios: tuple[Scenario, ...]
    cores: str
    profile: str


class Sample(NamedTuple):
    scenario: str
    server: str
    turn: int
    message_cnt: int
    usage: Usage


# -- processes -------------------------------------------------------------------------------------


def compile_tools(folder: Path) -> None:
    """The load and the floor as programs in the folder. There is no bench without a compiler."""
    compiler = next(filter(None, map(which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        raise BenchError("no C compiler")
    for name in ("websocket_load", "websocket_floor"):
        subprocess.run(
            [compiler, *COMPILE_FLAGS, "-o", folder / name, HERE / f"{name}.c"],
            check=True,
            timeout=60,
        )


def server_command(server: str, scenario: Scenario, folder: Path, profile: str) -> tuple[str, ...]:
    numbers = tuple(map(str, (LIFE_S, scenario.conn_cnt, scenario.depth, scenario.payload_sz)))
    if server in COMPILED:
        return (str(folder / "websocket_floor"), COMPILED[server], *numbers)
    name = server + SUFFIXES[scenario.mode]
    return (
        sys.executable,
        str(HERE / "websocket_server.py"),
        name,
        *numbers,
        *((profile,) if profile else ()),
    )


@contextmanager
def running(command: tuple[str, ...], server: str, cores: str) -> Iterator[Running]:
    with error_file() as errors, child(command, errors) as process:
        pin(process.pid, 0, cores != "any")
        try:
            yield Running(server, int(hear(process, errors, server)[0]), process)
        except BenchError as error:
            raise BenchError(f"{error}; the server's last words: {last_line(errors)}") from error


@contextmanager
def loading(
    command: tuple[str, ...], control: int, errors: IO[str]
) -> Iterator[subprocess.Popen[str]]:
    """The load, which inherits the descriptor by which it orders ticks."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        pass_fds=(control,),
    )
    with process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()


# -- measuring -------------------------------------------------------------------------------------


def run_counts(scenario: Scenario, message_cnt: int) -> tuple[int, int, int]:
    """(runs to warm up with, runs to measure, messages these are): batches of one connection, or
    ticks to all.
    """
    per_run = scenario.depth * (1 if scenario.mode == "echo" else scenario.conn_cnt)
    least = scenario.conn_cnt if scenario.mode == "echo" else 2
    run_cnt = max(least, message_cnt // per_run)
    return max(least, run_cnt // WARM_SHARE), run_cnt, run_cnt * per_run


def load_command(
    server: Running, scenario: Scenario, folder: Path, settings: Settings, control: int
) -> tuple[str, ...]:
    warm_cnt, run_cnt, _ = run_counts(scenario, settings.message_cnt)
    extra = int(server.name not in UNCOMPARED) if scenario.mode == "echo" else control
    numbers = (
        server.port,
        scenario.conn_cnt,
        scenario.depth,
        scenario.payload_sz,
        warm_cnt,
        run_cnt,
        extra,
        LIFE_S,
    )
    load = (
        (sys.executable, str(HERE / "squeezed_load.py"))
        if scenario.mode == "squeezed"
        else (str(folder / "websocket_load"),)
    )
    return (*load, scenario.mode, *map(str, numbers))


def measure(
    server: Running, scenario: Scenario, turn: int, folder: Path, settings: Settings
) -> Sample:
    assert server.process.stdin is not None
    control = server.process.stdin.fileno()
    command = load_command(server, scenario, folder, settings, control)
    with error_file() as errors, loading(command, control, errors) as load:
        pin(load.pid, int(settings.cores == "two"), settings.cores != "any")
        assert load.stdin is not None
        hear(load, errors, server.name)
        before = read_usage(server.process.pid)
        load.stdin.write("go\n")
        load.stdin.flush()
        done = hear(load, errors, server.name)
        usage = usage_between(before, read_usage(server.process.pid))
    expected_cnt = run_counts(scenario, settings.message_cnt)[2]
    if int(done[1]) != expected_cnt:
        raise BenchError(f"{server.name}: {expected_cnt} messages expected, got {done[1]}")
    return Sample(scenario.name, server.name, turn, expected_cnt, usage)


def measure_server(server: str, turn: int, folder: Path, settings: Settings) -> Iterator[Sample]:
    for scenario in settings.scenarios:
        command = server_command(server, scenario, folder, settings.profile)
        with running(command, server, settings.cores) as process:
            yield measure(process, scenario, turn, folder, settings)


def measure_all(folder: Path, settings: Settings) -> tuple[list[Sample], dict[str, str]]:
    """Every sample, and for each server that failed, why: it is dropped from the rounds that
    follow.
    """
    samples: list[Sample] = []
    failures: dict[str, str] = {}
    for turn in range(settings.rounds):
        for server in rotated(settings.servers, turn):
            if server in failures:
                continue
            try:
                samples.extend(measure_server(server, turn, folder, settings))
            except BenchError as error:
                failures[server] = str(error)
    return samples, failures


# -- the table -------------------------------------------------------------------------------------


def costs_by_server(samples: Sequence[Sample]) -> dict[str, dict[int, float]]:
    """Microseconds of CPU per message, by server and round."""
    costs_us: dict[str, dict[int, float]] = {}
    for sample in samples:
        costs_us.setdefault(sample.server, {})[sample.turn] = (
            sample.usage.total_ns / sample.message_cnt / 1000
        )
    return costs_us


def system_share(samples: Sequence[Sample]) -> float:
    """The part of the CPU time spent in the kernel: rough, for it is counted in ticks."""
    user_ticks, system_ticks = (sum(sample.usage[field] for sample in samples) for field in (1, 2))
    return system_ticks / max(1, user_ticks + system_ticks)


def table_lines(samples: Sequence[Sample], bench: Bench) -> Iterator[str]:
    heads = (
        "total_us",
        "min_us",
        "spread",
        "system",
        "per_cpu_s",
        *(f"/{name}" for name in bench.yardsticks),
    )
    yield f"{'server':<12}" + "".join(f"{head:>12}" for head in heads)
    costs_us = costs_by_server(samples)
    for server in bench.servers:
        if server not in costs_us:
            continue
        costs = list(costs_us[server].values())
        total_us = median(costs)
        share = system_share([sample for sample in samples if sample.server == server])
        ratios = [
            ratio_to(costs_us[server], costs_us.get(yardstick, {}))
            for yardstick in bench.yardsticks
        ]
        yield (
            f"{server:<12}{total_us:>12.3f}{min(costs):>12.3f}"
            f"{100 * (max(costs) - min(costs)) / total_us:>11.0f}%"
            f"{100 * share:>11.0f}%{1e6 / total_us:>12.0f}"
            + "".join(f"{'-' if ratio is None else f'{ratio:.3g}':>12}" for ratio in ratios)
        )


def print_tables(samples: Sequence[Sample], bench: Bench, settings: Settings) -> None:
    print(
        f"{platform.python_implementation()} {platform.python_version()}, "
        + ", ".join(map(package_words, PACKAGES))
    )
    machine = f"{platform.system()} {platform.release()}, {os.cpu_count()} cores"
    print(f"{machine}, used: {settings.cores}; rounds: {settings.rounds}")
    print(
        f"CPU microseconds of the server process per {bench.words}: medians over rounds; "
        "ratios are within rounds"
    )
    for scenario in settings.scenarios:
        count = run_counts(scenario, settings.message_cnt)[2]
        print(f"\n{scenario.name}: {scenario.words} ({count} messages a round)")
        print(
            *table_lines([sample for sample in samples if sample.scenario == scenario.name], bench),
            sep="\n",
        )


# -- the command -----------------------------------------------------------------------------------


def chosen(names: str, known: Sequence[str]) -> tuple[str, ...]:
    """The names asked for, in the order of those known."""
    wanted = names.split(",") if names else known
    unknown = set(wanted) - set(known)
    if unknown:
        raise SystemExit(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    return tuple(name for name in known if name in wanted)


def parse(bench: Bench, arguments: Sequence[str]) -> Settings:
    parser = argparse.ArgumentParser(description=f"CPU microseconds per {bench.words}.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--messages",
        type=int,
        default=bench.message_cnt,
        help="for each server, scenario and round",
    )
    parser.add_argument("--servers", default="", help=",".join(bench.servers))
    parser.add_argument(
        "--scenarios", default="", help=",".join(scenario.name for scenario in bench.scenarios)
    )
    parser.add_argument(
        "--cores", choices=("one", "two", "any"), default="one", help="for server and load together"
    )
    parser.add_argument(
        "--profile",
        metavar="SERVER",
        default="",
        help="instead: one Python server once, in the first scenario asked for, under cProfile",
    )
    options = parser.parse_args(arguments)
    names = chosen(options.scenarios, [scenario.name for scenario in bench.scenarios])
    scenarios = tuple(scenario for scenario in bench.scenarios if scenario.name in names)
    servers = chosen(options.profile or options.servers, bench.servers)
    if options.profile:
        return Settings(1, options.messages, servers, scenarios[:1], options.cores, options.profile)
    return Settings(max(1, options.rounds), options.messages, servers, scenarios, options.cores, "")


def allow_descriptors(settings: Settings) -> None:
    """Raises the limit on open files, which the children inherit, to what the scenarios need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = SPARE_DESCRIPTORS + max(scenario.conn_cnt for scenario in settings.scenarios)
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def main(bench: Bench, arguments: Sequence[str]) -> int:
    """The exit status: 1 if a server failed."""
    settings = parse(bench, arguments)
    allow_descriptors(settings)
    with tempfile.TemporaryDirectory(prefix="sigil-bench-") as temporary:
        folder = Path(temporary)
        if settings.profile:
            settings = settings._replace(profile=str(folder / "profile"))
        try:
            compile_tools(folder)
        except BenchError as error:
            raise SystemExit(str(error)) from None
        samples, failures = measure_all(folder, settings)
        print_tables(samples, bench, settings)
        if settings.profile and not failures:
            print_profile(settings.profile)
    for why in failures.values():
        print(f"failed: {why}")
    return 1 if failures else 0
