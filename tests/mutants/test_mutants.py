"""Planted bugs are caught by what is named for them, and what is not a bug is not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mutants.__main__ import MAX_EXAMPLES, PAGE, attempt, trial_of
from tests.mutants.mutant import Example, Law, Misfit, Mutant, Worlds, mutated
from tests.mutants.planted import MUTANTS
from tests.mutants.table import fixed_cells, unseen
from tests.mutants.trial import Trial
from tests.mutants.worker import Worker
from tests.support.sources import ROOT
from tests.support.tables import check_each, of_each

PLANTED_MIN = 36


def name_of(mutant: Mutant) -> str:
    """What a mutant is called."""
    return mutant.name


every_mutant = of_each(MUTANTS, name_of)


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    """A process that tries mutants."""
    with Worker() as one:
        yield one


def test_a_planted_bug_is_caught_by_what_is_named_for_it(worker: Worker) -> None:
    def check(mutant: Mutant) -> None:
        outcome = attempt(worker, mutant, trial_of(mutant))
        assert not outcome.error
        assert outcome.is_caught, f"{outcome.count} tried, and {mutant.caught_by} saw nothing"

    check_each(MUTANTS, check, name_of)


def test_what_is_not_planted_is_not_caught(worker: Worker) -> None:
    firsts = {mutant.caught_by for mutant in MUTANTS if isinstance(mutant.caught_by, Worlds)}
    tests = {one.caught_by.test for one in MUTANTS if not isinstance(one.caught_by, Worlds)}
    for by in (*sorted(firsts), Law(" ".join(sorted(tests)))):
        outcome = worker.attempt(Trial(by, 3))
        assert (outcome.is_caught, outcome.error) == (False, ""), outcome
        assert outcome.count >= 3


def test_there_are_many_everywhere_and_each_has_a_name_of_its_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= PLANTED_MIN
    folders = {Path(mutant.file).parent.as_posix() for mutant in MUTANTS}
    core = {f"core/{name}" for name in ("broadcast", "connection", "http", "server", "websocket")}
    assert folders == {*core, "shell/loop"}


@every_mutant
def test_what_the_worlds_do_not_see_says_why(mutant: Mutant) -> None:
    assert bool(mutant.unseen) is not isinstance(mutant.caught_by, Worlds)


def test_most_are_caught_by_a_rule_or_a_law() -> None:
    examples = [mutant.name for mutant in MUTANTS if isinstance(mutant.caught_by, Example)]
    assert len(examples) <= len(MUTANTS) // 10


# -- the patches -----------------------------------------------------------------------------------


MUTANT = Mutant("m", "core/conn.py", "a mistake", "one", "two", Law("core/test_conn.py::test"))


def test_a_patch_changes_one_place() -> None:
    assert mutated(MUTANT, "a one b") == "a two b"


@pytest.mark.parametrize("text", ["nothing of that", "one and one"])
def test_a_patch_that_does_not_fit_says_so(text: str) -> None:
    with pytest.raises(Misfit, match="mutant 'm' does not fit: its text is found"):
        mutated(MUTANT, text)


@every_mutant
def test_a_patch_is_python_that_says_something_else(mutant: Mutant) -> None:
    text = (ROOT / "sigil" / mutant.file).read_text(encoding="utf-8")
    changed = mutated(mutant, text)
    assert changed != text
    compile(changed, mutant.file, "exec")


# -- the trials ------------------------------------------------------------------------------------


def test_a_trial_that_cannot_be_made_is_not_taken_for_a_catch(worker: Worker) -> None:
    outcome = worker.attempt(Trial(Law("core/test_laws.py::test_of_nothing"), 1))
    assert (outcome.is_caught, outcome.count) == (False, 0)
    assert "was not run" in outcome.error


def test_what_cannot_be_imported_or_ends_its_process_is_caught(worker: Worker) -> None:
    law = Trial(Law("core/test_rope.py"), MAX_EXAMPLES)
    for text in ("raise OSError('no')", "import os; os._exit(3)"):
        assert worker.attempt(law, "core/rope.py", text).is_caught


def test_what_does_not_end_is_caught() -> None:
    with Worker(patience=1.0) as hasty:
        text = "while True:\n    pass\n"
        outcome = hasty.attempt(Trial(Law("core/test_rope.py"), 1), "core/rope.py", text)
    assert outcome.note == "it did not end in 1 s"


# -- the page --------------------------------------------------------------------------------------


def test_the_page_has_all_of_them_in_order() -> None:
    page = PAGE.read_text(encoding="utf-8")
    found = [page.find(fixed_cells(mutant)) for mutant in MUTANTS]
    missing = [mutant.name for mutant, at in zip(MUTANTS, found, strict=True) if at < 0]
    assert missing == [], "python -m tests.mutants --write puts the table into docs/mutants.md"
    assert found == sorted(found)
    rest = unseen(MUTANTS)
    assert rest in page
    assert page.count("\n| ") - rest.count("\n") == len(MUTANTS) + 2
