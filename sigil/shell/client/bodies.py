"""The body of a request, as a program gives it: bytes, text, JSON, a form, a file, or pieces.

Theory: what is there as a whole is bytes, and can be sent as often as need be. Everything else is
pulled, one piece when the one before was taken, so that nothing is held that the server does not
take; and can be sent a second time only if it can be begun anew.

Rules: what is given wrong is a TypeError or ValueError at the call. Iterables are asked for their
next piece on the thread that ticks. A file is sent from where it is. It does not know who sends it.
"""

import json
import os
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlencode

from ...core.client.requests import CHUNKED
from .text_pairs import text_pairs


class Source(Protocol):
    """Where the pieces of a body come from."""

    def next_piece(self, max_len: int) -> "bytes | Awaitable[bytes]":
        """The next piece, of about so many bytes; empty at the end."""

    def rewind(self) -> None:
        """Begin anew."""

    def close(self) -> None:
        """Nobody wants more."""


class Body(NamedTuple):
    """A body, and the content type that it has unless the program says another.

    `data` is all of it, or None if it comes from `source`, of `length` bytes or `CHUNKED`.
    """

    data: bytes | None
    content_type: str
    source: Source | None = None
    length: int = 0
    can_rewind: bool = False


NO_BODY = Body(b"", "")


class IterableSource:
    """The pieces of an iterable; a collection can be begun anew, an iterator cannot."""

    def __init__(self, pieces: Iterable[bytes | str]) -> None:
        self._pieces = pieces
        self._iterator: Iterator[bytes | str] | None = None

    def next_piece(self, max_len: int) -> bytes:
        """The next piece that is not empty; empty at the end."""
        if self._iterator is None:
            self._iterator = iter(self._pieces)
        for piece in self._iterator:
            data = _to_bytes(piece)
            if data:
                return data
        return b""

    def rewind(self) -> None:
        """Begin anew."""
        self._iterator = None

    def close(self) -> None:
        """Nobody wants more."""
        close = getattr(self._iterator, "close", None)
        if close is not None:
            close()


class FileSource:
    """The bytes of a file, from where it is."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._start = file.seek(0, os.SEEK_CUR) if _can_seek(file) else 0

    def next_piece(self, max_len: int) -> bytes:
        """The next bytes; none at the end."""
        return _to_bytes(self._file.read(max_len))

    def rewind(self) -> None:
        """Begin anew."""
        self._file.seek(self._start)

    def close(self) -> None:
        """Nobody wants more; the file is the program's to close."""


class AsyncSource:
    """The pieces of an asynchronous iterable, awaited one by one."""

    def __init__(self, pieces: AsyncIterable[bytes | str]) -> None:
        self._iterator = aiter(pieces)

    async def _next(self) -> bytes:
        async for piece in self._iterator:
            data = _to_bytes(piece)
            if data:
                return data
        return b""

    def next_piece(self, max_len: int) -> Awaitable[bytes]:
        """What comes to the next piece."""
        return self._next()

    def rewind(self) -> None:
        """It is never begun anew."""

    def close(self) -> None:
        """Nobody wants more; an asynchronous iterator is closed by its loop."""


def _to_bytes(piece: object) -> bytes:
    """A piece as bytes; TypeError for what is none."""
    if isinstance(piece, bytes):
        return piece
    if isinstance(piece, str):
        return piece.encode()
    if isinstance(piece, bytearray | memoryview):
        return bytes(piece)
    raise TypeError(f"the pieces of a body are bytes or str, not {type(piece).__name__}")


def _can_seek(file: Any) -> bool:
    """True for a file that can be begun anew."""
    seekable: Callable[[], bool] | None = getattr(file, "seekable", None)
    return seekable is not None and seekable()


def make_body(body: object = None, json_value: object = None, form: object = None) -> Body:
    """The body of a request, given in one of these three ways, or not at all; TypeError for more
    than one, or for what is none.
    """
    if sum(given is not None for given in (body, json_value, form)) > 1:
        raise TypeError("a request has one body: body, json or form")
    if json_value is not None:
        text = json.dumps(json_value, separators=(",", ":"), allow_nan=False)
        return Body(text.encode(), "application/json")
    if form is not None:
        return _form_body(form)
    if body is None:
        return NO_BODY
    if isinstance(body, str):
        return Body(body.encode(), "text/plain; charset=utf-8")
    if isinstance(body, bytes | bytearray | memoryview):
        return Body(bytes(body), "")
    return _pulled_body(body)


def _form_body(form: object) -> Body:
    """A form, encoded as a query is."""
    text = urlencode(text_pairs("the fields of a form", form))
    return Body(text.encode(), "application/x-www-form-urlencoded")


def _pulled_body(body: Any) -> Body:
    """A body that comes in pieces."""
    if callable(getattr(body, "read", None)):
        return Body(None, "", FileSource(body), _file_length(body), _can_seek(body))
    if isinstance(body, AsyncIterable):
        return Body(None, "", AsyncSource(body), CHUNKED, False)
    if isinstance(body, Mapping) or not isinstance(body, Iterable):
        raise TypeError(
            "a body is bytes, str, a file, or an iterable of bytes (a mapping is json= or form=), "
            f"not {type(body).__name__}"
        )
    can_rewind = not isinstance(body, Iterator)
    return Body(None, "", IterableSource(body), CHUNKED, can_rewind)


def _file_length(file: Any) -> int:
    """How many bytes are left in a file; `CHUNKED` if nobody can tell."""
    if not _can_seek(file):
        return CHUNKED
    place = file.seek(0, os.SEEK_CUR)
    end = file.seek(0, os.SEEK_END)
    file.seek(place)
    is_text = isinstance(file.read(0), str)
    file.seek(place)
    return CHUNKED if is_text or not isinstance(end, int) else max(0, end - place)
