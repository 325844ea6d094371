"""Headers of a part of a form: what they say, and what is refused with which words."""

import pytest

from sigil.core.http.decoding import BadInput
from sigil.core.http.part_head import PartHead, field_text, parse_part_head

DISPOSITION = (b"Content-Disposition", b'form-data; name="a"')
FILE = (b"content-disposition", b'form-data; name="a"; filename="b.bin"')


def head_of(*pairs: tuple[bytes, bytes]) -> PartHead:
    return parse_part_head(list(pairs), 3)


def refusal(*pairs: tuple[bytes, bytes]) -> tuple[int, str]:
    """Status and sentence with which these headers are refused."""
    with pytest.raises(BadInput) as caught:
        head_of(*pairs)
    return caught.value.status, str(caught.value)


def disposition(text: str) -> tuple[bytes, bytes]:
    return b"Content-Disposition", text.encode()


def test_a_part_without_a_filename_is_a_field() -> None:
    head = head_of(DISPOSITION)
    assert (head.name, head.filename, head.content_type) == ("a", None, "")
    assert head.headers["content-disposition"] == 'form-data; name="a"'


def test_a_part_with_one_is_a_file_whatever_its_type() -> None:
    head = head_of(FILE, (b"Content-Type", b"Text/HTML; charset=shift_jis"), (b"X-A", b"1"))
    assert (head.name, head.filename, head.content_type) == ("a", "b.bin", "text/html")
    assert head.headers.get("x-a") == "1"
    assert head_of(disposition('form-data; name="a"; filename=""')).filename == ""


@pytest.mark.parametrize(
    ("value", "filename"),
    [
        ('form-data; name="a"; filename="é€😀.txt"', "é€😀.txt"),
        ("form-data; name=\"a\"; filename*=UTF-8''%C3%A9.txt", "é.txt"),
        ('form-data; name="a"; filename*=UTF-8\'\'b; filename="c"', "c"),
        ('form-data; name="a"; filename="%22.txt"', "%22.txt"),
        ('form-data; name="a"; filename="../b"', "../b"),
    ],
)
def test_names_are_utf_8_and_otherwise_as_they_were_sent(value: str, filename: str) -> None:
    assert head_of(disposition(value)).filename == filename


def test_bytes_of_a_name_that_are_not_utf_8_do_not_cost_the_form() -> None:
    head = head_of((b"Content-Disposition", b'form-data; name="\xff"; filename="\xe9"'))
    assert (head.name, head.filename) == ("\ufffd", "\ufffd")


@pytest.mark.parametrize(
    ("pairs", "status", "sentence"),
    [
        ([], 400, "part 3 of the form has no Content-Disposition that is form-data"),
        (
            [disposition('attachment; name="a"')],
            400,
            "part 3 of the form has no Content-Disposition that is form-data",
        ),
        (
            [disposition('form-data; name="a')],
            400,
            "part 3 of the form has no Content-Disposition that is form-data",
        ),
        ([disposition('form-data; filename="a"')], 400, "part 3 of the form has no name"),
        (
            [DISPOSITION, DISPOSITION],
            400,
            "part 3 of the form has more than one field content-disposition",
        ),
        (
            [DISPOSITION, (b"X", b"a\nb")],
            400,
            "part 3 of the form has a control character in its field X",
        ),
        (
            [disposition("form-data; name=\"a\"; filename*=iso-8859-1''a")],
            400,
            "part 3 of the form has a parameter filename* that is not one of RFC 8187 in UTF-8",
        ),
        (
            [FILE, (b"Content-Transfer-Encoding", b"base64")],
            415,
            "part 3 of the form has the content transfer encoding 'base64'",
        ),
        (
            [DISPOSITION, (b"Content-Type", b"text/plain; charset=shift_jis")],
            415,
            "part 3 of the form is in the charset 'shift_jis', and only UTF-8 is read",
        ),
        (
            [DISPOSITION, (b"Content-Type", b"multipart/mixed; boundary=x")],
            415,
            "part 3 of the form holds other parts, which is obsolete (RFC 7578 section 4.3)",
        ),
        (
            [DISPOSITION, (b"Content-Type", b"text/plain; charset")],
            400,
            "part 3 of the form has a malformed Content-Type",
        ),
    ],
)
def test_a_refusal_names_the_part_and_what_is_wrong(
    pairs: list[tuple[bytes, bytes]], status: int, sentence: str
) -> None:
    assert refusal(*pairs) == (status, sentence)


@pytest.mark.parametrize("charset", [b"utf-8", b"UTF-8", b'"utf-8"', b"us-ascii"])
def test_a_field_may_say_that_it_is_utf_8(charset: bytes) -> None:
    assert head_of(DISPOSITION, (b"Content-Type", b"text/plain; charset=" + charset))


@pytest.mark.parametrize("coding", [b"7bit", b"8BIT", b"binary"])
def test_a_coding_that_changes_nothing_is_none(coding: bytes) -> None:
    assert head_of(DISPOSITION, (b"Content-Transfer-Encoding", coding)).name == "a"


def test_a_field_is_text_in_utf_8() -> None:
    head = head_of(DISPOSITION)
    assert field_text(head, "é".encode()) == "é"
    with pytest.raises(BadInput, match="the field 'a' of the form is not UTF-8") as caught:
        field_text(head, b"\xff")
    assert caught.value.status == 400


def test_a_form_says_by_a_field_which_charset_it_is_in() -> None:
    head = head_of(disposition('form-data; name="_charset_"'))
    assert field_text(head, b"UTF-8") == "UTF-8"
    with pytest.raises(BadInput, match="'windows-1252', and only UTF-8 is read") as caught:
        field_text(head, b"windows-1252")
    assert caught.value.status == 415
