"""Where a redirect leads, and what goes there."""

import pytest

from sigil.core.client.failures import Failure, FailureKind
from sigil.core.client.redirects import client_reset
from sigil.core.client.requests import CHUNKED, OutgoingRequest, RequestOptions
from sigil.core.client.responses import ResponseHead
from sigil.core.http.headers import Headers
from tests.support.core_agent import request_to


def moved(status: int, location: str | None) -> ResponseHead:
    """A redirect."""
    pairs = () if location is None else (("Location", location),)
    return ResponseHead(1, status, "", Headers(pairs), 0)


def followed(request: OutgoingRequest, status: int, location: str) -> OutgoingRequest:
    """The request that follows."""
    following = client_reset(request, moved(status, location), 0)
    assert isinstance(following, OutgoingRequest), following
    return following


def failed(request: OutgoingRequest, status: int, location: str, count: int = 0) -> FailureKind:
    """The kind of failure that follows."""
    following = client_reset(request, moved(status, location), count)
    assert isinstance(following, Failure)
    return following.kind


@pytest.mark.parametrize(
    ("status", "method", "becomes"),
    [
        (301, "GET", "GET"),
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (302, "PUT", "PUT"),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
        (307, "POST", "POST"),
        (308, "DELETE", "DELETE"),
    ],
)
def test_the_method_is_what_browsers_make_of_it(status: int, method: str, becomes: str) -> None:
    request = request_to(method=method, fields=(("Content-Type", "a/b"),), body=b"x")
    following = followed(request, status, "/b")
    assert following.method == becomes
    has_body = becomes == method
    assert following.body == (b"x" if has_body else b"")
    assert ("content-type" in following.prepared.keys) is has_body


def test_what_is_no_redirect_is_the_response() -> None:
    request = request_to()
    assert client_reset(request, moved(200, "/b"), 0) is None
    assert client_reset(request, moved(302, None), 0) is None
    assert client_reset(request, moved(304, "/b"), 0) is None
    staying = request_to(options=RequestOptions(follow_redirects=False))
    assert client_reset(staying, moved(302, "/b"), 0) is None


def test_credentials_do_not_follow_to_another_origin() -> None:
    fields = (("Authorization", "x"), ("Cookie", "a=b"), ("X-A", "b"), ("Host", "h"))
    request = request_to("http://u:p@a/", fields=fields, options=RequestOptions(cookies="c=d"))
    same = followed(request, 302, "/b")
    assert same.fields == fields and same.uri.userinfo == "u:p" and same.options.cookies == "c=d"
    for location in ("http://b/", "http://a:81/", "https://a/", "//b/"):
        other = followed(request, 302, location)
        assert other.fields == (("X-A", "b"),)
        assert other.uri.userinfo == "" and other.options.cookies == ""


def test_what_cannot_be_followed_is_told() -> None:
    secure = request_to("https://a/")
    assert failed(secure, 302, "http://a/") is FailureKind.REDIRECT
    assert failed(secure, 302, "ftp://a/") is FailureKind.REDIRECT
    assert failed(secure, 302, "/", count=10) is FailureKind.TOO_MANY_REDIRECTS
    stream = request_to(method="POST", body=None, length=CHUNKED)
    assert failed(stream, 307, "/b") is FailureKind.BODY
    assert followed(stream, 303, "/b").body == b""
    again = request_to(method="POST", body=None, length=CHUNKED, can_rewind=True)
    assert followed(again, 307, "/b").body is None
    lenient = request_to("https://a/", options=RequestOptions(may_downgrade=True))
    assert str(followed(lenient, 302, "http://a/").uri) == "http://a/"


def test_a_location_in_utf_8_is_read_as_such() -> None:
    location = "/ü".encode().decode("latin-1")
    assert followed(request_to(), 302, location).uri.path == "/%C3%BC"


def test_a_websocket_is_no_place_for_a_request_to_go() -> None:
    assert failed(request_to(), 302, "ws://127.0.0.1/") is FailureKind.REDIRECT
    opening = request_to("ws://127.0.0.1/", options=RequestOptions(upgrade="websocket"))
    assert followed(opening, 302, "ws://127.0.0.1:81/").uri.port == 81
