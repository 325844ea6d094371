"""How a WebSocket of a client connects, and what it asks for: as a record, and checked.

Rules: what is wrong with an argument is raised at the call, with a sentence. It does not know
connections.
"""

from typing import Any, NamedTuple

from ...core.client.uri import Uri
from ...core.client.websocket_limits import WebSocketLimits
from ...core.client.websocket_retry import Backoff
from ...core.http.headers import Pairs
from ...core.websocket.fragments import Message
from ...core.websocket.frames import is_close_code


class WebSocketSettings(NamedTuple):
    """How a WebSocket connects, and what it asks for."""

    uri: Uri
    protocols: tuple[str, ...]
    origin: str | None
    headers: Pairs
    is_stream: bool
    """A sigil server is asked for positions and heartbeats."""
    after: str | None
    topics: tuple[str, ...]
    history: int | None
    reconnects: bool
    compresses: bool
    backoff: Backoff
    limits: WebSocketLimits
    options: dict[str, Any]
    """Fields of `RequestOptions`."""


def checked_message(data: object) -> Message:
    """A message as it is sent; TypeError for what is none."""
    if isinstance(data, str):
        return str(data)
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise TypeError(f"a message is a str or bytes, not {type(data).__name__}")


def checked_close(code: object) -> None:
    """ValueError for a code that no close frame may have."""
    if type(code) is not int or not is_close_code(code):
        raise ValueError(
            f"a WebSocket is closed with 1000, or with 3000 to 4999 for reasons of your own, not "
            f"with {code!r}"
        )
