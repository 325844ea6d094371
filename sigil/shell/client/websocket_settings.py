"""How a WebSocket of a client connects, and what it asks for: as a record, and checked.

Rules: what is wrong with an argument is raised at the call, with a sentence. It does not know
connections.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from ...core.client.uri import Uri
from ...core.client.websocket_handshake import UpgradeOffer, check_offer
from ...core.client.websocket_limits import (
    DEFAULT_LIMITS,
    WebSocketLimits,
    check_websocket_limits,
)
from ...core.client.websocket_retry import DEFAULT_BACKOFF, Backoff, check_backoff
from ...core.http.headers import Pairs
from ...core.websocket.fragments import Message
from ...core.websocket.frames import is_close_code

PING_MAX = 125
"""Bytes of a ping (RFC 6455 section 5.5)."""


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


def checked_texts(what: str, texts: object) -> tuple[str, ...]:
    """A str, or the items of an iterable of str; TypeError or ValueError for what cannot be sent.

    `checked_texts("topics", "news") == ("news",)`.
    """
    if isinstance(texts, str):
        texts = (texts,)
    if not isinstance(texts, Iterable) or isinstance(texts, bytes | bytearray | memoryview):
        raise TypeError(f"{what} are an iterable of str, not {type(texts).__name__}")
    return tuple([checked_text(f"each of {what}", text) for text in texts])


def checked_text(what: str, text: object) -> str:
    """A str; TypeError for what is none, ValueError for one that is no Unicode text."""
    if not isinstance(text, str):
        raise TypeError(f"{what} is a str, not {type(text).__name__}")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError(f"{what} cannot be sent, since it has half of a surrogate pair: {text!r}")
    return text


def checked_history(history: object) -> int | None:
    """How many messages of before are asked for, None for none; ValueError for what is no number of
    messages.
    """
    if history is None or (isinstance(history, int) and type(history) is int and history >= 0):
        return history
    raise ValueError(f"history is a whole number from 0, not {history!r}")


def checked_backoff(backoff: object) -> Backoff:
    """The delays between attempts, the default ones for None; TypeError or ValueError for what
    makes no sense.
    """
    if backoff is None:
        return DEFAULT_BACKOFF
    if not isinstance(backoff, Backoff):
        raise TypeError(f"backoff is a Backoff, not {backoff!r}")
    problem = check_backoff(backoff)
    if problem is not None:
        raise ValueError(problem)
    return backoff


def checked_limits(limits: object) -> WebSocketLimits:
    """The limits of a WebSocket, the default ones for None; TypeError or ValueError for what makes
    no sense.
    """
    if limits is None:
        return DEFAULT_LIMITS
    if not isinstance(limits, WebSocketLimits):
        raise TypeError(f"limits is a WebSocketLimits, not {limits!r}")
    problem = check_websocket_limits(limits)
    if problem is not None:
        raise ValueError(problem)
    return limits


def check_handshake(protocols: tuple[str, ...], origin: str | None, fields: Pairs) -> None:
    """ValueError for a handshake that cannot be sent."""
    problem = check_offer(UpgradeOffer("", protocols, offers_deflate=True), origin, fields)
    if problem is not None:
        raise ValueError(problem)


def checked_message(data: object) -> Message:
    """A message as it is sent; TypeError for what is none."""
    if isinstance(data, str):
        return str(data)
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise TypeError(f"a message is a str or bytes, not {type(data).__name__}")


def checked_ping(payload: object) -> None:
    """TypeError or ValueError for what a ping cannot have."""
    if not isinstance(payload, bytes | bytearray | memoryview):
        raise TypeError(f"a ping has bytes, not {type(payload).__name__}")
    if len(payload) > PING_MAX:
        raise ValueError(f"a ping has at most {PING_MAX} bytes, not {len(payload)}")


def checked_close(code: object, reason: object) -> None:
    """ValueError for a code that no close frame may have, TypeError for a reason that is no str."""
    if not isinstance(reason, str):
        raise TypeError(f"the reason of a close is a str, not {type(reason).__name__}")
    if type(code) is not int or not is_close_code(code):
        raise ValueError(
            f"a WebSocket is closed with 1000, or with 3000 to 4999 for reasons of your own, not "
            f"with {code!r}"
        )
