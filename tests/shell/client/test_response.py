"""A response as a program reads it, whatever a server has made of it."""

import pytest

from sigil.client import Client, ResponseTooLarge, http_get
from sigil.shell.client.response import codec_of
from tests.support.answering import answering, sends
from tests.support.servers import HOST

HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        (None, "utf-8"),
        ("latin-1", "latin-1"),
        ("nothing", "utf-8"),
        ("hex", "utf-8"),
        ("idna", "utf-8"),
        ("Punycode", "utf-8"),
        ("unicode-escape", "utf-8"),
        ("undefined", "utf-8"),
        ("a" * 1_000, "utf-8"),
    ],
)
def test_a_charset_is_one_that_is_known_and_meant_for_text(charset: str | None, codec: str) -> None:
    assert codec_of(charset) == codec


def test_lines_come_whole_and_one_that_does_not_end_is_refused() -> None:
    lines = b"one\r\ntwo\nthr\xc3\xa4\n\nlast"
    with answering(sends(HEAD + b"\r\n" + lines)) as port:
        response = http_get(f"http://{HOST}:{port}/", stream=True)
        assert list(response.iter_lines()) == ["one", "two", "thrä", "", "last"]
    with answering(sends(HEAD + b"\r\n" + b"x" * 5_000)) as port, Client() as client:
        response = client.run(client.get(f"http://{HOST}:{port}/", stream=True))
        with pytest.raises(ResponseTooLarge, match="a line is longer than the 1000 bytes"):
            list(response.iter_lines(max_line_len=1_000))


def test_a_streamed_body_that_is_wanted_whole_is_bounded_all_the_same() -> None:
    with answering(sends(HEAD + b"\r\n" + b"x" * 5_000)) as port, Client() as client:
        url = f"http://{HOST}:{port}/"
        response = client.run(client.get(url, stream=True, max_response_len=1_000))
        with pytest.raises(ResponseTooLarge, match="1000 bytes"):
            response.body  # noqa: B018
        with pytest.raises(ResponseTooLarge):
            client.run(client.get(url, max_response_len=0))


def test_json_that_is_nested_without_end_is_a_value_error() -> None:
    body = b"[" * 100_000
    with answering(sends(HEAD + b"\r\n" + body)) as port:
        response = http_get(f"http://{HOST}:{port}/")
        with pytest.raises(ValueError):
            response.json()
