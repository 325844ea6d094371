"""A server at a Unix socket: where it is, whom it serves, and what becomes of its file."""

import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sigil import HttpServer, Peer, Request, Response, make_http_server
from tests.support.requests import GET
from tests.support.servers import PATIENCE, end


def peer_of(request: Request) -> Response:
    """Who asks."""
    return Response.text(f"{request.peer == Peer('', 0)}")


def served_at(path: Path) -> HttpServer:
    """A server that is to listen there."""
    return make_http_server(peer_of, uds=str(path))


@contextmanager
def listening_at(path: Path) -> Iterator[HttpServer]:
    """A server that listens there."""
    server = served_at(path)
    server.listen()
    try:
        yield server
    finally:
        end(server)


def answer_at(path: Path) -> bytes:
    """What a server that somebody else ticks answers there."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        client.connect(str(path))
        client.sendall(GET)
        received = b""
        while not received.endswith(b"True"):
            received += client.recv(1_000)
        return received


def test_it_serves_at_its_path_and_removes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "s"
    server = served_at(path)
    assert (server.host, server.port) == (str(path), 0)
    assert repr(server) == f"<HttpServer unix:{path}, not listening>"
    for _ in range(2):  # it may listen once more
        with server.serve_in_thread():
            assert stat.S_IMODE(path.lstat().st_mode) == 0o660
            assert repr(server) == f"<HttpServer unix:{path}, serving, clients: 0>"
            assert answer_at(path).startswith(b"HTTP/1.1 200 OK\r\n")
        assert not path.exists()
    assert repr(server) == f"<HttpServer unix:{path}, stopped>"


def test_a_path_that_is_served_is_not_taken_and_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with listening_at(path):
        with pytest.raises(OSError, match=f"in use: {path}"):
            served_at(path).listen()
        assert path.exists()
    assert not path.exists()


def test_the_file_of_another_one_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with listening_at(path):
        path.unlink()
        path.write_text("dear")
    assert path.read_text() == "dear"


def test_a_thread_takes_the_path_over_from_another_one(tmp_path: Path) -> None:
    path = tmp_path / "s"
    first, second = served_at(path), served_at(path)
    with first.serve_in_thread(), second.serve_in_thread(reuse=True):
        assert not first.running
        assert answer_at(path)
    assert not path.exists()


def test_what_is_no_path_is_refused() -> None:
    for uds, kind, text in (
        (b"s", TypeError, "uds is the path of a Unix socket, not b's'"),
        (8080, TypeError, "uds is the path of a Unix socket, not 8080"),
        ("", ValueError, "uds is the path of a Unix socket, which is not empty"),
    ):
        wrong: Any = uds
        with pytest.raises(kind, match=text):
            make_http_server(peer_of, uds=wrong)
