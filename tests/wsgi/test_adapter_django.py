"""A Django program in one file, served by sigil and asked with httpx."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import httpx
import pytest
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views.static import serve

from sigil import make_http_server
from sigil.wsgi import handler
from tests.support.servers import PATIENCE

DATA = bytes(range(256)) * 4_096
FOLDER: list[Path] = []


def home(request: HttpRequest, name: str) -> HttpResponse:
    return HttpResponse(f"hello {name}, {request.GET['q']} at {request.build_absolute_uri()}")


def form(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{request.POST['name']} {request.POST.getlist('number')}")


def upload(request: HttpRequest) -> HttpResponse:
    file: Any = request.FILES["file"]
    length = sum(len(chunk) for chunk in file.chunks())
    return JsonResponse({"name": file.name, "length": length, "text": request.POST["text"]})


def raw(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(len(request.body)))


def count(request: HttpRequest) -> HttpResponse:
    request.session["count"] = request.session.get("count", 0) + 1
    return HttpResponse(str(request.session["count"]))


def stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(f"line {number}\n" for number in range(100))


def file(request: HttpRequest) -> FileResponse:
    return FileResponse((FOLDER[0] / "data.bin").open("rb"))


def fail(request: HttpRequest) -> HttpResponse:
    raise KeyError("on purpose")


def static(request: HttpRequest, name: str) -> Any:
    return serve(request, name, document_root=str(FOLDER[0]))


urlpatterns = [
    path("hello/<name>/", home),
    path("form", form),
    path("upload", upload),
    path("raw", raw),
    path("count", count),
    path("stream", stream),
    path("file", file),
    path("fail", fail),
    path("static/<path:name>", static),
]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("django")
    (folder / "data.bin").write_bytes(DATA)
    FOLDER.append(folder)
    settings.configure(
        ROOT_URLCONF=__name__,
        SECRET_KEY="change-me",
        ALLOWED_HOSTS=["127.0.0.1"],
        DEFAULT_CHARSET="utf-8",
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
        ],
        DATABASES={},
    )
    django.setup()
    server = make_http_server(handler(get_wsgi_application(), script_name="/site"), port=0)
    with server.serve_in_thread():
        address = f"http://127.0.0.1:{server.port}"
        with httpx.Client(base_url=address, timeout=PATIENCE) as asking:
            yield asking


def test_a_path_a_query_and_the_name_of_the_script(client: httpx.Client) -> None:
    answer = client.get("/hello/Zo%C3%AB/?q=%E2%82%AC")
    uri = f"http://127.0.0.1:{client.base_url.port}/site/hello/Zo%C3%AB/?q=%E2%82%AC"
    assert answer.text == f"hello Zoë, € at {uri}"


def test_forms(client: httpx.Client) -> None:
    answer = client.post("/form", data={"name": "é", "number": ["1", "2"]})
    assert answer.text == "é ['1', '2']"


@pytest.mark.parametrize("length", [1, 1_000, 3_000_000])
def test_uploads(client: httpx.Client, length: int) -> None:
    sent = ("a.bin", io.BytesIO(b"x" * length))
    answer = client.post("/upload", files={"file": sent}, data={"text": "beside"})
    assert answer.json() == {"name": "a.bin", "length": length, "text": "beside"}


def test_a_short_body_in_chunks_has_a_length(client: httpx.Client) -> None:
    assert client.post("/raw", content=(b"x" * 1_000 for _ in range(3))).text == "3000"


def test_sessions(client: httpx.Client) -> None:
    assert [client.get("/count").text for _ in range(3)] == ["1", "2", "3"]


def test_streams(client: httpx.Client) -> None:
    assert client.get("/stream").text.splitlines() == [f"line {number}" for number in range(100)]


def test_files(client: httpx.Client) -> None:
    answer = client.get("/file")
    assert (answer.content, answer.headers["content-length"]) == (DATA, str(len(DATA)))
    found = client.get("/static/data.bin")
    assert found.content == DATA
    since = {"If-Modified-Since": found.headers["last-modified"]}
    assert client.get("/static/data.bin", headers=since).status_code == 304


def test_errors_are_djangos(client: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    assert client.get("/fail").status_code == 500
    assert "on purpose" in caplog.text
    assert client.get("/none").status_code == 404
    assert client.get("/count", headers={"Host": "evil.example"}).status_code == 400
