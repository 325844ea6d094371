"""Middleware about content, with a whole server in memory, and curl on a real socket."""

import subprocess
import threading
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from zstandard import ZstdDecompressor

from sigil import Deferred, Request, Response, chain, make_http_server
from sigil.shell.web.content import AT_ONCE_MAX
from sigil.testing import Client
from sigil.web import compress
from tests.tools import needs

LONG = "".join(f"line {n}\n" for n in range(20_000))
TEXT = "a text of some length\n" * 100


def app(request: Request) -> Any:
    match request.path:
        case "/text":
            return Response.text(TEXT, headers={"ETag": '"a"'})
        case "/long":
            return Response.text(LONG)
        case "/lines":
            return Response.stream(lines(), headers={"Content-Type": "text/plain"})
        case "/async":
            return Response.stream(async_lines(), headers={"Content-Type": "text/plain"})
        case "/later":
            later = Deferred()
            later.resolve(Response.text(TEXT))
            return later
        case "/bytes":
            return Response.bytes(TEXT.encode())
    return None


def lines() -> Iterator[Any]:
    yield b"one\n"
    yield b"two\n"


async def async_lines() -> AsyncIterator[bytes]:
    yield b"one\n"
    yield b"two\n"


@pytest.fixture
def client() -> Client:
    return Client(chain(app, compress()))


def decoded(coding: str, body: bytes) -> bytes:
    if coding == "gzip":
        return zlib.decompress(body, 31)
    return ZstdDecompressor().decompressobj().decompress(body)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/text", TEXT),
        ("/long", LONG),
        ("/lines", "one\ntwo\n"),
        ("/async", "one\ntwo\n"),
        ("/later", TEXT),
    ],
)
def test_what_is_accepted_is_sent(client: Client, coding: str, path: str, text: str) -> None:
    got = client.get(path, headers={"Accept-Encoding": coding})
    assert got.headers["content-encoding"] == coding
    assert got.headers["vary"] == "Accept-Encoding"
    assert decoded(coding, got.body) == text.encode()


def test_short_content_has_its_length_and_long_content_comes_in_chunks(client: Client) -> None:
    assert len(LONG) > AT_ONCE_MAX
    short = client.get("/text", headers={"Accept-Encoding": "gzip"})
    assert int(short.headers["content-length"]) == len(short.body) < len(TEXT)
    assert short.headers["etag"] == 'W/"a"'
    long = client.get("/long", headers={"Accept-Encoding": "gzip"})
    assert "content-length" not in long.headers


def test_head_says_what_get_does(client: Client) -> None:
    for path in ("/text", "/long"):
        got = client.get(path, headers={"Accept-Encoding": "gzip"})
        told = client.head(path, headers={"Accept-Encoding": "gzip"})
        assert told.body == b""
        names = set(got.headers) - {"content-length", "transfer-encoding", "date"}
        assert {name: got.headers[name] for name in names} == {
            name: told.headers[name] for name in names
        }


def test_what_is_not_accepted_or_no_text_is_sent_as_it_is(client: Client) -> None:
    for path, headers in (("/text", {}), ("/bytes", {"Accept-Encoding": "gzip"})):
        got = client.get(path, headers=headers)
        assert got.body == TEXT.encode()
        assert "content-encoding" not in got.headers


def test_two_compressors_compress_once() -> None:
    client = Client(chain(app, compress(), compress()))
    got = client.get("/text", headers={"Accept-Encoding": "gzip"})
    assert got.headers.get_all("content-encoding") == ("gzip",)
    assert decoded("gzip", got.body) == TEXT.encode()


@pytest.mark.parametrize(
    "options", [{"min_len": -1}, {"gzip": False, "zstd": False}, {"types": ()}]
)
def test_options_that_make_no_sense_are_refused_where_they_are_written(options: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        compress(**options)


@needs("curl")
def test_curl_reads_a_live_stream_line_by_line() -> None:
    """The second line is made only when the first was read, so nothing may be held back."""
    was_read = threading.Event()

    def live(request: Request) -> Response:
        def chunks() -> Iterator[Any]:
            yield b"first\n"
            while not was_read.is_set():
                yield None
            yield b"second\n"

        return Response.stream(chunks(), headers={"Content-Type": "text/plain"})

    server = make_http_server(chain(live, compress()), port=0)
    with server.serve_in_thread():
        url = f"http://127.0.0.1:{server.port}/"
        command = ["curl", "-sN", "--compressed", "--max-time", "20", url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as curl:
            assert curl.stdout is not None
            assert curl.stdout.readline() == "first\n"
            was_read.set()
            assert curl.stdout.read() == "second\n"
        assert curl.returncode == 0
