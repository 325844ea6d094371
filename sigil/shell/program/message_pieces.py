"""Long messages of WebSockets that the program takes in pieces: compressed ones are inflated piece
by piece, and no further than one piece ahead.

Theory: the core gives pieces as they came, and a compressed one may be a thousand times as long as
it looks. What is inflated has a state, that of zlib, which is no value; so it is kept here, for the
one message of a connection that is under way. What does not fit into a piece stays compressed: an
empty piece in its place says that there is more, and waits as every message does.

Rules: no more is ever made than a piece and one byte. What comes out are pieces of
`Limits.max_ws_piece_len` bytes, of a text less a character that is cut, and a message that is no
longer comes out whole; at more than `Limits.max_ws_streamed_len` bytes it is refused. As in the
core, blocks may follow a final block (RFC 7692 section 7.2.3.4). It does not know who is called.
"""

import zlib
from codecs import utf_8_decode
from collections.abc import Iterable

from ...core.conn import Conn
from ...core.limits import Limits
from ...core.parse_result import Malformed
from ...core.websocket.compression import (
    BAD_DEFLATE,
    STREAM_END,
    STREAMS_MAX,
    TOO_LONG,
    WINDOW_LEN,
)
from ...core.websocket.fragments import (
    BAD_TEXT,
    AnyMessage,
    CompressedFragment,
    Fragment,
    Message,
)
from ...core.websocket.frames import Opcode


class BadPieces(Exception):
    """What came is no deflate, no text, or too long."""

    def __init__(self, error: Malformed) -> None:
        super().__init__(error.message)
        self.error = error


class Inflater:
    """One compressed message that is under way."""

    __slots__ = (
        "_given_len", "_has_end", "_input", "_is_drained", "_is_text", "_made", "_max_len",
        "_piece_len", "_remaining", "_stream", "_stream_count", "_window",
    )  # fmt: skip

    def __init__(self, opcode: Opcode, limits: Limits) -> None:
        self._piece_len, self._max_len = limits.max_ws_piece_len, limits.max_ws_streamed_len
        self._is_text = opcode is Opcode.TEXT
        self._input = b""
        self._has_end = False
        """All of it has come."""
        self._remaining = 0
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        self._stream_count = 0
        """How many streams have begun: there is none before the first byte of one."""
        self._is_drained = True
        """All that the input made so far was taken."""
        self._made = b""
        """What is inflated and no piece yet: no longer than one, and a byte."""
        self._window = b""
        """The end of what was inflated, for a stream that refers back to it."""
        self._given_len = 0

    def feed(self, fragment: CompressedFragment) -> None:
        """Take what came of it."""
        self._input += fragment.payload
        self._remaining = fragment.remaining
        if fragment.is_final and not self._has_end:
            self._has_end = True
            is_empty = not (self._input or self._stream_count)
            self._input += b"" if is_empty else STREAM_END

    def next_piece(self) -> tuple[Message | Fragment | None, bool]:
        """The next piece, or the message if it is none, or None if more has to come first; and
        whether there is more to be made of what has come. `BadPieces` for what is wrong.
        """
        has_more = self._inflate()
        if len(self._made) > self._piece_len:
            return self._take_piece(False), True
        if has_more or not self._has_end:
            return None, has_more
        return self._take_piece(True), False

    def _inflate(self) -> bool:
        """Make a piece and a byte, if there is as much; True if there is more to be made."""
        while len(self._made) <= self._piece_len:
            if self._is_drained and not self._input:
                return False
            is_between = self._stream_count == 0 or self._stream.eof
            if is_between and self._has_end and self._input == STREAM_END:
                self._input = b""
                return False
            if is_between:
                self._begin_stream()
            self._take()
        return True

    def _begin_stream(self) -> None:
        """Begin the next stream, which may refer back to what came before."""
        self._stream_count += 1
        if self._stream_count > STREAMS_MAX:
            raise BadPieces(BAD_DEFLATE)
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS, zdict=self._window)

    def _take(self) -> None:
        """Inflate until there is a piece and a byte, or the input or the stream ends."""
        room = self._piece_len + 1 - len(self._made)
        try:
            made = self._stream.decompress(self._input, room)
        except zlib.error:
            raise BadPieces(BAD_DEFLATE) from None
        self._is_drained = len(made) < room or self._stream.eof
        self._input = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
        self._made += made
        self._window = (self._window + made)[-WINDOW_LEN:]
        if self._given_len + len(self._made) > self._max_len:
            raise BadPieces(TOO_LONG)
        if self._has_end and self._is_drained and not (self._input or self._stream.eof):
            raise BadPieces(BAD_DEFLATE)

    def _take_piece(self, is_final: bool) -> Message | Fragment:
        """The next piece, or the whole message if that is all of it; of a text, the beginning of a
        character stays.
        """
        is_first, piece = not self._given_len, self._made[: self._piece_len]
        data: str | bytes = piece
        length = len(piece)
        if self._is_text:
            try:
                data, length = utf_8_decode(piece, "strict", is_final)
            except UnicodeDecodeError:
                raise BadPieces(BAD_TEXT) from None
        self._made = self._made[length:]
        self._given_len += length
        if is_first and is_final:
            return data
        return Fragment(data, is_first, is_final, self._remaining)


def has_pieces(messages: Iterable[object]) -> bool:
    """True if any of these is a piece of a message."""
    return any(type(message) in (Fragment, CompressedFragment) for message in messages)


class MessagePieces:
    """The messages of all connections that are being inflated piece by piece."""

    __slots__ = ("_inflaters", "_limits")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._inflaters: dict[Conn, Inflater] = {}

    def __len__(self) -> int:
        """How many there are."""
        return len(self._inflaters)

    def take(
        self, conn: Conn, message: AnyMessage
    ) -> tuple[AnyMessage | None, CompressedFragment | None]:
        """What the program is called with, if anything, and what is to be taken next in the place
        of this message, if not all of it was. `BadPieces` for what is wrong with it.
        """
        if not isinstance(message, CompressedFragment):
            return message, None
        inflater = self._inflaters.get(conn)
        if inflater is None:
            inflater = self._inflaters[conn] = Inflater(message.opcode, self._limits)
        try:
            inflater.feed(message)
            piece, has_more = inflater.next_piece()
        except BadPieces:
            self.drop(conn)
            raise
        if has_more:
            return piece, message.replace(payload=b"", is_first=False)
        if message.is_final:
            self.drop(conn)
        return piece, None

    def drop(self, conn: Conn) -> None:
        """Forget what is under way for a connection."""
        self._inflaters.pop(conn, None)
