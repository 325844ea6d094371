"""The environ of a request, in literal values."""

from typing import Any
from urllib.parse import quote
from wsgiref.util import request_uri

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil import Headers, Peer
from sigil.wsgi.environ import (
    Place,
    address_of,
    check_script_name,
    environ_key,
    make_environ,
    split_host,
    split_path,
)
from tests.support.requests import make_request

HERE = Place("", "192.0.2.1", 8080)


def environ_of(
    target: str = "/", *fields: tuple[str, str], place: Place = HERE, **more: Any
) -> dict[str, Any]:
    """The environ of a request, with nothing of the server's in it."""
    return make_environ(make_request(target, *fields).replace(**more), {}, place)


def test_all_of_it_for_a_request() -> None:
    request = make_request("/a%20b?x=1&y=%2F", ("Host", "shop.example:8000"), ("Accept", "*/*"))
    assert make_environ(request, {"wsgi.version": (1, 0)}, HERE) == {
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a b",
        "QUERY_STRING": "x=1&y=%2F",
        "REQUEST_URI": "/a%20b?x=1&y=%2F",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "shop.example",
        "SERVER_PORT": "8000",
        "REMOTE_ADDR": "192.0.2.7",
        "REMOTE_PORT": "50000",
        "HTTP_HOST": "shop.example:8000",
        "HTTP_ACCEPT": "*/*",
        "sigil.request": request,
    }


@pytest.mark.parametrize(
    ("target", "path_info"),
    [
        ("/", "/"),
        ("//a//b/", "//a//b/"),
        ("/a/../b/./c", "/a/../b/./c"),
        ("/%41%2fb", "/A/b"),
        ("/%C3%A9", "/\xc3\xa9"),
        ("/%ff%00", "/\xff\x00"),
        ("/100%25", "/100%"),
        ("/a;p=1", "/a;p=1"),
        ("http://other.example/a%20b?c", "/a b"),
        ("http://other.example", "/"),
    ],
)
def test_path_info_is_bytes_as_characters(target: str, path_info: str) -> None:
    environ = environ_of(target)
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("", path_info)


@pytest.mark.parametrize(
    ("subpath", "mount_path", "script_name", "expected"),
    [
        ("/a", "", "", ("", "/a")),
        ("/a", "/in", "", ("/in", "/a")),
        ("", "/in", "", ("/in", "")),
        ("/%C3%A9", "/%C3%A9", "", ("/\xc3\xa9", "/\xc3\xa9")),
        ("/a", "", "/app", ("/app", "/a")),
        ("/app/a", "", "/app", ("/app", "/a")),
        ("/app", "", "/app", ("/app", "")),
        ("/app/", "", "/app", ("/app", "/")),
        ("/apple", "", "/app", ("/app", "/apple")),
        ("/a", "/in", "/app", ("/app/in", "/a")),
        ("/a", "/app/in", "/app", ("/app/in", "/a")),
        ("/in/a", "/app", "/app/in", ("/app/in", "/a")),
        ("/a", "", "/%C3%A9", ("/\xc3\xa9", "/a")),
    ],
)
def test_where_an_application_is(
    subpath: str, mount_path: str, script_name: str, expected: tuple[str, str]
) -> None:
    assert split_path(subpath, mount_path, script_name) == expected


@given(st.binary(), st.sampled_from(["", "/app", "/%C3%A9"]))
def test_a_path_comes_back_by_the_rule_of_the_pep(path: bytes, script_name: str) -> None:
    target = "/" + quote(path)
    place = HERE._replace(script_name=script_name)
    environ = environ_of(target, ("Host", "a.example"), place=place)
    whole = environ["SCRIPT_NAME"] + environ["PATH_INFO"]
    assert whole.encode("latin-1").endswith(b"/" + path)
    uri = request_uri(environ, include_query=False)
    assert uri.startswith("http://a.example/")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("accept", "HTTP_ACCEPT"),
        ("x-forwarded-for", "HTTP_X_FORWARDED_FOR"),
        ("content-type", "CONTENT_TYPE"),
        ("content-length", "CONTENT_LENGTH"),
        ("content-encoding", "HTTP_CONTENT_ENCODING"),
        ("transfer-encoding", ""),
        ("x_forwarded_for", ""),
        ("content_length", ""),
        ("x-a_b", ""),
    ],
)
def test_the_key_of_a_field(name: str, key: str) -> None:
    assert environ_key(name) == key


def test_fields_are_joined_and_those_with_underscores_are_left_out() -> None:
    environ = environ_of(
        "/",
        ("Accept", "a"), ("accept", "b"), ("Cookie", "x=1"), ("cookie", "y=2"),
        ("X_User", "root"), ("X-Name", "\xe9"), ("Content-Type", "text/plain"),
        ("Content-Length", "0"),
    )  # fmt: skip
    assert environ["HTTP_ACCEPT"] == "a, b"
    assert environ["HTTP_COOKIE"] == "x=1; y=2"
    assert environ["HTTP_X_NAME"] == "\xe9"
    assert (environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"]) == ("text/plain", "0")
    left_out = {"HTTP_X_USER", "HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"}
    assert not left_out & environ.keys()


@pytest.mark.parametrize(
    ("host", "scheme", "expected"),
    [
        ("a.example", "http", ("a.example", "80")),
        ("a.example", "https", ("a.example", "443")),
        ("a.example:1", "https", ("a.example", "1")),
        ("a.example:", "http", ("a.example", "80")),
        ("[::1]", "http", ("[::1]", "80")),
        ("[::1]:8000", "http", ("[::1]", "8000")),
    ],
)
def test_server_name_and_port_are_of_the_host(
    host: str, scheme: str, expected: tuple[str, str]
) -> None:
    assert split_host(host, scheme) == expected


def test_who_names_no_host_gets_the_servers() -> None:
    environ = environ_of("/", version=0)
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("192.0.2.1", "8080")
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.0"
    assert "HTTP_HOST" not in environ
    unknown = environ_of("/", place=Place(), scheme="https")
    assert (unknown["SERVER_NAME"], unknown["SERVER_PORT"]) == ("localhost", "443")


def test_the_host_of_an_absolute_target_goes_before_the_field() -> None:
    environ = environ_of("http://other.example:81/a", ("Host", "a.example"))
    assert (environ["HTTP_HOST"], environ["SERVER_NAME"], environ["SERVER_PORT"]) == (
        "other.example:81", "other.example", "81",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        (Peer("192.0.2.7", 1), ("192.0.2.7", "1")),
        (Peer("2001:db8::1", 1), ("2001:db8::1", "1")),
        (Peer("192.0.2.7", 0), ("192.0.2.7", None)),
        (Peer("/run/app.sock", 0), ("", None)),
        (Peer("", 0), ("", None)),
        (Peer("@name", 0), ("", None)),
    ],
)
def test_the_peer(peer: Peer, expected: tuple[str, str | None]) -> None:
    environ = environ_of("/", peer=peer)
    assert (environ["REMOTE_ADDR"], environ.get("REMOTE_PORT")) == expected
    assert address_of("192.0.2.7") == "192.0.2.7"


def test_the_scheme_is_that_of_the_request() -> None:
    environ = environ_of("/", ("Host", "a.example"), scheme="https")
    assert (environ["wsgi.url_scheme"], environ["SERVER_PORT"]) == ("https", "443")


def test_what_a_proxy_says_is_not_believed_here() -> None:
    headers = Headers((("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-Proto", "https")))
    environ = environ_of("/", headers=headers)
    assert (environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]) == ("192.0.2.7", "http")


@pytest.mark.parametrize("script_name", ["", "/app", "/a/b", "/%C3%A9"])
def test_paths_that_lead_to_an_application(script_name: str) -> None:
    assert check_script_name(script_name) is None


@pytest.mark.parametrize("script_name", ["app", "/", "/app/", "/\xe9", "/a?b", None, 1])
def test_paths_that_do_not(script_name: object) -> None:
    assert "script_name is" in str(check_script_name(script_name))
