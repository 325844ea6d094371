"""The header fields of one part of a multipart form (RFC 7578 section 4), and what they say.

Theory: a part is a text field, or it is a file if a file's name is given for it; that, and the name
of the field, stands in its Content-Disposition. A form is text in one charset, and that is UTF-8
since browsers write forms as the pages that they are on.

Rules: names are decoded from the raw bytes in quotes, as browsers send them; `name*` and
`filename*` (RFC 8187), which a form must not have, are read where the plain parameter is missing,
since some libraries send them alone. Percent signs are left as they are: a browser writes `%22` for
a quote, and for `%22`. What can be read in two ways is refused: a field that is given twice,
another charset, a coding of the content. `BadInput` says which part it was. It does not know the
content.
"""

import re
from typing import Final, final

from ..value import Value
from .decoding import BadInput, utf8_text
from .fields import BytePair
from .headers import Headers, decode_pairs
from .parameters import Parameters, decode_extended, parse_parameters

UTF8_LABELS: Final = frozenset(("utf-8", "utf8", "us-ascii", "ascii"))
"""Names of charsets whose bytes can be read as UTF-8 (a part of WHATWG Encoding section 4.2)."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_SINGLE: Final = ("content-disposition", "content-type", "content-transfer-encoding")
"""The fields that say what a part is, which may be given once."""
_IDENTITIES: Final = frozenset(("7bit", "8bit", "binary"))
"""Codings that change nothing (RFC 2045 section 6.2)."""


@final
class PartHead(Value):
    """What a part is: the `name` of its field, the `filename` if it is a file, else None, its media
    type, and its header fields.
    """

    __match_args__ = ("name", "filename", "content_type", "headers")
    __slots__ = __match_args__

    def __init__(
        self, name: str, filename: str | None, content_type: str, headers: Headers
    ) -> None:
        self.name: Final = name
        self.filename: Final = filename
        self.content_type: Final = content_type
        self.headers: Final = headers


def parse_part_head(pairs: list[BytePair], number: int) -> PartHead:
    """What the part with this number is, by its header fields; `BadInput` if they do not say so."""
    headers = decode_pairs(pairs)
    for name, value in headers.pairs:
        if _CONTROL.search(value) is not None:
            raise _wrong(number, f"has a control character in its field {name}")
    if len(headers) != len(headers.pairs):
        for name in _SINGLE:
            if len(headers.get_all(name)) > 1:
                raise _wrong(number, f"has more than one field {name}")
    parsed = parse_parameters(headers.get("content-disposition", ""))
    if parsed is None or parsed[0] != "form-data":
        raise _wrong(number, "has no Content-Disposition that is form-data")
    field = _text_of(parsed[1], "name", number)
    if field is None:
        raise _wrong(number, "has no name")
    filename = _text_of(parsed[1], "filename", number)
    coding = headers.get("content-transfer-encoding", "binary").strip(" \t").lower()
    if coding not in _IDENTITIES:
        raise _wrong(number, f"has the content transfer encoding {coding[:40]!r}", 415)
    kind = headers.get("content-type", "").partition(";")[0].strip(" \t").lower()
    if filename is None:
        _check_text(headers.get("content-type", ""), number)
    return PartHead(field, filename, kind, headers)


def field_text(head: PartHead, data: bytes) -> str:
    """The text of a field with this content, which must be UTF-8; `BadInput` if it is not, or if it
    is the field `_charset_` and names another charset (RFC 7578 section 4.6).
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise BadInput(f"the field {head.name!r} of the form is not UTF-8") from error
    if head.name == "_charset_" and text.strip().lower() not in UTF8_LABELS:
        raise BadInput(f"the form is in the charset {text[:40]!r}, and only UTF-8 is read", 415)
    return text


def _wrong(number: int, problem: str, status: int = 400) -> BadInput:
    """The error about a part."""
    return BadInput(f"part {number} of the form {problem}", status)


def _text_of(parameters: Parameters, name: str, number: int) -> str | None:
    """The text of a parameter, given as it is or extended; None if it is not given."""
    plain = parameters.get(name)
    if plain is not None:
        return utf8_text(plain)
    extended = parameters.get(f"{name}*")
    if extended is None:
        return None
    text = decode_extended(extended)
    if text is None:
        raise _wrong(number, f"has a parameter {name}* that is not one of RFC 8187 in UTF-8")
    return text


def _check_text(content_type: str, number: int) -> None:
    """`BadInput` for the content type of a field that is no text in UTF-8."""
    if not content_type:
        return
    parsed = parse_parameters(content_type)
    if parsed is None:
        raise _wrong(number, "has a malformed Content-Type")
    kind, parameters = parsed
    if kind.startswith("multipart/"):
        raise _wrong(number, "holds other parts, which is obsolete (RFC 7578 section 4.3)", 415)
    charset = parameters.get("charset", "utf-8").lower()
    if charset not in UTF8_LABELS:
        raise _wrong(number, f"is in the charset {charset[:40]!r}, and only UTF-8 is read", 415)
