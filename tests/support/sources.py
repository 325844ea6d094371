"""The sources of sigil and of its tests: their files, their trees, and what imports what.

Theory: tests that read the sources ask the same things of them: which files there are, what a file
defines, which modules it imports. Trees are parsed once for all of them.

Rules: an import counts wherever it stands, in a function or for the type checker alone. It counts
as an import of the module that has the name: `from . import ring` imports the file ring.py, and
`from .ring import Ring` too. It does not know what is allowed.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SIGIL = sorted((ROOT / "sigil").glob("**/*.py"))
CORE = [path for path in SIGIL if path.is_relative_to(ROOT / "sigil" / "core")]
TESTS = sorted((ROOT / "tests").glob("**/*.py"))
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Import(NamedTuple):
    """An import of `name` from the module `module`, both dotted; `name` is empty if the module
    itself is what is imported.
    """

    module: str
    name: str


def name_of(path: Path) -> str:
    """The path of a file, from the root of the repository."""
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> str:
    """The dotted name of a file: sigil/core/http/head.py is sigil.core.http.head."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def parse(path: Path) -> ast.Module:
    """The tree of a file, which nobody changes."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports_of(path: Path) -> tuple[Import, ...]:
    """All imports of a file, with absolute names."""
    return tuple(imports_in(parse(path), path))


def imports_in(tree: ast.AST, path: Path) -> Iterator[Import]:
    """All imports in a tree, read as if it were this file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(node, path)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield Import(inner, "") if is_module(inner) else Import(base, alias.name)


def absolute(node: ast.ImportFrom, path: Path) -> str:
    """The dotted name behind `from`, without leading dots."""
    if not node.level:
        return node.module or ""
    package = path.relative_to(ROOT).parts[: -node.level]
    return ".".join((*package, *filter(None, [node.module])))


def is_module(dotted: str) -> bool:
    """True for the dotted name of a file or a folder of this repository."""
    place = ROOT.joinpath(*dotted.split("."))
    return place.is_dir() or place.with_suffix(".py").is_file()


def is_below(module: str, *packages: str) -> bool:
    """True for one of these packages, and for what is in one of them."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)
