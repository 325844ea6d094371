"""What a handler returns: a response as a value.

Theory: a response is a status, header fields and a body, and nothing else; how it is framed, and
whether the connection persists, is not its business. The constructors are for people: they choose a
content type, encode text, and refuse at once, with a sentence, what could not be sent.

Rules: `bytes` are never copied; what can change (`bytearray`, `memoryview`) is. Headers are (name,
value) pairs in the order in which they will be sent. A content type among `headers` replaces the
default one. It does not know the wire: `validate` checks every response once more before it is
sent, and `encode` writes it.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, TypeAlias, final
from urllib.parse import quote

from ..topics import AllTopics, Topic
from ..value import Value
from .bodies import Body, Chunks, EventStream, FileBody, Poll, StreamedBody, Unfold, Upgrade
from .default_fields import EVENTS, HTML, JSON, LINES, NONE, OCTETS, TEXT, Merged
from .default_fields import merge as _merge
from .disposition import content_disposition
from .field_lines import PreparedHeaders
from .headers import Headers, Pair, Pairs
from .json_text import Default, encode_json
from .set_cookie import cookie_name, encode_cookie
from .validate import (
    check_callbacks,
    check_opening,
    check_reason,
    check_retry,
    check_slow,
    check_start,
    check_status,
    check_subscription,
    check_timeout,
)

HeadersLike: TypeAlias = "Mapping[str, str] | Headers | Iterable[Pair]"
BytesLike: TypeAlias = "bytes | bytearray | memoryview"
TopicsLike: TypeAlias = "Iterable[Topic] | Topic"


REASON_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus} | {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}
"""Reason phrases by status (RFC 9110 section 15, whatever the version of Python); other statuses
are sent without one.
"""

_URI_MARKS: Final = "%:/?#[]@!$&'()*+,;=~"
"""The characters of a URI that `Response.redirect` leaves as they are, besides letters and digits.
"""

_NO_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
"""A percent sign that begins no escape."""


@final
class Response(Value):
    """One HTTP response, made by `text`, `html`, `json`, `bytes`, `stream`, `sse`, `file`,
    `upgrade`, `redirect` or `error`.

    Each takes a `status` (200 to 599) where there is a choice, and `headers`: a mapping, `Headers`
    or (name, value) pairs. ValueError for a status or a header that cannot be sent, TypeError for
    what is neither.
    """

    __match_args__ = ("status", "headers", "body", "reason")
    __slots__ = (*__match_args__, "prepared")

    def __init__(
        self,
        status: int,
        headers: Pairs,
        body: Body,
        reason: str = "",
        prepared: PreparedHeaders | None = None,
    ) -> None:
        self.status: Final = status
        self.headers: Final = headers
        self.body: Final = body
        self.reason: Final = reason
        """The reason phrase in the status line; if it is empty, the registered one."""
        self.prepared: Final = prepared
        """What `prepare_headers` makes of `headers`, if whoever made the response knows it."""

    @staticmethod
    def text(text: str, status: int = 200, headers: HeadersLike = ()) -> Response:
        """A response of plain text in UTF-8."""
        if not isinstance(text, str):
            raise _not_text(text)
        return _respond(status, TEXT, headers, text.encode())

    @staticmethod
    def html(text: str, status: int = 200, headers: HeadersLike = ()) -> Response:
        """A response of HTML in UTF-8."""
        if not isinstance(text, str):
            raise _not_text(text)
        return _respond(status, HTML, headers, text.encode())

    @staticmethod
    def json(
        value: Any,
        default: Default | None = None,
        status: int = 200,
        headers: HeadersLike = (),
    ) -> Response:
        """A response of a value as JSON (RFC 8259), compact, in UTF-8; ValueError for NaN and
        infinities, and for half of a surrogate pair (RFC 7493).

        `default` is called with each object in it that has no JSON (a number of numpy, a dataclass,
        a date) and returns one that has, as for `json.dumps`; without it such an object is a
        TypeError, which names a function that suits it.
        """
        return _respond(status, JSON, headers, encode_json(value, default).encode())

    @staticmethod
    def bytes(data: BytesLike, status: int = 200, headers: HeadersLike = ()) -> Response:
        """A response of bytes, `application/octet-stream` unless `headers` have a Content-Type."""
        return _respond(status, OCTETS, headers, _frozen(data))

    @staticmethod
    def stream(chunks: Chunks, status: int = 200, headers: HeadersLike = ()) -> Response:
        """A response whose body is an iterable of bytes, an async iterable or an `Unfold`, taken
        chunk by chunk as the client reads.

        It is sent chunked, to an HTTP/1.0 client until the connection closes, and with a
        Content-Length among `headers` as exactly so many bytes. A chunk may be None, for "nothing
        now, ask again soon", or a `Deferred` that will be resolved with one; empty chunks are
        skipped. The iterator is closed when the client disconnects.
        """
        return _respond(status, OCTETS, headers, StreamedBody(_iterable(chunks, "bytes")))

    @staticmethod
    def sse(
        events: Chunks | None = None,
        status: int = 200,
        headers: HeadersLike = (),
        *,
        topics: TopicsLike = (),
        history: int = 0,
        after: str | None = None,
        retry_ms: int | None = None,
        slow: str = "drop",
    ) -> Response:
        """A response that is an event stream (WHATWG HTML section 9.2): of what is broadcast, or of
        `events`.

        Without `events` the client becomes a subscriber as a WebSocket is: it is sent what is
        broadcast to all or to one of `topics` (`ALL_TOPICS` for whatever there is), first the
        last `history` messages as far as they are kept (`Limits.history_messages`). Each text is an
        event, whose id is its position in the broadcast; binary messages are left out, and counted
        in `Stats.sse_skipped`. A client that reconnects with `Last-Event-ID` resumes behind that
        event, and one that has none behind the position `after`, which may come from its query; an
        event `gap` carries the number of messages, on whatever topic, that are not kept any more.
        The client is sent its position when the stream begins, and every
        `Limits.sse_keep_alive_interval`. A browser waits `retry_ms` milliseconds before it
        reconnects, if that is given. What becomes of a client that reads too slowly says `slow`, as
        for `upgrade`; one that is moved on is sent an event `gap`.

        `events` is any iterable that `stream` takes, of events: each an `SseEvent`, a str (its
        data), or a value that becomes JSON. While there is none, comments keep the connection
        alive. TypeError for `events` with any of the others, which have `SseEvent.id` and
        `.retry_ms`; for a topic that is neither a str nor `ALL_TOPICS`, an `after` that is no str,
        and for a history or a time that is no whole number from 0. ValueError for another `slow`.
        """
        subscription = _subscription(topics, history)
        problem = check_start(after) or check_retry(retry_ms)
        if problem is not None:
            raise TypeError(problem)
        _require_slow(slow)
        if events is None:
            body = EventStream(*subscription, after, retry_ms, slow)
            return _respond(status, EVENTS, headers, body)
        is_one_of_topics = any(subscription) or slow != "drop"
        if is_one_of_topics or after is not None or retry_ms is not None:
            raise TypeError(
                "an event stream is one of events, or one of what is broadcast to topics, not both"
            )
        return _respond(status, EVENTS, headers, StreamedBody(_iterable(events, "events"), True))

    @staticmethod
    def poll(
        *,
        after: str | None = None,
        topics: TopicsLike = (),
        timeout: float = 25.0,
        history: int = 0,
        status: int = 200,
        headers: HeadersLike = (),
    ) -> Response:
        """A response to a long-poll: what is broadcast to all or to one of `topics` behind the
        position `after`, as lines of JSON (`application/x-ndjson`). It is sent as soon as there is
        something, and after `timeout` seconds in any case, at most `Limits.max_poll_timeout`.
        Without `after`, or with one of another server, it is what is retained and the last
        `history` messages, at once, or else what is broadcast from now on. The first line is
        `{"position": ...}`, or `{"gap": {...}}` if something is missing; a message is
        `{"position": ..., "text": ...}` (or `"base64"`: binary), a retained one has `"retained":
        true` and no position. The last line, `{"position": ...}`, is what to come back with.
        """
        problem = check_start(after) or check_timeout(timeout)
        if problem is not None:
            raise TypeError(problem)
        names, _ = _subscription(topics, history)
        return _respond(_status(status), LINES, headers, Poll(names, after, timeout, history))

    @staticmethod
    def upgrade(
        subprotocol: str | None = None,
        topics: TopicsLike = (),
        history: int = 0,
        headers: HeadersLike = (),
        *,
        after: str | bool | None = None,
        slow: str = "drop",
        callbacks: Any = None,
        context: object = None,
        refused: Callable[[], object] | None = None,
    ) -> Response:
        """A response that turns the connection into a WebSocket (RFC 6455); a client that has not
        asked for one properly gets 400, 403 or 426.

        `subprotocol` is one of those the client offered (`request.subprotocols`), or None. What is
        broadcast to one of `topics` is sent to this client (`ALL_TOPICS` for whatever there is),
        and first the last `history` messages, as far as kept (`Limits.history_messages`).

        A client with `after` in its query is told its position with each message, and with
        `after=<position>` it is sent what was published behind that. `after` says the same in its
        place: a position, or empty for one that begins now; with False there is no position.

        A client that reads so slowly that what it needs is not kept any more is dropped; with
        `slow="skip"` it is moved on to the oldest message that is kept, and is told the gap.

        `callbacks`, a `Callbacks`, are called for this connection in the place of the server's, so
        that each route can have a program of its own; `context` is what `server.context(conn)`
        returns from `ws_open` until `ws_close` has returned. `refused` is called, with nothing, if
        this opens no WebSocket: the client was answered with one of these statuses, or has left.
        TypeError for callbacks that are none, ValueError for another `slow`.
        """
        problem = check_opening(subprotocol, refused)
        problem = problem or check_start(after or None) or check_callbacks(callbacks)
        if problem is not None:
            raise TypeError(problem)
        _require_slow(slow)
        names, history = _subscription(topics, history)
        body = Upgrade(subprotocol, names, history, after, slow, callbacks, context, refused)
        return Response(101, _merge(NONE, headers).pairs, body)

    @staticmethod
    def file(
        path: object,
        status: int = 200,
        headers: HeadersLike = (),
        *,
        filename: str | None = None,
    ) -> Response:
        """A response that is a file: all of it, or what the request asks for (ranges, 304), with
        its media type, ETag and Last-Modified unless `headers` have their own.

        The path, a str or a `pathlib.Path`, is the program's: what a client sends goes through
        `static_files`. The file is opened when the response is about to be sent; if it is none, or
        cannot be read, that becomes 404. With a `filename` a browser saves it under this name (RFC
        6266). TypeError for what is no path.
        """
        if not isinstance(path, str) and not hasattr(path, "__fspath__"):
            raise TypeError(f"a path is a str or a Path, not {type(path).__name__}")
        defaults = NONE
        if filename is not None:
            if not isinstance(filename, str):
                raise TypeError(f"a filename is a str, not {type(filename).__name__}")
            field = ("Content-Disposition", content_disposition("attachment", filename))
            defaults = _merge(NONE, (field,))
        return _respond(status, defaults, headers, FileBody(path))

    @staticmethod
    def redirect(location: str, status: int = 302, headers: HeadersLike = ()) -> Response:
        """A redirection to `location` with 301, 302, 303, 307 or 308 (RFC 9110 section 15.4);
        ValueError for another status.

        Characters that a URI cannot contain are percent-encoded, and so is a percent sign that
        begins no escape; what is percent-encoded already stays so. A location that begins with a
        slash is a path of this host, also if another slash follows, as it may in `request.path`:
        another host is named with its scheme.
        """
        if status not in (301, 302, 303, 307, 308):
            raise ValueError(f"{status} is not a redirection with a location")
        if not isinstance(location, str):
            raise TypeError(f"a location is a str, not {type(location).__name__}")
        uri = _location(location)
        defaults = _merge(TEXT, (("Location", uri),))
        return _respond(status, defaults, headers, f"see {uri}\n".encode())

    @staticmethod
    def error(status: int, message: str = "", headers: HeadersLike = ()) -> Response:
        """A short response of plain text: the status and, if given, a sentence about it."""
        if not isinstance(message, str):
            raise _not_text(message)
        title = f"{_status(status)} {REASON_PHRASES.get(status, '')}".rstrip()
        text = f"{title}: {message}\n" if message else f"{title}\n"
        return _respond(status, TEXT, headers, text.encode(errors="replace"))

    def with_reason(self, reason: str) -> Response:
        """The response with this reason phrase in its status line, in the place of the registered
        one (RFC 9112 section 4); ValueError for a text that cannot be sent. Clients ignore it.
        """
        if not isinstance(reason, str):
            raise TypeError(f"a reason phrase is a str, not {type(reason).__name__}")
        problem = check_reason(reason)
        if problem is not None:
            raise ValueError(problem)
        return Response(self.status, self.headers, self.body, reason, self.prepared)

    def set_cookie(
        self,
        name: str,
        value: str,
        *,
        max_age: int | None = None,
        expires: datetime | None = None,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        http_only: bool = True,
        same_site: str | None = "Lax",
        partitioned: bool = False,
    ) -> Response:
        """The response with a cookie more (RFC 6265bis), in the place of one of its name.

        It is kept until the browser ends, for `max_age` seconds, or until `expires`, a time with
        its zone. Scripts may not read it unless `http_only` is False, and requests that other sites
        cause do not send it, unless `same_site` is `"None"`, which takes `secure`. ValueError for
        what browsers refuse: a name or a value that cannot be sent, and attributes that do not go
        together, or not with a name that begins with `__Host-` or `__Secure-`.
        """
        cookie = encode_cookie(
            name, value, max_age, expires, path, domain, secure, http_only, same_site, partitioned
        )
        is_other = [
            pair[0].lower() != "set-cookie" or cookie_name(pair[1]) != name for pair in self.headers
        ]
        kept = [pair for pair, stays in zip(self.headers, is_other, strict=True) if stays]
        return with_headers(self, (*kept, ("Set-Cookie", cookie)))

    def delete_cookie(
        self,
        name: str,
        *,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        partitioned: bool = False,
    ) -> Response:
        """The response that has a browser forget a cookie, which it finds by name, path and domain,
        and by whether it is partitioned.
        """
        is_secure = secure or partitioned or name.startswith("__")
        return self.set_cookie(
            name, "", max_age=0, path=path, domain=domain, secure=is_secure, partitioned=partitioned
        )


def with_headers(response: Response, headers: Pairs) -> Response:
    """The response with other headers."""
    return Response(response.status, headers, response.body, response.reason)


def with_body(response: Response, body: Body, headers: Pairs) -> Response:
    """The response with another body, and other headers for it."""
    return Response(response.status, headers, body, response.reason)


def _not_text(value: object) -> TypeError:
    """The error for what is given as a text and is none."""
    return TypeError(f"a text is a str, not {type(value).__name__}")


def _require_slow(slow: str) -> None:
    """ValueError for what may not become of a client that falls off the ring, TypeError for what is
    no word.
    """
    problem = check_slow(slow)
    if problem is not None:
        raise ValueError(problem) if isinstance(slow, str) else TypeError(problem)


def _location(location: str) -> str:
    """The reference to put into a Location field (RFC 9110 section 10.2.2).

    Browsers take `//` for the beginning of a host, and `\\` for a slash; escaped, neither is.
    """
    uri = quote(_NO_ESCAPE.sub("%25", location), safe=_URI_MARKS)
    return f"/%2F{uri[2:]}" if uri.startswith("//") else uri


def _subscription(topics: TopicsLike, history: int) -> tuple[tuple[Topic, ...], int]:
    """Topics as a tuple (a str is one topic, and so is `ALL_TOPICS`), and the history; TypeError
    for anything else.
    """
    if not isinstance(topics, str | AllTopics | Iterable):
        raise TypeError(f"topics are an iterable of str, not {type(topics).__name__}")
    names = (topics,) if isinstance(topics, str | AllTopics) else tuple(topics)
    problem = check_subscription(names, history)
    if problem is not None:
        raise TypeError(problem)
    return names, history


def _status(status: int) -> int:
    """The status; ValueError if it is not that of a response."""
    problem = None if status == 200 else check_status(status)
    if problem is not None:
        raise ValueError(problem)
    return status


def _respond(status: int, defaults: Merged, headers: HeadersLike, body: Body) -> Response:
    """The response with this body, the default headers whose names are not in `headers`, and these;
    ValueError or TypeError for a status or a header that cannot be sent.
    """
    if status != 200:
        _status(status)
    merged = _merge(defaults, headers) if headers else defaults
    return Response(status, merged.pairs, body, "", merged.prepared)


def _iterable(chunks: Chunks, items: str) -> Chunks:
    """The chunks of a stream; TypeError for what is no iterable, or is a single chunk itself."""
    is_one = isinstance(chunks, str | builtins.bytes | bytearray | memoryview)
    if is_one or not isinstance(chunks, Iterable | AsyncIterable | Unfold):
        raise TypeError(f"a stream is an iterable of {items}, not {type(chunks).__name__}")
    return chunks


def _frozen(data: BytesLike) -> builtins.bytes:
    """The data as `bytes`, copied if it can change; TypeError for what is not bytes-like."""
    if type(data) is bytes:
        return data
    if isinstance(data, bytes | bytearray | memoryview):
        return builtins.bytes(data)
    raise TypeError(f"a body is bytes, not {type(data).__name__}")
