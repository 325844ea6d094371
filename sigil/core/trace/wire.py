"""What went over one connection, in words: heads of responses, bodies, frames of a WebSocket.

Theory: a core orders bytes, and a person wants to read what they say: a status, a length, a
message. So the bytes of one direction are read as the peer reads them, in order, whatever the
pieces they come in.

Rules: what a piece of text shows is bounded (`SHOWN_MAX`), and so is what is held: the bytes of a
head, and the beginning of a payload. What is no HTTP is shown as bytes. It does not know who sent
it, nor when.
"""

from typing import Final, final

from ..parse_result import Malformed
from ..value import Value
from ..websocket.frames import (
    FrameHeader,
    FrameRules,
    Opcode,
    parse_close,
    parse_frame_header,
)
from ..websocket.masking import apply_mask

SHOWN_MAX: Final = 60
"""Characters of a body or a message that are shown."""
HEAD_MAX: Final = 65_536
"""Bytes in which a head must end."""
FRAME_MAX: Final = 2**62

_END_OF_HEAD: Final = b"\r\n\r\n"
_NO_BODY: Final = (204, 304)


@final
class Item(Value):
    """One thing that went over a connection: its kind (`head`, `body`, `frame`, `bytes`), what a
    person reads of it, and its bytes.
    """

    __match_args__ = ("kind", "text", "length")
    __slots__ = __match_args__

    def __init__(self, kind: str, text: str, length: int) -> None:
        self.kind: Final = kind
        self.text: Final = text
        self.length: Final = length


def count_of(number: int, unit: str) -> str:
    """A number with its unit: `1 byte`, `12,000 bytes`."""
    return f"{number:,} {unit}" if number == 1 else f"{number:,} {unit}s"


def preview(data: bytes, length: int) -> str:
    """The beginning of a text, or of bytes, of which `data` is the beginning."""
    try:
        text = repr(data.decode())
    except UnicodeDecodeError:
        text = repr(data)
    shown = text[: SHOWN_MAX + 2]
    return shown if len(text) <= SHOWN_MAX + 2 and length <= len(data) else f"{shown}..."


# -- frames ----------------------------------------------------------------------------------------


class FrameReader:
    """Reads the frames of one direction of a WebSocket, each with the beginning of its payload."""

    __slots__ = ("_buffer", "_header", "_left", "_rules", "_shown", "is_broken")

    def __init__(self, is_masked: bool) -> None:
        self._rules: Final = FrameRules(FRAME_MAX, FRAME_MAX, allows_rsv1=True, is_masked=is_masked)
        self._buffer = b""
        self._header: FrameHeader | None = None
        self._left = 0
        self._shown = b""
        self.is_broken = False
        """What came is no frame; the rest is not read."""

    def feed(self, data: bytes) -> list[Item]:
        """The frames that are complete with these bytes."""
        items: list[Item] = []
        self._buffer += data
        while not self.is_broken:
            if self._header is None and not self._begin(items):
                return items
            taken = self._buffer[: self._left]
            self._shown += taken[: max(0, 4 * SHOWN_MAX - len(self._shown))]
            self._buffer = self._buffer[len(taken) :]
            self._left -= len(taken)
            if self._left:
                return items
            header = self._header
            assert header is not None
            shown = apply_mask(self._shown, header.key) if header.key else self._shown
            items.append(frame_item(header, shown))
            self._header = None
        return items

    def _begin(self, items: list[Item]) -> bool:
        """True if the header of the next frame has come."""
        header = parse_frame_header(self._buffer, 0, self._rules)
        if isinstance(header, FrameHeader):
            self._header, self._left, self._shown = header, header.length, b""
            self._buffer = self._buffer[header.end :]
            return True
        if isinstance(header, Malformed):
            self.is_broken = True
            items.append(Item("bytes", "what is no frame", len(self._buffer)))
        return False


def frame_item(header: FrameHeader, payload: bytes) -> Item:
    """A frame in words, of whose payload this is the beginning."""
    opcode, length = header.opcode, header.length
    size = count_of(length, "byte")
    name = Opcode(opcode).name.lower()
    if opcode == Opcode.CLOSE:
        parsed = parse_close(payload)
        text = f"close {parsed[0]} {parsed[1]!r}" if isinstance(parsed, tuple) else "close"
    elif opcode in (Opcode.PING, Opcode.PONG):
        text = name
    elif header.rsv1:
        text = f"{name}, compressed, {size}"
    elif opcode == Opcode.TEXT:
        text = f"text {preview(payload, length)}"
    else:
        text = f"{name}, {size}"
    return Item("frame", text if header.fin else f"{text} (more follows)", length + header.end)


# -- responses -------------------------------------------------------------------------------------


class ResponseReader:
    """Reads what a server sends on one connection: responses, and frames behind a 101."""

    __slots__ = ("_buffer", "_chunk_left", "_frames", "_left", "_mode", "methods")

    def __init__(self) -> None:
        self._mode = "head"
        self._buffer = b""
        self._left = 0
        self._chunk_left = 0
        self._frames: FrameReader | None = None
        self.methods: list[str] = []
        """The methods of the requests that are not answered yet: a HEAD has no body."""

    def feed(self, data: bytes) -> list[Item]:
        """What is complete with these bytes."""
        items: list[Item] = []
        self._buffer += data
        while self._buffer:
            if self._frames is not None:
                data, self._buffer = self._buffer, b""
                return items + self._frames.feed(data)
            if self._mode == "head":
                if not self._read_head(items):
                    return items
            elif self._mode == "chunk":
                if not self._read_chunk_line(items):
                    return items
            else:
                self._read_body(items)
        return items

    def _read_head(self, items: list[Item]) -> bool:
        """True if a head, or what is none, was read."""
        buffer = self._buffer
        end = buffer.find(_END_OF_HEAD)
        if end < 0 and buffer.startswith(b"HTTP/1."[: len(buffer)]) and len(buffer) < HEAD_MAX:
            return False
        if end < 0 or not buffer.startswith(b"HTTP/1."):
            items.append(Item("bytes", preview(buffer[:SHOWN_MAX], len(buffer)), len(buffer)))
            self._buffer = b""
            return True
        head, self._buffer = buffer[:end], buffer[end + 4 :]
        line, _, rest = head.decode("latin-1").partition("\r\n")
        fields = dict[str, str]()
        for row in rest.split("\r\n"):
            name, _, value = row.partition(":")
            fields[name.strip().lower()] = value.strip()
        status = int(line[9:12]) if line[9:12].isdigit() else 0
        items.append(Item("head", _head_text(line[9:], fields), end + 4))
        self._begin_body(status, fields)
        return True

    def _begin_body(self, status: int, fields: dict[str, str]) -> None:
        """Know how the body ends that comes behind a head."""
        if status == 101:
            self._frames = FrameReader(is_masked=False)
            return
        if 100 <= status < 200:
            return
        method = self.methods.pop(0) if self.methods else ""
        if method == "HEAD" or status in _NO_BODY:
            return
        length = fields.get("content-length", "")
        if "chunked" in fields.get("transfer-encoding", "").lower():
            self._mode = "chunk"
        elif length.isdigit():
            self._mode, self._left = ("body", int(length)) if int(length) else ("head", 0)
        else:
            self._mode, self._left = "body", FRAME_MAX

    def _read_body(self, items: list[Item]) -> None:
        """Read what has come of a body, or of a chunk."""
        taken = self._buffer[: self._left]
        self._buffer = self._buffer[len(taken) :]
        self._left -= len(taken)
        items.append(Item("body", preview(taken[: 4 * SHOWN_MAX], len(taken)), len(taken)))
        if not self._left:
            self._mode = "chunk" if self._mode == "chunk data" else "head"

    def _read_chunk_line(self, items: list[Item]) -> bool:
        """True if the line before a chunk, or the end of the last one, was read."""
        buffer = self._buffer.removeprefix(b"\r\n")
        end = buffer.find(b"\r\n")
        if end < 0:
            return False
        size = buffer[:end].split(b";")[0].strip()
        try:
            length = int(size, 16)
        except ValueError:
            length = 0
        if length:
            self._buffer, self._mode, self._left = buffer[end + 2 :], "chunk data", length
            return True
        last = buffer.find(_END_OF_HEAD, end)
        if last < 0:
            return False
        items.append(Item("body", "the end of the body", 0))
        self._buffer, self._mode = buffer[last + 4 :], "head"
        return True


def _head_text(line: str, fields: dict[str, str]) -> str:
    """The head of a response in words: its status, what it is, how long, and where it leads."""
    parts = [line]
    kind = fields.get("content-type", "")
    if kind:
        parts.append(kind)
    length = fields.get("content-length", "")
    if length.isdigit():
        parts.append(count_of(int(length), "byte"))
    elif "transfer-encoding" in fields:
        parts.append("chunked")
    shown = [name for name in ("location", "sec-websocket-protocol") if name in fields]
    return ", ".join(parts + [f"{name}: {fields[name]}"[:SHOWN_MAX] for name in shown])
