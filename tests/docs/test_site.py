"""The site can be built without a warning, and docstrings are rendered as what they are.

What it is: Sphinx is run as CI would run it, with every warning an error; and the functions of
docs/_ext, which need no Sphinx, are tried by themselves.  It does not know what the site looks
like.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest

from sigil.core.effects import Effect
from tests.docs.blocks import DOCS, ROOT
from tests.docs.running import run

BUILD_SECONDS = 600.0


def extension(name: str) -> ModuleType:
    """A module of docs/_ext."""
    spec = importlib.util.spec_from_file_location(name, DOCS / "_ext" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    for needed in ("sphinx", "furo", "myst_nb"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed")
    ended = run(
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-b",
        "html",
        "docs",
        str(tmp_path),
        folder=ROOT,
        seconds=BUILD_SECONDS,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    api = (tmp_path / "reference" / "api.html").read_text(encoding="utf-8")
    assert 'id="sigil.HttpServer.broadcast"' in api and "http_server_tick" in api
    notebook = (tmp_path / "notebooks" / "02_ring_and_eviction.html").read_text(encoding="utf-8")
    assert "<svg" in notebook or ".svg" in notebook
    core = [
        page.read_text(encoding="utf-8")
        for page in (tmp_path / "reference" / "core").glob("*.html")
    ]
    assert any("find_header_end" in page for page in core)


def test_single_backticks_are_code_and_nothing_else_is_markup() -> None:
    to_rst = extension("docstrings").to_rst
    assert to_rst(["Close it, with `*args` and `a` s: *not* markup_ |here|."]) == [
        r"Close it, with ``*args`` and ``a`` s: \*not\* markup\_ \|here\|.",
        "",
    ]
    assert to_rst(["`a`s"]) == [r"``a``\ s", ""]
    assert to_rst(["1. is no list"]) == [r"\1. is no list", ""]


def test_what_is_indented_is_a_program_and_items_are_a_list() -> None:
    to_rst = extension("docstrings").to_rst
    assert to_rst(["Words:", "    code()", "More", "words."]) == [
        "Words:",
        "",
        "::",
        "",
        "    code()",
        "",
        "More words.",
        "",
    ]
    assert to_rst(["* one", "  more", "* two"]) == ["* one more", "* two", ""]


def test_a_field_that_nobody_describes_says_nothing() -> None:
    assert extension("docstrings").to_rst(["Alias for field number 3"]) == []


def test_the_core_has_a_page_for_each_folder_and_a_part_for_each_module() -> None:
    pages = extension("core_pages")
    packages = list(pages.packages())
    assert packages[0] == ROOT / "sigil" / "core"
    text = "".join(map(pages.page_of, packages))
    modules = [
        path for path in (ROOT / "sigil" / "core").glob("**/*.py") if path.name != "__init__.py"
    ]
    assert all(f"automodule:: {pages.dotted(path)}\n" in text for path in modules)


def test_what_has_a_name_is_not_spelled_out_in_a_signature() -> None:
    signatures = extension("signatures")
    spelled = " | ".join(f"~sigil.core.effects.{kind.__name__}" for kind in get_args(Effect))
    assert signatures.shorten(f"tuple[int, list[{spelled}]]") == "tuple[int, list[Effect]]"
    assert signatures.shorten(None) is None
