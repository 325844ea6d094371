"""Who is let in, with a whole server in memory, and curl on a real socket."""

import asyncio
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from sigil import BadInput, Deferred, Request, Response, chain, make_http_server
from sigil.testing import Client
from sigil.web import (
    Middleware,
    basic_auth,
    basic_credentials,
    bearer_auth,
    body_limit,
    cors,
    guarding,
    in_pieces,
    same_secret,
)
from tests.tools import needs

BASIC = {"Authorization": "Basic dXNlcjpwYXNz"}
"""user:pass"""


def whoami(request: Request) -> Response:
    sent = basic_credentials(request)
    return Response.text(sent.user if sent is not None else "nobody")


def now(user: str, password: str) -> bool:
    return same_secret(user, "user") and same_secret(password, "pass")


def later(user: str, password: str) -> Deferred:
    deferred = Deferred()
    deferred.resolve(now(user, password))
    return deferred


async def awaited(user: str, password: str) -> bool:
    await asyncio.sleep(0)
    return now(user, password)


@pytest.mark.parametrize("check", [now, later, awaited])
def test_a_user_with_a_password_is_let_in_and_others_are_challenged(check: Any) -> None:
    client = Client(chain(whoami, basic_auth(check, realm="cellar")))
    assert client.get("/", headers=BASIC).body == b"user"
    for headers in ({}, {"Authorization": "Basic dXNlcjp3cm9uZw=="}, {"Authorization": "x"}):
        got = client.get("/", headers=headers)
        assert got.status == 401
        assert got.headers["www-authenticate"] == 'Basic realm="cellar", charset="UTF-8"'


def test_a_check_that_raises_lets_nobody_in() -> None:
    def broken(user: str, password: str) -> bool:
        raise KeyError(user)

    client = Client(chain(whoami, basic_auth(broken)), raise_errors=False)
    assert client.get("/", headers=BASIC).status == 500
    assert client.get("/").status == 401


def test_a_token_is_let_in_and_a_wrong_one_is_called_so() -> None:
    client = Client(chain(whoami, bearer_auth(lambda token: same_secret(token, "t0ken"))))
    assert client.get("/", headers={"Authorization": "Bearer t0ken"}).status == 200
    none, wrong = client.get("/"), client.get("/", headers={"Authorization": "Bearer x"})
    assert (none.status, wrong.status) == (401, 401)
    assert none.headers["www-authenticate"] == 'Bearer realm="this server"'
    assert wrong.headers["www-authenticate"].endswith('error="invalid_token"')


@pytest.mark.parametrize("made", [basic_auth, bearer_auth])
def test_options_that_make_no_sense_are_refused(made: Any) -> None:
    with pytest.raises(TypeError, match="check is a function that returns true or false"):
        made("secret")
    with pytest.raises(ValueError, match="a realm is a text"):
        made(now, realm="\n")


def test_a_body_may_be_so_long_and_the_connection_goes_on() -> None:
    client = Client(chain(lambda request: Response.bytes(request.body), body_limit(3)))
    assert client.post("/", body=b"abc").body == b"abc"
    refused = client.post("/", body=b"abcd")
    assert (refused.status, refused.headers.get("connection")) == (413, None)
    assert refused.body == b"413 Content Too Large: the body is longer than 3 bytes\n"
    assert client.post("/", body=b"").status == 200
    for max_len in (-1, True, "3"):
        with pytest.raises(ValueError, match="max_len is a number of bytes"):
            body_limit(max_len)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("middleware", "status"), [(basic_auth(now), b"401"), (body_limit(9), b"413")]
)
def test_who_is_refused_need_not_send_the_body(middleware: Middleware, status: bytes) -> None:
    connection = Client(chain(whoami, cors(origins="*"), middleware)).connect()
    connection.send(
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 10000\r\n\r\n"
    )
    assert connection.received.startswith(b"HTTP/1.1 " + status)
    assert b"Access-Control-Allow-Origin: *\r\n" in connection.received


@pytest.mark.parametrize(("problem", "status"), [(BadInput("no"), b"400"), (KeyError(), b"500")])
def test_a_check_that_raises_before_a_body_is_an_answer_for_middleware(
    problem: Exception, status: bytes
) -> None:
    def check(request: Request) -> None:
        raise problem

    client = Client(chain(whoami, cors(origins="*"), guarding(check)), raise_errors=False)
    connection = client.connect()
    connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n")
    assert connection.received.startswith(b"HTTP/1.1 " + status)
    assert b"Access-Control-Allow-Origin: *\r\n" in connection.received


def pull(request: Request) -> Generator[None, bytes, Response]:
    length = 0
    while piece := (yield):
        length += len(piece)
    return Response.text(str(length))


async def await_pieces(request: Request) -> Response:
    assert request.chunks is not None
    return Response.text(str(sum([len(piece) async for piece in request.chunks])))


def pull_later(request: Request) -> Any:
    return later("user", "pass").map(lambda _: pull(request))


@pytest.mark.parametrize("handler", [pull, pull_later, await_pieces])
@pytest.mark.parametrize(("pieces", "status"), [((b"ab", b"c"), b"200"), ((b"ab", b"cd"), b"413")])
def test_a_body_in_pieces_is_refused_as_soon_as_it_is_too_long(
    handler: Any, pieces: tuple[bytes, ...], status: bytes
) -> None:
    connection = Client(chain(in_pieces(handler), body_limit(3))).connect()
    connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    for piece in pieces:
        assert connection.received == b""
        connection.send(b"%x\r\n%b\r\n" % (len(piece), piece))
    if status == b"200":
        connection.send(b"0\r\n\r\n")
    assert connection.received.startswith(b"HTTP/1.1 " + status)


@needs("curl")
def test_curl_comes_back_with_what_it_is_asked_for() -> None:
    server = make_http_server(chain(whoami, basic_auth(now)), port=0)
    with server.serve_in_thread():
        url = f"http://127.0.0.1:{server.port}/"
        command = ["curl", "-s", "--max-time", "20", "--anyauth", "-u", "user:pass", url]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "user"


@needs("curl")
def test_curl_is_told_that_its_body_is_too_long(tmp_path: Path) -> None:
    upload = tmp_path / "upload"
    upload.write_bytes(bytes(100_000))
    handler = chain(lambda request: Response.text(str(len(request.body))), body_limit(99_999))
    server = make_http_server(handler, port=0)
    with server.serve_in_thread():
        url = f"http://127.0.0.1:{server.port}/"
        command = [
            "curl", "-s", "--max-time", "20", "-o", str(tmp_path / "out"), "-w", "%{http_code} ",
            "--data-binary", f"@{upload}", url, "--next", "-s", "-o", str(tmp_path / "out2"),
            "-w", "%{http_code}", "--data-binary", "short", url,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "413 200"
