"""Where a head ends, and what is wrong with one that has not ended yet."""

import pytest

from sigil.core.close_reasons import CloseReason
from sigil.core.http.head import check_partial_head, find_header_end
from sigil.core.limits import Limits

LIMITS = Limits()


@pytest.mark.parametrize(
    ("data", "position"),
    [
        (b"", -1),
        (b"\r\n\r\n", 0),
        (b"abc\r\n\r\n", 3),
        (b"abc\r\n\r\n\r\n\r\n", 3),
        (b"abc\r\n\r", -1),
        (b"abc\n\n", -1),
        (b"abc\r\r\n\n", -1),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody\r\n\r\n", 23),
    ],
)
def test_the_end_of_a_head_is_the_position_of_the_first_empty_line(
    data: bytes, position: int
) -> None:
    assert find_header_end(data) == position


def test_searching_on_from_any_cut_finds_what_searching_the_whole_finds() -> None:
    data = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    for covered in range(len(data)):
        assert find_header_end(data[:covered]) == -1
        assert find_header_end(data, covered) == 23


class Watched(bytes):
    """Bytes that remember where they were searched from."""

    starts: tuple[int, ...] = ()

    def find(self, sub: bytes, start: int = 0, end: int | None = None) -> int:  # type: ignore[override]
        self.starts = (*self.starts, start)
        return super().find(sub, start, len(self) if end is None else end)


@pytest.mark.parametrize(("start", "begins"), [(0, 0), (1, 0), (3, 0), (4, 1), (5, 2), (1000, 997)])
def test_a_search_goes_back_at_most_three_bytes(start: int, begins: int) -> None:
    data = Watched(b"x" * 2000 + b"\r\n\r\n")
    assert find_header_end(data, start) == 2000
    assert data.starts == (begins,)


def test_what_lies_more_than_three_bytes_before_the_start_is_not_looked_at() -> None:
    data = b"a\r\n\r\nbcdefgh\r\n\r\n"
    assert [find_header_end(data, start) for start in (0, 4, 5, 12)] == [1, 1, 12, 12]


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        (b"G", None),
        (b"GET / HT", None),
        (b"GET / HTTP/1.1\r", None),
        (b"GET / HTTP/1.1\r\nHost: a\r", None),
        (
            b"\x16\x03\x01",
            "the request line contains a byte that is not a visible ASCII character or a space",
        ),
        (
            b"GET /\n",
            "the request line contains a byte that is not a visible ASCII character or a space",
        ),
        (
            b"GET / HTTP/1.1\rH",
            "the request line contains a byte that is not a visible ASCII character or a space",
        ),
        (b"GET / HTTP/1.1\r\nHost: a\n", "the head contains a line feed without a carriage return"),
        (
            b"GET / HTTP/1.1\r\nHost: a\rb",
            "the head contains a carriage return without a line feed",
        ),
        (b"GET / HTTP/1.1\r\nHost: \x00", "the head contains the control byte 0x00"),
        (b"GET / HTTP/1.1\r\nHost: \x7f", "the head contains the control byte 0x7f"),
        (b"GET /\r\n", "the request line has no version: HTTP/0.9 is not spoken here, HTTP/1.1 is"),
        (b"A" * 33, "the method AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA is not one this server knows"),
        (b"{" * 33, "the method is not a token"),
    ],
)
def test_what_is_wrong_is_known_before_the_head_ends(prefix: bytes, message: str | None) -> None:
    error = check_partial_head(prefix, 0, LIMITS)
    assert (error.message if error is not None else None) == message


def test_a_first_line_without_an_end_is_a_target_too_long() -> None:
    limits = Limits(max_target_len=36)
    assert check_partial_head(b"GET /" + b"a" * 94, 0, limits) is None
    error = check_partial_head(b"GET /" + b"a" * 95, 0, limits)
    assert error is not None
    assert error.reason is CloseReason.PATH_TOO_LONG
