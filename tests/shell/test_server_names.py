"""The functions `http_server_*`: one for each public method of a server, and each is the method."""

import inspect
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import get_args

import pytest

import sigil
from sigil import Callbacks, CloseReason, Conn, HttpServer, Peer, Request, Response
from sigil.core.close_reasons import CLOSE_INFO
from sigil.core.effects import Effect
from sigil.testing import Client
from tests.support.servers import HOST

ROOT = Path(__file__).parents[2]

ELSEWHERE = {"fileno": "fd", "server_loop": "loop"}
"""Methods whose functions are named as in the reference systems."""

INTERNAL = frozenset(("process_connections",))
"""What one part of the shell calls on another."""

OTHERS = {"http_server_ws_close": HttpServer.close}
"""A second name of a method."""

ABOUT_NO_SERVER = frozenset(("http_server_footprint", "http_server_serve"))
"""Functions that are no methods."""


def public_members() -> dict[str, object]:
    """The public methods and properties of a server, by name."""
    return {
        name: inspect.getattr_static(HttpServer, name)
        for name in dir(HttpServer)
        if not name.startswith("_") and name not in INTERNAL
    }


def function_name(member: str) -> str:
    """The name of the function that is this method."""
    return f"http_server_{ELSEWHERE.get(member, member)}"


@pytest.mark.parametrize("name", sorted(public_members()))
def test_every_public_method_is_a_function_too(name: str) -> None:
    function, member = getattr(sigil, function_name(name)), public_members()[name]
    assert function_name(name) in sigil.__all__
    if isinstance(member, property):
        server = sigil.make_http_server(lambda request: None)
        assert function(server) == getattr(server, name)
    else:
        assert function is member


def test_completion_offers_only_what_a_program_may_call() -> None:
    server = sigil.make_http_server(lambda request: None)
    offered = {name for name in dir(server) if not name.startswith("_")}
    assert offered - INTERNAL == set(public_members())
    assert not offered & {"engine", "post", "set_spawn", "stop_now"}


def test_every_function_is_a_public_method() -> None:
    functions = {name for name in sigil.__all__ if name.startswith("http_server_")}
    methods = {function_name(name) for name in public_members()}
    assert functions - methods == ABOUT_NO_SERVER | set(OTHERS)
    assert {getattr(sigil, name) is method for name, method in OTHERS.items()} == {True}


def test_a_function_works_on_the_server_in_memory() -> None:
    client = Client(lambda request: Response.upgrade())
    websocket = client.websocket("/")
    assert sigil.http_server_broadcast(client.server, "x") is sigil.SendStatus.SUCCESS
    client.run_until_idle()
    assert websocket.messages() == ["x"]


# -- what the functions say ------------------------------------------------------------------------


def test_the_position_is_that_of_the_last_message_published() -> None:
    client = Client(lambda request: Response.upgrade())
    server = client.server
    epoch, first = server.position().split("-")
    assert first == "0"
    client.websocket("/")
    server.broadcast("x")
    assert server.position() == f"{epoch}-1"
    client.run_until_idle()
    server.broadcast("y")
    server.broadcast("z")
    assert server.position() == f"{epoch}-3"


def test_the_position_is_the_id_of_the_event_with_that_message() -> None:
    client = Client(lambda request: Response.sse(topics=("t",)))
    connection = client.connect()
    connection.request("GET", "/")
    client.server.broadcast("x", topic="t")
    client.run_until_idle()
    assert f"id: {client.server.position()}\n".encode() in connection.received


def test_a_peer_is_known_as_long_as_its_connection() -> None:
    seen: list[Peer | None] = []

    def close(server: HttpServer, conn: Conn, reason: CloseReason) -> None:
        seen.append(server.peer(conn))

    client = Client(lambda request: None, callbacks=Callbacks(close=close))
    connection = client.connect()
    (conn,) = client.clients()
    assert client.server.peer(conn) == connection.peer
    connection.half_close()
    assert client.server.peer(conn) is None
    assert seen == [None]


def test_a_tick_that_waits_returns_when_it_is_woken() -> None:
    server = sigil.make_http_server(lambda request: None, host=HOST, port=0)
    server.listen()
    waker = threading.Timer(0.05, server.wake)
    began = time.monotonic()
    waker.start()
    server.tick(30.0)
    assert time.monotonic() - began < 20.0
    waker.join()
    server.wake()
    server.tick(30.0)
    assert time.monotonic() - began < 20.0
    server.stop(0.0)
    server.tick()
    assert not server.running


def test_a_server_that_does_not_listen_is_woken_in_vain() -> None:
    server = sigil.make_http_server(lambda request: None)
    server.wake()
    assert not server.running


@pytest.mark.parametrize("reason", list(CloseReason))
def test_the_sentence_of_a_reason_stands_alone(reason: CloseReason) -> None:
    sentence = sigil.close_reason_sentence(reason)
    assert sentence == CLOSE_INFO[reason].sentence
    assert sigil.close_reason_str(reason) == f"{reason.name}: {sentence}"


def test_a_number_that_is_no_reason_has_no_sentence() -> None:
    assert sigil.close_reason_sentence(0) == "unknown"


# -- tables and types ------------------------------------------------------------------------------


def test_every_effect_has_a_method_that_performs_it() -> None:
    server = sigil.make_http_server(lambda request: None, host=HOST, port=0)
    server.listen()
    in_memory = Client(lambda request: None).server
    assert set(server._engine.methods) == set(in_memory._engine.methods) == set(get_args(Effect))
    server._stop_now()


USER = """
from sigil import (Callbacks, CloseReason, Conn, Handler, HttpServer, Request, Response,
    http_server_broadcast, http_server_running, http_server_serve, make_http_server)

def app(request: Request) -> Response:
    return Response.upgrade()

def ws_open(server: HttpServer, conn: Conn, request: Request) -> None:
    server.send(conn, str(server.peer(conn)))

async def ws_message(server: HttpServer, conn: Conn, data: str | bytes) -> None:
    http_server_broadcast(server, data)

def close(server: HttpServer, conn: Conn, reason: CloseReason) -> None:
    server.stop()

handler: Handler = app
callbacks: Callbacks = Callbacks(close=close, ws_open=ws_open, ws_message=ws_message)
server: HttpServer = make_http_server(handler, callbacks=callbacks)

async def main() -> None:
    await http_server_serve(server)

with server.serve_in_thread() as served:
    name: str = served.position()
    is_running: bool = http_server_running(served)
"""

WRONG = """
from sigil import Callbacks, Conn
Callbacks(open=lambda server, conn: server.no_such_method())
"""


@pytest.mark.parametrize(("text", "errors"), [(USER, 0), (WRONG, 1)], ids=["right", "wrong"])
def test_a_type_checker_knows_the_server_of_a_callback(
    tmp_path: Path, text: str, errors: int
) -> None:
    program = tmp_path / "program.py"
    program.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", str(program)]
    done = subprocess.run(
        [*command, f"--cache-dir={ROOT / '.mypy_cache'}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.count("error:") == errors, done.stdout
    assert (done.returncode == 0) is (errors == 0)


def test_a_handler_may_be_annotated() -> None:
    def answer(request: Request) -> Response:
        return Response.text(request.path)

    handler: sigil.Handler = answer
    assert Client(handler).get("/x").text == "/x"
