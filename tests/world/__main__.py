"""Long runs: `python -m tests.world --seeds 100000` lets so many worlds happen, and keeps the seeds
that break a rule.

Theory: a defect that one world in ten thousand finds is still a defect, so the worlds of the tests
are a sample, and a machine that has nothing else to do may look at more.

Rules: a seed that breaks a rule is printed with what was seen. With `--keep` it is added to
`seeds/seeds.txt`, which the tests always run, and so is the shortest world that breaks the same
rule, as a script in a file beside it, which the tests always replay: of three seeds for each rule,
since the others are mostly of the same defect. The exit status is 1 if there was one. With `--show
N` the last N lines of one seed's trace are printed; with `--shrink SEED` the shortest world of one
seed is printed and, with `--keep`, kept. `--crowd N` is a world of so many connections; it prints
the seed, the commit, and what came of it.
"""

import argparse
import logging
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from sigil.testing.world import Script, Simulation, Violation, World, read_script
from sigil.testing.world.crowd import CONNECTIONS, SECONDS, crowd_world
from sigil.testing.world.shrink import MAX_RUNS, broken_rule_of, shrink
from sigil.testing.world.trace import canonical

FOLDER = Path(__file__).with_name("seeds")
SEEDS = FOLDER / "seeds.txt"
MAX_SHOWN = 160
"""Characters of an event that are shown of it."""


HELD_UP = "held-up"
"""The kind of a world whose loop is held up, behind its seed."""
MAX_KEPT = 3
"""Seeds that a run keeps for each rule."""


def kept_seeds() -> list[tuple[int, bool]]:
    """The seeds that are always run, and whether their loops are held up."""
    lines = SEEDS.read_text(encoding="utf-8").splitlines()
    words = [line.split() for line in lines if line and not line.startswith("#")]
    return [(int(seed), rest[:1] == [HELD_UP]) for seed, *rest in words]


def kept_scripts() -> list[Path]:
    """The files of the scripts that are always replayed."""
    return sorted(path for path in FOLDER.glob("*.txt") if path != SEEDS)


def world_of(script: Script) -> Simulation:
    """The world that a script is of, by its decisions."""
    is_held_up = script.kind == HELD_UP
    return World(script.seed, is_held_up=is_held_up, script=script)


def replay(path: Path) -> Violation | None:
    """The rule that the world of a script breaks."""
    return broken_rule_of(world_of(read_script(path.read_text(encoding="utf-8"))))


def broken_rule(
    seed: int, skip: frozenset[str] = frozenset(), is_held_up: bool = False
) -> Violation | None:
    """The first rule that the world of this seed breaks."""
    return broken_rule_of(World(seed, skip, is_held_up=is_held_up))


def show(seed: int, count: int, skip: frozenset[str], is_held_up: bool) -> None:
    """Print the end of a world."""
    world = World(seed, skip, keeps_lines=True, is_held_up=is_held_up)
    try:
        print(world.run())
    except Violation as violation:
        print(violation)
    print(*world.trace.lines[-count:], sep="\n")


def shortest(world: Simulation, max_runs: int = MAX_RUNS) -> str:
    """The shortest script that is found of a world that has broken a rule, with what it is about
    for who reads it.
    """
    script = shrink(world, max_runs)
    again = world.again(script)
    violation = broken_rule_of(again)
    turns = again.server.turns or []
    events = [
        f"# {number} {canonical(event)[:MAX_SHOWN]}"
        for number, (given, _) in enumerate(turns, 1)
        for event in given
    ]
    lines = [f"# {violation}".splitlines()[0], str(script).rstrip()]
    return "\n".join([*lines, "# What the core was given, turn by turn:", *events]) + "\n"


def shrink_seed(seed: int, skip: frozenset[str], is_held_up: bool, is_kept: bool) -> int:
    """Print the shortest world that breaks the rule that this seed breaks, and perhaps keep it; 1
    if it breaks one.
    """
    world = World(seed, skip, is_held_up=is_held_up)
    violation = broken_rule_of(world)
    if violation is None:
        print(f"{seed} breaks no rule")
        return 0
    text = shortest(world)
    print(text, end="")
    if is_kept:
        keep_script(world, text)
    return 1


def keep_script(world: Simulation, text: str) -> None:
    """Keep the script of the shortest world that breaks the rule that this one has broken."""
    path = FOLDER / f"{'-'.join(words_of(world))}.txt"
    path.write_text(text, encoding="utf-8")
    print(f"kept in {path.name}", flush=True)


def keep(world: Simulation) -> None:
    """Keep a seed that breaks a rule, and the shortest world that does so."""
    with SEEDS.open("a", encoding="utf-8") as file:
        print(*words_of(world), file=file)
    keep_script(world, shortest(world))


def words_of(world: Simulation) -> list[str]:
    """The seed of a world, its kind if it is not plain, and the rule that it has broken."""
    assert world.violation is not None
    kind = [HELD_UP] if world.kind == HELD_UP else []
    return [str(world.seed), *kind, world.violation.check]


def run_crowd(seed: int, connections: int) -> int:
    """Run a crowd of so many connections, in a part of an hour; 1 if a rule was broken."""
    logging.disable(logging.CRITICAL)  # its program raises and is slow, which is logged
    print(f"commit {commit()}, seed {seed}, {connections} connections", flush=True)
    world = crowd_world(seed, connections, SECONDS * connections / CONNECTIONS)
    began = time.process_time()
    violation = broken_rule_of(world)
    spent, outcome = time.process_time() - began, world.outcome()
    print(f"{outcome.connections} came in {outcome.seconds:.0f} s, {outcome.answers} answers")
    print(f"{dict(outcome.statuses)}\n{dict(outcome.reasons)}")
    print(f"{spent:.1f} s of processor, {world.decisions.tick} ticks, digest {outcome.digest[:16]}")
    print(violation or "no rule was broken")
    return 1 if violation else 0


def commit() -> str:
    """The commit of the sources, for who wants to see the same."""
    command = ["git", "-C", str(FOLDER), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def run_many(options: argparse.Namespace, skip: frozenset[str]) -> int:
    """Run so many worlds; 1 if a rule was broken."""
    broken: Counter[str] = Counter()
    for seed in range(options.first, options.first + options.seeds):
        world = World(seed, skip, is_held_up=options.held_up)
        violation = broken_rule_of(world)
        if violation is not None:
            broken[violation.check] += 1
            print(f"{seed} {violation}", flush=True)
            if options.keep and broken[violation.check] <= MAX_KEPT:
                keep(world)
    print(f"{options.seeds} worlds, {sum(broken.values())} broke a rule: {dict(broken)}")
    return 1 if broken else 0


def make_parser() -> argparse.ArgumentParser:
    """What the command takes."""
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
        "--keep", action="store_true", help="keep what breaks a rule, so that it is always run"
    )
    parser.add_argument(
        "--show",
        type=int,
        default=0,
        metavar="N",
        help="print N lines of the trace of --first only",
    )
    parser.add_argument(
        "--shrink",
        type=int,
        default=None,
        metavar="SEED",
        help="find the shortest world that breaks the rule that this one breaks",
    )
    parser.add_argument(
        "--crowd",
        type=int,
        nargs="?",
        const=CONNECTIONS,
        default=None,
        metavar="N",
        help=f"run one world of so many connections (default {CONNECTIONS}) with the seed --first",
    )
    return parser


def main() -> int:
    """Run many worlds, or one; 1 if a rule was broken."""
    options = make_parser().parse_args()
    skip = frozenset(options.skip.split(","))
    if options.crowd is not None:
        return run_crowd(options.first, options.crowd)
    if options.shrink is not None:
        return shrink_seed(options.shrink, skip, options.held_up, options.keep)
    if options.show:
        show(options.first, options.show, skip, options.held_up)
        return 0
    print(f"commit {commit()}, seeds from {options.first}", flush=True)
    return run_many(options, skip)


if __name__ == "__main__":
    sys.exit(main())
