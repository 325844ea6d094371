"""The programs that tests need besides Python, the parts that not every Python has, and where each
comes from.

Theory: a test that needs a program says so by its name in `TOOLS`, and is skipped where it is not
installed.  What has it is said here and nowhere else: `python3 tests/tools.py` prints the Debian
packages of what is missing, and `.ci/run` installs those.  Python's packages are in the extra
`test` of pyproject.toml, npm's in tests/javascript/node.py.

Rules: `.ci/run` asks before anything is installed, so pytest is imported only when a test asks.
It does not know what a program is for, nor whether a skip is accepted: tests/conftest.py does.
"""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pytest


class Tool(NamedTuple):
    """The names of a program, the first that is found is taken, and the Debian packages that have
    it.
    """

    names: tuple[str, ...]
    packages: tuple[str, ...]


TOOLS = {
    "Xvfb": Tool(("Xvfb",), ("xvfb",)),
    "cc": Tool(("cc", "gcc", "clang"), ("gcc", "libc6-dev")),
    "chromium": Tool(("chromium", "chromium-browser", "google-chrome"), ("chromium",)),
    "curl": Tool(("curl",), ("curl",)),
    "git": Tool(("git",), ("git",)),
    "haproxy": Tool(("haproxy",), ("haproxy",)),
    "nginx": Tool(("nginx",), ("nginx-light",)),
    "node": Tool(("node",), ("nodejs",)),
    "npm": Tool(("npm",), ("npm",)),
    "openssl": Tool(("openssl",), ("openssl",)),
}
MODULES = {"tkinter": Tool(("_tkinter",), ("python3-tk",))}
"""Parts of Python that are a package of their own for Debian's python3: the module without which
each is none. A Python that was built without it cannot be helped by that package.
"""
SYSTEM_PATHS = ("/usr/local/sbin", "/usr/sbin")
"""Where servers are that the PATH of who is not root may leave out."""


def path_of(name: str) -> str | None:
    """Where a tool is; None if it is not installed."""
    places = os.pathsep.join((os.environ.get("PATH", os.defpath), *SYSTEM_PATHS))
    return next(
        filter(None, (shutil.which(program, path=places) for program in TOOLS[name].names)), None
    )


def need(name: str) -> str:
    """The path of a tool; the test is skipped where it is not installed."""
    import pytest

    path = path_of(name)
    return path if path is not None else pytest.skip(f"{name} is not installed")


def needs(name: str) -> pytest.MarkDecorator:
    """The mark of tests that need a tool."""
    import pytest

    return pytest.mark.skipif(path_of(name) is None, reason=f"{name} is not installed")


def has_module(name: str) -> bool:
    """True if this Python has that part."""
    return all(find_spec(module) is not None for module in MODULES[name].names)


def need_module(name: str) -> None:
    """None if this Python has that part; else the test is skipped."""
    import pytest

    if not has_module(name):
        packages = " ".join(MODULES[name].packages)
        pytest.skip(f"this Python has no {name} (Debian's has it in {packages})")


def missing_packages() -> list[str]:
    """The Debian packages of all tools that are not installed, and of what this Python lacks."""
    missing = [tool for name, tool in TOOLS.items() if path_of(name) is None]
    missing += [tool for name, tool in MODULES.items() if not has_module(name)]
    return [package for tool in missing for package in tool.packages]


if __name__ == "__main__":
    print(*missing_packages())
