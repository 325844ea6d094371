"""What a connection needs of its client: to run the server, and to know that it may.

Theory: a client makes connections and WebSockets, and each of their methods lets the server run
until it is idle. This protocol is all they know of the client, so the imports go one way.

Rules: no code. `sigil.testing.client` implements it.
"""

from typing import Protocol


class Driver(Protocol):
    """Runs the server in memory."""

    def run_until_idle(self) -> None:
        """Let the server do everything that it can do without time passing."""

    def require_idle(self) -> None:
        """RuntimeError within a tick of the server."""
