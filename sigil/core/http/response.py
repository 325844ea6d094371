"""What a handler returns: an answer as a value.

Theory: a response is a status, header fields and a body, and nothing else; how it is framed, and
whether the connection stays, is not its business. The constructors are for people: they choose a
content type, encode text, and refuse at once, with a sentence, what could not be sent.

Rules: `bytes` are kept as they are, never copied; what can change (`bytearray`, `memoryview`) is
copied. Headers are (name, value) pairs in the order they will be sent. A content type among
`headers` replaces the default one. It does not know the wire: `sanitize` checks once more whatever
arrives there, and `encode` writes it.
"""

from __future__ import annotations

import builtins
import json as _json
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import quote

from .headers import Headers, Pair, Pairs, to_pairs
from .validate import check_headers, check_status, check_subscription

HeadersLike: TypeAlias = "Mapping[str, str] | Headers | Iterable[Pair]"
BytesLike: TypeAlias = "bytes | bytearray | memoryview"

TEXT: Pairs = (("Content-Type", "text/plain; charset=utf-8"),)
HTML: Pairs = (("Content-Type", "text/html; charset=utf-8"),)
JSON: Pairs = (("Content-Type", "application/json"),)
OCTETS: Pairs = (("Content-Type", "application/octet-stream"),)
EVENTS: Pairs = (
    ("Content-Type", "text/event-stream"),
    ("Cache-Control", "no-store"),
    ("X-Accel-Buffering", "no"),
)
"""What an event stream needs: nobody on the way may keep it, or hold it back (as nginx would)."""

REASON_PHRASES = {status.value: status.phrase for status in HTTPStatus} | {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}
"""Reason phrases by status (RFC 9110 section 15, whatever the version of Python); others are sent
without one.
"""

_URI_MARKS = "%:/?#[]@!$&'()*+,;=~"


class Unfold(NamedTuple):
    """A pure stream: `step(state)` gives a piece and the next state, or None at the end; it begins
    with `seed`.

    Unlike an iterator it can be sent to many clients, and sent again.
    """

    step: Callable[[Any], tuple[Any, Any] | None]
    seed: Any


Chunks: TypeAlias = "Iterable[Any] | AsyncIterable[Any] | Unfold"


class StreamedBody(NamedTuple):
    """A body that is produced while it is sent. The shell owns the iterator; the core only asks for
    more.
    """

    chunks: Chunks
    is_sse: bool = False
    """The pieces are events of an event stream, not bytes."""


class Upgrade(NamedTuple):
    """No body: the connection becomes a WebSocket, which speaks `subprotocol`, hears `topics` and
    is sent `history`.
    """

    subprotocol: str | None
    topics: tuple[str, ...]
    history: int


class EventStream(NamedTuple):
    """A body that is the stream, for a client that hears `topics` and is first sent `history`."""

    topics: tuple[str, ...]
    history: int


Body: TypeAlias = "builtins.bytes | StreamedBody | Upgrade | EventStream"


class Response(NamedTuple):
    """One HTTP response, made by `text`, `html`, `json`, `bytes`, `broadcast`, `sse`, `upgrade`,
    `redirect`, `error`.
    """

    status: int
    headers: Pairs
    body: Body

    @staticmethod
    def text(text: str, status: int = 200, headers: HeadersLike = ()) -> Response:
        """Plain text in UTF-8."""
        if status == 200 and not headers:
            return Response(200, TEXT, text.encode())
        return Response(_status(status), _merge(TEXT, headers), text.encode())

    @staticmethod
    def html(text: str, status: int = 200, headers: HeadersLike = ()) -> Response:
        """HTML in UTF-8."""
        return Response(_status(status), _merge(HTML, headers), text.encode())

    @staticmethod
    def json(value: Any, status: int = 200, headers: HeadersLike = ()) -> Response:
        """A value as JSON (RFC 8259), compact, in UTF-8; ValueError for NaN and infinities,
        TypeError for no JSON.
        """
        text = _json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return Response(_status(status), _merge(JSON, headers), text.encode())

    @staticmethod
    def bytes(data: BytesLike, status: int = 200, headers: HeadersLike = ()) -> Response:
        """Bytes as they are; `application/octet-stream` unless `headers` say otherwise."""
        return Response(_status(status), _merge(OCTETS, headers), _frozen(data))

    @staticmethod
    def stream(chunks: Chunks, status: int = 200, headers: HeadersLike = ()) -> Response:
        """A body from any iterable of bytes (or an `Unfold`, or an async iterable), taken piece by
        piece as it is read.

        Sent chunked, or until the connection closes to an HTTP/1.0 client; with a Content-Length
        among `headers`, as exactly so many bytes. A piece may be None, "nothing now, ask again
        soon", or a `Deferred` that will be resolved with one; empty pieces are skipped. The
        iterator is closed when the client leaves.
        """
        return Response(
            _status(status), _merge(OCTETS, headers), StreamedBody(_iterable(chunks, "bytes"))
        )

    @staticmethod
    def sse(
        events: Chunks | None = None,
        status: int = 200,
        headers: HeadersLike = (),
        *,
        topics: Iterable[str] = (),
        history: int = 0,
    ) -> Response:
        """An event stream (WHATWG HTML section 9.2): of what is broadcast, or of `events`.

        Without `events` the client listens as a WebSocket does: it is sent what is broadcast to all
        or to one of `topics` (`"*"` is every topic), first the last `history` messages as far as
        they are kept (`Limits.history_messages`). Each text is an event, whose id is its position
        in the stream; binary messages are left out, and counted in `Stats.sse_skipped`. Who comes
        back with `Last-Event-ID` goes on behind it; an event `gap` says how many messages, on
        whatever topic, are not kept any more. The client is told its position when it begins, and
        every `Limits.sse_keep_alive_interval`.

        `events` is any iterable that `broadcast` would take, of events: each an `SseEvent`, a str
        (its data), or a value that becomes JSON. While there is none, comments keep the connection
        alive. TypeError for `events` with `topics` or `history`, for topics that are no str, and
        for a history that is no number from 0.
        """
        hearing = _subscription(topics, history)
        if events is None:
            return Response(_status(status), _merge(EVENTS, headers), EventStream(*hearing))
        if any(hearing):
            raise TypeError(
                "an event stream is one of events, or one of what is broadcast to topics, not both"
            )
        return Response(
            _status(status),
            _merge(EVENTS, headers),
            StreamedBody(_iterable(events, "events"), True),
        )

    @staticmethod
    def upgrade(
        subprotocol: str | None = None,
        topics: Iterable[str] = (),
        history: int = 0,
        headers: HeadersLike = (),
    ) -> Response:
        """The connection becomes a WebSocket (RFC 6455); who has not asked for one properly gets
        400, 403 or 426.

        `subprotocol` is one of those the client offered (`request.subprotocols`), or None. What is
        broadcast to one of `topics` reaches this client (`"*"` is every topic). It is first sent
        the last `history` messages, as far as they are kept (`Limits.history_messages`).
        """
        return Response(
            101, _merge((), headers), Upgrade(subprotocol, *_subscription(topics, history))
        )

    @staticmethod
    def redirect(location: str, status: int = 302, headers: HeadersLike = ()) -> Response:
        """A redirection to `location`: 301, 302, 303, 307 or 308 (RFC 9110 section 15.4).

        What a URI cannot contain is percent-encoded; what is percent-encoded already stays so.
        """
        if status not in (301, 302, 303, 307, 308):
            raise ValueError(f"{status} is not a redirection with a location")
        uri = quote(location, safe=_URI_MARKS)
        return Response(
            status, _merge((*TEXT, ("Location", uri)), headers), f"see {uri}\n".encode()
        )

    @staticmethod
    def error(status: int, message: str = "", headers: HeadersLike = ()) -> Response:
        """A short plain-text answer: the status and, if given, a sentence about it."""
        title = f"{_status(status)} {REASON_PHRASES.get(status, '')}".rstrip()
        text = f"{title}: {message}\n" if message else f"{title}\n"
        return Response(status, _merge(TEXT, headers), text.encode(errors="replace"))


def _subscription(topics: Iterable[str], history: int) -> tuple[tuple[str, ...], int]:
    """Topics (a str is one) and a history, or TypeError for what is neither."""
    names = (topics,) if isinstance(topics, str) else tuple(topics)
    problem = check_subscription(names, history)
    if problem is not None:
        raise TypeError(problem)
    return names, history


def _status(status: int) -> int:
    """The status itself, or ValueError."""
    problem = None if status == 200 else check_status(status)
    if problem is not None:
        raise ValueError(problem)
    return status


def _merge(defaults: Pairs, headers: HeadersLike) -> Pairs:
    """Defaults that are not given, then those that are; ValueError or TypeError for what cannot be
    sent.
    """
    if not headers:
        return defaults
    given = to_pairs(headers)
    names = {name.lower() for name, _ in given}
    merged = (*(pair for pair in defaults if pair[0].lower() not in names), *given)
    problem = check_headers(merged)
    if problem is not None:
        raise ValueError(problem)
    return merged


def _iterable(chunks: Chunks, items: str) -> Chunks:
    """The pieces of a stream; TypeError for what cannot be asked for pieces, or is one piece
    itself.
    """
    is_one = isinstance(chunks, str | builtins.bytes | bytearray | memoryview)
    if is_one or not isinstance(chunks, Iterable | AsyncIterable):
        raise TypeError(f"a stream is an iterable of {items}, not {type(chunks).__name__}")
    return chunks


def _frozen(data: BytesLike) -> builtins.bytes:
    """Bytes that nobody can change; TypeError for what is not bytes at all."""
    if type(data) is bytes:
        return data
    if isinstance(data, bytes | bytearray | memoryview):
        return builtins.bytes(data)
    raise TypeError(f"a body is bytes, not {type(data).__name__}")
