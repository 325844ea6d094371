"""Forms as values, and names that files may be given."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.core.http.decoding import BadInput
from sigil.core.http.form import Form, FormFile, safe_filename
from sigil.core.http.headers import Headers


def file_of(data: bytes, filename: str = "a.txt") -> FormFile:
    return FormFile("upload", filename, "text/plain", Headers(), data)


def test_a_form_is_a_value() -> None:
    form = Form((("a", "1"),), (file_of(b"x"),))
    assert form == Form((("a", "1"),), (file_of(b"x"),)) != Form((), ())
    assert hash(form) == hash(pickle.loads(pickle.dumps(form)))
    assert "upload" in repr(form)


def test_a_file_is_text_if_it_is_utf_8() -> None:
    assert file_of("é".encode()).text() == "é"
    with pytest.raises(BadInput, match="the file of the field 'upload' is not UTF-8") as caught:
        file_of(b"\xff").text()
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("a.txt", "a.txt"),
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        (r"C:\Users\me\a.txt", "a.txt"),
        (r"..\a.txt", "a.txt"),
        ("a/", "file"),
        ("", "file"),
        (".", "file"),
        ("..", "file"),
        (".htaccess", "htaccess"),
        ("...a", "a"),
        ("a.txt\0.png", "a.txt.png"),
        ("a\r\nb", "ab"),
        ("a\n/b", "b"),
        ("a.txt:stream", "a.txt_stream"),
        ('<a>|"b"?*', "_a___b___"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("nul .tar.gz", "_nul .tar.gz"),
        ("COM\xb9.txt", "_COM\xb9.txt"),
        ("conin$", "_conin$"),
        ("console.txt", "console.txt"),
        ("a. . ", "a"),
        ("Ünïcödé €.pdf", "Ünïcödé €.pdf"),
        ("photo\u202egnp.exe", "photognp.exe"),
        ("-rf", "-rf"),
        ("é" * 200 + ".tar.gz", "é" * 126 + ".gz"),
        ("a." + "b" * 300, "a." + "b" * 253),
    ],
)
def test_a_name_is_safe_in_a_folder(filename: str, name: str) -> None:
    assert safe_filename(filename) == name
    assert file_of(b"", filename).safe_filename == name


@given(st.text(alphabet=st.sampled_from("a./\\\0 :\nCONé€.\u202e\ud800"), max_size=400))
def test_whatever_a_client_sends_a_name_is_one_name(filename: str) -> None:
    name = safe_filename(filename)
    assert name and name not in (".", "..") and not name.startswith(".")
    assert not set(name) & set('/\\\0\n:"')
    assert len(name.encode("utf-8", "replace")) <= 255
    assert safe_filename(name) == name


def test_a_name_takes_as_long_as_it_is_long() -> None:
    """A hundred of 4,096 blanks held everybody up for ten seconds: this one would take hours."""
    assert safe_filename(" " * 1_000_000) == "file"
    assert safe_filename("a" * 1_000_000 + "/b.txt") == "b.txt"
