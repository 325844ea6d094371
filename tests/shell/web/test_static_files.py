"""Files of a folder as a handler: what is found, what is refused, and as an attacker would ask."""

import gzip
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from sigil import Limits, Request, Response, Routes, chain, static_files
from sigil.core.web.cache_rules import IMMUTABLE
from sigil.shell.program.open_file import MemoryFile
from sigil.testing import Client
from tests.support.descriptors import count_descriptors
from tests.support.servers import ask, ticking
from tests.support.traversal import CORPUS

SECRET = b"this is a secret"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with files, hidden ones, links, a pipe and a socket in it, and a secret beside."""
    folder = tmp_path / "root"
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / ".well-known").mkdir()
    (folder / "index.html").write_text("<h1>home</h1>")
    (folder / "a.txt").write_text("hello")
    (folder / "100%.txt").write_text("percent")
    (folder / "sub" / "b.txt").write_text("b")
    (folder / "sub" / "deep" / "index.html").write_text("deep")
    (folder / ".well-known" / "x").write_text("well known")
    for path in (tmp_path / "SECRET", folder / ".hidden", folder / ".git" / "config"):
        path.write_bytes(SECRET)
    (folder / "out").symlink_to(tmp_path / "SECRET")
    (folder / "up").symlink_to(tmp_path)
    (folder / "in").symlink_to("sub/b.txt")
    (folder / "within").symlink_to("sub")
    (folder / "dangling").symlink_to("nowhere")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "sock"))
    return folder


def statuses(handler: Any, *paths: str) -> list[int]:
    """What these paths are answered with."""
    with Client(handler) as client:
        return [client.get(path).status for path in paths]


# -- what is found ---------------------------------------------------------------------------------


def test_files_folders_and_indexes(root: Path) -> None:
    with Client(static_files(root)) as client:
        assert client.get("/").body == b"<h1>home</h1>"
        assert client.get("/a.txt").body == b"hello"
        assert client.get("/100%25.txt").body == b"percent"
        assert client.get("/sub/deep/").body == b"deep"
        assert client.get("/.well-known/x").body == b"well known"
        moved = client.get("/sub/deep?a=b")
        assert (moved.status, moved.headers["location"]) == (301, "/sub/deep/?a=b")
        assert statuses(static_files(root), "/sub/", "/none", "/a.txt/", "/sub/none") == [404] * 4
    assert statuses(static_files(root, index=""), "/") == [404]


def test_fields_of_a_file(root: Path) -> None:
    os.utime(root / "a.txt", (1_000_000_000, 1_000_000_000))
    with Client(static_files(root)) as client:
        answer = client.get("/a.txt")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["last-modified"] == "Sun, 09 Sep 2001 01:46:40 GMT"
        assert answer.headers["etag"] == '"5-de0b6b3a7640000"'
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["vary"] == "Accept-Encoding"
        seen = {"If-None-Match": answer.headers["etag"]}
        assert client.get("/a.txt", headers=seen).status == 304
        rest = {"Range": "bytes=1-", "If-Range": '"5-de0b6b3a7640000"'}
        part = client.get("/a.txt", headers=rest)
        assert (part.status, part.body) == (206, b"ello")
        head = client.head("/a.txt")
        assert (head.headers["content-length"], head.body) == ("5", b"")


def test_only_reading(root: Path) -> None:
    with Client(static_files(root)) as client:
        refused = client.post("/a.txt", body=b"x")
        assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
        assert client.options("/a.txt").status == 204


def test_a_prefix_and_a_mount(root: Path) -> None:
    files = static_files(root, prefix="/static")
    assert statuses(files, "/static/a.txt", "/static/", "/a.txt", "/statica.txt") == [
        200, 200, 404, 404,
    ]  # fmt: skip
    routes = Routes()
    routes.mount("/files", static_files(root))
    routes.add("/", lambda request: Response.text("routed"), "GET")
    with Client(routes) as client:
        assert client.get("/files/sub/b.txt").body == b"b"
        assert client.get("/files/").body == b"<h1>home</h1>"
        assert client.get("/files/sub/deep").headers["location"] == "/files/sub/deep/"
        assert client.get("/files/%2e%2e/a.txt").status in (400, 404)
        assert client.get("/").body == b"routed"


def test_middleware_sees_a_response(root: Path) -> None:
    seen: list[int] = []

    def noting(handler: Any) -> Any:
        def noted(request: Request) -> Any:
            response = handler(request)
            seen.append(response.status)
            return response

        return noted

    with Client(chain(static_files(root), noting)) as client:
        assert client.get("/a.txt").body == b"hello"
        client.get("/none")
    assert seen == [200, 404]


def test_compressed_siblings_are_for_those_who_accept_them(root: Path) -> None:
    (root / "a.txt.gz").write_bytes(gzip.compress(b"hello"))
    (root / "a.txt.zst").write_bytes(b"zst")
    with Client(static_files(root)) as client:
        packed = client.get("/a.txt", headers={"Accept-Encoding": "gzip"})
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.headers["content-type"] == "text/plain; charset=utf-8"
        assert packed.headers["etag"].endswith('-gzip"')
        assert client.get("/a.txt", headers={"Accept-Encoding": "gzip, zstd"}).body == b"zst"
        assert client.get("/a.txt", headers={"Accept-Encoding": "br"}).body == b"hello"
        assert client.get("/a.txt", headers={"Accept-Encoding": "gzip;q=0"}).body == b"hello"
        assert client.get("/a.txt").body == b"hello"
        assert client.get("/a.txt.gz").headers["content-type"] == "application/gzip"
    with Client(static_files(root, headers={"Vary": "Origin"})) as client:
        packed = client.get("/a.txt", headers={"Accept-Encoding": "gzip"})
        assert packed.headers.get_all("vary") == ("Origin, Accept-Encoding",)
    with Client(static_files(root, precompressed=False)) as client:
        plain = client.get("/a.txt", headers={"Accept-Encoding": "gzip"})
        assert plain.body == b"hello" and "vary" not in plain.headers


def test_a_fallback_is_for_pages(root: Path) -> None:
    page = {"Accept": "text/html,*/*;q=0.8"}
    with Client(static_files(root, fallback="index.html")) as client:
        assert client.get("/jobs/17", headers=page).body == b"<h1>home</h1>"
        assert client.get("/jobs/17", headers=page).status == 200
        assert client.get("/none.js").status == 404
        for accept in ("text/html;q=0", "text/html; q=0.000", "*/*", "text/html+x"):
            assert client.get("/jobs/17", headers={"Accept": accept}).status == 404
        for accept in ("Text/HTML", "a/b, text/html;q=0.1", "text/html;level=1"):
            got = client.get("/jobs/17", headers={"Accept": accept})
            assert (got.status, got.headers["vary"]) == (200, "Accept-Encoding, Accept")
        assert client.get("/none.js").headers["vary"] == "Accept"
        assert client.get("/.hidden", headers=page).body == b"<h1>home</h1>"


def test_rules_types_and_fields(root: Path) -> None:
    (root / "a.foo").write_text("foo")
    handler = static_files(
        root,
        cache=(("sub/*", IMMUTABLE), ("*.html", "no-store")),
        types={".FOO": "text/foo"},
        headers={"X-A": "b"},
    )
    with Client(handler) as client:
        assert client.get("/sub/b.txt").headers["cache-control"] == IMMUTABLE
        assert client.get("/").headers["cache-control"] == "no-store"
        foo = client.get("/a.foo")
        assert (foo.headers["content-type"], foo.headers["x-a"]) == ("text/foo", "b")
        assert foo.headers["cache-control"] == "no-cache"


def test_a_listing_has_what_can_be_asked_for(root: Path) -> None:
    (root / "sub" / '<img src="x">').touch()
    (root / os.fsdecode(b"\xff")).touch()
    with Client(static_files(root, listing=True, index="")) as client:
        page = client.get("/").text
        for name in ("a.txt", "sub/", "in", "within/", ".well-known/"):
            assert f">{name}</a>" in page
        # of what lies outside the root neither the name nor how long it is and when it was written
        for name in (".hidden", ".git", "pipe", "sock", "dangling", "loop", "\udcff", "out", "up"):
            assert f">{name}" not in page
        assert "<img" not in client.get("/sub/").text
        assert client.get("/sub").status == 301
        assert client.get("/up/").status == 404
        assert client.get("/none/").status == 404


def test_dot_files_may_be_allowed(root: Path) -> None:
    allowed = static_files(root, dot_files=True)
    assert statuses(allowed, "/.hidden", "/.git/config", "/..", "/%2e%2e/SECRET") == [
        200, 200, 404, 404,
    ]  # fmt: skip


# -- what is refused -------------------------------------------------------------------------------


def test_links_are_followed_within_the_root_and_only_there(root: Path) -> None:
    paths = ("/in", "/within/b.txt", "/out", "/up/SECRET", "/dangling", "/loop")
    assert statuses(static_files(root), *paths) == [200, 200, 404, 404, 404, 404]
    assert statuses(static_files(root, follow_links=False), *paths) == [404] * 6
    assert statuses(static_files(root, follow_links=False), "/a.txt", "/") == [200, 200]


def test_the_root_may_be_a_link_that_is_moved(root: Path, tmp_path: Path) -> None:
    (tmp_path / "next").mkdir()
    (tmp_path / "next" / "a.txt").write_text("next")
    current = tmp_path / "current"
    current.symlink_to(root)
    with Client(static_files(current)) as client:
        assert client.get("/a.txt").body == b"hello"
        current.unlink()
        current.symlink_to(tmp_path / "next")
        assert client.get("/a.txt").body == b"next"
        current.unlink()
        assert client.get("/a.txt").status == 404


def test_a_folder_that_becomes_a_link_while_it_is_served(root: Path, tmp_path: Path) -> None:
    with Client(static_files(root)) as client:
        assert client.get("/sub/b.txt").status == 200
        (root / "sub").rename(tmp_path / "moved")
        (tmp_path / "b.txt").write_bytes(SECRET)
        (root / "sub").symlink_to(tmp_path)
        assert client.get("/sub/b.txt").status == 404
        assert client.get("/sub/SECRET").status == 404


def test_what_is_no_file_is_never_opened(root: Path) -> None:
    before = count_descriptors()
    assert statuses(static_files(root), "/pipe", "/sock") == [404, 404]
    assert count_descriptors() == before


@pytest.mark.parametrize("options", [{}, {"dot_files": True, "listing": True}])
def test_nothing_of_the_corpus_gets_out_over_sockets(root: Path, options: Any) -> None:
    with ticking(static_files(root, **options), Limits()) as server:
        for path in CORPUS:
            answer = ask(server, f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert answer.status in (400, 404) or options, path
            if "dot_files" not in options:
                assert SECRET not in answer.body, path
            elif SECRET in answer.body:
                assert "hidden" in path or ".git" in path
            assert b"root:" not in answer.body


def test_refusals_are_all_the_same(root: Path) -> None:
    with Client(static_files(root)) as client:
        bodies = {client.get(path).body for path in ("/.hidden", "/out", "/pipe", "/none", "/a%00")}
    assert bodies == {b"404 Not Found\n"}


# -- what fails ------------------------------------------------------------------------------------


class Failing:
    """Files of a disk that fails."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def open(self, names: tuple[str, ...]) -> MemoryFile:
        """Fails."""
        raise self.error

    def list(self, names: tuple[str, ...]) -> list[Any]:
        """Fails."""
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "is_logged"),
    [
        (OSError(5, "Input/output error"), 500, True),
        (PermissionError(13, "Permission denied"), 404, True),
        (OSError(24, "Too many open files"), 503, True),
        (FileNotFoundError(2, "none"), 404, False),
        (RuntimeError("a bug"), 500, True),
    ],
)
def test_a_disk_that_fails(error: BaseException, status: int, is_logged: bool) -> None:
    with Client(static_files(Failing(error)), raise_errors=False) as client:
        answer = client.get("/a.txt")
        assert answer.status == status
        assert str(error).encode() not in answer.body
        assert bool(client.log) is is_logged or is_logged


def test_what_may_not_be_read(root: Path) -> None:
    if os.getuid() == 0:
        return  # who may read everything; the table above has it
    (root / "a.txt").chmod(0)
    assert statuses(static_files(root), "/a.txt") == [404]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"root": "/nowhere/at/all"}, FileNotFoundError),
        ({"root": __file__}, NotADirectoryError),
        ({"root": ""}, ValueError),
        ({"root": 3}, TypeError),
        ({"root": None}, TypeError),
        ({"root": {"a": 3}}, TypeError),
        ({"root": {}, "index": "../a"}, ValueError),
        ({"root": {}, "fallback": ".hidden"}, ValueError),
        ({"root": {}, "prefix": "static"}, ValueError),
        ({"root": {}, "cache": "no\r\nno"}, ValueError),
        ({"root": {}, "cache": ("no-store",)}, TypeError),
        ({"root": {}, "headers": {"a b": "c"}}, ValueError),
        ({"root": {}, "types": {"foo": "text/foo"}}, ValueError),
        ({"root": {}, "types": {".foo": "text/foo\r\nX: y"}}, ValueError),
        ({"root": {}, "types": {".foo": 3}}, ValueError),
        ({"root": {}, "types": {".foo.bar": "text/foo"}}, ValueError),
        ({"root": {}, "types": 3}, TypeError),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_is_written(
    arguments: dict[str, Any], error: type[BaseException]
) -> None:
    with pytest.raises(error):
        static_files(arguments.pop("root"), **arguments)
