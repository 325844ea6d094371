"""Streams whose pieces come now or later: None, a `Deferred`, an asynchronous iterator, an
`Unfold`.

Theory: whatever a stream yields, its pieces arrive once and in order, and nobody turns round
waiting for them.

Rules: real sockets; every wait has a bound. How streams end before their end is the business of
`test_stream_ends`.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any

import pytest

from sigil import (
    Deferred,
    HttpServer,
    Request,
    Response,
    Unfold,
    http_server_serve,
    make_http_server,
)
from tests.support.event_loops import loops
from tests.support.requests import GET
from tests.support.servers import Raw, ask, logged_by, pump, settle, ticking

WAIT_SECONDS = 60.0
LAST_CHUNK = b"\r\n0\r\n\r\n"

on_each_loop = pytest.mark.parametrize("run", loops())
Run = Callable[[Coroutine[Any, Any, None]], None]
Kind = Callable[["Feed"], object]


class Feed:
    """What a stream yields is put here piece by piece; what was asked of it, and that it was
    closed, is kept.
    """

    def __init__(self, *pieces: object) -> None:
        self.pieces = deque(pieces)
        self.asked = 0
        self.closed = 0

    def take(self) -> object:
        """The next piece; None if there is none yet."""
        self.asked += 1
        return self.pieces.popleft() if self.pieces else None

    def nones(self) -> Iterator[object]:
        """A generator of pieces that says None while there are none."""
        try:
            while True:
                yield self.take()
        finally:
            self.closed += 1

    def promises(self) -> Iterator[object]:
        """A generator that promises every piece, and keeps the promises in `pieces`."""
        try:
            while True:
                self.asked += 1
                self.pieces.append(Deferred())
                yield self.pieces[-1]
        finally:
            self.closed += 1

    async def later(self) -> AsyncIterator[object]:
        """An asynchronous generator that waits for its pieces."""
        try:
            while True:
                while not self.pieces:
                    await asyncio.sleep(0)
                yield self.take()
        finally:
            self.closed += 1

    async def never(self) -> AsyncIterator[object]:
        """An asynchronous generator with one piece, which then waits for what does not come."""
        try:
            yield self.take()
            await asyncio.Event().wait()
        finally:
            self.closed += 1


def streaming(kind: Kind, feed: Feed) -> Callable[[Request], Response]:
    """A handler that streams this kind of feed."""
    return lambda request: Response.stream(kind(feed))  # type: ignore[arg-type]


def promise_of(feed: Feed) -> Deferred:
    """The last promise of a feed."""
    assert isinstance(feed.pieces[-1], Deferred)
    return feed.pieces[-1]


def serve_once(
    run: Run, app: Callable[[Request], object], scenario: Callable[[HttpServer], Awaitable[None]]
) -> None:
    """Run a scenario beside a server in one loop; both are over at the end."""

    async def both() -> None:
        server = make_http_server(app, port=0)  # type: ignore[arg-type]
        serving = asyncio.create_task(http_server_serve(server))
        await asyncio.sleep(0)
        try:
            await asyncio.wait_for(scenario(server), WAIT_SECONDS)
        finally:
            server.stop(0)
            await asyncio.wait_for(serving, WAIT_SECONDS)
        assert not server.running

    run(both())


async def turn(until: Callable[[], bool], *clients: Raw, patience: float = WAIT_SECONDS) -> None:
    """Let the loop run, and the clients, until something is so."""
    deadline = time.monotonic() + patience
    while not until():
        assert time.monotonic() < deadline, (
            f"it never came to be; received {[client.received for client in clients]}"
        )
        await asyncio.sleep(0.001)
        for client in clients:
            client.poll()


def body_of(client: Raw) -> bytes:
    """What has come of the body so far."""
    answers = client.answers()
    return answers[0].body if answers else b""


# -- not yet ---------------------------------------------------------------------------------------


def test_a_stream_that_has_nothing_yet_is_asked_again_and_sends_what_it_has_at_once() -> None:
    feed = Feed(None, b"a", None)
    with ticking(streaming(Feed.nones, feed)) as server, Raw(server, GET) as client:
        pump(server, lambda: body_of(client) == b"a", client)
        for piece in (b"b", b"", None, bytearray(b"c")):
            feed.pieces.append(piece)
        pump(server, lambda: body_of(client) == b"abc", client)


def test_a_stream_that_has_nothing_is_asked_about_twenty_times_a_second_and_nobody_spins() -> None:
    feed = Feed()
    with ticking(streaming(Feed.nones, feed)) as server, Raw(server, GET) as client:
        pump(server, lambda: feed.asked == 1, client)
        settle(server, client)
        asked, ticks, end = feed.asked, 0, time.monotonic() + 0.5
        while time.monotonic() < end:
            deadline = server.next_deadline()
            assert deadline is not None
            server.tick(max(0.0, deadline - time.monotonic()))
            ticks += 1
        assert 2 <= feed.asked - asked <= 11
        assert ticks <= 40


def test_many_silent_streams_are_asked_together() -> None:
    feeds = [Feed() for _ in range(20)]
    kept = iter(feeds)
    with ticking(lambda request: Response.stream(next(kept).nones())) as server:
        clients = [Raw(server, GET) for _ in feeds]
        pump(server, lambda: all(feed.asked >= 3 for feed in feeds), *clients)
        assert max(feed.asked for feed in feeds) - min(feed.asked for feed in feeds) <= 1
        for client in clients[:10]:
            client.reset()
        pump(server, lambda: len(server.clients()) == 10)
        assert sum(feed.closed for feed in feeds) == 10
        for client in clients[10:]:
            client.close()


def test_a_promised_piece_may_come_from_a_later_tick_or_another_thread() -> None:
    feed = Feed()
    with ticking(streaming(Feed.promises, feed)) as server, Raw(server, GET) as client:
        for number, piece in enumerate((b"a", b"", None, b"b"), 1):
            pump(server, lambda: len(feed.pieces) > 0, client)
            settle(server, client)
            assert (feed.asked, len(feed.pieces)) == (number, 1)
            promise = promise_of(feed)
            feed.pieces.clear()
            if number % 2:
                thread = threading.Thread(target=promise.resolve, args=(piece,))
                thread.start()
                thread.join()
            else:
                promise.resolve(piece)
        pump(server, lambda: body_of(client) == b"ab", client)


def test_a_promise_that_was_kept_before_it_was_yielded_is_a_piece_too() -> None:
    def chunks() -> Iterator[Deferred]:
        for number in range(40):
            later = Deferred()
            later.resolve(b"%d," % number)
            yield later

    with ticking(lambda request: Response.stream(chunks())) as server:
        assert ask(server).body == b"".join(b"%d," % number for number in range(40))


def test_one_promise_may_be_a_piece_of_several_streams() -> None:
    shared = Deferred()
    with ticking(lambda request: Response.stream([shared])) as server:
        clients = [Raw(server, GET) for _ in range(3)]
        pump(server, lambda: server.stats().requests == 3, *clients)
        shared.resolve(b"all")
        pump(
            server,
            lambda: all(client.received.endswith(LAST_CHUNK) for client in clients),
            *clients,
        )
        assert [body_of(client) for client in clients] == [b"all"] * 3
        for client in clients:
            client.close()


@pytest.mark.parametrize(
    ("bring", "said"),
    [
        (lambda later: later.fail(LookupError("secret")), "LookupError: secret"),
        (lambda later: later.resolve("text"), "not str"),
        (lambda later: later.resolve(7), "not int"),
    ],
)
def test_a_promise_that_is_broken_in_mid_stream_ends_the_connection_so_that_the_client_can_tell(
    bring: Callable[[Deferred], object], said: str
) -> None:
    feed = Feed()
    with ticking(streaming(Feed.promises, feed)) as server, logged_by("sigil.error") as lines:
        with Raw(server, GET) as client:
            pump(server, lambda: feed.asked == 1, client)
            promise_of(feed).resolve(b"half")
            pump(server, lambda: feed.asked == 2, client)
            bring(promise_of(feed))
            pump(server, lambda: client.over, client)
            (answer,) = client.answers()
            assert (answer.body, answer.is_whole) == (b"half", False)
        assert len(lines) == 1
        assert said in lines[0]
        assert (feed.closed, server.stats().closed) == (1, {"HANDLER_ERROR": 1})


# -- pure streams ----------------------------------------------------------------------------------


def test_a_pure_stream_is_sent_to_two_clients_at_once_and_again_to_a_third() -> None:
    numbers = Response.stream(
        Unfold(lambda number: (b"%d\n" % number, number + 1) if number < 2_000 else None, 0)
    )
    expected = b"".join(b"%d\n" % number for number in range(2_000))
    with ticking(lambda request: numbers) as server:
        clients = [Raw(server, GET), Raw(server, GET)]
        pump(
            server,
            lambda: all(client.received.endswith(LAST_CHUNK) for client in clients),
            *clients,
        )
        assert [body_of(client) for client in clients] == [expected] * 2
        assert ask(server).body == expected
        for client in clients:
            client.close()


def test_a_pure_stream_may_have_nothing_yet_and_may_fail() -> None:
    def step(state: int) -> tuple[object, int]:
        if state == 3:
            raise StopIteration
        return (None, b"a", b"b")[state], state + 1

    with (
        ticking(lambda request: Response.stream(Unfold(step, 0))) as server,
        logged_by("sigil.error") as lines,
    ):
        with Raw(server, GET) as client:
            pump(server, lambda: client.over, client)
            (answer,) = client.answers()
        assert (answer.body, answer.is_whole) == (b"ab", False)
        assert "StopIteration" in lines[0]


# -- asynchronous streams --------------------------------------------------------------------------


@on_each_loop
def test_an_asynchronous_stream_is_sent_piece_by_piece_as_it_is_produced(run: Run) -> None:
    feed = Feed(b"a", None, b"")

    async def scenario(server: HttpServer) -> None:
        with Raw(server, GET) as client:
            for piece in (b"b", b"c", b"d" * 100_000):
                await turn(lambda: not feed.pieces, client)
                feed.pieces.append(piece)
            await turn(lambda: body_of(client) == b"abc" + b"d" * 100_000, client)

    serve_once(run, streaming(Feed.later, feed), scenario)
    assert feed.closed == 1


@on_each_loop
def test_an_asynchronous_stream_ends_and_its_connection_goes_on(run: Run) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for piece in (b"a", b"b"):
            await asyncio.sleep(0)
            yield piece

    async def app(request: Request) -> Response:
        return Response.stream(chunks())

    async def scenario(server: HttpServer) -> None:
        with Raw(server, GET * 3) as client:
            await turn(lambda: client.received.count(b"\r\n0\r\n\r\n") == 3, client)
            answers = client.answers("GET", "GET", "GET")
            assert [(answer.body, answer.is_whole) for answer in answers] == [(b"ab", True)] * 3

    serve_once(run, app, scenario)


@on_each_loop
def test_an_asynchronous_stream_that_raises_ends_the_connection_so_that_the_client_can_tell(
    run: Run,
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"half"
        raise LookupError("secret")

    async def scenario(server: HttpServer) -> None:
        with logged_by("sigil.error") as lines, Raw(server, GET) as client:
            await turn(lambda: client.over, client)
            (answer,) = client.answers()
            assert (answer.body, answer.is_whole) == (b"half", False)
            assert len(lines) == 1
            assert "LookupError: secret" in lines[0]

    serve_once(run, lambda request: Response.stream(chunks()), scenario)


@on_each_loop
def test_the_head_of_an_asynchronous_stream_asks_it_for_nothing(run: Run) -> None:
    feed = Feed(b"a")

    async def scenario(server: HttpServer) -> None:
        with Raw(server, GET.replace(b"GET", b"HEAD")) as client:
            await turn(lambda: bool(client.answers("HEAD")), client)
            assert (client.answers("HEAD")[0].status, feed.asked) == (200, 0)

    serve_once(run, streaming(Feed.later, feed), scenario)


def test_an_asynchronous_stream_without_a_loop_for_it_is_an_error_that_says_so() -> None:
    with ticking(streaming(Feed.later, Feed(b"a"))) as server, logged_by("sigil.error") as lines:
        assert not ask(server).is_whole
        assert "http_server_serve()" in lines[0]
