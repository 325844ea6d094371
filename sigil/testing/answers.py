"""Answers parsed from their bytes, strictly (RFC 9112 sections 4 to 7).

Theory: what a handler returned is tested as it was sent. As our own server encoded it, everything
that a lenient client would forgive is a defect, and fails the test.

Rules: pure functions of bytes. An answer whose end has not come is no defect: its `is_whole` is
False. Interim answers (1xx) are skipped, but not 101: the bytes behind it belong to another
protocol and are not parsed. It does not know connections, requests beyond their methods, or what
content means.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from ..core.http.headers import Headers, decode_pairs

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) ([\t\x20-\x7e\x80-\xff]*)")
_FIELD_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t ]*([\t\x20-\x7e\x80-\xff]*)")
_LENGTH = re.compile(r"[0-9]{1,18}")
_SIZE_LINE = re.compile(rb"([0-9a-fA-F]{1,15})\r\n")
_PARTIAL_SIZE_LINE = re.compile(rb"[0-9a-fA-F]{0,15}\r?")
_SWITCHING_PROTOCOLS = 101
_NO_CONTENT_STATUSES = frozenset((_SWITCHING_PROTOCOLS, 204, 304))


class BadAnswer(ValueError):
    """What the server sent is not HTTP, or no WebSocket frame: a defect of the server."""


class Answer(NamedTuple):
    """One final answer: its body is de-chunked, and `is_whole` is True if its end has come."""

    status: int
    headers: Headers
    body: bytes
    is_whole: bool

    @property
    def text(self) -> str:
        """The body as UTF-8; UnicodeDecodeError if it is not."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON (RFC 8259); ValueError if it is not."""
        return json.loads(self.body)


class Found(NamedTuple):
    """An answer, and the index of the first byte behind it."""

    answer: Answer
    end: int


class _Content(NamedTuple):
    """The part of a body that has come, the index behind it, and whether that is its end."""

    body: bytes
    end: int
    is_whole: bool


def read_answers(data: bytes, methods: Iterable[str] = (), has_ended: bool = False) -> list[Answer]:
    """The answers in `data`, to requests with these methods in order, and with GET beyond those.

    `has_ended` is True if no bytes will follow. The last answer may not be whole; one whose head is
    not complete is left out. What follows a 101 is not parsed. `BadAnswer` if the bytes are not
    HTTP.
    """
    answers: list[Answer] = []
    remaining, start = iter(methods), 0
    while True:
        found = read_answer(data, start, next(remaining, "GET"), has_ended)
        if found is None:
            return answers
        answers.append(found.answer)
        start = found.end
        if not found.answer.is_whole or found.answer.status == _SWITCHING_PROTOCOLS:
            return answers


def read_answer(
    data: bytes, start: int = 0, method: str = "GET", has_ended: bool = False
) -> Found | None:
    """The final answer at `start`, to a request with this method; None while its head is not
    complete.

    `BadAnswer` if the bytes are not HTTP.
    """
    status = 100
    while 100 <= status < 200 and status != _SWITCHING_PROTOCOLS:
        end = data.find(b"\r\n\r\n", start)
        if end < 0:
            return None
        status, headers = _read_head(data[start:end])
        start = end + 4
    content = _read_content(data, start, status, headers, method, has_ended)
    return Found(Answer(status, headers, content.body, content.is_whole), content.end)


def _read_head(head: bytes) -> tuple[int, Headers]:
    """Status and fields of a head, without the empty line that ends it."""
    first, *lines = head.split(b"\r\n")
    status_line = _STATUS_LINE.fullmatch(first)
    if status_line is None:
        raise BadAnswer(f"not a status line: {first!r}")
    pairs: list[tuple[bytes, bytes]] = []
    for line in lines:
        field = _FIELD_LINE.fullmatch(line)
        if field is None:
            raise BadAnswer(f"not a field line: {line!r}")
        pairs.append((field[1], field[2]))
    return int(status_line[1]), decode_pairs(pairs)


def _read_content(
    data: bytes, start: int, status: int, headers: Headers, method: str, has_ended: bool
) -> _Content:
    """The body, framed as RFC 9112 section 6.3 says."""
    codings, lengths = headers.get_all("transfer-encoding"), headers.get_all("content-length")
    if codings and (codings != ("chunked",) or lengths):
        raise BadAnswer(
            f"ambiguous body length: Transfer-Encoding {codings}, Content-Length {lengths}"
        )
    if len(lengths) > 1 or not all(map(_LENGTH.fullmatch, lengths)):
        raise BadAnswer(f"not one length: Content-Length {lengths}")
    if method == "HEAD" or status in _NO_CONTENT_STATUSES:
        return _Content(b"", start, True)
    if codings:
        return _read_chunks(data, start)
    if not lengths:
        return _Content(data[start:], len(data), has_ended)
    end = start + int(lengths[0])
    return _Content(data[start:end], min(end, len(data)), end <= len(data))


def _read_chunks(data: bytes, start: int) -> _Content:
    """A chunked body (RFC 9112 section 7.1); this server sends neither extensions nor trailers."""
    chunks: list[bytes] = []
    while True:
        line = _SIZE_LINE.match(data, start)
        if line is None:
            if _PARTIAL_SIZE_LINE.fullmatch(data, start) is None:
                raise BadAnswer(f"not the size of a chunk: {data[start : start + 20]!r}")
            break
        size, start = int(line[1], 16), line.end()
        chunks.append(data[start : start + size])
        end = data[start + size : start + size + 2]
        if not b"\r\n".startswith(end):
            raise BadAnswer(
                f"a chunk of {size} bytes does not end with a line end but with {end!r}"
            )
        if len(end) < 2:
            break
        start += size + 2
        if size == 0:
            return _Content(b"".join(chunks), start, True)
    return _Content(b"".join(chunks), len(data), False)
