"""What `start_response` may be given, and what not, in which words."""

import pytest

from sigil import Response
from sigil.wsgi.head import make_head, parse_status

TEXT = ("Content-Type", "text/plain")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("200 OK", (200, "")),
        ("200 Fine", (200, "Fine")),
        ("404 Not Found", (404, "")),
        ("299 A b\xe9", (299, "A b\xe9")),
        ("599 ", (599, "")),
        ("204", (204, "")),
    ],
)
def test_a_status(status: str, expected: tuple[int, str]) -> None:
    assert parse_status(status) == expected


@pytest.mark.parametrize(
    "status",
    ["", "OK", "20 OK", "2000 OK", "200OK", "100 Continue", "101 Switching Protocols", "600 No",
     " 200 OK", "200 a\r\nb: c", "200 a\x00", "200 \u20ac", "\u0662\u0660\u0660 OK"],
)  # fmt: skip
def test_a_status_that_is_none(status: str) -> None:
    with pytest.raises(ValueError, match="is not a status such as '200 OK'"):
        make_head(status, [])


@pytest.mark.parametrize("status", [200, b"200 OK", None])
def test_a_status_is_a_str(status: object) -> None:
    with pytest.raises(TypeError, match="a status is a str such as '200 OK', not"):
        make_head(status, [])


def test_a_head() -> None:
    head = make_head("201 Created", [TEXT, ("Content-Length", "5"), ("X-A", "1"), ("X-A", "2")])
    pairs = (TEXT, ("X-A", "1"), ("X-A", "2"))
    assert head.response == Response(201, pairs, b"")
    assert (head.length, head.has_content) == (5, True)


def test_a_head_is_remembered_unless_it_may_be_a_secret_or_is_long() -> None:
    def is_remembered(*headers: tuple[str, str]) -> bool:
        made = [make_head("200 OK", [*headers, ("Content-Length", text)]) for text in "12"]
        return made[0].response is made[1].response

    assert is_remembered(TEXT, ("Vary", "Cookie"))
    assert not is_remembered(TEXT, ("Set-Cookie", "a=1"))
    assert not is_remembered(TEXT, ("X-Auth", "a"))
    assert not is_remembered(TEXT, ("Location", "/?a"))
    assert not is_remembered(TEXT, ("X-A", "a" * 257))
    assert not is_remembered(*[(f"X-{number}", "a") for number in range(9)])


def test_without_a_content_type_there_is_none() -> None:
    assert make_head("200 OK", []).response == Response(200, (), b"")
    assert make_head("200 OK", [("X-A", "1")]).response == Response(200, (("X-A", "1"),), b"")


@pytest.mark.parametrize("status", ["204 No Content", "205 Reset Content", "304 Not Modified"])
def test_statuses_without_content(status: str) -> None:
    assert not make_head(status, []).has_content


def test_a_reason_of_its_own() -> None:
    assert make_head("404 Gone fishing", [TEXT]).response.reason == "Gone fishing"


@pytest.mark.parametrize(
    "name",
    ["Connection", "keep-alive", "Transfer-Encoding", "TE", "Upgrade", "Trailers",
     "Proxy-Authenticate", "Proxy-Authorization"],
)  # fmt: skip
def test_what_belongs_to_the_connection_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is the server's, and no application's"):
        make_head("200 OK", [TEXT, (name, "x")])


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ((), "headers are a list of"),
        ({}, "headers are a list of"),
        (None, "headers are a list of"),
        ([["a", "b"]], "a header is a tuple of two str, not a list"),
        ([("a", b"b")], "a header is a tuple of two str, not a tuple of str, bytes"),
        ([("a", 1)], "not a tuple of str, int"),
        ([()], "not a tuple of nothing"),
        (["ab"], "not a str"),
    ],
)
def test_headers_are_a_list_of_pairs(headers: object, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        make_head("200 OK", headers)


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (("a b", "c"), "is not a header name"),
        (("", "c"), "is not a header name"),
        (("a", "b\r\nc: d"), "contains a character that cannot be sent"),
        (("a", "\u20ac"), "contains a character that cannot be sent"),
        (("Content-Length", "x"), "is not one decimal number"),
        (("Content-Length", "-1"), "is not one decimal number"),
    ],
)
def test_headers_that_cannot_be_sent(pair: tuple[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make_head("200 OK", [TEXT, pair])


def test_two_lengths_are_none() -> None:
    with pytest.raises(ValueError, match="is not one decimal number"):
        make_head("200 OK", [("Content-Length", "1"), ("Content-Length", "1")])
