"""A whole server in memory, for tests of the program behind it.

    from sigil.testing import Client

    def test_tea() -> None:
        assert Client(app).get("/tea").text == "you asked for /tea"

Theory: a handler is tested with the core that serves it and the code that calls it in production;
only the sockets and the clocks are simulated. So what a test sees is what a network would have
carried, and nothing in it waits, races or depends on the machine.

Rules: no sockets, no threads, no real time: the test advances the clock, asyncio's too. Everything
happens within the test's own calls. The names below are the public ones. It does not know any test
framework.
"""

from .answers import Answer, BadAnswer, read_answers
from .client import Client, HandlerError, NeverIdle, NoAnswer
from .connection import Connection
from .server import MemoryServer
from .websocket import NoMessage, UpgradeRefused, WebSocket, WebSocketClosed
from .world import ALL_FAULTS, NO_FAULTS, Ask, Faults, Outcome, Violation, Visitors, World

__all__ = [
    "ALL_FAULTS",
    "NO_FAULTS",
    "Answer",
    "Ask",
    "BadAnswer",
    "Client",
    "Connection",
    "Faults",
    "HandlerError",
    "MemoryServer",
    "NeverIdle",
    "NoAnswer",
    "NoMessage",
    "Outcome",
    "UpgradeRefused",
    "Violation",
    "Visitors",
    "WebSocket",
    "WebSocketClosed",
    "World",
    "read_answers",
]
