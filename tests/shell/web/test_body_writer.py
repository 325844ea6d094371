"""A body that is written as it comes: what reaches the client and how it is framed, what a write is
answered with while the client is behind, and what an end, a failure and a client that leaves are.
"""

import gzip
import threading
from typing import Any

import pytest

from sigil import Limits, Request, Response, SendStatus, chain
from sigil.testing import Client, Connection
from sigil.web import BodyWriter, compress
from tests.support.servers import PATIENCE, Raw, logged_by, pump, ticking

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
BEHIND, SUCCESS, DROPPED = SendStatus.BACKPRESSURE, SendStatus.SUCCESS, SendStatus.DROPPED


def connected(writer: BodyWriter, method: bytes = b"GET") -> Connection:
    """A client in memory that has asked for what is written."""
    client = Client(lambda request: Response.stream(writer), raise_errors=False)
    connection = client.connect()
    connection.send(GET.replace(b"GET", method))
    return connection


def deliver(connection: Connection) -> None:
    """Have the server do what was written meanwhile."""
    connection.send(b"")


def test_what_is_written_is_sent_and_the_end_ends_it() -> None:
    writer = BodyWriter()
    assert writer.write(b"before it is read") is SUCCESS
    connection = connected(writer)
    assert connection.received.endswith(b"\r\n11\r\nbefore it is read\r\n")
    for piece in (b"ab", bytearray(b"cd"), memoryview(b"ef"), b""):
        assert writer.write(piece) is SUCCESS
    writer.end()
    writer.end()
    deliver(connection)
    (answer,) = connection.answers()
    assert (answer.body, answer.is_whole) == (b"before it is readabcdef", True)
    assert not writer.is_open and not connection.has_ended


def test_a_piece_that_is_taken_before_its_writer_says_so_does_not_end_the_body() -> None:
    """The loop may take what another thread has written, and wait for more, before that thread
    comes to wake it.
    """
    writer = BodyWriter()
    connection = connected(writer)
    for piece in (b"a", b"b"):
        writer.write(piece)
        deliver(connection)
        writer._wake()  # of the write, late
        deliver(connection)
        assert writer.is_open
    writer.end()
    deliver(connection)
    (answer,) = connection.answers()
    assert (answer.body, answer.is_whole) == (b"ab", True)


def test_a_body_that_has_ended_before_it_is_read() -> None:
    for pieces in ([], [b"a"], [b"a", b"b"]):
        writer = BodyWriter()
        for piece in pieces:
            writer.write(piece)
        writer.end()
        (answer,) = connected(writer).answers()
        assert (answer.body, answer.is_whole) == (b"".join(pieces), True)


def test_a_write_says_how_far_the_client_is_behind() -> None:
    writer, calls = BodyWriter(max_buffered_len=10), list[int]()
    writer.on_writable(lambda: calls.append(writer.buffered_amount))
    assert [writer.write(b"12345"), writer.write(b"67890"), writer.write(b"x")] == [
        SUCCESS, SUCCESS, BEHIND,
    ]  # fmt: skip
    assert (writer.buffered_amount, calls) == (11, [])
    connection = connected(writer)
    assert (writer.buffered_amount, calls) == (0, [0])
    assert connection.received.endswith(b"b\r\n1234567890x\r\n")
    assert writer.write(b"y") is SUCCESS


def test_who_goes_on_writing_to_a_client_that_is_behind_fails() -> None:
    writer = BodyWriter(max_buffered_len=10)
    assert writer.write(bytes(1_000)) is BEHIND  # one piece may have any length
    with logged_by("sigil.error") as lines:
        assert [writer.write(b"a"), writer.write(b"b")] == [DROPPED, DROPPED]
        assert not writer.is_open
        writer.end()
        connection = connected(writer)
    assert connection.has_ended and len(connection.received) > 1_000
    assert "BufferError: 1000 bytes wait, and the program goes on writing" in str(lines)


def test_a_failure_breaks_off_behind_what_was_written() -> None:
    writer = BodyWriter()
    connection = connected(writer)
    writer.write(b"some")
    with logged_by("sigil.error") as lines:
        writer.fail(ValueError("no more of it"))
        writer.fail(ValueError("once more is nothing"))
        deliver(connection)
    assert connection.received.endswith(b"4\r\nsome\r\n") and connection.has_ended
    assert "ValueError: no more of it" in str(lines) and "once more" not in str(lines)


def test_a_client_that_leaves_is_told_of_once() -> None:
    writer, calls = BodyWriter(), list[str]()
    writer.on_close(lambda: calls.append("first"))
    connection = connected(writer)
    assert writer.is_open
    connection.reset()
    assert (calls, writer.is_open, writer.write(b"a"), writer.buffered_amount) == (
        ["first"], False, DROPPED, 0,
    )  # fmt: skip
    writer.on_close(lambda: calls.append("at once"))
    writer.end()
    assert calls == ["first", "at once"]


def test_an_end_that_was_sent_is_no_client_that_left() -> None:
    writer, calls = BodyWriter(), list[str]()
    writer.on_close(lambda: calls.append("left"))
    connection = connected(writer)
    writer.end()
    deliver(connection)
    connection.reset()
    assert not calls


def test_a_response_without_a_body_is_read_by_nobody() -> None:
    writer, calls = BodyWriter(), list[str]()
    writer.on_close(lambda: calls.append("closed"))
    connected(writer, b"HEAD")
    assert (calls, writer.write(b"a")) == (["closed"], DROPPED)


def test_what_makes_no_sense_is_refused() -> None:
    writer = BodyWriter()
    text: Any = "text"
    with pytest.raises(TypeError, match="a body is written in bytes, not str"):
        writer.write(text)
    with pytest.raises(TypeError, match="a body fails with an exception, not with 'text'"):
        writer.fail(text)
    writer.end()
    with pytest.raises(RuntimeError, match="nothing is written behind the end of a body"):
        writer.write(b"a")
    for length in (0, -1, True, 1.5, text):
        with pytest.raises(ValueError, match="max_buffered_len is a positive number of bytes"):
            BodyWriter(length)


def test_a_callback_that_raises_is_logged_and_harms_nobody() -> None:
    def fail() -> None:
        raise ValueError("in a callback")

    writer = BodyWriter(max_buffered_len=1)
    writer.on_writable(fail)
    writer.on_close(fail)
    writer.write(b"abc")
    with logged_by("sigil.error") as lines:
        connection = connected(writer)
        connection.reset()
    assert str(lines).count("ValueError: in a callback") == 2
    assert "on_writable of a BodyWriter raised" in str(lines)
    assert "on_close of a BodyWriter raised" in str(lines)


def test_another_thread_writes_as_fast_as_a_slow_client_reads() -> None:
    """No more than the mark and one piece waits, and nothing is lost or out of order."""
    pieces = [bytes([number % 251]) * (number % 4_000) for number in range(2_000)]
    most: list[int] = []

    def work(writer: BodyWriter) -> None:
        writable = threading.Event()
        writer.on_writable(writable.set)
        for piece in pieces:
            writable.clear()
            status = writer.write(piece)
            most.append(writer.buffered_amount)
            if status is BEHIND:
                assert writable.wait(PATIENCE)
        writer.end()

    def handler(request: Request) -> Response:
        writer = BodyWriter(max_buffered_len=20_000)
        threading.Thread(target=work, args=(writer,)).start()
        return Response.stream(writer)

    limits = Limits(max_outbox_len=10_000)
    with ticking(handler, limits) as server, Raw(server, GET, receive_buffer=4_096) as client:
        pump(server, lambda: client.received.endswith(b"0\r\n\r\n"), client)
        (answer,) = client.answers()
    assert answer.body == b"".join(pieces)
    assert max(most) <= 24_000


def test_what_is_written_is_complete_when_it_is_compressed() -> None:
    writer = BodyWriter()
    app = chain(
        lambda request: Response.stream(writer, headers={"Content-Type": "text/plain"}), compress()
    )
    connection = Client(app, raise_errors=False).connect()
    connection.send(GET.replace(b"\r\n\r\n", b"\r\nAccept-Encoding: gzip\r\n\r\n"))
    writer.write(b"one line\n")
    deliver(connection)
    writer.end()
    deliver(connection)
    (answer,) = connection.answers()
    assert (gzip.decompress(answer.body), answer.is_whole) == (b"one line\n", True)
