"""Messages of an application, right and wrong ones, and the sentences for what is wrong."""

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest

from sigil.asgi.messages import accept_of, body_of, close_of, data_of, pairs_of, start_of, type_of

KIND = "http.response.start"
BODY_KIND = "http.response.body"


def start(**fields: Any) -> Any:
    """The head of a response."""
    response = start_of({"type": KIND, "status": 200} | fields, KIND)
    return response.status, response.headers


def test_messages_that_are_right() -> None:
    assert type_of({"type": "a"}) == type_of(MappingProxyType({"type": "a"})) == "a"
    assert start() == start(headers=[]) == start(headers=()) == (200, ())
    assert start(status=404, headers=[(b"A", b"\xe4"), [b"b", b""]]) == (
        404, (("A", "\xe4"), ("b", "")),
    )  # fmt: skip
    assert start(headers=iter([(b"a", b"b")])) == (200, (("a", "b"),))
    assert start(headers=[(b"Transfer-Encoding", b"chunked"), (b"a", b"b")]) == (
        200, (("a", "b"),),
    )  # fmt: skip
    assert start(trailers=False) == (200, ())
    assert body_of({}, BODY_KIND) == b""
    assert body_of({"body": bytearray(b"a")}, BODY_KIND) == b"a"
    assert body_of({"body": memoryview(b"a")}, BODY_KIND) == b"a"
    assert data_of({"text": "a"}) == data_of({"text": "a", "bytes": None}) == "a"
    assert data_of({"bytes": b""}) == data_of({"bytes": bytearray()}) == b""
    assert data_of({"text": ""}) == ""
    assert close_of({}) == close_of({"code": None, "reason": None}) == (1000, "")
    assert close_of({"code": 3000, "reason": "a"}) == (3000, "a")
    assert accept_of({}, []) == (None, ())
    assert accept_of({"subprotocol": "a", "headers": [(b"b", b"c")]}, ["a"]) == (
        "a", (("b", "c"),),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: type_of("http.response.start"), TypeError, "a dict with a str as its type"),
        (lambda: type_of({}), TypeError, "a dict with a str as its type, not {}"),
        (lambda: type_of({"type": 5}), TypeError, "a dict with a str"),
        (lambda: type_of({"type": "x" * 500}["type"]), TypeError, r"x\.\.\."),
        (lambda: start(status="200"), TypeError, "is a number, not '200'"),
        (lambda: start(status=None), TypeError, "is a number, not None"),
        (lambda: start(status=100), ValueError, "100 is not the status"),
        (lambda: start(trailers=True), RuntimeError, "trailers are not sent here"),
        (lambda: start(headers=5), TypeError, "headers are pairs of bytes, not 5"),
        (lambda: start(headers=None), TypeError, "headers are pairs of bytes, not None"),
        (lambda: start(headers=[("a", "b")]), TypeError, "are bytes, not"),
        (lambda: start(headers=[(b"a", "b")]), TypeError, "are bytes, not"),
        (lambda: start(headers=[[b"a", 5]]), TypeError, "are bytes, not"),
        (lambda: start(headers=[b"ab"]), TypeError, "pairs of bytes, not b'ab'"),
        (lambda: start(headers=[(b"a",)]), TypeError, "pairs of bytes, not"),
        (lambda: start(headers=[(b"a b", b"c")]), ValueError, "'a b' is not a header name"),
        (lambda: start(headers=[(b"a", b"b\n")]), ValueError, "a character that cannot be sent"),
        (lambda: start(headers=[(b"content-length", b"x")]), ValueError, "not one decimal number"),
        (lambda: pairs_of({b"a": b"b"}), TypeError, "pairs of bytes, not b'a'"),
        (lambda: body_of({"body": "a"}, BODY_KIND), TypeError, "is bytes, not 'a'"),
        (lambda: body_of({"body": None}, BODY_KIND), TypeError, "is bytes, not None"),
        (lambda: data_of({}), ValueError, "neither a text nor bytes"),
        (lambda: data_of({"text": "a", "bytes": b"a"}), ValueError, "not both"),
        (lambda: data_of({"text": b"a"}), TypeError, "is a str, not b'a'"),
        (lambda: data_of({"bytes": "a"}), TypeError, "are bytes, not 'a'"),
        (lambda: data_of({"text": "\ud800"}), UnicodeEncodeError, "surrogates"),
        (lambda: close_of({"code": "1000"}), TypeError, "is a number, not '1000'"),
        (lambda: close_of({"code": 1005}), ValueError, "1005 is not a code"),
        (lambda: close_of({"code": 999}), ValueError, "999 is not a code"),
        (lambda: close_of({"code": 5000}), ValueError, "5000 is not a code"),
        (lambda: close_of({"reason": b"a"}), TypeError, "is a str, not b'a'"),
        (lambda: close_of({"reason": "ä" * 62}), ValueError, "up to 123 bytes"),
        (lambda: accept_of({"subprotocol": 5}, []), TypeError, "a subprotocol is a str, not 5"),
        (lambda: accept_of({"subprotocol": "a"}, ["b"]), ValueError, "'a' was not offered"),
        (lambda: accept_of({"headers": [("a", "b")]}, []), TypeError, "are bytes, not"),
    ],
)
def test_messages_that_are_wrong(
    call: Callable[[], object], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        call()
