"""Every loop that a server can be hosted in, with the real library: what is said leaves at once.

Theory: a host that ticks too late shows it by what is still here when the loop comes round again.
So each loop calls the test by its own timer, and the test looks from outside: a client that reads
what the kernel has, and lets nobody tick meanwhile.

Rules: a loop may come to its timer more than once before it comes to the descriptor, and on a busy
machine it does; one that has not after `TURNS_MAX` turns never will in time. No test takes the
time.
"""

import select
import threading
from collections.abc import Callable, Iterator

import pytest

from sigil import HttpServer, Request, Response
from sigil.core.effects import ERROR_LOG
from tests.support.host_loops import LOOPS
from tests.support.requests import GET
from tests.support.servers import PATIENCE, Raw, logged_by, make
from tests.support.websocket_client import WebSocketClient

INTERVAL = 0.005
FRAMES = 40
TURNS_MAX = 200
"""A second: a loop that is not woken when something is said takes longer."""


def app(request: Request) -> Response:
    if request.is_upgrade:
        return Response.upgrade()
    if request.path == "/broken":
        raise ValueError("broken")
    if request.path == "/end":
        raise SystemExit(3)
    if request.path == "/interrupt":
        raise KeyboardInterrupt
    return Response.text("hello")


@pytest.fixture
def run(loop: str) -> Callable[[HttpServer, Callable[[HttpServer], Iterator[object]]], None]:
    """Runs a server in the loop, which takes a step of a script in each frame, until that ends."""

    def run_loop(server: HttpServer, script: Callable[[HttpServer], Iterator[object]]) -> None:
        steps = script(server)
        failures: list[BaseException] = []

        def frame() -> bool:
            try:
                next(steps)
            except StopIteration:
                return False
            except BaseException as error:
                failures.append(error)
                return False
            return True

        LOOPS[loop](server, frame, INTERVAL)
        for failure in failures:
            raise failure
        assert not server.running
        assert next(steps, None) is None, "the loop has ended before the script has"

    return run_loop


def until(so: Callable[[], object], *clients: Raw) -> Iterator[None]:
    """Let the loop turn until something is so."""
    for _ in range(round(PATIENCE / INTERVAL)):
        for client in clients:
            client.poll()
        if so():
            return
        yield
    raise AssertionError("it never came to be")


def until_ticked(server: HttpServer) -> Iterator[None]:
    """Let the loop turn until it has ticked once more."""
    count = server._tick_count
    for _ in range(TURNS_MAX):
        yield
        if server._tick_count != count:
            return
    raise AssertionError(f"no tick in {TURNS_MAX} turns of the loop")


every_loop = pytest.mark.parametrize("loop", LOOPS)


@every_loop
def test_what_a_frame_broadcasts_leaves_before_the_next_one(run: Callable[..., None]) -> None:
    def script(server: HttpServer) -> Iterator[object]:
        yield from until(lambda: server.running)
        with WebSocketClient(server) as client:
            yield from until(lambda: server.subscriber_count() == 1, client)
            for number in range(FRAMES):
                server.broadcast(f"frame {number}")
                yield from until_ticked(server)
                while len(client.messages) <= number:  # nobody ticks meanwhile
                    assert select.select([client.sock], [], [], PATIENCE)[0]
                    client.poll()
            assert client.messages == [b"frame %d" % number for number in range(FRAMES)]

    run(make(app), script)


@every_loop
def test_who_asks_is_answered_and_a_handler_that_fails_harms_nobody(
    run: Callable[..., None],
) -> None:
    def script(server: HttpServer) -> Iterator[object]:
        yield from until(lambda: server.running)
        for target, status in ((b"/broken", 500), (b"/fine", 200)):
            with Raw(server, GET.replace(b"/ ", target + b" ", 1)) as client:
                yield from until(client.answers, client)
                assert client.answers()[0].status == status

    with logged_by(ERROR_LOG) as lines:
        run(make(app), script)
    assert len(lines) == 1 and "ValueError: broken" in lines[0]


@every_loop
def test_a_stop_of_another_thread_ends_it_and_tells_the_clients(run: Callable[..., None]) -> None:
    clients: list[WebSocketClient] = []

    def script(server: HttpServer) -> Iterator[object]:
        yield from until(lambda: server.running)
        clients.append(WebSocketClient(server))
        yield from until(lambda: server.subscriber_count() == 1, *clients)
        thread = threading.Thread(target=server.stop, args=(0.0,))
        thread.start()
        thread.join()
        yield from until(lambda: not server.running)

    run(make(app), script)
    clients[0].poll()
    assert clients[0].close_code == 1001
    clients[0].close()


@every_loop
def test_the_loop_ends_the_server_when_it_ends(run: Callable[..., None]) -> None:
    clients: list[WebSocketClient] = []

    def script(server: HttpServer) -> Iterator[object]:
        yield from until(lambda: server.running)
        clients.append(WebSocketClient(server))
        yield from until(lambda: server.subscriber_count() == 1, *clients)

    run(make(app), script)
    clients[0].poll()
    assert clients[0].close_code == 1001
    clients[0].close()


PRINTS = ("qt",)
"""Loops that print what callbacks raise, and end the process at a SystemExit."""


@every_loop
def test_what_ends_the_program_leaves_the_loop_and_ends_the_server(
    run: Callable[..., None], loop: str
) -> None:
    target = b"/interrupt " if loop in PRINTS else b"/end "

    def script(server: HttpServer) -> Iterator[object]:
        yield from until(lambda: server.running)
        with Raw(server, GET.replace(b"/ ", target, 1)) as client:
            yield from until(lambda: not server.running, client)

    server = make(app)
    if loop in PRINTS:
        run(server, script)
    else:
        with pytest.raises(BaseException) as raised:
            run(server, script)
        error = raised.value
        while isinstance(error, BaseExceptionGroup):
            (error,) = error.exceptions
        assert isinstance(error, SystemExit)
    assert not server.running
