"""Whether the content of a response is compressed, how, and what its fields say then.

Theory: to compress is to send another representation of the same thing (RFC 9110 section 8.4): it
has a Content-Encoding, depends on Accept-Encoding (`Vary`), and is not the same bytes, so that a
strong entity tag becomes a weak one. Whether that is worth it follows from the type and the length.

Rules: never twice, so nothing that has a Content-Encoding; never a part of something (206,
Content-Range), since the ranges are those of what is not compressed; never where a digest of the
content or `no-transform` says that its bytes are meant; and never what the server itself adds to
while it is sent (events). What is compressed is so whether or not it becomes shorter, since HEAD
must say what GET would. `Vary` is added also to what is sent as it is, if that was for want of an
accepted coding, and to a 304, which says what the 200 would have. It does not compress: contexts
have a state, and stay with the shell.
"""

import re
from typing import Final, NamedTuple

from ..http.bodies import EventStream, StreamedBody, Upgrade
from ..http.headers import Pairs
from ..http.request import Request
from ..http.response import Response, with_body
from ..http.tokens import TOKEN_CHAR, parse_list
from ..http.validate import declared_length, safe_repr
from .conditions import parse_entity_tags
from .fields import field_of, with_fields, with_vary, without_fields
from .negotiation import IDENTITY, choose_coding

TEXT_TYPES: Final = (
    "text/*",
    "application/json",
    "application/javascript",
    "application/xml",
    "application/x-ndjson",
    "application/wasm",
    "image/svg+xml",
    "*/*+json",
    "*/*+xml",
)
"""Media types whose content becomes shorter: texts, in whatever form."""

_PATTERN: Final = re.compile(rf"(?:\*|{TOKEN_CHAR}+)/(?:\*|(?:\*\+)?{TOKEN_CHAR}+)")
_COMPLETE: Final = frozenset((200, 201, 202, 203, 400, 401, 403, 404, 409, 410, 422, 500, 503))
"""Statuses whose content is compressed."""
_NEVER_BESIDE: Final = frozenset(
    ("content-encoding", "content-range", "content-digest", "repr-digest", "digest", "content-md5")
)
_DEPENDENT: Final = ("content-length", "accept-ranges", "etag")
"""Fields that are about the bytes of the content."""


class CompressionRules(NamedTuple):
    """What is compressed: content of at least `min_len` bytes whose type is one of `types`, by one
    of `codings`, the first of those that a client likes as well.
    """

    min_len: int
    types: tuple[str, ...]
    codings: tuple[str, ...]


class CompressionPlan(NamedTuple):
    """A response of which only the content is not compressed yet, and the coding for that, or
    `identity`; the body is as it was.
    """

    response: Response
    coding: str


def check_compression(rules: CompressionRules) -> str | None:
    """None for rules that make sense, or a sentence."""
    min_len: object = rules._asdict()["min_len"]  # of any type: nobody has looked yet
    if type(min_len) is not int or min_len < 0:
        return f"min_len is a number of bytes, 0 or more, not {safe_repr(min_len)}"
    if not rules.codings:
        return "compress needs a coding: gzip or zstd is True"
    if not rules.types:
        return "compress needs media types, such as 'text/*'"
    for pattern in rules.types:
        if not isinstance(pattern, str) or _PATTERN.fullmatch(pattern) is None:
            return (
                f"{safe_repr(pattern)} is no media type: write 'text/css', 'text/*' or "
                "'application/*+json', without parameters"
            )
    return None


def plan_compression(
    request: Request, response: Response, rules: CompressionRules
) -> CompressionPlan:
    """What becomes of a response to this request; a response that is sent as it is may have
    `Accept-Encoding` in its `Vary` all the same.
    """
    if response.status == 304 and not _is_left_alone(response):
        return CompressionPlan(_unchanged(request, response), IDENTITY)
    if not _is_worth_it(request, response, rules):
        return CompressionPlan(response, IDENTITY)
    response = with_vary(response, "Accept-Encoding")
    coding = choose_coding(request.headers.combined.get("accept-encoding"), rules.codings)
    if coding == IDENTITY:
        return CompressionPlan(response, IDENTITY)
    headers = _compressed_fields(response, coding)
    return CompressionPlan(with_body(response, response.body, headers), coding)


def _is_worth_it(request: Request, response: Response, rules: CompressionRules) -> bool:
    """True for content that is compressed for whoever accepts that."""
    if response.status not in _COMPLETE or not _has_content(request, response, rules.min_len):
        return False
    if _is_left_alone(response):
        return False
    return is_type_among(field_of(response, "content-type") or "", rules.types)


def _is_left_alone(response: Response) -> bool:
    """True for what has a field by which its bytes are meant as they are."""
    for name, value in response.headers:
        key = name.lower()
        if key in _NEVER_BESIDE or (key == "cache-control" and "no-transform" in parse_list(value)):
            return True
    return False


def _unchanged(request: Request, response: Response) -> Response:
    """A 304 with what the 200 in its place would have (RFC 9110 section 15.4.5). Nobody knows here
    of which type that is, but the client does: it names the weak tag of what was compressed.
    """
    response = with_vary(response, "Accept-Encoding")
    etag = field_of(response, "etag")
    known = parse_entity_tags(request.headers.combined.get("if-none-match", ""))
    if etag is None or etag in known or weakened(etag) not in known:
        return response
    return with_fields(response, ("ETag", weakened(etag)))


def _has_content(request: Request, response: Response, min_len: int) -> bool:
    """True for a stream of bytes, and for bytes that are as long as is worth it. The length that a
    response to HEAD declares is that of what GET would be sent.
    """
    body = response.body
    if isinstance(body, StreamedBody):
        return not body.is_sse
    if isinstance(body, Upgrade | EventStream) or not isinstance(body, bytes):
        return False
    length = len(body)
    if request.method == "HEAD" and not body:
        declared = declared_length(response.headers)
        length = declared if isinstance(declared, int) else 0
    return length >= min_len and length > 0


def is_type_among(content_type: str, patterns: tuple[str, ...]) -> bool:
    """True if a media type, whatever its parameters, is one of these: `text/css` itself, `text/*`,
    or by its suffix `*/*+json`.
    """
    main, _, sub = content_type.partition(";")[0].strip().lower().partition("/")
    if not sub:
        return False
    suffix = sub.rpartition("+")[2] if "+" in sub else ""
    for pattern in patterns:
        wanted_main, _, wanted = pattern.lower().partition("/")
        if wanted_main not in ("*", main):
            continue
        if wanted in ("*", sub) or (suffix and wanted == f"*+{suffix}"):
            return True
    return False


def _compressed_fields(response: Response, coding: str) -> Pairs:
    """The fields of a response whose content is coded."""
    fields = (*without_fields(response.headers, *_DEPENDENT), ("Content-Encoding", coding))
    etag = field_of(response, "etag")
    return fields if etag is None else (*fields, ("ETag", weakened(etag)))


def weakened(etag: str) -> str:
    """The weak form of an entity tag (RFC 9110 section 8.8.3): what it names means the same, and is
    not the same bytes.
    """
    return etag if etag.startswith("W/") else f"W/{etag}"
