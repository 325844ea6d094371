"""A form that is parsed while it comes: text fields in memory, files on disk above a bound.

    reader = FormReader(request.headers.get("content-type", ""), request.bounds)
    with reader:
        for chunk in chunks:
            reader.feed(chunk)
        form = reader.finish()
        form.files[0].save(folder / form.files[0].safe_filename)

Theory: a form of a gigabyte has kilobytes of text, and files that somebody will copy away. The
parts come one behind the other, so the contents of all files are appended to one spool, and each
file is a section of it: a form costs one descriptor, however many files it has, and `spool_len`
bytes of memory. The spool is a file without a name, which is gone when the program is.

Rules: the same bytes in pieces of whatever length give what `Request.form_data` gives of the whole.
What is wrong is `BadInput`, as there; what the disk has against it (it is full) is the OSError that
it is. Either removes what was spooled, as `close` does. A call to `feed` writes its bytes to the
disk before it returns. It does not know where the bytes come from, nor a loop.
"""

import io
import os
import shutil
import tempfile
from types import TracebackType
from typing import Any, Final, NamedTuple, Self, TypeAlias

from ...core.http.decoding import DEFAULT_BOUNDS, BadInput, DecodingBounds
from ...core.http.form import safe_filename
from ...core.http.headers import Headers, Pair, Pairs
from ...core.http.multipart import (
    MULTIPART,
    boundary_of,
    check_form_len,
    form_type,
    parse_urlencoded,
)
from ...core.http.part_head import PartHead, field_text
from ...core.http.part_scanner import WINDOW_LEN, PartScanner, Piece

SPOOL_LEN: Final = 2**18
"""Bytes of the files of a form that are kept in memory, if nobody says otherwise: small ones need
no disk.
"""
_COPY_LEN: Final = 2**20

Path: TypeAlias = str | os.PathLike[str]


class Spool:
    """Bytes that are appended, in memory up to `memory_len`, and in a file beyond."""

    def __init__(self, memory_len: int, folder: Path | None) -> None:
        self._memory_len = memory_len
        self._folder = folder
        self._memory = bytearray()
        self._file: Any = None
        self.length = 0
        self.is_closed = False

    @property
    def is_on_disk(self) -> bool:
        """True if there is a file."""
        return self._file is not None

    def append(self, data: memoryview) -> None:
        """Append bytes; OSError if the disk has no room for them."""
        length = len(data)
        if self._file is None:
            if self.length + length <= self._memory_len:
                self._memory += data
                self.length += length
                return
            self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
            self._write(memoryview(bytes(self._memory)))
            self._memory = bytearray()
        self._write(data)
        self.length += length

    def _write(self, data: memoryview) -> None:
        while data:
            data = data[self._file.write(data) :]

    def read(self, position: int, length: int) -> bytes:
        """Up to so many bytes from a position; ValueError if the spool is closed."""
        if self.is_closed:
            raise ValueError("the files of this form were removed")
        if self._file is None:
            return bytes(self._memory[position : position + length])
        return os.pread(self._file.fileno(), length, position)

    def close(self) -> None:
        """Remove the bytes."""
        self.is_closed = True
        self._memory = bytearray()
        if self._file is not None:
            self._file.close()


class _Section(io.RawIOBase):
    """A part of a spool as a file."""

    def __init__(self, spool: Spool, start: int, length: int) -> None:
        self._spool = spool
        self._start = start
        self._length = length
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        wanted = max(0, min(len(view), self._length - self._at))
        data = self._spool.read(self._start + self._at, wanted)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length}[whence]
        if base + offset < 0:
            raise ValueError(f"there is no position {base + offset} in a file")
        self._at = base + offset
        return self._at


class SpooledFile:
    """A file that was sent with a form: `name`, `filename`, `content_type` and `headers` are those
    of `FormFile`, `length` is that of its content, and `file` its content as a file that is read.
    """

    def __init__(self, head: PartHead, spool: Spool, start: int, length: int) -> None:
        self.name: str = head.name
        self.filename: str = head.filename or ""
        self.content_type: str = head.content_type
        self.headers: Headers = head.headers
        self.length: int = length
        self.file: io.BufferedReader = io.BufferedReader(_Section(spool, start, length))

    @property
    def safe_filename(self) -> str:
        """`safe_filename(filename)`: a name for a file in a folder of yours."""
        return safe_filename(self.filename)

    def read(self) -> bytes:
        """The whole content."""
        self.file.seek(0)
        return self.file.read()

    def save(self, path: Path, *, overwrite: bool = False) -> None:
        """Copy the content into a new file; FileExistsError if there is one and it is not to be
        overwritten.
        """
        self.file.seek(0)
        with open(path, "wb" if overwrite else "xb") as target:
            shutil.copyfileobj(self.file, target, _COPY_LEN)

    def __repr__(self) -> str:
        return f"SpooledFile({self.name!r}, {self.filename!r}, {self.length} bytes)"


class SpooledForm(NamedTuple):
    """A form whose files are spooled: `fields` are (name, text) pairs, both are in order. The files
    can be read until the reader is closed.
    """

    fields: Pairs
    files: tuple[SpooledFile, ...]


class FormReader:
    """Reads one form, multipart or urlencoded, whose body comes in pieces."""

    def __init__(
        self,
        content_type: str | None,
        bounds: DecodingBounds = DEFAULT_BOUNDS,
        *,
        spool_len: int = SPOOL_LEN,
        max_len: int | None = None,
        dir: Path | None = None,
    ) -> None:
        """For a body of this Content-Type; `BadInput` with 415 if it is no form, or there is none.

        `spool_len` bytes of the files are kept in memory, the others in a file in the folder `dir`
        (where `tempfile` puts them, if None). A body of more than `max_len` bytes is refused with
        413.
        """
        for name, number in (("spool_len", spool_len), ("max_len", max_len or 0)):
            if type(number) is not int or number < 0:
                raise ValueError(f"{name} is a number of bytes, not {number!r}")
        content_type = content_type or ""
        self._bounds = bounds
        self._max_len = max_len
        self._length = 0
        self._text = bytearray()
        """Text that is not complete: an urlencoded form, or the field that has begun."""
        self._scanner: PartScanner | None = None
        if form_type(content_type) == MULTIPART:
            self._scanner = PartScanner(boundary_of(content_type), bounds)
        self._spool = Spool(spool_len, dir)
        self._head: PartHead | None = None
        self._start = 0
        """Where in the spool the file begins that has begun."""
        self._fields: list[Pair] = []
        self._files: list[SpooledFile] = []
        self._is_open = True

    def feed(self, chunk: bytes | bytearray | memoryview) -> None:
        """Take the next bytes of the body."""
        self._check_open()
        if not isinstance(chunk, bytes | bytearray | memoryview):
            raise TypeError(f"a piece of a body is bytes, not {type(chunk).__name__}")
        chunk = bytes(chunk)  # which is the object itself if it is one
        try:
            self._length += len(chunk)
            if self._max_len is not None and self._length > self._max_len:
                raise BadInput(f"the form is longer than {self._max_len} bytes", 413)
            if self._scanner is not None:
                self._take(self._scanner, chunk)
            else:
                check_form_len(self._length, self._bounds)
                self._text += chunk
        except BaseException:
            self.close()
            raise

    def finish(self) -> SpooledForm:
        """The form, when all of the body was taken."""
        self._check_open()
        self._is_open = False
        try:
            if self._scanner is None:
                return SpooledForm(parse_urlencoded(bytes(self._text), self._bounds).fields, ())
            self._scanner.finish()
        except BaseException:
            self.close()
            raise
        return SpooledForm(tuple(self._fields), tuple(self._files))

    def close(self) -> None:
        """Remove what was spooled. May be called at any time, and more than once."""
        self._is_open = False
        self._text = bytearray()
        self._spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _check_open(self) -> None:
        if not self._is_open:
            raise ValueError("the form is complete, or was given up: it takes no more bytes")

    def _take(self, scanner: PartScanner, chunk: bytes) -> None:
        """Take bytes of a multipart form."""
        for start in range(0, len(chunk), WINDOW_LEN):
            for item in scanner.scan(chunk[start : start + WINDOW_LEN]):
                if isinstance(item, PartHead):
                    self._head, self._start = item, self._spool.length
                elif item is None:
                    self._end_part()
                else:
                    self._take_piece(item)

    def _take_piece(self, piece: Piece) -> None:
        """Take content of the part that has begun."""
        data = memoryview(piece.data)[piece.start : piece.end]
        if self._head is not None and self._head.filename is not None:
            self._spool.append(data)
        else:
            self._text += data

    def _end_part(self) -> None:
        """The part that has begun is complete."""
        head = self._head
        assert head is not None
        length = self._spool.length - self._start
        if head.filename is None:
            self._fields.append((head.name, field_text(head, bytes(self._text))))
            self._text = bytearray()
        elif head.filename or length:
            self._files.append(SpooledFile(head, self._spool, self._start, length))
        self._head = None
