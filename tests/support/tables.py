"""One test of all rows of a table, which reports every row that fails.

Theory: a test of its own for each row of a long table costs more than the row's check, when it is
collected and when it is run, and thousands of them say no more than one that names what fails.

Rules: all rows are checked, whatever fails, and the report has the name of each and why, up to
`REPORTED_MAX` of them. A check that skips ends the test. It does not know the checks.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

REPORTED_MAX = 20

Row = TypeVar("Row")


def check_each(
    rows: Iterable[Row], check: Callable[[Row], object], name: Callable[[Row], str] = str
) -> None:
    """None if this check passes for every row; AssertionError that names those that fail."""
    failures: list[tuple[str, Exception]] = []
    for row in rows:
        try:
            check(row)
        except Exception as error:
            failures.append((name(row), error))
    if not failures:
        return
    told = [f"{where}: {type(error).__name__}: {error}" for where, error in failures]
    rest = len(told) - REPORTED_MAX
    more = [f"and {rest} more"] if rest > 0 else []
    raise AssertionError("\n\n".join([*told[:REPORTED_MAX], *more])) from failures[0][1]


def of_each(
    rows: Iterable[Row], name: Callable[[Row], str] = str
) -> Callable[[Callable[[Row], object]], Callable[[], None]]:
    """A decorator that makes the check of a row a test of all rows."""

    def decorate(check: Callable[[Row], object]) -> Callable[[], None]:
        def check_all() -> None:
            check_each(rows, check, name)

        # not functools.wraps: pytest would look for a fixture with the name of the row
        check_all.__name__, check_all.__doc__ = check.__name__, check.__doc__
        check_all.__module__ = check.__module__
        return check_all

    return decorate
