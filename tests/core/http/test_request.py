"""Requests: what a handler can ask of one, and what bad input does."""

from typing import Any

import pytest

from sigil.core.conn import Conn, Peer
from sigil.core.http.decoding import BadInput
from sigil.core.http.headers import Headers
from sigil.core.http.request import Request, with_field, with_origin, with_params
from tests.support.core_driver import PEER
from tests.support.forms import CONTENT_TYPE, part
from tests.support.forms import form as multipart


def make(target: str = "/", query: str = "", body: bytes = b"", **fields: str) -> Request:
    """A request with these parts; fields are headers with _ for -."""
    pairs = tuple((name.replace("_", "-"), value) for name, value in fields.items())
    return Request("POST", target, target.partition("?")[0], query, 1, Headers(pairs), body, PEER)


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("/", "field.example"),
        ("http://target.example:80/x", "target.example:80"),
        ("http://target.example?x", "target.example"),
        ("/x?u=http://other/", "field.example"),
        ("*", "field.example"),
    ],
)
def test_the_host_of_an_absolute_target_counts_more_than_the_field(target: str, host: str) -> None:
    assert make(target, Host="field.example").host == host


def test_a_request_without_a_host_has_an_empty_one() -> None:
    assert make().host == ""


def test_a_query_is_decoded_when_asked_for() -> None:
    request = make(query="a=1&b=%C3%A9+x&a=2&empty=&bare")
    assert request.arg_list == (("a", "1"), ("b", "é x"), ("a", "2"), ("empty", ""), ("bare", ""))
    assert request.args == {"a": "2", "b": "é x", "empty": "", "bare": ""}
    assert make().args == {}


def test_a_query_has_a_bounded_number_of_fields() -> None:
    assert len(make(query="&".join(["a=b"] * 1000)).arg_list) == 1000
    with pytest.raises(BadInput, match="more than 1000 fields") as caught:
        _ = make(query="&".join(["a=b"] * 1001)).args
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("field", "cookies"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        ("a=1; b=2", {"a": "1", "b": "2"}),
        ("a=1;b=2", {"a": "1", "b": "2"}),
        ("a=first; a=second", {"a": "first"}),
        ('a="quoted"', {"a": "quoted"}),
        ('a="', {"a": '"'}),
        ("a=b=c", {"a": "b=c"}),
        ("a=", {"a": ""}),
        ("=1; bare; ok=1", {"ok": "1"}),
    ],
)
def test_cookies_are_read_and_what_is_none_is_left_out(field: str, cookies: dict[str, str]) -> None:
    assert make(Cookie=field).cookies == cookies


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("", ""),
        ("Text/HTML", "text/html"),
        ("text/html; charset=utf-8", "text/html"),
        (" a/b ;c", "a/b"),
    ],
)
def test_the_content_type_is_folded_and_without_parameters(field: str, kind: str) -> None:
    assert make(Content_Type=field).content_type == kind


def test_a_body_is_text_if_it_is_utf_8() -> None:
    assert make(body="é".encode()).text() == "é"
    with pytest.raises(BadInput, match="the body is not UTF-8"):
        make(body=b"\xff").text()


@pytest.mark.parametrize(
    ("body", "value"),
    [(b"null", None), (b'{"a": [1, 2.5, "x"]}', {"a": [1, 2.5, "x"]}), (b'"\xc3\xa9"', "é")],
)
def test_a_body_is_json_whatever_its_type(body: bytes, value: Any) -> None:
    assert make(body=body).json() == value


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe\xff", b"[" * 100_000, b"1" * 5000, b"nul"])
def test_what_is_not_json_is_bad_input(body: bytes) -> None:
    with pytest.raises(BadInput, match="the body is not JSON") as caught:
        make(body=body).json()
    assert caught.value.status == 400


def test_a_form_is_a_declared_form() -> None:
    assert make(body=b"a=1&b=x+y&a=2", Content_Type=FORM + "; charset=utf-8").form() == {
        "a": "2",
        "b": "x y",
    }
    with pytest.raises(BadInput) as caught:
        make(body=b"a=1").form()
    assert caught.value.status == 415
    with pytest.raises(BadInput) as caught:
        make(body=b"a=\xff", Content_Type=FORM).form()
    assert caught.value.status == 400
    with pytest.raises(BadInput):
        make(body=b"&".join([b"a=b"] * 1001), Content_Type=FORM).form()


def test_a_multipart_form_has_fields_and_files() -> None:
    body = multipart(
        part('name="a"', b"1"),
        part('name="f"; filename="x.txt"', b"2", "Content-Type: text/plain"),
        part('name="a"', b"3"),
        part('name="f"; filename="y"', b"4"),
    )
    request = make(body=body, Content_Type=CONTENT_TYPE)
    assert request.form() == {"a": "3"}
    assert request.form_list() == (("a", "1"), ("a", "3"))
    assert [(file.filename, file.data) for file in request.file_list()] == [
        ("x.txt", b"2"),
        ("y", b"4"),
    ]
    assert request.files()["f"].filename == "y"
    form = request.form_data()
    assert (form.fields, form.files) == (request.form_list(), request.file_list())
    assert make(body=b"a=1", Content_Type=FORM).files() == {}
    with pytest.raises(BadInput) as caught:
        make(body=b"x", Content_Type="text/plain").files()
    assert caught.value.status == 415


def test_bad_input_carries_a_message_and_a_status() -> None:
    error = BadInput("no", 422)
    assert (str(error), error.status, isinstance(error, ValueError)) == ("no", 422, True)


def test_a_request_that_is_made_of_another_keeps_all_else() -> None:
    before = make("/a?b", "b", b"c", Host="d").replace(
        conn=Conn(3, 4), mount_path="/e", scheme="https", version=0, chunks="pieces"
    )
    peer = Peer("192.0.2.1", 5)
    for after, changed in (
        (with_origin(before, Headers(), peer, "http"), {"headers", "peer", "scheme"}),
        (with_field(before, "X", "y"), {"headers"}),
        (with_params(before, before.params, "/f"), {"mount_path"}),
    ):
        assert {
            name for name in Request.__match_args__ if getattr(before, name) != getattr(after, name)
        } == changed


def test_a_field_is_set_in_the_place_of_those_of_its_name() -> None:
    request = with_field(make(A="1", B="2"), "a", "3")
    assert request.headers.pairs == (("B", "2"), ("a", "3"))
