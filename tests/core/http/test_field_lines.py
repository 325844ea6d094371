"""The header fields of a response: what cannot be sent is a sentence, the rest are bytes, and what
is remembered is what would be made anew.
"""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.core.http.default_fields import EVENTS, NONE, TEXT, Merged, merge, merge_pairs
from sigil.core.http.field_lines import (
    REMEMBERED_LEN,
    FieldLine,
    PreparedHeaders,
    Role,
    check_headers,
    encode_field,
    field_line,
    prepare_fields,
    prepare_headers,
    remembered_count,
)
from sigil.core.http.headers import may_be_secret


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
    ("headers", "text"),
    [
        ([("A", "b")], "[('A', 'b')]"),
        ({"A": "b"}, "{'A': 'b'}"),
        ((["A", "b"],), "(['A', 'b'],)"),
        ((("A", "b", "c"),), "(('A', 'b', 'c'),)"),
    ],
)
def test_headers_are_a_tuple_of_pairs(headers: Any, text: str) -> None:
    problem = f"the headers of a response are a tuple of pairs, not {text}"
    assert prepare_headers(headers) == problem


@pytest.mark.parametrize(
    ("pairs", "prepared"),
    [
        ((), PreparedHeaders(b"", (), False, False, None, "")),
        (
            (("X-A", "b"), ("x-a", "\xe9")),
            PreparedHeaders(b"X-A: b\r\nx-a: \xe9\r\n", ("x-a", "x-a"), False, False, None, ""),
        ),
        ((("DATE", "now"),), PreparedHeaders(b"DATE: now\r\n", ("date",), True, False, None, "")),
        (
            (("X-A", "b"), ("content-length", "5"), ("Set-Cookie", "a=b")),
            PreparedHeaders(
                b"X-A: b\r\nSet-Cookie: a=b\r\n",
                ("x-a", "content-length", "set-cookie"),
                False,
                False,
                5,
                "",
            ),
        ),
        (
            (("Connection", "close, Foo"), ("connection", "keep-alive, bar")),
            PreparedHeaders(b"", ("connection", "connection"), False, True, None, "Foo, bar"),
        ),
    ],
)
def test_headers_are_prepared_once_for_all_requests(
    pairs: tuple[tuple[str, str], ...], prepared: PreparedHeaders
) -> None:
    assert prepare_headers(pairs) == prepared


NAMES = st.sampled_from(
    ("X-A", "x-a", "Date", "Set-Cookie", "Authorization", "Content-Length", "Connection", "")
)
TEXTS = st.text(max_size=8) | st.sampled_from(
    ("x" * REMEMBERED_LEN, "\r\n", "\xe9", "\t", "5", "close", "keep-alive, a")
)


@given(st.lists(st.tuples(NAMES | st.text(max_size=3), TEXTS), max_size=8))
def test_what_is_remembered_is_what_would_be_made_anew(pairs: list[tuple[str, str]]) -> None:
    for name, value in [*pairs, *pairs]:
        assert field_line(name, value) == encode_field(name, value)


@given(st.lists(st.tuples(NAMES, TEXTS), max_size=12))
def test_what_is_prepared_does_not_depend_on_what_is_remembered(
    pairs: list[tuple[str, str]],
) -> None:
    given_pairs = tuple(pairs)
    assert [prepare_headers(given_pairs) for _ in range(2)] == [prepare_fields(given_pairs)] * 2


SENTENCE = re.compile("header|Content-Length")


@given(st.sampled_from((NONE, TEXT, EVENTS)), st.lists(st.tuples(NAMES, TEXTS), max_size=12))
def test_what_is_merged_does_not_depend_on_what_is_remembered(
    defaults: Merged, pairs: list[tuple[str, str]]
) -> None:
    given_pairs = tuple(pairs)
    if isinstance(prepare_fields(given_pairs), str):
        with pytest.raises(ValueError, match=SENTENCE):  # of two problems either may be named
            merge(defaults, given_pairs)
        return
    anew = merge_pairs(defaults.pairs, given_pairs)
    for _ in range(2):
        assert merge(defaults, given_pairs)[:2] == anew[:2]
        assert merge(defaults, pairs)[:2] == anew[:2]


def test_default_fields_with_a_secret_are_not_remembered_with_no_others() -> None:
    defaults = merge(NONE, (("Location", "/welcome?token=a"),))
    assert merge(defaults, ()) == merge(defaults, iter(()))
    assert merge(defaults, ()) is not merge(defaults, ())


def test_the_fields_before_a_secret_are_remembered_and_it_is_not() -> None:
    pairs = (("X-A", "b"), ("Vary", "Cookie"), ("Set-Cookie", "a=b"), ("Content-Type", "text/csv"))
    assert remembered_count(pairs) == 2
    assert remembered_count(pairs[:2]) == 2 and remembered_count(pairs[2:]) == 0
    assert merge(TEXT, pairs).prepared.block == (
        b"X-A: b\r\nVary: Cookie\r\nSet-Cookie: a=b\r\nContent-Type: text/csv\r\n"
    )
    assert merge(TEXT, pairs[:3]).pairs == (("Content-Type", TEXT.pairs[0][1]), *pairs[:3])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[(name, "a") for name in ("Set-Cookie", "authorization", "X-API-Key", "X-Auth-Token")],
        ("Location", "/welcome?token=a"),
    ],
)
def test_a_secret_is_not_remembered(name: str, value: str) -> None:
    assert may_be_secret(name, value)
    assert field_line(name, value) is not field_line(name, value)
    pairs = (("X-A", "b"), (name, value))
    assert prepare_headers(pairs) is not prepare_headers(pairs)


def test_a_set_without_a_secret_is_remembered() -> None:
    pairs = (("X-A", "b"), ("Location", "/welcome?page=2"))
    assert prepare_headers(pairs) is prepare_headers(pairs)


class Spy(str):
    """A text that notices if it is looked up."""

    def __hash__(self) -> int:
        raise AssertionError

    __eq__ = object.__eq__


def test_what_is_no_plain_text_is_never_looked_up() -> None:
    prepare_headers((("X-A", "b"),))
    problem = "headers are pairs of str, not of str and Spy"
    assert prepare_headers((("X-A", Spy("b")),)) == problem


def test_a_field_of_the_program_is_remembered_unless_it_is_long() -> None:
    assert field_line("X-A", "b") is field_line("X-A", "b")
    assert field_line("X-A", "b") == FieldLine(b"X-A: b\r\n", "x-a", Role.LINE)
    long = "b" * REMEMBERED_LEN
    assert field_line("X-A", long) is not field_line("X-A", long)
