"""Responses: constructors in, plain tuples out, and nothing that could not be sent."""

import pickle
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.core.http.bodies import StreamedBody
from sigil.core.http.field_lines import prepare_headers
from sigil.core.http.headers import Headers
from sigil.core.http.response import Response, with_body, with_headers
from tests.support.builds import refusal
from tests.support.core_driver import same

PLAIN = (("Content-Type", "text/plain; charset=utf-8"),)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (Response.text("é"), Response(200, PLAIN, b"\xc3\xa9")),
        (Response.text("x", 404), Response(404, PLAIN, b"x")),
        (
            Response.html("<p>"),
            Response(200, (("Content-Type", "text/html; charset=utf-8"),), b"<p>"),
        ),
        (
            Response.json({"a": [1, None], "é": 0.5}),
            Response(
                200, (("Content-Type", "application/json"),), '{"a":[1,null],"é":0.5}'.encode()
            ),
        ),
        (
            Response.bytes(b"\x00"),
            Response(200, (("Content-Type", "application/octet-stream"),), b"\x00"),
        ),
        (Response.error(404), Response(404, PLAIN, b"404 Not Found\n")),
        (
            Response.error(413, "too much"),
            Response(413, PLAIN, b"413 Content Too Large: too much\n"),
        ),
        (Response.error(599), Response(599, PLAIN, b"599\n")),
        (
            Response.redirect("/a b\r\né%20"),
            Response(
                302, (*PLAIN, ("Location", "/a%20b%0D%0A%C3%A9%20")), b"see /a%20b%0D%0A%C3%A9%20\n"
            ),
        ),
        (
            Response.redirect("http://[::1]/?a=b&c#d", 308),
            Response(
                308, (*PLAIN, ("Location", "http://[::1]/?a=b&c#d")), b"see http://[::1]/?a=b&c#d\n"
            ),
        ),
    ],
)
def test_a_constructor_makes_a_plain_tuple(made: Response, expected: Response) -> None:
    assert same(made, expected)


def test_a_content_type_that_is_given_replaces_the_default_one() -> None:
    assert Response.text("x", headers={"content-type": "text/csv"}).headers == (
        ("content-type", "text/csv"),
    )
    for pairs in ((["X-A", "1"],), [["X-A", "1"]], (("X-A", "1"),)):
        assert Response.text("x", headers=pairs).headers == (*PLAIN, ("X-A", "1"))  # type: ignore[arg-type]
    assert Response.text("x", headers=[("X-A", "1"), ("X-A", "2")]).headers == (
        *PLAIN,
        ("X-A", "1"),
        ("X-A", "2"),
    )
    assert Response.text("x", headers=Headers((("X-A", "1"),))).headers == (*PLAIN, ("X-A", "1"))


def test_bytes_are_kept_and_what_can_change_is_copied() -> None:
    data, array = b"x" * 100, bytearray(b"abc")
    view = memoryview(array)
    responses = Response.bytes(array), Response.bytes(view)
    array[0] = 0
    assert Response.bytes(data).body is data
    assert [response.body for response in responses] == [b"abc", b"abc"]


def test_a_stream_keeps_its_iterable_untouched() -> None:
    chunks = iter([b"a"])
    response = Response.stream(chunks)
    assert isinstance(response.body, StreamedBody)
    assert response.body.chunks is chunks
    assert next(chunks) == b"a"


@pytest.mark.parametrize(
    "pair",
    [
        ("X-A", "a\r\nSet-Cookie: b"),
        ("X-A", "a\n"),
        ("X-A", "a\r"),
        ("X-A", "a\x00"),
        ("X-A", "a\x7f"),
        ("X-A", "\u0100"),
        ("X-A\r\nX-B", "a"),
        ("X A", "a"),
        ("X-A:", "a"),
        ("", "a"),
        ("X-É", "a"),
        ("Transfer-Encoding", "chunked"),
        ("transfer-ENCODING", "identity"),
    ],
)
def test_a_header_that_could_not_be_sent_is_refused_at_once(pair: tuple[str, str]) -> None:
    for make in (Response.text, Response.html, Response.json, Response.redirect):
        with pytest.raises(ValueError, match="header"):
            make("x", headers=[pair])
    with pytest.raises(ValueError, match="header"):
        Response.error(400, headers=[pair])


@pytest.mark.parametrize("status", [0, 99, 100, 199, 600, -200, "200", None, 200.5])
def test_a_status_that_is_none_is_refused_at_once(status: Any) -> None:
    refused = pytest.raises(
        (ValueError, TypeError), match=refusal(f"{status!r} is not the status of a response")
    )
    for make in (Response.text, Response.html, Response.json):
        with refused:
            make("x", status=status)
    with refused:
        Response.error(status)


@pytest.mark.parametrize(
    ("location", "sent"),
    [
        ("/50%", "/50%25"),
        ("/50%/%41%4", "/50%25/%41%254"),
        ("%", "%25"),
        ("/%%41", "/%25%41"),
        ("/%zz%E", "/%25zz%25E"),
        ("//evil.test/x", "/%2Fevil.test/x"),
        ("///evil.test", "/%2F/evil.test"),
        ("//", "/%2F"),
        ("/\\evil.test", "/%5Cevil.test"),
        ("\\/evil.test", "%5C/evil.test"),
        ("\\\\evil.test", "%5C%5Cevil.test"),
        ("/\t/evil.test", "/%09/evil.test"),
        ("\t//evil.test", "%09//evil.test"),
        (" //evil.test", "%20//evil.test"),
        ("/\n/evil.test", "/%0A/evil.test"),
        ("\0//evil.test", "%00//evil.test"),
        ("https://other.test//x", "https://other.test//x"),
        ("../a?b=//c#//d", "../a?b=//c#//d"),
    ],
)
def test_a_location_is_a_reference_that_stays_where_it_seems_to(location: str, sent: str) -> None:
    assert Headers(Response.redirect(location).headers)["location"] == sent


@given(st.text(alphabet="/\\\t\n\r .%:@ev\0é", max_size=8))
def test_a_redirect_to_a_path_stays_on_this_host(rest: str) -> None:
    location = Headers(Response.redirect(f"/{rest}").headers)["location"]
    parts = urlsplit(urljoin("http://here.test/a/b", location))
    assert (parts.scheme, parts.netloc) == ("http", "here.test")
    assert re.fullmatch(r"/(?:[^/\\\s][!-~]*)?", location)


@pytest.mark.parametrize("status", [200, 300, 304, 404])
def test_only_a_redirection_has_a_location(status: int) -> None:
    with pytest.raises(ValueError, match="not a redirection"):
        Response.redirect("/", status)


def test_a_reason_phrase_stays_whatever_else_of_a_response_changes() -> None:
    response = Response.text("x", 404).with_reason("Gone fishing")
    assert response == Response(404, PLAIN, b"x", "Gone fishing")
    assert response.prepared is Response.text("x", 404).prepared
    for changed in (
        response.set_cookie("a", "b"),
        with_headers(response, ()),
        with_body(response, b"y", ()),
        response.replace(status=405),
    ):
        assert changed.reason == "Gone fishing"
    assert response.with_reason("") == Response.text("x", 404)


def bad_calls() -> list[tuple[Callable[[], object], type[Exception]]]:
    """Calls that must raise, with what they must raise."""
    broken: Any = Response
    return [
        (lambda: broken.bytes("text"), TypeError),
        (lambda: broken.bytes([1, 2]), TypeError),
        (lambda: broken.bytes(5), TypeError),
        (lambda: broken.stream(b"bytes"), TypeError),
        (lambda: broken.stream("text"), TypeError),
        (lambda: broken.stream(5), TypeError),
        (lambda: broken.json(float("nan")), ValueError),
        (lambda: broken.json(float("inf")), ValueError),
        (lambda: broken.json(object()), TypeError),
        (lambda: broken.json("\ud800"), ValueError),
        (lambda: broken.json({"\udfff": 1}), ValueError),
        (lambda: broken.text("\ud800"), ValueError),
        (lambda: broken.redirect("/\ud800"), ValueError),
        (lambda: broken.text("x", headers={"A": 1}), TypeError),
        (lambda: broken.text("x").with_reason(b"Fine"), TypeError),
        (lambda: broken.text("x").with_reason("Fine\r\nX: y"), ValueError),
        (lambda: broken.text("x").with_reason("\u4f60"), ValueError),
    ]


@pytest.mark.parametrize("index", range(len(bad_calls())))
def test_what_is_not_a_body_is_refused_at_once(index: int) -> None:
    call, error = bad_calls()[index]
    with pytest.raises(error):
        call()


@pytest.mark.parametrize(
    "response",
    [
        Response.text("hello"),
        Response.text("hello", headers={"X-A": "b"}),
        Response.text("hello", headers={"Content-Type": "text/csv", "Set-Cookie": "a=b"}),
        Response.redirect("/elsewhere?token=1", headers=(("Date", "now"), ("Connection", "close"))),
        Response.sse(headers={"cache-control": "no-cache"}),
        Response.json(1, headers=[("Content-Length", "1")]),
    ],
)
def test_what_a_response_knows_of_its_headers_is_what_they_are_prepared_to(
    response: Response,
) -> None:
    assert response.prepared is not None
    assert response.prepared == prepare_headers(response.headers)


def test_what_is_known_of_headers_is_no_part_of_the_value() -> None:
    made, plain = Response.text("hello"), Response(200, PLAIN, b"hello")
    assert (made, hash(made), repr(made)) == (plain, hash(plain), repr(plain))
    assert plain.prepared is None and pickle.loads(pickle.dumps(made)).prepared is None
    assert made.replace(headers=(("X-A", "b"),)).prepared is None


@pytest.mark.parametrize(
    "option",
    [{"topics": "news"}, {"history": 3}, {"after": "0-1"}, {"retry_ms": 5}, {"slow": "skip"}],
)
def test_an_event_stream_of_events_takes_nothing_that_is_for_one_of_topics(
    option: dict[str, Any],
) -> None:
    assert Response.sse(**option).status == 200
    with pytest.raises(TypeError, match="not both"):
        Response.sse(iter(()), **option)
