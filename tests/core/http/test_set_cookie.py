"""Cookies as fields, literally, and what browsers would drop."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.core.http.decoding import parse_cookies
from sigil.core.http.response import Response
from sigil.core.http.set_cookie import COOKIE_MAX, cookie_name, encode_cookie

AT = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({}, "a=1; Path=/; HttpOnly; SameSite=Lax"),
        ({"path": None, "http_only": False, "same_site": None}, "a=1"),
        ({"max_age": 60}, "a=1; Max-Age=60; Path=/; HttpOnly; SameSite=Lax"),
        ({"max_age": 0}, "a=1; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"),
        (
            {"expires": AT},
            "a=1; Expires=Sun, 06 Nov 1994 08:49:37 GMT; Path=/; HttpOnly; SameSite=Lax",
        ),
        (
            {"domain": "shop.example", "path": "/in", "same_site": "strict"},
            "a=1; Path=/in; Domain=shop.example; HttpOnly; SameSite=Strict",
        ),
        (
            {"secure": True, "same_site": "none", "partitioned": True},
            "a=1; Path=/; Secure; HttpOnly; SameSite=None; Partitioned",
        ),
    ],
)
def test_a_cookie_is_this_field(options: Any, field: str) -> None:
    assert encode_cookie("a", "1", **options) == field


@pytest.mark.parametrize(
    "name", ["__Host-a", "__host-a", "__Host-Http-a", "__Http-a", "__Secure-a"]
)
def test_a_prefix_is_kept(name: str) -> None:
    assert encode_cookie(name, "1", secure=True).startswith(f"{name}=1; Path=/; Secure; HttpOnly")
    with pytest.raises(ValueError, match="only with secure=True"):
        encode_cookie(name, "1")


@pytest.mark.parametrize(
    ("name", "value", "options", "sentence"),
    [
        ("a b", "", {}, "the name of a cookie is a token, not 'a b'"),
        ("", "", {}, "the name of a cookie is a token, not ''"),
        (7, "", {}, "the name of a cookie is a token, not 7"),
        ("a", "b;c", {}, "the value of the cookie a is a str of visible ASCII"),
        ("a", 'b"', {}, "the value of the cookie a is a str of visible ASCII"),
        ("a", "b c", {}, "the value of the cookie a is a str of visible ASCII"),
        ("a", "\u00e9", {}, "the value of the cookie a is a str of visible ASCII"),
        ("a", "b\r\nX: y", {}, "the value of the cookie a is a str of visible ASCII"),
        ("a", 7, {}, "the value of the cookie a is a str of visible ASCII"),
        ("a", "x" * COOKIE_MAX, {}, "the cookie a is longer than 4096 bytes"),
        ("a", "", {"path": "in"}, "the path of a cookie begins with a slash"),
        ("a", "", {"path": "/;"}, "the path of a cookie begins with a slash"),
        ("a", "", {"path": "/" + "x" * 1_024}, "the path of a cookie begins with a slash"),
        ("a", "", {"domain": "a/b"}, "the domain of a cookie is a host name, not 'a/b'"),
        ("a", "", {"max_age": 1.5}, "max_age is a whole number of seconds, not 1.5"),
        ("a", "", {"max_age": True}, "max_age is a whole number of seconds, not True"),
        ("a", "", {"expires": 7}, "expires is a datetime with a time zone, not 7"),
        ("a", "", {"expires": datetime(2030, 1, 1)}, "expires is a datetime with a time zone"),
        ("a", "", {"same_site": "no"}, "same_site is 'Strict', 'Lax', 'None' or None, not 'no'"),
        ("a", "", {"same_site": "None"}, "browsers take same_site='None' only with secure=True"),
        ("a", "", {"partitioned": True}, "browsers take partitioned=True only with secure=True"),
        (
            "__Host-a",
            "",
            {"secure": True, "path": "/x"},
            "browsers take the cookie __Host-a only with path='/' and without a domain",
        ),
        (
            "__Host-a",
            "",
            {"secure": True, "domain": "a.b"},
            "browsers take the cookie __Host-a only with path='/' and without a domain",
        ),
        (
            "__Http-a",
            "",
            {"secure": True, "http_only": False},
            "browsers take the cookie __Http-a only with http_only=True",
        ),
    ],
)
def test_what_browsers_drop_is_refused_in_words(
    name: Any, value: Any, options: Any, sentence: str
) -> None:
    with pytest.raises((ValueError, TypeError), match=r"\w") as caught:
        encode_cookie(name, value, **options)
    # a compiled core refuses another type before it is looked at
    assert caught.type is TypeError or str(caught.value).startswith(sentence)


@given(st.text(max_size=30))
def test_what_can_be_set_comes_back(value: str) -> None:
    try:
        field = encode_cookie("a", value)
    except ValueError:
        return
    assert parse_cookies(field.partition(";")[0], 10) == {"a": value}


# -- on a response ---------------------------------------------------------------------------------


def cookies_of(response: Response) -> list[str]:
    return [value for name, value in response.headers if name == "Set-Cookie"]


def test_a_response_sets_several_and_each_name_once() -> None:
    first = Response.text("x")
    second = first.set_cookie("a", "1").set_cookie("b", "2").set_cookie("a", "3", max_age=5)
    assert cookies_of(first) == []
    assert cookies_of(second) == [
        "b=2; Path=/; HttpOnly; SameSite=Lax",
        "a=3; Max-Age=5; Path=/; HttpOnly; SameSite=Lax",
    ]
    assert (second.status, second.body) == (first.status, first.body)


def test_one_is_deleted_where_it_was_set() -> None:
    response = Response.text("").set_cookie("a", "1").delete_cookie("a", path="/in", domain="a.b")
    assert cookies_of(response) == ["a=; Max-Age=0; Path=/in; Domain=a.b; HttpOnly; SameSite=Lax"]
    (deleted,) = cookies_of(Response.text("").delete_cookie("__Host-a"))
    assert deleted == "__Host-a=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"
    assert cookie_name(deleted) == "__Host-a"
