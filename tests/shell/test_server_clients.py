"""Clients that others wrote: http.client, httpx and curl against one server in a thread.

Theory: a server is right when programs that know nothing of it are content. Every refusal is read
the way a person would meet it: short, plain text, with a sentence about what was wrong.
"""

import http.client
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sigil import HttpServer, Limits, Request, Response
from tests.support.servers import HOST, MIB, PATIENCE, Raw, in_thread, make
from tests.tools import need, needs

needs_curl = needs("curl")
LIMITS = Limits(max_body_len=8 * MIB, max_header_len=16_384)


def app(request: Request) -> Response | None:
    """Something for every status."""
    match request.path:
        case "/echo":
            return Response.bytes(request.body, headers={"X-Method": request.method})
        case "/none":
            return None
        case "/empty":
            return Response(204, (), b"")
        case "/same":
            return Response(304, (("ETag", '"1"'),), b"")
        case "/away":
            return Response.redirect("/echo")
        case "/busy":
            return Response.error(503, "come back later")
        case "/fail":
            raise LookupError("secret")
        case "/stream":
            return Response.stream(bytes([65 + index]) * 100_000 for index in range(20))
        case "/json":
            return Response.json(request.json())
        case _:
            return Response.text(f"{request.method} {request.path}")


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with in_thread(make(app, LIMITS)) as server:
        yield server


# -- http.client -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_is_served_on_one_connection(server: HttpServer, method: str) -> None:
    connection = http.client.HTTPConnection(HOST, server.port, timeout=PATIENCE)
    for count in range(3):
        connection.request(
            method, "/echo", body=b"x" * count if method in ("POST", "PUT", "PATCH") else None
        )
        sock = connection.sock
        response = connection.getresponse()
        assert response.status == 200
        assert response.headers["X-Method"] == method
        assert response.read() == (b"x" * count if method in ("POST", "PUT", "PATCH") else b"")
        assert connection.sock is sock, "the connection was not kept"
    connection.close()


def test_http_client_sends_a_chunked_upload(server: HttpServer) -> None:
    connection = http.client.HTTPConnection(HOST, server.port, timeout=PATIENCE)
    pieces = [os.urandom(size) for size in (1, 70_000, 3, 500_000)]
    connection.request(
        "POST",
        "/echo",
        body=iter(pieces),
        encode_chunked=True,
        headers={"Transfer-Encoding": "chunked"},
    )
    assert connection.getresponse().read() == b"".join(pieces)
    connection.close()


# -- httpx -----------------------------------------------------------------------------------------


def test_httpx_keeps_its_connection_over_answers_of_every_kind(server: HttpServer) -> None:
    accepted = server.stats().accepted
    with httpx.Client(base_url=f"http://{HOST}:{server.port}", timeout=PATIENCE) as client:
        for path, status in (
            ("/", 200),
            ("/none", 404),
            ("/empty", 204),
            ("/same", 304),
            ("/fail", 500),
            ("/away", 302),
            ("/busy", 503),
            ("/stream", 200),
            ("/", 200),
        ):
            assert client.get(path).status_code == status
        assert client.head("/stream").text == ""
        assert client.get("/away", follow_redirects=True).url.path == "/echo"
    assert server.stats().accepted == accepted + 1


@pytest.mark.parametrize("size", [0, 1, 65_536, 8 * MIB])
def test_httpx_uploads_with_a_length_and_without(server: HttpServer, size: int) -> None:
    data = os.urandom(size)
    with httpx.Client(base_url=f"http://{HOST}:{server.port}", timeout=PATIENCE) as client:
        assert client.put("/echo", content=data).content == data
        pieces = (data[start : start + 100_000] for start in range(0, size, 100_000))
        assert client.post("/echo", content=pieces).content == data


def test_httpx_reads_a_stream_while_it_is_produced(server: HttpServer) -> None:
    with httpx.stream("GET", f"http://{HOST}:{server.port}/stream", timeout=PATIENCE) as response:
        assert response.headers["transfer-encoding"] == "chunked"
        data = b"".join(response.iter_bytes())
    assert data == b"".join(bytes([65 + index]) * 100_000 for index in range(20))


def test_httpx_leaves_a_stream_in_the_middle_and_the_server_goes_on(server: HttpServer) -> None:
    for _ in range(5):
        with httpx.stream(
            "GET", f"http://{HOST}:{server.port}/stream", timeout=PATIENCE
        ) as response:
            assert next(response.iter_raw(100))
    assert httpx.get(f"http://{HOST}:{server.port}/", timeout=PATIENCE).text == "GET /"


def test_pipelined_requests_are_answered_in_order(server: HttpServer) -> None:
    paths = ["/a", "/stream", "/none", "/fail", "/b", "/empty", "/same", "/c"]
    with Raw(server) as client:
        client.sock.settimeout(PATIENCE)
        client.sock.sendall(
            b"".join(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path.encode() for path in paths)
        )
        client.sock.sendall(b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        while data := client.sock.recv(MIB):
            client.received += data
        client.ended = True
        answers = client.answers(*["GET"] * 9)
    assert [answer.status for answer in answers] == [200, 200, 404, 500, 200, 204, 304, 200, 200]
    assert all(answer.is_whole for answer in answers)
    assert [answers[index].text for index in (0, 4, 7)] == ["GET /a", "GET /b", "GET /c"]
    assert answers[-1].headers["connection"] == "close"


# -- curl ------------------------------------------------------------------------------------------


def curl(server: HttpServer, path: str, *options: str) -> tuple[int, str, str]:
    """Status, content type and body that curl reports; it fails the test if curl is not content."""
    done = subprocess.run(
        [
            need("curl"),
            "-sS",
            "--max-time",
            str(PATIENCE),
            "-w",
            "\n%{http_code} %{content_type}",
            *options,
            f"http://{HOST}:{server.port}{path}",
        ],
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    body, _, last = done.stdout.rpartition("\n")
    status, _, content_type = last.partition(" ")
    return int(status), content_type, body


@needs_curl
@pytest.mark.parametrize(
    ("status", "word", "path", "options"),
    [
        (400, "header", "/", ["-H", "Bad Name: 1"]),
        (400, "Host", "/", ["-H", "Host:"]),
        (400, "JSON", "/json", ["-d", "{"]),
        (404, "404 Not Found", "/none", []),
        (405, "TRACE", "/", ["-X", "TRACE"]),
        (413, f"{8 * MIB}", "/echo", ["-H", "Content-Length: 99999999", "-X", "POST"]),
        (414, "8000", "/" + "a" * 9_000, []),
        (417, "100-continue", "/", ["-H", "Expect: a miracle", "-d", "x"]),
        (431, "16384", "/", ["-H", "X: " + "a" * 20_000]),
        (431, "100", "/", [part for index in range(120) for part in ("-H", f"X-{index}: 1")]),
        (500, "500 Internal Server Error", "/fail", []),
        (501, "BREW", "/", ["-X", "BREW"]),
        (501, "transfer coding", "/", ["-H", "Transfer-Encoding: gzip, chunked", "-d", "x"]),
        (503, "come back later", "/busy", []),
    ],
)
def test_curl_reads_what_was_wrong(
    server: HttpServer, status: int, word: str, path: str, options: list[str]
) -> None:
    got, content_type, body = curl(server, path, *options)
    assert got == status
    assert content_type == "text/plain; charset=utf-8"
    assert word in body
    assert body.startswith(f"{status} ")
    assert len(body) < 200
    assert "secret" not in body
    assert "Traceback" not in body


@needs_curl
def test_curl_reads_answers_that_are_no_refusals(server: HttpServer) -> None:
    assert curl(server, "/") == (200, "text/plain; charset=utf-8", "GET /")
    assert curl(server, "/empty") == (204, "", "")
    assert curl(server, "/same") == (304, "", "")
    assert curl(server, "/away") == (302, "text/plain; charset=utf-8", "see /echo\n")
    assert curl(server, "/away", "-L")[0] == 200
    assert curl(server, "/stream", "-0")[2] == curl(server, "/stream")[2]
    assert curl(server, "/", "-0") == (200, "text/plain; charset=utf-8", "GET /")
    assert curl(server, "/stream", "-I")[0] == 200
    assert curl(server, "/", "-X", "OPTIONS", "--request-target", "*")[0] == 204


@needs_curl
@pytest.mark.parametrize(
    ("line", "status", "word"),
    [
        (b"GET / HTTP/2.0\r\n\r\n", 505, "HTTP/1.1"),
        (b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", 505, "HTTP/1.1"),
        (b"GET /\r\n\r\n", 400, "HTTP/0.9"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a client that speaks TLS\r\n\r\n", 400, ""),
    ],
)
def test_versions_that_are_not_spoken_are_refused(
    server: HttpServer, line: bytes, status: int, word: str
) -> None:
    with Raw(server) as client:
        client.sock.settimeout(PATIENCE)
        client.sock.sendall(line)
        while data := client.sock.recv(MIB):
            client.received += data
        client.ended = True
        (answer,) = client.answers()
    assert answer.status == status
    assert word in answer.text
    assert answer.headers["connection"] == "close"
    assert answer.headers["content-type"].startswith("text/plain")


@needs_curl
@pytest.mark.parametrize("chunked", [False, True])
def test_curl_waits_for_100_continue(server: HttpServer, tmp_path: Path, chunked: bool) -> None:
    upload, headers = tmp_path / "upload", tmp_path / "headers"
    upload.write_bytes(b"a" * MIB)
    options = [
        "-H",
        "Expect: 100-continue",
        "--expect100-timeout",
        "60",
        "-D",
        str(headers),
        "--data-binary",
        f"@{upload}",
    ]
    status, _, body = curl(
        server, "/echo", *options, *(["-H", "Transfer-Encoding: chunked"] if chunked else [])
    )
    assert (status, body) == (200, "a" * MIB)
    assert headers.read_text().startswith("HTTP/1.1 100 Continue\n")


@needs_curl
def test_curl_is_told_no_before_it_sends_a_body_that_is_too_long(
    server: HttpServer, tmp_path: Path
) -> None:
    upload = tmp_path / "upload"
    upload.write_bytes(b"a" * (9 * MIB))
    before = server.stats().bytes_in
    status, _, body = curl(
        server,
        "/echo",
        "-H",
        "Expect: 100-continue",
        "--expect100-timeout",
        "60",
        "--data-binary",
        f"@{upload}",
    )
    assert status == 413
    assert str(8 * MIB) in body
    assert server.stats().bytes_in - before < MIB
