"""Requests as bytes, and what cannot be one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.core.client.requests import (
    CHUNKED,
    OutgoingRequest,
    TargetForm,
    add_query,
    encode_connect,
    encode_request_head,
    make_request,
)
from sigil.core.http.head import Head, parse_headers_only
from sigil.core.http.headers import Pairs
from tests.support.core_agent import request_to, uri_of

DEFAULTS = b"User-Agent: ua\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate, zstd\r\n"


def test_a_head_has_what_a_server_needs() -> None:
    assert encode_request_head(request_to("http://a:81/b?c"), "ua") == (
        b"GET /b?c HTTP/1.1\r\nHost: a:81\r\n" + DEFAULTS + b"\r\n"
    )
    assert encode_request_head(
        request_to("http://u:p@a/", "POST", (("X-A", "b"),), b"xyz"), "ua", "c=d"
    ) == (
        b"POST / HTTP/1.1\r\nHost: a\r\n" + DEFAULTS + b"Authorization: Basic dTpw\r\n"
        b"Cookie: c=d\r\nX-A: b\r\nContent-Length: 3\r\n\r\n"
    )
    assert encode_request_head(
        request_to("http://a/b"), "ua", "", TargetForm.ABSOLUTE, "Basic x"
    ) == (
        b"GET http://a/b HTTP/1.1\r\nHost: a\r\n"
        + DEFAULTS
        + b"Proxy-Authorization: Basic x\r\n\r\n"
    )
    assert encode_connect(uri_of("https://[::1]/"), "ua", "Basic x") == (
        b"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\nUser-Agent: ua\r\n"
        b"Proxy-Authorization: Basic x\r\n\r\n"
    )


def test_fields_of_the_program_replace_the_defaults() -> None:
    fields = (("host", "h"), ("user-agent", "mine"), ("ACCEPT", "a/b"), ("Cookie", "mine"),
              ("Accept-Encoding", "identity"), ("Connection", "close"))  # fmt: skip
    head = encode_request_head(request_to(fields=fields), "ua", "c=d")
    assert head == (
        b"GET / HTTP/1.1\r\nhost: h\r\nuser-agent: mine\r\nACCEPT: a/b\r\nCookie: mine\r\n"
        b"Accept-Encoding: identity\r\nConnection: close\r\n\r\n"
    )


def test_bodies_are_framed_by_what_is_known_of_them() -> None:
    for method, body, length, line in (
        ("POST", b"", 0, b"Content-Length: 0\r\n"),
        ("GET", b"x", 0, b"Content-Length: 1\r\n"),
        ("PUT", None, 7, b"Content-Length: 7\r\n"),
        ("PUT", None, CHUNKED, b"Transfer-Encoding: chunked\r\n"),
    ):
        request = request_to(method=method, body=body, length=length)
        assert encode_request_head(request, "ua").endswith(line + b"\r\n")
    request = request_to(method="PUT", body=None, length=CHUNKED, fields=(("Content-Length", "5"),))
    assert request.length == 5
    assert b"Content-Length" not in encode_request_head(request_to(method="DELETE"), "ua")


@pytest.mark.parametrize(
    ("method", "fields", "body"),
    [
        ("G ET", (), b""),
        ("", (), b""),
        ("CONNECT", (), b""),
        ("GET", (("a b", "c"),), b""),
        ("GET", (("a", "b\r\nc: d"),), b""),
        ("GET", (("a", "\u20ac"),), b""),
        ("GET", (("Transfer-Encoding", "chunked"),), b""),
        ("GET", (("Expect", "100-continue"),), b""),
        ("PUT", (("Content-Length", "2"),), b"x"),
        ("PUT", (("Content-Length", "x"),), b"x"),
    ],
)
def test_what_cannot_be_sent_is_told(method: str, fields: Pairs, body: bytes) -> None:
    assert isinstance(make_request(method, uri_of("http://a/"), fields, body), str)


TOKENS = st.from_regex(r"[A-Za-z-]{1,8}", fullmatch=True)
VALUES = st.from_regex(r"[!-~]([ -~]{0,8}[!-~])?", fullmatch=True)


@given(
    st.sampled_from(("GET", "POST", "PUT", "DELETE")),
    st.text(max_size=10),
    st.lists(st.tuples(TOKENS, VALUES), max_size=4),
    st.binary(max_size=20),
)
def test_what_is_sent_is_what_our_server_reads(
    method: str, path: str, pairs: list[tuple[str, str]], body: bytes
) -> None:
    request = make_request(method, uri_of("http://a/").replace(path="/x"), tuple(pairs), body)
    if isinstance(request, str):
        return
    uri = add_query(request.uri, (("q", path.encode("utf-8", "replace").decode()),))
    head = parse_headers_only(encode_request_head(request.replace(uri=uri), "ua") + body)
    assert isinstance(head, Head), head
    assert (head.method, head.path, head.body_length) == (method, "/x", len(body))
    for name, value in pairs:
        assert value in head.headers.get_all(name) or name.lower() == "connection"


def test_a_query_is_added_to() -> None:
    uri = uri_of("http://a/?b=c")
    assert add_query(uri, (("d", "e f&"), ("g", "ü"))).query == "b=c&d=e%20f%26&g=%C3%BC"
    assert add_query(uri_of("http://a/"), (("d", ""),)).query == "d="
    assert add_query(uri, ()) is uri
    assert isinstance(request_to(), OutgoingRequest)
