"""The types of `sigil-client.js`: a strict checker accepts the file and what uses it rightly, and
refuses the rest.
"""

import re
import statistics
import subprocess
from pathlib import Path

import pytest

from tests.javascript.node import CLIENT, HERE, PATIENCE_S, modules, need_node, running

LINE_MAX, FUNCTION_MAX, MEDIAN_MAX = 120, 40, 10
FLAGS = (
    "--checkJs",
    "--allowJs",
    "--noEmit",
    "--strict",
    "--noUnusedLocals",
    "--noUnusedParameters",
    "--noImplicitReturns",
    "--target",
    "esnext",
    "--module",
    "esnext",
    "--lib",
    "esnext,dom,dom.iterable",
)


@pytest.mark.parametrize("path", [CLIENT, HERE / "typed.mjs"], ids=lambda path: path.name)
def test_the_type_checker_is_content(path: Path) -> None:
    command = (need_node(), str(modules() / "typescript" / "bin" / "tsc"), *FLAGS, str(path))
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_lines_and_functions_are_short(tmp_path: Path) -> None:
    assert [
        line for line in CLIENT.read_text(encoding="utf-8").splitlines() if len(line) > LINE_MAX
    ] == []
    with running(tmp_path, str(CLIENT), script="lengths.mjs") as script:
        lengths = script.rest()
    assert [name for name, length in lengths if length > FUNCTION_MAX] == []
    assert statistics.median(length for _, length in lengths) < MEDIAN_MAX


def test_every_option_and_event_is_in_the_guide() -> None:
    source = CLIENT.read_text(encoding="utf-8")
    guide = (CLIENT.parents[2] / "docs" / "guides" / "browser.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", guide, re.MULTILINE)
    documented = [name.strip("`") for row in rows for name in row.split(", ")]
    options = source.partition("@typedef {object} Options")[2].partition("*/")[0]
    events = source.partition("@typedef {object} Events")[2].partition("*/")[0]
    assert documented == re.findall(r"@property \{[^\n]*\} \[?(\w+)", options + events)
