"""Parameters behind the value of a field: `form-data; name="a"`, `text/plain; charset=utf-8`.

Theory: Content-Type and Content-Disposition are a word and parameters (RFC 9110 section 5.6.6).
What clients write into the quotes is not always what the grammar says: browsers leave a backslash
as it is, so that the name of a file that ends in one ends in a backslash and a quote. Where the
grammar finds no last quote, it is the first that stands before a semicolon or at the end.

Rules: names and the word are lower-case. A parameter that is given twice has no value that everyone
would agree on, so the field is malformed. A backslash escapes a quote and a backslash: before
anything else it is one, as in the paths that some clients send. It does not know which field a
value belongs to.
"""

import re
from typing import Final, TypeAlias
from urllib.parse import unquote_to_bytes

from .tokens import TOKEN_CHAR

Parameters: TypeAlias = dict[str, str]

_END: Final = r"(?=[ \t]*(?:;|\Z))"
_PARAMETER: Final = re.compile(
    r"[ \t]*;[ \t]*"
    rf"(?:({TOKEN_CHAR}+)[ \t]*=[ \t]*"
    rf'(?:"([^"\\]*(?:\\.[^"\\]*)*)"{_END}|"([^"]*)"{_END}|([^\s;"]+){_END}))?'
)
"""One parameter with the semicolon before it, or only that; its value is in one of three groups:
quoted, quoted by somebody who does not escape, or plain.
"""
_ESCAPE: Final = re.compile(r'\\(["\\])')
_EXTENDED: Final = re.compile(
    r"utf-8'[^']*'((?:%[0-9a-f]{2}|[^%\s\"'();,<>@\[\]\\])*)", re.IGNORECASE
)


def parse_parameters(value: str) -> tuple[str, Parameters] | None:
    """The word before the first semicolon, and the parameters behind it by name; None if they are
    malformed, or one of them is given twice.
    """
    word = value.partition(";")[0]
    parameters: Parameters = {}
    at = len(word)
    while at < len(value):
        match = _PARAMETER.match(value, at)
        if match is None or (match[1] is None and match.end() == at):
            return None if value[at:].strip(" \t") else (word.strip(" \t").lower(), parameters)
        at = match.end()
        if match[1] is None:
            continue
        name = match[1].lower()
        if name in parameters:
            return None
        parameters[name] = _value_of(match)
    return word.strip(" \t").lower(), parameters


def _value_of(match: re.Match[str]) -> str:
    """The value of a parameter, without its quotes and escapes."""
    quoted: str | None = match[2]
    if quoted is not None:
        return _ESCAPE.sub(r"\1", quoted)
    unescaped: str | None = match[3]
    return match[4] if unescaped is None else unescaped


def decode_extended(value: str) -> str | None:
    """The text of an extended parameter (RFC 8187) in UTF-8, as in `filename*=UTF-8''%E2%82%AC`;
    None for anything else.
    """
    match = _EXTENDED.fullmatch(value)
    if match is None:
        return None
    return unquote_to_bytes(match[1]).decode("utf-8", "replace")
