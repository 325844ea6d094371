"""Long runs: `python -m tests.world --seeds 100000` lets so many worlds happen, and keeps the seeds
that break a rule.

Theory: a defect that one world in ten thousand finds is still a defect, so the worlds of the tests
are a sample, and a machine that has nothing else to do may look at more.

Rules: a seed that breaks a rule is printed with what was seen and, with `--keep`, added to
`seeds.txt`, which the tests always run. The exit status is 1 if there was one. With `--show N` the
last N lines of one seed's trace are printed.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

from sigil.testing.world import Violation, World

SEEDS = Path(__file__).with_name("seeds.txt")


def kept_seeds() -> list[int]:
    """The seeds that are always run."""
    lines = SEEDS.read_text(encoding="utf-8").splitlines()
    return [int(line.split()[0]) for line in lines if line and not line.startswith("#")]


def broken_rule(
    seed: int, skip: frozenset[str] = frozenset(), is_held_up: bool = False
) -> Violation | None:
    """The first rule that the world of this seed breaks."""
    try:
        World(seed, skip, is_held_up=is_held_up).run()
    except Violation as violation:
        return violation
    except Exception as error:  # nothing may be raised, so that is broken too
        return Violation("defect", f"{type(error).__name__}: {error}")
    return None


def show(seed: int, count: int, skip: frozenset[str], is_held_up: bool) -> None:
    """Print the end of a world."""
    world = World(seed, skip, keeps_lines=True, is_held_up=is_held_up)
    try:
        print(world.run())
    except Violation as violation:
        print(violation)
    print(*world.trace.lines[-count:], sep="\n")


def main() -> int:
    """Run many worlds; 1 if a rule was broken."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.world", description="Let many simulated worlds happen."
    )
    parser.add_argument("--seeds", type=int, default=10_000, help="how many (default 10000)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument(
        "--skip", default="", help="rules that are not checked, separated by commas"
    )
    parser.add_argument(
        "--held-up", action="store_true", help="hold the loops up, past short timeouts"
    )
    parser.add_argument(
        "--keep", action="store_true", help="add seeds that break a rule to seeds.txt"
    )
    parser.add_argument(
        "--show",
        type=int,
        default=0,
        metavar="N",
        help="print N lines of the trace of --first only",
    )
    options = parser.parse_args()
    skip = frozenset(options.skip.split(","))
    if options.show:
        show(options.first, options.show, skip, options.held_up)
        return 0
    broken: Counter[str] = Counter()
    for seed in range(options.first, options.first + options.seeds):
        violation = broken_rule(seed, skip, options.held_up)
        if violation is not None:
            broken[violation.check] += 1
            print(f"{seed} {violation}", flush=True)
            if options.keep and broken[violation.check] <= 3:
                with SEEDS.open("a", encoding="utf-8") as file:
                    file.write(f"{seed} {violation.check}\n")
    print(f"{options.seeds} worlds, {sum(broken.values())} broke a rule: {dict(broken)}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
