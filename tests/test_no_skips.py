"""A skip fails the run where SIGIL_NO_SKIPS is set, says why, and is a skip where it is not.

Theory: the rule is that of tests/conftest.py, so a run of pytest of its own, in a folder that has a
copy of that file, shows what it makes of tests that skip themselves in each of the ways there are.

Rules: what this run was told of skips is not told to that one. It does not know how the rule works.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ACCEPTED, NO_SKIPS
from tests.tools import (
    MODULES,
    TOOLS,
    Tool,
    has_module,
    missing_packages,
    need,
    need_module,
    path_of,
)

HERE = Path(__file__).resolve().parent
SKIP = 'pytest.skip("no such tool")'
SKIPPING = {
    "test": f"def test_it(): {SKIP}\n",
    "mark": '@pytest.mark.skipif(True, reason="no such tool")\ndef test_it(): pass\n',
    "fixture": f"@pytest.fixture\ndef it(): {SKIP}\ndef test_it(it): pass\n",
    "ending": f"@pytest.fixture\ndef it():\n    yield\n    {SKIP}\ndef test_it(it): pass\n",
    "file": 'pytest.skip("no such tool", allow_module_level=True)\n',
    "module": 'pytest.importorskip("no_such_tool")\n',
}
"""A file each; its test is skipped."""
RUNNING = {
    "nothing": "def test_it(): pass\n",
    **{
        f"accepted_{number}": f"def test_it(): pytest.skip({reason!r})\n"
        for number, reason in enumerate(ACCEPTED)
    },
    "expected": '@pytest.mark.xfail(reason="known")\ndef test_it(): assert False\n',
    "told": 'def test_it(): pytest.xfail("known")\n',
}


def run_pytest(folder: Path, sources: dict[str, str], rule: str) -> tuple[int, str]:
    """A run of these files: how it ended and what it printed."""
    (folder / "conftest.py").write_bytes((HERE / "conftest.py").read_bytes())
    for name, source in sources.items():
        (folder / f"test_{name}.py").write_text(f"import pytest\n{source}")
    command = (
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-ra",
        "-p",
        "no:cacheprovider",
        f"--rootdir={folder}",
        "--continue-on-collection-errors",
        ".",
    )
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTEST")
    }
    environment |= {NO_SKIPS: rule, "COLUMNS": "200"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_every_skip_is_a_failure_that_says_why_where_the_rule_is_on(tmp_path: Path) -> None:
    code, said = run_pytest(tmp_path, SKIPPING | RUNNING, "1")
    assert code == 1, said
    assert sorted(re.findall(r"^(?:FAILED|ERROR) test_(\w+).py", said, re.MULTILINE)) == sorted(
        SKIPPING
    ), said
    told = said.partition(f"= skipped, and {NO_SKIPS} is set =")[2]
    reasons = dict(re.findall(r"^test_(\w+)\.py(?:::test_it)?: (.*)", told, re.MULTILINE))
    absent = reasons.pop("module")
    assert absent.startswith("could not import 'no_such_tool'"), said
    assert reasons == dict.fromkeys(SKIPPING.keys() - {"module"}, "no such tool"), said
    accepted = re.findall(r"^SKIPPED .*: (.*)", said, re.MULTILINE)
    assert sorted(accepted) == sorted(ACCEPTED), said


def test_what_runs_and_what_cannot_run_anywhere_is_no_failure(tmp_path: Path) -> None:
    code, said = run_pytest(tmp_path, RUNNING, "1")
    assert code == 0, said


def test_a_skip_is_a_skip_where_the_rule_is_off(tmp_path: Path) -> None:
    code, said = run_pytest(tmp_path, SKIPPING | RUNNING, "")
    assert code == 0, said
    assert f" {len(SKIPPING) + len(ACCEPTED)} skipped" in said, said


def test_ci_has_the_rule_on_and_installs_what_this_names() -> None:
    script = (HERE.parent / ".ci" / "run").read_text()
    assert f"export {NO_SKIPS}=1" in script
    assert "python3 tests/tools.py" in script


def test_what_is_missing_is_named_by_its_packages_before_anything_is_installed(
    tmp_path: Path,
) -> None:
    (tmp_path / "curl").symlink_to(sys.executable)
    source = (HERE / "tools.py").read_text().replace('"/usr/local/sbin", "/usr/sbin"', '""')
    (tmp_path / "tools.py").write_text(source)
    done = subprocess.run(
        (sys.executable, "-I", "-S", tmp_path / "tools.py"),
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    missing = [tool for name, tool in TOOLS.items() if name != "curl"]
    missing += [tool for name, tool in MODULES.items() if not has_module(name)]
    assert done.stdout.split() == [package for tool in missing for package in tool.packages]


def test_a_part_of_python_that_is_not_there_skips_who_needs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(MODULES, "parts", Tool(("no_such_module",), ("python3-parts",)))
    monkeypatch.setitem(MODULES, "json", Tool(("json",), ("python3-json",)))
    assert "python3-parts" in missing_packages() and "python3-json" not in missing_packages()
    words = r"^this Python has no parts \(Debian's has it in python3-parts\)$"
    with pytest.raises(pytest.skip.Exception, match=words):
        need_module("parts")
    need_module("json")


def test_a_tool_that_is_not_there_skips_who_needs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tests.tools.SYSTEM_PATHS", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert path_of("curl") is None
    assert "curl" in missing_packages()
    with pytest.raises(pytest.skip.Exception, match=r"^curl is not installed$"):
        need("curl")
    (tmp_path / "curl").symlink_to(sys.executable)
    assert need("curl") == str(tmp_path / "curl")
    assert "curl" not in missing_packages()
