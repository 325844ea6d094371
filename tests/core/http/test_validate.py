"""What the wire requires: sentences for what cannot be sent, None for what can."""

from typing import Any

import pytest

from sigil.core.http.response import Response, StreamedBody
from sigil.core.http.validate import check_headers, check_response, check_status, declared_length
from tests.support.builds import is_refused


@pytest.mark.parametrize(
    ("status", "is_good"),
    [
        (199, False),
        (200, True),
        (599, True),
        (600, False),
        ("200", False),
        (None, False),
        (200.0, False),
    ],
)
def test_a_status_is_a_number_from_200_to_599(status: Any, is_good: bool) -> None:
    problem = check_status(status)
    assert problem == (
        None if is_good else f"{status!r} is not the status of a response (200 to 599)"
    )


@pytest.mark.parametrize(
    ("pairs", "problem"),
    [
        ((), None),
        ((("X-A", "b"), ("x-a", "\tc \xe9")), None),
        ((("X-A", ""),), None),
        ((("X A", "b"),), "'X A' is not a header name"),
        ((("", "b"),), "'' is not a header name"),
        (((5, "b"),), "headers are pairs of str, not of int and str"),
        ((("X-A\n", "b"),), "'X-A\\n' is not a header name"),
        (
            (("X-A", "b\r\nc"),),
            "the value of header 'X-A' contains a character that cannot be sent: 'b\\r\\nc'",
        ),
        (
            (("X-A", "b\n"),),
            "the value of header 'X-A' contains a character that cannot be sent: 'b\\n'",
        ),
        ((("X-A", 5),), "headers are pairs of str, not of str and int"),
        (
            (("transfer-ENCODING", "chunked"),),
            "the header 'transfer-ENCODING' is the server's to send",
        ),
    ],
)
def test_pairs_are_names_and_values_that_are_not_ours(pairs: Any, problem: str | None) -> None:
    assert check_headers(pairs) == problem


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ((200, (), b""), None),
        ((200, (), StreamedBody(())), None),
        (
            (200, [("A", "b")], b""),
            "the headers of a response are a tuple of pairs, not [('A', 'b')]",
        ),
        (
            (200, {"A": "b"}, b""),
            "the headers of a response are a tuple of pairs, not {'A': 'b'}",
        ),
        (
            (200, (["A", "b"],), b""),
            "the headers of a response are a tuple of pairs, not (['A', 'b'],)",
        ),
        (
            (200, (("A", "b", "c"),), b""),
            "the headers of a response are a tuple of pairs, not (('A', 'b', 'c'),)",
        ),
        ((100, (), b""), "100 is not the status of a response (200 to 599)"),
    ],
)
def test_a_response_made_by_hand_is_looked_at_field_by_field(
    fields: tuple[Any, ...], problem: str | None
) -> None:
    assert is_refused(Response, *fields) or check_response(Response(*fields)) == problem


@pytest.mark.parametrize(
    ("pairs", "length"),
    [
        ((), None),
        ((("content-LENGTH", "5"),), 5),
        ((("Content-Length", " 05 "),), 5),
        (
            (("Content-Length", "5"), ("Content-Length", "5")),
            "Content-Length '5, 5' is not one decimal number",
        ),
        ((("Content-Length", "-5"),), "Content-Length '-5' is not one decimal number"),
        ((("Content-Length", ""),), "Content-Length '' is not one decimal number"),
        ((("Content-Length", "²"),), "Content-Length '²' is not one decimal number"),
        ((("Content-Length", "9" * 19),), f"Content-Length '{'9' * 19}' is not one decimal number"),
    ],
)
def test_a_declared_length_is_one_number(
    pairs: tuple[tuple[str, str], ...], length: int | str | None
) -> None:
    assert declared_length(pairs) == length
