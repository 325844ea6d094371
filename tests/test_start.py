"""What a program that has begun has not imported.

Theory: a process of a server is started again and again, by whoever supervises it, and is copied
once for each core; so what it imports is paid for in time and in memory, also by those who have no
use for it. Modules that only some programs need are imported by the functions that need them, which
is easily undone by one line at the head of a file.

Rules: each list is what was once imported there. Each program runs in a process of its own, since
this one has imported everything. It does not know how long anything takes.
"""

import pytest

from tests.support.subprocesses import lines_of

PLAIN = "from sigil import Response, make_http_server"
"""What a program needs that answers requests."""
COMMAND = "import sigil.cli.main"
"""What `sigil serve` needs before it knows what is to be served."""

OF_COROUTINES = (
    "asyncio",
    "ssl",
    "subprocess",
    "concurrent.futures",
    "sigil.shell.hosts.asyncio_host",
)
OF_UPGRADES = ("hashlib", "_hashlib", "zstandard")
OF_FILES = ("importlib.resources", "tempfile", "pathlib", "shutil")
OF_OTHER_PROGRAMS = (
    "sigil.apps.demo",
    "sigil.apps.stream",
    "sigil.apps.files",
    "sigil.asgi",
    "sigil.cli.children",
    "sigil.cli.reload",
    "sigil.cli.supervisor",
    "sigil.evo",
    "sigil.hosts",
    "sigil.testing",
    "sigil.wsgi",
)
OF_NOBODY = ("logging.config", "dataclasses", "email", "http.client", "multiprocessing", "platform")

SHOW_LOADED = "\nimport sys\nfor name in {names!r}: print(name, name in sys.modules)"


def loaded_by(program: str, names: tuple[str, ...]) -> list[str]:
    """Those of these modules that are imported when a program has begun."""
    lines = lines_of(program + SHOW_LOADED.format(names=names))
    return [line.split()[0] for line in lines if line.endswith("True")]


@pytest.mark.parametrize("program", [PLAIN, COMMAND])
@pytest.mark.parametrize(
    "names", [OF_COROUTINES, OF_UPGRADES, OF_FILES, OF_OTHER_PROGRAMS, OF_NOBODY]
)
def test_what_not_everybody_needs_is_not_imported(program: str, names: tuple[str, ...]) -> None:
    assert loaded_by(program, names) == []


def test_a_library_has_no_use_for_the_command() -> None:
    assert loaded_by(PLAIN, ("argparse", "sigil.cli", "sigil.apps")) == []


@pytest.mark.parametrize(
    ("use", "name"),
    [
        ("sigil.client_module()", "hashlib"),
        ("import asyncio; asyncio.run(sigil.http_server_serve(None))", "asyncio"),
        ("from sigil.cli.main import demo; demo(None)", "sigil.apps.demo.live"),
    ],
)
def test_who_uses_something_has_it_imported(use: str, name: str) -> None:
    program = f"import sigil\ntry: {use}\nexcept AttributeError: pass"
    assert loaded_by(program, (name,)) == [name]
