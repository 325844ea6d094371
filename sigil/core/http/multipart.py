"""The body of a request as a form: urlencoded, or multipart/form-data (RFC 7578).

Theory: a form is a pure function of a body, of the content type that it is declared as, and of
bounds. The urlencoded ones are a text (WHATWG URL section 5.1); the multipart ones are bytes
between boundaries, which a parser finds (`part_scanner`).

Rules: what is wrong is `BadInput` with a sentence: 415 for what is declared as no form, or is in
another charset than UTF-8, 413 and 431 for what is too long, 400 for the rest. What is found is
copied out of the body once, so that a file that is kept does not keep the body. The input of a file
that a browser's user has left empty comes as a file without name and content, and is no file. It
does not know requests.
"""

import re
from typing import Final

from .decoding import BadInput, DecodingBounds, parse_pairs
from .form import Form, FormFile
from .headers import Pair
from .parameters import parse_parameters
from .part_head import PartHead, field_text
from .part_scanner import WINDOW_LEN, PartScanner

URLENCODED: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"

_BOUNDARY: Final = re.compile(r"[!-~](?:[ -~]{0,68}[!-~])?")
"""A boundary (RFC 2046 section 5.1.1): up to 70 characters, and more kinds of them than there."""


def form_type(content_type: str) -> str:
    """The media type of a Content-Type that is one of a form; `BadInput` with 415 if it is none."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in (URLENCODED, MULTIPART):
        raise BadInput(f"the body is not declared as {URLENCODED} or {MULTIPART}", 415)
    return kind


def boundary_of(content_type: str) -> bytes:
    """The boundary in the Content-Type of a multipart form; `BadInput` if there is none."""
    parsed = parse_parameters(content_type)
    boundary = None if parsed is None else parsed[1].get("boundary")
    if boundary is None:
        raise BadInput("the Content-Type of the form has no boundary")
    if _BOUNDARY.fullmatch(boundary) is None:
        raise BadInput("the boundary of the form is not one of 1 to 70 characters (RFC 2046)")
    return boundary.encode()


def parse_form(body: bytes, content_type: str, bounds: DecodingBounds) -> Form:
    """The form in a body that is declared as this content type."""
    if form_type(content_type) == MULTIPART:
        return parse_multipart(body, boundary_of(content_type), bounds)
    return parse_urlencoded(body, bounds)


def parse_urlencoded(body: bytes, bounds: DecodingBounds) -> Form:
    """The form in an urlencoded body, which has no files."""
    check_form_len(len(body), bounds)
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise BadInput("the body is not UTF-8") from error
    return Form(parse_pairs(text, bounds.max_form_fields), ())


def check_form_len(length: int, bounds: DecodingBounds) -> None:
    """`BadInput` for an urlencoded body of more bytes than a form may have."""
    if length > bounds.max_form_len:
        raise BadInput(f"the form is longer than {bounds.max_form_len} bytes", 413)


def parse_multipart(body: bytes, boundary: bytes, bounds: DecodingBounds) -> Form:
    """The form in a multipart body with this boundary."""
    scanner = PartScanner(boundary, bounds)
    fields: list[Pair] = []
    files: list[FormFile] = []
    head: PartHead | None = None
    start = end = 0
    for window in range(0, len(body), WINDOW_LEN):
        for item in scanner.scan(body[window : window + WINDOW_LEN]):
            if isinstance(item, PartHead):
                head, start, end = item, 0, 0
            elif item is not None:
                start = item.position if start == end else start
                end = item.position + item.end - item.start
            elif head is not None:
                data = body[start:end]
                if head.filename is None:
                    fields.append((head.name, field_text(head, data)))
                elif head.filename or data:
                    files.append(
                        FormFile(head.name, head.filename, head.content_type, head.headers, data)
                    )
    scanner.finish()
    return Form(tuple(fields), tuple(files))
