"""A Python in which the compiled core is installed.

Theory: the compiled core is another wheel of the same sources, so it needs an environment of its
own. It is made once for each state of the sources, in the user's cache, and said so.

Rules: what cannot be made is a sentence. It does not know how the wheel is compiled.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

from .processes import REPOSITORY, BenchError

BUILD_S = 1800
SOURCES = ("pyproject.toml", "setup.py", "sigil/**/*.py", "sigil/**/*.c")
WHICH_CORE = "from sigil.core.build import core_build; print(core_build())"


def digest_of_sources() -> str:
    """A name for the sources as they are, and for this Python."""
    digest = hashlib.sha256(sys.version.encode())
    for pattern in SOURCES:
        for path in sorted(REPOSITORY.glob(pattern)):
            digest.update(str(path.relative_to(REPOSITORY)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def why_not_compiled(python: str) -> str:
    """Why this Python is not what is wanted; empty if the core that it imports is compiled."""
    command = (python, "-P", "-c", WHICH_CORE)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        return f"{python}: {done.stderr.strip().splitlines()[-1]}"
    found = done.stdout.strip()
    return "" if found == "compiled" else f"{python}: its core is not compiled but {found}"


def compiled_python(given: str) -> str:
    """The path of such a Python: the one that is given, or one in the cache, made if need be.

    BenchError, in a sentence, if there is none.
    """
    python = given or build()
    problem = why_not_compiled(python)
    if problem:
        raise BenchError(problem)
    return python


def build() -> str:
    """The environment in the cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "sigil-bench" / digest_of_sources()
    python = folder / "bin" / "python"
    done = folder / "installed"
    if done.exists():
        return str(python)
    print(f"building the compiled core once, in {folder}", file=sys.stderr, flush=True)
    venv.create(folder, with_pip=True, clear=True)
    installed = subprocess.run(
        (str(python), "-m", "pip", "install", "-q", str(REPOSITORY)),
        env={**os.environ, "SIGIL_COMPILE": "1"},
        capture_output=True,
        text=True,
        timeout=BUILD_S,
        check=False,
    )
    if installed.returncode:
        words = installed.stderr.strip().splitlines()
        raise BenchError(
            f"the compiled core cannot be built: {words[-1] if words else 'pip failed'}"
        )
    done.touch()
    return str(python)
