"""Streams that end before their end: the client leaves, the server stops, the program is
interrupted, nothing comes.

Theory: a stream holds something (a file, a subscription, a place in a list), and gives it back when
it is closed; so it is closed as soon as nobody will ask it again, whatever it was doing, and one
that is in trouble is nobody else's.

Rules: real sockets; the generators of these tests say themselves what became of them; every wait
has a bound.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count

import pytest

from sigil import Deferred, HttpServer, Limits, Request, Response
from tests.shell.program.test_body_sources_late import (
    Feed,
    Kind,
    Run,
    body_of,
    on_each_loop,
    promise_of,
    serve_once,
    streaming,
    turn,
)
from tests.support.requests import GET
from tests.support.servers import Raw, ask, logged_by, pump, settle, ticking

NOT_YET_SECONDS = 0.5
"""How long tests wait for what is known not to come."""

HEAD = b" HTTP/1.1\r\nHost: a\r\n\r\n"


# -- closed when nobody will ask it again ----------------------------------------------------------


def ask_and_wait(kind: Kind, feed: Feed, server: HttpServer) -> Raw:
    """A client whose stream has begun, and now waits for its next piece."""
    client = Raw(server, GET)
    pump(server, lambda: feed.asked > 0, client)
    if kind is Feed.promises:
        promise_of(feed).resolve(b"a")
    pump(server, lambda: body_of(client) == b"a", client)
    settle(server, client)
    return client


@pytest.mark.parametrize("kind", [Feed.nones, Feed.promises])
def test_a_stream_with_a_piece_pending_is_closed_in_the_tick_that_hears_that_the_client_left(
    kind: Kind,
) -> None:
    feed = Feed(b"a")
    with ticking(streaming(kind, feed)) as server:
        client = ask_and_wait(kind, feed, server)
        client.reset()
        assert feed.closed == 0
        pump(server, lambda: not server.clients())
        assert feed.closed == 1
        asked = feed.asked
        if kind is Feed.promises:
            promise_of(feed).resolve(b"too late")
        settle(server)
        assert (feed.asked, feed.closed, server.stats().closed) == (asked, 1, {"PEER_RESET": 1})


@pytest.mark.parametrize("kind", [Feed.nones, Feed.promises])
def test_a_stream_with_a_piece_pending_is_closed_when_the_server_stops(kind: Kind) -> None:
    feed = Feed(b"a")
    with ticking(streaming(kind, feed)) as server:
        client = ask_and_wait(kind, feed, server)
        server.stop(0)
        pump(server, lambda: not server.running, client)
        assert feed.closed == 1
        assert not client.answers()[0].is_whole
        if kind is Feed.promises:
            promise_of(feed).resolve(b"too late")
        client.close()


@on_each_loop
@pytest.mark.parametrize("kind", [Feed.never, Feed.later])
@pytest.mark.parametrize("leave", [True, False])
def test_an_asynchronous_stream_is_closed_when_the_client_leaves_or_the_server_stops(
    run: Run, kind: Kind, leave: bool
) -> None:
    feed = Feed(b"a")

    async def scenario(server: HttpServer) -> None:
        client = Raw(server, GET)
        await turn(lambda: body_of(client) == b"a", client)
        assert feed.closed == 0
        if leave:
            client.reset()
            await turn(lambda: not server.clients())
            await turn(lambda: feed.closed == 1)
        else:
            server.stop(0)
            await turn(lambda: client.over, client)
        client.close()

    serve_once(run, streaming(kind, feed), scenario)
    assert feed.closed == 1


@on_each_loop
def test_an_asynchronous_stream_that_is_not_being_asked_is_closed_when_the_server_stops(
    run: Run,
) -> None:
    feed = Feed(*[bytes(65_536)] * 1_000)

    async def scenario(server: HttpServer) -> None:
        with Raw(server, GET, receive_buffer=4096):
            await turn(lambda: server.stats().outbox_bytes > 0)
            asked, ticks = feed.asked, iter(range(20))
            await turn(lambda: next(ticks) == 19)
            assert feed.asked <= asked + 1

    serve_once(run, streaming(Feed.later, feed), scenario)
    assert feed.closed == 1


# -- overdue ---------------------------------------------------------------------------------------


def test_a_promise_that_nobody_keeps_is_503_and_its_answer_is_counted_as_late() -> None:
    later = Deferred()
    with (
        ticking(lambda request: later, Limits(response_timeout=0.3)) as server,
        logged_by("sigil.error") as lines,
    ):
        with Raw(server, GET) as client:
            pump(server, lambda: client.over, client)
            (answer,) = client.answers()
        assert (answer.status, answer.is_whole, answer.headers["connection"]) == (
            503,
            True,
            "close",
        )
        assert "did not answer in time" in answer.text
        assert lines == ["GET /: no answer for 0.3 s"]
        pump(server, lambda: not server.clients())
        assert later.resolve(Response.text("too late"))
        pump(server, lambda: server.stats().stale_responses == 1)
        assert server.stats().closed == {"ANSWER_TIMEOUT": 1}


@pytest.mark.parametrize("kind", [Feed.nones, Feed.promises])
def test_a_piece_that_does_not_come_breaks_the_connection_off(kind: Kind) -> None:
    feed = Feed(b"a")
    with (
        ticking(streaming(kind, feed), Limits(response_timeout=0.3)) as server,
        logged_by("sigil.error") as lines,
    ):
        client = ask_and_wait(kind, feed, server)
        pump(server, lambda: client.over, client)
        assert not client.answers()[0].is_whole
        assert lines == ["GET /: the stream yielded nothing for 0.3 s"]
        assert feed.closed == 1
        client.close()


# -- pieces that never come, and interrupts --------------------------------------------------------


class Held:
    """An asynchronous iterator that is no generator: its second piece does not come."""

    def __init__(self) -> None:
        self.asked = 0
        self.closed = 0

    def __aiter__(self) -> "Held":
        return self

    async def __anext__(self) -> bytes:
        self.asked += 1
        if self.asked > 1:
            await asyncio.Event().wait()
        return b"a"

    async def aclose(self) -> None:
        self.closed += 1


class Plain:
    """An iterator that is no generator."""

    def __init__(self, *pieces: object, trouble: type[BaseException] | None = None) -> None:
        self.pieces = iter(pieces)
        self.trouble = trouble
        self.closed = 0

    def __iter__(self) -> "Plain":
        return self

    def __next__(self) -> object:
        return next(self.pieces)

    def close(self) -> None:
        self.closed += 1
        if self.trouble is not None:
            raise self.trouble


@pytest.mark.parametrize("is_piece", [True, False])
def test_a_coroutine_may_give_a_promise(is_piece: bool) -> None:
    kept, kept_answer = Deferred(), Deferred()
    kept.resolve(b"kept")
    kept_answer.resolve(Response.bytes(b"kept"))

    async def chunks() -> AsyncIterator[Deferred]:
        yield kept

    async def app(request: Request) -> Response | Deferred:
        return Response.stream(chunks()) if is_piece else kept_answer

    async def scenario(server: HttpServer) -> None:
        with Raw(server, GET) as client:
            await turn(lambda: body_of(client) == b"kept", client, patience=NOT_YET_SECONDS)

    serve_once(asyncio.run, app, scenario)


def test_an_asynchronous_iterator_with_a_piece_pending_is_closed_too() -> None:
    held = Held()

    async def scenario(server: HttpServer) -> None:
        client = Raw(server, GET)
        await turn(lambda: held.asked == 2, client)
        client.reset()
        await turn(lambda: not server.clients())
        await turn(lambda: held.closed == 1, patience=NOT_YET_SECONDS)

    serve_once(asyncio.run, lambda request: Response.stream(held), scenario)


def test_an_asynchronous_generator_asked_in_the_tick_in_which_the_client_left_is_closed() -> None:
    feed = Feed(*[bytes(65_536)] * 1_000)
    kept: list[AsyncIterator[object]] = []

    def app(request: Request) -> Response:
        kept.append(feed.later())  # else it would be closed by being forgotten, which is luck
        return Response.stream(kept[-1])

    async def scenario(server: HttpServer) -> None:
        client = Raw(server, GET, receive_buffer=4096)
        await turn(lambda: server.stats().outbox_bytes > 0)
        client.reset()
        await turn(lambda: not server.clients())
        await turn(lambda: feed.closed == 1, patience=NOT_YET_SECONDS)

    serve_once(asyncio.run, app, scenario)


def test_serving_is_over_when_a_stream_with_a_piece_pending_has_been_closed() -> None:
    steps: list[str] = []

    async def chunks() -> AsyncIterator[bytes]:
        try:
            yield b"a"
            await asyncio.Event().wait()
        finally:
            steps.append("begun")
            await asyncio.sleep(NOT_YET_SECONDS / 10)
            steps.append("done")

    async def scenario(server: HttpServer) -> None:
        with Raw(server, GET) as client:
            await turn(lambda: body_of(client) == b"a", client)

    serve_once(asyncio.run, lambda request: Response.stream(chunks()), scenario)
    assert steps == ["begun", "done"]


def test_an_asynchronous_stream_for_a_client_that_has_left_is_closed() -> None:
    held, later = Held(), Deferred()

    async def scenario(server: HttpServer) -> None:
        client = Raw(server, GET)
        await turn(lambda: server.stats().requests == 1, client)
        client.reset()
        await turn(lambda: not server.clients())
        later.resolve(Response.stream(held))
        await turn(lambda: server.stats().stale_responses == 1)
        await turn(lambda: held.closed == 1, patience=NOT_YET_SECONDS)

    serve_once(asyncio.run, lambda request: later, scenario)


def test_an_interrupt_out_of_a_promised_piece_loses_nobody_elses_answer() -> None:
    promises: dict[str, Deferred] = {}

    def app(request: Request) -> Response | Deferred:
        later = promises[request.path] = Deferred()
        return Response.stream([later]) if request.path == "/stream" else later

    with (
        ticking(app) as server,
        Raw(server, b"GET /stream" + HEAD) as bad,
        Raw(server, b"GET /good" + HEAD) as good,
    ):
        pump(server, lambda: len(promises) == 2, bad, good)
        settle(server, bad, good)
        promises["/stream"].fail(KeyboardInterrupt())
        promises["/good"].resolve(Response.text("good"))
        with pytest.raises(KeyboardInterrupt):
            settle(server)
        pump(server, lambda: body_of(good) == b"good", bad, good, patience=NOT_YET_SECONDS)


def test_an_interrupt_out_of_a_promised_piece_does_not_swallow_a_stop() -> None:
    feed = Feed()
    with ticking(streaming(Feed.promises, feed)) as server, Raw(server, GET) as client:
        pump(server, lambda: feed.asked == 1, client)
        settle(server, client)
        promise_of(feed).fail(SystemExit())
        server.stop(0)
        with pytest.raises(SystemExit):
            server.tick()
        pump(server, lambda: not server.running, client, patience=NOT_YET_SECONDS)


def interrupt_one_of_three(server: HttpServer, clients: list[Raw], armed: list[bool]) -> None:
    """Have the first of three streams that have nothing yet end the program."""
    pump(server, lambda: server.stats().requests == 3, *clients)
    settle(server, *clients)
    armed.append(True)
    with pytest.raises(KeyboardInterrupt):
        pump(server, lambda: False, *clients)


def interrupting(armed: list[bool]) -> Callable[[Request], Response]:
    """A handler whose first stream interrupts the program once it is armed, when the others have a
    piece.
    """
    numbers = count()

    def chunks() -> Iterator[bytes | None]:
        number = next(numbers)
        while not armed:
            yield None
        if number == 0:
            raise KeyboardInterrupt
        yield b"fine"

    return lambda request: Response.stream(chunks())


def test_an_interrupt_out_of_a_silent_stream_leaves_the_others_as_they_were() -> None:
    armed: list[bool] = []
    with ticking(interrupting(armed)) as server:
        clients = [Raw(server, GET) for _ in range(3)]
        interrupt_one_of_three(server, clients, armed)
        pump(
            server,
            lambda: [body_of(client) for client in clients[1:]] == [b"fine"] * 2,
            *clients,
            patience=NOT_YET_SECONDS,
        )


def test_an_interrupt_out_of_a_silent_stream_does_not_turn_back_the_clock() -> None:
    armed: list[bool] = []
    with ticking(interrupting(armed)) as server:
        clients = [Raw(server, GET) for _ in range(3)]
        interrupt_one_of_three(server, clients, armed)
        now = time.monotonic()
        server.tick()
        assert server.state.now >= now


def test_an_interrupt_out_of_closing_a_stream_leaves_no_other_one_open() -> None:
    streams = [Plain(None, trouble=KeyboardInterrupt), Plain(None), Plain(None)]
    later = [Deferred() for _ in streams]
    waiting = iter(later)
    with ticking(lambda request: next(waiting)) as server:
        client = Raw(server, GET * 3)
        pump(server, lambda: server.stats().requests == 3, client)
        for deferred, stream in zip(later, streams, strict=True):
            deferred.resolve(Response.stream(stream))
        settle(server, client)
        client.reset()
        with pytest.raises(KeyboardInterrupt):
            pump(server, lambda: not server.clients())
        settle(server)
        assert [stream.closed for stream in streams] == [1, 1, 1]


def test_an_iterator_that_has_ended_is_closed() -> None:
    stream = Plain(b"a")
    with ticking(lambda request: Response.stream(stream)) as server:
        assert ask(server).body == b"a"
        assert stream.closed == 1


def test_a_tick_that_may_wait_asks_a_silent_stream_again_in_time() -> None:
    feed = Feed()
    with ticking(streaming(Feed.nones, feed)) as server, Raw(server, GET) as client:
        pump(server, lambda: feed.asked == 1, client)
        settle(server, client)
        started = time.monotonic()
        server.tick(NOT_YET_SECONDS)
        assert time.monotonic() - started < NOT_YET_SECONDS / 2
