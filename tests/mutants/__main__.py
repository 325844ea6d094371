"""All mutants: `python -m tests.mutants` prints which rule of the worlds or which law catches each,
and after how much; `--help` lists how to run a part.

Theory: the tests try each mutant where it is known to be caught, which is quick. With `--worlds N`
each is also tried in so many worlds from the first one on, held up or not. The table in
docs/mutants.md is what this finds (`--write` puts it there).

Rules: the exit status is 1 if a mutant is not caught by what is named for it. What is measured is
worlds and examples; seconds depend on the machine. It does not decide what is caught where.
"""

import argparse
import sys
from collections.abc import Iterator

from tests.mutants.mutant import Mutant, Worlds, mutated
from tests.mutants.planted import MUTANTS
from tests.mutants.table import Row, rendered, rewritten, unseen
from tests.mutants.trial import Outcome, Trial
from tests.mutants.worker import Worker
from tests.support.sources import ROOT

PAGE = ROOT / "docs" / "mutants.md"
MAX_EXAMPLES = 10_000


def attempt(worker: Worker, mutant: Mutant, trial: Trial) -> Outcome:
    """The outcome of a trial of a mutant."""
    text = (ROOT / "sigil" / mutant.file).read_text(encoding="utf-8")
    return worker.attempt(trial, mutant.file, mutated(mutant, text))


def rows(worker: Worker, mutants: list[Mutant], max_worlds: int, starts: int) -> Iterator[Row]:
    """What is found out about each of these mutants; about one that worlds catch, from so many
    seeds on.
    """
    for mutant in mutants:
        named = attempt(worker, mutant, trial_of(mutant))
        kinds = (Worlds(0), Worlds(0, True)) if max_worlds else ()
        broadly = [attempt(worker, mutant, Trial(kind, max_worlds)) for kind in kinds]
        firsts = [attempt(worker, mutant, trial) for trial in trials_from(mutant, starts)]
        yield Row(mutant, named, tuple(broadly), tuple(firsts))


MAX_WORLDS = 400
"""Worlds that are tried from the one that is named on."""


def trial_of(mutant: Mutant) -> Trial:
    """The trial by what is named to catch a mutant."""
    by = mutant.caught_by
    return Trial(by, MAX_WORLDS if isinstance(by, Worlds) else MAX_EXAMPLES)


STARTS = 7
"""Seeds from which on a bug is looked for, to know how many worlds it takes: an odd number."""
START_STEP = 1_000


def trials_from(mutant: Mutant, starts: int) -> list[Trial]:
    """Trials of a mutant by worlds from so many seeds on; none if a law catches it."""
    by = mutant.caught_by
    if not isinstance(by, Worlds):
        return []
    firsts = range(0, starts * START_STEP, START_STEP)
    return [Trial(by._replace(first=first), MAX_WORLDS) for first in firsts]


def main() -> int:
    """Try mutants; 1 if one was not caught as it should be."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants", description="Plant bugs, and see who notices."
    )
    parser.add_argument("--only", default="", help="those with this in their name or file")
    parser.add_argument(
        "--worlds", type=int, default=0, help="try so many worlds of each kind, too (default 0)"
    )
    parser.add_argument(
        "--starts", type=int, default=0, help="tell the median of worlds from so many seeds on"
    )
    parser.add_argument("--write", action="store_true", help="put the table into docs/mutants.md")
    options = parser.parse_args()
    chosen = [one for one in MUTANTS if options.only in one.name or options.only in one.file]
    starts = options.starts or STARTS * options.write
    found: list[Row] = []
    with Worker() as worker:
        for row in rows(worker, chosen, options.worlds, starts):
            found.append(row)
            print(row.line(), flush=True)
    if options.write and chosen == list(MUTANTS):
        page = rewritten(PAGE.read_text(encoding="utf-8"), "mutants", rendered(found))
        PAGE.write_text(rewritten(page, "unseen", unseen(chosen)), encoding="utf-8")
    missed = [row.mutant.name for row in found if not row.named.is_caught]
    print(f"{len(found)} mutants, {len(missed)} not caught by what is named for them: {missed}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
