"""Small changes everywhere: `python -m tests.mutants.operators --sample 300` tries a sample of all
of them in the core, and prints who notices.

Theory: planted bugs are those that somebody has thought of. A change of one comparison, one number
or one statement is what nobody thinks of; there are thousands, and a sample says what share is
caught. Whoever survives is looked at: it changes nothing that matters, or there is a law missing.

Rules: a change is a piece of text in the place of another, so that it can be read. Annotations,
docstrings, `repr`s, sentences and what stands outside of functions are left alone. First worlds are
tried, then the laws of the core and those of the folder, then the tests of the module. The same
seed is the same sample of the same sources.
"""

import argparse
import ast
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.mutants.mutant import Example, Law, Worlds
from tests.mutants.trial import Outcome, Trial
from tests.mutants.worker import Worker
from tests.support.sources import CORE, ROOT

FOLDERS = ("server", "broadcast", "connection", "websocket", "http")
"""The folders of the core that are changed."""
SWAPPED: dict[type[ast.cmpop], str] = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in",
}  # fmt: skip
ARITHMETIC: dict[type[ast.operator], str] = {ast.Add: "-", ast.Sub: "+", ast.Mult: "//"}


class Change(NamedTuple):
    """A change of a file: from one offset up to another there is something else."""

    path: Path
    line: int
    start: int
    end: int
    text: str
    kind: str

    def applied(self, source: str) -> str:
        """The source with the change."""
        return source[: self.start] + self.text + source[self.end :]

    def told(self, source: str) -> str:
        """The change, to be read."""
        before = " ".join(source[self.start : self.end].split())
        name = self.path.relative_to(ROOT).as_posix()
        return f"{name}:{self.line}: {before[:70]!r} -> {self.text[:70]!r}"


class Changes(ast.NodeVisitor):
    """All changes of a file, in `found`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.source = path.read_text(encoding="utf-8")
        self.found: list[Change] = []
        lines = self.source.splitlines(keepends=True)
        self._starts = [sum(map(len, lines[:index])) for index in range(len(lines))]
        self._depth = 0
        self._bound: set[str] = set()
        self.visit(ast.parse(self.source))

    def _offset(self, line: int, column: int) -> int:
        """The offset of a place, whose column counts bytes."""
        start = self._starts[line - 1]
        return start + len(self.source[start:].encode()[:column].decode(errors="ignore"))

    def _add(self, first: ast.expr | ast.stmt, last: ast.AST, text: str, kind: str) -> None:
        """Add a change of what begins and ends with these nodes."""
        assert isinstance(last, ast.expr | ast.stmt)
        start = self._offset(first.lineno, first.col_offset)
        end = self._offset(last.end_lineno or 0, last.end_col_offset or 0)
        self.found.append(Change(self.path, first.lineno, start, end, text, kind))

    def _text(self, node: ast.AST) -> str:
        return ast.get_source_segment(self.source, node) or ""

    # -- what is not looked at ---------------------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """The body of a function, but for its docstring, and but for what shows a value."""
        if node.name.startswith("__") or node.name.endswith("_text"):
            return
        bound, self._bound = self._bound, {one.arg for one in node.args.args}
        self._depth += 1
        for statement in node.body[ast.get_docstring(node) is not None :]:
            self.visit(statement)
        self._depth -= 1
        self._bound = bound

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """A value, and not its annotation."""
        if node.value is not None and self._depth:
            self.visit(node.value)

    def visit_Assert(self, node: ast.Assert) -> None:
        """Nothing: it is for the type checker."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Nothing: it is a sentence."""

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """Its body."""
        self.visit(node.body)

    # -- changes -----------------------------------------------------------------------------------

    def visit_Compare(self, node: ast.Compare) -> None:
        """One comparison for another that is near."""
        self.generic_visit(node)
        if self._depth and len(node.ops) == 1:
            left, right = self._text(node.left), self._text(node.comparators[0])
            text = f"({left} {SWAPPED[type(node.ops[0])]} {right})"
            self._add(node, node, text, "comparison")

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        """`and` for `or`, and the other way round."""
        self.generic_visit(node)
        if self._depth:
            word = " or " if isinstance(node.op, ast.And) else " and "
            self._add(node, node, f"({word.join(map(self._text, node.values))})", "and, or")

    def visit_BinOp(self, node: ast.BinOp) -> None:
        """One sum for another."""
        self.generic_visit(node)
        operator = ARITHMETIC.get(type(node.op))
        is_text = any(isinstance(one, ast.Constant | ast.JoinedStr) and not _is_number(one)
                      for one in (node.left, node.right))  # fmt: skip
        if self._depth and operator is not None and not is_text:
            text = f"({self._text(node.left)} {operator} {self._text(node.right)})"
            self._add(node, node, text, "arithmetic")

    def visit_Constant(self, node: ast.Constant) -> None:
        """A number one off; true for false."""
        if not self._depth:
            return
        if isinstance(node.value, bool):
            self._add(node, node, str(not node.value), "truth")
        elif _is_number(node):
            self._add(node, node, f"({self._text(node)} + 1)", "number")

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        """Without `not`."""
        self.generic_visit(node)
        if self._depth and isinstance(node.op, ast.Not):
            self._add(node, node, f"bool({self._text(node.operand)})", "not")

    def visit_Call(self, node: ast.Call) -> None:
        """The least for the most."""
        self.generic_visit(node)
        other = {"min": "max", "max": "min"}.get(self._text(node.func))
        if self._depth and other is not None:
            self._add(node.func, node.func, other, "min, max")

    def visit_Expr(self, node: ast.Expr) -> None:
        """Without a statement that is there for what it does."""
        self.generic_visit(node)
        if self._depth and isinstance(node.value, ast.Call):
            self._add(node, node, "pass", "statement")

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        """Without a sum that goes on."""
        self.generic_visit(node)
        self._add(node, node, "pass", "statement")

    def visit_Assign(self, node: ast.Assign) -> None:
        """Without a new value of what has one already."""
        self.generic_visit(node)
        names = {one.id for target in node.targets for one in ast.walk(target)
                 if isinstance(one, ast.Name)}  # fmt: skip
        if self._depth and names and names <= self._bound:
            self._add(node, node, "pass", "statement")
        self._bound |= names

    def visit_If(self, node: ast.If) -> None:
        """Without a case."""
        self.generic_visit(node)
        is_elif = self.source[self._offset(node.lineno, node.col_offset) :].startswith("elif")
        if self._depth and not node.orelse and not is_elif:
            self._add(node, node, "pass", "case")


def _is_number(node: ast.expr) -> bool:
    """True for a number."""
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def all_changes(folders: tuple[str, ...] = FOLDERS) -> Iterator[Change]:
    """All changes of the files in these folders of the core."""
    for path in CORE:
        if path.parent.name in folders:
            yield from Changes(path).found


# -- trying them -----------------------------------------------------------------------------------


def trials(change: Change, worlds: int, examples: int) -> list[Trial]:
    """What a change is tried by, the quickest first."""
    folder = change.path.parent.name
    laws = Law(f"core/test_laws.py core/test_laws_for_peers.py core/{folder}")
    found = [Trial(Worlds(0), worlds), Trial(Worlds(0, True), worlds), Trial(laws, examples)]
    own = sorted((ROOT / "tests" / "core" / folder).glob(f"test_{change.path.stem}*.py"))
    if own:
        names = " ".join([f"core/{folder}/{path.name}" for path in own])
        found.append(Trial(Example(names), 1_000))
    return found


NAMES: dict[type, str] = {Worlds: "worlds", Law: "laws", Example: "examples"}


def first_catch(worker: Worker, change: Change, tried: list[Trial]) -> tuple[str, Outcome]:
    """By what a change is caught, and what that says; nothing if it survives."""
    file = change.path.relative_to(ROOT / "sigil").as_posix()
    text = change.applied(change.path.read_text(encoding="utf-8"))
    outcome = Outcome(False, "", 0, 0.0)
    for trial in tried:
        outcome = worker.attempt(trial, file, text)
        if outcome.is_caught:
            return NAMES[type(trial.by)], outcome
        assert not outcome.error, outcome.error
    return "nothing", outcome


def main() -> int:
    """Try a sample; 0, whatever survives."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants.operators", description="Change the core a little, and see."
    )
    parser.add_argument("--sample", type=int, default=300, help="how many (default 300)")
    parser.add_argument("--seed", type=int, default=0, help="which sample (default 0)")
    parser.add_argument("--worlds", type=int, default=60, help="of each kind (default 60)")
    parser.add_argument("--examples", type=int, default=100, help="of each law (default 100)")
    parser.add_argument("--only", default="", help="changes of files with this in their path")
    options = parser.parse_args()
    every = [one for one in all_changes() if options.only in one.path.as_posix()]
    chosen = Random(options.seed).sample(every, min(options.sample, len(every)))
    counts: Counter[str] = Counter()
    started = time.monotonic()
    with Worker() as worker:
        for change in chosen:
            tried = trials(change, options.worlds, options.examples)
            by, outcome = first_catch(worker, change, tried)
            counts[by] += 1
            source = change.path.read_text(encoding="utf-8")
            print(f"{by}: {change.told(source)} {outcome.note[:60]}", flush=True)
    share = 100 * (counts["worlds"] + counts["laws"]) / max(1, len(chosen))
    print(
        f"{len(chosen)} of {len(every)} changes: {counts['worlds']} caught by worlds, "
        f"{counts['laws']} by laws ({share:.0f} % by either), {counts['examples']} by examples "
        f"alone; {counts['nothing']} survive; {time.monotonic() - started:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
