"""What is made unreadable in a recording, and how values are without it.

Theory: a recording is shown to others, and holds what people have sent. What is redacted is
replaced by as many letters x, so that whatever is counted stays the same: heads end where they
ended, bodies and frames are as long as they were, and a text is a text.

Rules: header fields are redacted by name, both ways; `cookie` stands for Set-Cookie too. A field by
which messages are framed, or the server decides, cannot be. Spaces and control characters of a
field stay where they are, since a head is refused for them. It does not know in how many reads
bytes come (`stream_mask`), nor which events there are (`redactor`).
"""

from collections.abc import Iterable
from typing import Any, Final, final

from ..http.headers import Headers, Pairs
from ..http.request import Request
from ..http.response import Response
from ..http.tokens import TOKEN
from ..value import Value
from ..websocket.fragments import CompressedFragment, CompressedMessage, Fragment

BODY: Final = "body"
MESSAGES: Final = "messages"
NEEDED_FIELDS: Final = frozenset(
    (
        "accept-encoding", "connection", "content-encoding", "content-length", "content-type",
        "date", "expect", "host", "if-match", "if-modified-since", "if-none-match", "if-range",
        "if-unmodified-since", "last-event-id", "origin", "range", "sec-websocket-extensions",
        "sec-websocket-key", "sec-websocket-protocol", "sec-websocket-version",
        "transfer-encoding", "upgrade",
    )
)  # fmt: skip
"""Fields that decide how a connection goes on: without them a recording does not replay."""
TOGETHER: Final = {"cookie": "set-cookie"}
"""A field that holds the same secrets as another."""
_LETTERS: Final = bytes([byte if byte <= 0x20 or byte == 0x7F else ord("x") for byte in range(256)])
"""What becomes of each byte of a field: spaces and control characters stay."""


@final
class Redaction(Value):
    """What is redacted: header fields by their names in lower case, bodies, messages."""

    __match_args__ = ("fields", "has_body", "has_messages")
    __slots__ = __match_args__

    def __init__(self, fields: frozenset[str], has_body: bool, has_messages: bool) -> None:
        self.fields: Final = fields
        self.has_body: Final = has_body
        self.has_messages: Final = has_messages


def redaction_of(names: Iterable[Any]) -> Redaction | None:
    """What these names ask for, None if there are none: names of header fields, `body`, `messages`.
    ValueError for a field that is needed, or what is the name of none: it would hide nothing.
    """
    names = tuple(names)
    for name in names:
        if not isinstance(name, str) or (name.strip() and TOKEN.fullmatch(name.strip()) is None):
            text = f"a field of that name cannot be redacted, since there is none: {name!r}"
            raise ValueError(text)
    asked = {name.strip().lower() for name in names if name.strip()}
    needed = sorted(asked & NEEDED_FIELDS)
    if needed:
        raise ValueError(
            f"the field {needed[0]} cannot be redacted: without it a recording cannot be replayed"
        )
    if not asked:
        return None
    fields = asked - {BODY, MESSAGES}
    fields |= {TOGETHER[name] for name in fields if name in TOGETHER}
    return Redaction(frozenset(fields), BODY in asked, MESSAGES in asked)


# -- values without what is redacted ---------------------------------------------------------------


def hidden(data: Any) -> bytes:
    """As many letters x as there are bytes."""
    return b"x" * len(data)


def hidden_text(text: str) -> str:
    """As many letters x as the text has bytes in UTF-8."""
    return "x" * len(text.encode("utf-8", "surrogatepass"))


def hidden_value(value: bytes) -> bytes:
    """The value of a field, with letters x."""
    return value.translate(_LETTERS)


def hidden_pairs(pairs: Any, redaction: Redaction) -> Any:
    """Header fields, those that are redacted with letters x; what is no pairs of texts, because a
    program has made it, is nothing.
    """
    try:
        return tuple(
            [
                (name, "x" * len(value) if name.lower() in redaction.fields else value)
                for name, value in pairs
            ]
        )
    except (AttributeError, TypeError, ValueError):
        return ()


def hidden_headers(headers: Headers, redaction: Redaction) -> Headers:
    """Header fields that were received, without what is redacted."""
    pairs: Pairs = hidden_pairs(headers.pairs, redaction)
    return Headers(pairs)


def hidden_request(request: Request, redaction: Redaction) -> Request:
    """A request without what is redacted."""
    body = hidden(request.body) if redaction.has_body else request.body
    return request.replace(headers=hidden_headers(request.headers, redaction), body=body)


def hidden_response(response: Response, redaction: Redaction) -> Response:
    """A response without what is redacted."""
    body = response.body
    if redaction.has_body and isinstance(body, bytes):
        body = hidden(body)
    return response.replace(headers=hidden_pairs(response.headers, redaction), body=body)


def hidden_message(message: Any) -> Any:
    """A message, or a piece of one, as long as it was."""
    if isinstance(message, str):
        return hidden_text(message)
    if isinstance(message, CompressedMessage | CompressedFragment):
        return message.replace(payload=hidden(message.payload))
    if isinstance(message, Fragment):
        return message.replace(data=hidden_message(message.data))
    return hidden(message)


def hidden_frame(frame: bytes) -> bytes:
    """A frame of a server with its header, and letters x for its payload; letters x alone for what
    is no single frame.
    """
    if len(frame) < 2:
        return hidden(frame)
    length = frame[1]
    header_len = 2 + {126: 2, 127: 8}.get(length, 0)
    if header_len > 2:
        length = int.from_bytes(frame[2:header_len], "big")
    if header_len + length != len(frame):
        return hidden(frame)
    return frame[:header_len] + b"x" * length
