"""Entity tags by content, and what a client that has the content is answered."""

import pytest

from sigil.core.http.response import Response
from sigil.core.web.etags import content_tag, if_changed
from tests.support.requests import make_request

TAG = content_tag(b"hello")
TEXT = Response.text("hello", headers={"Cache-Control": "max-age=5", "Vary": "Accept"})
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
TAGGED = Response.text("x", headers={"ETag": '"v1"', "Last-Modified": DATE})


def test_a_content_has_one_tag() -> None:
    assert TAG == '"jtclL0sD-eg3bbWy"'
    assert content_tag(b"hello", is_weak=True) == f"W/{TAG}"
    assert content_tag(b"hellO") != TAG


def test_a_response_is_tagged() -> None:
    response = if_changed(make_request(), TEXT)
    assert response.headers == (*TEXT.headers, ("ETag", TAG))
    assert response.body == b"hello"


@pytest.mark.parametrize("seen", [TAG, f"W/{TAG}", f'"other", {TAG}', "*", f" {TAG} "])
def test_who_has_it_is_not_sent_it_again(seen: str) -> None:
    for method in ("GET", "HEAD"):
        response = if_changed(make_request("/", ("If-None-Match", seen), method=method), TEXT)
        assert (response.status, response.body) == (304, b"")
        assert response.headers == (
            ("Cache-Control", "max-age=5"),
            ("Vary", "Accept"),
            ("ETag", TAG),
        )


@pytest.mark.parametrize("seen", ['"other"', "", TAG.strip('"'), f"{TAG[:-1]}", "x, y"])
def test_who_has_something_else_is_sent_all(seen: str) -> None:
    response = if_changed(make_request("/", ("If-None-Match", seen)), TEXT)
    assert (response.status, response.body) == (200, b"hello")


def test_the_tag_and_the_date_of_the_handler_count() -> None:
    for name, value, status in (
        ("If-None-Match", '"v1"', 304),
        ("If-None-Match", content_tag(b"x"), 200),
        ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT", 304),
        ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:36 GMT", 200),
        ("If-Match", '"v2"', 412),
        ("If-Match", '"v1"', 200),
    ):
        assert if_changed(make_request("/", (name, value)), TAGGED).status == status


def test_a_stream_is_not_tagged_and_its_own_tag_counts() -> None:
    stream = Response.stream([b"x"])
    assert if_changed(make_request(), stream) is stream
    tagged = Response.stream([b"x"], headers={"ETag": 'W/"7"'})
    assert if_changed(make_request("/", ("If-None-Match", '"7"')), tagged).status == 304


@pytest.mark.parametrize(
    ("response", "method"),
    [
        (TEXT, "POST"),
        (Response.text("hello", 404), "GET"),
        (Response.text("hello", 206), "GET"),
        (Response.text("hello", headers={"Cache-Control": "private, No-Store"}), "GET"),
        (Response.upgrade(), "GET"),
        (Response.sse(), "GET"),
        (Response.text(""), "HEAD"),
    ],
)
def test_what_is_left_alone_is_the_very_response(response: Response, method: str) -> None:
    request = make_request("/", ("If-None-Match", "*"), method=method)
    if method != "HEAD":
        assert if_changed(request, response) is response
    assert "ETag" not in dict(if_changed(make_request(method=method), response).headers)
