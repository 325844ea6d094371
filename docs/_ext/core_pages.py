"""A page for each folder of `sigil/core`, written from what is there when the site is built.

What it is: the folder is walked, and `docs/reference/core/` gets a page for each package with the
docstrings of its modules.  Nothing is written down twice, so a module that moves takes its
documentation with it.  The pages are not kept: `.gitignore` has them.
"""

import re
import shutil
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "sigil" / "core"
PAGES = ROOT / "docs" / "reference" / "core"
SIBLING = re.compile(r"^from \.(\w+) import", re.MULTILINE)
INTRODUCTION = """\
# The pure core

What a notebook calls: functions of values, module by module, from their docstrings. Names here may
still move; [what a server is](../../spec.md) says how they fit together.
"""


def packages() -> Iterator[Path]:
    """The core, then its folders."""
    yield CORE
    yield from sorted(path.parent for path in CORE.glob("*/**/__init__.py"))


def dotted(path: Path) -> str:
    """The name by which a file or folder is imported."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def modules_of(package: Path) -> list[Path]:
    """The modules of one package in the order in which they are to be read: what is imported comes
    first."""
    modules = {
        path.stem: path for path in sorted(package.glob("*.py")) if not path.stem.startswith("__")
    }
    needs = {
        name: set(SIBLING.findall(path.read_text(encoding="utf-8"))) & set(modules) - {name}
        for name, path in modules.items()
    }
    return [modules[name] for name in TopologicalSorter(needs).static_order()]


def page_of(package: Path) -> str:
    """The page of one package."""
    name = dotted(package)
    parts = [f"# `{name}`", documented(name, "")]
    for module in modules_of(package):
        parts += [f"## `{module.stem}`", documented(dotted(module), "   :members:\n")]
    return "\n\n".join(parts) + "\n"


def documented(name: str, options: str) -> str:
    """The directive that shows the docstrings of a module."""
    return f"```{{eval-rst}}\n.. automodule:: {name}\n{options}```"


def write_pages(app: Any) -> None:
    """Write every page anew, and the page that lists them."""
    shutil.rmtree(PAGES, ignore_errors=True)
    PAGES.mkdir(parents=True)
    names = [dotted(package) for package in packages()]
    for name, package in zip(names, packages(), strict=True):
        (PAGES / f"{name}.md").write_text(page_of(package), encoding="utf-8")
    contents = "\n".join(["```{toctree}", ":maxdepth: 1", "", *names, "```"])
    (PAGES / "index.md").write_text(f"{INTRODUCTION}\n{contents}\n", encoding="utf-8")


def setup(app: Any) -> dict[str, bool]:
    """What Sphinx calls."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
