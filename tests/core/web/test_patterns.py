"""Patterns: what they mean, and which make no sense."""

from typing import Any

import pytest

from sigil.core.web.converters import BUILT_IN, TEXT
from sigil.core.web.patterns import (
    Param,
    Rest,
    Segments,
    Static,
    names_in,
    parse_pattern,
    parse_prefix,
    shape_of,
)
from tests.support.builds import refusal

INT = BUILT_IN["int"]


@pytest.mark.parametrize(
    ("pattern", "segments"),
    [
        ("/", (Static(""),)),
        ("/a/b", (Static("a"), Static("b"))),
        ("/a/", (Static("a"), Static(""))),
        ("/:id", (Param("id", TEXT),)),
        ("/:id<str>", (Param("id", TEXT),)),
        ("/a/:id<int>/b", (Static("a"), Param("id", INT), Static("b"))),
        ("/*", (Rest("rest"),)),
        ("/a/*path", (Static("a"), Rest("path"))),
        ("/größe/a b", (Static("größe"), Static("a b"))),
        ("/a:b/a.b/.x", (Static("a:b"), Static("a.b"), Static(".x"))),
        ("/%3Aid/%2A/%25/a%2Fb", (Static(":id"), Static("*"), Static("%"), Static("a/b"))),
    ],
)
def test_a_pattern_means_these_segments(pattern: str, segments: Segments) -> None:
    assert parse_pattern(pattern) == segments


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("", "it begins with a slash"),
        ("a", "it begins with a slash"),
        ("*", "it begins with a slash"),
        ("//", "two slashes follow each other"),
        ("/a//b", "two slashes follow each other"),
        ("/*rest/a", "nothing can follow *rest, which takes it all"),
        ("/*rest/", "nothing can follow *rest"),
        ("/*a b", "the name of a rest is an identifier, not 'a b'"),
        ("/a*", "a * begins the name of the rest of a path"),
        ("/:", "a parameter is a whole segment, :name or :name<converter>, not ':'"),
        ("/:a-b", "a parameter is a whole segment"),
        ("/:a.json", "a parameter is a whole segment"),
        ("/:a<int>x", "a parameter is a whole segment"),
        ("/:a<", "a parameter is a whole segment"),
        ("/:a<>", "there is no converter '' among int, uuid, float, str"),
        ("/:a<integer>", "there is no converter 'integer' among int, uuid, float, str"),
        ("/<a>", "a parameter is a whole segment, :name"),
        ("/{a}", "a parameter is a whole segment, :name"),
        ("/:a/:a", "two of its parameters are called a"),
        ("/:rest/*", "two of its parameters are called rest"),
        ("/a?b", "the query, which the handler reads, is behind those"),
        ("/a#b", "a fragment is never sent to a server"),
        ("/100%", "a percent sign that begins no escape"),
        ("/%ff", "not UTF-8"),
        ("/%00", "NUL"),
        ("/a/..", "a segment . or .."),
        ("/a/./b", "a segment . or .."),
        ("/a\nb", "a character that is no printable one"),
        ("/\ud800", "a character that is no printable one"),
        ("/a" * 101, "it has more than 100 segments"),
    ],
)
def test_a_pattern_that_makes_no_sense_is_refused_in_a_sentence(pattern: str, why: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_pattern(pattern)
    assert "makes no sense" in str(caught.value) and why in str(caught.value)


def test_a_pattern_may_have_a_hundred_segments() -> None:
    assert len(parse_pattern("/a" * 100)) == 100


def test_a_pattern_is_a_text() -> None:
    wrong: Any = 3
    with pytest.raises(TypeError, match=refusal("a pattern is a str, not int")):
        parse_pattern(wrong)


@pytest.mark.parametrize(
    ("prefix", "segments"),
    [
        ("/", ()),
        ("/a", (Static("a"),)),
        ("/a/", (Static("a"),)),
        ("/users/:user", (Static("users"), Param("user", TEXT))),
    ],
)
def test_a_prefix_means_these_segments(prefix: str, segments: Segments) -> None:
    assert parse_prefix(prefix) == segments


def test_a_prefix_has_no_rest() -> None:
    with pytest.raises(ValueError, match=r"takes all behind it: leave out \*rest"):
        parse_prefix("/a/*")


def test_names_and_what_is_the_same_but_for_names() -> None:
    one, other = parse_pattern("/a/:id<int>/*rest"), parse_pattern("/a/:x<int>/*y")
    assert (names_in(one), names_in(other)) == (("id", "rest"), ("x", "y"))
    assert shape_of(one) == shape_of(other) != shape_of(parse_pattern("/a/:x/*y"))
