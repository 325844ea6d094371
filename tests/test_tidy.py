"""The repository checks itself: sizes, docstrings, names, records, constants, types and style."""

import ast
import importlib.util
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
SIGIL = sorted((ROOT / "sigil").glob("**/*.py"))
CORE = sorted((ROOT / "sigil" / "core").glob("**/*.py"))
TESTS = sorted((ROOT / "tests").glob("**/*.py"))
TABLES = frozenset(("close_reasons.py",))
"""Files that are tables and may be as long as their table."""

FUNCTION_MAX, FILE_MAX, MEDIAN_MAX = 60, 450, 10
Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    """The path as it is written in the repository."""
    return path.relative_to(ROOT).as_posix()


every_file = pytest.mark.parametrize("path", SIGIL, ids=name_of)
every_core_file = pytest.mark.parametrize("path", CORE, ids=name_of)
every_text = pytest.mark.parametrize("path", [*SIGIL, *TESTS], ids=name_of)
every_test = pytest.mark.parametrize("path", TESTS, ids=name_of)


class Part(NamedTuple):
    """A function or class and where it stands: `owner` is its class or module, `is_inner` that a
    function holds it.
    """

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    owner: str
    is_inner: bool


def parse(path: Path) -> ast.Module:
    """The tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def parts(node: ast.AST, owner: str = "", is_inner: bool = False) -> Iterator[Part]:
    """All functions and classes in a tree."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.ClassDef):
            yield Part(child, owner, is_inner)
            yield from parts(child, child.name, is_inner or isinstance(child, Function))
        else:
            yield from parts(child, owner, is_inner)


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's body without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def is_record(node: ast.ClassDef) -> bool:
    """True for a class that inherits from NamedTuple."""
    return any(isinstance(base, ast.Name) and base.id == "NamedTuple" for base in node.bases)


# -- sizes -----------------------------------------------------------------------------------------


@every_file
def test_no_function_is_long(path: Path) -> None:
    assert [
        part.node.name
        for part in parts(parse(path))
        if isinstance(part.node, Function) and body_lines(part.node) > FUNCTION_MAX
    ] == []


@every_file
def test_no_file_is_long(path: Path) -> None:
    assert path.name in TABLES or len(path.read_text().splitlines()) <= FILE_MAX


def test_most_functions_are_short() -> None:
    lengths = [
        body_lines(part.node)
        for path in SIGIL
        for part in parts(parse(path))
        if isinstance(part.node, Function)
    ]
    assert statistics.median(lengths) < MEDIAN_MAX


# -- words -----------------------------------------------------------------------------------------


@every_text
def test_every_file_begins_with_a_docstring(path: Path) -> None:
    assert ast.get_docstring(parse(path))


@every_file
def test_every_public_class_and_function_has_a_docstring(path: Path) -> None:
    silent = [
        f"{part.owner}.{part.node.name}"
        for part in parts(parse(path))
        if not part.node.name.startswith("_")
        and not part.owner.startswith("_")
        and not part.is_inner
        and ast.get_docstring(part.node) is None
        and not is_overload(part.node)
    ]
    assert silent == []


def is_overload(node: ast.AST) -> bool:
    """True for a signature that only the type checker reads."""
    return any(
        isinstance(mark, ast.Name) and mark.id == "overload"
        for mark in getattr(node, "decorator_list", ())
    )


@every_text
def test_nothing_is_left_for_later(path: Path) -> None:
    words = "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3))
    assert re.findall(rf"\b(?:{words})\b", path.read_text(encoding="utf-8")) == []


def test_there_is_no_drawer_for_odds_and_ends() -> None:
    drawers = {"utils.py", "util.py", "helpers.py", "misc.py", "common.py"}
    assert [name_of(path) for path in [*SIGIL, *TESTS] if path.name in drawers] == []


@every_test
def test_tests_neither_sleep_nor_pretend(path: Path) -> None:
    tree = parse(path)
    plain = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    dotted = {
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    used = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert [
        name
        for name in plain | dotted | used
        if name == "time.sleep" or {"mock", "unittest"} & set(name.split("."))
    ] == []


# -- records and constants -------------------------------------------------------------------------


@every_file
def test_no_record_is_without_fields(path: Path) -> None:
    empty = [
        part.node.name
        for part in parts(parse(path))
        if isinstance(part.node, ast.ClassDef)
        and is_record(part.node)
        and not any(isinstance(line, ast.AnnAssign) for line in part.node.body)
    ]
    assert empty == []


@every_core_file
def test_the_core_has_no_global_variables(path: Path) -> None:
    changed = {name for node in ast.walk(parse(path)) for name in written_into(node)}
    for node in parse(path).body:
        for name, value in assignments(node):
            assert not is_growing(value), f"{name} can grow"
            assert name not in changed, f"{name} is written into"


def assignments(node: ast.stmt) -> list[tuple[str, ast.expr]]:
    """(name, value) of every name that a statement binds."""
    if (
        isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and node.value is not None
    ):
        return [(node.target.id, node.value)]
    if isinstance(node, ast.Assign):
        return [(target.id, node.value) for target in node.targets if isinstance(target, ast.Name)]
    return []


def is_growing(value: ast.expr) -> bool:
    """True for lists, sets, byte arrays and empty dictionaries: a dictionary with entries is a
    table.
    """
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        return value.func.id in (
            "list",
            "set",
            "bytearray",
            "dict",
            "deque",
            "defaultdict",
            "Counter",
        )
    return isinstance(value, ast.List | ast.Set | ast.ListComp | ast.SetComp) or (
        isinstance(value, ast.Dict) and not value.keys
    )


def written_into(node: ast.AST) -> list[str]:
    """Names whose entries a statement sets or deletes, or on which it calls what changes them."""
    if (
        isinstance(node, ast.Subscript)
        and isinstance(node.ctx, ast.Store | ast.Del)
        and isinstance(node.value, ast.Name)
    ):
        return [node.value.id]
    changing = ("update", "setdefault", "pop", "popitem", "clear")
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in changing
        and isinstance(node.func.value, ast.Name)
    ):
        return [node.func.value.id]
    return []


def test_every_limit_gives_its_reason() -> None:
    tree = parse(ROOT / "sigil" / "core" / "limits.py")
    limits = next(part.node for part in parts(tree) if part.node.name == "Limits")
    lines = list(limits.body)
    fields = [index for index, line in enumerate(lines) if isinstance(line, ast.AnnAssign)]
    assert len(fields) > 10
    for index in fields:
        reason = lines[index + 1] if index + 1 < len(lines) else None
        assert (
            isinstance(reason, ast.Expr)
            and isinstance(reason.value, ast.Constant)
            and isinstance(reason.value.value, str)
        ), ast.unparse(lines[index])


# -- tools -----------------------------------------------------------------------------------------


def run(*arguments: str) -> str:
    """The complaints of a tool, empty if it has none; the test is skipped if it is not installed."""
    if importlib.util.find_spec(arguments[0]) is None:
        pytest.skip(f"{arguments[0]} is not installed")
    result = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return "" if result.returncode == 0 else result.stdout + result.stderr


def test_the_type_checker_is_content() -> None:
    assert run("mypy", "--strict", "sigil") == ""


def test_the_linter_is_content() -> None:
    assert run("ruff", "check", ".") == ""
