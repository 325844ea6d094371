"""HTTP dates, in all three forms, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.core.http.dates import format_date, parse_date

AT = 784_111_777


@pytest.mark.parametrize(
    "text",
    ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"],
)
def test_the_three_forms_of_rfc_9110_are_one_time(text: str) -> None:
    assert parse_date(text) == AT


@pytest.mark.parametrize(
    "text",
    [
        "", "0", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
        "sun, 06 nov 1994 08:49:37 gmt", "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT", "Sun, ٠٦ Nov 1994 08:49:37 GMT",
    ],
)  # fmt: skip
def test_anything_else_is_no_date(text: str) -> None:
    assert parse_date(text) is None


def test_a_year_of_two_digits_is_less_than_fifty_years_ahead() -> None:
    assert parse_date("Friday, 01-Jan-70 00:00:00 GMT") == 3_155_760_000
    assert parse_date("Friday, 01-Jan-77 00:00:00 GMT") == 220_924_800


def test_a_leap_second_is_the_second_before() -> None:
    assert parse_date("Sun, 06 Nov 1994 08:49:60 GMT") == AT + 22


def test_a_time_without_a_date_is_the_nearest_that_has_one() -> None:
    assert format_date(-1) == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert format_date(10**15) == "Fri, 31 Dec 9999 23:59:59 GMT"


@given(st.integers(0, 253_402_300_799))
def test_what_was_written_is_read(seconds: int) -> None:
    assert parse_date(format_date(seconds)) == seconds


@given(st.text(max_size=40))
def test_no_text_raises(text: str) -> None:
    parse_date(text)
