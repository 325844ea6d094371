"""Bytes of memory per kept `server.state`, of a server under live traffic with a full ring.

    python -m tests.bench.snapshot_cost [--clients N,N,N] [--states N] [--live N]

Theory: a state shares with the one before it whatever did not change, so a kept state costs what
happened in its turn, and not what the server holds. Python counts the bytes that are allocated
while states are kept (tracemalloc); the last line is what the process grew by with so many of them,
counted by the kernel, with nothing in between.

Rules: the turns are those of tests/support/traffic.py; tests/core/server/test_snapshots.py holds
the bound. Bytes of the messages are counted, since whoever keeps a state keeps what was on its
ring. It does not measure time.
"""

from __future__ import annotations

import argparse
import gc
import platform
import sys
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

from sigil.core.build import core_build
from tests.support.traffic import LIVE, MIXES, Mix, crowd, turns

WARM_TURNS = 64
"""Turns before anything is kept: what is remembered is remembered by then."""


def kept_bytes(mix: Mix, clients: int, states: int) -> float:
    """Bytes that each of so many kept states adds, by tracemalloc."""
    server = turns(crowd(clients), mix, 0, WARM_TURNS)[-1]
    gc.collect()
    tracemalloc.start()
    kept = turns(server, mix, WARM_TURNS, states)
    gc.collect()
    allocated, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return allocated / len(kept)


def resident_bytes() -> int:
    """What the kernel has given this process (Linux)."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4_096


def grown_bytes(mix: Mix, clients: int, states: int) -> int:
    """What this process grows by while so many states are kept."""
    server = turns(crowd(clients), mix, 0, WARM_TURNS)[-1]
    gc.collect()
    before = resident_bytes()
    kept = turns(server, mix, WARM_TURNS, states)
    assert len(kept) == states
    return resident_bytes() - before


def main(arguments: Sequence[str]) -> int:
    """Measure, and print the table as it stands in docs/performance.md."""
    parser = argparse.ArgumentParser(description="bytes per kept state")
    parser.add_argument("--clients", default="100,1000,10000", help="N of each column")
    parser.add_argument("--states", type=int, default=1_000, help="states kept for each figure")
    parser.add_argument("--live", type=int, default=10_000, help="states kept for the last line")
    chosen = parser.parse_args(arguments)
    counts = [int(count) for count in chosen.clients.split(",")]
    grown = grown_bytes(LIVE, 1_000, chosen.live)  # first, while the process has nothing to spare
    name = f"{platform.python_implementation()} {platform.python_version()}"
    print(f"{name}, {core_build()} core, bytes per kept state\n")
    print("| In each turn | " + " | ".join([f"{count:,} clients" for count in counts]) + " |")
    print("| --- |" + " ---: |" * len(counts))
    for mix in MIXES:
        figures = [kept_bytes(mix, count, chosen.states) for count in counts]
        print(f"| {mix.name} | " + " | ".join([f"{figure:,.0f}" for figure in figures]) + " |")
    print(f"\n{chosen.live:,} live states of a server with 1,000 clients: {grown / 1e6:,.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
