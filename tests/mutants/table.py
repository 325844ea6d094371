"""The table of mutants, as text: a line for a terminal, and what stands in docs/mutants.md.

Theory: the page repeats the values in `planted`, so it is made of them, and a test compares the
two. What was measured stands in columns of its own, which change with the worlds and are not
compared. How many worlds a bug takes varies by the seed that is the first, so the median of several
is what compares two versions of the worlds.

Rules: it is put between two marks, and nothing else of the page is touched.
"""

from collections.abc import Iterable
from math import inf
from typing import NamedTuple

from tests.mutants.mutant import Mutant
from tests.mutants.trial import Outcome

HEADER = """\
| Mutant | File | Mistake | Caught by | After |
| --- | --- | --- | --- | --- |
"""


class Row(NamedTuple):
    """A mutant, what came of the trial that is named for it, of worlds of both kinds if those were
    tried, and of worlds from several seeds on.
    """

    mutant: Mutant
    named: Outcome
    worlds: tuple[Outcome, ...] = ()
    starts: tuple[Outcome, ...] = ()

    @property
    def after(self) -> str:
        """After how many worlds, by the median of all starts, or how many examples."""
        if not self.starts:
            return str(self.named.count)
        counts = sorted(one.count if one.is_caught else inf for one in self.starts)
        median = counts[len(counts) // 2]
        return "-" if median == inf else str(median)

    def line(self) -> str:
        """The row for a terminal."""
        mutant, named = self.mutant, self.named
        note = named.note if named.is_caught else f"NOT CAUGHT {named.error}"
        seconds = sum(one.seconds for one in (named, *self.worlds, *self.starts))
        after = f"{mutant.caught_by} after {self.after}"
        if self.worlds:
            after += ", worlds from the first on after " + ", held up ".join(
                map(_after, self.worlds)
            )
        return f"{mutant.name} ({mutant.file}): {after}, {seconds:.1f} s: {note}"


def _after(outcome: Outcome) -> str:
    """After how many worlds it was caught."""
    return str(outcome.count) if outcome.is_caught else "-"


def fixed_cells(mutant: Mutant) -> str:
    """The cells of a mutant's row that follow from its value."""
    return f"| {mutant.name} | `{mutant.file}` | {mutant.mistake} | {mutant.caught_by} |"


def rendered(rows: Iterable[Row]) -> str:
    """The table for the page."""
    lines = [f"{fixed_cells(row.mutant)} {row.after} |\n" for row in rows]
    return HEADER + "".join(lines)


def unseen(mutants: Iterable[Mutant]) -> str:
    """The table of mutants that the worlds do not see, each with the reason."""
    lines = [f"| {one.name} | {one.unseen} |\n" for one in mutants if one.unseen]
    return "| Mutant | Why |\n| --- | --- |\n" + "".join(lines)


def rewritten(page: str, name: str, text: str) -> str:
    """The page with this text between the marks of this name."""
    begin, end = (f"<!-- {name}: {mark} -->" for mark in ("begin", "end"))
    before, _, rest = page.partition(begin)
    _, _, behind = rest.partition(end)
    return f"{before}{begin}\n{text}{end}{behind}"
