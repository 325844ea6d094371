"""Handlers that are asked how they take a body, and handlers that take it in pieces: what they are
given, what becomes of what they return and raise, and that they are let go when nobody waits.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from sigil import BadInput, Deferred, HttpServer, Limits, Request, Response, http_server_serve
from sigil.testing import Client
from tests.support.event_loops import loops
from tests.support.servers import HOST, PATIENCE, Raw, logged_by, make, pump, ticking

MIB = 2**20


class Program:
    """A program that is asked about bodies, and notes what happens to it."""

    def __init__(self, handler: Callable[[Request], Any], choice: object = "stream") -> None:
        self.handler = handler
        self.choice = choice
        self.asked: list[Request] = []

    def __call__(self, request: Request) -> Any:
        return self.handler(request)

    def before_body(self, request: Request) -> Any:
        """Note who asks, and give the choice."""
        self.asked.append(request)
        if isinstance(self.choice, BaseException):
            raise self.choice
        return self.choice


Pieces = Generator[None, bytes, Response]


def digest(request: Request) -> Pieces:
    """The digest of a body, which is never held."""
    found = hashlib.md5()
    while chunk := (yield):
        found.update(chunk)
    return Response.text(found.hexdigest())


def put(length: int, fields: str = "") -> bytes:
    """The head of an upload."""
    return f"PUT /up HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n{fields}\r\n".encode()


def test_a_generator_is_given_the_body_as_it_comes() -> None:
    taken: list[bytes] = []

    def handler(request: Request) -> Pieces:
        assert (request.body, request.path) == (b"", "/up")
        while chunk := (yield):
            taken.append(chunk)
        return Response.text("done")

    connection = Client(Program(handler)).connect()
    connection.send(put(6) + b"ab")
    connection.send(b"cd")
    assert taken == [b"ab", b"cd"] and not connection.received
    connection.send(b"ef")
    (answer,) = connection.answers("PUT")
    assert (taken, answer.status, answer.text) == ([b"ab", b"cd", b"ef"], 200, "done")
    assert not connection.has_ended


@pytest.mark.parametrize("choice", [None, "whole"])
def test_a_body_may_be_taken_whole_all_the_same(choice: object) -> None:
    program = Program(lambda request: Response.bytes(request.body), choice)
    client = Client(program)
    assert client.put("/up", body=b"abc").body == b"abc"
    assert client.get("/").body == b""
    assert [request.path for request in program.asked] == ["/up"]


def test_a_program_may_answer_by_the_head() -> None:
    program = Program(lambda request: Response.text("never"), Response.error(401, "who are you?"))
    connection = Client(program).connect()
    connection.send(put(MIB, "Expect: 100-continue\r\n"))
    (answer,) = connection.answers("PUT")
    assert (answer.status, answer.text) == (401, "401 Unauthorized: who are you?\n")
    assert connection.has_ended


@pytest.mark.parametrize(
    ("choice", "status", "line"),
    [
        (BadInput("that is no upload", 415), 415, ""),
        (RuntimeError("a secret"), 500, "a secret"),
        (5, 500, 'before_body returns None, "stream" or a Response, not int'),
    ],
)
def test_a_program_that_fails_when_it_is_asked(choice: object, status: int, line: str) -> None:
    with (
        logged_by("sigil.error") as lines,
        ticking(Program(digest, choice)) as server,
        Raw(server, put(3)) as client,
    ):
        pump(server, lambda: client.over, client)
        assert client.received.startswith(b"HTTP/1.1 %d " % status)
        assert b"secret" not in client.received
    assert line in "".join(lines)


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (Response.text("at once"), 200),
        (None, 404),
        (7, 500),
    ],
)
def test_a_handler_may_answer_without_its_body(result: object, status: int) -> None:
    with (
        logged_by("sigil.error"),
        ticking(Program(lambda request: result)) as server,
        Raw(server, put(MIB) + b"abc") as client,
    ):
        pump(server, lambda: client.over, client)
        assert client.received.startswith(b"HTTP/1.1 %d " % status)
        assert b"Connection: close\r\n" in client.received


def test_a_promise_is_kept_while_the_body_waits() -> None:
    promise = Deferred()
    with ticking(Program(lambda request: promise)) as server, Raw(server, put(3)) as client:
        promise.resolve(Response.text("late"))
        pump(server, lambda: client.over, client)
        assert client.received.endswith(b"\r\n\r\nlate")


def test_a_promised_generator_is_given_the_body_as_it_comes() -> None:
    promise = Deferred()

    def digesting(request: Request) -> Deferred:
        return promise.map(lambda _: digest(request))

    client = Client(Program(digesting))
    connection = client.connect()
    connection.send(put(6) + b"ab")
    promise.resolve(True)
    client.run_until_idle()
    assert not connection.received
    connection.send(b"cdef")
    assert connection.received.endswith(hashlib.md5(b"abcdef").hexdigest().encode())


def test_what_a_handler_raises_within_a_body_is_a_500() -> None:
    def handler(request: Request) -> Pieces:
        yield
        raise LookupError("the disk is full")

    with (
        logged_by("sigil.error") as lines,
        ticking(Program(handler)) as server,
        Raw(server, put(9) + b"abc") as client,
    ):
        pump(server, lambda: client.over, client)
        assert client.received.startswith(b"HTTP/1.1 500 ")
    assert "the disk is full" in "".join(lines)


def test_bad_input_within_a_body_is_an_answer() -> None:
    def handler(request: Request) -> Pieces:
        if (yield) != b"abc":
            return Response.text("well")
        raise BadInput("too much of it", 413)

    connection = Client(Program(handler)).connect()
    connection.send(put(9) + b"abc")
    assert [answer.status for answer in connection.answers("PUT")] == [413]


def test_a_handler_that_yields_something_is_told_so_in_the_log() -> None:
    def handler(request: Request) -> Generator[object, bytes, Response]:
        yield b"this is a response, is it not?"
        return Response.text("never")

    with (
        logged_by("sigil.error") as lines,
        ticking(Program(handler)) as server,
        Raw(server, put(3)) as client,
    ):
        pump(server, lambda: client.over, client)
        assert client.received.startswith(b"HTTP/1.1 500 ")
    assert "a handler that takes its body in pieces yields nothing, not bytes" in "".join(lines)


def test_behind_the_end_there_are_empty_pieces_and_no_end_of_waiting() -> None:
    def handler(request: Request) -> Pieces:
        while True:
            yield

    with (
        logged_by("sigil.error") as lines,
        ticking(Program(handler)) as server,
        Raw(server, put(3) + b"abc") as client,
    ):
        pump(server, lambda: client.over or bool(lines), client)
    assert "the handler goes on behind the end of the body" in "".join(lines)


@pytest.mark.parametrize("how", ["close", "half", "reset", "malformed"])
def test_a_handler_is_closed_when_the_body_cannot_come(how: str) -> None:
    ends: list[str] = []

    def handler(request: Request) -> Pieces:
        try:
            while True:
                yield
        except GeneratorExit:
            ends.append("closed")
            raise

    head = b"PUT /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
    connection = Client(Program(handler)).connect()
    connection.send(head)
    assert ends == []
    if how == "malformed":
        connection.send(b"nonsense\r\n")
    elif how == "reset":
        connection.reset()
    else:
        connection.half_close()
    assert ends == ["closed"]


def test_a_large_upload_takes_no_memory_and_holds_up_nobody() -> None:
    """What is held at any time is a piece, though the client sends as fast as it can."""
    held: list[int] = []
    size = 64 * MIB

    def handler(request: Request) -> Pieces:
        found, count = hashlib.md5(), 0
        while chunk := (yield):
            found.update(chunk)
            count += len(chunk)
            held.append(len(chunk))
        return Response.text(f"{count} {found.hexdigest()}")

    data = bytes(range(256)) * (size // 256)
    limits = Limits()
    with ticking(Program(handler), limits) as server, Raw(server, put(size) + data) as client:
        pump(server, lambda: b"\r\n\r\n" in client.received, client)
        expected = f"{size} {hashlib.md5(data).hexdigest()}".encode()
        pump(server, lambda: client.received.endswith(expected), client)
    assert max(held) <= limits.max_body_piece_len + limits.max_body_read_len_per_tick // 16


# -- inside asyncio --------------------------------------------------------------------------------


@asynccontextmanager
async def hosted(program: Program) -> AsyncIterator[HttpServer]:
    """A server on this loop; at the end it has ended."""
    server = make(program)
    server.listen()
    task = asyncio.create_task(http_server_serve(server))
    try:
        yield server
    finally:
        server.stop(0)
        await asyncio.wait_for(task, PATIENCE)


@pytest.mark.parametrize("run", loops())
def test_a_coroutine_iterates_over_its_body(run: Callable[[Any], object]) -> None:
    async def handler(request: Request) -> Response:
        found = hashlib.md5()
        assert request.chunks is not None
        async for chunk in request.chunks:
            found.update(chunk)
            await asyncio.sleep(0)
        return Response.text(found.hexdigest())

    async def main() -> None:
        data = bytes(5 * MIB)
        async with hosted(Program(handler)) as server, aiohttp.ClientSession() as session:
            url = f"http://{HOST}:{server.port}/up"
            for _ in range(2):
                async with session.put(url, data=data) as response:
                    assert await response.text() == hashlib.md5(data).hexdigest()

    run(main())


def test_a_coroutine_that_gives_up_waiting_loses_nothing() -> None:
    gave_up: list[int] = []

    async def handler(request: Request) -> Response:
        assert request.chunks is not None
        pieces, taken = aiter(request.chunks), b""
        while True:
            try:
                async with asyncio.timeout(0):
                    taken += await anext(pieces)
            except TimeoutError:
                gave_up.append(len(taken))
                for _ in range(9):
                    await asyncio.sleep(0)  # in which a piece comes
            except StopAsyncIteration:
                return Response.text(taken.decode())

    async def main() -> None:
        async with hosted(Program(handler)) as server:
            reader, writer = await asyncio.open_connection(HOST, server.port)
            writer.write(put(4))
            async with asyncio.timeout(PATIENCE):
                for place in range(4):
                    writer.write(b"%d" % place)
                    before = len(gave_up)
                    while len(gave_up) < before + 2 and place < 3:
                        await asyncio.sleep(0)
                assert (await reader.readuntil(b"0123")).startswith(b"HTTP/1.1 200")
            writer.close()

    asyncio.run(main())
    assert gave_up


def test_a_coroutine_whose_client_leaves_is_cancelled_where_it_waits() -> None:
    ends: list[str] = []

    async def handler(request: Request) -> Response:
        assert request.chunks is not None
        try:
            async for chunk in request.chunks:
                ends.append(chunk.decode())  # noqa: PERF401 - as they come
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise
        return Response.text("never")

    async def main() -> None:
        async with hosted(Program(handler)) as server:
            _, writer = await asyncio.open_connection(HOST, server.port)
            writer.write(put(9) + b"abc")
            async with asyncio.timeout(PATIENCE):
                while not ends:
                    await asyncio.sleep(0.001)
                writer.transport.abort()
                while len(ends) < 2:
                    await asyncio.sleep(0.001)

    asyncio.run(main())
    assert ends == ["abc", "cancelled"]


def test_a_response_may_stream_while_the_body_comes() -> None:
    async def echo(request: Request) -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            assert request.chunks is not None
            async for chunk in request.chunks:
                yield chunk.upper()

        return Response.stream(chunks())

    async def main() -> None:
        async with hosted(Program(echo)) as server:
            reader, writer = await asyncio.open_connection(HOST, server.port)
            writer.write(put(6) + b"abc")
            async with asyncio.timeout(PATIENCE):
                await reader.readuntil(b"ABC")
                writer.write(b"def")
                await reader.readuntil(b"DEF")
                assert (await reader.read()).endswith(b"0\r\n\r\n")
            writer.close()

    asyncio.run(main())
