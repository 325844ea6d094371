"""Records can grow: a field more is one record's business, in the file that defines it.

Theory: a record that is built, unpacked or cut by position far from its definition breaks when a
field is added, or, worse, goes on working with the wrong field. So that is done only beside the
definition, by functions that name what changes; here the rule is held in two ways. The sources are
read: nobody else unpacks, slices, indexes or spreads a record. And the thing is tried: `Server`,
`Client` and the record of what is broadcast get a field more, at the end and in the middle, and the
type checker must complain in their own files and in no other.

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

from tests.support.sources import ROOT, SIGIL, Function, name_of, parse

TREES = {path: parse(path) for path in SIGIL}


def records() -> dict[str, Path]:
    """Every named tuple of sigil and the file that defines it, but for names that mean something
    else elsewhere.
    """
    found = {
        node.name: path
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(base) == "NamedTuple" for base in node.bases)
    }
    aliases = {
        ast.unparse(node.target)
        for tree in TREES.values()
        for node in tree.body
        if isinstance(node, ast.AnnAssign)
    }
    return {name: path for name, path in found.items() if name not in aliases}


RECORDS = records()


def field_types() -> dict[str, str]:
    """The record that a field of this name holds in every record that has one."""
    found: dict[str, set[str]] = {}
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name in RECORDS:
                for line in node.body:
                    if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                        found.setdefault(line.target.id, set()).add(record_in(line.annotation))
    return {
        name: types.pop() for name, types in found.items() if len(types) == 1 and "" not in types
    }


def record_in(annotation: ast.expr | None) -> str:
    """The record that an annotation names, alone or beside None; or nothing."""
    if isinstance(annotation, ast.BinOp):
        return record_in(annotation.left)
    name = annotation.id if isinstance(annotation, ast.Name) else ""
    return name if name in RECORDS else ""


def element_in(annotation: ast.expr | None) -> str:
    """The record that an annotation names as the element of a collection; or nothing."""
    if not isinstance(annotation, ast.Subscript):
        return ""
    inner = annotation.slice
    return record_in(inner.elts[0] if isinstance(inner, ast.Tuple) else inner)


def return_annotations() -> dict[str, ast.expr]:
    """What the functions of sigil return, by name, but for names that several have."""
    found: dict[str, list[ast.expr]] = {}
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, Function) and node.returns is not None:
                found.setdefault(node.name, []).append(node.returns)
    return {name: returns[0] for name, returns in found.items() if len(returns) == 1}


RETURNS = return_annotations()
FIELDS = field_types()
MAKERS = ("tuple.__new__", "make_unchecked")
"""What makes a record of a tuple unchecked: for the file that defines it only."""


class Positions(ast.NodeVisitor):
    """Finds what is done by position to a record that this file does not define."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[str, str] = {}
        self.elements: dict[str, str] = {}
        self.found: list[str] = []

    def record_of(self, node: ast.expr) -> str:
        """The foreign record an expression is known to be: a parameter, a variable or a field; or
        nothing.
        """
        name = ""
        if isinstance(node, ast.Name):
            name = self.known.get(node.id, "")
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) != "self":
            name = FIELDS.get(node.attr, "")
        elif isinstance(node, ast.Call):
            name = record_in(RETURNS.get(ast.unparse(node.func)))
        return name if name and RECORDS[name] != self.path else ""

    def element_of(self, node: ast.expr) -> str:
        """The foreign record that the elements of an expression are known to be; or nothing."""
        name = ""
        if isinstance(node, ast.Name):
            name = self.elements.get(node.id, "")
        elif isinstance(node, ast.Call):
            name = element_in(RETURNS.get(ast.unparse(node.func)))
        return name if name and RECORDS[name] != self.path else ""

    def complain(self, node: ast.expr, what: str) -> None:
        """Note that something is done to this expression, if it is a foreign record."""
        name = self.record_of(node)
        if name:
            self.found.append(f"{self.path.name}:{node.lineno}: {what} of {name}")

    def visit_FunctionDef(self, node: Function) -> None:
        before = dict(self.known), dict(self.elements)
        arguments = node.args
        for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
            self.known[argument.arg] = record_in(argument.annotation)
            self.elements[argument.arg] = element_in(argument.annotation)
        self.generic_visit(node)
        self.known, self.elements = before

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.known[node.target.id] = record_in(node.annotation)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        if any(isinstance(target, ast.Tuple | ast.List) for target in node.targets):
            self.complain(node.value, "unpacking")
            for target, value in zip(*(pair.elts for pair in pairs_of(node)), strict=False):
                if isinstance(target, ast.Tuple):
                    self.complain(value, "unpacking")
        self.generic_visit(node)

    def visit_For(self, node: ast.For | ast.comprehension) -> None:
        if isinstance(node.target, ast.Tuple):
            name = self.element_of(node.iter)
            if name:
                self.found.append(f"{self.path.name}:{node.iter.lineno}: unpacking of {name}")
        self.generic_visit(node)

    visit_comprehension = visit_For

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.complain(node.value, "a slice" if isinstance(node.slice, ast.Slice) else "an index")
        self.generic_visit(node)

    def visit_Starred(self, node: ast.Starred) -> None:
        self.complain(node.value, "spreading")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = ast.unparse(node.func)
        made = ast.unparse(node.args[0]) if node.args else ""
        if name.endswith("._make") or (name in MAKERS and RECORDS.get(made) != self.path):
            self.found.append(f"{self.path.name}:{node.lineno}: {name} of {made}")
        self.generic_visit(node)


def pairs_of(node: ast.Assign) -> tuple[ast.Tuple, ast.Tuple]:
    """Both sides of `a, b = x, y`; empty ones if this is something else."""
    target, value = node.targets[0], node.value
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        return target, value
    return ast.Tuple(elts=[]), ast.Tuple(elts=[])


def faults(path: Path, tree: ast.Module) -> list[str]:
    """What a file does by position to records of others."""
    finder = Positions(path)
    finder.visit(tree)
    return finder.found


@pytest.mark.parametrize("path", SIGIL, ids=name_of)
def test_records_are_taken_apart_only_beside_their_definition(path: Path) -> None:
    assert faults(path, TREES[path]) == []


@pytest.mark.parametrize(
    "line",
    [
        "server[:-1]",
        "f(*server)",
        "f(*server[2:])",
        "client[0]",
        "a, b = server",
        "a, (b, c) = 1, client",
        "Server._make(x)",
        "tuple.__new__(Server, x)",
        "a, b = client.conn",
        "f(*client.conn)",
        "make_unchecked(Server, x)",
        "for a, b in clients: pass",
        "[a for a, b in clients]",
        "a, b = subscriber_of(client)",
    ],
)
def test_each_kind_of_position_is_found(line: str) -> None:
    parameters = "server: Server, client: Client | None, clients: tuple[Client, ...]"
    source = f"def f({parameters}) -> None:\n    {line}"
    assert len(faults(ROOT / "elsewhere.py", ast.parse(source))) >= 1


# -- tried -----------------------------------------------------------------------------------------

BROADCAST = "Broadcast"
GROWING = ("Server", "Client", BROADCAST, "Ring", "Published")


def grown(source: str, name: str, in_middle: bool) -> str:
    """The source with one field more in this record: behind all others, or before the last one
    without a default.
    """
    record = next(
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef) and node.name == name
    )
    fields = [line for line in record.body if isinstance(line, ast.AnnAssign)]
    lines = source.splitlines(keepends=True)
    if in_middle:
        at = fields[len(fields) // 2].lineno - 1
        lines.insert(at, "    grown: int\n")
    else:
        at = record.end_lineno or 0
        last = max(line.end_lineno or 0 for line in fields)
        lines.insert(last, "    grown: int = 0\n")
    return "".join(lines)


def complaints(folder: Path) -> Iterator[str]:
    """The files in which the type checker finds something."""
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "-p",
        "sigil",
        "--cache-dir",
        str(folder / "cache"),
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        match = re.match(r"(\S+\.py):\d+: error", line)
        if match:
            yield match[1]


@pytest.mark.parametrize("in_middle", [False, True], ids=["at the end", "in the middle"])
def test_a_field_more_is_the_business_of_one_file(tmp_path: Path, in_middle: bool) -> None:
    shutil.copytree(
        ROOT / "sigil", tmp_path / "sigil", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    homes = set()
    for name in GROWING:
        home = RECORDS[name].relative_to(ROOT)
        homes.add(home.as_posix())
        copy = tmp_path / home
        copy.write_text(grown(copy.read_text(encoding="utf-8"), name, in_middle), encoding="utf-8")
    assert set(complaints(tmp_path)) == homes
