"""The pieces of a request's body, asked for one by one: from callbacks, other threads and
coroutines; what an end in the middle is for who has asked, and what is refused.
"""

import asyncio
import hashlib
import threading
from collections.abc import Callable
from queue import Queue
from typing import Any

import pytest

from sigil import BadInput, Deferred, Request, Response, chain
from sigil.core.conn import Conn, Ticket
from sigil.core.events import BodyWanted, Event
from sigil.shell.program.request_chunks import (
    BodyChunks,
    BoundedChunks,
    RequestChunks,
    WholeBody,
)
from sigil.testing import Client
from sigil.web import body_limit, in_pieces
from tests.support.servers import PATIENCE, Raw, pump, ticking

TICKET = Ticket(Conn(0, 1), 0)
PUT = b"PUT /up HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"


class Asked:
    """Pieces of a body, the events that asking posts, and what has come."""

    def __init__(self, chunks: BodyChunks | None = None) -> None:
        self.events: list[Event] = []
        self.source = RequestChunks(TICKET, self.events.append)
        self.chunks = self.source if chunks is None else chunks
        self.came: list[object] = []

    def ask(self) -> None:
        """Ask for a piece."""
        self.chunks.ask().when_resolved(self.came.append)


def test_a_piece_is_asked_for_once_and_given_once() -> None:
    asked = Asked()
    asked.ask()
    assert (asked.events, asked.came) == ([BodyWanted(TICKET)], [])
    with pytest.raises(RuntimeError, match="waited for already"):
        asked.chunks.ask()
    asked.source.give(b"ab", is_last=False)
    asked.source.give(b"nobody asked for it", is_last=False)
    asked.ask()
    asked.source.give(b"cd", is_last=True)
    asked.ask()
    asked.ask()
    assert asked.came == [b"ab", b"cd", b"", b""]
    assert asked.events == [BodyWanted(TICKET)] * 2


def test_what_is_asked_for_fails_when_the_rest_does_not_come() -> None:
    asked = Asked()
    asked.ask()
    asked.source.close()
    asked.ask()
    assert [type(error) for error in asked.came] == [ConnectionAbortedError] * 2
    assert asked.events == [BodyWanted(TICKET)]


def test_behind_the_end_an_end_of_the_connection_is_nothing() -> None:
    asked = Asked()
    asked.ask()
    asked.source.give(b"all", is_last=True)
    asked.source.close()
    asked.ask()
    assert asked.came == [b"all", b""]


def test_a_body_that_is_there_is_one_piece() -> None:
    for body, pieces in ((b"abc", [b"abc", b"", b""]), (b"", [b"", b"", b""])):
        asked = Asked(WholeBody(body))
        for _ in pieces:
            asked.ask()
        assert asked.came == pieces


def test_a_check_sees_each_piece_and_may_refuse_it() -> None:
    def check(piece: bytes) -> bytes:
        if len(piece) > 2:
            raise BadInput("too much", 413)
        return piece.upper()

    source = Asked()
    asked = Asked(BoundedChunks(source.chunks, check))
    for piece in (b"ab", b"cde"):
        asked.ask()
        source.source.give(piece, is_last=False)
    asked.ask()
    source.source.close()
    assert asked.came[0] == b"AB"
    assert [type(error) for error in asked.came[1:]] == [BadInput, ConnectionAbortedError]


def test_a_coroutine_that_gave_up_left_its_piece_to_who_asks_next() -> None:
    asked = Asked()

    async def main() -> None:
        reading = asyncio.create_task(asked.chunks.read())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="waited for already"):
            asked.chunks.ask()
        with pytest.raises(RuntimeError, match="waited for already"):
            await asked.chunks.read()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        asked.source.give(b"late", is_last=False)
        asked.ask()
        assert asked.came == [b"late"]
        reading = asyncio.create_task(asked.chunks.read())
        await asyncio.sleep(0)
        threading.Thread(target=asked.source.give, args=(b"last", True)).start()
        assert await asyncio.wait_for(reading, PATIENCE) == b"last"
        assert [piece async for piece in asked.chunks] == []

    asyncio.run(main())


# -- by a handler ----------------------------------------------------------------------------------


def collected(request: Request, finish: Callable[[Deferred, Any], object]) -> Deferred:
    """A promise that is kept when all pieces have come, or one has failed."""
    later, pieces = Deferred(), list[bytes]()
    assert request.chunks is not None
    chunks = request.chunks

    def take(piece: Any) -> None:
        if isinstance(piece, BaseException) or not piece:
            finish(later, piece or b"|".join(pieces))
            return
        pieces.append(piece)
        chunks.ask().when_resolved(take)

    chunks.ask().when_resolved(take)
    return later


def respond(later: Deferred, result: Any) -> None:
    """Keep a promise."""
    if isinstance(result, BaseException):
        later.fail(result)
    else:
        later.resolve(Response.bytes(result))


@pytest.mark.parametrize("pieces", [[b"ab", b"cd"], [b"abcd"], [b""]])
def test_a_handler_may_promise_its_response_and_ask(pieces: list[bytes]) -> None:
    connection = Client(in_pieces(lambda request: collected(request, respond))).connect()
    connection.send(PUT % len(b"".join(pieces)))
    for piece in pieces:
        connection.send(piece)
    (answer,) = connection.answers("PUT")
    assert (answer.status, answer.body) == (200, b"|".join(pieces))


def test_who_has_asked_is_told_when_the_client_leaves() -> None:
    told: list[object] = []
    handler = in_pieces(lambda request: collected(request, lambda _, what: told.append(what)))
    connection = Client(handler).connect()
    connection.send(PUT % 9 + b"abc")
    assert not told
    connection.reset()
    assert [type(error) for error in told] == [ConnectionAbortedError]


def test_a_body_that_becomes_too_long_is_refused_where_it_is_asked_for() -> None:
    handler = in_pieces(lambda request: collected(request, respond))
    connection = Client(chain(handler, body_limit(3))).connect()
    connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
    assert not connection.received
    connection.send(b"2\r\ncd\r\n")
    assert connection.received.startswith(b"HTTP/1.1 413")


def test_another_thread_takes_a_body_at_its_own_pace() -> None:
    """Each piece is awaited by a thread that blocks, as a synchronous program's would."""

    def work(request: Request, later: Deferred) -> None:
        assert request.chunks is not None
        found, came = hashlib.md5(), Queue[Any]()
        while True:
            request.chunks.ask().when_resolved(came.put)
            piece = came.get(timeout=PATIENCE)
            if not piece:
                break
            found.update(piece)
        later.resolve(Response.text(found.hexdigest()))

    def handler(request: Request) -> Deferred:
        later = Deferred()
        threading.Thread(target=work, args=(request, later)).start()
        return later

    data = bytes(range(256)) * 12_000
    digest = hashlib.md5(data).hexdigest().encode()
    with (
        ticking(in_pieces(handler)) as server,
        Raw(server, PUT % len(data) + data) as client,
    ):
        pump(server, lambda: client.received.endswith(digest), client)
