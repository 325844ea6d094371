"""The bytes of a connection are read as its peer reads them, whatever the pieces they come in."""

import pytest

from sigil.core.trace.wire import FrameReader, Item, ResponseReader, count_of, preview
from sigil.core.websocket.frames import Opcode, encode_close, encode_frame, encode_masked

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def read(data: bytes, size: int, methods: tuple[str, ...] = ()) -> list[Item]:
    """What is read of these bytes, in pieces of this size."""
    reader = ResponseReader()
    reader.methods.extend(methods)
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return [item for piece in pieces for item in reader.feed(piece)]


def texts(items: list[Item]) -> list[str]:
    return [item.text for item in items]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (HEAD + b"hello", ["200 OK, text/plain, 5 bytes", "'hello'"]),
        (HEAD + b"hello" + HEAD + b"hello", ["200 OK, text/plain, 5 bytes", "'hello'"] * 2),
        (
            CHUNKED + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n" + HEAD + b"hello",
            [
                "200 OK, chunked",
                "'abc'",
                "'de'",
                "the end of the body",
                "200 OK, text/plain, 5 bytes",
                "'hello'",
            ],
        ),
        (CHUNKED + b"0\r\nA: b\r\n\r\n", ["200 OK, chunked", "the end of the body"]),
        (b"HTTP/1.1 204 No Content\r\n\r\n" + HEAD, ["204 No Content", texts(read(HEAD, 999))[0]]),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD, ["100 Continue", texts(read(HEAD, 999))[0]]),
        (b"HTTP/1.1 302 Found\r\nLocation: /there\r\n\r\n", ["302 Found, location: /there"]),
        (b"HTTP/1.0 200 OK\r\n\r\nto the end", ["200 OK", "'to the end'"]),
        (
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + encode_frame(Opcode.TEXT, b"hi"),
            ["101 Switching Protocols", "text 'hi'"],
        ),
        (b"\x15\x03\x01\xff", ["b'\\x15\\x03\\x01\\xff'"]),
    ],
)
def test_responses_are_read_as_a_whole(data: bytes, expected: list[str]) -> None:
    assert texts(read(data, len(data))) == expected


@pytest.mark.parametrize("size", range(1, 40))
def test_heads_and_the_ends_of_bodies_are_found_in_whatever_pieces(size: int) -> None:
    data = CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n" + HEAD + b"hello" + CHUNKED + b"0\r\n\r\n"
    items = [item for item in read(data, size) if item.kind == "head"]
    assert texts(items) == ["200 OK, chunked", "200 OK, text/plain, 5 bytes", "200 OK, chunked"]


def test_the_response_to_a_head_has_no_body() -> None:
    assert len(read(HEAD + HEAD + b"hello", 999, ("HEAD", "GET"))) == 3


@pytest.mark.parametrize("is_masked", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 999])
def test_frames_are_read_in_whatever_pieces(size: int, is_masked: bool) -> None:
    frames = [
        (Opcode.TEXT, "hallö".encode()),
        (Opcode.BINARY, bytes(300)),
        (Opcode.PING, b"p"),
        (Opcode.CLOSE, encode_close(1000, "bye")),
    ]
    key = b"\x01\x02\x03\x04"
    encoded = [
        encode_masked(opcode, payload, key) if is_masked else encode_frame(opcode, payload)
        for opcode, payload in frames
    ]
    data, reader = b"".join(encoded), FrameReader(is_masked)
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    items = [item for piece in pieces for item in reader.feed(piece)]
    assert texts(items) == ["text 'hallö'", "binary, 300 bytes", "ping", "close 1000 'bye'"]
    assert [item.length for item in items] == [len(frame) for frame in encoded]


def test_what_is_no_frame_ends_the_reading() -> None:
    reader = FrameReader(is_masked=True)
    assert texts(reader.feed(b"\x81\x05hello")) == ["what is no frame"]
    assert reader.is_broken and reader.feed(b"more") == []


def test_a_compressed_frame_and_a_fragment_are_named_as_such() -> None:
    reader = FrameReader(is_masked=False)
    assert texts(reader.feed(b"\xc1\x02ab")) == ["text, compressed, 2 bytes"]
    assert texts(reader.feed(b"\x01\x02ab")) == ["text 'ab' (more follows)"]


def test_what_is_long_is_cut() -> None:
    assert preview(b"x" * 1_000, 1_000).endswith("...")
    assert len(preview(b"\xff" * 1_000, 1_000)) < 80
    assert count_of(1, "byte") == "1 byte" and count_of(12_000, "byte") == "12,000 bytes"
