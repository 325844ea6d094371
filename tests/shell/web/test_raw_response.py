"""Responses with the fields of somebody else: as they were given, and refused in words."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sigil import Response
from sigil.core.http.field_lines import prepare_fields
from sigil.shell.web import raw_response as module
from sigil.shell.web.raw_response import raw_response

PAIRS = ((b"X-A", b"1"), (b"set-cookie", b"a=\xe4"), (b"Content-Length", b"3"))
TEXTS = (("X-A", "1"), ("set-cookie", "a=\xe4"), ("Content-Length", "3"))


def test_the_fields_are_those_that_were_given() -> None:
    expected = Response(201, TEXTS, b"abc", "Made")
    assert raw_response(201, PAIRS, b"abc", "Made") == expected
    assert raw_response(201, list(PAIRS), b"abc", "Made") == expected
    assert raw_response(201, [list(pair) for pair in PAIRS], b"abc", "Made") == expected
    assert raw_response(201, iter(PAIRS), b"abc", "Made") == expected
    assert raw_response(201, TEXTS, b"abc", "Made") == expected
    assert raw_response(204) == Response(204, (), b"")


@pytest.mark.parametrize(
    "pairs",
    [
        (),
        PAIRS,
        ((b"a", b"b"),) * 20,
        ((b"content-length", b"7"),),
        ((b"content-length", b"007"), (b"date", b"now")),
        ((b"Connection", b"close, x"), (b"a", b"b")),
        ((b"DATE", b"now"),),
        ((b"date", b"now"), (b"connection", b"keep-alive"), (b"Content-Length", b"1")),
        ((b"a" * 300, b"b"),),
        ((b"location", b"/?token=1"),),
        ((b"a", b"b"), (b"set-cookie", b"a=1"), (b"Set-Cookie", b"b=2")),
        ((b"content-length", b"3"), (b"date", b"now"), (b"set-cookie", b"a=1")),
        ((b"connection", b"close"), (b"x-token", b"1"), (b"content-length", b"3")),
    ],
)
def test_they_are_prepared_as_any_others_are_also_the_second_time(pairs: Any) -> None:
    texts = tuple([(name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs])
    for _ in range(2):
        response = raw_response(200, pairs)
        assert response.prepared == prepare_fields(texts)
        assert response.headers == texts


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: raw_response(99), ValueError, "99 is not the status"),
        (lambda: raw_response("200"), ValueError, "'200' is not the status"),  # type: ignore[arg-type]
        (lambda: raw_response(200, 5), TypeError, "int"),  # type: ignore[arg-type]
        (lambda: raw_response(200, [5]), TypeError, "pairs of bytes, or of str, not 5"),
        (lambda: raw_response(200, [(b"a",)]), TypeError, "pairs of bytes, or of str"),
        (lambda: raw_response(200, [(b"a", "b")]), TypeError, "both bytes, or both str"),
        (lambda: raw_response(200, [(b"a", [])]), TypeError, "both bytes, or both str"),
        (lambda: raw_response(200, [["a", {}]]), TypeError, "both bytes, or both str"),
        (lambda: raw_response(200, [{}]), TypeError, "pairs of bytes, or of str"),
        (lambda: raw_response(200, [(b"a b", b"c")]), ValueError, "'a b' is not a header name"),
        (lambda: raw_response(200, [(b"a", b"b\r\nc: d")]), ValueError, "cannot be sent"),
        (lambda: raw_response(200, [("transfer-encoding", "x")]), ValueError, "server's to send"),
        (lambda: raw_response(200, [("content-length", "x")]), ValueError, "one decimal number"),
        (lambda: raw_response(200, [("content-length", "")]), ValueError, "one decimal number"),
        (
            lambda: raw_response(200, [(b"content-length", b"1"), (b"Content-Length", b"2")]),
            ValueError,
            "one decimal number",
        ),
    ],
)
def test_what_cannot_be_sent_is_refused(
    call: Callable[[], object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        call()


def held() -> Iterator[str]:
    """All that is remembered."""
    yield repr(module._FIELDS)
    yield repr(module._SETS)


@pytest.mark.parametrize(
    "secret",
    [(b"set-cookie", b"id=hushhush"), (b"x-token", b"hushhush"), (b"location", b"/?sig=hushhush")],
)
def test_a_secret_is_not_remembered(secret: tuple[bytes, bytes]) -> None:
    raw_response(200, [(b"x-other", b"kept by itself"), secret])
    raw_response(200, [secret, (b"x-last", b"kept by itself")])
    assert [("hushhush" in text, "kept by itself" in text) for text in held()] == [
        (False, True)
    ] * 2


def test_what_is_remembered_is_bounded() -> None:
    for number in range(2_000):
        raw_response(200, [(b"x-number", b"%d" % number)])
    raw_response(200, [(b"x-long", b"x" * 1_000)])
    assert len(module._FIELDS) <= 512
    assert len(module._SETS) <= 256
    assert "xxxxxxxxxx" not in "".join(map(repr, module._FIELDS))
