"""Paths, apart and together again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.core.parse_result import Malformed
from sigil.core.web.paths import encode_segment, split_path

TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1)


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("/", ["", ""]),
        ("/a", ["", "a"]),
        ("/a/", ["", "a", ""]),
        ("//a//", ["", "", "a", "", ""]),
        ("/a%2Fb/c%2fd", ["", "a/b", "c/d"]),
        ("/%C3%A9", ["", "é"]),
        ("/a+b;c=1", ["", "a+b;c=1"]),
        ("/%25/%2525", ["", "%", "%25"]),
        ("/a%0A%20b", ["", "a\n b"]),
        ("/.well-known/..x/x..", ["", ".well-known", "..x", "x.."]),
        ("/...", ["", "..."]),
    ],
)
def test_a_path_is_cut_and_then_decoded(path: str, segments: list[str]) -> None:
    assert split_path(path) == segments


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/%", "a percent sign that begins no escape"),
        ("/%2", "a percent sign that begins no escape"),
        ("/a%zz", "a percent sign that begins no escape"),
        ("/%u0041", "a percent sign that begins no escape"),
        ("/%FF", "not UTF-8"),
        ("/%C3/%A9", "not UTF-8"),
        ("/%ED%A0%80", "not UTF-8"),
        ("/%C0%AF", "not UTF-8"),
        ("/a%00b", "NUL"),
        ("/.", "a segment . or .."),
        ("/a/..", "a segment . or .."),
        ("/../a", "a segment . or .."),
        ("/%2e%2E/a", "a segment . or .."),
        ("/a/%2e/b", "a segment . or .."),
        ("/.%2e", "a segment . or .."),
    ],
)
def test_a_path_that_nothing_can_be_called_is_refused_in_a_sentence(path: str, why: str) -> None:
    refused = split_path(path)
    assert isinstance(refused, Malformed)
    assert (refused.status, why in refused.message) == (400, True)


@given(st.lists(TEXTS.filter(lambda text: text not in (".", "..")), min_size=1))
def test_what_is_encoded_is_decoded_again(texts: list[str]) -> None:
    path = "".join(f"/{encode_segment(text)}" for text in texts)
    assert path.isascii() and split_path(path) == ["", *texts]


@given(st.text(alphabet="/.%aF2e0\0é", max_size=12))
def test_whatever_a_path_is_it_is_segments_or_a_sentence(path: str) -> None:
    split = split_path(f"/{path}")
    if isinstance(split, Malformed):
        assert split.message
    else:
        assert not {".", ".."} & set(split)
        "".join(split).encode()


@pytest.mark.parametrize("text", ["", ".", "..", "a\0", "\ud800"])
def test_what_no_segment_can_be_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cannot be a segment of a path"):
        encode_segment(text)


def test_a_segment_keeps_the_characters_that_it_may_contain() -> None:
    assert encode_segment("a-._~!$&'()*+,;=:@é /?#") == "a-._~!$&'()*+,;=:@%C3%A9%20%2F%3F%23"
