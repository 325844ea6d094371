"""Where a redirect leads, and what of a request goes there (RFC 9110 section 15.4).

Theory: a redirect is a stranger's wish about the next request. It may ask for a GET in place of a
POST, as browsers do; it may not have credentials sent to somebody else, nor what was secured sent
in the clear.

Rules: 301 and 302 make a POST a GET, 303 makes all but HEAD one, 307 and 308 change nothing.
Authorization, Cookie and Proxy-Authorization that the program gave, and the user in the URL, do not
go to another origin. From https to http is refused unless it is asked for. The number of redirects
is bounded, which ends every loop. It does not know cookies: the jar knows whom they are for.
"""

from typing import Final

from ..parse_result import Malformed
from .failures import Failure, FailureKind, failure_of
from .requests import OutgoingRequest, with_fields
from .responses import ResponseHead
from .uri import WEBSOCKET_SCHEMES, is_same_origin, resolve_reference

REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
_SECRETS: Final = frozenset(("authorization", "cookie", "proxy-authorization", "host"))
"""Fields that are for one origin."""
_OF_CONTENT: Final = frozenset(
    (
        "content-encoding",
        "content-language",
        "content-length",
        "content-location",
        "content-type",
        "digest",
        "last-modified",
    )
)
"""Fields of a body, which go with it (Fetch, section 4.4)."""


def client_reset(
    request: OutgoingRequest, head: ResponseHead, count: int
) -> OutgoingRequest | Failure | None:
    """The request that follows a response with this head, when `count` redirects were followed
    before; None if the response is the final one.
    """
    options = request.options
    location = head.headers.combined.get("location")
    if head.status not in REDIRECTS or location is None or not options.follow_redirects:
        return None
    if count >= options.max_redirects:
        what = f"there were more than {options.max_redirects} redirects"
        return failure_of(FailureKind.TOO_MANY_REDIRECTS, request.method, request.uri, what)
    uri = resolve_reference(request.uri, _as_text(location))
    if isinstance(uri, Malformed):
        what = f"the redirect of the {head.status} cannot be followed: {uri.message}"
        return failure_of(FailureKind.REDIRECT, request.method, request.uri, what)
    if uri.scheme in WEBSOCKET_SCHEMES and not options.upgrade:
        what = f"a redirect leads to {uri.shown}, which is a WebSocket"
        return failure_of(FailureKind.REDIRECT, request.method, request.uri, what)
    if request.uri.is_secure and not uri.is_secure and not options.may_downgrade:
        what = f"a redirect leads from https to {uri.shown}, which is not followed"
        return failure_of(FailureKind.REDIRECT, request.method, request.uri, what)
    following = request.replace(uri=uri)
    if _becomes_get(request.method, head.status):
        following = without_body(following)
    elif not request.can_repeat:
        what = f"the redirect of a {head.status} needs the body once more, and it is a stream"
        return failure_of(FailureKind.BODY, request.method, request.uri, what)
    if is_same_origin(request.uri, uri):
        return following if uri.userinfo else _with_user_of(request, following)
    if options.cookies:
        following = following.replace(options=options._replace(cookies=""))
    dropped = _SECRETS.intersection(following.prepared.keys)
    return without_fields(following, dropped) if dropped else following


def _as_text(location: str) -> str:
    """A Location as text: bytes beyond ASCII are UTF-8, which is what servers send there."""
    if location.isascii():
        return location
    try:
        return location.encode("latin-1").decode()
    except UnicodeDecodeError:
        return location


def _becomes_get(method: str, status: int) -> bool:
    """True if the next request is a GET without a body."""
    if status == 303:
        return method not in ("GET", "HEAD")
    return status in (301, 302) and method == "POST"


def without_body(request: OutgoingRequest) -> OutgoingRequest:
    """The request as a GET, without its body and the fields of that."""
    request = request.replace(method="GET", body=b"", length=0)
    dropped = _OF_CONTENT.intersection(request.prepared.keys)
    return without_fields(request, dropped) if dropped else request


def without_fields(request: OutgoingRequest, names: frozenset[str]) -> OutgoingRequest:
    """The request without the fields of these names, in lower case."""
    fields = tuple([pair for pair in request.fields if pair[0].lower() not in names])
    return with_fields(request, fields)


def _with_user_of(request: OutgoingRequest, following: OutgoingRequest) -> OutgoingRequest:
    """The next request to the same origin, with the user of the URL before."""
    if not request.uri.userinfo:
        return following
    return following.replace(uri=following.uri.replace(userinfo=request.uri.userinfo))
