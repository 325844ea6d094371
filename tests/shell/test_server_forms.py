"""Forms that others wrote: curl, httpx, aiohttp, requests and a browser against a real server.

Theory: a form is right when what was put in comes out, whoever has encoded it. So the server gives
back what it has read, and each client is asked for names and contents that are known to be hard.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
import requests

from sigil import HttpServer, Limits, Request, Response
from sigil.core.http.part_scanner import MISSING
from sigil.web import FormReader
from tests.support.browser import browser_at
from tests.support.forms import CONTENT_TYPE, form, part
from tests.support.servers import HOST, PATIENCE, ask, in_thread, logged_by, make, ticking
from tests.tools import need, needs

HARD_NAMES = ["plain.txt", "two words.txt", "é€😀.txt", "semi;colon=.txt", "a'b.txt", "50%.txt"]


def told(request: Request) -> Any:
    """What a request holds as a form, parsed whole; and it is the same piece by piece."""
    whole = request.form_data()
    files = [
        [file.name, file.filename, file.content_type, file.data.decode("latin-1")]
        for file in whole.files
    ]
    with FormReader(request.headers["content-type"], request.bounds, spool_len=100) as reader:
        for start in range(0, len(request.body), 1_000):
            reader.feed(request.body[start : start + 1_000])
        pieces = reader.finish()
        assert pieces.fields == whole.fields
        assert [file.read() for file in pieces.files] == [file.data for file in whole.files]
    return {"fields": [list(pair) for pair in whole.fields], "files": files}


def app(request: Request) -> Response:
    return Response.json(told(request))


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with in_thread(make(app, Limits())) as server:
        yield server


def address(server: HttpServer) -> str:
    return f"http://{HOST}:{server.port}/"


# -- curl ------------------------------------------------------------------------------------------


def curl(server: HttpServer, *arguments: str) -> Any:
    """What the server has read of a form that curl has sent."""
    command = [need("curl"), "-sS", "--max-time", str(PATIENCE), *arguments, address(server)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(result.stdout)


@needs("curl")
def test_curl_sends_fields_and_files(server: HttpServer, tmp_path: Path) -> None:
    (tmp_path / "a b.txt").write_text("one\r\ntwo")
    (tmp_path / "pixel.png").write_bytes(bytes(range(256)) * 50)
    got = curl(
        server,
        *("-F", "name=Ada Lovelace", "-F", "note=<" + str(tmp_path / "a b.txt")),
        *("-F", f"photo=@{tmp_path / 'pixel.png'}", "-F", f"docs=@{tmp_path / 'a b.txt'}"),
        *("-F", f'docs=@{tmp_path / "a b.txt"};filename="ü;x.txt";type=text/x-a;headers="X-A: b"'),
        *("--form-string", "raw=@not;a=file"),
    )
    pixels = (bytes(range(256)) * 50).decode("latin-1")
    assert got == {
        "fields": [["name", "Ada Lovelace"], ["note", "one\r\ntwo"], ["raw", "@not;a=file"]],
        "files": [
            ["photo", "pixel.png", "image/png", pixels],
            ["docs", "a b.txt", "text/plain", "one\r\ntwo"],
            ["docs", "ü;x.txt", "text/x-a", "one\r\ntwo"],
        ],
    }


@needs("curl")
def test_curl_sends_an_urlencoded_form_with_the_same_names(server: HttpServer) -> None:
    got = curl(server, "--data-urlencode", "a=x y&z", "-d", "b=1", "-d", "b=2")
    assert got == {"fields": [["a", "x y&z"], ["b", "1"], ["b", "2"]], "files": []}


# -- libraries -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HARD_NAMES)
def test_httpx_and_requests_send_names_as_they_are(server: HttpServer, name: str) -> None:
    files = {"file": (name, b"x\0y", "application/x-a")}
    expected = {
        "fields": [["a", "é"]],
        "files": [["file", name, "application/x-a", "x\0y"]],
    }
    where = address(server)
    assert httpx.post(where, data={"a": "é"}, files=files, timeout=PATIENCE).json() == expected
    assert requests.post(where, data={"a": "é"}, files=files, timeout=PATIENCE).json() == expected


@pytest.mark.parametrize("name", [name for name in HARD_NAMES if "%" not in name])
def test_aiohttp_sends_names_as_they_are_if_it_is_told_to(server: HttpServer, name: str) -> None:
    async def post() -> Any:
        data = aiohttp.FormData(quote_fields=False)
        data.add_field("é", "1")
        data.add_field("file", b"x", filename=name, content_type="application/x-a")
        async with (
            aiohttp.ClientSession() as session,
            session.post(address(server), data=data) as answer,
        ):
            return await answer.json()

    assert asyncio.run(post()) == {
        "fields": [["é", "1"]],
        "files": [["file", name, "application/x-a", "x"]],
    }


# -- a browser -------------------------------------------------------------------------------------

PAGE = """<!doctype html><meta charset="utf-8">
<form method="post" action="/page" enctype="multipart/form-data">
<input type="hidden" name="_charset_"><input name="a" value="é€😀">
<textarea name="t">one
two</textarea><input type="file" name="empty"></form>
<script>
addEventListener("load", async () => {
  const data = new FormData();
  data.append('quo"te', "1");
  data.append("back\\\\slash", "2\\r\\n3");
  data.append("line\\nend", "4\\n5");
  data.append("blob", new Blob(["x"]));
  data.append("file", new File([new Uint8Array([0, 255, 13, 10])], 'a"\\\\b\\\\.txt',
    {type: "text/x-a"}));
  data.append("last", new File(["y"], "back\\\\"));
  data.append("empty", new File([], "none"));
  await fetch("/fetch", {method: "POST", body: data});
  await fetch("/none", {method: "POST", body: new FormData()});
  document.querySelector("form").submit();
});
</script>"""


@needs("chromium")
def test_a_browser_sends_what_its_page_has(tmp_path: Path) -> None:
    got: dict[str, Any] = {}

    def site(request: Request) -> Response:
        if request.method == "POST":
            got[request.path] = told(request)
        return Response.html(PAGE if request.path == "/" else "<p>")

    with ticking(site) as server, browser_at(tmp_path, address(server)):
        deadline = time.monotonic() + 60
        while len(got) < 3 and time.monotonic() < deadline:
            server.tick(0.05)
    assert got["/fetch"] == {
        "fields": [
            ["quo%22te", "1"],
            ["back\\slash", "2\r\n3"],
            ["line%0D%0Aend", "4\r\n5"],
        ],
        "files": [
            ["blob", "blob", "application/octet-stream", "x"],
            ["file", "a%22\\b\\.txt", "text/x-a", "\0\xff\r\n"],
            ["last", "back\\", "application/octet-stream", "y"],
            ["empty", "none", "application/octet-stream", ""],
        ],
    }
    assert got["/none"] == {"fields": [], "files": []}
    assert got["/page"] == {
        "fields": [["_charset_", "UTF-8"], ["a", "é€😀"], ["t", "one\r\ntwo"]],
        "files": [],
    }


# -- what is wrong ---------------------------------------------------------------------------------


def post_of(body: bytes, kind: str = CONTENT_TYPE) -> bytes:
    head = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"x", 400, "the body of the form has no boundary"),
        (form(part('name="a"', b"", *["X: y"] * 8)), 431, "part 1 of the form has more than 8"),
        (form(part('name="a"', bytes(2**20))), 413, "the form has more than 1048576 bytes beside"),
        (form(part('name="a"', b"", "Content-Type: text/plain; charset=koi8-r")), 415, "'koi8-r'"),
    ],
)
def test_a_form_that_is_refused_is_told_why_and_is_in_no_log(
    body: bytes, status: int, words: str
) -> None:
    with ticking(app) as server, logged_by("sigil.error") as lines:
        answer = ask(server, post_of(body), "POST")
        assert (answer.status, words in answer.text) == (status, True)
        assert ask(server, post_of(form()), "POST").status == 200
        assert lines == []


def test_without_the_package_the_client_is_not_to_blame(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("python_multipart", "python_multipart.multipart"):
        monkeypatch.setitem(sys.modules, name, None)
    with ticking(app) as server, logged_by("sigil.error") as lines:
        answer = ask(server, post_of(form()), "POST")
        assert (answer.status, answer.text) == (500, "500 Internal Server Error\n")
        assert len(lines) == 1 and MISSING in lines[0]
        assert (
            ask(server, post_of(b"a=1", "application/x-www-form-urlencoded"), "POST").status == 200
        )
