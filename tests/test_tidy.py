"""The repository checks itself: sizes, docstrings, names, records, constants, types and style."""

import ast
import importlib.util
import re
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.sources import CORE, ROOT, SIGIL, TESTS, Function, name_of, parse
from tests.support.tables import of_each

TABLES = frozenset(("close_reasons.py",))
"""Files that are tables and may be as long as their table."""

FUNCTION_MAX, FILE_MAX, MEDIAN_MAX, WIDTH = 60, 450, 10, 100

METAPHORS = re.compile(
    r"talk(s|ed|ing)?|utter(s|ed)?|convers(e|es|ed|ation|ations)|sp(eak|eaks|eaker|eakers|eaking|oken)"
    r"|desk|hear(s|d|ing)?|whisper(s|ed)?|farewells?|greet(s|ed|ing)?|welcomed?|doors?|doom(ed)?"
    r"|deaf|calm|crumbs?|ow(e|es|ed|ing)|crank|knocks?|hush|victims?|excuses?|mute"
)
"""Pictures for which the field has a word: a subscriber does not hear, it is sent what is published
on its topics; bytes are not owed, they are buffered or outstanding."""
SPEECH = re.compile(r"say|says|said|tell|tells|told")
"""In a sentence, an error may say something; a function has a verb for what it does."""
METAPHORS_ALLOWED: dict[str, frozenset[str]] = {}
"""By file: words that mean there what they mean in English."""


every_file = of_each(SIGIL, name_of)
every_core_file = of_each(CORE, name_of)
every_text = of_each([*SIGIL, *TESTS], name_of)
every_test = of_each(TESTS, name_of)


class Part(NamedTuple):
    """A function or class and where it stands: `owner` is its class or module, `is_inner` that a
    function holds it.
    """

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    owner: str
    is_inner: bool


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


def is_named_tuple(node: ast.ClassDef) -> bool:
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


# -- one thing at a time ---------------------------------------------------------------------------


def own_expressions(statement: ast.stmt) -> Iterator[ast.AST]:
    """What a statement evaluates itself: of a block its first line, not the statements in it."""
    pending: list[ast.AST] = [statement]
    while pending:
        for child in ast.iter_child_nodes(pending.pop()):
            if not isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
                pending.append(child)
                yield child


def crowded_lines(tree: ast.Module) -> list[int]:
    """The lines of statements with more than one conditional expression, nested or side by side."""
    return [
        statement.lineno
        for statement in ast.walk(tree)
        if isinstance(statement, ast.stmt)
        and sum(isinstance(node, ast.IfExp) for node in own_expressions(statement)) > 1
    ]


@every_file
def test_a_statement_has_at_most_one_conditional_expression(path: Path) -> None:
    assert crowded_lines(parse(path)) == []


@pytest.mark.parametrize(
    "source",
    [
        "x = a if b else c if d else e",
        "x = (a if b else c, d if e else f)",
        "while a if b else c if d else e: pass",
        "def f():\n    return a if b else (c if d else e)",
    ],
)
def test_two_conditional_expressions_in_a_statement_are_found(source: str) -> None:
    assert len(crowded_lines(ast.parse(source))) == 1


def test_one_conditional_expression_in_each_of_several_statements_is_well() -> None:
    source = "if a if b else c:\n    x = a if b else c\n    y = d if e else f"
    assert crowded_lines(ast.parse(source)) == []


# -- words -----------------------------------------------------------------------------------------


def strings_of(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, text) of every docstring: of files, classes, functions, fields and constants."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            yield node.lineno, node.value.value


def names_in(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, name) wherever a name is given or used."""
    for node in ast.walk(tree):
        if isinstance(node, Function | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Attribute):
            yield node.lineno, node.attr


def words_in(text: str) -> list[str]:
    """The words of a sentence, or of a name in any spelling, in lower case."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", text)]


@every_file
def test_a_file_opens_with_its_theory(path: Path) -> None:
    theory = ast.get_docstring(parse(path)) or ""
    assert len(re.findall(r"[.?!](?=\s|$)", theory)) > 1, theory


@every_file
def test_a_docstring_needs_no_neighbour(path: Path) -> None:
    assert [line for line, text in strings_of(parse(path)) if text.startswith("The same")] == []


@every_file
def test_names_and_docstrings_have_the_words_of_the_field(path: Path) -> None:
    allowed = METAPHORS_ALLOWED.get(name_of(path), frozenset())
    tree = parse(path)
    found = [
        (line, word)
        for line, text in [*names_in(tree), *strings_of(tree)]
        for word in words_in(text)
        if METAPHORS.fullmatch(word)
    ]
    found += [
        (line, word)
        for line, text in names_in(tree)
        for word in words_in(text)
        if SPEECH.fullmatch(word)
    ]
    assert sorted({f"{line}: {word}" for line, word in found if word not in allowed}) == []


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
        and is_named_tuple(part.node)
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
    """The complaints of a tool, empty if there are none; a tool that is not installed skips the
    test.
    """
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


def test_lines_are_as_wide_as_they_may_be_and_laid_out_by_the_formatter() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]
    assert settings["line-length"] == WIDTH
    assert "E" in settings["lint"]["select"]
    assert run("ruff", "format", "--check", ".") == ""
