"""Caches of parsed heads: the same function as `parse_headers_only`, faster for bytes seen before.

Theory: clients of an embedded server send the same requests again and again, and a head is a pure
function of its bytes. So the last few hundred results are held by the bytes they came from; and of
heads whose first line differs, the rest, which is the same for all requests of a client.

Rules: bounded in entries (`max_cached_heads`) and in bytes of each (`max_cached_head_len`); a full
cache is cleared. A head with credentials is never cached, only what is left of it without them
(`secret_fields`): secrets do not stay in memory longer than the request. Only what is good is
cached. It does not know connections: one result is shared by all that sent these bytes, which is
safe as it is a value.
"""

from ...core.connection.context import Parse
from ...core.http.fields import parse_header_lines
from ...core.http.head import Head, Parsed, parse_headers_only
from ...core.http.headers import Headers, hold_secret, holds_secret
from ...core.http.secret_fields import parse_around_secret
from ...core.limits import Limits
from ...core.parse_result import Malformed


def holds_credentials(head: Head) -> bool:
    """True if the names of the fields, or the query, suggest a secret."""
    return hold_secret(head.headers) or (bool(head.query) and holds_secret(head.query))


class _LineCache(dict[bytes, Headers | Malformed]):
    """Headers by the bytes of their lines; a look-up of some that are missing parses them."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._limits = limits

    def __missing__(self, block: bytes) -> Headers | Malformed:
        limits = self._limits
        headers = parse_header_lines(block, limits)
        is_kept = len(block) <= limits.max_cached_head_len and limits.max_cached_heads > 0
        if is_kept and isinstance(headers, Headers) and not hold_secret(headers):
            if len(self) >= limits.max_cached_heads:
                self.clear()
            self[block] = headers
        return headers


class _HeadCache(dict[bytes, Parsed]):
    """Parsed heads by their bytes; a look-up of one that is missing parses it."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._limits = limits
        self._parse_lines = _LineCache(limits).__getitem__

    def __missing__(self, data: bytes) -> Parsed:
        limits = self._limits
        parsed: Parsed | None = parse_around_secret(data, self.__getitem__, limits)
        if parsed is not None:
            return parsed
        parsed = parse_headers_only(data, limits, self._parse_lines)
        is_kept = len(data) <= limits.max_cached_head_len and limits.max_cached_heads > 0
        if is_kept and isinstance(parsed, Head) and not holds_credentials(parsed):
            if len(self) >= limits.max_cached_heads:
                self.clear()
            self[data] = parsed
        return parsed


def cached_parser(limits: Limits) -> Parse:
    """A function of bytes equal to `parse_headers_only` under these limits, with a cache of its
    own.
    """
    return _HeadCache(limits).__getitem__
