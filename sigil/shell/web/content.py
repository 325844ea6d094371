"""Middleware about the content of responses: `compress`, `etag`.

Theory: what is to become of a response is decided by `core.web`; here it is done, with the
compressors, which have a state.

Rules: options that make no sense are refused where they are written. It does not know how a result
reaches it: `chain.answer` does.
"""

from collections.abc import Iterable

from ...core.http.bodies import StreamedBody
from ...core.http.request import Request
from ...core.http.response import Response, with_body
from ...core.web.compression import (
    TEXT_TYPES,
    CompressionRules,
    check_compression,
    plan_compression,
)
from ...core.web.etags import if_changed
from ...core.web.negotiation import IDENTITY
from ..program.body_sources import close_iterator
from .chain import Middleware, changing
from .compressing import PIECE_LEN, compress_bytes, compress_chunks, compress_pieces

AT_ONCE_MAX = 2 * PIECE_LEN
"""Bytes that are compressed at once; longer content in pieces, while it is sent."""


def compress(
    *,
    min_len: int = 1_024,
    types: Iterable[str] = TEXT_TYPES,
    gzip: bool = True,
    zstd: bool = True,
) -> Middleware:
    """Middleware that compresses what is sent, for clients that accept it (Accept-Encoding): bytes
    from `min_len`, and streams, each chunk so that it can be read when it comes.

    `types` are media types: `"text/css"`, `"text/*"`, `"*/*+json"`. What has a Content-Encoding or
    `Cache-Control: no-transform` is left alone, and so are parts of content, and event streams. A
    strong entity tag becomes a weak one. ValueError for options that make no sense.
    """
    types = (types,) if isinstance(types, str) else tuple(types)
    codings = [name for name, is_on in (("zstd", zstd), ("gzip", gzip)) if is_on]
    rules = CompressionRules(min_len, types, tuple(codings))
    problem = check_compression(rules)
    if problem is not None:
        raise ValueError(problem)
    return changing(lambda request, response: compressed(request, response, rules))


def etag(*, weak: bool = False) -> Middleware:
    """Middleware that names the content of responses by a digest (`ETag`), and answers 304 to a
    client that has it already (If-None-Match, If-Modified-Since).

    It tags bytes that are sent with 200; a tag or a date that the handler has set counts, also of a
    stream. With `weak` tags are weak. Inside of `compress` it names what is not compressed yet.
    """
    is_weak = bool(weak)
    return changing(lambda request, response: unless_known(request, response, is_weak))


def unless_known(request: Request, response: Response, is_weak: bool) -> Response:
    """The response, tagged, or the one that is sent in its place; a stream that is not sent is
    closed.
    """
    chosen = if_changed(request, response, is_weak)
    if isinstance(response.body, StreamedBody) and chosen.body is not response.body:
        close_iterator(response.body.chunks, None)
    return chosen


def compressed(request: Request, response: Response, rules: CompressionRules) -> Response:
    """The response with its content compressed, if it is to be.

    HEAD is told the fields without any work: how long the content would be is left out.
    """
    response, coding = plan_compression(request, response, rules)
    if coding == IDENTITY:
        return response
    body = response.body
    if isinstance(body, StreamedBody):
        chunks = StreamedBody(compress_chunks(body.chunks, coding))
        return with_body(response, chunks, response.headers)
    assert isinstance(body, bytes), "nothing else is compressed"
    if request.method == "HEAD":
        return with_body(response, StreamedBody(()), response.headers)
    if len(body) > AT_ONCE_MAX:
        return with_body(response, StreamedBody(compress_pieces(body, coding)), response.headers)
    return with_body(response, compress_bytes(body, coding), response.headers)
