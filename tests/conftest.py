"""What all tests share: Hypothesis without a clock, whether a skip is accepted, a collector that
does not look at the tests themselves, and Ctrl-C.

Theory: a noisy machine is not a slow program, so no example has a deadline. A test that is skipped
proves nothing, and nobody reads the list of them, so where SIGIL_NO_SKIPS is set, as in `.ci/run`,
a skip is a failure that says what was missing. Elsewhere a skip is a skip. Thousands of tests are
hundreds of megabytes of objects that live until the end, and a full garbage collection, of which
some tests order many, would look at all of them.

Rules: what may be skipped all the same stands in `ACCEPTED`, each reason with its own.  A failure
that is expected (xfail) is no skip: that test has run.
"""

import gc
import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

# A shell starts what is behind in it with SIGINT ignored, and so would be whatever tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("sigil", deadline=None)
settings.load_profile("sigil")

NO_SKIPS = "SIGIL_NO_SKIPS"
REFUSED = f"skipped, and {NO_SKIPS} is set"
ACCEPTED = {
    "this machine has no IPv6 loopback": "its kernel has none; nothing can be installed",
    "it looks at how Python runs the core, and this core is compiled": "it runs on the pure one",
}
HERE = Path(__file__).resolve().parent
LONGEST = (
    "adversity/test_failing_calls.py",
    "adversity/test_failing_websocket_calls.py",
    "adversity/test_failing_client_calls.py",
    "docs/test_site.py",
    "world/test_world.py",
    "mutants/test_mutants.py",
    "docs/test_programs.py",
    "autobahn/test_autobahn_sample.py",
    "core/server/test_work.py",
)
"""Files of tests, the one that takes longest first."""


def refusal(reason: str) -> str:
    """What is wrong with a skip for this reason; nothing if it is accepted."""
    if not os.environ.get(NO_SKIPS) or reason in ACCEPTED:
        return ""
    return f"{REFUSED}: {reason}"


def refuse_skips() -> Generator[None, object, object]:
    """Around a step of a test: a skip that is not accepted fails it."""
    try:
        return (yield)
    except pytest.skip.Exception as skipped:
        if not refusal(str(skipped)):
            raise
        raise pytest.fail.Exception(refusal(str(skipped)), pytrace=False) from None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup() -> Generator[None, object, object]:
    """Marks and fixtures."""
    return (yield from refuse_skips())


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """The test itself."""
    return (yield from refuse_skips())


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Generator[None, object, object]:
    """What fixtures do at their end."""
    return (yield from refuse_skips())


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A file that skips itself as a whole."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if refusal(reason):
            report.outcome, report.longrepr = "failed", refusal(reason)
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """One process for a few files, which would not begin sooner in more; else one for each core."""
    return 0 if all(".py" in Path(name).name for name in config.args) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest begin first, so that no process is left with one at the end."""
    ranks = {HERE / name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


def pytest_collection_finish() -> None:
    """What has been imported and collected stays; no garbage collection looks at it any more."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One list of what was skipped and why, since the list of failures has no reasons of these."""
    failed = [
        report for kind in ("failed", "error") for report in terminalreporter.stats.get(kind, ())
    ]
    told = [(report.nodeid, str(report.longrepr)) for report in failed]
    lines = [
        f"{test}: {why.removeprefix(f'{REFUSED}: ')}"
        for test, why in told
        if why.startswith(REFUSED)
    ]
    if lines:
        terminalreporter.section(REFUSED)
        terminalreporter.write_line("\n".join(lines))
