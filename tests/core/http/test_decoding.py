"""Decoding of what clients write: the same as the standard library where that is right, bounded in
memory, and nothing comes in that could not go out.
"""

import json
import tracemalloc
from typing import Any
from urllib.parse import parse_qsl, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sigil.core.http.decoding import (
    DEFAULT_BOUNDS,
    BadInput,
    decoding_bounds,
    parse_cookies,
    parse_json,
    parse_pairs,
    utf8_text,
)
from sigil.core.limits import Limits

MIB = 2**20
ESCAPES = st.sampled_from(["%", "%4", "%41", "%C3", "%A9", "%zz", "%ED%A0%80", "+", "&", "=", "é"])
QUERIES = st.lists(ESCAPES | st.text(max_size=3), max_size=20).map("".join)


def test_the_bounds_are_those_of_the_limits_and_one_record_for_all_requests() -> None:
    limits = Limits(max_form_len=1, max_form_fields=2, max_form_files=3, max_json_depth=4)
    limits = limits._replace(max_part_headers=5, max_part_header_len=6)
    assert decoding_bounds(limits)._asdict() == {
        "max_form_len": 1,
        "max_form_fields": 2,
        "max_form_files": 3,
        "max_part_headers": 5,
        "max_part_header_len": 6,
        "max_json_depth": 4,
    }
    assert decoding_bounds(limits._replace(max_headers=5)) is decoding_bounds(limits)
    assert decoding_bounds(Limits()) is DEFAULT_BOUNDS


# -- fields ----------------------------------------------------------------------------------------


@given(QUERIES)
@example("%" * 10_000)
@example("%41" * 10_000)
@example("a%4" * 5_000)
@example("é%C3%A9" * 3_000)
def test_pairs_are_those_of_the_standard_library(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    assert parse_pairs(text, 10**9) == tuple(parse_qsl(text, keep_blank_values=True))


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=50), st.integers(0, 9))
def test_a_value_comes_back_wherever_the_pieces_are_cut(text: str, offset: int) -> None:
    value = "x" * (4_090 + offset) + text
    assert parse_pairs(f"a={quote_plus(value)}", 1) == (("a", value),)


@pytest.mark.parametrize("parse", [parse_pairs, parse_cookies])
def test_the_number_of_fields_is_bounded(parse: Any) -> None:
    separator = "&" if parse is parse_pairs else ";"
    assert parse(separator.join(["a=b"] * 3), 3)
    with pytest.raises(BadInput, match="more than 3 fields"):
        parse(separator.join(["a=b"] * 4), 3)
    with pytest.raises(BadInput, match="more than 3 fields"):
        parse(separator * 3, 3)


@pytest.mark.parametrize("piece", ["a", "%41", "%", "+", "a=", "é"])
def test_the_memory_of_a_form_is_in_proportion_to_it(piece: str) -> None:
    text = piece * (MIB // len(piece.encode()))
    tracemalloc.start()
    try:
        parse_pairs(text, 1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * MIB


def test_the_memory_of_the_most_fields_there_may_be_is_small() -> None:
    text = "&".join(f"{number}={number}" for number in range(DEFAULT_BOUNDS.max_form_fields))
    tracemalloc.start()
    try:
        dict(parse_pairs(text, DEFAULT_BOUNDS.max_form_fields))
        parse_cookies(text.replace("&", ";"), DEFAULT_BOUNDS.max_form_fields)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MIB


@pytest.mark.parametrize(
    ("raw", "text"),
    [(b"a", "a"), ("é€😀".encode(), "é€😀"), (b"\xe9", "\ufffd"), (b"\xed\xa0\x80", "\ufffd" * 3)],
)
def test_cookies_and_event_ids_are_utf_8(raw: bytes, text: str) -> None:
    assert utf8_text(raw.decode("latin-1")) == text
    assert parse_cookies(f"a={raw.decode('latin-1')}", 1) == {"a": text}


def test_a_request_made_by_hand_may_have_any_text_in_a_cookie() -> None:
    assert parse_cookies("a=é€", 1) == {"a": "\ufffd?"}


# -- JSON ------------------------------------------------------------------------------------------

DEEPEST = 100


def refusal(body: bytes) -> str:
    """The sentence with which a body is refused."""
    with pytest.raises(BadInput) as caught:
        parse_json(body, DEEPEST)
    assert caught.value.status == 400
    return str(caught.value)


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 400 + ".0"]
)
@pytest.mark.parametrize("around", ["{}", "[1, {}]", '{{"a": {}}}', '[[{{"a": [{}]}}]]'])
def test_a_number_that_is_none_is_refused_wherever_it_is(text: str, around: str) -> None:
    assert refusal(around.format(text).encode()).startswith("the body is not JSON: ")


@pytest.mark.parametrize(
    "text",
    [
        r'"\ud800"',
        r'"\udfff"',
        r'"\uD800x"',
        r'"\udc00\ud800"',
        r'"\ud83d\ud83d\ude00"',
        r'{"\ud800": 1}',
        r'[{"a": {"\udead": []}}]',
        r'[[["x", "\udbff"]]]',
    ],
)
def test_half_of_a_surrogate_pair_is_refused_in_values_and_keys(text: str) -> None:
    assert "half of a surrogate pair" in refusal(text.encode())


@pytest.mark.parametrize(
    "body", [b'"\xed\xa0\x80"', b'"\xff"', '"a"'.encode("utf-16"), '"a"'.encode("utf-32")]
)
def test_json_is_utf_8(body: bytes) -> None:
    assert refusal(body) == "the body is not JSON: it is not UTF-8"


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (rb'"\ud83d\ude00"', "😀"),
        (rb'"\\ud800"', r"\ud800"),
        (b"1e308", 1e308),
        (b"1e-999", 0.0),
        (b"-0.0", -0.0),
        (b'"NaN"', "NaN"),
        (b"\xef\xbb\xbf[]", []),
        (b'"[[[[[[[["', "[[[[[[[["),
        (rb'"\u0000"', "\0"),
    ],
)
def test_what_can_be_sent_again_is_taken(body: bytes, value: object) -> None:
    assert parse_json(body, 3) == value


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":'])
def test_the_depth_is_bounded(opening: str) -> None:
    levels = opening.count("[") + opening.count("{")
    closing = opening.replace('"a":', "").translate(str.maketrans("[{", "]}"))[::-1]

    def nested(count: int) -> bytes:
        return (opening * count + "1" + closing * count).encode()

    count = DEEPEST // levels
    assert parse_json(nested(count), DEEPEST)
    for more in (count + 1, 500, 100_000):
        assert f"more than {DEEPEST} arrays and objects" in refusal(nested(more))


def test_many_that_are_not_within_each_other_are_not_deep() -> None:
    assert len(parse_json(b"[" + b"[[]]," * 10_000 + b"1]", DEEPEST)) == 10_001
    assert "more than" in refusal(b"[" + b"[]," * 10_000 + b"[" * 100 + b"]" * 101)


JSON_TEXTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(alphabet=st.characters(exclude_categories=())),
    lambda values: (
        st.lists(values) | st.dictionaries(st.text(st.characters(exclude_categories=())), values)
    ),
).map(lambda value: json.dumps(value).encode())


@given(JSON_TEXTS | st.binary())
def test_what_is_taken_can_be_written_and_read_again(body: bytes) -> None:
    try:
        value = parse_json(body, 10)
    except BadInput:
        return
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    assert parse_json(text.encode(), 10) == value
