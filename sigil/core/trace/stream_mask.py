"""What a client sends, without what is redacted, read by read.

Theory: bytes come in pieces that end anywhere, in the middle of a name or of a secret. So whoever
makes a stream unreadable has to know at each byte what it is: a name, a value, a body, a payload.
That is a machine of few states, which follows the framing of a client as the core does.

Rules: as many bytes come out as went in, and what is structure comes out as it is. What the core
refuses is hidden as far as it could be a field that is redacted: a line that is folded, what is
behind a bare CR, a field whose name is none, a request that begins with a field. Where the
framing is not clear (two lengths, a coding that is not known), everything from there on is made
unreadable: the core refuses that, and what is wrongly hidden harms nobody. It does not know
connections.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Final, TypeAlias, final

from ..http.tokens import TOKEN
from .redaction import Redaction, hidden, hidden_value

NAME_MAX: Final = 64
"""The name of a field that is redacted is no longer."""
VALUE_MAX: Final = 64
"""As much is kept of the value of a field that says how long a body is."""
SIZE_MAX: Final = 17
"""As much is kept of the line of a chunk."""
PROXY_V2: Final = b"\r\n\r\n\x00\r\nQUIT\n"
PROXY_V2_HEAD: Final = 16
_X: Final = ord("x")


class Part(IntEnum):
    """What the next byte is."""

    START = 0
    """The line of a request."""
    NAME = 1
    VALUE = 2
    LENGTH = 3
    """A body of known length."""
    CHUNK_LINE = 4
    CHUNK_DATA = 5
    CHUNK_END = 6
    FRAME = 7
    """The header of a frame."""
    PAYLOAD = 8
    REST = 9
    """Nothing that is looked at."""
    PROXY = 10
    """The header of the PROXY protocol."""


Taken: TypeAlias = tuple[bytes, int]
"""What comes out for some bytes, and where the next ones begin."""


@final
class StreamMask:
    """The bytes of one client, made unreadable as they come."""

    def __init__(self, redaction: Redaction, part: Part = Part.START) -> None:
        self._redaction = redaction
        self.part = part
        self.left = 0
        """Bytes that are left of a body, a chunk or a payload."""
        self.key = b""
        self.place = 0
        """How many bytes of the payload have come."""
        self.opcode = 0
        self.is_upgrading = False
        """A WebSocket was asked for, and nobody knows yet whether there is one."""
        self.in_trailers = False
        self._has_cr = False
        """A value has come up to a CR."""
        self._has_line = False
        self._has_method = False
        """The line of a request has come up to its first space."""
        self._has_no_method = False
        """It has a colon before that."""
        self._name = b""
        self._is_secret = False
        self._kept = b""
        self._lengths: list[bytes] = []
        self._codings: list[bytes] = []
        self._upgrades = False
        self._takers: dict[Part, Callable[[bytes, int], Taken]] = {
            Part.START: self._start,
            Part.NAME: self._field_name,
            Part.VALUE: self._field_value,
            Part.LENGTH: self._body,
            Part.CHUNK_LINE: self._chunk_line,
            Part.CHUNK_DATA: self._body,
            Part.CHUNK_END: self._chunk_end,
            Part.FRAME: self._frame,
            Part.PAYLOAD: self._payload,
            Part.REST: self._rest,
            Part.PROXY: self._proxy,
        }

    def mask(self, data: bytes) -> bytes:
        """As many bytes, without what is redacted."""
        pieces: list[bytes] = []
        start = 0
        while start < len(data):
            piece, start = self._takers[self.part](data, start)
            pieces.append(piece)
        return b"".join(pieces)

    # -- heads -------------------------------------------------------------------------------------

    def _start(self, data: bytes, start: int) -> Taken:
        """The line of a request, or an empty one before it."""
        line, end = _line(data, start)
        self._has_line = self._has_line or bool(line.strip(b"\r\n"))
        shown = self._shown_start(line)
        if line.endswith(b"\n") and self._has_line:
            self._has_line = False
            self._begin_fields()
        return shown, end

    def _shown_start(self, line: bytes) -> bytes:
        """What is shown of the line of a request: up to a colon in what would be its method."""
        method, space, _ = line.partition(b" ")
        colon = -1 if self._has_method else method.find(b":")
        shown = line
        if self._has_no_method:
            shown = hidden_value(line)
        elif colon >= 0:
            shown, self._has_no_method = line[:colon] + hidden_value(line[colon:]), True
        self._has_method = self._has_method or bool(space)
        if line.endswith(b"\n"):
            self._has_method = self._has_no_method = False
        return shown

    def _begin_fields(self) -> None:
        """Fields come now."""
        self.part, self._name, self._is_secret = Part.NAME, b"", False
        self._lengths, self._codings, self._upgrades = [], [], False

    def _field_name(self, data: bytes, start: int) -> Taken:
        """The name of a field, the empty line, or the first blank of a folded line."""
        if not self._name and data[start] in b" \t":
            self.part, self._is_secret = Part.VALUE, True  # of the field before, which is refused
            self._has_cr = False
            return b"", start
        line, end = _line(data, start)
        colon = line.find(b":")
        if colon >= 0:
            self._name += line[:colon]
            self._begin_value()
            return line[: colon + 1], start + colon + 1
        self._name = (self._name + line)[: NAME_MAX + 1]
        if line.endswith(b"\n"):
            is_empty = not self._name.strip(b"\r\n")
            self._name = b""
            if is_empty:
                self._end_fields()
        return line, end

    def _begin_value(self) -> None:
        """A value comes now, of the field whose name has come."""
        name = self._name.strip().lower().decode("latin-1")
        self._is_secret = name in self._redaction.fields or TOKEN.fullmatch(name) is None
        self.part, self._kept, self._has_cr = Part.VALUE, b"", False

    def _field_value(self, data: bytes, start: int) -> Taken:
        """The value of a field, up to the end of its line."""
        line, end = _line(data, start)
        if len(self._kept) < VALUE_MAX:
            self._kept += line[: VALUE_MAX - len(self._kept)]
        shown = self._shown_value(line)
        if line.endswith(b"\n"):
            self._end_value()
        return shown, end

    def _shown_value(self, line: bytes) -> bytes:
        """What is shown of a value: nothing of a secret, and nothing behind a bare CR."""
        if self._is_secret:
            return hidden_value(line)
        if self._has_cr and not line.startswith(b"\n"):
            self._is_secret = True
            return hidden_value(line)
        self._has_cr = line.endswith(b"\r")
        place = line.removesuffix(b"\r\n").find(b"\r", 0, len(line) - 1)
        if place < 0:
            return line
        self._is_secret = True
        return line[:place] + hidden_value(line[place:])

    def _end_value(self) -> None:
        """Note what a field says about what follows."""
        name, value = self._name.strip().lower(), self._kept.strip().lower()
        if name == b"content-length":
            self._lengths.append(value)
        elif name == b"transfer-encoding":
            self._codings.append(value)
        elif name == b"upgrade":
            self._upgrades = self._upgrades or b"websocket" in value
        self.part, self._name = Part.NAME, b""

    def _end_fields(self) -> None:
        """What comes behind a head, or behind the trailers of a body."""
        if self.in_trailers:
            self.in_trailers, self.part = False, Part.START
        elif self._codings:
            is_clear = self._codings == [b"chunked"] and not self._lengths
            self.part, self._kept = (Part.CHUNK_LINE if is_clear else Part.REST), b""
        elif self._lengths:
            length = self._lengths[0]
            is_clear = len(self._lengths) == 1 and length.isdigit() and len(length) < VALUE_MAX
            self.left = int(length) if is_clear else 1
            self.part = Part.LENGTH if is_clear else Part.REST
            if self.left == 0:
                self.part = Part.START
        else:
            self.is_upgrading = self._upgrades
            self.part = Part.FRAME if self._upgrades else Part.START
            self._kept = b""

    # -- bodies ------------------------------------------------------------------------------------

    def _body(self, data: bytes, start: int) -> Taken:
        """What has come of a body, or of a chunk."""
        piece = data[start : start + self.left]
        self.left -= len(piece)
        if not self.left:
            is_chunk = self.part is Part.CHUNK_DATA
            self.part = Part.CHUNK_END if is_chunk else Part.START
        return (hidden(piece) if self._redaction.has_body else piece), start + len(piece)

    def _chunk_line(self, data: bytes, start: int) -> Taken:
        """The line with the size of a chunk; what is not the size may say anything."""
        line, end = _line(data, start)
        room = SIZE_MAX - len(self._kept)
        extension = (self._kept + line).find(b";") - len(self._kept)
        if extension >= 0 or b";" in self._kept:
            room = max(0, min(room, extension + 1))
        self._kept += line[:room]
        shown = line[:room] + hidden_value(line[room:])
        if line.endswith(b"\n"):
            self._begin_chunk(self._kept.partition(b";")[0].strip())
        return shown, end

    def _begin_chunk(self, size: bytes) -> None:
        """A chunk of this size comes, or what is behind the last one."""
        self._kept = b""
        try:
            self.left = int(size, 16)
        except ValueError:
            self.left = -1
        if self.left > 0:
            self.part = Part.CHUNK_DATA
        elif self.left == 0:
            self.in_trailers = True
            self._begin_fields()
        else:
            self.part = Part.REST

    def _chunk_end(self, data: bytes, start: int) -> Taken:
        """The line end behind a chunk."""
        byte = data[start : start + 1]
        if byte == b"\n":
            self.part = Part.CHUNK_LINE
        elif byte != b"\r":
            self.part = Part.REST
            return b"", start
        return byte, start + 1

    # -- WebSockets --------------------------------------------------------------------------------

    def _frame(self, data: bytes, start: int) -> Taken:
        """A byte of the header of a frame."""
        byte = data[start : start + 1]
        header = self._kept = self._kept + byte
        if len(header) >= 2:
            size = header[1] & 0x7F
            extended = {126: 2, 127: 8}.get(size, 0)
            if len(header) == 2 + extended + (4 if header[1] & 0x80 else 0):
                if extended:
                    size = int.from_bytes(header[2 : 2 + extended], "big")
                self._begin_payload(header, 2 + extended, size)
        return byte, start + 1

    def _begin_payload(self, header: bytes, key_at: int, size: int) -> None:
        """The payload behind this header comes."""
        self.opcode, self.key = header[0] & 0x0F, header[key_at:]
        self.left, self.place, self._kept = size, 0, b""
        self.part = Part.PAYLOAD if size else Part.FRAME

    def _payload(self, data: bytes, start: int) -> Taken:
        """What has come of a payload. The code of a close frame is shown, and a pong, which brings
        back what the server has sent.
        """
        piece = data[start : start + self.left]
        shown = 0
        if not self._redaction.has_messages or self.opcode == 10:
            shown = len(piece)
        elif self.opcode == 8:
            shown = max(0, 2 - self.place)
        masked = piece[:shown] + self._hidden_payload(self.place + shown, len(piece) - shown)
        self.left -= len(piece)
        self.place += len(piece)
        if not self.left:
            self.part = Part.FRAME
        return masked[: len(piece)], start + len(piece)

    def _hidden_payload(self, place: int, length: int) -> bytes:
        """Letters x under the key of the frame, from this place on."""
        if length <= 0:
            return b""
        if not self.key:
            return b"x" * length
        letters = bytes([byte ^ _X for byte in self.key])
        turn = place % len(letters)
        return (letters * (length // len(letters) + 2))[turn : turn + length]

    # -- the rest ----------------------------------------------------------------------------------

    def _rest(self, data: bytes, start: int) -> Taken:
        """What nobody looks at."""
        return hidden(data[start:]), len(data)

    def _proxy(self, data: bytes, start: int) -> Taken:
        """The header of the PROXY protocol, of either version."""
        if self.left:
            piece = data[start : start + self.left]
            self.left -= len(piece)
            if not self.left:
                self.part = Part.START
            return piece, start + len(piece)
        byte = data[start : start + 1]
        self._kept += byte
        if PROXY_V2.startswith(self._kept[: len(PROXY_V2)]):
            if len(self._kept) == PROXY_V2_HEAD:
                self.left = int.from_bytes(self._kept[-2:], "big")
                self._kept = b""
                if not self.left:
                    self.part = Part.START
        elif byte == b"\n":
            self.part, self._kept = Part.START, b""
        return byte, start + 1


def _line(data: bytes, start: int) -> Taken:
    """What has come of a line, its end included, and where the next one begins."""
    found = data.find(b"\n", start)
    end = len(data) if found < 0 else found + 1
    return data[start:end], end
