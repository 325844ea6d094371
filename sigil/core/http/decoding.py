"""What clients write into requests, decoded: forms, queries, cookies and JSON, within bounds.

Theory: what is decoded here goes out again sooner or later, in a page, a message, an event or a log
line, and perhaps to somebody else. So a value that could not be sent again is refused on its way
in, while it is known whose fault it is: every str that comes from here can be encoded as UTF-8, and
every value that `parse_json` returns can be written as JSON.

Rules: what is wrong is `BadInput` with a sentence for the client, and nothing else is raised. The
memory that decoding takes is in proportion to the text, whatever is in it, and the number of fields
is bounded. Bytes that should be
UTF-8 and are not become U+FFFD in fields, where one bad byte should not cost the request, and are
an error in JSON. It does not know requests.
"""

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from math import isinf
from typing import Any, Final, NamedTuple, NoReturn
from urllib.parse import unquote_to_bytes

from ..limits import Limits
from .headers import Pair, Pairs

_PIECE_LEN: Final = 4_096
"""Escapes are decoded so many bytes at a time: `unquote_to_bytes` takes some 80 times the memory of
its argument.
"""

_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89abAB]|\\u[dD][c-fC-F]")
"""An escape that may be half of a surrogate pair."""


class BadInput(ValueError):
    """The client sent what the handler cannot use; unless the handler catches it, the response has
    `status` and the message as its text.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        """`status` is one from 400 to 499; ValueError if it is not."""
        if type(status) is not int or not 400 <= status <= 499:
            raise ValueError(f"{status} is not the status of a client's error (400 to 499)")
        super().__init__(message)
        self.status = status


class DecodingBounds(NamedTuple):
    """The fields of `Limits` that bound what is decoded; every request has them with it."""

    max_form_len: int
    max_form_fields: int
    max_form_files: int
    max_part_headers: int
    max_part_header_len: int
    max_json_depth: int


_remembered_bounds = lru_cache(maxsize=64)(DecodingBounds)


def decoding_bounds(limits: Limits) -> DecodingBounds:
    """The bounds in these limits; the same record for the same bounds."""
    return _remembered_bounds(
        limits.max_form_len,
        limits.max_form_fields,
        limits.max_form_files,
        limits.max_part_headers,
        limits.max_part_header_len,
        limits.max_json_depth,
    )


DEFAULT_BOUNDS: Final = decoding_bounds(Limits())


# -- fields ----------------------------------------------------------------------------------------


def parse_pairs(text: str, max_fields: int) -> Pairs:
    """The (name, value) pairs of text like `a=1&b=2` in order, decoded, blank values kept (WHATWG
    URL section 5.1); `BadInput` for more than `max_fields`.
    """
    _check_count(text.count("&") + 1, max_fields)
    pairs: list[Pair] = []
    for part in text.split("&"):
        if part:
            name, _, value = part.partition("=")
            pairs.append((_decode_component(name), _decode_component(value)))
    return tuple(pairs)


def parse_cookies(field: str, max_fields: int) -> dict[str, str]:
    """The cookies of a Cookie field by name (RFC 6265 section 5.4), of several of one name the
    first; `BadInput` for more than `max_fields`.
    """
    _check_count(field.count(";") + 1, max_fields)
    cookies: dict[str, str] = {}
    for part in utf8_text(field).split(";"):
        name, equals, value = part.strip().partition("=")
        if equals and name:
            cookies.setdefault(name.strip(), _unquote_cookie(value.strip()))
    return cookies


def utf8_text(value: str) -> str:
    """A field value whose bytes are UTF-8 by its standard, or by what browsers do: a Cookie, a
    Last-Event-ID. U+FFFD stands for what is not.
    """
    if value.isascii():
        return value
    return value.encode("latin-1", "replace").decode("utf-8", "replace")


def _check_count(count: int, max_fields: int) -> None:
    """`BadInput` for more fields than a request may have."""
    if count > max_fields:
        raise BadInput(f"more than {max_fields} fields")


def _decode_component(text: str) -> str:
    """A name or a value without its escapes; `+` is a space."""
    text = text.replace("+", " ")
    if "%" not in text:
        return text
    pieces = _split_between_escapes(text.encode())
    return b"".join([unquote_to_bytes(piece) for piece in pieces]).decode("utf-8", "replace")


def _split_between_escapes(data: bytes) -> Iterable[bytes]:
    """The data in pieces of about `_PIECE_LEN` bytes, none of which ends within an escape."""
    start = 0
    while start < len(data):
        end = start + _PIECE_LEN
        escape = data.find(b"%", end - 2, end)
        end = end if escape < 0 else escape + 3
        yield data[start:end]
        start = end


def _unquote_cookie(value: str) -> str:
    """A cookie value without the quotes around it, if there are any."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


# -- JSON ------------------------------------------------------------------------------------------


def parse_json(body: bytes, max_depth: int) -> Any:
    """The value of a JSON text in UTF-8 (RFC 8259), of at most `max_depth` arrays and objects one
    within the other.

    `BadInput` for anything else, and for what I-JSON (RFC 7493 sections 2.1 and 2.2) excludes since
    nobody could be sent it: a number beyond the range of a float, and half of a surrogate pair.
    """
    try:
        text = body.decode("utf-8-sig")
        value = _DECODER.decode(text)
    except UnicodeDecodeError as error:
        raise _not_json("it is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise _not_json(str(error)) from error
    except RecursionError as error:
        raise _too_deep(max_depth) from error
    except BadInput:
        raise
    except ValueError as error:  # Python converts no number that long
        raise _not_json("a number has too many digits") from error
    # a text with so few brackets cannot be deeper, whichever of them are within strings
    if text.count("[") + text.count("{") > max_depth and _is_deeper(value, max_depth):
        raise _too_deep(max_depth)
    if _SURROGATE_ESCAPE.search(text) is not None:
        _check_surrogates(value)
    return value


def _not_json(problem: str) -> BadInput:
    """The error for a body that is no JSON, or none that could be sent again."""
    return BadInput(f"the body is not JSON: {problem}")


def _too_deep(max_depth: int) -> BadInput:
    """The error for a value that is nested too deeply."""
    return _not_json(f"more than {max_depth} arrays and objects are within each other")


def _finite(digits: str) -> float:
    """The number that these digits are; `BadInput` for one beyond the range of a float."""
    number = float(digits)
    if isinf(number):
        raise _not_json(f"{digits[:20]} is beyond the range of a float")
    return number


def _refuse_constant(name: str) -> NoReturn:
    """`BadInput` for a name that JavaScript knows as a number, and JSON does not."""
    raise _not_json(f"{name} is no number there")


_DECODER: Final = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse_constant)


def _is_deeper(value: Any, max_depth: int) -> bool:
    """True if the value has more than `max_depth` arrays and objects within each other."""
    level = [value] if isinstance(value, list | dict) else []
    for _ in range(max_depth):
        level = [
            item
            for container in level
            for item in (container.values() if isinstance(container, dict) else container)
            if isinstance(item, list | dict)
        ]
        if not level:
            return False
    return bool(level)


def _check_surrogates(value: Any) -> None:
    """`BadInput` if a text in the value has half of a surrogate pair, which is no character."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise _not_json("half of a surrogate pair is no character") from error
