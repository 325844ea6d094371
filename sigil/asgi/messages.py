"""The messages that an application sends, checked where it sends them.

Theory: an application is written by somebody who wants to know what is wrong with it, at the line
where it is. So what is in a message is looked at when it is sent, and what cannot be right is an
exception there, with a sentence; nothing wrong gets as far as the server.

Rules: functions of a message, which raise or return what is in it. TypeError for another type,
ValueError for a value that cannot be sent, RuntimeError for what is sent out of turn. They do not
know what is done with it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from sigil import Response
from sigil.web import raw_response

Message: TypeAlias = Any
"""A dictionary with a `type`; the application may send anything."""
Pairs: TypeAlias = tuple[tuple[str, str], ...]

_OURS: Final = b"transfer-encoding"
"""The field that is the server's to send; applications send it for servers that need to be told."""

CLOSE_REASON_MAX: Final = 123
"""Bytes that the reason of a close frame may have (RFC 6455 section 5.5)."""
NORMAL_CLOSURE: Final = 1000


class ClientDisconnected(OSError):
    """What is sent to a client that has left."""


def type_of(message: Message) -> str:
    """The type of a message; TypeError for what is none."""
    if type(message) is dict:
        kind = message.get("type")
        if type(kind) is str:
            return kind
    if isinstance(message, Mapping):
        kind = message.get("type")
        if isinstance(kind, str):
            return kind
    raise TypeError(f"an ASGI message is a dict with a str as its type, not {_shown(message)}")


def out_of_turn(kind: str, *expected: str) -> RuntimeError:
    """The error for a message that is not the one whose turn it is."""
    names = " or ".join([f"'{name}'" for name in expected])
    return RuntimeError(f"Expected ASGI message {names}, but got '{kind}'.")


def _shown(value: object) -> str:
    """A value in an error, not too long."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


# -- a response ------------------------------------------------------------------------------------


def pairs_of(headers: Any) -> Any:
    """The header fields of a message as pairs: those of bytes alone, and without the one that is
    the server's to send.
    """
    given = tuple(headers) if isinstance(headers, Iterable) else headers
    if type(given) is not tuple:
        raise TypeError(f"headers are pairs of bytes, not {_shown(headers)}")
    for pair in given:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise TypeError(f"headers are pairs of bytes, not {_shown(pair)}")
        if type(pair[0]) is not bytes or type(pair[1]) is not bytes:
            raise TypeError(f"names and values of headers are bytes, not {_shown(pair)}")
    return tuple([pair for pair in given if pair[0].lower() != _OURS])


def start_of(message: Message, kind: str) -> Response:
    """The head of the response that a start message begins: a response without a body.

    ValueError for a status or a header that cannot be sent, RuntimeError for trailers.
    """
    if message.get("trailers"):
        raise RuntimeError("trailers are not sent here, and `scope['extensions']` names none")
    status, headers = message.get("status"), message.get("headers", ())
    if type(headers) is not tuple and isinstance(headers, Iterable):
        headers = tuple(headers)
    if type(status) is not int:
        if not isinstance(status, int):
            raise TypeError(f"the status of '{kind}' is a number, not {_shown(status)}")
        status = int(status)
    try:
        head = raw_response(status, headers)
    except (TypeError, ValueError):
        return raw_response(status, pairs_of(headers))
    if headers and type(headers[0][0]) is str:
        pairs_of(headers)  # which raises, as they are not of bytes
    return head


def body_of(message: Message, kind: str) -> bytes:
    """The piece of a body in a message."""
    body = message.get("body", b"")
    if type(body) is bytes:
        return body
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    raise TypeError(f"the body of '{kind}' is bytes, not {_shown(body)}")


# -- a WebSocket -----------------------------------------------------------------------------------


def data_of(message: Message) -> str | bytes:
    """The text or the bytes of 'websocket.send'."""
    text, data = message.get("text"), message.get("bytes")
    if text is not None and data is not None:
        raise ValueError("'websocket.send' has a text or bytes, and not both")
    if text is not None:
        if not isinstance(text, str):
            raise TypeError(f"the text of 'websocket.send' is a str, not {_shown(text)}")
        text.encode()  # what has no UTF-8 raises here, and not where it is sent
        return text
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    if data is None:
        raise ValueError("'websocket.send' has neither a text nor bytes")
    raise TypeError(f"the bytes of 'websocket.send' are bytes, not {_shown(data)}")


def close_of(message: Message) -> tuple[int, str]:
    """The code and the reason of 'websocket.close'."""
    code, reason = message.get("code"), message.get("reason") or ""
    code = NORMAL_CLOSURE if code is None else code
    if not isinstance(code, int):
        raise TypeError(f"the code of 'websocket.close' is a number, not {_shown(code)}")
    if not (code in range(1000, 1015) and code not in (1004, 1005, 1006)) and not (
        3000 <= code <= 4999
    ):
        raise ValueError(f"{code} is not a code that a close frame may have")
    if not isinstance(reason, str):
        raise TypeError(f"the reason of 'websocket.close' is a str, not {_shown(reason)}")
    if len(reason.encode()) > CLOSE_REASON_MAX:
        raise ValueError(f"the reason of a close frame has up to {CLOSE_REASON_MAX} bytes")
    return code, reason


def accept_of(message: Message, offered: list[str]) -> tuple[str | None, Pairs]:
    """The subprotocol and the header fields of 'websocket.accept'."""
    subprotocol = message.get("subprotocol")
    if subprotocol is not None:
        if not isinstance(subprotocol, str):
            raise TypeError(f"a subprotocol is a str, not {_shown(subprotocol)}")
        if subprotocol not in offered:
            raise ValueError(f"the subprotocol {subprotocol!r} was not offered: {offered} were")
    return subprotocol, raw_response(200, pairs_of(message.get("headers") or ())).headers
