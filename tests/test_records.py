"""The form of value classes, and that records can grow: a field more is the business of one file.

Theory: a value class (`sigil.core.value`) is written by hand, four times each field, so that a
compiler can make a plain object of it; here the four are compared. And a record that is made by
position far from its definition would break when a field is added. So that is done only beside the
definition, by functions that name what changes. The thing is tried: `Server`, `Client` and the
records of what is broadcast get a field more, and the type checker must complain in their own files
and in no other.

It does not know what the fields are for.
"""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sources import ROOT, SIGIL, parse
from tests.support.tables import of_each


def value_classes() -> Iterator[tuple[ast.ClassDef, Path]]:
    """Every value class of sigil and the file that defines it."""
    for path in SIGIL:
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.ClassDef) and "Value" in map(ast.unparse, node.bases):
                yield node, path


VALUE_CLASSES = {node.name: (node, path) for node, path in value_classes()}


def faults(node: ast.ClassDef) -> list[str]:
    """What keeps a class from being a value class."""
    lines = {
        ast.unparse(line.targets[0]): ast.unparse(line.value)
        for line in node.body
        if isinstance(line, ast.Assign)
    }
    fields = list(ast.literal_eval(lines.pop("__match_args__", "()")))
    derived = derived_in(lines.get("__slots__", ""))
    found = [] if fields else ["no fields"]
    if [ast.unparse(base) for base in node.bases] != ["Value"]:
        found.append("another base")
    if [ast.unparse(decorator) for decorator in node.decorator_list] != ["final"]:
        found.append("not final")
    slots = f"(*__match_args__, {', '.join(map(repr, derived))})" if derived else "__match_args__"
    if lines != {"__slots__": slots}:
        found.append("slots that are not the fields, or a class variable")
    found += [
        f"an attribute beside the fields: {ast.unparse(line)}"
        for line in node.body
        if isinstance(line, ast.AnnAssign)
    ]
    return found + constructor_faults(node, fields, derived)


def derived_in(slots: str) -> list[str]:
    """The attributes among these slots that only repeat what follows from the fields."""
    return re.findall(r"'(\w+)'", slots)


def constructor_faults(node: ast.ClassDef, fields: list[str], derived: list[str]) -> list[str]:
    """What is wrong with the constructor of a value class with these fields, and these attributes
    beside them, which whoever makes one may leave out.
    """
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and method.name == "__init__":
            break
    else:
        return ["no constructor"]
    parameters = [argument.arg for argument in method.args.args]
    statements = [line for line in method.body if not isinstance(line, ast.Expr)]
    expected = ["self", *fields, *derived]
    found = [] if parameters == expected else ["other parameters than the fields"]
    defaults = [ast.unparse(default) for default in method.args.defaults]
    if derived and defaults[-len(derived) :] != ["None"] * len(derived):
        found.append("an attribute beside the fields that cannot be left out")
    if [ast.unparse(line) for line in statements] != [
        f"self.{name}: Final = {name}" for name in expected[1:]
    ]:
        found.append("a field is not set once, in order, as it is given")
    return found


@of_each(VALUE_CLASSES)
def test_a_value_class_has_the_form_of_one(name: str) -> None:
    assert faults(VALUE_CLASSES[name][0]) == []


GOOD = """
@final
class Pair(Value):
    __match_args__ = ("one", "other")
    __slots__ = __match_args__
    def __init__(self, one: int, other: int = 0) -> None:
        self.one: Final = one
        self.other: Final = other
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("@final\n", ""),
        ("(Value)", "(Value, Other)"),
        ('("one", "other")', '("other", "one")'),
        ('("one", "other")', '("one",)'),
        ("__slots__ = __match_args__", "__slots__ = ()"),
        ("__slots__ = __match_args__", "count = 0"),
        ("one: int, other", "other: int, one"),
        ("= one", "= int(one)"),
        ("self.other: Final = other", "pass"),
        ("self.one: Final", "self.one"),
        ("__slots__ = __match_args__", '__slots__ = (*__match_args__, "third")'),
    ],
)
def test_each_kind_of_fault_is_found(old: str, new: str) -> None:
    (good,), (bad,) = ast.parse(GOOD).body, ast.parse(GOOD.replace(old, new)).body
    assert isinstance(good, ast.ClassDef) and faults(good) == []
    assert isinstance(bad, ast.ClassDef) and faults(bad) != []


# -- tried -----------------------------------------------------------------------------------------

GROWING = ("Server", "Client", "Broadcast", "Ring", "Published")


def grown(source: str, name: str) -> str:
    """The source with one field more in the middle of this record."""
    record = next(
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef) and node.name == name
    )
    constructor = next(node for node in record.body if isinstance(node, ast.FunctionDef))
    parameters = constructor.args.args
    before = parameters[len(parameters) // 2]
    lines = source.splitlines(keepends=True)
    first = constructor.body[0].lineno - 1
    lines.insert(first, "        self.grown: Final = grown\n")
    line = lines[before.lineno - 1]
    at = before.col_offset
    lines[before.lineno - 1] = f"{line[:at]}grown: int, {line[at:]}"
    return "".join(lines)


def complaints(folder: Path) -> Iterator[str]:
    """The files in which the type checker finds something."""
    checker = [sys.executable, "-m", "mypy", "--strict", "-p", "sigil"]
    command = [*checker, "--cache-dir", str(folder / "cache")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        match = re.match(r"(\S+\.py):\d+: error", line)
        if match:
            yield match[1]


def test_a_field_more_is_the_business_of_one_file(tmp_path: Path) -> None:
    shutil.copytree(
        ROOT / "sigil", tmp_path / "sigil", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    homes = set()
    for name in GROWING:
        home = VALUE_CLASSES[name][1].relative_to(ROOT)
        homes.add(home.as_posix())
        copy = tmp_path / home
        copy.write_text(grown(copy.read_text(encoding="utf-8"), name), encoding="utf-8")
    assert set(complaints(tmp_path)) == homes
