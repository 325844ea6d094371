"""Tokens and lists, the two small grammars that many header fields are made of (RFC 9110 section
5.6).

Theory: a method, a field name, a transfer coding, the name of a chunk extension and that of a
WebSocket extension are all the same thing, a token. So the grammar of a token stands here, once,
as the source of patterns over `str` and over `bytes`.

Rules: a token is not empty, and what is compared without regard to case is lower-cased here. It
does not know which field a value belongs to.
"""

import re
from typing import Final

TOKEN_CHAR: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
"""The pattern of one character of a token (`tchar`, RFC 9110 section 5.6.2), for larger patterns.
"""

TOKEN: Final = re.compile(f"{TOKEN_CHAR}+")
"""The pattern of a token in text."""

TOKEN_CHAR_BYTES: Final = TOKEN_CHAR.encode()
"""`TOKEN_CHAR` for patterns over bytes."""

TOKEN_BYTES: Final = re.compile(TOKEN_CHAR_BYTES + b"+")
"""The pattern of a token in bytes."""


def parse_list(value: str) -> list[str]:
    """The lower-case members of a comma-separated list (RFC 9110 section 5.6.1)."""
    return split_list(value.lower())


def split_list(value: str) -> list[str]:
    """The members of a comma-separated list as they are spelled, empty ones left out (RFC 9110
    section 5.6.1).
    """
    members = [member.strip(" \t") for member in value.split(",")]
    return [member for member in members if member]
