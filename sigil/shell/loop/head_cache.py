"""A parser that remembers: the same function as `parse_headers_only`, faster for bytes it has seen.

Theory: clients of an embedded server ask the same thing again and again, and a head is a pure
function of its bytes. So the last few hundred results are kept by the bytes they came from.

Rules: bounded in entries and in bytes of each; a full memory is emptied. A head with credentials is
never kept: secrets do not stay in memory longer than the request. Only good heads are kept. It does
not know connections: what it returns is shared by all that sent these bytes, which is safe as it is
a value.
"""

import re

from ...core.connection.context import Parse
from ...core.http.head import Head, Parsed, parse_headers_only
from ...core.limits import Limits

_SECRET = re.compile(
    rb"auth|cookie|token|key|secret|session|passw|sig|code=|sec-websocket-protocol", re.IGNORECASE
)
"""What the name of a field or of a query parameter contains if its value may be a secret."""


def holds_credentials(head: Head) -> bool:
    """True if the names of the fields, or the query, suggest a secret."""
    return (
        _SECRET.search("\n".join((head.query, *head.headers.combined)).encode("latin-1"))
        is not None
    )


class _HeadCache(dict[bytes, Parsed]):
    """Parsed heads by their bytes; asking for one that is missing parses it."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._limits = limits

    def __missing__(self, data: bytes) -> Parsed:
        limits = self._limits
        parsed = parse_headers_only(data, limits)
        if (
            type(parsed) is Head
            and len(data) <= limits.max_cached_head_len
            and limits.max_cached_heads
            and not holds_credentials(parsed)
        ):
            if len(self) >= limits.max_cached_heads:
                self.clear()
            self[data] = parsed
        return parsed


def cached_parser(limits: Limits) -> Parse:
    """A function of bytes equal to `parse_headers_only` under these limits, with a memory of its
    own.
    """
    return _HeadCache(limits).__getitem__
