"""Parameters of field values, as the grammar has them and as clients write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.core.http.parameters import decode_extended, parse_parameters


@pytest.mark.parametrize(
    ("value", "word", "parameters"),
    [
        ("", "", {}),
        ("Text/Plain", "text/plain", {}),
        ("text/plain;", "text/plain", {}),
        ("text/plain ; ; charset=utf-8 ;", "text/plain", {"charset": "utf-8"}),
        ('form-data; name="a"', "form-data", {"name": "a"}),
        ('form-data;name=a;filename="b c"', "form-data", {"name": "a", "filename": "b c"}),
        ('form-data; NAME = "a"', "form-data", {"name": "a"}),
        ('form-data; name=""', "form-data", {"name": ""}),
        ('form-data; name="a;b=c"', "form-data", {"name": "a;b=c"}),
        (r'form-data; name="a\"b"', "form-data", {"name": 'a"b'}),
        (r'form-data; name="a\\b"', "form-data", {"name": r"a\b"}),
        (r'form-data; name="C:\dir\a.txt"', "form-data", {"name": r"C:\dir\a.txt"}),
        (r'form-data; name="a\"', "form-data", {"name": "a\\"}),
        (r'form-data; name="a\"; filename="b"', "form-data", {"name": "a\\", "filename": "b"}),
        ('form-data; name="a%22b"', "form-data", {"name": "a%22b"}),
        ("multipart/form-data; boundary=a:b/c=?", "multipart/form-data", {"boundary": "a:b/c=?"}),
        ("form-data; filename*=UTF-8''a", "form-data", {"filename*": "UTF-8''a"}),
    ],
)
def test_a_value_is_a_word_and_parameters(
    value: str, word: str, parameters: dict[str, str]
) -> None:
    assert parse_parameters(value) == (word, parameters)


@pytest.mark.parametrize(
    "value",
    [
        "form-data; name",
        "form-data; name=",
        "form-data; =a",
        'form-data; name="a',
        'form-data; name="a"b',
        "form-data; name=a b",
        'form-data; na me="a"',
        'form-data; name="a"; name="a"',
        "form-data; name=a; NAME=b",
    ],
)
def test_what_can_be_read_in_two_ways_is_malformed(value: str) -> None:
    assert parse_parameters(value) is None


@given(st.text(alphabet='ab="\\; ', max_size=20))
def test_what_is_escaped_comes_back(text: str) -> None:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    assert parse_parameters(f'x; a="{quoted}"; b=1') == ("x", {"a": text, "b": "1"})


@given(st.text(alphabet='ab="\\; =\t', max_size=30))
def test_whatever_comes_is_read_or_malformed(text: str) -> None:
    parsed = parse_parameters(f"x;{text}")
    assert parsed is None or parsed[0] == "x"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("UTF-8''a", "a"),
        ("utf-8'en'%E2%82%AC%20rates", "€ rates"),
        ("UTF-8''%FF", "\ufffd"),
        ("ISO-8859-1''%A3", None),
        ("UTF-8'a", None),
        ("UTF-8''%4", None),
        ("a", None),
    ],
)
def test_an_extended_parameter_is_one_in_utf_8(value: str, text: str | None) -> None:
    assert decode_extended(value) == text
