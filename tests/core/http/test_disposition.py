"""Names under which bodies are saved: RFC 6266, RFC 8187, and what people call their files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.core.http.disposition import content_disposition
from sigil.core.http.field_lines import prepare_headers


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", "attachment"),
        ("report.pdf", 'attachment; filename="report.pdf"'),
        ("a b.txt", 'attachment; filename="a b.txt"'),
        ("naïve.txt", "attachment; filename=\"na_ve.txt\"; filename*=UTF-8''na%C3%AFve.txt"),
        ('q"uote.txt', "attachment; filename=\"q_uote.txt\"; filename*=UTF-8''q%22uote.txt"),
        ("100%.txt", "attachment; filename=\"100_.txt\"; filename*=UTF-8''100%25.txt"),
        ("../../etc/passwd", 'attachment; filename="passwd"'),
        ("C:\\temp\\x.txt", 'attachment; filename="x.txt"'),
        ("a\r\nSet-Cookie: b", 'attachment; filename="a__Set-Cookie_ b"'
         "; filename*=UTF-8''a__Set-Cookie%3A%20b"),
        ("exe\u202egnp.scr", 'attachment; filename="exe_gnp.scr"'),
    ],
)  # fmt: skip
def test_a_name_is_a_name_and_nothing_else(name: str, value: str) -> None:
    assert content_disposition("attachment", name) == value


def test_a_disposition_is_one_of_two() -> None:
    assert content_disposition("inline", "a.txt") == 'inline; filename="a.txt"'
    with pytest.raises(ValueError, match="attachment or inline"):
        content_disposition("form-data")


@given(st.text())
def test_every_name_can_be_sent(name: str) -> None:
    value = content_disposition("attachment", name)
    assert not isinstance(prepare_headers((("Content-Disposition", value),)), str)
