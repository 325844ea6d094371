"""The script of `scripted`, run with every way there is to drive a server, and what came of it.

Theory: there are three kinds of drivers. A loop of which the script is a part calls it once in a
while (`host_loops`, and two that are written here); a server that drives itself runs in one thread
and the script in another; and `sigil.testing` has neither loop nor sockets. The core is handed in
as a function, so that what it is given and what it orders can be kept.

Rules: each run is a server of its own, which has ended when it returns. The epoch of positions is 0
in all of them, as it is in memory. It does not know what the script does, nor compare anything.
"""

import select
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from sigil import HttpServer, Limits, PollHooks
from sigil.core.effects import ACCESS_LOG, ERROR_LOG
from sigil.core.server.state import Server
from sigil.core.trace.summary import summaries_of
from sigil.core.trace.turn import Turn as RecordedTurn
from sigil.hosts.hosting import milliseconds, seconds_left
from sigil.shell.recording.recording import Recording
from sigil.testing import Client, Connection
from tests.support.host_loops import LOOPS, Frame, ending
from tests.support.scripted import Program, Script
from tests.support.servers import PATIENCE, Raw, logged_by, make
from tests.support.traces import Trace, Turn, normalised

INTERVAL = 0.002
"""How often a loop calls the script."""
FRAME_SECONDS = 1 / 60
POLL_SET = select.poll()
"""That of a program that owns it; empty between two runs."""
HOOKS = {"poll set": PollHooks(POLL_SET.register, POLL_SET.modify, POLL_SET.unregister)}
"""What a server is to be told to listen with, by the way it is driven."""
DEADLINES: dict[str, Any] = {
    name: 10 * PATIENCE for name in Limits._fields if name.endswith(("_timeout", "_interval"))
}
LIMITS = Limits(**{**DEADLINES, "tls_handshake_timeout": 0.1})
"""No deadline but the script's own passes, however slow the machine is; and that one is noticed
soon, because a deadline is noticed late by a fraction of the shortest there is.
"""


def keep_turns(server: Any, turns: list[Turn]) -> Server:
    """Keep what the core of a server is given from now on, and what it orders; positions are in
    epoch 0. Returned is the first state.
    """
    engine, state = server._engine, server._engine.state
    ring = state.broadcast.ring.replace(epoch=0)
    first = state.replace(broadcast=state.broadcast.replace(ring=ring))
    engine.begin(first, engine._parse)
    inner = engine._advance

    def advance(state: Any, events: Any, parse: Any) -> Any:
        given = tuple(events)
        state, effects = inner(state, given, parse)
        turns.append((given, tuple(effects)))
        return state, effects

    engine._advance = advance
    return first


class SocketEnd(Raw):
    """The client's end of a connection over a socket."""

    def __init__(self, server: HttpServer) -> None:
        super().__init__(server)
        self.port: int = self.sock.getsockname()[1]


class MemoryEnd:
    """The client's end of a connection in memory; a moment passes before it does anything."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._connection: Connection = client.connect()
        self.port = self._connection.peer.port

    @property
    def received(self) -> bytes:
        return self._connection.received

    @property
    def over(self) -> bool:
        return self._connection.has_ended or self._connection.was_reset

    def send(self, data: bytes) -> None:
        self._client.advance(0.001)
        self._connection.send(data)

    def half_close(self) -> None:
        self._client.advance(0.001)
        self._connection.half_close()

    def reset(self) -> None:
        self._client.advance(0.001)
        self._connection.reset()

    def poll(self) -> None:
        """All that has come is there already."""


# -- drivers ---------------------------------------------------------------------------------------

Drive = Callable[[HttpServer, Script], None]
"""Drives a server that listens, and a script, until both have ended."""


def part_of(run: Callable[[HttpServer, Frame, float], None]) -> Drive:
    """Drives them in a loop that calls the script once in a while."""

    def drive(server: HttpServer, script: Script) -> None:
        steps, failures = script.steps(), list[BaseException]()

        def frame() -> bool:
            try:
                return next(steps, False) is None
            except BaseException as error:
                failures.append(error)
                return False

        run(server, frame, INTERVAL)
        for failure in failures:
            raise failure
        for _ in steps:  # the loop ends with the server, which the script may not have seen
            assert not server.running

    return drive


def run_tick(server: HttpServer, frame: Frame, interval: float) -> None:
    """The plainest loop: it does nothing but tick."""
    with ending(server):
        while server.running and frame():
            server.tick(interval)


def run_frames(server: HttpServer, frame: Frame, interval: float) -> None:
    """A game at 60 frames a second, which waits for the next frame and never for the server."""
    due_at = time.monotonic()
    with ending(server):
        while server.running and frame():
            server.tick(0)
            due_at = max(due_at + FRAME_SECONDS, time.monotonic())
            select.select([], [], [], max(0.0, due_at - time.monotonic()))


def run_attached(server: HttpServer, frame: Frame, interval: float) -> None:
    """A server that is ticked along with another one."""
    host = make()
    host.listen()
    host.attach(server)
    with ending(host), ending(server):
        while server.running and frame():
            host.tick(interval)


def run_poll_set(server: HttpServer, frame: Frame, interval: float) -> None:
    """A loop that polls all descriptors by itself, and asks the server whose each of them is."""
    with ending(server):
        while server.running and frame():
            for descriptor, events in POLL_SET.poll(milliseconds(interval)):
                server.service_fd(descriptor, events)  # or it was closed for one before it
            if seconds_left(server) == 0.0:
                server.tick()


def pass_through(script: Script) -> None:
    """Do all that the script does, beside a server that drives itself: it looks again as soon as
    something has come, and once in a while.
    """
    for _ in script.steps():
        sockets = [end.sock for end in script.ends.values() if not end.over]  # type: ignore[attr-defined]
        select.select(sockets, [], [], INTERVAL)


def drive_start(server: HttpServer, script: Script) -> None:
    """The server blocks in `start`, as in a program that does nothing else, and the script is in
    another thread.
    """
    failures: list[BaseException] = []

    def run() -> None:
        try:
            pass_through(script)
        except BaseException as error:
            failures.append(error)
            server.stop(0)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        server.start()
    finally:
        thread.join()
    for failure in failures:
        raise failure


def drive_thread(server: HttpServer, script: Script) -> None:
    """The server has a thread of its own, and the script is where that was started."""
    with server.serve_in_thread():
        pass_through(script)


RUNS: dict[str, Drive] = {
    "ticks": part_of(run_tick),
    "frames": part_of(run_frames),
    "member": part_of(run_attached),
    "poll set": part_of(run_poll_set),
    **{name: part_of(run) for name, run in LOOPS.items() if name != "matplotlib"},
    "start": drive_start,
    "thread": drive_thread,
}
"""Every way there is to drive a server over sockets; the loop of matplotlib is Tk's."""
COROUTINES = ("asyncio", "uvloop", "trio", "trio on asyncio", "start", "thread")
"""Those in which handlers and callbacks may be coroutines, as they may in memory."""


# -- runs ------------------------------------------------------------------------------------------


class Run(NamedTuple):
    """What is left of one."""

    first: Server
    turns: list[Turn]
    lines: list[tuple[Any, ...]]
    received: dict[str, bytes]
    ports: dict[int, str]

    @property
    def trace(self) -> Trace:
        """That, to be compared."""
        return normalised(self.turns, self.lines, self.received, self.ports)

    @property
    def recording(self) -> Recording:
        """That, to be replayed."""
        turns = [
            RecordedTurn(number, tuple(events), summaries_of(effects))
            for number, (events, effects) in enumerate(self.turns, 1)
        ]
        return Recording(self.first, turns)


def in_memory(program: Program) -> Run:
    """The script with the client in memory; a moment passes whenever it waits."""
    client = Client(program.handler, limits=LIMITS, callbacks=program.callbacks, raise_errors=False)
    turns: list[Turn] = []
    first = keep_turns(client.server, turns)
    script = Script(client.server, program, partial(MemoryEnd, client))
    for _ in script.steps():
        client.advance(0.005)
    return what_is_left(script, first, turns)


def over_sockets(program: Program, way: str) -> Run:
    """The script with a server on a port, and with whatever drives the two."""
    server = make(program.handler, LIMITS, program.callbacks)
    turns: list[Turn] = []
    script = Script(server, program, partial(SocketEnd, server))
    with logged_by(ACCESS_LOG), logged_by(ERROR_LOG):
        server.listen(poll_hooks=HOOKS.get(way))
        first = keep_turns(server, turns)
        try:
            RUNS[way](server, script)
        finally:
            for end in script.ends.values():
                end.close()  # type: ignore[attr-defined]
    assert not server.running
    return what_is_left(script, first, turns)


def what_is_left(script: Script, first: Server, turns: list[Turn]) -> Run:
    """What the script has seen, and the core has done."""
    return Run(
        first,
        turns,
        script.program.log.lines,
        {name: bytes(end.received) for name, end in script.ends.items()},
        {end.port: name for name, end in script.ends.items()},
    )
