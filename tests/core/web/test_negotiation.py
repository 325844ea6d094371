"""Accept-Encoding: literal fields, and what is sent for them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.core.web.negotiation import choose_coding, parse_weights, rank_codings

BOTH = ("zstd", "gzip")


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        (None, "identity"),
        ("", "identity"),
        ("gzip", "gzip"),
        ("GZip", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),  # what browsers send
        ("gzip, deflate, br", "gzip"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("gzip;q=0.5, zstd;q=0.501", "zstd"),
        ("gzip ; q=0.8 , zstd ;\tQ=0.9", "zstd"),
        ("br", "identity"),
        ("*", "zstd"),
        ("*;q=0.5, gzip", "gzip"),
        ("*;q=0", "identity"),
        ("*, zstd;q=0", "gzip"),
        ("gzip;q=0", "identity"),
        ("gzip;q=0.000, zstd;q=0.0", "identity"),
        ("identity", "identity"),
        ("identity, gzip;q=0.5", "identity"),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("identity;q=0, gzip", "gzip"),
        ("identity;q=0", "identity"),  # nothing is acceptable: a response is better than none
        # malformed members count as absent
        ("gzip;q=2", "identity"),
        ("gzip;q=0.1234", "identity"),
        ("gzip;q=", "identity"),
        ("gzip;level=9", "identity"),
        ("gz ip, zstd", "zstd"),
        (",,gzip,,", "gzip"),
    ],
)
def test_the_best_that_is_accepted_is_sent(accept: str | None, coding: str) -> None:
    assert choose_coding(accept, BOTH) == coding


def test_of_equal_weights_the_server_decides() -> None:
    assert rank_codings("br, gzip, zstd", ("gzip", "br")) == ("gzip", "br")
    assert rank_codings("br, gzip;q=0.9, zstd", ("gzip", "zstd", "br")) == ("zstd", "br", "gzip")


def test_weights_are_thousandths() -> None:
    assert parse_weights("a;q=0.123, b, *;q=1.000, c;q=0") == {
        "a": 123,
        "b": 1000,
        "*": 1000,
        "c": 0,
    }


@given(st.text(alphabet="gzip, std;q=01.*xbr-", max_size=60))
def test_any_text_chooses_something(text: str) -> None:
    assert choose_coding(text, BOTH) in (*BOTH, "identity")
