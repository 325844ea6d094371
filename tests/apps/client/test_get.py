"""`sigil get` against a server of ours: what is printed where, and how it ends."""

import json
import re
import shlex
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sigil import HttpServer, Request, Response, make_http_server
from sigil.cli.main import main
from tests.support.certificates import server_context, write_certificate
from tests.support.command import PATIENCE_SECONDS, command
from tests.support.tls_proxy import tls_proxy

Get = Callable[..., tuple[int, bytes, str]]
"""What runs `sigil get`: its status, output and errors."""


def app(request: Request) -> Response:
    """What the requests of these tests are answered with."""
    if request.path == "/redirect":
        return Response.redirect("/hello")
    if request.path == "/echo":
        seen = {
            "method": request.method,
            "body": request.body.decode(),
            "type": request.headers.get("content-type", ""),
            "auth": request.headers.get("authorization", ""),
            "x": request.headers.get("x-a", ""),
        }
        return Response.json(seen)
    if request.path == "/binary":
        return Response.bytes(bytes(100_000))
    if request.path == "/stream":
        return Response.stream([b"a" * 1_000, b"b" * 1_000])
    if request.path == "/hello":
        return Response.text("hello\n", headers={"X-Served": "yes"})
    return Response.error(404)


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    """One server for all."""
    served = make_http_server(app, port=0)
    with served.serve_in_thread():
        yield served


@pytest.fixture
def get(server: HttpServer, capfdbinary: pytest.CaptureFixture[bytes]) -> Get:
    """Runs `sigil get` for a path of the server; status, output, errors."""

    def run(path: str, *flags: str) -> tuple[int, bytes, str]:
        url = path if "://" in path else f"http://127.0.0.1:{server.port}{path}"
        status = main(["get", *flags, url])
        captured = capfdbinary.readouterr()
        return status, captured.out, captured.err.decode()

    return run


def test_the_body_and_nothing_else_is_printed(get: Get) -> None:
    assert get("/hello") == (0, b"hello\n", "")
    assert get("/stream") == (0, b"a" * 1_000 + b"b" * 1_000, "")
    assert get("/binary")[:2] == (0, bytes(100_000)), "a pipe may have any bytes"


def test_redirects_are_followed_if_they_are_to_be(get: Get) -> None:
    assert get("/redirect", "-L") == (0, b"hello\n", "")
    status, out, err = get("/redirect")
    assert status == 0 and b"hello" not in out.splitlines()
    assert re.fullmatch(r"sigil: the server answered 30\d, to /hello: -L follows that\n", err)
    status, out, err = get("/redirect", "-i")
    assert status == 0 and out.startswith(b"HTTP/1.1 30") and b"\nLocation: /hello\n" in out
    assert err == ""
    status, out, err = get("/redirect", "-L", "--max-redirs", "0")
    assert (status, out) == (47, b"") and "redirect" in err


def test_a_proxy_over_tls_has_flags_for_its_certificate(get: Get, tmp_path: Path) -> None:
    files = write_certificate(tmp_path)
    with tls_proxy(server_context()) as proxy:
        words = ("http://nowhere.invalid/", "-x", f"https://u:p@localhost:{proxy.port}")
        assert get(*words, "--proxy-cacert", str(files.authority)) == (0, b"by way.", "")
        assert get(*words, "--proxy-insecure")[:2] == (0, b"by way.")
        status, _, err = get(*words, "--cacert", str(files.authority))
        assert status == 5 and "certificate of the proxy" in err
        assert get(*words, "--proxy-cacert", "/none")[0] == 2


def test_heads_are_printed_if_they_are_asked_for(get: Get) -> None:
    status, out, _ = get("/hello", "-i")
    assert status == 0 and out.startswith(b"HTTP/1.1 200 OK\n") and out.endswith(b"\n\nhello\n")
    status, out, _ = get("/hello", "-I")
    assert status == 0 and b"X-Served: yes\n" in out and out.endswith(b"\n\n")
    _, out, errors = get("/hello", "-v", "-u", "a:b")
    assert out == b"hello\n" and "> Authorization: ***\n" in errors and "< X-Served: yes" in errors


def test_what_is_sent(get: Get, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("from=file")
    sent = json.loads(get("/echo", "-d", "a=1", "-d", f"@{tmp_path / 'data'}", "-H", "X-A: b")[1])
    assert sent["method"] == "POST" and sent["body"] == "a=1&from=file" and sent["x"] == "b"
    assert sent["type"] == "application/x-www-form-urlencoded"
    sent = json.loads(get("/echo", "--json", "[1]", "-X", "put", "-u", "a:b")[1])
    assert (sent["method"], sent["body"], sent["type"]) == ("PUT", "[1]", "application/json")
    assert sent["auth"] == "Basic YTpi"


def test_the_body_goes_to_a_file(get: Get, tmp_path: Path) -> None:
    path = tmp_path / "out"
    assert get("/binary", "-o", str(path)) == (0, b"", "")
    assert path.read_bytes() == bytes(100_000)
    status, _, errors = get("/hello", "-o", str(tmp_path / "no" / "out"))
    assert status == 23 and "cannot write" in errors


def test_what_cannot_be_written_is_said_in_a_sentence(server: HttpServer) -> None:
    words = shlex.join(command("get", "-v", f"http://127.0.0.1:{server.port}/hello", "--no-proxy"))

    def run(redirection: str) -> tuple[int, str, str]:
        done = subprocess.run(
            f"{words} {redirection}", shell=True, capture_output=True, text=True,
            timeout=PATIENCE_SECONDS,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr.rpartition("sigil: error: ")[2]

    assert run(">/dev/full") == (23, "", "cannot write the output: No space left on device\n")
    assert run("-o /dev/full") == (23, "", "cannot write /dev/full: No space left on device\n")
    assert run("2>&-") == (0, "hello\n", ""), "notes are not for the output"


def test_a_status_is_a_failure_if_it_is_to_be(get: Get) -> None:
    assert get("/none")[0] == 0
    status, out, errors = get("/none", "-f")
    assert (status, out) == (22, b"") and "the server answered 404 Not Found" in errors


def test_the_exit_status_says_what_failed(get: Get, server: HttpServer, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert get(f"http://127.0.0.1:{unused.getsockname()[1]}/", "--no-proxy")[0] == 7
    assert get("http://[::1/")[0] == 3
    assert get("ftp://a/")[0] == 3
    assert get(f"https://127.0.0.1:{server.port}/", "-k", "--no-proxy")[0] == 35
    assert get("/hello", "--cacert", str(tmp_path / "none"))[0] == 2
    assert get("/hello", "-d", "@/none/none")[0] == 26
    assert get("/hello", "--json", "1", "-d", "x")[0] == 2


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
def test_a_server_that_ends_early_is_told_from_one_that_is_done(get: Get, reply: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        status, _, errors = get(url, "-X", "POST", "--no-proxy")
        thread.join()
    assert status in (8, 52) and errors


@pytest.mark.parametrize("words", [[], ["--nothing"], ["-H", "x", "http://a"], ["-m", "0", "a"]])
def test_a_wrong_command_line_is_a_usage_error(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["get", *words])
    assert caught.value.code == 2
