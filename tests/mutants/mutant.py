"""A planted bug as a value, and the copy of sigil that has it.

Theory: a mutant is what a patch is: a file, the text before, the text after, and a line that says
which mistake that is. Texts that are compared as a whole need no line numbers, so a mutant survives
whatever is changed elsewhere in its file.

Rules: the text before is found exactly once, or `Misfit` says so. A copy shares all its files but
the one that is changed with the copy it was made from. It does not know who notices.
"""

import os
import shutil
from pathlib import Path
from typing import NamedTuple, TypeAlias

from tests.support.sources import ROOT


class Worlds(NamedTuple):
    """Caught by a rule of the simulated worlds: those from the seed `first` on, of loops that are
    held up or not.
    """

    first: int = 0
    is_held_up: bool = False

    def __str__(self) -> str:
        return "worlds, held up" if self.is_held_up else "worlds"


class Law(NamedTuple):
    """Caught by a law, or an oracle: a test (its id, below `tests/`) of whatever may happen."""

    test: str

    def __str__(self) -> str:
        return f"law `{self.test.partition('::')[2]}`"


class Example(NamedTuple):
    """Caught by nothing but an example: a test (its id, below `tests/`) of one case."""

    test: str

    def __str__(self) -> str:
        return f"example `{self.test.partition('::')[2]}`"


Catcher: TypeAlias = Worlds | Law | Example


class Mutant(NamedTuple):
    """A planted bug: in `file`, below `sigil/`, the text `before` has become `after`."""

    name: str
    file: str
    mistake: str
    before: str
    after: str
    caught_by: Catcher
    unseen: str = ""
    """Why the worlds do not see it; empty if they do."""


class Misfit(AssertionError):
    """The text of a mutant is not found exactly once in its file, so the mutant must be renewed."""


def mutated(mutant: Mutant, text: str) -> str:
    """The text of a file with the mutant's bug in it; `Misfit` if that is not possible."""
    count = text.count(mutant.before)
    if count != 1:
        raise Misfit(
            f"the mutant {mutant.name!r} does not fit: its text is found {count} times in "
            f"sigil/{mutant.file}, not once; look at what has become of it, and renew the mutant"
        )
    return text.replace(mutant.before, mutant.after)


def copy_sources(to: Path) -> Path:
    """The folder `to`, with a copy of `sigil/` in it: its Python files, and what Python made of
    these.
    """
    shutil.copytree(
        ROOT / "sigil", to / "sigil", ignore=shutil.ignore_patterns("*.so", "node_modules")
    )
    return to


def plant(file: str, text: str, original: Path, to: Path) -> Path:
    """The folder `to`, with what is in the folder `original`, but for one file below `sigil/`,
    which has another text there.
    """
    changed = Path("sigil", file)
    for folder, _, names in os.walk(original):
        here = to / Path(folder).relative_to(original)
        here.mkdir(parents=True, exist_ok=True)
        for name in names:
            os.link(Path(folder, name), here / name)
    for compiled in (to / changed.parent / "__pycache__").glob(f"{changed.stem}.*"):
        compiled.unlink()
    (to / changed).unlink()
    (to / changed).write_text(text, encoding="utf-8")
    return to
