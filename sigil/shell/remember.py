"""A parser that remembers: the same function as `parse_headers_only`, faster for bytes it has seen.

Theory: clients of an embedded server ask the same thing again and again, and a head is a pure function of its bytes.
So the last few hundred results are kept by the bytes they came from.

Rules: bounded in entries and in bytes of each; the oldest goes first.  A head that carries credentials is never kept:
secrets do not stay in memory longer than the request.  Only good heads are kept.
It does not know connections: what it returns is shared by all that sent these bytes, which is safe as it is a value.
"""

import re

from ..core.client import Parse
from ..core.head import Head, Parsed, parse_headers_only
from ..core.limits import Limits

_CREDENTIALS = re.compile(rb"\r\n[^:\r\n]*(?:auth|cookie|token|key|secret|session)[^:\r\n]*:", re.IGNORECASE)
"""Field names that suggest a secret in the value."""


class _Memory(dict[bytes, Parsed]):
    """Parsed heads by their bytes; asking for one that is missing parses it."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._limits = limits

    def __missing__(self, data: bytes) -> Parsed:
        limits = self._limits
        parsed = parse_headers_only(data, limits)
        if isinstance(parsed, Head) and is_worth_keeping(data, limits):
            if len(self) >= limits.max_remembered_heads:
                del self[next(iter(self))]
            self[data] = parsed
        return parsed


def remembering_parser(limits: Limits) -> Parse:
    """A function of bytes equal to `parse_headers_only` under these limits, with a memory of its own."""
    return _Memory(limits).__getitem__


def is_worth_keeping(data: bytes, limits: Limits) -> bool:
    """True for a head that may be kept: short, and without anything that looks like a secret."""
    return len(data) <= limits.max_remembered_len and _CREDENTIALS.search(data) is None
