"""The server of a world: the one in memory, on an unreliable network, with a trace.

Theory: `MemoryServer` ticks the product's own engine and calls user code by the product's own
program; here its kernel is replaced, and every event the core is given and every effect that is
carried out passes a `Trace`.

Rules: nothing is changed on its way. It does not know what should happen.
"""

from collections.abc import Callable, Sequence
from itertools import count
from random import Random
from typing import Any, TypeAlias

from ...core.broadcast.encoding import Encoding
from ...core.broadcast.ring import Ring
from ...core.conn import Conn, Peer
from ...core.connection.client import Phase
from ...core.connection.context import Parse
from ...core.effects import Effect, Log
from ...core.events import Event
from ...core.limits import Limits
from ...core.server.fold import advance
from ...core.server.slots import clients_of
from ...core.server.state import Server
from ...core.websocket.fragments import Message
from ...shell.callbacks import Callbacks
from ...shell.loop.engine import Advance
from ...shell.loop.send_buffer import TOO_SLOW
from ...shell.program.handlers import Handler
from ..server import MemoryServer
from .model import frame_len
from .network import UnreliableKernel
from .trace import Trace

POSITION_LEN = 16
"""Bytes of the line with an event's position, at most."""


Turns: TypeAlias = list[tuple[tuple[Event, ...], tuple[Effect, ...]]]
"""What the core was given in each call, and what it ordered."""


Watching: TypeAlias = Callable[[Server, Sequence[Event], Sequence[Effect]], None]
"""What looks at the value of the core before a call, what it was given, and what it ordered."""


def traced(trace: Trace, turns: Turns | None, watching: Watching | None = None) -> Advance:
    """The core, as a function that adds every event that it is given to a trace, and each call to
    these turns, if there are any.
    """

    def advance_traced(
        server: Server, events: Sequence[Event], parse: Parse
    ) -> tuple[Server, list[Effect]]:
        given = tuple(events)
        trace.add_events(given)
        before = server
        server, effects = advance(server, events, parse)
        if turns is not None:
            turns.append((given, tuple(effects)))
        if watching is not None:
            watching(before, given, effects)
        return server, effects

    return advance_traced


class TracedServer(MemoryServer):
    """A server in memory on an unreliable network."""

    def __init__(
        self,
        handler: Handler,
        limits: Limits,
        callbacks: Callbacks,
        rng: Random,
        trace: Trace,
        is_recorded: bool = True,
        watching: Watching | None = None,
    ) -> None:
        self.trace = trace
        self.network = UnreliableKernel(rng)
        self.turns: Turns | None = [] if is_recorded else None
        """What the core was given in each call, and what it ordered; None if nobody wants that."""
        super().__init__(
            handler, limits, callbacks, traced(trace, self.turns, watching), self.network
        )
        self.first = self._engine.snapshot
        """The core's value before the first turn."""
        if is_recorded:
            self._engine.methods = {
                kind: self._traced(method) for kind, method in self._engine.methods.items()
            }

    def _traced(self, method: Callable[[Any], Event | None]) -> Callable[[Any], Event | None]:
        """A method that adds the effect to the trace and then calls this one."""

        def perform(effect: Any) -> Event | None:
            self.trace.add("effect", effect)
            return method(effect)

        return perform

    def _log_record(self, effect: Log) -> None:
        """Add a record to `log`, without logging it."""
        self.log.append(effect)

    @property
    def unix_time(self) -> int:
        """The seconds since 1970, by the clock of the system."""
        return int(self.now + self.unix_offset)

    def step_clock(self, seconds: float) -> None:
        """Set the clock of the system forward or back, but not to before 1970."""
        self.unix_offset = max(-self.now, self.unix_offset + seconds)

    def shut_down(self) -> None:
        """Let coroutines clean up, because this server will not tick again."""
        self.set_spawn(None)
        self._loop.end()

    @property
    def waits(self) -> bool:
        """True if streams or coroutines go on when time has passed."""
        return self._application.sources.poll_at is not None or self._loop.next_timer() is not None

    def look_behind_turns(self, looks: Callable[[int], None]) -> None:
        """Have this called behind every turn, the next of which is the first, with its number: for
        whoever notes what the core does not know.
        """
        core, numbers = self._engine._advance, count(1)

        def advance_looked_at(
            server: Server, events: Sequence[Event], parse: Parse
        ) -> tuple[Server, list[Effect]]:
            result = core(server, events, parse)
            looks(next(numbers))
            return result

        self._engine._advance = advance_looked_at

    def dropped_count(self) -> int:
        """How many clients were dropped because they read too slowly."""
        return self._engine.snapshot.totals.closed.get(TOO_SLOW, 0)

    def ring_len(self, message: Message) -> int:
        """Bytes that a message takes in the ring, in all encodings that have subscribers."""
        encodings = [encoding for encoding, _ in self._engine.snapshot.broadcast.encoding_counts]
        return sum(
            [frame_len(message, encoding) for encoding in (Encoding.PLAIN, *encodings)],
            POSITION_LEN * (Encoding.SSE in encodings),
        )

    def event_streams(self) -> dict[Peer, Conn]:
        """The open event streams."""
        clients = clients_of(self._engine.snapshot.slots)
        return {
            client.peer: client.conn
            for client in clients
            if client.incoming.phase is Phase.EVENT_STREAM
        }

    def ring_topics(self) -> list[str | None]:
        """The topics of all frames that the core holds."""
        broadcast = self._engine.snapshot.broadcast
        return [*frame_topics(broadcast.ring), *(entry.topic for entry in broadcast.pending)]


def frame_topics(ring: Ring) -> list[str | None]:
    """The topics of the frames in a ring, in order."""
    pages = [page for page in ring.pages[ring.first_page :] if page is not None]
    topics = [entry.topic for page in pages for entry in page.entries]
    return topics[len(topics) - (ring.head_number - ring.tail_number) :]
