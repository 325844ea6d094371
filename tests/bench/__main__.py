"""The bench: what a server's work costs, beside floors and other servers, in one run.

    python -m tests.bench [--only ROW,ROW] [--rounds N] [--peers all|none|NAME,NAME]
        [--core pure|compiled|both] [--compiled-python PATH] [--json FILE] [--plot FILE.svg]

What is measured, and how, is said in docs/performance.md; the rows are in rows.py, the servers in
servers.py, the measuring in measuring.py, the tables in report.py. Progress goes to standard error,
one line for each figure; the report goes to standard output. The exit status is 1 if a server
failed, or gave an answer that was wrong.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from .compiled import compiled_python
from .measuring import Bench, figure_of, in_turn
from .processes import BenchError, compile_tools
from .report import Figures, Results, as_json, number, report_lines, write_chart
from .rows import ROWS, Row, fitted, unit_of
from .servers import COMPILED, PEERS, SERVERS, Server, can_run, why_absent

SPARE_DESCRIPTORS = 256
CORES = {"pure": ("sigil",), "compiled": (COMPILED,), "both": ("sigil", COMPILED)}
FLOORS = ("c-floor", "py-floor")
PROFILE_LINES = 45


def rows_named(names: str) -> tuple[Row, ...]:
    """The rows of these names; `get*` is `get` and all whose names begin with `get-`."""
    chosen: dict[Row, None] = {}
    for name in names.split(","):
        found = [row for row in ROWS if is_named(row, name)]
        if not found:
            known = ", ".join(row.name for row in ROWS)
            raise argparse.ArgumentTypeError(f"unknown: {name}; known: {known}")
        chosen.update(dict.fromkeys(found))
    return tuple(row for row in ROWS if row in chosen)


def is_named(row: Row, name: str) -> bool:
    """True for a row of this name, or that the star at its end stands for."""
    return row.name == name or (name[-1:] == "*" and f"{row.name}-".startswith(f"{name[:-1]}-"))


def peers_named(names: str) -> tuple[str, ...]:
    """The names of the peers that are asked for."""
    wanted = {"all": PEERS, "none": ()}.get(names, tuple(names.split(",")))
    unknown = set(wanted) - set(PEERS)
    if unknown:
        raise argparse.ArgumentTypeError(
            f"unknown: {', '.join(unknown)}; known: {', '.join(PEERS)}"
        )
    return wanted


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="CPU time by row")
    add = parser.add_argument
    add(
        "--only", type=rows_named, default=ROWS, metavar="ROW,ROW", help="with ROW* its sisters too"
    )
    add("--rounds", type=int, default=5)
    add("--peers", type=peers_named, default=PEERS, metavar="NAME,NAME", help="or all, or none")
    add("--core", choices=CORES, default="pure", help="which core of sigil")
    add("--compiled-python", default="", metavar="PATH", help="a Python that has the compiled core")
    add("--json", type=Path, metavar="FILE", help="write all figures there")
    add("--plot", type=Path, metavar="FILE", help="write a chart there, as SVG (needs matplotlib)")
    add("--scale", type=float, default=1.0, help="so much of the work of each measurement")
    add(
        "--cores", choices=("one", "two", "any"), default="one", help="for server and load together"
    )
    add("--profile", action="store_true", help="instead: sigil in each row, once, under cProfile")
    add("--list", action="store_true", help="instead: the rows")
    options = parser.parse_args(arguments)
    if options.plot and find_spec("matplotlib") is None:
        parser.error("--plot needs matplotlib, which is in the extra bench")
    return options


def allow_descriptors(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows, with as many connections as the limit on open files can be raised to."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    room = sys.maxsize if hard == resource.RLIM_INFINITY else hard - SPARE_DESCRIPTORS
    fitting = tuple(fitted(row, room) for row in rows)
    for row, asked in zip(fitting, rows, strict=True):
        if row != asked:
            print(f"{row.name}: {room} connections, for want of descriptors", file=sys.stderr)
    return fitting


def choose_servers(options: argparse.Namespace) -> tuple[list[Server], dict[str, str]]:
    """The servers that take part, and why others that were asked for do not."""
    names = (*CORES[options.core], *FLOORS, *options.peers)
    reasons = {server.name: why_absent(server) for server in SERVERS if server.name in names}
    return (
        [server for server in SERVERS if server.name in names and not reasons[server.name]],
        {name: why for name, why in reasons.items() if why},
    )


class Measured(NamedTuple):
    """All figures so far, and why a server failed, by row and server: it is then left out there."""

    figures: Figures
    failures: dict[tuple[str, str], str]


def measure_all(
    rows: Sequence[Row], servers: Sequence[Server], bench: Bench, rounds: int
) -> Measured:
    """What was measured; all that there was time for, if it is interrupted."""
    measured = Measured({row.name: {} for row in rows}, {})
    try:
        for turn in range(rounds):
            for row in rows:
                able = [server for server in servers if can_run(server, row)]
                for server in in_turn(able, turn):
                    measure(server, row, turn, bench, measured)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        measured.failures["", ""] = "interrupted: what follows is what there was time for"
    return measured


def measure(server: Server, row: Row, turn: int, bench: Bench, measured: Measured) -> None:
    """One figure more, and a line about it."""
    if (row.name, server.name) in measured.failures:
        return
    line = f"round {turn + 1}, {row.name}, {server.name}:"
    try:
        figure = figure_of(server, row, bench)
    except BenchError as error:
        measured.failures[row.name, server.name] = f"{row.name}: {server.name}: {error}"
        print(line, "failed:", error, file=sys.stderr, flush=True)
        return
    measured.figures[row.name].setdefault(server.name, {})[turn] = figure
    print(line, number(figure), unit_of(row), file=sys.stderr, flush=True)


def print_profiles(rows: Sequence[Row], bench: Bench) -> None:
    """Where the time goes; a profiler charges calls, so read the order and not the numbers."""
    import pstats

    sigil = next(server for server in SERVERS if server.name == "sigil")
    for row in rows:
        print(f"\n{row.name}: {row.words}", flush=True)
        figure_of(sigil, row, bench)
        pstats.Stats(bench.profile).strip_dirs().sort_stats("tottime").print_stats(PROFILE_LINES)


def main(arguments: Sequence[str]) -> int:
    """The exit status."""
    options = parse(arguments)
    if options.list:
        print(*(f"{row.name:20} {row.words}" for row in options.only), sep="\n")
        return 0
    rows = allow_descriptors(options.only)
    pythons: dict[str, str] = {}
    if options.core != "pure":
        try:
            pythons[COMPILED] = compiled_python(options.compiled_python)
        except BenchError as error:
            raise SystemExit(str(error)) from None
    servers, reasons = choose_servers(options)
    with tempfile.TemporaryDirectory(prefix="sigil-bench-") as temporary:
        folder = Path(temporary)
        profile = str(folder / "profile") if options.profile else ""
        bench = Bench(folder, pythons, options.cores, options.scale, profile)
        compile_tools(folder)
        if profile:
            print_profiles(rows, bench)
            return 0
        measured = measure_all(rows, servers, bench, max(1, options.rounds))
    command = " ".join(("python -m tests.bench", *arguments))
    failures = tuple(measured.failures.values())
    results = Results(rows, measured.figures, failures, reasons, command)
    print(*report_lines(results, max(1, options.rounds)), sep="\n")
    if options.json:
        options.json.write_text(json.dumps(as_json(results), indent=1) + "\n", encoding="utf-8")
    if options.plot:
        write_chart(results, options.plot)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
