"""Whatever a server may do to a client: each is an error with a sentence, and it goes on."""

import gzip
import socket
import zlib
from collections.abc import Iterator

import pytest
import zstandard

from sigil import HttpServer, Response, make_http_server
from sigil.client import (
    Client,
    ClientError,
    ClientLimits,
    ConnectError,
    ConnectionClosed,
    DecodingError,
    ProtocolError,
    ReadTimeout,
    ResponseTooLarge,
    Timeouts,
    TooManyRedirects,
    WriteTimeout,
)
from tests.support.answering import (
    Answerer,
    answering,
    never_ends,
    read_head,
    resets,
    sends,
    stays,
)

HEAD = b"HTTP/1.1 200 OK\r\n"
LIMITS = ClientLimits(max_response_len=1_000_000, retry_base=0.001)


@pytest.fixture(scope="module")
def good() -> Iterator[HttpServer]:
    """A server that is well."""
    server = make_http_server(lambda request: Response.text("well"), port=0)
    with server.serve_in_thread() as running:
        yield running


def with_length(body: bytes, *fields: bytes) -> bytes:
    """A whole response."""
    lines = b"".join(field + b"\r\n" for field in fields)
    return HEAD + lines + b"Content-Length: %d\r\n\r\n" % len(body) + body


def coded(coding: bytes, body: bytes) -> bytes:
    """A whole response in a content coding."""
    return with_length(body, b"Content-Encoding: " + coding)


BOMB = b"\0" * 50_000_000
ROWS: dict[str, tuple[Answerer, type[ClientError], str]] = {
    "nothing": (sends(), ConnectionClosed, "without an answer"),
    "not HTTP": (sends(b"220 smtp.example ESMTP\r\n"), ProtocolError, "not HTTP"),
    "TLS": (sends(b"\x15\x03\x01\x00\x02\x02\x46"), ProtocolError, "is it an https URL"),
    "HTTP/2": (sends(b"HTTP/2 200\r\n\r\n"), ProtocolError, "version"),
    "half a head": (sends(HEAD), ConnectionClosed, "within the head"),
    "half a body": (
        sends(HEAD + b"Content-Length: 5\r\n\r\nhalf"),
        ConnectionClosed,
        "1 bytes before the end",
    ),
    "half a chunk": (
        sends(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhalf"),
        ConnectionClosed,
        "within a chunked body",
    ),
    "no last chunk": (
        sends(HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
        ConnectionClosed,
        "within a chunked body",
    ),
    "a reset": (resets(), ConnectionClosed, "broke|closed"),
    "a reset within": (
        resets(HEAD + b"Content-Length: 5\r\n\r\nhalf"),
        ConnectionClosed,
        "broke|ended",
    ),
    "a bad chunk": (
        sends(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
        ProtocolError,
        "chunk",
    ),
    "a huge chunk": (
        sends(HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffff0\r\n"),
        ResponseTooLarge,
        "longer than",
    ),
    "two lengths": (
        sends(HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\na"),
        ProtocolError,
        "one decimal",
    ),
    "endless fields": (never_ends(b"a: b\r\n", HEAD), ProtocolError, "header fields|longer"),
    "an endless field": (never_ends(b"b" * 1_000, HEAD + b"a: "), ProtocolError, "longer"),
    "an endless status line": (never_ends(b"b" * 1_000, b"HTTP/1.1 200 "), ProtocolError, "line"),
    "endless hints": (
        never_ends(b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        ProtocolError,
        "before the final one",
    ),
    "an endless body": (
        never_ends(b"x" * 10_000, HEAD + b"\r\n"),
        ResponseTooLarge,
        "longer than the 1000000 bytes",
    ),
    "endless chunks": (
        never_ends(
            b"1000\r\n" + b"x" * 4_096 + b"\r\n", HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
        ),
        ResponseTooLarge,
        "longer than",
    ),
    "an endless trailer": (
        never_ends(b"a: b\r\n", HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"),
        ProtocolError,
        "trailer",
    ),
    "a length beyond all": (
        sends(HEAD + b"Content-Length: 99999999999\r\n\r\n"),
        ResponseTooLarge,
        "99999999999 bytes long",
    ),
    "a gzip bomb": (sends(coded(b"gzip", gzip.compress(BOMB))), ResponseTooLarge, "longer"),
    "a deflate bomb": (sends(coded(b"deflate", zlib.compress(BOMB))), ResponseTooLarge, "longer"),
    "a zstd bomb": (
        sends(coded(b"zstd", zstandard.compress(BOMB))),
        ResponseTooLarge,
        "longer",
    ),
    "a bomb in a bomb": (
        sends(coded(b"gzip, gzip", gzip.compress(gzip.compress(BOMB)))),
        ResponseTooLarge,
        "longer",
    ),
    "no gzip": (sends(coded(b"gzip", b"plain text")), DecodingError, "cannot be decoded"),
    "half a gzip": (
        sends(coded(b"gzip", gzip.compress(b"x" * 999)[:-9])),
        DecodingError,
        "too early",
    ),
    "no zstd": (sends(coded(b"zstd", b"plain text")), DecodingError, "cannot be decoded"),
    "many codings": (sends(coded(b"gzip," * 9 + b"gzip", b"")), DecodingError, "codings"),
    "a loop": (
        sends(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"),
        TooManyRedirects,
        "more than 10",
    ),
    "nowhere": (
        sends(b"HTTP/1.1 302 Found\r\nLocation: http://\r\nContent-Length: 0\r\n\r\n"),
        ClientError,
        "cannot be followed",
    ),
    "another protocol": (
        sends(b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"),
        ProtocolError,
        "not asked for",
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_each_bad_answer_is_an_error_with_a_sentence(name: str, good: HttpServer) -> None:
    answer, kind, sentence = ROWS[name]
    with answering(answer) as port, Client(limits=LIMITS) as client:
        url = f"http://user:secret@127.0.0.1:{port}/x"
        with pytest.raises(kind, match=sentence) as caught:
            client.run(client.get(url))
        text = str(caught.value)
        assert text.startswith(f"GET http://127.0.0.1:{port}/") and "secret" not in text
        assert client.run(client.get(f"http://127.0.0.1:{good.port}/")).text == "well"
        assert client.state.connection_count <= 2 and not client.state.calls


def test_each_phase_ends_in_time(good: HttpServer) -> None:
    silent: list[tuple[Answerer, Timeouts, type[ClientError]]] = [
        (stays, Timeouts(first_byte=0.1), ReadTimeout),
        (begins(b"HTTP/1.1 2"), Timeouts(between_bytes=0.1), ReadTimeout),
        (begins(HEAD + b"Content-Length: 5\r\n\r\n"), Timeouts(between_bytes=0.1), ReadTimeout),
    ]
    for answer, timeouts, kind in silent:
        with answering(answer) as port, Client() as client:
            with pytest.raises(kind):
                client.run(client.get(f"http://127.0.0.1:{port}/", timeout=timeouts))
            assert client.run(client.get(f"http://127.0.0.1:{good.port}/")).text == "well"


def begins(data: bytes) -> Answerer:
    """What answers with this, and then with nothing more."""

    def answer(connection: socket.socket) -> None:
        sends(data)(connection)
        stays(connection)

    return answer


def test_a_server_that_takes_nothing_ends_in_time() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    with listener, Client() as client:
        timeouts = Timeouts(send=0.2)
        with pytest.raises(WriteTimeout, match="took no more"):
            client.run(client.put(f"http://127.0.0.1:{port}/", b"x" * 10**8, timeout=timeouts))


def test_nobody_listens() -> None:
    with Client(limits=LIMITS) as client:
        with pytest.raises(ConnectError, match=r"127\.0\.0\.1:1: Connection refused"):
            client.run(client.get("http://127.0.0.1:1/"))
        with pytest.raises(ConnectError, match="cannot be resolved"):
            client.run(client.get("http://nobody.invalid/"))


def test_what_is_idempotent_is_tried_again_where_nobody_answered() -> None:
    count = 0

    def answer(connection: socket.socket) -> None:
        nonlocal count
        count += 1
        if count == 3:
            sends(with_length(b"at last", b"Connection: close"))(connection)
        else:
            read_head(connection)

    with answering(answer) as port, Client(limits=LIMITS) as client:
        url = f"http://127.0.0.1:{port}/"
        assert client.run(client.get(url)).text == "at last"
        assert count == 3
        with pytest.raises(ConnectionClosed):
            client.run(client.post(url, b"x"))
        assert count == 4


def test_an_early_answer_is_given_though_the_body_was_not_taken() -> None:
    def refuse(connection: socket.socket) -> None:
        sends(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")(
            connection
        )
        connection.shutdown(socket.SHUT_WR)
        stays(connection)

    with answering(refuse) as port, Client() as client:
        response = client.run(client.put(f"http://127.0.0.1:{port}/", b"x" * 10**7))
        assert (response.status, response.text) == (413, "no")
