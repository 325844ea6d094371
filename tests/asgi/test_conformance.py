"""The table of ASGI under sigil and under uvicorn, side by side over real sockets."""

from collections.abc import Iterator
from functools import partial
from importlib import import_module
from typing import Any

import pytest

from tests.asgi.serving import Served, sigil_in_asyncio, sigil_in_thread, uvicorn_server
from tests.asgi.table import ROWS, Notes, Row

SERVERS = {
    "asyncio": sigil_in_asyncio,
    "uvloop": partial(sigil_in_asyncio, run=import_module("uvloop").run),
    "thread": sigil_in_thread,
    "uvicorn": uvicorn_server,
}


@pytest.fixture(scope="module", params=SERVERS)
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    """One server for all rows."""
    with SERVERS[request.param](Served(request.param)) as served:
        yield served


def seen_by(row: Row, served: Served) -> Any:
    """What is seen in a row."""
    notes: Notes = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await row.app(notes, scope, receive, send)

    served.app = app
    return row.act(notes, served.port)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_what_is_seen_is_what_the_row_says(row: Row, served: Served) -> None:
    is_other = served.name == "uvicorn"
    if is_other and row.why and row.uvicorn is None:
        return  # what is seen there differs from run to run, or from version to version
    expected = row.uvicorn if is_other and row.why else row.seen
    assert _plain(seen_by(row, served)) == _plain(expected)


def _plain(value: Any) -> Any:
    """The value, with the one name that each server gives its own exception of a client that has
    left.
    """
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return "ClientDisconnected" if value == "ClientDisconnect" else value


def test_a_row_that_differs_says_why() -> None:
    assert [row.name for row in ROWS if row.uvicorn is not None and not row.why] == []
