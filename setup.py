"""The build: pure Python, or with the core compiled where SIGIL_COMPILE=1 is set.

Theory: there is one source. Without the variable it is copied into a wheel for every Python. With
it mypyc translates `COMPILED` to C, the C compiler makes extensions of that, and these lie beside
the files they were made from in a wheel for this Python. pyproject.toml says the rest. This file is
the build backend too: setuptools' own hooks, except that who compiles needs more packages to build.

Rules: who has no compiler reads that in a sentence, before anything takes long; who compiles
sources that the type checker refuses, after what it has to say. An editable install runs what is
edited, so it is never compiled.
"""

import os
import shutil
import sys
import tomllib
from collections.abc import Iterator
from glob import iglob
from itertools import chain
from pathlib import Path
from typing import Any

from setuptools import Extension, build_meta, setup
from setuptools.build_meta import *  # noqa: F403
from setuptools.command.build_ext import build_ext
from setuptools.errors import CCompilerError

COMPILING = os.environ.get("SIGIL_COMPILE", "0") not in ("", "0")
MYPYC = "mypy[mypyc]==2.4.1"
COMPILED = (
    "sigil/core/**/*.py",
    "sigil/shell/loop/clock.py",
    "sigil/shell/loop/connection_socket.py",
    "sigil/shell/loop/engine.py",
    "sigil/shell/loop/fan_out.py",
    "sigil/shell/loop/mailbox.py",
    "sigil/shell/loop/poller.py",
    "sigil/shell/loop/send_buffer.py",
    "sigil/shell/loop/sockets.py",
    "sigil/shell/program/callbacks.py",
    "sigil/shell/program/deferred.py",
    "sigil/shell/program/guard.py",
    "sigil/shell/program/handlers.py",
    "sigil/shell/program/run_queue.py",
    "sigil/shell/recording/batch.py",
    "sigil/shell/recording/own_lock.py",
    "sigil/shell/recording/turn_recorder.py",
    "sigil/wsgi/environ.py",
    "sigil/wsgi/exchange.py",
    "sigil/wsgi/head.py",
    "sigil/wsgi/pool.py",
)
"""Patterns of the files that are compiled, but for each `__init__`, which only gathers names."""
MASKING = Extension("sigil.core.websocket._xor", ["sigil/core/websocket/_xor.c"])

NO_COMPILER = """\
sigil: the core cannot be compiled: a C compiler and the headers of Python are needed (Debian: gcc \
libc6-dev python3-dev). Without SIGIL_COMPILE=1 sigil is installed as pure Python."""
FAILED = "sigil: the core cannot be compiled: the C compiler failed, for the reasons above."
REFUSED = "sigil: the core cannot be compiled: mypyc refuses the sources, for the reasons above."
NOT_EDITABLE = "sigil: an editable install is not compiled: leave out --editable or SIGIL_COMPILE=1"


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    """What a build of a wheel needs: to compile, also mypyc and the packages whose types it reads.

    `config_settings` are those of PEP 517; none is known.
    """
    required: list[str] = build_meta.get_requires_for_build_wheel(config_settings)
    if COMPILING:
        project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
        required += [MYPYC, *project["dependencies"]]
    return required


def build_wheel(*arguments: Any, **keywords: Any) -> str:
    """The name of the wheel that is built, with what an earlier build has left here put away: what
    is gone from the sources since would be in the wheel again.
    """
    for left in Path("build").glob("lib*"):
        shutil.rmtree(left)
    name: str = build_meta.build_wheel(*arguments, **keywords)
    return name


def build_editable(*arguments: Any, **keywords: Any) -> str:
    """The name of the wheel that makes an editable install; refused where it would be compiled."""
    if COMPILING:
        sys.exit(NOT_EDITABLE)
    name: str = build_meta.build_editable(*arguments, **keywords)
    return name


def compiled_files() -> Iterator[str]:
    """The paths of the files that are compiled, in an order that is always the same."""
    found = chain.from_iterable(iglob(pattern, recursive=True) for pattern in COMPILED)
    return (path for path in sorted(found) if Path(path).name != "__init__.py")


class CompileCore(build_ext):
    """The step of a build that makes the extensions."""

    def run(self) -> None:
        """Compile the one file that is written in C, and then the core.

        The file takes a second, so that it is seen early whether anything can be compiled. The core
        takes minutes, and is translated only here: a build asks for its extensions several times.
        """
        self._compile(NO_COMPILER)
        from mypyc.build import mypycify

        try:
            self.distribution.ext_modules += mypycify(
                # Modules have their names from here on, whatever packages this folder lies in.
                ["--explicit-package-bases", *compiled_files()],
                debug_level="0",
                multi_file=True,
                group_name="sigil_core",
            )
        except SystemExit:
            sys.exit(REFUSED)
        self.reinitialize_command(self).ensure_finalized()
        self._compile(FAILED)

    def _compile(self, advice: str) -> None:
        """Compile the extensions that there are; end with a sentence if the compiler cannot."""
        try:
            super().run()
        except CCompilerError as error:
            sys.exit(f"{error}\n{advice}")


if __name__ == "__main__":
    setup(ext_modules=[MASKING] if COMPILING else [], cmdclass={"build_ext": CompileCore})
