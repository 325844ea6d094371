"""Chunks of a streamed body, to the byte, for each way in which its end is marked."""

from sigil.core.http.chunks import (
    COPY_MAX,
    Framing,
    StreamState,
    encode_chunk,
    encode_last_chunk,
)


def test_a_chunk_has_its_size_in_hex_before_it_and_a_line_end_behind_it() -> None:
    chunked = StreamState(Framing.CHUNKED, 0, False, True, False)
    large = b"x" * (COPY_MAX + 1)
    assert encode_chunk(chunked, b"0123456789") == (b"a\r\n0123456789\r\n",)
    assert encode_chunk(chunked, large) == (b"4001\r\n", large, b"\r\n")
    assert encode_last_chunk(chunked) == (b"0\r\n\r\n",)


def test_a_counted_stream_keeps_to_its_count() -> None:
    counted = StreamState(Framing.CONTENT_LENGTH, 2, False, True, False)
    assert encode_chunk(counted, b"hi") == (b"hi",)
    assert (
        encode_chunk(counted, b"hi!")
        == "the stream yields more bytes than the Content-Length it was given"
    )
    assert (
        encode_last_chunk(counted)
        == "the stream ended 2 bytes short of the Content-Length it was given"
    )
    assert encode_last_chunk(counted.replace(remaining=0)) == ()


def test_a_stream_until_close_is_bytes_and_nothing_else() -> None:
    until_close = StreamState(Framing.UNTIL_CLOSE, 0, True, True, False)
    assert encode_chunk(until_close, b"hi") == (b"hi",)
    assert encode_last_chunk(until_close) == ()
