"""Media types by name."""

import pytest

from sigil.core.web.mime import MIME_TYPES, media_type_of


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("index.html", "text/html; charset=utf-8"),
        ("APP.JS", "text/javascript; charset=utf-8"),
        ("a.min.css", "text/css; charset=utf-8"),
        ("a.svg", "image/svg+xml"),
        ("a.webm", "video/webm"),
        ("a.wasm", "application/wasm"),
        ("a.tar.gz", "application/gzip"),
        ("a.json", "application/json"),
        ("README", "application/octet-stream"),
        ("a.unheard", "application/octet-stream"),
        ("a.", "application/octet-stream"),
        ("", "application/octet-stream"),
    ],
)
def test_the_last_ending_says_it(name: str, media_type: str) -> None:
    assert media_type_of(name) == media_type


def test_the_table_is_a_value_that_is_added_to_in_a_copy() -> None:
    types = {**MIME_TYPES, ".unheard": "text/unheard"}
    assert media_type_of("a.unheard", types) == "text/unheard"
    with pytest.raises(TypeError):
        MIME_TYPES[".html"] = "text/plain"  # type: ignore[index]  # that is what is tried


def test_every_row_is_an_ending_and_a_media_type() -> None:
    for ending, media_type in MIME_TYPES.items():
        assert ending.startswith(".") and ending == ending.lower()
        assert media_type.partition(";")[0].count("/") == 1
