"""Middleware about content, with a whole server in memory, and curl on a real socket."""

import subprocess
import threading
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from zstandard import ZstdDecompressor

from sigil import Deferred, Request, Response, chain, make_http_server
from sigil.shell.web.content import AT_ONCE_MAX
from sigil.testing import Client
from sigil.web import compress, etag
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


# -- entity tags -----------------------------------------------------------------------------------


def test_who_has_the_content_is_answered_304_compressed_or_not() -> None:
    client = Client(chain(app, compress(), etag()))
    for accepted in ("gzip", "identity"):
        headers = {"Accept-Encoding": accepted}
        got = client.get("/later", headers=headers)
        assert got.headers["etag"].startswith("W/") == (accepted == "gzip")
        again = client.get("/later", headers={**headers, "If-None-Match": got.headers["etag"]})
        assert (again.status, again.body) == (304, b"")
        # as the 200 has them (RFC 9110 section 15.4.5), or a cache could not tell which it is about
        assert again.headers["etag"] == got.headers["etag"]
        assert again.headers["vary"] == got.headers["vary"] == "Accept-Encoding"
        assert "content-type" not in again.headers


def test_a_stream_that_is_not_sent_is_closed() -> None:
    closed: list[str] = []

    class Chunks:
        def __iter__(self) -> Iterator[bytes]:
            return iter((b"a",))

        def close(self) -> None:
            closed.append("closed")

    client = Client(chain(lambda _: Response.stream(Chunks(), headers={"ETag": '"a"'}), etag()))
    assert client.get("/").body == b"a"
    closed.clear()
    assert client.get("/", headers={"If-None-Match": '"a"'}).status == 304
    assert closed == ["closed"]


@needs("curl")
def test_curl_keeps_what_it_has(tmp_path: Path) -> None:
    server = make_http_server(chain(app, etag(weak=True)), port=0)
    with server.serve_in_thread():
        tags, body = tmp_path / "tags", tmp_path / "body"
        command = [
            "curl", "-s", "--max-time", "20", "--etag-save", str(tags), "--etag-compare", str(tags),
            "-o", str(body), "-w", "%{http_code}", f"http://127.0.0.1:{server.port}/text",
        ]  # fmt: skip
        codes = [
            subprocess.run(command, capture_output=True, text=True, check=True).stdout
            for _ in range(2)
        ]
    assert codes == ["200", "304"]
    assert body.read_text(encoding="utf-8") == TEXT
