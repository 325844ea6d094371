"""The program of a world: it says things to all and to some, at every place where a program may.

Theory: the order in which things are said is the program's, so the defects are where it speaks from
different places: between ticks, in a callback, in a stream that is asked for its next piece, in a
coroutine. In each of them this one does a few things drawn from dice, and writes down in the `Book`
what must come of them.

Rules: what is written down is what the program was told: a message that was dropped is not
expected. Every message is different. It does not know how the server is made.
"""

import asyncio
from collections.abc import Callable, Iterator
from random import Random
from typing import TYPE_CHECKING

from ...core.close_reasons import CloseReason
from ...core.conn import Conn
from ...core.http.request import Request
from ...core.http.response import Response
from ...core.limits import Limits
from ...core.send_status import SendStatus
from ...core.websocket.messages import Message
from ...shell.callbacks import Callbacks
from ...shell.program.deferred import Deferred
from .guests import body_of, encoding_of
from .model import Book, Violation, frame_len

if TYPE_CHECKING:
    from .stage import Stage

TOPICS = (None, None, "a", "b")
TURNS_TO_CATCH_UP = 6
GOODBYE = 4000
"""The code with which this program closes a WebSocket."""


class Play:
    """A program, and what must come of it."""

    def __init__(self, dice: Random, limits: Limits, is_async: bool) -> None:
        self.server: Stage
        self.dice = dice
        self.book = Book()
        self.opened: list[Conn] = []
        self.closed: dict[Conn, CloseReason] = {}
        self.is_over = False
        """It says nothing any more."""
        self.turns: list[tuple[int, int]] = [(0, 0)]
        """What was published in each turn that has ended and in this one: messages, and their bytes
        on the ring.
        """
        self.promises: list[tuple[Deferred, Response]] = []
        """Answers that come later."""
        self.found: list[Violation] = []
        """What did not hold while it was at work: user code that raises would be somebody else's
        trouble.
        """
        self._limits = limits
        self._count = 0
        message: Callable[..., object] = self._on_message_later if is_async else self._on_message
        self.callbacks = Callbacks(
            self._on_open, self._on_close, self._on_ws_open, message, self._on_ws_close
        )

    # -- what it is told ---------------------------------------------------------------------------

    def handle(self, request: Request) -> Response | Deferred:
        """Answer a request as `body_of` says, now or later, or let it become a WebSocket."""
        _, kind, number, *rest = request.path.split("/")
        if kind == "ws":
            topics, history = frozenset(number.split(".")) - {"-"}, int(rest[0])
            kept = min(history, self._limits.history_messages)
            self.book.promise(request.peer, topics, kept, encoding_of(request))
            return Response.upgrade(topics=sorted(topics), history=history)
        if kind == "events":
            return Response.sse(topics=sorted(set(number.split(".")) - {"-"}), history=int(rest[0]))
        if self.dice.random() < 0.2:
            self.stir()
        if kind == "ticker":
            return Response.stream(self._tick(int(number)))
        response = Response.bytes(body_of(request.path))
        if self.is_over or self.dice.random() < 0.7:
            return response
        self.promises.append((Deferred(), response))
        return self.promises[-1][0]

    def keep_promises(self, count: int) -> None:
        """Give so many of the answers that were to come later."""
        for _ in range(min(count, len(self.promises))):
            deferred, response = self.promises.pop(self.dice.randrange(len(self.promises)))
            deferred.resolve(response)

    def _tick(self, count: int) -> Iterator[bytes | None]:
        """A stream that says things while it is asked for its pieces, and sometimes has none yet."""
        for _ in range(count):
            if self.dice.random() < 0.5:
                yield None
            self.stir()
            yield b"t"

    def _on_open(self, server: object, conn: Conn) -> None:
        self.opened.append(conn)

    def _on_close(self, server: object, conn: Conn, reason: CloseReason) -> None:
        if conn in self.closed or conn not in self.opened:
            self.found.append(Violation("ends", f"{conn} was closed twice, or never opened"))
        self.closed[conn] = reason

    def _on_ws_open(self, server: object, conn: Conn, request: Request) -> None:
        if conn in self.book.accounts:
            self.found.append(Violation("ends", f"{conn} became a WebSocket twice"))
        self.book.open(request.peer, conn, self.server.kept_topics())
        if self.dice.random() < 0.5:
            self._whisper(conn)

    def _on_message(self, server: object, conn: Conn, data: str | bytes) -> None:
        if self.dice.random() < 0.5:
            self._whisper(conn)
        if self.dice.random() < 0.3:
            self.stir()

    async def _on_message_later(self, server: object, conn: Conn, data: str | bytes) -> None:
        if self.dice.random() < 0.5:
            await asyncio.sleep(self.dice.choice((0.0, 0.01)))
        self._on_message(server, conn, data)

    def _on_ws_close(self, server: object, conn: Conn, reason: CloseReason, code: int) -> None:
        account = self.book.accounts.get(conn)
        if account is None or account.has_ended:
            self.found.append(
                Violation("ends", f"{conn} ended as a WebSocket without having been one")
            )
        else:
            account.has_ended = True
        if self.dice.random() < 0.3:
            self.stir()

    @property
    def is_hurried(self) -> bool:
        """True if more was published in the last few turns than is kept.

        A client that is sent `max_outbox_len` in a turn, and no more, needs some to be where the
        others are.
        """
        count, length = map(sum, zip(*self.turns[-TURNS_TO_CATCH_UP:], strict=True))
        return (
            count > self._limits.max_ws_send_frame_cnt or length > self._limits.outgoing_buffer_sz
        )

    # -- what it does ------------------------------------------------------------------------------

    def stir(self) -> None:
        """Do a few things."""
        if self.is_over:
            return
        for _ in range(self.dice.choice((0, 1, 1, 2, 5))):
            act = self.dice.choice(ACTS)
            accounts = self.book.open_accounts()
            conn = self.dice.choice(accounts).conn if accounts else None
            act(self, conn)

    def _message(self) -> Message:
        """Something that was never said before: mostly small, sometimes near a bound."""
        self._count += 1
        most = self.dice.choice((self._limits.max_outbox_len, self._limits.outgoing_buffer_sz, 130))
        length = (
            self.dice.randint(0, 12)
            if self.dice.random() < 0.93
            else most - self.dice.randint(-1, 5)
        )
        text = f"{self._count}" + "." * (min(length, 900) - len(str(self._count)))
        return text if self.dice.random() < 0.5 else text.encode()

    def _burst(self, conn: Conn | None) -> None:
        """Say things to all."""
        for _ in range(self.dice.choice((1, 1, 2, 3, 12))):
            self._publish()

    def _publish(self) -> None:
        message, topic = self._message(), self.dice.choice(TOPICS)
        self.server.trace.add("publish", (message, topic))
        dropped = self.server.dropped_count()
        length = frame_len(message)
        fits = length <= self._limits.outgoing_buffer_sz
        if fits:
            self.book.publish(message, topic)
            count, total = self.turns[-1]
            self.turns[-1] = count + 1, total + self.server.weight_of(message)
        status = self.server.broadcast(message, topic=topic)
        was_dropped = self.server.dropped_count() > dropped
        is_lost = status is SendStatus.DROPPED
        if is_lost > (not fits or was_dropped) or not (fits or is_lost):
            self.found.append(
                Violation(
                    "status",
                    f"{status.name} for {length} bytes to all, ring of "
                    f"{self._limits.outgoing_buffer_sz}, and {was_dropped=}",
                )
            )

    def _whispers(self, conn: Conn | None) -> None:
        """Say things to one."""
        for _ in range(self.dice.choice((1, 1, 3, 9))):
            self._whisper(conn)

    def _whisper(self, conn: Conn | None) -> None:
        if conn is None:
            return
        message = self._message()
        account = self.book.accounts[conn]
        status = self.server.send(conn, message)
        self.server.trace.add("whisper", (conn, message, status))
        if status is not SendStatus.DROPPED:
            if not account.is_open:
                self.found.append(Violation("status", f"{status.name} for {conn}, which is gone"))
            account.expected.append(message)

    def _interleave(self, conn: Conn | None) -> None:
        """Say things to one and to all in turn."""
        for _ in range(self.dice.randint(1, 4)):
            self._publish()
            self._whisper(conn)

    def _change_topic(self, conn: Conn | None) -> None:
        """Let somebody hear a topic, or not any more."""
        if conn is None:
            return
        topic, hears = self.dice.choice(("a", "b")), self.dice.random() < 0.5
        self.server.trace.add("subscribe", (conn, topic, hears))
        topics = self.book.accounts[conn].topics
        if hears:
            self.server.subscribe(conn, topic)
            topics.add(topic)
        else:
            self.server.unsubscribe(conn, topic)
            topics.discard(topic)

    def _close(self, conn: Conn | None) -> None:
        """Close a WebSocket."""
        if conn is not None and self.dice.random() < 0.1:
            self.server.trace.add("close", conn)
            self.server.close(conn, GOODBYE)
            self.book.accounts[conn].is_closing = True

    def _end_stream(self, conn: Conn | None) -> None:
        """End the stream of a listener."""
        listeners = sorted(self.server.listeners().items())
        if listeners and self.dice.random() < 0.2:
            peer, conn = self.dice.choice(listeners)
            self.server.trace.add("end", conn)
            self.server.close(conn)
            self.book.ended.setdefault(peer, len(self.book.published))

    def _keep_some(self, conn: Conn | None) -> None:
        """Give some of the answers that were to come later."""
        self.keep_promises(3)

    def _look(self, conn: Conn | None) -> None:
        """Look at the server, which has what was said told at once."""
        if conn is not None:
            self.server.buffered_amount(conn)


ACTS = (
    Play._burst,
    Play._burst,
    Play._burst,
    Play._whispers,
    Play._whispers,
    Play._interleave,
    Play._change_topic,
    Play._close,
    Play._end_stream,
    Play._look,
    Play._keep_some,
)
