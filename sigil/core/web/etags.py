"""Responses that a client has already: entity tags by content, and 304 (RFC 9110 sections 8.8.3 and
13).

Theory: an entity tag names a content, and a digest of the content is such a name. A client that has
it says so, and is answered that nothing has changed, without the content.

Rules: only what GET and HEAD are answered with 200 is tagged, if it is bytes and may be stored. A
tag or a date of the handler's own counts, also of a stream. What a 304 keeps is what a 200 would
have said beside its content (section 15.4.5). An empty response to HEAD says nothing of the content
and is not tagged. It does not know caches.
"""

from base64 import urlsafe_b64encode
from typing import Final

from ..http.bodies import StreamedBody
from ..http.dates import parse_date
from ..http.request import Request
from ..http.response import Response
from ..http.tokens import parse_list
from .conditions import Validators, Verdict, check_preconditions, is_entity_tag
from .fields import field_of, with_fields, without_fields

DIGEST_LEN: Final = 12
"""Bytes of a digest: two contents of one resource that have the same are not to be expected."""

_ABOUT_CONTENT: Final = (
    "content-type",
    "content-length",
    "content-encoding",
    "content-language",
    "content-disposition",
)
"""Fields that describe a content that is not sent."""


def content_tag(data: bytes, is_weak: bool = False) -> str:
    """The entity tag of this content, by its digest."""
    # here, since most programs have no use for OpenSSL, which this brings
    from hashlib import blake2b

    digest = urlsafe_b64encode(blake2b(data, digest_size=DIGEST_LEN).digest()).decode()
    return f'W/"{digest}"' if is_weak else f'"{digest}"'


def if_changed(request: Request, response: Response, is_weak: bool = False) -> Response:
    """The response with an entity tag, or the 304 in its place if the client has its content; the
    412 if the client wants none but another.
    """
    is_read = request.method in ("GET", "HEAD")
    body = response.body
    if not is_read or response.status != 200 or not isinstance(body, bytes | StreamedBody):
        return response
    if "no-store" in parse_list(field_of(response, "cache-control") or ""):
        return response
    etag = field_of(response, "etag")
    if etag is None and isinstance(body, bytes) and (body or request.method == "GET"):
        etag = content_tag(body, is_weak)
        response = with_fields(response, ("ETag", etag))
    known = etag if etag is not None and is_entity_tag(etag) else None
    modified = parse_date(field_of(response, "last-modified") or "")
    verdict = check_preconditions(request.method, request.headers, Validators(known, modified))
    if verdict is Verdict.NOT_MODIFIED:
        return Response(304, without_fields(response.headers, *_ABOUT_CONTENT), b"")
    if verdict is Verdict.FAILED:
        return Response.error(412, "what is here is not what the request is about")
    return response
