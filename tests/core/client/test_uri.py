"""URIs: what is one, what is none, and where a reference leads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.core.client.uri import (
    URI_LEN_MAX,
    Uri,
    is_same_origin,
    resolve_reference,
    split_uri,
)
from sigil.core.parse_result import Malformed
from tests.support.core_agent import uri_of


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("http://a", Uri("http", "a", 80)),
        ("https://a/", Uri("https", "a", 443)),
        ("ws://a:8080/b", Uri("ws", "a", 8080, "/b")),
        ("wss://a?b", Uri("wss", "a", 443, "/", "b")),
        ("HTTP://EXAMPLE.com./B", Uri("http", "example.com.", 80, "/B")),
        ("http://[::1]:81/x", Uri("http", "::1", 81, "/x")),
        ("http://[FE80::1%25eth0]/", Uri("http", "fe80::1%eth0", 80)),
        ("http://127.0.0.1/", Uri("http", "127.0.0.1", 80)),
        ("http://u:p%40@a/b?c=d#e", Uri("http", "a", 80, "/b", "c=d", "u:p%40", "e")),
        ("http://a/b c/ü?d=é", Uri("http", "a", 80, "/b%20c/%C3%BC", "d=%C3%A9")),
        ("http://a/%2f%zz", Uri("http", "a", 80, "/%2f%25zz")),
        ("http://a/b/../c/./d", Uri("http", "a", 80, "/c/d")),
        ("http://a//b", Uri("http", "a", 80, "//b")),
        ("http://a?", Uri("http", "a", 80, "/", "")),
        ("http://bücher.example", Uri("http", "xn--bcher-kva.example", 80)),
        (" http://a_b-c/ ", Uri("http", "a_b-c", 80)),
    ],
)
def test_a_url_has_its_parts(text: str, uri: Uri) -> None:
    assert split_uri(text) == uri


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no scheme"),
        ("localhost:8080/x", "no scheme"),
        ("//a/b", "no scheme"),
        ("/a", "no scheme"),
        ("ftp://a/", "the scheme ftp"),
        ("http://", "no host"),
        ("http:///a", "no host"),
        ("http:/a", "no host"),
        ("http://:80/", "no host"),
        ("http://a b/", "not a host name"),
        ("http://-a/", "not a host name"),
        ("http://a..b/", "not a host name"),
        (f"http://{'a' * 64}/", "not a host name"),
        ("http://1.2.3/", "not an IPv4 address"),
        ("http://256.1.1.1/", "not an IPv4 address"),
        ("http://[::1/", "not closed by a bracket"),
        ("http://[::1]x/", "not closed by a bracket"),
        ("http://[a]/", "not an IPv6 address"),
        ("http://::1/", "stands in brackets"),
        ("http://a:0/", "a number from 1 to 65535"),
        ("http://a:65536/", "a number from 1 to 65535"),
        ("http://a:x/", "a number from 1 to 65535"),
        ("http://a:٣/", "a number from 1 to 65535"),
        ("http://a/\r\nb", "a control character"),
        ("http://a\x00/", "a control character"),
        ("http://a/" + "b" * URI_LEN_MAX, "longer than"),
        ("http://a/\ud800", "cannot be encoded"),
    ],
)
def test_what_is_no_url_is_told_why(text: str, sentence: str) -> None:
    result = split_uri(text)
    assert isinstance(result, Malformed)
    assert sentence in result.message


def test_a_sentence_has_no_credentials() -> None:
    for text in ("u:secret@a", "http://u:secret@", "x://u:secret@a", "http://u:secret@a:b/"):
        result = split_uri(text)
        assert isinstance(result, Malformed)
        assert "secret" not in result.message


@given(st.text(max_size=40))
def test_any_text_is_a_url_or_is_not(text: str) -> None:
    for candidate in (text, f"http://{text}", f"http://a/{text}"):
        result = split_uri(candidate)
        if isinstance(result, Uri):
            # what is shown is read as what it was, but for what is not shown
            again = split_uri(str(result))
            assert again == result.replace(userinfo="", fragment="")
            assert str(result).isascii()


def test_the_parts_of_a_uri_are_written_as_they_are_sent() -> None:
    uri = uri_of("https://u%40:p%3A@[::1]:444/a?b#c")
    assert (uri.host_field, uri.authority, uri.target) == ("[::1]:444", "[::1]:444", "/a?b")
    assert (uri.user, uri.password, uri.is_secure) == ("u@", "p:", True)
    assert str(uri) == "https://[::1]:444/a?b"
    assert uri_of("http://a:80/").host_field == "a"
    assert uri_of("http://a/x?token=s3cret").shown == "http://a/x?..."


def test_an_origin_is_scheme_host_and_port() -> None:
    one = uri_of("http://a/b")
    assert is_same_origin(one, uri_of("http://A:80/c"))
    for other in ("https://a/", "http://b/", "http://a:81/"):
        assert not is_same_origin(one, uri_of(other))


BASE = uri_of("http://a/b/c/d;p?q#f")
RFC_3986 = {
    "g": "/b/c/g",
    "./g": "/b/c/g",
    "g/": "/b/c/g/",
    "/g": "/g",
    "?y": "/b/c/d;p?y",
    "g?y": "/b/c/g?y",
    "#s": "/b/c/d;p?q",
    ";x": "/b/c/;x",
    "g;x=1/./y": "/b/c/g;x=1/y",
    "": "/b/c/d;p?q",
    ".": "/b/c/",
    "./": "/b/c/",
    "..": "/b/",
    "../g": "/b/g",
    "../..": "/",
    "../../g": "/g",
    "../../../g": "/g",
    "/./g": "/g",
    "/../g": "/g",
    "g.": "/b/c/g.",
    "..g": "/b/c/..g",
    "./g/.": "/b/c/g/",
    "g/../h": "/b/c/h",
    "g;x=1/../y": "/b/c/y",
    "g?y/../x": "/b/c/g?y/../x",
}
"""The examples of RFC 3986 section 5.4."""


def test_references_lead_where_the_standard_has_them() -> None:
    assert {reference: resolved(reference).target for reference in RFC_3986} == RFC_3986
    assert resolved("//g/h") == Uri("http", "g", 80, "/h", None, "", "f")
    assert resolved("https://g#h") == Uri("https", "g", 443, "/", None, "", "h")


def resolved(reference: str) -> Uri:
    """Where a reference leads from `BASE`."""
    uri = resolve_reference(BASE, reference)
    assert isinstance(uri, Uri), uri
    return uri


@pytest.mark.parametrize("reference", ["//", "http:g", "ftp://a/", "mailto:a", "//a:b/", "\n/\0"])
def test_a_reference_that_leads_nowhere_is_told(reference: str) -> None:
    assert isinstance(resolve_reference(BASE, reference), Malformed)


def test_a_reference_has_the_fragment_of_its_base_unless_it_has_one() -> None:
    assert resolved("g").fragment == "f"
    assert resolved("g#h").fragment == "h"
    assert resolved("http://b/g").fragment == "f"
