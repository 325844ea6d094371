"""Fields added to responses, and taken away."""

import pytest

from sigil.core.http.response import Response
from sigil.core.web.fields import (
    field_of,
    with_default_fields,
    with_fields,
    with_vary,
    without_fields,
)

OK = Response(200, (("Content-Type", "text/plain"), ("Vary", "Cookie")), b"x")


def test_a_field_is_set_in_the_place_of_those_of_its_name() -> None:
    assert with_fields(OK, ("content-type", "a/b"), ("X", "1")).headers == (
        ("Vary", "Cookie"),
        ("content-type", "a/b"),
        ("X", "1"),
    )
    assert with_fields(OK) is OK


def test_a_default_is_set_where_there_is_none() -> None:
    assert with_default_fields(OK, ("VARY", "x")) is OK
    assert with_default_fields(OK, ("X", "1"), ("vary", "y")).headers == (*OK.headers, ("X", "1"))


def test_a_field_is_found_and_left_out() -> None:
    assert field_of(OK, "vary") == "Cookie"
    assert field_of(OK, "etag") is None
    assert without_fields(OK.headers, "vary", "etag") == (("Content-Type", "text/plain"),)


@pytest.mark.parametrize(
    ("before", "names", "after"),
    [
        ((), ("Origin",), "Origin"),
        (("Cookie",), ("Origin", "Accept"), "Cookie, Origin, Accept"),
        (("cookie, origin",), ("Origin",), "cookie, origin"),
        (("Cookie", "Accept"), ("Origin",), "Cookie, Accept, Origin"),
        (("*",), ("Origin",), "*"),
    ],
)
def test_names_are_added_to_vary_once(
    before: tuple[str, ...], names: tuple[str, ...], after: str
) -> None:
    response = Response(200, tuple(("Vary", value) for value in before), b"")
    response = with_vary(response, *names)
    assert [value for _, value in response.headers] == [after]
    assert with_vary(response, *names) is response
