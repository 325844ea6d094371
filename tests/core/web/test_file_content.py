"""What is sent of a file, by its facts and the request's fields, as literal values."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil import Headers, Request, Response
from sigil.core.http.bodies import FileBody, FileSpan, file_body_len
from sigil.core.web.file_content import (
    SETTLED_NS,
    FileFacts,
    entity_tag,
    file_fields,
    is_settled,
    select_content,
)
from tests.support.core_driver import PEER

NOW = 784_111_777 * 10**9
OLD = FileFacts(1_000, NOW - SETTLED_NS, NOW)
NEW = FileFacts(1_000, NOW - SETTLED_NS + 1, NOW)
DATE = "Sun, 06 Nov 1994 08:49:35 GMT"
ETAG = entity_tag(OLD)


def request(method: str = "GET", **fields: str) -> Request:
    """A request with these fields, whose names have underscores for hyphens."""
    pairs = tuple((name.replace("_", "-"), value) for name, value in fields.items())
    return Request(method, "/a.txt", "/a.txt", "", 1, Headers(pairs), b"", PEER)


def selected(asked: Request, facts: FileFacts = OLD, status: int = 200, **more: str) -> Response:
    """What such a request is sent of a text file."""
    given = tuple((name.replace("_", "-"), value) for name, value in more.items())
    fields = file_fields(given, "a.txt", facts)
    return select_content(asked, Response(status, fields, FileBody("it")), facts, "XX", 4)


def field(response: Response, name: str) -> str | None:
    """A field of a response."""
    return Headers(response.headers).get(name)


def test_a_file_that_was_left_alone_has_a_strong_tag() -> None:
    assert entity_tag(OLD) == f'"3e8-{OLD.modified_ns:x}"'
    assert entity_tag(NEW) == f'W/"3e8-{NEW.modified_ns:x}"'
    assert entity_tag(OLD, "-br") == f'"3e8-{OLD.modified_ns:x}-br"'
    assert is_settled(OLD) and not is_settled(NEW)
    assert not is_settled(FileFacts(0, NOW + 10**12, NOW))


def test_fields_of_a_file_are_those_given_and_what_is_missing() -> None:
    assert file_fields((("etag", '"mine"'), ("X-A", "b")), "a.txt", OLD) == (
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Last-Modified", DATE),
        ("Accept-Ranges", "bytes"),
        ("etag", '"mine"'),
        ("X-A", "b"),
    )


def test_a_date_is_never_in_the_future() -> None:
    facts = FileFacts(0, NOW + 10**12, NOW)
    assert dict(file_fields((), "a", facts))["Last-Modified"] == "Sun, 06 Nov 1994 08:49:37 GMT"


def test_without_conditions_all_is_sent() -> None:
    response = selected(request())
    assert response.status == 200
    assert response.body == FileBody("it", (FileSpan(0, 1_000),))


@pytest.mark.parametrize(
    ("fields", "parts", "content_range"),
    [
        ({"range": "bytes=0-0"}, (FileSpan(0, 1),), "bytes 0-0/1000"),
        ({"range": "bytes=-10"}, (FileSpan(990, 10),), "bytes 990-999/1000"),
        ({"range": "bytes=10-", "if_range": ETAG}, (FileSpan(10, 990),), "bytes 10-999/1000"),
        ({"range": "bytes=10-", "if_range": DATE}, (FileSpan(10, 990),), "bytes 10-999/1000"),
    ],
)
def test_one_range_is_sent_as_it_is(fields: dict[str, str], parts: Any, content_range: str) -> None:
    response = selected(request(**fields))
    assert (response.status, response.body) == (206, FileBody("it", parts))
    assert field(response, "content-range") == content_range
    assert field(response, "content-type") == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    "asked",
    [
        request(range="bytes=5-4"),
        request(range="items=0-1"),
        request("HEAD", range="bytes=0-1"),
        request("POST", range="bytes=0-1"),
        request(range="bytes=10-", if_range='"other"'),
        request(range="bytes=10-", if_range=f"W/{ETAG}"),
        request(range="bytes=0-0,200-200,400-400,600-600,800-800"),
    ],
)
def test_a_range_that_does_not_count_is_ignored(asked: Request) -> None:
    response = selected(asked)
    assert response.status == 200
    assert response.body == FileBody("it", (FileSpan(0, 1_000),))


@pytest.mark.parametrize("value", ["bytes=0-1", "bytes=0-1,500-501"])
def test_a_length_that_was_declared_is_that_of_the_whole(value: str) -> None:
    assert field(selected(request(), content_length="1000"), "content-length") == "1000"
    part = selected(request(range=value), content_length="1000")
    assert (part.status, field(part, "content-length")) == (206, None)


def test_a_weak_file_is_not_gone_on_with() -> None:
    tag = entity_tag(NEW)
    assert selected(request(range="bytes=10-", if_range=tag), NEW).status == 200
    assert selected(request(range="bytes=10-", if_range=DATE), NEW).status == 200
    assert selected(request(range="bytes=10-"), NEW).status == 206


def test_several_ranges_are_framed_and_their_length_is_known() -> None:
    response = selected(request(range="bytes=0-1,500-501"))
    assert response.status == 206
    assert field(response, "content-type") == "multipart/byteranges; boundary=XX"
    assert field(response, "content-range") is None
    body = response.body
    assert isinstance(body, FileBody) and body.parts is not None
    assert [part for part in body.parts if isinstance(part, FileSpan)] == [
        FileSpan(0, 2), FileSpan(500, 2),
    ]  # fmt: skip
    assert file_body_len(body) == 4 + sum(
        len(part) for part in body.parts if isinstance(part, bytes)
    )


def test_nothing_of_what_is_asked_for_is_a_416_that_says_how_much_there_is() -> None:
    response = selected(request(range="bytes=1000-"))
    assert response.status == 416
    assert field(response, "content-range") == "bytes */1000"
    assert field(response, "etag") is None


@pytest.mark.parametrize("wanted", [{"range": "bytes=1000-"}, {"if_match": '"other"'}])
def test_a_refusal_has_what_middleware_added_and_is_not_kept_like_the_file(
    wanted: dict[str, str],
) -> None:
    response = selected(
        request(**wanted),
        cache_control="public, max-age=31536000",
        content_length="1000",
        content_encoding="gzip",
        access_control_allow_origin="*",
        vary="Origin",
    )
    assert response.status in (412, 416)
    assert field(response, "access-control-allow-origin") == "*"
    assert field(response, "vary") == "Origin"
    for name in ("cache-control", "content-length", "content-encoding"):
        assert field(response, name) is None


def test_a_304_has_the_validators_and_no_content() -> None:
    response = selected(request(if_none_match=ETAG), cache_control="no-cache", vary="Accept")
    assert response == Response(
        304,
        (
            ("Last-Modified", DATE),
            ("ETag", ETAG),
            ("cache-control", "no-cache"),
            ("vary", "Accept"),
        ),
        b"",
    )


def test_a_412_says_what_there_is() -> None:
    response = selected(request(if_match='"other"'))
    assert response.status == 412
    assert field(response, "etag") == ETAG
    assert field(response, "content-type") == "text/plain; charset=utf-8"


def test_what_is_not_what_was_asked_for_is_sent_whole() -> None:
    response = selected(request(range="bytes=0-1", if_none_match=ETAG), status=404)
    assert response.status == 404
    assert response.body == FileBody("it", (FileSpan(0, 1_000),))


def test_whoever_wants_no_ranges_says_so() -> None:
    assert selected(request(range="bytes=0-1"), accept_ranges="none").status == 200


@given(st.text("bytes=-,0123456789", max_size=30), st.integers(0, 2_000))
def test_no_more_is_sent_than_there_is(value: str, length: int) -> None:
    facts = OLD._replace(length=length)
    response = selected(request(range="bytes=" + value), facts)
    body = response.body
    if isinstance(body, FileBody):
        for part in body.parts or ():
            if isinstance(part, FileSpan):
                assert 0 <= part.offset <= part.offset + part.length <= length
