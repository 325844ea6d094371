"""Preconditions: the five fields, in their order, as a table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.core.http.headers import Headers
from sigil.core.web.conditions import (
    Validators,
    Verdict,
    check_preconditions,
    is_entity_tag,
    is_range_wanted,
    parse_entity_tags,
)

BEFORE, AT, AFTER = (f"Sun, 06 Nov 1994 08:49:{second} GMT" for second in (36, 37, 38))
STRONG = Validators('"a"', 784_111_777, True)
WEAK = Validators('W/"a"', 784_111_777, False)
GO, SAME, FAILED = Verdict.PROCEED, Verdict.NOT_MODIFIED, Verdict.FAILED


@pytest.mark.parametrize(
    ("method", "fields", "validators", "verdict"),
    [
        ("GET", {}, STRONG, GO),
        # If-Match compares strongly
        ("GET", {"If-Match": '"a"'}, STRONG, GO),
        ("PUT", {"If-Match": '"b", "a"'}, STRONG, GO),
        ("PUT", {"If-Match": '"b"'}, STRONG, FAILED),
        ("PUT", {"If-Match": 'W/"a"'}, STRONG, FAILED),
        ("PUT", {"If-Match": 'W/"a"'}, WEAK, FAILED),
        ("PUT", {"If-Match": "*"}, WEAK, GO),
        ("PUT", {"If-Match": "a"}, STRONG, FAILED),
        # If-Unmodified-Since
        ("GET", {"If-Unmodified-Since": BEFORE}, STRONG, FAILED),
        ("GET", {"If-Unmodified-Since": AT}, STRONG, GO),
        ("GET", {"If-Unmodified-Since": "yesterday"}, STRONG, GO),
        ("GET", {"If-Match": '"a"', "If-Unmodified-Since": BEFORE}, STRONG, GO),
        ("GET", {"If-Match": '"b"', "If-Unmodified-Since": AFTER}, STRONG, FAILED),
        # If-None-Match compares weakly
        ("GET", {"If-None-Match": '"a"'}, STRONG, SAME),
        ("HEAD", {"If-None-Match": 'W/"a"'}, STRONG, SAME),
        ("GET", {"If-None-Match": '"a"'}, WEAK, SAME),
        ("GET", {"If-None-Match": '"b" , "a"'}, WEAK, SAME),
        ("GET", {"If-None-Match": '"b"'}, STRONG, GO),
        ("GET", {"If-None-Match": "*"}, STRONG, SAME),
        ("PUT", {"If-None-Match": "*"}, STRONG, FAILED),
        ("PUT", {"If-None-Match": '"a"'}, STRONG, FAILED),
        ("GET", {"If-None-Match": "a"}, STRONG, GO),
        ("GET", {"If-None-Match": '"a"'}, Validators(), GO),
        # If-Modified-Since
        ("GET", {"If-Modified-Since": BEFORE}, STRONG, GO),
        ("GET", {"If-Modified-Since": AT}, STRONG, SAME),
        ("HEAD", {"If-Modified-Since": AFTER}, STRONG, SAME),
        ("POST", {"If-Modified-Since": AFTER}, STRONG, GO),
        ("GET", {"If-Modified-Since": AFTER}, Validators('"a"'), GO),
        ("GET", {"If-Modified-Since": "never"}, STRONG, GO),
        ("GET", {"If-None-Match": '"b"', "If-Modified-Since": AFTER}, STRONG, GO),
        # the first that fails decides
        ("GET", {"If-Match": '"b"', "If-None-Match": '"a"'}, STRONG, FAILED),
        ("GET", {"If-Match": '"a"', "If-None-Match": '"a"'}, STRONG, SAME),
        ("GET", {"If-Unmodified-Since": BEFORE, "If-None-Match": '"a"'}, STRONG, FAILED),
    ],
)
def test_preconditions_are_judged_in_their_order(
    method: str, fields: dict[str, str], validators: Validators, verdict: Verdict
) -> None:
    assert check_preconditions(method, Headers(tuple(fields.items())), validators) is verdict


@pytest.mark.parametrize(
    ("text", "validators", "is_wanted"),
    [
        (None, WEAK, True),
        ('"a"', STRONG, True),
        ('"b"', STRONG, False),
        ('W/"a"', WEAK, False),
        ('W/"a"', STRONG, False),
        (AT, STRONG, True),
        (AT, WEAK, False),
        (AFTER, STRONG, False),
        (BEFORE, STRONG, False),
        ("a", STRONG, False),
        ('"a"', Validators(), False),
    ],
)
def test_a_range_counts_if_what_is_there_is_what_the_client_has_a_part_of(
    text: str | None, validators: Validators, is_wanted: bool
) -> None:
    fields = () if text is None else (("If-Range", text),)
    assert is_range_wanted(Headers(fields), validators) is is_wanted


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ('"a"', ('"a"',)),
        ('"a", W/"b,c" ,, ""', ('"a"', 'W/"b,c"', '""')),
        (', "a"', ('"a"',)),
        ('"a" "b"', ()),
        ('w/"a"', ()),
        ('"a', ()),
        ("", ()),
    ],
)
def test_entity_tags_of_a_list(text: str, tags: tuple[str, ...]) -> None:
    assert parse_entity_tags(text) == tags


@given(st.lists(st.text("abc,\xe9 ", max_size=4).filter(lambda text: " " not in text), min_size=1))
def test_tags_that_were_joined_are_parsed(names: list[str]) -> None:
    tags = tuple(f'"{name}"' for name in names)
    assert parse_entity_tags(", ".join(tags)) == tags
    assert all(map(is_entity_tag, tags))


@given(st.text('W/", ab', max_size=200))
def test_no_list_raises_or_takes_long(text: str) -> None:
    parse_entity_tags(text)
    parse_entity_tags(text * 50)
