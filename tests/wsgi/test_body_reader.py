"""The body as a file: read in every way, from pieces that are there and pieces that come."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil import BadInput, Deferred
from sigil.wsgi.body_reader import body_file, wait_for

CUT_OFF = ConnectionAbortedError("the rest of the body does not come")


class Pieces:
    """A source of pieces: each is given when it is asked for; then there are empty ones."""

    def __init__(self, *pieces: bytes | BaseException) -> None:
        self.left = list(pieces)
        self.asked = 0

    def ask(self) -> Deferred:
        self.asked += 1
        deferred = Deferred()
        piece = self.left.pop(0) if self.left else b""
        if isinstance(piece, bytes):
            deferred.resolve(piece)
        else:
            deferred.fail(piece)
        return deferred


@given(
    st.lists(st.binary(min_size=1, max_size=9), max_size=9),
    st.binary(max_size=9),
    st.lists(st.integers(1, 20), max_size=20),
)
def test_what_is_read_is_what_was_sent(
    pieces: list[bytes], prefix: bytes, counts: list[int]
) -> None:
    file = body_file(Pieces(*pieces).ask, prefix)
    read = [file.read(count) for count in counts]
    assert b"".join(read) + file.read() == prefix + b"".join(pieces)
    assert file.read() == file.read(1) == file.readline() == b""


@pytest.mark.parametrize("prefix", [b"", b"one\nt"])
def test_lines(prefix: bytes) -> None:
    rest = b"one\ntwo\n\nthree"[len(prefix) :]
    lines = [b"one\n", b"two\n", b"\n", b"three"]

    def again() -> Any:
        return body_file(Pieces(rest[:3], rest[3:]).ask, prefix)

    assert list(again()) == again().readlines() == lines
    assert [again().readline(2), again().readline()] == [b"on", b"one\n"]


def test_one_piece_is_asked_for_ahead_and_none_before_the_first_read() -> None:
    pieces = Pieces(b"a" * 70_000, b"b", b"c")
    file = body_file(pieces.ask)
    assert pieces.asked == 0
    file.read(1)
    assert pieces.asked == 2


@pytest.mark.parametrize("error", [CUT_OFF, BadInput("the body is too long", 413)])
def test_what_does_not_come_is_raised(error: BaseException) -> None:
    file = body_file(Pieces(b"a", error).ask)
    assert file.read(1) == b"a"
    with pytest.raises(type(error), match=str(error)):
        file.read(1)


def test_a_client_that_leaves_is_an_os_error() -> None:
    with pytest.raises(OSError, match="does not come"):
        body_file(Pieces(CUT_OFF).ask).read()


def test_a_piece_is_waited_for() -> None:
    deferred = Deferred()
    results: list[bytes] = []
    thread = threading.Thread(target=lambda: results.append(wait_for(deferred)))
    thread.start()
    resolve: Callable[[bytes], bool] = deferred.resolve
    resolve(b"late")
    thread.join(10)
    assert results == [b"late"]
