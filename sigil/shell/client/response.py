"""A response as a program sees it: status, fields, and its body, whole or in pieces.

Theory: most bodies are small, and wanted whole; some are long, or never end. A response has its
body as bytes, or, if the program asked for that, a `BodyReader` that gives its pieces as they are
asked for: to `for` in a script, to `async for` under asyncio. What nobody asks for is not read, so
that the server waits. A response that nobody has any more, and whose pieces nobody has begun to
take, is closed.

Rules: a response is not changed but by reading its body. `for` ticks the client while it waits; so
it is for where nobody else does. It does not know how the bytes came.
"""

import codecs
import json
import re
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

from ...core.client.responses import ResponseHead
from ...core.client.uri import Uri
from ...core.http.headers import Headers
from ...core.tls import Tls
from .errors import HttpStatusError, ResponseTooLarge
from .stream import BodyStream

_CHARSET: Final = re.compile(r""";\s*charset\s*=\s*"?([^\s";]+)""", re.IGNORECASE)


TAKEN: Final = "the body was taken in pieces"
_NOT_FOR_TEXT: Final = frozenset(
    ("idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape")
)
"""Codecs that are no charsets: they fail, or take very long, on what is not meant for them."""


def codec_of(charset: str | None) -> str:
    """The codec of a charset that a stranger has named; UTF-8 if there is none."""
    name = charset or "utf-8"
    try:
        b"a".decode(name, "replace")
        is_for_text = codecs.lookup(name).name.replace("-", "_") not in _NOT_FOR_TEXT
    except (LookupError, ValueError):
        return "utf-8"
    return name if is_for_text else "utf-8"


def for_lines(pieces: Iterator[bytes], codec: str) -> tuple[Iterator[bytes], str]:
    """The pieces of a text whose lines end with the byte 10, and its codec: UTF-8 in the place of
    one that writes line ends otherwise, such as UTF-16.
    """
    if "\n".encode(codec) == b"\n":
        return pieces, codec
    return _in_utf8(pieces, codecs.getincrementaldecoder(codec)("replace")), "utf-8"


def _in_utf8(pieces: Iterator[bytes], decoder: codecs.IncrementalDecoder) -> Iterator[bytes]:
    """The pieces of a text in UTF-8."""
    for piece in pieces:
        yield decoder.decode(piece).encode()
    yield decoder.decode(b"", final=True).encode()


class Gathered:
    """The pieces of a body that becomes a whole, of up to `max_len` bytes."""

    def __init__(self, max_len: int) -> None:
        self._max_len = max_len
        self._parts: list[bytes] = []
        self._length = 0

    def add(self, piece: bytes) -> None:
        """One more piece; `ResponseTooLarge` if it is one too many."""
        self._length += len(piece)
        if self._length > self._max_len:
            self._parts.clear()
            raise ResponseTooLarge(f"the body is longer than the {self._max_len} bytes to be held")
        self._parts.append(piece)

    def joined(self) -> bytes:
        """The whole."""
        return b"".join(self._parts)


class ClientResponse:
    """A response: `status`, `reason`, `headers`, `url`, `body`, and the `history` of the redirects
    that led to it.
    """

    __slots__ = (
        "__weakref__", "_body", "_stream", "headers", "history", "method", "reason", "status",
        "tls", "uri", "version",
    )  # fmt: skip

    def __init__(
        self,
        method: str,
        uri: Uri,
        head: ResponseHead,
        history: "tuple[ClientResponse, ...]" = (),
        body: bytes | None = b"",
        stream: BodyStream | None = None,
        tls: Tls | None = None,
    ) -> None:
        self.method = method
        self.uri = uri
        self.status = head.status
        self.reason = head.reason
        self.version = head.version
        self.headers: Headers = head.headers
        self.history = history
        self.tls = tls
        """What the handshake of TLS has settled; None without TLS."""
        self._body = body
        self._stream = stream
        if stream is not None:  # dropped unread, it would keep its connection
            weakref.finalize(self, stream.let_go).atexit = False

    def close_behind(self, close: Callable[[], object]) -> None:
        """Have a function called when the body was taken, or is not wanted. For the shell."""
        if self._stream is not None:
            self._stream.when_closed = close

    def take_body(self, body: bytes) -> None:
        """Take the whole body, when it is there. For the shell."""
        self._body = body

    @property
    def url(self) -> str:
        """The URL that was asked for in the end, without user and fragment."""
        return str(self.uri)

    @property
    def is_success(self) -> bool:
        """True for 2xx."""
        return 200 <= self.status < 300

    @property
    def is_redirect(self) -> bool:
        """True for a redirect that was not followed."""
        return self.status in (301, 302, 303, 307, 308) and "location" in self.headers

    @property
    def stream_len(self) -> int:
        """Bytes of the body, as they came, that are held and were not taken; 0 of a whole one."""
        return 0 if self._stream is None else self._stream.held_len

    @property
    def is_streamed(self) -> bool:
        """True if the body is taken in pieces."""
        return self._stream is not None

    @property
    def body(self) -> bytes:
        """The body, decoded. Of one that is taken in pieces what is left of it, which is waited
        for; RuntimeError for one that was taken.
        """
        if self._body is None:
            assert self._stream is not None
            if self._stream.was_asked:
                raise RuntimeError(TAKEN)
            gathered = Gathered(self._stream.max_body_len)
            for piece in self.iter_bytes():
                gathered.add(piece)
            self._body = gathered.joined()
        return self._body

    async def read(self) -> bytes:
        """The body, decoded, under asyncio; RuntimeError for one that was taken in pieces."""
        if self._body is None:
            assert self._stream is not None
            if self._stream.was_asked:
                raise RuntimeError(TAKEN)
            gathered = Gathered(self._stream.max_body_len)
            async for piece in self:
                gathered.add(piece)
            self._body = gathered.joined()
        return self._body

    @property
    def text(self) -> str:
        """The body as text, in the charset that the response names, or UTF-8; what cannot be
        decoded is replaced. For another charset: `response.body.decode("cp1252")`.
        """
        return self.body.decode(codec_of(self.charset), "replace")

    @property
    def charset(self) -> str | None:
        """The charset that Content-Type names; None without one."""
        match = _CHARSET.search(self.headers.get("content-type", ""))
        return None if match is None else match[1]

    def json(self) -> Any:
        """The body as a value of JSON; ValueError if it is none, or is nested too deeply."""
        try:
            return json.loads(self.body)
        except RecursionError:
            raise ValueError("the JSON of the body is nested too deeply") from None

    def raise_for_status(self) -> "ClientResponse":
        """The response; `HttpStatusError` for 4xx and 5xx."""
        if self.status < 400:
            return self
        reason = f" {self.reason}" if self.reason else ""
        error = HttpStatusError(f"{self.method} {self.uri.shown}: {self.status}{reason}")
        error.status = self.status
        raise error

    def iter_bytes(self) -> Iterator[bytes]:
        """The pieces of the body, decoded, as they come; waits for each, and ticks the client
        meanwhile.
        """
        if self._stream is None:
            return iter((self._body,) if self._body else ())
        return self._pieces(self._stream)

    def _pieces(self, stream: BodyStream) -> Iterator[bytes]:
        """The pieces of a stream; while they are wanted, so is the response."""
        yield from stream.pieces()

    def iter_lines(self, max_line_len: int = 2**20) -> Iterator[str]:
        """The lines of the body, as they come, without their ends, in the charset of the response;
        `ResponseTooLarge` for a longer one, since a server may send one that never ends.
        """
        pieces, codec = for_lines(self.iter_bytes(), codec_of(self.charset))
        parts: list[bytes] = []
        length = 0
        for piece in pieces:
            *ends, rest = piece.split(b"\n")
            for end in ends:
                line = b"".join((*parts, end))
                parts, length = [], 0
                yield line.removesuffix(b"\r").decode(codec, "replace")
            parts.append(rest)
            length += len(rest)
            if length > max_line_len:
                self.close()
                raise ResponseTooLarge(f"a line is longer than the {max_line_len} bytes allowed")
        if length:
            yield b"".join(parts).removesuffix(b"\r").decode(codec, "replace")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces of the body, decoded, under asyncio."""
        if self._stream is None:
            if self._body:
                yield self._body
            return
        self._stream.require_free()
        try:
            while piece := await self._stream.next_piece():
                yield piece
        finally:
            self._stream.close()

    def close(self) -> None:
        """Want no more of the body: its connection is closed, if more would have come."""
        if self._stream is not None:
            self._stream.close()

    def __enter__(self) -> "ClientResponse":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    async def __aenter__(self) -> "ClientResponse":
        return self

    async def __aexit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        reason = f" {self.reason}" if self.reason else ""
        return f"<ClientResponse {self.status}{reason}: {self.method} {self.uri.shown}>"
