"""One trial: whether what sigil is, in this process, is caught by worlds or by a test.

Theory: a mutant is imported like any sigil, so a trial knows nothing of mutants: it runs simulated
worlds, or a test, and reports the first thing that is wrong. A law is tried on the same examples
each time, so a mutant that is caught once is caught always; and no example is made smaller, which
takes long and is for readers.

Rules: sigil is imported in the functions, by whoever has put the right one on the path. It does not
know processes.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any, NamedTuple

import hypothesis
import pytest

from tests.mutants.mutant import Catcher, Example, Worlds
from tests.support.sources import ROOT

PROFILE = "mutants"
NOTE_MAX = 160
"""Characters of what is told about a failure, at most."""


class Trial(NamedTuple):
    """What is tried: worlds or a test, and how many worlds or examples of a law at most; the ids of
    several tests have spaces between them, and a law that is a file or folder is all laws in it.
    """

    by: Catcher
    count: int


class Outcome(NamedTuple):
    """What came of a trial: whether something was wrong and what, after how many worlds or
    examples, and how many seconds. `error` is what kept it from being tried.
    """

    is_caught: bool
    note: str
    count: int
    seconds: float
    error: str = ""


def run_trial(trial: Trial) -> Outcome:
    """The outcome of a trial of the sigil that is imported here."""
    started = time.perf_counter()
    by, count = trial
    if isinstance(by, Worlds):
        seeds = range(by.first, by.first + count)
        note, tried = _run_worlds(seeds, by.is_held_up)
        error = ""
    else:
        has_examples = isinstance(by, Example) or "::" in by.test
        note, tried, error = _run_test(by.test, count, [] if has_examples else ["-m", "hypothesis"])
    seconds = time.perf_counter() - started
    return Outcome(bool(note), note[:NOTE_MAX], tried, seconds, error)


def _run_worlds(seeds: Iterable[int], is_held_up: bool) -> tuple[str, int]:
    """What the first of these worlds that breaks a rule has to say, and how many there were."""
    from tests.world.__main__ import broken_rule

    tried = 0
    for seed in seeds:
        tried += 1
        violation = broken_rule(seed, is_held_up=is_held_up)
        if violation is not None:
            return f"seed {seed}: {violation}", tried
    return "", tried


class _Examiner:
    """A plugin of pytest that counts examples, ends each law after `max_count` of them, and keeps
    what is said about a failure.
    """

    def __init__(self, max_count: int) -> None:
        self.note = ""
        self.error = ""
        self.count = 0
        self._max_count = max_count

    def pytest_configure(self, config: pytest.Config) -> None:
        """Behind the profile of the tests, which is loaded with `conftest.py`."""
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile(
            PROFILE,
            deadline=None,
            derandomize=True,
            database=None,
            phases=phases,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        hypothesis.settings.load_profile(PROFILE)

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Count the examples of a law; a test without any is one."""
        handle = getattr(getattr(item, "obj", None), "hypothesis", None)
        if handle is None:
            self.count += 1
        else:
            handle.inner_test = self._counted(handle.inner_test)

    def _counted(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        """The test of one example, counted."""

        left = self._max_count

        def count(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            if not left:
                pytest.skip("enough")  # which ends the law, and is no failure
            left -= 1
            self.count += 1
            return inner(*args, **kwargs)

        return count

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what is said about the first failure."""
        if report.failed and not self.note:
            crash = getattr(report.longrepr, "reprcrash", None)
            self.note = " ".join(str(crash.message if crash else report.longrepr).split())

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A test file that cannot even be imported has noticed, too."""
        if report.failed:
            self.note = " ".join(str(report.longrepr).split())[-NOTE_MAX:]


def _run_test(test: str, max_count: int, chosen: list[str]) -> tuple[str, int, str]:
    """What is said about the first failure, how many examples there were, and what kept it from
    running.
    """
    examiner = _Examiner(max_count)
    args = ["-o", "addopts=", "-q", "-x", "--assert=plain", "-p", "no:cacheprovider"]
    args += ["-p", "no:xdist", "--rootdir", str(ROOT)]
    args += [*chosen, *[f"{ROOT}/tests/{name}" for name in test.split()]]
    said = StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = pytest.main(args, plugins=[examiner])
    is_run = code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    if is_run or examiner.note:
        return examiner.note, examiner.count, ""
    return "", 0, f"{test} was not run: pytest said {int(code)}: {said.getvalue()[-400:]}"
