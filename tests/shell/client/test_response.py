"""A response as a program reads it, whatever a server has made of it."""

import asyncio
import socket

import pytest

from sigil.client import Client, RequestCancelled, ResponseTooLarge, http_get
from sigil.shell.client.response import codec_of
from tests.support.answering import answering, read_head, sends, stays
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


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-be", "utf-32-le", "cp037", "shift_jis"])
def test_lines_are_those_of_the_charset(charset: str) -> None:
    head = HEAD + f"Content-Type: text/plain; charset={charset}\r\n\r\n".encode()
    with answering(sends(head + "one\r\n\ntwo\n".encode(charset))) as port:
        response = http_get(f"http://{HOST}:{port}/", stream=True)
        assert list(response.iter_lines()) == ["one", "", "two"]


def test_a_body_under_asyncio_is_taken_once() -> None:
    async def main(url: str) -> None:
        async with Client() as client:
            response = await client.get(url, stream=True)
            assert [piece async for piece in response] == [b"all"]
            with pytest.raises(RuntimeError, match="the body was taken in pieces"):
                await response.read()

    with answering(sends(HEAD + b"Content-Length: 3\r\n\r\nall")) as port:
        asyncio.run(main(f"http://{HOST}:{port}/"))


def test_a_body_under_asyncio_is_waited_for_by_one_who_is_told_when_another_closes_it() -> None:
    async def main(url: str) -> None:
        async with Client() as client:
            response = await client.get(url, stream=True)
            reading = asyncio.ensure_future(response.read())
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="somebody else waits"):
                await anext(aiter(response))
            with pytest.raises(RuntimeError, match="the body was taken in pieces"):
                await response.read()
            assert not reading.done()
            response.close()
            with pytest.raises(RequestCancelled, match="closed while its body was waited for"):
                await reading

    def half(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(HEAD + b"Content-Length: 3\r\n\r\na")
        stays(connection)

    with answering(half) as port:
        asyncio.run(main(f"http://{HOST}:{port}/"))


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
