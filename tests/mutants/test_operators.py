"""Small changes are found where code decides something, and each is Python."""

from pathlib import Path
from random import Random

import pytest

from tests.mutants.mutant import Example, Law, Worlds
from tests.mutants.operators import FOLDERS, Change, Changes, all_changes, first_catch, trials
from tests.mutants.trial import Trial
from tests.mutants.worker import Worker
from tests.support.sources import CORE


def changed(tmp_path: Path, lines: str) -> list[str]:
    """The body of a function of two arguments, changed in each way."""
    path, before = tmp_path / "module.py", "def f(a, b):\n    "
    path.write_text(before + lines.replace("\n", "\n    "), encoding="utf-8")
    source = path.read_text(encoding="utf-8")
    return [one.applied(source).removeprefix(before) for one in Changes(path).found]


@pytest.mark.parametrize(
    ("line", "others"),
    [
        ("return a < b", ["return (a <= b)"]),
        ("return a is b", ["return (a is not b)"]),
        ("return a and b", ["return (a or b)"]),
        ("return a - b", ["return (a + b)"]),
        ("return 2", ["return (2 + 1)"]),
        ("return True", ["return False"]),
        ("return not a", ["return bool(a)"]),
        ("return min(a, b)", ["return max(a, b)"]),
        ("a()", ["pass"]),
        ("a += b", ["pass"]),
        ("a = b", ["pass"]),
        ("c = b", []),
        ("if a:\n    return b", ["pass"]),
        ('return "é" if a < b else b', ['return "é" if (a <= b) else b']),
        ('return f"{a + b}"', []),
        ('"""A < b."""', []),
        ("c: int | None = a", []),
        ("assert a < b", []),
    ],
)
def test_a_line_is_changed_in_these_ways(tmp_path: Path, line: str, others: list[str]) -> None:
    assert changed(tmp_path, line) == [other.replace("\n", "\n    ") for other in others]


def test_every_change_is_python_and_something_else() -> None:
    found = list(all_changes())
    assert {one.path.parent.name for one in found} == set(FOLDERS)
    for one in Random(0).sample(found, 200):
        source = one.path.read_text(encoding="utf-8")
        assert one.applied(source) != source
        compile(one.applied(source), one.path.name, "exec")


def test_a_change_is_tried_by_worlds_and_then_by_the_laws_of_its_folder() -> None:
    path = next(path for path in CORE if path.name == "slots.py")
    change = next(one for one in Changes(path).found if one.kind == "statement")
    tried = trials(change, 5, 9)
    assert tried[:2] == [Trial(Worlds(0), 5), Trial(Worlds(0, True), 5)]
    laws = "core/test_laws.py core/test_laws_for_peers.py core/server"
    assert tried[2:] == [Trial(Law(laws), 9), Trial(Example("core/server/test_slots.py"), 1_000)]


def test_a_change_that_is_none_survives_and_one_that_breaks_everything_does_not() -> None:
    path = next(path for path in CORE if path.name == "rope.py")
    same, broken = (Change(path, 1, 0, 0, text, "case") for text in ("", "raise OSError\n"))
    tried = [Trial(Worlds(0), 1), Trial(Law("core/test_rope.py"), 3)]
    with Worker() as worker:
        assert first_catch(worker, same, tried)[0] == "nothing"
        assert first_catch(worker, broken, tried)[0] == "worlds"
