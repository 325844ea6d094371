"""Docstrings of sigil as reStructuredText: they are plain prose in which single backticks mean
code.

What it is: `to_rst`, a pure function from lines to lines, and the hook that calls it.  A paragraph
becomes one line, an indented one a block of code, one that begins with `* ` an item.  What
reStructuredText would take for markup in prose is escaped, so that no docstring has to know that it
is rendered.
"""

import re
from collections.abc import Iterator
from typing import Any

INDENT = "    "
CODE = re.compile(r"`([^`]+)`")
FIELD = re.compile(r"Alias for field number \d+")


def to_rst(lines: list[str]) -> list[str]:
    """The same docstring as Sphinx wants it."""
    if lines and FIELD.fullmatch(
        lines[0]
    ):  # what Python says of a field of a named tuple that nobody describes
        return []
    made: list[str] = []
    for block in blocks_of(lines):
        if block[0].startswith(INDENT):
            made += ["::", "", *block, ""]
        elif block[0].startswith("* "):
            made += [f"* {prose(item)}" for item in items_of(block)]
            made.append("")
        else:
            made += [prose(" ".join(line.strip() for line in block)), ""]
    return made


def blocks_of(lines: list[str]) -> Iterator[list[str]]:
    """Lines that belong together: up to an empty one, or to where an indentation begins or ends."""
    block: list[str] = []
    for line in [*lines, ""]:
        is_item = bool(block) and block[0].startswith("* ")
        turns = (
            bool(block) and not is_item and block[0].startswith(INDENT) != line.startswith(INDENT)
        )
        if block and (not line.strip() or turns):
            yield block
            block = []
        if line.strip():
            block.append(line)


def items_of(block: list[str]) -> list[str]:
    """The items of a list, each in one line."""
    return " ".join(line.strip() for line in block).removeprefix("* ").split(" * ")


def prose(text: str) -> str:
    """Prose with its code marked as code, and nothing else as anything."""
    parts = CODE.split(text)
    made = ""
    for place, part in enumerate(parts):
        if place % 2:
            made += f"``{part}``"
        else:
            glue = "\\ " if made and part[:1].isalnum() else ""
            made += glue + re.sub(r"([\\*|]|_(?!\w)|`)", r"\\\1", part)
    return re.sub(r"^((?:\d+|[A-Za-z#])[.)]|[-+*]) ", r"\\\1 ", made)


def process(
    app: Any, what: str, name: str, item: object, options: object, lines: list[str]
) -> None:
    """What autodoc calls with each docstring."""
    lines[:] = to_rst(lines)


def setup(app: Any) -> dict[str, bool]:
    """What Sphinx calls."""
    app.connect("autodoc-process-docstring", process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
