"""The build of wheels: what is in a pure one, what a compiled one needs, and what is said where it
cannot be made.

Theory: pip calls the hooks of setup.py in the folder of the sources, so that is what these tests
do, each in a process of its own and on a copy. To compile all of the core takes a minute, and
`.ci/run` does that; here the core is one file.
"""

import ast
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.sources import ROOT
from tests.tools import needs

MADE_OF = ("setup.py", "pyproject.toml", "README.md", "LICENSE")
XOR = "sigil/core/websocket/_xor.c"
PATIENCE_SECONDS = 120.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files of a build, and a package that has two files of its own. That the
    folder lies in a package of somebody else is none of its business.
    """
    (tmp_path / "__init__.py").touch()
    folder = tmp_path / "clone"
    (folder / XOR).parent.mkdir(parents=True)
    for name in (*MADE_OF, XOR):
        shutil.copy(ROOT / name, folder / name)
    for package in ("sigil", "sigil/core", "sigil/core/websocket"):
        (folder / package / "__init__.py").write_text('__version__ = "1.2.3"\n')
    (folder / "sigil/core/six.py").write_text("def six() -> int:\n    return 6\n")
    return folder


def call(hook: str, folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """What a hook prints last, run in this folder with these settings in the environment."""
    return subprocess.run(
        [sys.executable, "-c", f"import setup; print(setup.{hook})"],
        cwd=folder,
        env=os.environ | {"SIGIL_COMPILE": "0"} | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )


def built(folder: Path, **settings: str) -> tuple[str, list[str]]:
    """The name of the wheel that is built in this folder, and the names of the files in it."""
    result = call("build_wheel('wheel')", folder, **settings)
    assert result.returncode == 0, result.stdout + result.stderr
    name = result.stdout.splitlines()[-1]
    return name, zipfile.ZipFile(folder / "wheel" / name).namelist()


def test_each_pattern_of_what_is_compiled_has_files() -> None:
    patterns = ast.literal_eval(call("COMPILED", ROOT).stdout)
    assert [pattern for pattern in patterns if not [*ROOT.glob(pattern)]] == []


def test_a_pure_wheel_is_for_every_python_and_has_all_of_the_package(tmp_path: Path) -> None:
    for name in MADE_OF:
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(
        ROOT / "sigil", tmp_path / "sigil", ignore=shutil.ignore_patterns("__pycache__")
    )
    (tmp_path / "build/lib/sigil").mkdir(parents=True)
    (tmp_path / "build/lib/sigil/gone.py").write_text("")
    name, names = built(tmp_path)
    assert name.endswith("-py3-none-any.whl")
    there_are = {
        path.relative_to(tmp_path).as_posix()
        for path in (tmp_path / "sigil").rglob("*.*")
        if path.is_file() and path.suffix != ".c"
    }
    assert {each for each in names if each.startswith("sigil/")} == there_are


@needs("cc")
def test_a_compiled_wheel_is_for_this_python_and_has_the_sources_too(folder: Path) -> None:
    name, names = built(folder, SIGIL_COMPILE="1")
    this = f"cp{sys.version_info.major}{sys.version_info.minor}"
    assert name.startswith(f"sigil_http-1.2.3-{this}-{this}-")
    assert {each.partition(".")[0] for each in names if each.endswith(".so")} == {
        "sigil_core__mypyc",
        "sigil/core/six",
        "sigil/core/websocket/_xor",
    }
    assert "sigil/core/six.py" in names


def test_to_compile_needs_the_compiler_and_the_packages_whose_types_it_reads(folder: Path) -> None:
    assert call("get_requires_for_build_wheel()", folder).stdout.splitlines()[-1] == "[]"
    needed = call("get_requires_for_build_wheel()", folder, SIGIL_COMPILE="1").stdout
    for package in ("mypy[mypyc]==", "pyrsistent", "httptools", "zstandard"):
        assert package in needed


def test_a_missing_compiler_is_a_sentence_and_no_traceback(folder: Path) -> None:
    result = call("build_wheel('wheel')", folder, SIGIL_COMPILE="1", CC="no-such-compiler")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1] == (
        "sigil: the core cannot be compiled: a C compiler and the headers of Python are needed"
        " (Debian: gcc libc6-dev python3-dev). Without SIGIL_COMPILE=1 sigil is installed as pure"
        " Python."
    )


@needs("cc")
def test_sources_with_wrong_types_are_refused_with_what_is_wrong(folder: Path) -> None:
    (folder / "sigil/core/six.py").write_text('def six() -> int:\n    return "6"\n')
    result = call("build_wheel('wheel')", folder, SIGIL_COMPILE="1")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "sigil/core/six.py:2: error: Incompatible return value type" in result.stdout
    assert result.stderr.splitlines()[-1] == (
        "sigil: the core cannot be compiled: mypyc refuses the sources, for the reasons above."
    )


def test_an_editable_install_is_not_compiled(folder: Path) -> None:
    result = call("build_editable('wheel')", folder, SIGIL_COMPILE="1")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        "sigil: an editable install is not compiled: leave out --editable or SIGIL_COMPILE=1"
    )
