"""What the wire requires: sentences for what cannot be sent, None for what can."""

from typing import Any

import pytest

from sigil.core.http.validate import check_status, declared_length


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
