"""WebSockets in trouble: clients that vanish in the middle, programs that do the worst from inside
their callbacks.

Theory: a conversation has more middles than a request: a frame half there, a message in fragments,
a callback that has not returned, a close that is not answered. Wherever it breaks, what was begun
must be ended, once and in order.

Rules: deadlines are an hour away, so whoever has gone must be noticed; the server is ticked by the
test or by asyncio. It does not know how frames are read.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sigil import Conn, HttpServer, Limits, http_server_serve
from tests.adversity.failing import HAS_EPOLL
from tests.adversity.outrage import OUTRAGES, contained
from tests.adversity.test_threads import HAMMERS, threads
from tests.adversity.wsproto_client import WHICH, CallbackBook, WsprotoClient, binary, closing, text
from tests.support.descriptors import count_descriptors
from tests.support.requests import GET, UPGRADE
from tests.support.servers import PATIENCE, Raw, end, logged_by, make, pump, settle

HOUR = 3_600.0
LIMITS = Limits(
    header_timeout=HOUR,
    body_timeout=HOUR,
    idle_timeout=HOUR,
    stall_timeout=HOUR,
    linger_timeout=HOUR,
    ws_ping_interval=HOUR,
    ws_pong_timeout=HOUR,
    ws_close_timeout=HOUR,
    max_accepts_per_tick=2_000,
    min_read_rate=0,
)


class Scene:
    """A server whose program keeps books, and a bystander in conversation with it."""

    def __init__(self) -> None:
        self.before = count_descriptors()
        self.books = CallbackBook()
        self.server = make(self.books.handle, LIMITS, self.books.callbacks())
        self.server.listen()
        self.bystander = WsprotoClient(self.server)
        pump(
            self.server,
            lambda: self.books.seen("ws_open") == 1 and self.bystander.is_open,
            self.bystander,
        )
        self.conn = self.server.clients()[0]

    def balance(self) -> None:
        """All but the bystander have gone, who is well; nothing is left of them, nor of the
        bystander in the end.
        """
        pump(self.server, lambda: self.server.clients() == (self.conn,), self.bystander)
        self.bystander.send(text("still there?"))
        pump(
            self.server,
            lambda: self.bystander.read_messages()[-1:] == ["still there?"],
            self.bystander,
        )
        self.bystander.reset()
        pump(self.server, lambda: not self.server.clients())
        self.end()

    def end(self) -> None:
        """The books are balanced."""
        end(self.server)
        stats = self.server.stats()
        assert stats.accepted == sum(stats.closed.values()) == len(self.books.lives)
        assert stats.outbox_bytes == 0
        self.books.assert_whole()
        self.bystander.close()
        assert count_descriptors() <= self.before


@pytest.fixture
def scene() -> Iterator[Scene]:
    """One for each test; nothing of it survives."""
    made = Scene()
    yield made
    made.bystander.close()
    end(made.server)


# -- vanishing -------------------------------------------------------------------------------------

STAGES: dict[str, bytes] = {
    "just upgraded": b"",
    "mid-header": text("hello")[:1],
    "mid-length": binary(bytes(70_000))[:5],
    "mid-mask": text("hello")[:4],
    "mid-payload": binary(bytes(70_000))[:30_000],
    "mid-message": b"\x01\x81\0\0\0\0a",
    "a message answered": text("hello"),
    "a frame that is none": b"\xff\xff",
    "has said goodbye": closing(),
    "has said goodbye and more": closing() + text("more"),
}
EVERY_STAGE = pytest.mark.parametrize("stage", STAGES)


def reach(scene: Scene, stage: str) -> WsprotoClient:
    """A client that is as far as that."""
    client = WsprotoClient(scene.server, STAGES[stage])
    pump(scene.server, lambda: client.is_open, client)
    settle(scene.server, client)
    return client


@EVERY_STAGE
@pytest.mark.parametrize("leave", [Raw.reset, Raw.close])
def test_who_vanishes_in_the_middle_of_a_conversation_leaves_nothing(
    scene: Scene, stage: str, leave: Callable[[Raw], None]
) -> None:
    leave(reach(scene, stage))
    scene.balance()


@EVERY_STAGE
def test_who_half_closes_in_the_middle_of_a_conversation_and_then_breaks_off_leaves_nothing(
    scene: Scene, stage: str
) -> None:
    client = reach(scene, stage)
    client.half_close()
    settle(scene.server, client)
    client.reset()
    scene.balance()


@pytest.mark.parametrize("is_together", [True, False])
def test_who_vanishes_in_the_middle_of_the_upgrade_leaves_nothing(
    scene: Scene, is_together: bool
) -> None:
    for length in range(0, len(UPGRADE) + 1, 7):
        client = Raw(scene.server, UPGRADE[:length])
        if not is_together:
            settle(scene.server)
        client.reset()
    scene.balance()


@pytest.mark.parametrize("is_reset", [True, False])
def test_who_vanishes_while_much_is_said_to_it_leaves_nothing(scene: Scene, is_reset: bool) -> None:
    client = WsprotoClient(scene.server, receive_buffer=4_096)
    pump(scene.server, lambda: client.is_open, client)
    conn = max(scene.server.clients(), key=lambda conn: conn.generation)
    while scene.server.buffered_amount(conn) < 100_000:
        scene.server.send(conn, bytes(10_000))
        scene.server.tick()
    client.reset() if is_reset else client.close()
    scene.balance()


@pytest.mark.parametrize("batch", [1, 100])
def test_a_thousand_that_upgrade_and_vanish_leave_nothing(scene: Scene, batch: int) -> None:
    for number in range(1_000):
        client = WsprotoClient(scene.server, list(STAGES.values())[number % len(STAGES)])
        if number % batch == 0:
            settle(scene.server)
        client.reset() if number % 3 else client.close()
    settle(scene.server, scene.bystander)
    assert len(scene.books.lives) > 500, (
        "some of those that were reset never came as far as accept()"
    )
    scene.balance()


def test_a_thousand_that_vanish_in_the_middle_of_a_conversation_leave_nothing(scene: Scene) -> None:
    stages = list(STAGES.values())
    for number in range(1_000):
        client = WsprotoClient(scene.server, stages[number % len(stages)])
        pump(scene.server, lambda: client.is_open, client)  # noqa: B023
        client.reset() if number % 3 else client.close()
        scene.server.tick()
    scene.balance()
    assert scene.books.seen("ws_open") == scene.books.seen("ws_close") == 1_001


# -- at work ---------------------------------------------------------------------------------------


async def until(condition: Callable[[], bool], *clients: Raw) -> None:
    """Give way until it is so."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        await asyncio.sleep(0)
        for client in clients:
            client.poll()


@pytest.mark.parametrize("ending", ["returns", "raises"])
@pytest.mark.parametrize(
    ("which", "leave"),
    [
        ("open", Raw.reset),
        ("open", Raw.close),
        ("ws_open", Raw.reset),
        ("ws_open", Raw.close),
        ("ws_message", Raw.reset),
        ("ws_message", Raw.close),
    ],
)
def test_a_callback_at_work_for_who_vanishes_is_cancelled(
    which: str, leave: Callable[[Raw], None], ending: str
) -> None:
    books, cancelled = CallbackBook(), []

    async def main() -> None:
        server = make(books.handle, LIMITS, books.callbacks())

        async def act(server: HttpServer, conn: Conn) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(conn)
                if ending == "raises":
                    raise LookupError("odd") from None
                raise

        books.acts[which] = act
        serving = asyncio.ensure_future(http_server_serve(server))
        await until(lambda: server.running)
        client = WsprotoClient(server, text("one") + text("two"))
        await until(lambda: bool(books.seen(which)), client)
        leave(client)
        await until(lambda: bool(books.seen("close")) and not server.clients())
        await until(lambda: len(cancelled) == 1)
        server.stop(0)
        await serving

    with logged_by("sigil.error", logging.CRITICAL):
        asyncio.run(main())
    books.assert_whole()


@pytest.mark.parametrize("ending", ["returns", "raises"])
@pytest.mark.parametrize("which", ["ws_open", "ws_message"])
def test_who_leaves_while_a_callback_is_at_work_is_told_of_when_that_has_returned(
    which: str, ending: str
) -> None:
    books = CallbackBook()

    async def main() -> None:
        may_return, server = asyncio.Event(), make(books.handle, LIMITS, books.callbacks())

        async def act(server: HttpServer, conn: Conn) -> None:
            await may_return.wait()
            if ending == "raises":
                raise LookupError("odd")

        books.acts[which] = act
        serving = asyncio.ensure_future(http_server_serve(server))
        await until(lambda: server.running)
        client = WsprotoClient(server, text("one") + text("two"))
        await until(lambda: bool(books.seen(which)), client)
        before = next(iter(books.lives.values()))[:]
        client.close()
        for _ in range(50):
            await asyncio.sleep(0)
        assert list(books.lives.values()) == [before]
        may_return.set()
        await until(lambda: bool(books.seen("close")) and not server.clients())
        server.stop(0)
        await serving

    with logged_by("sigil.error", logging.CRITICAL):
        asyncio.run(main())
    books.assert_whole()


@pytest.mark.skipif(
    not HAS_EPOLL, reason="only epoll says that a connection has broken of which nothing is asked"
)
def test_who_breaks_off_while_a_callback_is_at_work_gives_back_its_place_at_once() -> None:
    books = CallbackBook()

    async def main() -> None:
        may_return, server = asyncio.Event(), make(books.handle, LIMITS, books.callbacks())
        books.acts["ws_message"] = lambda server, conn: may_return.wait()
        serving = asyncio.ensure_future(http_server_serve(server))
        await until(lambda: server.running)
        client = WsprotoClient(server, b"".join(map(text, map(str, range(100_000)))))
        await until(lambda: bool(books.seen("ws_message")), client)
        for _ in range(50):
            client.poll()
            await asyncio.sleep(0)
        client.reset()
        await until(lambda: not server.clients())
        server.stop(0)
        may_return.set()
        await serving

    asyncio.run(main())


@pytest.mark.filterwarnings("ignore")
def test_callbacks_behind_one_that_ends_the_program_are_called_all_the_same() -> None:
    books = CallbackBook()
    clients: list[Raw] = []

    async def main() -> None:
        may_return, server = asyncio.Event(), make(books.handle, LIMITS, books.callbacks())

        def end_the_program(server: HttpServer, conn: Conn) -> None:
            raise SystemExit(3)

        books.acts["open"] = lambda server, conn: may_return.wait()
        books.acts["ws_open"] = end_the_program
        serving = asyncio.ensure_future(http_server_serve(server))
        await until(lambda: server.running)
        clients.append(WsprotoClient(server))
        await until(lambda: bool(books.seen("open")))
        for _ in range(50):
            await asyncio.sleep(0)
        clients[0].reset()
        await until(lambda: not server.clients())
        may_return.set()
        await serving

    with pytest.raises(SystemExit), logged_by("asyncio", logging.CRITICAL):
        asyncio.run(main())
    assert list(books.lives.values()) == [["open", "ws_open", "ws_close", "close"]]


# -- from inside -----------------------------------------------------------------------------------


def say_to_everybody(server: HttpServer, conn: Conn) -> None:
    """One by one."""
    for other in server.clients():
        server.send(other, "from inside")


def close_everybody(server: HttpServer, conn: Conn) -> None:
    """Oneself included, and twice."""
    for other in server.clients() * 2:
        server.close(other, 1001, "all out")


def raise_odd(server: HttpServer, conn: Conn) -> None:
    """As a mistake does."""
    raise LookupError("odd")


def close_and_raise(server: HttpServer, conn: Conn) -> None:
    """Both at once."""
    server.close(conn)
    raise LookupError("odd")


def close_and_say(server: HttpServer, conn: Conn) -> None:
    """What is said after the close is said to nobody."""
    server.close(conn)
    server.send(conn, "too late")


ACTS: dict[str, Callable[[HttpServer, Conn], Any]] = {
    "raise": raise_odd,
    "close": lambda server, conn: server.close(conn),
    "close and raise": close_and_raise,
    "close and say": close_and_say,
    "broadcast": lambda server, conn: server.broadcast("from inside"),
    "say to everybody": say_to_everybody,
    "say too much": lambda server, conn: [server.send(conn, bytes(100_000)) for _ in range(20)],
    "tick": lambda server, conn: server.tick(),
    "say nonsense": lambda server, conn: server.send(conn, None),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("act", ACTS)
def test_whatever_a_callback_does_harms_nobody_else(scene: Scene, which: str, act: str) -> None:
    def once(server: HttpServer, conn: Conn) -> Any:
        return None if conn == scene.conn else ACTS[act](server, conn)

    with logged_by("sigil.error", logging.CRITICAL):
        scene.books.acts[which] = once
        clients = [WsprotoClient(scene.server, text("one") + text("two")) for _ in range(3)]
        settle(scene.server, scene.bystander, *clients)
        for client, leave in zip(clients, (Raw.reset, Raw.close, Raw.half_close), strict=True):
            leave(client)
        settle(scene.server, scene.bystander)
        clients[2].reset()
        settle(scene.server, scene.bystander)
        scene.books.acts.clear()
        scene.balance()
    assert len(scene.books.lives) == 4


@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("error", OUTRAGES)
def test_whatever_a_callback_raises_ends_its_own_connection(
    scene: Scene, which: str, error: str
) -> None:
    def outrage(server: HttpServer, conn: Conn) -> None:
        if conn != scene.conn:
            raise OUTRAGES[error]

    with contained(), logged_by("sigil.error", logging.CRITICAL):
        scene.books.acts[which] = outrage
        with WsprotoClient(scene.server, text("one") + text("two") + closing()) as client:
            pump(scene.server, lambda: client.over, client)
        scene.books.acts.clear()
        scene.balance()


def leave_when_over(*clients: Raw) -> bool:
    """Who has nothing more to hear leaves, as clients do; True."""
    for client in clients:
        if client.over:
            client.close()
    return True


@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("grace", [0.0, 0.2])
def test_a_callback_may_stop_the_server(scene: Scene, which: str, grace: float) -> None:
    scene.books.acts[which] = lambda server, conn: server.stop(grace)
    clients = [WsprotoClient(scene.server, text("one") + closing()) for _ in range(3)]
    everybody = (scene.bystander, *clients)
    pump(scene.server, lambda: leave_when_over(*everybody) and not scene.server.running, *everybody)
    for client in clients:
        client.close()
    scene.end()


@pytest.mark.parametrize("which", WHICH)
def test_a_callback_may_close_everybody(scene: Scene, which: str) -> None:
    scene.books.acts[which] = close_everybody
    clients = [WsprotoClient(scene.server, text("one") + closing()) for _ in range(3)]
    scene.bystander.send(text("one"))
    settle(scene.server, scene.bystander, *clients)
    for client in (*clients, scene.bystander):
        client.close()
    pump(scene.server, lambda: not scene.server.clients())
    scene.end()


@pytest.mark.parametrize("which", WHICH)
def test_what_a_callback_raises_to_end_the_program_leaves_the_tick_and_its_client_is_told(
    scene: Scene, which: str
) -> None:
    def interrupt(server: HttpServer, conn: Conn) -> None:
        if conn != scene.conn:
            raise KeyboardInterrupt

    scene.books.acts[which] = interrupt
    with WsprotoClient(scene.server, text("one") + text("two") + closing()) as client:
        with pytest.raises(KeyboardInterrupt):
            pump(scene.server, lambda: leave_when_over(client) and False, client, patience=2.0)
        pump(scene.server, lambda: client.over, client)
        if which in ("ws_open", "ws_message"):
            assert client.read_messages() == ["closed 1011"]
    scene.books.acts.clear()
    scene.balance()


# -- threads ---------------------------------------------------------------------------------------


def test_threads_that_say_and_close_all_the_time_do_no_harm() -> None:
    books = CallbackBook()
    server = make(books.handle, LIMITS, books.callbacks())

    def hammer(number: int) -> None:
        for turn in range(150):
            conns = server.clients()
            for conn in conns:
                server.send(conn, f"{number} {turn}")
                server.buffered_amount(conn)
            server.broadcast(b"to everybody")
            if conns and turn % 10 == number:
                server.close(conns[turn % len(conns)], 1001, "enough")

    def visit(number: int) -> None:
        for turn in range(20):
            client = WsprotoClient(server.port, text("hello") * turn)
            deadline = time.monotonic() + PATIENCE
            while not client.over and not client.is_open and time.monotonic() < deadline:
                client.poll()
            client.reset() if turn % 2 else client.close()

    with server.serve_in_thread():
        with threads(HAMMERS, hammer), threads(3, visit):
            pass
        with Raw(server, GET) as client:
            deadline = time.monotonic() + PATIENCE
            while not client.received.endswith(b"fine"):
                assert time.monotonic() < deadline
                client.poll()
    books.assert_whole()
    assert server.stats().outbox_bytes == 0
