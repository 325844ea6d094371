"""Bodies as they arrive: counted and chunked, whole and in pieces, at every bound and
one past it.
"""

import pytest

from sigil.core.close_reasons import CloseReason
from sigil.core.http.body import (
    READERS,
    BodyReader,
    BodyState,
    begin_body,
    continue_body_read,
)
from sigil.core.limits import Limits
from sigil.core.parse_result import Malformed
from sigil.core.rope import rope_append, rope_join
from tests.support.core_driver import byte_by_byte, same

LIMITS = Limits()
BAD_LINE = Malformed(CloseReason.BAD_REQUEST, "a chunk-size line is malformed or too long")
BAD_END = Malformed(CloseReason.BAD_REQUEST, "the data of a chunk is not followed by a line end")
BAD_TRAILER = Malformed(CloseReason.BAD_REQUEST, "a trailer field is malformed")


def read(data: bytes, limits: Limits = LIMITS) -> tuple[bytes, bytes] | Malformed | BodyState:
    """What a chunked body in these bytes is and what is behind it; what it still expects if it has
    not ended.
    """
    result = continue_body_read(begin_body(-1), data, limits)
    if isinstance(result, Malformed):
        return result
    body, rest = result
    return (rope_join(body.rope), rest) if body.is_complete else body.state


def read_slowly(
    data: bytes, limits: Limits = LIMITS
) -> tuple[bytes, bytes] | Malformed | BodyState:
    """The same, one byte at a time."""
    body, rest = begin_body(-1), b""
    for byte in byte_by_byte(data):
        result = continue_body_read(body, rest + byte, limits)
        if isinstance(result, Malformed):
            return result
        body, rest = result
    return (rope_join(body.rope), rest) if body.is_complete else body.state


def test_every_state_of_a_body_that_is_not_complete_has_a_reader() -> None:
    assert set(READERS) == set(BodyState) - {BodyState.COMPLETE}


def test_a_body_begins_as_its_length_says() -> None:
    assert same(begin_body(0), BodyReader(BodyState.COMPLETE, 0, (), 0, 0))
    assert same(begin_body(5), BodyReader(BodyState.LENGTH, 5, (), 0, 0))
    assert same(begin_body(-1), BodyReader(BodyState.CHUNK_LINE, 0, (), 0, 0))


def test_a_counted_body_takes_so_many_bytes_and_leaves_the_rest() -> None:
    body = begin_body(5)
    first = continue_body_read(body, b"he", LIMITS)
    assert same(first, (BodyReader(BodyState.LENGTH, 3, (b"he",), 2, 0), b""))
    assert not isinstance(first, Malformed)
    assert same(
        continue_body_read(first[0], b"lloGET", LIMITS),
        (BodyReader(BodyState.COMPLETE, 0, (b"hello",), 5, 0), b"GET"),
    )


def test_a_complete_body_takes_nothing() -> None:
    assert same(
        continue_body_read(begin_body(0), b"GET", LIMITS),
        (BodyReader(BodyState.COMPLETE, 0, (), 0, 0), b"GET"),
    )


@pytest.mark.parametrize(
    ("data", "result"),
    [
        (b"0\r\n\r\n", (b"", b"")),
        (b"5\r\nhello\r\n0\r\n\r\n", (b"hello", b"")),
        (b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\nGET", (b"hello", b"GET")),
        (b"a\r\n0123456789\r\n00\r\n\r\n", (b"0123456789", b"")),
        (b"A\r\n0123456789\r\n0\r\n\r\n", (b"0123456789", b"")),
        (b"0005\r\nhello\r\n0\r\n\r\n", (b"hello", b"")),
        (b"5;a\r\nhello\r\n0;b=c\r\n\r\n", (b"hello", b"")),
        (b'5 ; a = "x;\\"y" ;b\r\nhello\r\n0\r\n\r\n', (b"hello", b"")),
        (b"5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-Sum: 2\r\n\r\nGET", (b"hello", b"GET")),
        (b"1\r\n\r\r\n1\r\n\n\r\n0\r\n\r\n", (b"\r\n", b"")),
        (b"5\r\nhe", BodyState.CHUNK_DATA),
        (b"5\r\nhello", BodyState.CHUNK_END),
        (b"5\r\nhello\r", BodyState.CHUNK_END),
        (b"5\r\nhello\r\n", BodyState.CHUNK_LINE),
        (b"5", BodyState.CHUNK_LINE),
        (b"5\r", BodyState.CHUNK_LINE),
        (b"0\r\n", BodyState.TRAILERS),
        (b"0\r\n\r", BodyState.TRAILERS),
        (b"0\r\nX: y\r\n", BodyState.TRAILERS),
        (b"\r\n", BAD_LINE),
        (b"g\r\n", BAD_LINE),
        (b"-1\r\n", BAD_LINE),
        (b"+1\r\n", BAD_LINE),
        (b"0x5\r\n", BAD_LINE),
        (b"5 \r\n", BAD_LINE),
        (b" 5\r\n", BAD_LINE),
        (b"5;\r\n", BAD_LINE),
        (b"5;a=\r\n", BAD_LINE),
        (b"5;a b\r\n", BAD_LINE),
        (b"5\nhello", BAD_LINE),
        (b"5\rh", BAD_LINE),
        (b"5\x00", BAD_LINE),
        (b"5;a\x0b=b\r\n", BAD_LINE),
        (b"10000000000000000f\r\n", BAD_LINE),
        (b"5\r\nhelloX", BAD_END),
        (b"5\r\nhello\n", BAD_END),
        (b"5\r\nhello\rX", BAD_END),
        (b"0\r\n\n", BAD_TRAILER),
        (b"0\r\nX: y\n", BAD_TRAILER),
        (b"0\r\nX: \x00", BAD_TRAILER),
        (b"0\r\nX y\r\n\r\n", BAD_TRAILER),
        (b"0\r\nX : y\r\n\r\n", BAD_TRAILER),
        (b"0\r\nX: y\r\n z\r\n\r\n", BAD_TRAILER),
    ],
)
def test_a_chunked_body_is_read_the_same_in_one_piece_and_byte_by_byte(
    data: bytes, result: object
) -> None:
    assert same(read(data), result)
    assert same(read_slowly(data), result)


def test_every_size_of_a_chunk_up_to_sixteen_digits_is_understood() -> None:
    too_long = Malformed(CloseReason.LARGE_REQUEST, "the body is longer than 10485760 bytes")
    assert same(read(b"a00000\r\n"), BodyState.CHUNK_DATA)
    assert same(read(b"a00001\r\n"), too_long)
    assert same(read(b"ffffffffffffffff\r\n"), too_long)
    assert same(read(b"10000000000000000\r\n"), BAD_LINE)


def test_chunks_may_add_up_to_the_bound_and_not_to_one_byte_more() -> None:
    limits = Limits(max_body_len=10)
    assert same(read(b"5\r\nhello\r\n5\r\nhello\r\n0\r\n\r\n", limits), (b"hellohello", b""))
    assert same(
        read(b"5\r\nhello\r\n6\r\n", limits),
        Malformed(CloseReason.LARGE_REQUEST, "the body is longer than 10 bytes"),
    )


def test_a_chunk_line_may_be_as_long_as_the_bound_and_not_one_byte_longer() -> None:
    limits = Limits(max_chunk_line_len=20)
    for line, result in ((b"1;" + b"a" * 18, (b"x", b"")), (b"1;" + b"a" * 19, BAD_LINE)):
        data = line + b"\r\nx\r\n0\r\n\r\n"
        assert same(read(data, limits), result)
        assert same(read_slowly(data, limits), result)


def test_a_chunk_line_without_an_end_is_refused_one_byte_past_the_bound() -> None:
    limits = Limits(max_chunk_line_len=20)
    assert same(read(b"0" * 20, limits), BodyState.CHUNK_LINE)
    assert same(read(b"0" * 20 + b"\r", limits), BodyState.CHUNK_LINE)
    assert same(read(b"0" * 21, limits), BAD_LINE)


def test_chunk_extensions_may_add_up_to_the_bound_and_not_to_one_byte_more() -> None:
    limits = Limits(max_chunk_extension_len=10)
    assert same(read(b"1;abcd\r\nx\r\n1;efgh\r\ny\r\n0\r\n\r\n", limits), (b"xy", b""))
    assert same(
        read(b"1;abcd\r\nx\r\n1;efghi\r\ny\r\n0\r\n\r\n", limits),
        Malformed(CloseReason.BAD_REQUEST, "the chunk extensions are too long"),
    )


def test_trailers_may_be_as_long_as_the_bound_and_not_one_byte_longer() -> None:
    limits = Limits(max_trailer_len=20)
    too_long = Malformed(CloseReason.LARGE_HEADER, "the trailer section is longer than 20 bytes")
    for line, result in ((b"X: " + b"y" * 17, (b"", b"")), (b"X: " + b"y" * 18, too_long)):
        data = b"0\r\n" + line + b"\r\n\r\n"
        assert same(read(data, limits), result)
        assert same(read_slowly(data, limits), result)


def test_trailers_without_an_end_are_refused_when_they_are_too_long() -> None:
    limits = Limits(max_trailer_len=20)
    assert same(read(b"0\r\nX: " + b"y" * 20, limits), BodyState.TRAILERS)
    assert same(
        read(b"0\r\nX: " + b"y" * 21, limits),
        Malformed(CloseReason.LARGE_HEADER, "the trailer section is longer than 20 bytes"),
    )


def test_there_may_be_as_many_trailers_as_header_fields_and_not_one_more() -> None:
    limits = Limits(max_headers=2)
    assert same(read(b"0\r\nA: b\r\nA: b\r\n\r\n", limits), (b"", b""))
    assert same(
        read(b"0\r\nA: b\r\nA: b\r\nA: b\r\n\r\n", limits),
        Malformed(CloseReason.LARGE_HEADER, "the request has more than 2 header fields"),
    )


@pytest.mark.parametrize(
    ("rope", "piece", "after"),
    [
        ((), b"a", (b"a",)),
        ((b"a",), b"b", (b"ab",)),
        ((b"aa",), b"b", (b"aa", b"b")),
        ((b"aaaa", b"bb"), b"c", (b"aaaa", b"bb", b"c")),
        ((b"aaaa", b"bb", b"c"), b"d", (b"aaaabbcd",)),
        ((b"a",), b"bbbb", (b"abbbb",)),
    ],
)
def test_a_rope_joins_what_is_not_twice_the_new_piece(
    rope: tuple[bytes, ...], piece: bytes, after: tuple[bytes, ...]
) -> None:
    assert rope_append(rope, piece) == after


def test_a_rope_of_many_small_reads_has_few_pieces() -> None:
    rope: tuple[bytes, ...] = ()
    for index in range(10_000):
        rope = rope_append(rope, bytes((index % 256,)))
        assert len(rope) <= 14
    assert rope_join(rope) == bytes(index % 256 for index in range(10_000))


def test_a_rope_of_one_piece_is_that_piece() -> None:
    piece = b"x" * 100
    assert rope_join((piece,)) is piece
    assert rope_join(()) == b""


@pytest.mark.parametrize(
    ("size", "count"), [(1, 4_096), (15, 16 * 4_096), (16, 100_000), (100, 100_000)]
)
def test_so_many_chunks_pass_and_those_of_a_stream_without_end(size: int, count: int) -> None:
    chunk = b"%x\r\n%b\r\n" % (size, b"x" * size)
    body = read(chunk * count + b"0\r\n\r\n")
    assert same(body, (b"x" * size * count, b""))


@pytest.mark.parametrize(("size", "count"), [(1, 4_096 * 16 // 15 + 1), (15, 16 * 4_096 + 1)])
def test_chunks_that_are_all_overhead_are_refused_wherever_they_are_cut(
    size: int, count: int
) -> None:
    chunk = b"%x\r\n%b\r\n" % (size, b"x" * size)
    refused = Malformed(CloseReason.BAD_REQUEST, "the body has too many small chunks")
    whole = chunk * count
    assert same(read(whole), refused)
    assert same(read_slowly(whole), refused)
    fewer = b"".join([chunk] * (count - 1))
    assert same(read(fewer + b"0\r\n\r\n"), (b"x" * size * (count - 1), b""))


def test_a_long_chunk_makes_up_for_many_small_ones() -> None:
    limits = Limits(max_small_chunks=0, min_chunk_len=4)
    assert same(read(b"8\r\n12345678\r\n1\r\nx\r\n", limits), BodyState.CHUNK_LINE)
    assert isinstance(read(b"8\r\n12345678\r\n" + b"1\r\nx\r\n" * 2, limits), Malformed)
