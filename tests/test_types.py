"""What the type checker makes of a program: decorators keep the types of handlers, and routes are a
handler.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.sources import ROOT

PROGRAM = """
from typing import assert_type

from sigil import Deferred, Request, Response, Routes, chain, make_http_server
from sigil.core.web.routes import Table

routes = Routes(converters={"even": int}, slash="strict")


@routes.get("/jobs/:id<int>", name="job")
def job(request: Request) -> Response:
    return Response.json(request.params["id"])


@routes.any("/late")
def late(request: Request) -> Deferred | None:
    return None


@routes.post("/async")
async def asynchronous(request: Request) -> Response:
    return Response.text("")




async def use(request: Request) -> None:
    assert_type(job(request), Response)
    assert_type(late(request=request), Deferred | None)
    assert_type(await asynchronous(request), Response)


assert_type(routes.table, Table)
assert_type(routes.url_for(job, id=5), str)
assert_type(routes.get_registered_routes("GET"), tuple[str, ...])
routes.add("/x", job, "PUT")
routes.mount("/y", Routes())
routes.mount("/z", chain(routes))
make_http_server(routes)
"""

WRONG = """
from sigil import Request, Routes

routes = Routes()


@routes.get("/")
def index(request: Request) -> int:
    return 3


@routes.get("/x")
def none() -> None:
    return None


routes.add("/y", 3)
"""


def complaints(folder: Path, source: str) -> list[str]:
    """What the type checker finds in a program."""
    (folder / "program.py").write_text(source, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(folder), "program.py"],
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return [line for line in done.stdout.splitlines() if line.startswith("program.py:")]


def test_a_handler_stays_what_it_is_and_what_is_none_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    assert complaints(tmp_path, PROGRAM) == []
    lines = {line.split(":")[1] for line in complaints(tmp_path, WRONG) if "error" in line}
    assert lines == {"7", "12", "17"}
