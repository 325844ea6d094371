"""Recordings in memory, for tests: what a server in memory was given, turn by turn.

Theory: a recording is a first server and the turns that followed, and an engine is handed the core
as a function; so whoever puts a function around it sees all there is.

Rules: nothing is changed on its way. The states that the server has had are kept beside, for a test
to compare with.
"""

from collections.abc import Sequence

from sigil import Callbacks, Handler, Limits
from sigil.core.connection.context import Parse
from sigil.core.effects import Effect
from sigil.core.events import Event
from sigil.core.server.fold import advance
from sigil.core.server.state import Server
from sigil.core.trace.summary import summaries_of
from sigil.core.trace.turn import Turn
from sigil.shell.recording.recording import Recording
from sigil.testing import Client, MemoryServer, World


class Watched:
    """The turns of an engine, and the states it has had; `recording` has the same in short."""

    def __init__(self) -> None:
        self.states: list[Server] = []
        self.effects: list[tuple[Effect, ...]] = []
        self.turns: list[Turn] = []

    def advance(
        self, server: Server, events: Sequence[Event], parse: Parse
    ) -> tuple[Server, list[Effect]]:
        """The core, watched."""
        if not self.states:
            self.states.append(server)
        after, effects = advance(server, events, parse)

        self.turns.append(Turn(len(self.turns) + 1, tuple(events), summaries_of(effects)))
        self.states.append(after)
        self.effects.append(tuple(effects))
        return after, effects

    def watch(self, server: MemoryServer) -> None:
        """Watch the turns of a server in memory from now on."""
        server._engine._advance = self.advance

    @property
    def recording(self) -> Recording:
        """What was recorded."""
        return Recording(self.states[0], tuple(self.turns))


def watched_world(seed: int, is_held_up: bool = False) -> Watched:
    """A simulated world that was run to its end, watched."""
    world, watched = World(seed, is_held_up=is_held_up), Watched()
    watched.watch(world.server)
    world.run()
    return watched


def watched_client(
    handler: Handler, limits: Limits | None = None, callbacks: Callbacks | None = None
) -> tuple[Watched, Client]:
    """A client in memory of this handler, and its server watched."""
    watched = Watched()
    client = Client(handler, limits=limits, callbacks=callbacks, raise_errors=False)
    watched.watch(client.server)
    return watched, client
