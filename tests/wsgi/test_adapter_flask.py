"""A Flask program, as Flask's own documents write one, served by sigil and asked with httpx."""

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from flask import Flask, Response, abort, redirect, request, send_file, session, stream_with_context

from sigil import make_http_server
from sigil.wsgi import handler
from tests.support.servers import PATIENCE

DATA = bytes(range(256)) * 4_096


def make_app(folder: Path) -> Flask:
    """The program."""
    (folder / "static").mkdir()
    (folder / "static" / "style.css").write_text("p { color: red }")
    (folder / "data.bin").write_bytes(DATA)
    app = Flask(__name__, root_path=str(folder))
    app.secret_key = "change-me"
    app.logger.setLevel(logging.INFO)

    @app.get("/<name>/é")
    def hello(name: str) -> str:
        return f"hello {name}, {request.remote_addr} at {request.host}, {request.args['q']}"

    @app.post("/form")
    def form() -> str:
        return f"{request.form['name']} {request.form.getlist('number')}"

    @app.post("/upload")
    def upload() -> dict[str, object]:
        file = request.files["file"]
        length = sum(len(block) for block in iter(lambda: file.stream.read(65_536), b""))
        return {"name": file.filename, "length": length, "text": request.form["text"]}

    @app.post("/raw")
    def raw() -> str:
        return str(len(request.get_data()))

    @app.get("/count")
    def count() -> str:
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    @app.get("/stream")
    def stream() -> Response:
        def lines() -> Iterator[str]:
            for number in range(100):
                yield f"{request.args['word']} {number}\n"

        return Response(stream_with_context(lines()), mimetype="text/plain")

    @app.get("/file")
    def file() -> Response:
        return send_file("data.bin", conditional=True)

    @app.get("/fail")
    def fail() -> str:
        raise KeyError("on purpose")

    @app.get("/gone")
    def gone() -> Response:
        return abort(410)

    @app.get("/away")
    def away() -> Response:
        app.logger.info("going away")
        return redirect("/count")  # type: ignore[return-value]  # a response of werkzeug's

    return app


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    app = make_app(tmp_path_factory.mktemp("flask"))
    server = make_http_server(handler(app), port=0)
    with server.serve_in_thread():
        address = f"http://127.0.0.1:{server.port}"
        with httpx.Client(base_url=address, timeout=PATIENCE) as asking:
            yield asking


def test_a_path_a_query_and_a_host(client: httpx.Client) -> None:
    answer = client.get("/Zo%C3%AB%20/%C3%A9?q=%E2%82%AC")
    host = f"127.0.0.1:{client.base_url.port}"
    assert answer.text == f"hello Zoë , 127.0.0.1 at {host}, €"


def test_forms(client: httpx.Client) -> None:
    answer = client.post("/form", data={"name": "é", "number": ["1", "2"]})
    assert answer.text == "é ['1', '2']"


@pytest.mark.parametrize("length", [0, 1_000, 3_000_000])
def test_uploads(client: httpx.Client, length: int) -> None:
    file = ("a.bin", io.BytesIO(b"x" * length))
    answer = client.post("/upload", files={"file": file}, data={"text": "beside"})
    assert answer.json() == {"name": "a.bin", "length": length, "text": "beside"}


@pytest.mark.parametrize("count", [3, 300])
def test_a_body_in_chunks(client: httpx.Client, count: int) -> None:
    assert client.post("/raw", content=(b"x" * 1_000 for _ in range(count))).text == f"{count}000"


def test_sessions(client: httpx.Client) -> None:
    assert [client.get("/count").text for _ in range(3)] == ["1", "2", "3"]


def test_streams(client: httpx.Client) -> None:
    text = client.get("/stream", params={"word": "line"}).text
    assert text.splitlines() == [f"line {number}" for number in range(100)]


def test_files_and_parts_of_them(client: httpx.Client) -> None:
    whole = client.get("/file")
    assert (whole.content, whole.headers["content-length"]) == (DATA, str(len(DATA)))
    part = client.get("/file", headers={"Range": "bytes=1000-1999"})
    assert (part.status_code, part.content) == (206, DATA[1000:2000])
    again = client.get("/file", headers={"If-None-Match": whole.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = client.head("/file")
    assert (head.content, head.headers["content-length"]) == (b"", str(len(DATA)))
    assert client.get("/static/style.css").text == "p { color: red }"


def test_errors_are_flasks(client: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    assert client.get("/fail").status_code == 500
    assert "on purpose" in caplog.text
    assert client.get("/gone").status_code == 410
    assert client.get("/none").status_code == 404
    away = client.get("/away")
    assert (away.status_code, away.headers["location"]) == (302, "/count")
    assert client.post("/count").status_code == 405
