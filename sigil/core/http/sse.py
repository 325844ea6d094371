"""Server-sent events as bytes (WHATWG HTML section 9.2).

Theory: an event stream is lines of text, so an event is a value with four fields and one encoding.
What the program yields may be less than an event: a text is an event's data, any other value is
data in JSON.

Rules: what would break the framing is refused with a sentence, never escaped or dropped: a line end
in a type or an id, a NUL in an id. Data with several lines becomes several `data` lines. It does
not know who is sent an event, nor when.
"""

import json
import re
from typing import Any, Final, final

from ..value import Value
from .decoding import utf8_text
from .headers import Headers

KEEP_ALIVE_COMMENT: Final = b":\n\n"
"""A comment, which clients skip: it keeps a silent stream alive."""

_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_ILLEGAL_IN_TYPE: Final = re.compile(r"[\r\n]")
_ILLEGAL_IN_ID: Final = re.compile(r"[\r\n\0]")


@final
class SseEvent(Value):
    """One event of an event stream: `data` is a text, or a value that is sent as JSON.

    `event` is its type (clients take an empty one for "message"), `id` what a reconnecting client
    sends back as `Last-Event-ID`, `retry_ms` the time in milliseconds that it waits before it
    reconnects. Fields that are empty or None are left out.
    """

    __match_args__ = ("data", "event", "id", "retry_ms")
    __slots__ = __match_args__

    def __init__(
        self, data: Any = "", event: str = "", id: str | None = None, retry_ms: int | None = None
    ) -> None:
        self.data: Final = data
        self.event: Final = event
        self.id: Final = id
        self.retry_ms: Final = retry_ms


def encode_event(item: Any) -> bytes:
    """The bytes of what the program yielded: an `SseEvent`, a text, or a value for JSON; TypeError
    or ValueError, with a sentence, for what cannot be an event.
    """
    event = item if isinstance(item, SseEvent) else SseEvent(item)
    lines = _lines_before_data(event)
    lines += [f"data: {line}" for line in _LINE_END.split(_data_text(event.data))]
    return ("\n".join(lines) + "\n\n").encode()


def encode_message_event(text: bytes, position: str) -> bytes:
    """The event of a broadcast text in UTF-8, with `position` as its id unless that is empty."""
    start = f"id: {position}\ndata: ".encode() if position else b"data: "
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return b"".join((start, text.replace(b"\n", b"\ndata: "), b"\n\n"))


def encode_id(position: str) -> bytes:
    """The lines that make a position the client's last event id, without an event."""
    return f"id: {position}\n\n".encode()


def encode_gap(gap: str, position: str) -> bytes:
    """The event that reports a gap, which is JSON, with a position as its id."""
    return f"event: gap\nid: {position}\ndata: {gap}\n\n".encode()


def encode_retry(retry_ms: int) -> bytes:
    """The line that tells a client how many milliseconds to wait before it reconnects; no event,
    and not the end of one.
    """
    return f"retry: {retry_ms}\n".encode()


def last_event_id(headers: Headers) -> str:
    """The `Last-Event-ID` of a reconnecting client, decoded from UTF-8 (WHATWG HTML section 9.2.4);
    empty if there is none.
    """
    return utf8_text(headers.get("last-event-id", ""))


def _lines_before_data(event: SseEvent) -> list[str]:
    """The lines of an event that stand before its data."""
    lines: list[str] = []
    if event.event:
        lines.append(f"event: {_checked(event.event, 'event', _ILLEGAL_IN_TYPE)}")
    if event.id is not None:
        lines.append(f"id: {_checked(event.id, 'id', _ILLEGAL_IN_ID)}")
    if event.retry_ms is not None:
        if not isinstance(event.retry_ms, int) or event.retry_ms < 0:
            raise ValueError(f"retry_ms is a number of milliseconds, not {event.retry_ms!r}")
        lines.append(f"retry: {event.retry_ms}")
    return lines


def _checked(text: object, name: str, illegal: re.Pattern[str]) -> str:
    """The text of the field `name`; TypeError if it is no str, ValueError if it has an illegal
    character.
    """
    if not isinstance(text, str):
        raise TypeError(f"the {name} of an event is a str, not {type(text).__name__}")
    if illegal.search(text):
        raise ValueError(f"the {name} of an event may not contain line ends or NUL: {text!r}")
    return text


def _data_text(data: Any) -> str:
    """The data of an event: a text as it is, any other value as JSON; TypeError for bytes."""
    if isinstance(data, str):
        return data
    if isinstance(data, bytes | bytearray | memoryview):
        raise TypeError("the data of an event is a str or a value for JSON, not bytes")
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
