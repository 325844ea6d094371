"""A multipart body, piece by piece: where its parts begin, what they hold, and where they end.

Theory: `python-multipart` finds the boundaries, and reports what it finds by calling. What it
reports is gathered here into a list, so that a whole body and one that comes in pieces are read by
the same steps, and both are told in the order of the bytes what is wrong.

What it leaves open is settled here. What stands before the first boundary (RFC 2046 section
5.1.1) is the content of a part that the scanner begins itself, and drops. Some bytes are looked at
one by one by the parser, which takes a hundred times as long as to look for a boundary: the blanks
behind one and before the value of a header, and what only looks like a boundary. So these are
counted first.

Rules: a scanner lives as long as one body is read, and is in no record. What is wrong is
`BadInput`; which of two faults is found first may depend on how the body was cut. It does not know
what becomes of a part.
"""

from typing import Any, Final, TypeAlias, final

from ..value import Value
from .decoding import BadInput, DecodingBounds
from .fields import BytePair
from .part_head import PartHead, parse_part_head

WINDOW_LEN: Final = 131_072
"""Bytes that are scanned at once: so few that they are still in the cache when they are scanned for
the second time.
"""
BLANKS_MAX: Final = 16
"""Blanks behind a boundary, or before a header's value: nobody sends more than one."""
_BLANKS: Final = b" " * (BLANKS_MAX + 1)
_TOO_MANY: Final = "the form has too many boundaries"
_TOO_BLANK: Final = f"a boundary of the form has more than {BLANKS_MAX} blanks behind it"

MISSING: Final = (
    "a multipart form is parsed by the package python-multipart, which is not installed: "
    "pip install 'sigil-http[forms]'"
)


@final
class Piece(Value):
    """Content of the part that has begun: the bytes of `data` from `start` to `end`, which are
    those of the body from `position` on.
    """

    __match_args__ = ("data", "start", "end", "position")
    __slots__ = __match_args__

    def __init__(self, data: bytes, start: int, end: int, position: int) -> None:
        self.data: Final = data
        self.start: Final = start
        self.end: Final = end
        self.position: Final = position


Scanned: TypeAlias = PartHead | Piece | None
"""What is found in a body: a part begins, goes on, and, with None, ends."""


@final
class PartScanner:
    """The state of reading one body; made by its boundary."""

    def __init__(self, boundary: bytes, bounds: DecodingBounds) -> None:
        self._delimiter: bytes = b"\r\n--" + boundary
        self._bounds: DecodingBounds = bounds
        self._delimiters_max: int = bounds.max_form_fields + bounds.max_form_files + 2
        self._delimiter_count: int = 0
        self._not_judged: bytes = b"\r\n"
        self._position: int = 0
        """Where in the body the window begins that is scanned."""
        self._window: bytes = b""
        self._found: list[Scanned] = []
        self._head: PartHead | None = None
        self._in_headers: bool = False
        self._part_count: int = 0
        self._field_count: int = 0
        self._file_count: int = 0
        self._files_len: int = 0
        """Bytes of the contents of files so far."""
        self._pairs: list[BytePair] = []
        self._header_count: int = 0
        self._name: bytes = b""
        self._value: bytes = b""
        self._blanks: int = -1
        """Blanks before the value that has not begun; -1 if none is to begin."""
        self.has_ended: bool = False
        """True behind the last boundary: what comes then is dropped."""
        self._parser: Any = _make_parser(boundary, bounds)
        self._parser.callbacks = {
            "on_part_begin": self._on_part_begin,
            "on_header_begin": self._on_header_begin,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }

    def scan(self, data: bytes) -> list[Scanned]:
        """What is found in the next bytes of the body, best no more than `WINDOW_LEN` at once."""
        if not self.has_ended and data:
            try:
                self._scan_window(data)
            finally:
                found, self._found, self._window = self._found, [], b""
            return found
        return []

    def finish(self) -> None:
        """`BadInput` if the body ends before its last boundary."""
        self._parser.callbacks = {}  # which refer back to this
        if not self.has_ended:
            what = "ends before its last boundary" if self._part_count else "has no boundary"
            raise BadInput(f"the body of the form {what}")

    # -- one window --------------------------------------------------------------------------------

    def _scan_window(self, window: bytes) -> None:
        """Scan some bytes, up to the first that takes too long."""
        place, problem = self._judge(window)
        if problem:
            window = window[:place]
        self._window = window
        if self._blanks >= 0:
            self._count_blanks(window, 0)
        try:
            self._parser.write(window)
        except BadInput:
            raise
        except ValueError as error:
            raise self._malformed(str(error)) from error
        self._position += len(window)
        if problem and not self.has_ended:
            raise BadInput(problem)
        if self.has_ended and not problem:
            self._judge_rest()

    def _judge(self, window: bytes) -> tuple[int, str]:
        """How much of the window may be scanned, and what is wrong behind that; or empty."""
        delimiter = self._delimiter
        text = self._not_judged + window
        before, length = len(self._not_judged), len(delimiter)
        last = len(text) - length - len(_BLANKS)
        at = 0
        while True:
            place = text.find(delimiter, at)
            if place < 0 or place > last:
                self._not_judged = text[max(at, last + 1) :]
                return len(window), ""
            at = place + length
            if text.startswith(b"--", at):  # the last one: nobody looks at what is behind it
                self._not_judged = b""
                return len(window), ""
            self._delimiter_count += 1
            if self._delimiter_count > self._delimiters_max:
                return max(0, place - before), _TOO_MANY
            if text[at] in b" \t" and not text[at : at + len(_BLANKS)].strip(b" \t"):
                return max(0, place - before), _TOO_BLANK

    def _judge_rest(self) -> None:
        """`BadInput` for too many boundaries, with those that came just before the last one."""
        rest = self._not_judged.partition(self._delimiter + b"--")[0]
        if self._delimiter_count + rest.count(self._delimiter) > self._delimiters_max:
            raise BadInput(_TOO_MANY)

    def _malformed(self, problem: str) -> BadInput:
        """The error for what the parser refuses, whose words are not for a client."""
        if not self._in_headers:
            return BadInput("a boundary of the form is not followed by a line end")
        if "size" in problem:
            return self._long_header()
        return BadInput(f"part {self._part_count} of the form has a malformed header")

    def _long_header(self) -> BadInput:
        """The error for a header line that is too long."""
        most = self._bounds.max_part_header_len
        return BadInput(
            f"part {self._part_count} of the form has a header of more than {most} bytes", 431
        )

    def _check_len(self, position: int) -> None:
        """`BadInput` if what is no content of files is too long, up to this place in the body."""
        if position - self._files_len > self._bounds.max_form_len:
            raise BadInput(
                f"the form has more than {self._bounds.max_form_len} bytes beside its files", 413
            )

    # -- what the parser calls ---------------------------------------------------------------------

    def _on_part_begin(self) -> None:
        self._part_count += 1
        self._in_headers = True
        self._header_count = 0
        self._pairs = []

    def _on_header_begin(self) -> None:
        self._header_count += 1
        most = self._bounds.max_part_headers
        if self._header_count > most:
            raise BadInput(f"part {self._part_count} of the form has more than {most} headers", 431)

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._check_len(self._position + start)
        self._name += data[start:end]
        if end < len(data):  # the colon
            self._blanks = 0
            self._count_blanks(data, end + 1)

    def _count_blanks(self, data: bytes, start: int) -> None:
        """Count the blanks before a value, which begin or go on here."""
        blanks = data[start : start + len(_BLANKS)]
        self._blanks += len(blanks) - len(blanks.lstrip(b" "))
        if self._blanks > BLANKS_MAX:
            raise BadInput(f"part {self._part_count} of the form has a malformed header")

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._blanks = -1
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._blanks = -1
        self._pairs.append((self._name, self._value))
        self._name = self._value = b""

    def _on_headers_finished(self) -> None:
        self._in_headers = False
        head = parse_part_head(self._pairs, self._part_count)
        if head.filename is None:
            self._field_count += 1
            if self._field_count > self._bounds.max_form_fields:
                raise BadInput(f"more than {self._bounds.max_form_fields} fields")
        else:
            self._file_count += 1
            if self._file_count > self._bounds.max_form_files:
                raise BadInput(f"the form has more than {self._bounds.max_form_files} files")
        self._head = head
        self._found.append(head)

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        # What looked like a boundary at the end of a window is given back from another buffer.
        is_given_back = data is not self._window
        position = self._position + (start - end if is_given_back else start)
        length = end - start
        if self._head is not None and self._head.filename is not None:
            self._files_len += length
        else:
            self._check_len(position + length)
        if self._head is not None:
            self._found.append(Piece(data, start, end, position))

    def _on_part_end(self) -> None:
        if self._head is not None:
            self._found.append(None)
            self._head = None

    def _on_end(self) -> None:
        self.has_ended = True


@final
class _Silence:
    """A logger of nothing: what a stranger sends is no event for the log of a library."""

    def warning(self, *message: object) -> None:
        """Drop a message."""


def _make_parser(boundary: bytes, bounds: DecodingBounds) -> Any:
    """A parser within the first part, which has no headers and holds what stands before the first
    boundary; ModuleNotFoundError with a sentence if there is none.
    """
    try:
        from python_multipart.multipart import MultipartParser
    except ImportError as error:
        raise ModuleNotFoundError(MISSING, name="python_multipart") from error
    parser: Any = MultipartParser(
        boundary,
        max_header_count=bounds.max_part_headers + 1,
        max_header_size=bounds.max_part_header_len,
    )
    parser.logger = _Silence()
    parser.write(b"--" + boundary + b"\r\n\r\n")
    parser.write(b"\r\n")
    return parser
