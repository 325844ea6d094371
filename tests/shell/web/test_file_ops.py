"""Files that are not in a folder: a mapping, a zip, resources of a package, whatever opens."""

import importlib.resources
import io
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sigil import static_files
from sigil.core.web.listing import Entry
from sigil.shell.program.open_file import MemoryFile
from sigil.shell.web.file_ops import UNPACKED_LEN_MAX, MappingFiles, ZipFiles, file_ops
from sigil.testing import Client

FILES: dict[str, bytes | str] = {
    "index.html": "<h1>h\u00e9llo</h1>",
    "img/a.png": b"\x89PNG" * 50_000,
    "img/deep/b.txt": "b",
}


def zip_of(files: dict[str, bytes | str]) -> io.BytesIO:
    """A zip with these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer


@pytest.mark.parametrize("kind", ["mapping", "zip", "zip by its path"])
def test_files_are_served_from_there(kind: str, tmp_path: Path) -> None:
    root: Any = FILES
    if kind == "zip":
        root = zipfile.ZipFile(zip_of(FILES))
    elif kind != "mapping":
        root = tmp_path / "site.zip"
        root.write_bytes(zip_of(FILES).getvalue())
    with Client(static_files(root, listing=True)) as client:
        page = client.get("/")
        assert page.text == "<h1>h\u00e9llo</h1>"
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert not page.headers["etag"].startswith("W/")
        assert client.get("/", headers={"If-None-Match": page.headers["etag"]}).status == 304
        assert "last-modified" not in page.headers
        part = client.get("/img/a.png", headers={"Range": "bytes=-4"})
        assert (part.status, part.body) == (206, b"\x89PNG")
        assert client.get("/img/a.png").body == FILES["img/a.png"]
        assert client.get("/img").headers["location"] == "/img/"
        assert ">deep/</a>" in client.get("/img/").text
        for path in ("/none", "/img/none", "/index.html/x", "/../index.html", "/none/"):
            assert client.get(path).status == 404


def test_tags_differ_where_contents_do() -> None:
    tags = []
    for content in ("one", "two"):
        with Client(static_files({"a.txt": content})) as client:
            tags.append(client.get("/a.txt").headers["etag"])
    assert tags[0] != tags[1]


def test_resources_of_a_package() -> None:
    with Client(static_files(importlib.resources.files("sigil.browser"), listing=True)) as client:
        module = client.get("/sigil-client.js")
        assert module.headers["content-type"] == "text/javascript; charset=utf-8"
        assert b"export" in module.body
        assert client.get("/none.js").status == 404


def test_a_zip_may_be_damaged_and_a_bomb_is_not_unpacked() -> None:
    data = bytearray(zip_of({"a.txt": "hello" * 100}).getvalue())
    data[40] ^= 0xFF
    with pytest.raises(OSError, match="cannot be unpacked"):
        ZipFiles(zipfile.ZipFile(io.BytesIO(bytes(data)))).open(("a.txt",))
    archive = zipfile.ZipFile(zip_of({"a.txt": "hello"}))
    archive.infolist()[0].file_size = UNPACKED_LEN_MAX + 1
    with pytest.raises(OSError, match="too long"):
        ZipFiles(archive).open(("a.txt",))


def test_a_zip_without_dates_is_listed() -> None:
    archive = zipfile.ZipFile(zip_of({"a.txt": "hello"}))
    archive.infolist()[0].date_time = (1980, 0, 0, 0, 0, 0)
    assert list(ZipFiles(archive).list(())) == [Entry("a.txt", False, 5, 0)]


def test_a_folder_of_a_mapping_is_what_paths_go_through() -> None:
    files = MappingFiles({"/a/b.txt": "b", "c": ""})
    assert list(files.list(())) == [Entry("a", True, 0, 0), Entry("c", False, 0, 0)]
    with pytest.raises(IsADirectoryError):
        files.open(("a",))
    with pytest.raises(FileNotFoundError):
        files.list(("b",)).__iter__().__next__()  # type: ignore[attr-defined]  # a generator


def test_whatever_opens_and_lists_is_taken_as_it_is() -> None:
    class Own:
        """Nothing is there."""

        def open(self, names: tuple[str, ...]) -> Any:
            """Nothing."""
            raise FileNotFoundError

        def list(self, names: tuple[str, ...]) -> list[Entry]:
            """Nothing."""
            return []

    own = Own()
    assert file_ops(own, True) is own
    with Client(static_files(own)) as client:
        assert client.get("/a").status == 404


@pytest.mark.parametrize("data", [b"he", b"hello, world"])
def test_a_file_that_is_not_as_long_as_it_says_is_not_sent_as_if_it_were(data: bytes) -> None:
    class Own(MemoryFile):
        def read(self, offset: int, length: int) -> bytes:
            return data[offset:]

    files = SimpleNamespace(open=lambda names: Own(b"hello"), list=lambda names: [])
    with Client(static_files(files), raise_errors=False) as client:
        assert client.get("/a.bin").status == 500
        assert f"has {len(data)} of the 5 bytes" in client.log[-1].text


def test_a_file_of_ones_own_may_be_read_into_a_bytearray() -> None:
    class Own(MemoryFile):
        def read(self, offset: int, length: int) -> Any:
            return bytearray(b"hello")

    files = SimpleNamespace(open=lambda names: Own(b"hello"), list=lambda names: [])
    with Client(static_files(files)) as client:
        assert client.get("/a.bin").body == b"hello"
