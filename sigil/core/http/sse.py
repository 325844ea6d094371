"""Server-sent events as bytes (WHATWG HTML section 9.2).

Theory: an event stream is lines of text, so an event is a value with four parts and one way to be
written. What the program yields may be less than an event: a text is an event's data, any other
value is data in JSON.

Rules: what would break the framing is refused with a sentence, never escaped or dropped: a line end
in a name or an id, a NUL in an id. Line ends in data are what the format has several `data` lines
for. It does not know who sends it, nor when.
"""

import json
import re
from typing import Any, NamedTuple

from .headers import Headers

KEEP_ALIVE_COMMENT = b":\n\n"
"""What keeps a silent stream alive: a line that no client looks at."""

_LINE_END = re.compile(r"\r\n|\r|\n")
_BREAKS_NAME = re.compile(r"[\r\n]")
_BREAKS_ID = re.compile(r"[\r\n\0]")


class SseEvent(NamedTuple):
    """One event: `data` is a text, or a value that is sent as JSON; empty parts are left out.

    `event` is its type ("message" for the client if empty), `id` what a reconnecting client will
    send back as `Last-Event-ID`, `retry_ms` how long it is to wait before it reconnects.
    """

    data: Any = ""
    event: str = ""
    id: str | None = None
    retry_ms: int | None = None


def encode_event(item: Any) -> bytes:
    """The bytes of what the program yielded; TypeError or ValueError, with a sentence, for what is
    no event.
    """
    event = item if isinstance(item, SseEvent) else SseEvent(item)
    lines = [*_parts(event), *(f"data: {line}" for line in _LINE_END.split(_text(event.data)))]
    return ("\n".join(lines) + "\n\n").encode()


def encode_message_event(text: bytes, position: str) -> bytes:
    """The event of a text in UTF-8 that was said to clients; its id is its position in the stream,
    if it has one.
    """
    start = f"id: {position}\ndata: ".encode() if position else b"data: "
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return b"".join((start, text.replace(b"\n", b"\ndata: "), b"\n\n"))


def encode_id(position: str) -> bytes:
    """What makes a position the last id that a client has seen, and is no event."""
    return f"id: {position}\n\n".encode()


def last_event_id(headers: Headers) -> str:
    """The id of the last event that a client has seen which comes back, or empty; ids are UTF-8 in
    this field.
    """
    return headers.get("last-event-id", "").encode("latin-1").decode("utf-8", "replace")


def _parts(event: SseEvent) -> list[str]:
    """The lines before the data."""
    lines = []
    if event.event:
        lines.append(f"event: {_checked(event.event, 'event', _BREAKS_NAME)}")
    if event.id is not None:
        lines.append(f"id: {_checked(event.id, 'id', _BREAKS_ID)}")
    if event.retry_ms is not None:
        if type(event.retry_ms) is not int or event.retry_ms < 0:
            raise ValueError(f"retry_ms is a number of milliseconds, not {event.retry_ms!r}")
        lines.append(f"retry: {event.retry_ms}")
    return lines


def _checked(text: object, name: str, breaks: re.Pattern[str]) -> str:
    if not isinstance(text, str):
        raise TypeError(f"the {name} of an event is a str, not {type(text).__name__}")
    if breaks.search(text):
        raise ValueError(f"the {name} of an event may not contain line ends or NUL: {text!r}")
    return text


def _text(data: Any) -> str:
    """A text as it is, anything else as JSON."""
    if isinstance(data, str):
        return data
    if isinstance(data, bytes | bytearray | memoryview):
        raise TypeError("the data of an event is a str or a value for JSON, not bytes")
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
