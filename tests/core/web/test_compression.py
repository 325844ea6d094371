"""What is compressed, and what its fields are then: literal requests and responses."""

import pytest

from sigil.core.http.bodies import StreamedBody
from sigil.core.http.request import with_field
from sigil.core.http.response import Response
from sigil.core.web.compression import (
    TEXT_TYPES,
    CompressionRules,
    check_compression,
    is_type_among,
    plan_compression,
    weakened,
)
from tests.support.requests import make_request

RULES = CompressionRules(10, TEXT_TYPES, ("zstd", "gzip"))
GZIP = make_request("/", ("Accept-Encoding", "gzip"))
HEAD = make_request("/", ("Accept-Encoding", "gzip"), method="HEAD")
PLAIN = make_request("/")
TEXT = Response.text("x" * 20)


def test_a_text_gets_a_coding_and_what_depends_on_its_bytes_goes() -> None:
    response = Response.text(
        "x" * 20, headers={"ETag": '"a"', "Content-Length": "20", "Accept-Ranges": "bytes"}
    )
    plan = plan_compression(GZIP, response, RULES)
    assert plan.coding == "gzip"
    assert plan.response.headers == (
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Vary", "Accept-Encoding"),
        ("Content-Encoding", "gzip"),
        ("ETag", 'W/"a"'),
    )
    assert plan.response.body == response.body


def test_for_a_client_that_accepts_nothing_only_vary_is_added() -> None:
    plan = plan_compression(PLAIN, TEXT, RULES)
    assert plan.coding == "identity"
    assert plan.response.headers == (*TEXT.headers, ("Vary", "Accept-Encoding"))


@pytest.mark.parametrize(
    "response",
    [
        Response.text("x" * 9),
        Response.text(""),
        Response.bytes(b"x" * 20),
        Response.bytes(b"x" * 20, headers={"Content-Type": "image/png"}),
        Response.bytes(b"x" * 20, headers={"Content-Type": ""}),
        Response.text("x" * 20, headers={"Content-Encoding": "br"}),
        Response.text("x" * 20, headers={"content-encoding": "identity"}),
        Response.text("x" * 20, 206, headers={"Content-Range": "bytes 0-19/40"}),
        Response.text("x" * 20, headers={"Content-Range": "bytes 0-19/40"}),
        Response.text("x" * 20, headers={"Cache-Control": "public, No-Transform"}),
        Response.text("x" * 20, headers={"Repr-Digest": "sha-256=:x:"}),
        Response.text("x" * 20, 204),
        Response.redirect("/elsewhere/with/a/long/name"),
        Response.upgrade(),
        Response.sse(),
        Response.sse([]),
    ],
)
def test_what_is_not_compressed_is_the_very_response(response: Response) -> None:
    plan = plan_compression(GZIP, response, RULES)
    assert plan.response is response and plan.coding == "identity"


def test_a_stream_of_text_is_compressed_whatever_its_length() -> None:
    response = Response.stream([b"x"], headers={"Content-Type": "text/csv", "Content-Length": "1"})
    plan = plan_compression(GZIP, response, RULES)
    assert plan.coding == "gzip"
    assert isinstance(plan.response.body, StreamedBody)
    assert ("Content-Length", "1") not in plan.response.headers


def test_a_304_says_what_the_200_did() -> None:
    unchanged = Response(304, (("ETag", '"a"'),), b"")
    asked = {tag: with_field(GZIP, "If-None-Match", tag) for tag in ('W/"a"', '"b", W/"a"', '"a"')}
    etags = [plan_compression(given, unchanged, RULES).response.headers for given in asked.values()]
    vary = ("Vary", "Accept-Encoding")
    assert etags == [(vary, ("ETag", 'W/"a"'))] * 2 + [(("ETag", '"a"'), vary)]
    meant = unchanged.replace(headers=(("Cache-Control", "no-transform"), ("ETag", '"a"')))
    assert plan_compression(asked['W/"a"'], meant, RULES).response is meant


def test_head_gets_the_fields_of_get() -> None:
    for given in (TEXT, Response(200, (*TEXT.headers, ("Content-Length", "20")), b"")):
        plan = plan_compression(HEAD, given, RULES)
        assert (plan.coding, plan.response.headers) == (
            "gzip",
            plan_compression(GZIP, TEXT, RULES).response.headers,
        )
    short = Response(200, (*TEXT.headers, ("Content-Length", "2")), b"")
    assert plan_compression(HEAD, short, RULES).response is short


@pytest.mark.parametrize(
    ("content_type", "is_among"),
    [
        ("text/html; charset=utf-8", True),
        ("TEXT/HTML", True),
        ("application/json", True),
        ("application/geo+json", True),
        ("image/svg+xml", True),
        ("application/atom+xml;type=feed", True),
        ("application/octet-stream", False),
        ("image/png", False),
        ("application/x+y", False),
        ("text", False),
        ("", False),
    ],
)
def test_types_are_named_whole_by_kind_or_by_suffix(content_type: str, is_among: bool) -> None:
    assert is_type_among(content_type, TEXT_TYPES) is is_among


def test_an_entity_tag_is_weakened_once() -> None:
    assert weakened('"a"') == 'W/"a"'
    assert weakened('W/"a"') == 'W/"a"'


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        (RULES, None),
        (RULES._replace(min_len=-1), "min_len is a number of bytes, 0 or more, not -1"),
        (RULES._replace(codings=()), "compress needs a coding: gzip or zstd is True"),
        (RULES._replace(types=()), "compress needs media types, such as 'text/*'"),
        (
            RULES._replace(types=("text",)),
            "'text' is no media type: write 'text/css', 'text/*' or 'application/*+json', "
            "without parameters",
        ),
        (
            RULES._replace(types=("text/html; charset=utf-8",)),
            "'text/html; charset=utf-8' is no media type: write 'text/css', 'text/*' or "
            "'application/*+json', without parameters",
        ),
    ],
)
def test_rules_that_make_no_sense_are_refused(rules: CompressionRules, problem: str | None) -> None:
    assert check_compression(rules) == problem


def test_a_length_of_another_type_is_refused() -> None:
    """By a sentence, or, where the core is compiled, by what that raises for a wrong type."""
    try:
        problem = check_compression(RULES._replace(min_len=True))
    except TypeError:
        return
    assert problem == "min_len is a number of bytes, 0 or more, not True"
