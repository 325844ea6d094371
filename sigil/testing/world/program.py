"""The program of a world: it broadcasts and sends from every place where a program may.

Theory: the order of messages is the program's, so defects appear where it sends from different
places: between ticks, in a callback, in a stream that is asked for its next chunk, in a coroutine.
In each of them this program takes a few actions drawn at random, and records in the `Model` what
each client must receive because of them.

Rules: what is recorded follows the status that was returned: a message that was dropped is not
expected. Every message is different. It does not know how the server is made.
"""

import asyncio
from collections.abc import Callable, Iterator
from random import Random
from typing import TYPE_CHECKING

from ...core.broadcast.entry import PublishOptions
from ...core.close_reasons import CloseReason
from ...core.conn import Conn
from ...core.http.request import Request
from ...core.http.response import Response
from ...core.limits import Limits
from ...core.send_status import SendStatus
from ...core.topics import in_order
from ...core.websocket.fragments import Message
from ...shell.callbacks import Callbacks
from ...shell.program.deferred import Deferred
from .clients import body_of, encoding_of
from .machine import Machine
from .model import RETAINED_TOPICS, Expected, Model, Violation, frame_len, topics_in

if TYPE_CHECKING:
    from .traced_server import TracedServer

TOPICS = (None, None, "a", "b", "*")
POLL_SECONDS = 3.0
TICKS_TO_CATCH_UP = 6
PROGRAM_CLOSE_CODE = 4000
"""The code with which this program closes a WebSocket."""


class Program:
    """A program, and the model of what its clients must receive."""

    def __init__(self, rng: Random, limits: Limits, is_async: bool, machine: Machine) -> None:
        self.server: TracedServer
        self.rng = rng
        self.machine = machine
        self.blocked_seconds = 0.0
        """How long its calls have blocked, all together."""
        self.model = Model()
        self.following: set[Conn] = set()
        """The WebSockets of those who go on where they were, to whom it sends nothing alone."""
        self.opened: list[Conn] = []
        self.closed: dict[Conn, CloseReason] = {}
        self.is_silent = False
        """It sends nothing any more."""
        self._given: dict[Conn, int] = {}
        """The number of the last message that each WebSocket has sent it."""
        self.ticks: list[tuple[int, int]] = [(0, 0)]
        """What was published in each tick: messages, and their bytes in the ring; the last item is
        the current tick.
        """
        self.deferred: list[tuple[Deferred, Response]] = []
        """Responses that come later."""
        self.violations: list[Violation] = []
        """Violations found in callbacks, in which an exception would be taken for a failure of user
        code.
        """
        self._limits = limits
        self.retains = rng.random() < 0.5
        self._count = 0
        message: Callable[..., object] = self._on_message_later if is_async else self._on_message
        self.callbacks = Callbacks(
            self._on_open, self._on_close, self._on_ws_open, message, self._on_ws_close
        )

    # -- handler and callbacks ---------------------------------------------------------------------

    def handle(self, request: Request) -> Response | Deferred:
        """Respond with `body_of` the target, now or later, or upgrade."""
        self._block()
        _, kind, number, *rest = request.path.split("/")
        if kind == "ws":
            topics, history, slow = topics_in(number), int(rest[0]), rest[1]
            kept = min(history, self._limits.history_messages)
            encoding, skips = encoding_of(request), slow == "skip"
            self.model.upgrade(request.peer, topics, kept, encoding, skips)
            return Response.upgrade(topics=in_order(topics), history=history, slow=slow)
        if kind == "events":
            topics, history, slow = topics_in(number), int(rest[0]), rest[1]
            return Response.sse(topics=in_order(topics), history=history, slow=slow)
        if kind == "follow":
            self.following.add(request.conn)
            return Response.upgrade(topics=in_order(topics_in(number)))
        if kind == "poll":
            after, wanted = request.args["after"], in_order(topics_in(number))
            return Response.poll(after=after, topics=wanted, timeout=POLL_SECONDS)
        if self.rng.random() < 0.2:
            self.act()
        if kind == "ticker":
            return Response.stream(self._tick(int(number)))
        response = Response.bytes(body_of(request.path))
        if self.is_silent or self.rng.random() < 0.7:
            return response
        self.deferred.append((Deferred(), response))
        return self.deferred[-1][0]

    def resolve_deferred(self, count: int) -> None:
        """Give so many of the deferred responses, in any order."""
        for _ in range(min(count, len(self.deferred))):
            deferred, response = self.deferred.pop(self.rng.randrange(len(self.deferred)))
            deferred.resolve(response)

    def _tick(self, count: int) -> Iterator[bytes | None]:
        """A response stream that acts whenever it is asked for a chunk, and sometimes has
        none yet.
        """
        for _ in range(count):
            self._block()
            if self.rng.random() < 0.5:
                yield None
            self.act()
            yield b"t"

    def _block(self) -> None:
        """Perhaps take some time, in which nobody is served."""
        seconds = self.machine.blocked(self.rng)
        self.server.now += seconds
        self.blocked_seconds += seconds

    def _on_open(self, server: object, conn: Conn) -> None:
        self._block()
        self.opened.append(conn)

    def _on_close(self, server: object, conn: Conn, reason: CloseReason) -> None:
        self._block()
        if conn in self.closed or conn not in self.opened:
            self.violations.append(Violation("ends", f"{conn} was closed twice, or never opened"))
        self.closed[conn] = reason

    def _on_ws_open(self, server: object, conn: Conn, request: Request) -> None:
        self._block()
        if conn in self.following:
            return
        if conn in self.model.expectations:
            self.violations.append(Violation("ends", f"{conn} became a WebSocket twice"))
        self.model.open(request.peer, conn, self.server.ring_topics())
        if self.rng.random() < 0.5:
            self._send(conn)

    def _on_message(self, server: object, conn: Conn, data: str | bytes) -> None:
        self._block()
        number = int(data[1:])
        if number <= self._given.get(conn, 0):
            text = f"{conn} sent {data!r} before number {self._given[conn]}"
            self.violations.append(Violation("given", text))
        self._given[conn] = number
        if self.rng.random() < 0.5:
            self._send(conn)
        if self.rng.random() < 0.3:
            self.act()

    async def _on_message_later(self, server: object, conn: Conn, data: str | bytes) -> None:
        if self.rng.random() < 0.5:
            await asyncio.sleep(self.rng.choice((0.0, 0.01)))
        self._on_message(server, conn, data)

    def _on_ws_close(self, server: object, conn: Conn, reason: CloseReason, code: int) -> None:
        self._block()
        expectation = self.model.expectations.get(conn)
        if conn in self.following:
            self.following.remove(conn)
        elif expectation is None or expectation.has_ended:
            self.violations.append(
                Violation("ends", f"{conn} ended as a WebSocket without having been one")
            )
        else:
            expectation.has_ended = True
        if self.rng.random() < 0.3:
            self.act()

    @property
    def is_overrunning(self) -> bool:
        """True if more was published in the last few ticks than the ring holds.

        A client is sent `max_outbox_len` in a tick at most, so it needs some ticks to catch up.
        """
        count, length = map(sum, zip(*self.ticks[-TICKS_TO_CATCH_UP:], strict=True))
        return (
            count > self._limits.max_ws_send_frame_cnt or length > self._limits.outgoing_buffer_sz
        )

    # -- actions -----------------------------------------------------------------------------------

    def act(self) -> None:
        """Take a few actions at random."""
        if self.is_silent:
            return
        for _ in range(self.rng.choice((0, 1, 1, 2, 5))):
            act = self.rng.choice(ACTS)
            expectations = self.model.open_expectations()
            conn = self.rng.choice(expectations).conn if expectations else None
            act(self, conn)

    def _message(self) -> Message:
        """A message that was never sent before: mostly small, sometimes near a limit."""
        self._count += 1
        max_count = self.rng.choice(
            (self._limits.max_outbox_len, self._limits.outgoing_buffer_sz, 130)
        )
        length = (
            self.rng.randint(0, 12)
            if self.rng.random() < 0.93
            else max_count - self.rng.randint(-1, 5)
        )
        text = f"{self._count}" + "." * (min(length, 900) - len(str(self._count)))
        return text if self.rng.random() < 0.5 else text.encode()

    def _publish_several(self, conn: Conn | None) -> None:
        """Broadcast some messages."""
        for _ in range(self.rng.choice((1, 1, 2, 3, 12))):
            self._publish()

    def _publish(self) -> None:
        message, topic, options = self._message(), self.rng.choice(TOPICS), self._options()
        if self.retains and self.rng.random() < 0.3:
            topic, options = self.rng.choice(RETAINED_TOPICS), options.replace(retain=True)
        self.server.trace.add("publish", (message, topic, options))
        dropped = self.server.dropped_count()
        length = frame_len(message)
        fits = length <= self._limits.outgoing_buffer_sz
        if fits:
            self.model.publish(message, topic, options)
            count, total = self.ticks[-1]
            self.ticks[-1] = count + 1, total + self.server.ring_len(message)
        status = self.server.broadcast(
            message,
            topic=topic,
            latest=options.latest,
            retain=options.retain,
            exclude=options.exclude,
        )
        was_dropped = self.server.dropped_count() > dropped
        is_lost = status is SendStatus.DROPPED
        if is_lost > (not fits or was_dropped) or not (fits or is_lost):
            self.violations.append(
                Violation(
                    "status",
                    f"{status.name} for {length} bytes broadcast, ring of "
                    f"{self._limits.outgoing_buffer_sz}, and {was_dropped=}",
                )
            )

    def _options(self) -> PublishOptions:
        """The options of a message: mostly none, sometimes that of a state, or somebody excluded,
        who may be gone.
        """
        exclude: Conn | None = None
        if self.rng.random() < 0.15:
            open_conns = [one.conn for one in self.model.open_expectations()]
            streams = sorted(self.server.event_streams().values())
            exclude = self.rng.choice((*open_conns, *streams, Conn(0, 10**6)))
        return PublishOptions(latest=self.rng.random() < 0.35, exclude=exclude)

    def _send_several(self, conn: Conn | None) -> None:
        """Send some messages to one client."""
        for _ in range(self.rng.choice((1, 1, 3, 9))):
            self._send(conn)

    def _send(self, conn: Conn | None) -> None:
        if conn is None:
            return
        message = self._message()
        expectation = self.model.expectations[conn]
        status = self.server.send(conn, message)
        self.server.trace.add("send", (conn, message, status))
        if status is not SendStatus.DROPPED:
            if not expectation.is_open:
                self.violations.append(
                    Violation("status", f"{status.name} for {conn}, which is gone")
                )
            expectation.expected.append(Expected(message))

    def _interleave(self, conn: Conn | None) -> None:
        """Broadcast and send to one client alternately."""
        for _ in range(self.rng.randint(1, 4)):
            self._publish()
            self._send(conn)

    def _change_topic(self, conn: Conn | None) -> None:
        """Subscribe or unsubscribe a client."""
        if conn is None:
            return
        topic, is_subscribed = self.rng.choice(("a", "b")), self.rng.random() < 0.5
        self.server.trace.add("subscribe", (conn, topic, is_subscribed))
        topics = self.model.expectations[conn].topics
        if is_subscribed:
            self.server.subscribe(conn, topic)
            topics.add(topic)
        else:
            self.server.unsubscribe(conn, topic)
            topics.discard(topic)

    def _close(self, conn: Conn | None) -> None:
        """Close a WebSocket."""
        if conn is not None and self.rng.random() < 0.1:
            self.server.trace.add("close", conn)
            self.server.close(conn, PROGRAM_CLOSE_CODE)
            self.model.expectations[conn].is_closing = True

    def _end_stream(self, conn: Conn | None) -> None:
        """Close an event stream."""
        items = self.server.event_streams().items()
        event_streams = sorted(items, key=lambda item: item[1])
        if event_streams and self.rng.random() < 0.2:
            peer, conn = self.rng.choice(event_streams)
            self.server.trace.add("end", conn)
            self.server.close(conn)
            self.model.ended.setdefault(peer, len(self.model.published))

    def _resolve_some(self, conn: Conn | None) -> None:
        """Give some of the deferred responses."""
        self.resolve_deferred(3)

    def _query(self, conn: Conn | None) -> None:
        """Query the server, which makes it apply what was sent at once."""
        if conn is not None:
            self.server.buffered_amount(conn)


ACTS = (
    Program._publish_several,
    Program._publish_several,
    Program._publish_several,
    Program._send_several,
    Program._send_several,
    Program._interleave,
    Program._change_topic,
    Program._close,
    Program._end_stream,
    Program._query,
    Program._resolve_some,
)
