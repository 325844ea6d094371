"""A program gone wrong: handlers, streams and callbacks that do the worst that Python allows.

Theory: the server belongs to a program that may have any bug, and a bug must cost one answer, not
the loop.

Rules: after every outrage the same connection, or another one, is answered as if nothing had
happened. An exception that leaves `tick` fails the test. It does not know how user code is called.
"""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sigil import Callbacks, Deferred, HttpServer, Request, Response
from tests.adversity.outrage import OUTRAGES, RAISED, Faceless, Speechless, contained
from tests.support.requests import GET
from tests.support.servers import Raw, ask, logged_by, pump, settle, ticking

# -- what is raised and returned -------------------------------------------------------------------


def assert_goes_on(handler: Callable[[Request], object], statuses: tuple[int, ...]) -> None:
    """The handler's outrage is answered with one of these, and a connection that asks for / is
    served as ever.
    """

    def app(request: Request) -> object:
        return Response.text("fine") if request.path == "/" else handler(request)

    with (
        contained(),
        logged_by("sigil.error", logging.CRITICAL),
        ticking(app) as server,
        Raw(server) as other,
    ):
        assert ask(server, GET.replace(b"/ ", b"/outrage ", 1)).status in statuses
        other.send(GET)
        pump(server, lambda: other.received.endswith(b"fine"), other)


@pytest.mark.parametrize("name", RAISED)
def test_whatever_a_handler_raises_is_an_answer(name: str) -> None:
    def app(request: Request) -> Response:
        raise RAISED[name]

    assert_goes_on(app, (400, 500))


@pytest.mark.parametrize("name", RAISED)
def test_whatever_a_deferred_fails_with_is_an_answer(name: str) -> None:
    def app(request: Request) -> Deferred:
        later = Deferred()
        later.fail(RAISED[name])
        return later

    assert_goes_on(app, (400, 500))


class Pretender:
    """It says that it is a response."""

    __class__ = Response  # type: ignore[assignment]


class Unnameable(type):
    """The kind of a class whose name cannot be had."""

    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise RuntimeError("no name")


class Nameless(metaclass=Unnameable):
    """An object whose class cannot be named."""


RETURNED: dict[str, object] = {
    "a class": Response,
    "a deferred's class": Deferred,
    "a number": 200,
    "bytes": b"HTTP/1.1 200 OK\r\n\r\n",
    "a tuple": (200, (), b"x"),
    "an exception": ValueError("returned"),
    "a generator": (piece for piece in (b"a", b"b")),
    "a function": lambda: None,
    "faceless": Faceless(),
    "a pretender": Pretender(),
    "nameless": Nameless(),
}


@pytest.mark.parametrize("name", RETURNED)
def test_whatever_a_handler_returns_is_an_answer(name: str) -> None:
    assert_goes_on(lambda request: RETURNED[name], (500,))


FIELDS = [
    None,
    -1,
    0,
    99,
    1_000,
    1.5,
    2**70,
    True,
    "a",
    b"x",
    "ab",
    [],
    {},
    [1],
    ((1, 2),),
    (("a",),),
    (None,),
    (("A", "b\r\n"),),
    (("A\r\n", "b"),),
    object(),
    int,
    bytearray(b"x"),
    memoryview(b"abc"),
    float("nan"),
    "\udcff",
    (("A", "\udcff"),),
]
UNSAYABLE = [Speechless(), Faceless(), 10**5_000, (("A", 10**5_000),)]


def outrages(things: list[Any], place: int) -> list[str]:
    """What became of the server when a response had each of these things in this field, where that
    was bad.
    """
    failures: list[str] = []
    for number, thing in enumerate(things):
        fields: list[Any] = [200, (), b"x"]
        fields[place] = thing
        try:
            assert_goes_on(lambda request: Response(*fields), (200, 500))  # noqa: B023
        except AssertionError as error:
            failures.append(f"number {number}: {error}")
    return failures


@pytest.mark.parametrize("place", range(3))
def test_a_response_with_anything_in_any_field_is_an_answer(place: int) -> None:
    assert outrages(FIELDS, place) == []


@pytest.mark.parametrize("place", range(3))
def test_a_response_with_something_in_a_field_that_cannot_be_said_is_an_answer(place: int) -> None:
    assert outrages(UNSAYABLE, place) == []


# -- streams ---------------------------------------------------------------------------------------


class Stream:
    """An iterator that raises where it is told to."""

    def __init__(self, where: str, error: BaseException) -> None:
        self._where, self._error = where, error
        self.closed = 0

    def _at(self, where: str) -> None:
        if where == self._where:
            raise self._error

    def __iter__(self) -> Iterator[bytes]:
        self._at("iter")
        return self

    def __next__(self) -> bytes:
        self._at("next")
        return bytes(100_000)

    def close(self) -> None:
        """It is not wanted any more."""
        self.closed += 1
        self._at("close")


@pytest.mark.parametrize("error", OUTRAGES)
@pytest.mark.parametrize("where", ["iter", "next", "close"])
def test_a_stream_that_raises_anywhere_costs_its_own_connection(where: str, error: str) -> None:
    streams: list[Stream] = []

    def app(request: Request) -> Response:
        if request.path == "/":
            return Response.text("fine")
        streams.append(Stream(where, OUTRAGES[error]))
        return Response.stream(streams[-1])

    with (
        contained(),
        logged_by("sigil.error", logging.CRITICAL),
        ticking(app) as server,
        Raw(server) as other,
    ):
        with Raw(server, b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n") as client:
            pump(server, lambda: len(client.received) > 100, client)
            client.reset()
        pump(server, lambda: len(server.clients()) <= 1)
        other.send(GET)
        pump(server, lambda: other.received.endswith(b"fine"), other)
        assert streams[0].closed <= 1
        assert where == "iter" or streams[0].closed == 1


def test_an_interrupt_when_a_stream_begins_leaves_the_tick_and_its_client_is_answered() -> None:
    broadcast = Stream("iter", KeyboardInterrupt())
    with ticking(lambda request: Response.stream(broadcast)) as server, Raw(server, GET) as client:
        with pytest.raises(KeyboardInterrupt):
            pump(server, lambda: client.over, client)
        pump(server, lambda: bool(client.received), client, patience=2.0)
        assert client.answers()[0].status == 500


# -- callbacks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", OUTRAGES)
@pytest.mark.parametrize("which", ["open", "close"])
def test_a_callback_that_raises_costs_its_own_connection(which: str, error: str) -> None:
    calls: list[object] = []

    def callback(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 1:
            raise OUTRAGES[error]

    told = Callbacks(**{which: callback})
    with (
        contained(),
        logged_by("sigil.error", logging.CRITICAL),
        ticking(callbacks=told) as server,
    ):
        with Raw(server, GET) as client:
            client.half_close()
            pump(server, lambda: client.over, client)
        pump(server, lambda: not server.clients())
        assert ask(server).text == "hello /"
        assert calls


# -- reaching for the server -----------------------------------------------------------------------

REACHES: dict[str, Callable[[HttpServer], object]] = {
    "tick": lambda server: server.tick(),
    "start": lambda server: server.start(),
    "loop": lambda server: server.server_loop(),
}


@pytest.mark.parametrize("name", REACHES)
def test_a_handler_that_drives_its_own_server_gets_an_error_and_the_server_goes_on(
    name: str,
) -> None:
    with ticking(lambda request: REACHES[name](server)) as server:
        assert ask(server).status == 500
        assert ask(server).status == 500


def test_a_handler_that_listens_stops_and_asks_for_everything_is_answered() -> None:
    def app(request: Request) -> Response:
        server.listen()
        seen = (
            server.port,
            len(server.clients()),
            server.stats().requests,
            server.running,
            server.fileno() >= 0,
        )
        server.stop(1.0)
        server.listen()
        return Response.json(seen)

    with ticking(app) as server:
        port = server.port
        answer = ask(server)
        assert answer.text.startswith(f"[{port},1,")
        pump(server, lambda: not server.running)


@pytest.mark.parametrize("grace", [float("inf"), 1e300])
def test_a_drain_without_end_waits_in_peace_for_the_last_answer(grace: float) -> None:
    promises: list[Deferred] = []

    def app(request: Request) -> Deferred:
        promises.append(Deferred())
        return promises[-1]

    with ticking(app) as server, Raw(server, GET) as client:
        pump(server, lambda: bool(promises), client)
        server.stop(grace)
        settle(server, client)
        due = server.next_deadline()
        assert due is None or due > time.monotonic() + 0.01, "it spins"
        promises[0].resolve(Response.text("last"))
        pump(server, lambda: client.over, client)
        assert client.answers()[0].text == "last"
