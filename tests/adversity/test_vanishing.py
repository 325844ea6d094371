"""Clients that leave: at every stage of a conversation, in every way, and a thousand at a time.

Theory: a connection is a slot, a descriptor, perhaps a stream, and a pair of calls to the program;
whenever and however its client goes, all of them must come back. So the books are balanced
afterwards, and one client who was there all along is asked whether anything was amiss.

Rules: the server is ticked by the test, so that every stage is exactly reached. A client that
vanishes must be noticed by the server itself, before any deadline: those are set to an hour. It
does not know how the server notices.
"""

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from sigil import Callbacks, CloseReason, Conn, Deferred, HttpServer, Limits, Request, Response
from tests.adversity.failing import HAS_EPOLL
from tests.support.descriptors import count_descriptors
from tests.support.requests import GET
from tests.support.servers import Raw, end, make, pump, settle

HOUR = 3_600.0
LIMITS = Limits(
    header_timeout=HOUR,
    body_timeout=HOUR,
    idle_timeout=HOUR,
    stall_timeout=HOUR,
    linger_timeout=HOUR,
    max_accepts_per_tick=2_000,
)
HEAD = b" HTTP/1.1\r\nHost: a\r\n"


class Program:
    """What is served, and the books."""

    def __init__(self) -> None:
        self.promises: list[Deferred] = []
        self.opened: Counter[Conn] = Counter()
        self.closed: Counter[Conn] = Counter()
        self.reasons: list[CloseReason] = []
        self.started = self.ended = 0

    def handle(self, request: Request) -> Response | Deferred:
        """A stream without end, an answer that comes when it is told to, or a word."""
        match request.path:
            case "/stream":
                return Response.stream(self.chunks())
            case "/late":
                self.promises.append(Deferred())
                return self.promises[-1]
            case _:
                return Response.text("fine")

    def chunks(self) -> Iterator[bytes]:
        """A stream that knows whether it was closed."""
        self.started += 1
        try:
            while True:
                yield bytes(10_000)
        finally:
            self.ended += 1

    def open(self, server: HttpServer, conn: Conn) -> None:
        """Somebody came."""
        self.opened[conn] += 1

    def close(self, server: HttpServer, conn: Conn, reason: CloseReason) -> None:
        """Somebody left."""
        self.closed[conn] += 1
        self.reasons.append(reason)


class Scene:
    """A server, its program, a bystander, and the state of things before anybody else came."""

    def __init__(self) -> None:
        self.before = count_descriptors()
        self.program = Program()
        self.server = make(
            self.program.handle, LIMITS, Callbacks(self.program.open, self.program.close)
        )
        self.server.listen()
        self.bystander = Raw(self.server, GET)
        pump(self.server, lambda: bool(self.bystander.received), self.bystander)

    def balance(self) -> None:
        """Everybody but the bystander has gone, and nothing is left of them; nor of the bystander
        in the end.
        """
        server, program, stats = self.server, self.program, self.server.stats()
        self.bystander.send(GET)
        pump(server, lambda: len(self.bystander.answers("GET", "GET")) == 2, self.bystander)
        assert server.state.slots.used == stats.clients == 1
        assert stats.accepted == sum(stats.closed.values()) + 1 == sum(program.opened.values())
        assert stats.outbox_bytes == 0
        assert program.started == program.ended
        self.bystander.close()
        pump(server, lambda: not server.clients())
        assert program.opened == program.closed
        assert set(program.opened.values()) == {1}
        end(server)
        assert count_descriptors() <= self.before


@pytest.fixture
def scene() -> Iterator[Scene]:
    """One for each test; nothing of it survives."""
    made = Scene()
    yield made
    made.bystander.close()
    end(made.server)


STAGES: dict[str, tuple[bytes, Callable[[Raw, Program], bool]]] = {
    "nothing": (b"", lambda client, program: len(program.opened) == 2),
    "mid-line": (b"GET / HT", lambda client, program: len(program.opened) == 2),
    "mid-head": (b"GET /" + HEAD + b"Cookie: a=", lambda client, program: len(program.opened) == 2),
    "mid-body": (
        b"POST /" + HEAD + b"Content-Length: 100\r\n\r\nhalf",
        lambda client, program: len(program.opened) == 2,
    ),
    "mid-chunk": (
        b"POST /" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhal",
        lambda client, program: len(program.opened) == 2,
    ),
    "expecting": (
        b"POST /" + HEAD + b"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n",
        lambda client, program: b" 100 " in client.received,
    ),
    "between requests": (GET, lambda client, program: client.received.endswith(b"fine")),
    "refused": (b"nonsense\r\n\r\n", lambda client, program: client.over),
    "mid-stream": (
        b"GET /stream" + HEAD + b"\r\n",
        lambda client, program: len(client.received) > 100_000,
    ),
    "before its answer": (
        b"GET /late" + HEAD + b"\r\n",
        lambda client, program: bool(program.promises),
    ),
    "before two answers": (
        b"GET /late" + HEAD + b"\r\nGET /stream" + HEAD + b"\r\n",
        lambda client, program: len(program.promises) == 1,
    ),
}
EVERY_STAGE = pytest.mark.parametrize("stage", STAGES)


def reach(scene: Scene, stage: str) -> Raw:
    """A client that is as far as that."""
    data, is_reached = STAGES[stage]
    client = Raw(scene.server, data)
    pump(scene.server, lambda: is_reached(client, scene.program), client)
    return client


@EVERY_STAGE
def test_a_client_that_breaks_off_leaves_nothing_behind_at_any_stage(
    scene: Scene, stage: str
) -> None:
    reach(scene, stage).reset()
    pump(scene.server, lambda: len(scene.server.clients()) == 1)
    scene.balance()


@EVERY_STAGE
def test_a_client_that_half_closes_gets_what_it_is_owed_and_leaves_nothing_behind(
    scene: Scene, stage: str
) -> None:
    with reach(scene, stage) as client:
        client.half_close()
        settle_once(scene, client)
        for promise in scene.program.promises:
            assert promise.resolve(Response.text("late"))
        if b"/stream" in STAGES[stage][0]:
            pump(scene.server, lambda: len(client.received) > 300_000, client)
            client.reset()
        pump(scene.server, lambda: client.over or client.sock.fileno() < 0, client)
        assert not scene.program.promises or b"late" in client.received
        client.close()
        pump(scene.server, lambda: len(scene.server.clients()) == 1)
    scene.balance()


def settle_once(scene: Scene, client: Raw) -> None:
    """A few turns: a stream without end never settles."""
    for _ in range(5):
        scene.server.tick()
        client.poll()


@EVERY_STAGE
def test_a_client_that_half_closes_and_then_breaks_off_leaves_nothing_behind(
    scene: Scene, stage: str
) -> None:
    if stage.startswith("before") and not HAS_EPOLL:
        pytest.skip("only epoll says that a connection has broken of which nothing is asked")
    client = reach(scene, stage)
    client.half_close()
    settle_once(scene, client)
    client.reset()
    pump(scene.server, lambda: len(scene.server.clients()) == 1, patience=2.0)
    scene.balance()


@pytest.mark.skipif(
    not HAS_EPOLL, reason="only epoll says that a connection has broken of which nothing is asked"
)
def test_a_client_that_has_sent_more_than_is_read_and_breaks_off_before_its_answer_leaves_nothing(
    scene: Scene,
) -> None:
    client = Raw(scene.server, b"POST /late" + HEAD + b"Content-Length: 0\r\n\r\n" + GET * 20_000)
    pump(scene.server, lambda: bool(scene.program.promises), client)
    settle(scene.server, client)
    client.reset()
    pump(scene.server, lambda: len(scene.server.clients()) == 1, patience=2.0)
    scene.balance()


@pytest.mark.parametrize("stage", ["mid-stream", "before two answers"])
def test_an_answer_that_comes_after_its_client_has_gone_opens_nothing(
    scene: Scene, stage: str
) -> None:
    client = reach(scene, stage)
    promises = list(scene.program.promises)
    client.reset()
    pump(scene.server, lambda: len(scene.server.clients()) == 1)
    for promise in promises:
        assert promise.resolve(Response.stream(scene.program.chunks()))
    settle(scene.server)
    assert scene.server.stats().stale_responses == len(promises)
    scene.balance()


# -- a thousand ------------------------------------------------------------------------------------

WAYS: tuple[tuple[bytes, Callable[[Raw], None]], ...] = (
    (b"", Raw.close),
    (b"", Raw.reset),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-", Raw.reset),
    (b"POST /" + HEAD + b"Content-Length: 9\r\n\r\nhalf", Raw.close),
    (GET, Raw.reset),
    (b"GET /stream" + HEAD + b"\r\n", Raw.close),
    (b"GET /late" + HEAD + b"\r\n", Raw.reset),
    (b"\0\0\r\n\r\n", Raw.reset),
)
"""What a client sends before it vanishes, and how it does."""


def vanish(client: Raw, number: int) -> None:
    """The way that is this one's turn."""
    data, leave = WAYS[number % len(WAYS)]
    client.send(data)
    leave(client)


@pytest.mark.parametrize("batch", [1, 100])
def test_a_thousand_that_connect_and_vanish_leave_nothing_behind(scene: Scene, batch: int) -> None:
    """`batch` of them vanish before the server looks: their connections are dead when they are
    accepted.
    """
    for number in range(1_000):
        vanish(Raw(scene.server), number)
        if number % batch == 0:
            settle(scene.server)
    settle(scene.server)
    pump(scene.server, lambda: len(scene.server.clients()) == 1)
    assert scene.server.stats().accepted > 500, (
        "some of those that were reset never came as far as accept()"
    )
    scene.balance()


def test_a_thousand_that_vanish_after_the_server_has_seen_them_leave_nothing_behind(
    scene: Scene,
) -> None:
    for number in range(1_000):
        client = Raw(scene.server)
        scene.server.tick()
        vanish(client, number)
        scene.server.tick()
    pump(scene.server, lambda: len(scene.server.clients()) == 1)
    assert scene.server.stats().accepted == 1_001
    scene.balance()
