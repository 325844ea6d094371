"""A crowd: a hundred thousand connections that come and go, thousands at a time, within an hour of
virtual time.

Theory: what is not proportional to what happens, what is kept of those who have gone, and what is
decided by who came first, shows only among very many. So this world has as many, of every kind and
manner, before a program that answers in every way that a program may: at once, late, in a stream,
by an exception, never. What costs a little for each connection is not checked behind each tick.

Rules: cheap rules are checked always, those that look at all of a server every some hundred ticks.
Nothing is recorded but the kinds of what happened; the seed finds it again. It does not know what a
defect is.
"""

from collections.abc import Iterator
from random import Random
from typing import Any

from ...core.conn import Conn
from ...core.http.request import Request
from ...core.http.response import Response
from ...core.limits import Limits
from ...shell.callbacks import Callbacks
from ...shell.program.deferred import Deferred
from .faults import Faults
from .traced_server import TracedServer
from .users_world import UsersWorld
from .visitors import Ask, Visitors

CONNECTIONS = 100_000
SECONDS = 3_600.0
CHECK_EVERY = 1_000
"""Ticks from one look at all of the server to the next."""
TICK_SECONDS = 0.5
"""Between two ticks: so that there is something to do in each."""
WAVE_SECONDS = 100.0
"""From one wave of newcomers to the next."""
TOPICS = ("north", "south", "east", "west")
PUBLISH_SECONDS = 5.0

FAULTS = Faults(held_up=0.0002, clock=0.0005, blocking=0.00005, descriptors=0.001, stop=0.0)
"""As often as by default for each client, and for each tick so seldom as is right for many."""

LIMITS = Limits(
    max_connection_cnt=2_000,
    max_ws_connection_cnt=300,
    max_reads_per_tick=512,
    max_accepts_per_tick=256,
    response_timeout=30.0,
    outgoing_buffer_sz=2**18,
    max_ws_send_frame_cnt=512,
    history_messages=4,
)

_ASKS = (
    "/",
    "/",
    "/",
    "/n/700",
    "/late",
    "/stream",
    Ask("/echo", "POST", body=b"tea" * 100),
    Ask("/echo", "POST", body=b"tea" * 2_000, is_chunked=True),
)


def crowd(connections: int = CONNECTIONS) -> tuple[Visitors, ...]:
    """So many clients, of every kind."""
    part = connections // 20
    websockets = tuple(f"/ws/{topic}" for topic in TOPICS)
    streams = tuple(f"/events/{topic}" for topic in TOPICS)
    return (
        Visitors("http", connections - 4 * part, _ASKS, times=1),
        Visitors("pipelining", part, _ASKS, times=1),
        Visitors("websocket", 2 * part, websockets, times=2),
        Visitors("sse", part, streams),
    )


class CrowdProgram:
    """A program that answers in every way, and publishes."""

    def __init__(self, seed: int) -> None:
        self._rng = Random(seed)
        self._late: list[Deferred] = []
        self._publishes_at = 0.0
        self._count = 0
        on_message: Any = self._on_message
        self.callbacks = Callbacks(ws_message=on_message)

    def handle(self, request: Request) -> Response | Deferred:
        """Respond as the path says."""
        _, kind, *rest = request.path.split("/")
        match kind:
            case "ws":
                slow = self._rng.choice(("drop", "skip"))
                return Response.upgrade(topics=rest[0], history=2, slow=slow)
            case "events":
                return Response.sse(topics=rest[0], history=2)
            case "n":
                return Response.bytes(b"n" * int(rest[0]))
            case "echo":
                return Response.bytes(request.body)
            case "stream":
                return Response.stream(_chunks(self._rng.randint(0, 5)))
            case "late":
                promise = Deferred()
                self._late.append(promise)
                return promise
        if self._rng.random() < 0.001:
            raise RuntimeError("this program raises now and then")
        return Response.text("hello")

    def between(self, server: TracedServer) -> None:
        """What the loop of this program does: late answers, and what is live."""
        for promise in self._late:
            if self._rng.random() < 0.98:  # the others never
                promise.resolve(Response.text("late"))
        self._late.clear()
        if server.now >= self._publishes_at:
            self._publishes_at = server.now + PUBLISH_SECONDS
            self._count += 1
            topic = TOPICS[self._count % len(TOPICS)]
            options = self._count % 3
            text = f"{self._count}" * 8
            server.broadcast(text, topic=topic, latest=options == 1, retain=options == 2)

    def _on_message(self, server: TracedServer, conn: Conn, data: str | bytes) -> None:
        """Say it again; now and then hold the connection, or give it a time, or end it."""
        server.send(conn, data)
        chance = self._rng.random()
        if chance < 0.02:
            server.set_timeout(conn, 1, 30.0)
        elif chance < 0.04:
            server.close(conn)
        elif chance < 0.06:
            server.rx_flow_control(conn, False)
            server.set_timeout(conn, 1, 20.0)


def _chunks(count: int) -> Iterator[bytes | None]:
    """A stream that now and then has nothing yet."""
    for number in range(count):
        yield None if number % 3 == 2 else b"chunk" * 20


def crowd_world(
    seed: int, connections: int = CONNECTIONS, seconds: float = SECONDS, limits: Limits = LIMITS
) -> UsersWorld:
    """The world of a crowd."""
    program = CrowdProgram(seed)
    return UsersWorld(
        program.handle,
        clients=crowd(connections),
        faults=FAULTS,
        seed=seed,
        callbacks=program.callbacks,
        limits=limits,
        seconds=seconds,
        between=program.between,
        skip=("raises", "unanswered"),  # that is what the program is like
        check_every=CHECK_EVERY,
        is_recorded=False,
        tick_seconds=TICK_SECONDS,
        waves=max(1, int(seconds / WAVE_SECONDS)),
    )
