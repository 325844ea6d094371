"""TLS for the command: certificates made on the spot and read again, and sentences for bad ones."""

import os
import shutil
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPSConnection
from pathlib import Path
from typing import TypeVar

import pytest

from sigil.apps.terminal import CommandError
from sigil.cli.settings import Settings, read_settings
from sigil.cli.tls import context_of, make_with_openssl, make_with_trustme
from sigil.shell.tls_context import examine
from sigil.tls import server_context
from tests.support.certificates import (
    CertificateFiles,
    authority,
    client_context,
    write_certificate,
)
from tests.support.command import APP, PATIENCE_SECONDS, Running, run, running
from tests.support.secure_websocket import SecureWebSocket, secure_websocket
from tests.tools import needs

LINES_MAX = 100
T = TypeVar("T")


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    (tmp_path / "web.py").write_text(APP)
    return write_certificate(tmp_path)


def certificate_at(port: int) -> bytes | None:
    """The certificate that is shown there."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as plain:
        context = client_context()
        with context.wrap_socket(plain, server_hostname="localhost") as sock:
            return sock.getpeercert(binary_form=True)


def line_with(command: Running, words: str) -> str:
    """The first line of its log that has these words."""
    assert command.process.stderr is not None
    for _ in range(LINES_MAX):
        line = command.process.stderr.readline()
        if words in line:
            return line
    raise AssertionError(f"no line has {words!r}")


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no such signal")
def test_certificates_are_read_again_on_sighup(files: CertificateFiles, tmp_path: Path) -> None:
    names = ("--ssl-certfile", str(files.certificate), "--ssl-keyfile", str(files.key))
    with running("serve", "web:app", *names, folder=tmp_path) as command:
        assert command.first_line.startswith("listening on https://127.0.0.1:")
        first = certificate_at(command.port)
        write_certificate(tmp_path, leaf=authority().issue_cert("localhost"))
        command.process.send_signal(signal.SIGHUP)
        line_with(command, "certificates were read again")
        second = certificate_at(command.port)
        assert second != first
        files.key.write_text("nonsense")
        command.process.send_signal(signal.SIGHUP)
        assert str(files.key) in line_with(command, "those of before stay")
        assert certificate_at(command.port) == second
        assert command.end().status == 0


WORKERS_APP = """\
import os
from sigil import Callbacks, Request, Response, make_http_server

def app(request: Request) -> Response:
    if request.path == "/ws":
        return Response.upgrade()
    return Response.text(str(os.getpid()))

def on_message(server, conn, message):
    server.send(conn, f"{os.getpid()} {message}")

server = make_http_server(app, port=0, callbacks=Callbacks(ws_message=on_message))
"""


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process that holds still."""
    os.kill(pid, signal.SIGSTOP)
    try:
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            assert time.monotonic() < give_up_at, f"{pid} goes on"
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def of_each(count: int, ask: Callable[[], tuple[str, T]]) -> dict[str, T]:
    """What so many workers answer, by the number of the process. Those that have answered hold
    still, since the kernel may give one of them all connections.
    """
    found: dict[str, T] = {}
    with ExitStack() as still:
        while len(found) < count:
            pid, answer = ask()
            assert pid not in found
            found[pid] = answer
            still.enter_context(stopped(int(pid)))
    return found


def websocket_of_each(port: int, count: int, stack: ExitStack) -> dict[str, SecureWebSocket]:
    """A WebSocket of each of so many workers, by the number of the process."""

    def ask() -> tuple[str, SecureWebSocket]:
        url = f"wss://localhost:{port}/ws"
        websocket = stack.enter_context(secure_websocket(url, client_context()))
        websocket.send("hello")
        return str(websocket.recv()).split()[0], websocket

    return of_each(count, ask)


def certificates_of_each(port: int, count: int) -> dict[str, bytes | None]:
    """The certificate of each of so many workers, by the number of the process."""

    def ask() -> tuple[str, bytes | None]:
        connection = HTTPSConnection(
            "localhost", port, timeout=PATIENCE_SECONDS, context=client_context()
        )
        with closing(connection):
            connection.connect()
            certificate = connection.sock.getpeercert(binary_form=True)
            connection.request("GET", "/")
            return connection.getresponse().read().decode(), certificate

    return of_each(count, ask)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no such signal")
def test_workers_read_certificates_again_and_nobody_is_disconnected(
    files: CertificateFiles, tmp_path: Path
) -> None:
    (tmp_path / "web.py").write_text(WORKERS_APP)
    names = ("--ssl-certfile", str(files.certificate), "--ssl-keyfile", str(files.key))
    words = ("serve", "web:server", "--workers", "2", "--no-access-log", *names)
    with running(*words, folder=tmp_path) as command, ExitStack() as stack:
        websockets = websocket_of_each(command.port, 2, stack)
        first = certificates_of_each(command.port, 2)
        write_certificate(tmp_path, leaf=authority().issue_cert("localhost"))
        command.process.send_signal(signal.SIGHUP)
        for _ in range(2):
            line_with(command, "certificates were read again")
        second = certificates_of_each(command.port, 2)
        assert first.keys() == second.keys() == websockets.keys()
        assert len({*first.values()}) == len({*second.values()}) == 1
        assert {*first.values()}.isdisjoint(second.values())

        files.key.write_text("nonsense")
        command.process.send_signal(signal.SIGHUP)
        assert str(files.key) in line_with(command, "those of before stay")
        assert certificates_of_each(command.port, 2) == second
        for pid, websocket in websockets.items():
            websocket.send("still here")
            assert websocket.recv() == f"{pid} still here"
        stack.close()
        assert command.end().status == 0


def test_what_is_wrong_with_certificates_is_a_sentence_and_nothing_listens(
    files: CertificateFiles, tmp_path: Path
) -> None:
    ended = run("serve", "web:app", "--ssl-certfile", "none.pem", folder=tmp_path)
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.endswith("TLS: certfile: there is no file none.pem\n")
    settings = Settings("demo", ssl_certfile=str(files.certificate))
    with pytest.raises(CommandError, match="there is no private key"):
        context_of(settings)


def test_flags_are_those_of_uvicorn_and_need_each_other() -> None:
    given = ["--ssl-certfile", "c", "--ssl-keyfile", "k", "--ssl-keyfile-password", "p"]
    given += ["--ssl-ca-certs", "a", "--ssl-cert-reqs", "2", "--ssl-ciphers", "HIGH"]
    settings = read_settings(["serve", "web:app", *given], "0")
    assert settings.ssl_certfile == "c" and settings.ssl_cert_reqs == 2
    for words in (["demo", "--ssl-keyfile", "k"], ["demo", "--tls", "--ssl-certfile", "c"]):
        with pytest.raises(SystemExit) as ended:
            read_settings(words, "0")
        assert ended.value.code == 2


def test_the_demo_has_a_certificate_of_its_own() -> None:
    with running("demo", "--tls") as command:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", command.port), PATIENCE_SECONDS) as plain,
            context.wrap_socket(plain) as sock,
        ):
            sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert sock.recv(65_536).startswith(b"HTTP/1.1 200 OK\r\n")
        ended = command.end()
    assert ended.status == 0 and "nobody answers for it" in ended.out


@needs("openssl")
def test_either_maker_makes_a_certificate_for_this_machine(tmp_path: Path) -> None:
    for make in (make_with_trustme, make_with_openssl):
        certificate, key = tmp_path / f"{make.__name__}.pem", tmp_path / f"{make.__name__}.key"
        assert make(certificate, key)
        assert key.stat().st_mode & 0o077 == 0
        assert examine(server_context(str(certificate), str(key))).certificate is not None


def test_without_a_maker_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "trustme", None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(CommandError, match="pip install trustme"):
        context_of(Settings("demo", tls=True))
