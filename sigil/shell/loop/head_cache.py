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
from ...core.http.head import (
    FieldSection,
    Head,
    Parsed,
    ParsedSection,
    parse_field_section,
    parse_headers_only,
)
from ...core.http.headers import hold_secret, holds_secret
from ...core.http.secret_fields import parse_around_secret
from ...core.limits import Limits


def holds_credentials(head: Head) -> bool:
    """True if the names of the fields, or the query, suggest a secret."""
    return hold_secret(head.headers) or (bool(head.query) and holds_secret(head.query))


class _SectionCache(dict[tuple[bytes, int], ParsedSection]):
    """Field sections by their lines and the version; a look-up of one that is missing parses it."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._limits = limits

    def __missing__(self, lines: tuple[bytes, int]) -> ParsedSection:
        limits = self._limits
        section = parse_field_section(lines, limits)
        is_kept = len(lines[0]) <= limits.max_cached_head_len and limits.max_cached_heads > 0
        if is_kept and isinstance(section, FieldSection) and not hold_secret(section.headers):
            if len(self) >= limits.max_cached_heads:
                self.clear()
            self[lines] = section
        return section


class _HeadCache(dict[bytes, Parsed]):
    """Parsed heads by their bytes; a look-up of one that is missing parses it."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._limits = limits
        self._parse_section = _SectionCache(limits).__getitem__

    def __missing__(self, data: bytes) -> Parsed:
        limits = self._limits
        parsed: Parsed | None = parse_around_secret(data, self.__getitem__, limits)
        if parsed is not None:
            return parsed
        parsed = parse_headers_only(data, limits, self._parse_section)
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
