"""What stands in the documents: pages, fenced blocks, tables and sections.

What it is: README.md, the other pages at the root and all of docs/ are read once.  A `python` block
is a whole program; one that asks for port 8080 is a server.  A program that begins with `# NAME.py`
is called so, and what stands under other such names above it on the page can be imported by it.  If
a `text` block stands behind a program, with only words between, it is what the program prints. Its
rules: pages that are written when the site is built are none. What it does not know: how anything
is tried.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.sources import ROOT

README = ROOT / "README.md"
DOCS = ROOT / "docs"
BUILT = (DOCS / "notebooks", DOCS / "reference" / "core")
PAGES = sorted(
    page
    for page in [*ROOT.glob("*.md"), *DOCS.glob("**/*.md")]
    if not set(BUILT) & set(page.parents)
)

FENCE = re.compile(r"^(`{3,})([^`\n]*)\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"# (\w+\.py)\n")


class Block(NamedTuple):
    """One fenced block; `printed` is the `text` block that follows it, if there is one."""

    page: Path
    line: int
    language: str
    text: str
    printed: str | None

    @property
    def name(self) -> str:
        """Where to find it."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def file(self) -> str:
        """The name of the file it is, as its first line says; empty if it does not."""
        found = NAME.match(self.text)
        return "" if found is None else found[1]


def blocks_of(page: Path) -> Iterator[Block]:
    """The fenced blocks of one page."""
    text = page.read_text(encoding="utf-8")
    found = list(FENCE.finditer(text))
    for place, match in enumerate(found):
        follower = found[place + 1] if place + 1 < len(found) else None
        is_output = (
            follower is not None
            and follower[2] == "text"
            and "\n#" not in text[match.end() : follower.start()]
        )
        yield Block(
            page,
            text.count("\n", 0, match.start()) + 1,
            match[2],
            match[3],
            follower[3] if follower is not None and is_output else None,
        )


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
PROGRAMS = [block for block in BLOCKS if block.language == "python"]
SERVERS = [block for block in PROGRAMS if "port=8080" in block.text]
SCRIPTS = [block for block in PROGRAMS if block not in SERVERS]
COMMANDS = [block for block in BLOCKS if block.language in ("sh", "console")]


def block_with(text: str, language: str = "python") -> Block:
    """The first block of a language in which this stands."""
    return next(block for block in BLOCKS if block.language == language and text in block.text)


def lines_of(block: Block) -> list[str]:
    """The command lines of a block: all of `sh`, those behind a dollar sign of `console`."""
    lines = [line for line in block.text.splitlines() if line]
    return (
        lines if block.language == "sh" else [line[2:] for line in lines if line.startswith("$ ")]
    )


def page_of(name: str) -> str:
    """The text of a page below docs/."""
    return (DOCS / name).read_text(encoding="utf-8")


def section_of(name: str, heading: str) -> str:
    """What stands on a page below a heading of the second order."""
    return page_of(name).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
