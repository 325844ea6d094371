"""What the parts that call a program's callbacks need of the record of them.

Theory: the record that a program makes, `sigil.Callbacks`, names the server in its types, and the
server is made of the parts that call it. They would import each other in a circle, so here is what
they read of it.

Rules: the fields of `sigil.Callbacks`, each a function or None. It does not know when one is
called.
"""

from collections.abc import Callable
from typing import Protocol


class CallbackTable(Protocol):
    """The callbacks of a program: `sigil.Callbacks`, or any record with its fields."""

    @property
    def open(self) -> Callable[..., object] | None:
        """Called with each new connection."""

    @property
    def close(self) -> Callable[..., object] | None:
        """Called with each connection that is gone."""

    @property
    def ws_open(self) -> Callable[..., object] | None:
        """Called with each new WebSocket."""

    @property
    def ws_message(self) -> Callable[..., object] | None:
        """Called with each message of a WebSocket."""

    @property
    def ws_fragment(self) -> Callable[..., object] | None:
        """Called with each piece of a long message of a WebSocket."""

    @property
    def ws_close(self) -> Callable[..., object] | None:
        """Called with each WebSocket that has ended."""

    @property
    def ws_drain(self) -> Callable[..., object] | None:
        """Called with each WebSocket that was behind and has taken all."""

    @property
    def ws_pong(self) -> Callable[..., object] | None:
        """Called with what a ping of the program has brought back."""

    @property
    def writable(self) -> Callable[..., object] | None:
        """Called with a connection that can be sent more, if that was asked for."""

    @property
    def sse_open(self) -> Callable[..., object] | None:
        """Called with each new event stream of what is broadcast."""

    @property
    def sse_close(self) -> Callable[..., object] | None:
        """Called with each of these that has ended."""

    @property
    def admit(self) -> Callable[..., object] | None:
        """Called with the address of each newcomer."""
