"""An interrupt at any bytecode of performing effects: nobody has a hole, and nothing comes twice.

Theory: a KeyboardInterrupt may be raised between any two bytecodes while a list of effects is
performed, and the program may tick on. A trace function can raise at each of them. What was not
begun is done in the next tick, what was done is not repeated; only if the return value of a system
call went lost with the interrupt, that connection ends.

Rules: one interrupt for each run, and a run for each bytecode. It does not know which effects there
are.
"""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType
from typing import Any

from sigil import Limits
from tests.support.builds import needs_pure_sources
from tests.support.requests import GET
from tests.support.servers import Raw, pump, ticking
from tests.support.websocket_client import upgrade, websocket_clients

pytestmark = needs_pure_sources

PERFORMING = (
    "adopt",
    "reject",
    "drop",
    "_set_interest",
    "forget",
    "send",
    "fan_out",
    "_send_all",
    "_send_and_then",
    "watch",
    "report",
)
FILES = tuple(f"/sigil/shell/loop/{name}.py" for name in ("engine", "poller", "sockets"))
COUNT = 3
LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@contextmanager
def interrupt_at(number: int, names: tuple[str, ...]) -> Iterator[list[int]]:
    """Raise KeyboardInterrupt at the bytecode of this number of performing; how many there were."""
    seen = [0]

    def on_bytecode(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "opcode":
            seen[0] += 1
            if seen[0] == number:
                sys.settrace(None)
                raise KeyboardInterrupt
        return on_bytecode

    def on_call(frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        if not code.co_filename.endswith(FILES) or code.co_name not in names:
            return None
        frame.f_trace_opcodes = True
        return on_bytecode

    before = sys.gettrace()
    sys.settrace(on_call)
    try:
        yield seen
    finally:
        sys.settrace(before)


def run_with_interrupt(number: int) -> tuple[int, int]:
    """A tick that is interrupted there: how many bytecodes there were, and who ended."""
    with ticking(upgrade, Limits()) as server:
        clients = websocket_clients(server, COUNT)
        conns = server.clients()
        for conn in conns:
            server.send(conn, "alone")
        server.broadcast("one")
        server.send(conns[0], "two")
        with (
            interrupt_at(number, ("_perform_effects", *PERFORMING)) as seen,
            suppress(KeyboardInterrupt),
        ):
            server.tick()
        server.broadcast("three")
        while server.tick() or server.tick():
            for client in clients:
                client.poll()
        words = [[b"alone", b"one", b"two", b"three"]] + [[b"alone", b"one", b"three"]] * 2
        by_peer = {server.peer(conn): conn for conn in server.clients()}
        ended = 0
        for client in clients:
            client.poll()
            expected = words[0] if b"two" in client.messages else words[1]
            if client.over or len(client.messages) < len(expected):
                ended += 1
                assert client.messages == expected[: len(client.messages)]
            else:
                assert client.messages == expected
        assert len(by_peer) == COUNT - ended
        return seen[0], ended


def test_an_interrupt_at_any_bytecode_leaves_no_hole() -> None:
    total, ended = run_with_interrupt(-1)
    assert (total > 100, ended) == (True, 0)
    ends = [run_with_interrupt(number)[1] for number in range(1, total + 1)]
    assert max(ends) <= 1
    # only the bytecodes between a system call and the place for its value
    assert sum(ends) < total // 10


def run_life_with_interrupt(number: int) -> int:
    """Newcomers, one of them rejected, answers and ends, with an interrupt there in one of the
    ticks: how many bytecodes there were.
    """
    limits = Limits(max_connection_cnt=3, max_ws_connection_cnt=3, full_policy="503")
    with ticking(limits=limits._replace(linger_timeout=0.02)) as server:
        clients = [Raw(server, LAST if number % 2 else GET) for number in range(4)]
        with interrupt_at(number, PERFORMING) as seen:
            for _ in range(4):
                with suppress(KeyboardInterrupt):
                    server.tick()
        with ExitStack() as opened:
            for client in clients:
                opened.enter_context(client)
            pump(
                server, lambda: all(client.over or client.answers() for client in clients), *clients
            )
        pump(server, lambda: not server.clients())
        sockets = server._sockets
        assert (sockets._accepted, [*sockets._table], sockets._blocked) == ({}, [], set())
        with Raw(server, GET) as last:
            pump(server, lambda: bool(last.answers()), last)
        return seen[0]


def test_an_interrupt_at_any_bytecode_loses_no_connection() -> None:
    total = run_life_with_interrupt(-1)
    assert total > 100
    for number in range(1, total + 1):
        run_life_with_interrupt(number)
