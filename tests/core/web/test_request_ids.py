"""Names of requests: which are taken, and where they are found."""

import pytest

from sigil.core.http.response import Response
from sigil.core.web.request_ids import (
    ID_MAX,
    check_header_name,
    incoming_id,
    is_request_id,
    with_id_of,
    with_request_id,
)
from tests.support.requests import make_request

NAME = "X-Request-ID"


@pytest.mark.parametrize(
    ("text", "is_name"),
    [
        ("7b2d", True),
        ("3f2504e0-4f89-41d3-9a0c-0305e82c3301", True),
        ("Root=1-67891233-abcdef012345678912345678", True),
        ("a" * ID_MAX, True),
        ("a" * (ID_MAX + 1), False),
        ("", False),
        ("-rf", False),
        ("a b", False),
        ("a\n", False),
        ("a, b", False),
        ("<b>", False),
        ("${jndi}", False),
        ("\u00e9", False),
    ],
)
def test_a_name_means_nothing_anywhere(text: str, is_name: bool) -> None:
    assert is_request_id(text) is is_name
    assert incoming_id(make_request("/", (NAME, text)), NAME) == (text if is_name else None)


def test_of_several_none_is_taken() -> None:
    assert incoming_id(make_request("/", (NAME, "a"), (NAME, "b")), NAME) is None


def test_a_request_and_its_response_have_one_name() -> None:
    request = with_request_id(make_request("/", ("x-request-id", "<b>"), ("A", "1")), NAME, "n")
    assert request.headers.pairs == (("A", "1"), (NAME, "n"))
    response = with_id_of(request, Response.text("", headers={NAME: "old"}), NAME)
    assert response.headers[-1] == (NAME, "n") and len(response.headers) == 2


def test_a_header_is_a_token() -> None:
    assert check_header_name(NAME) is None
    assert check_header_name("a b") == "'a b' is not a header name"
