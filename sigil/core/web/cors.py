"""Which pages of other origins may read a response, and what they may send (CORS, WHATWG Fetch
section 3.2).

Theory: a browser shows a page of another origin nothing of a response unless the response says
that it may be read, and asks first (a preflight) before it sends what a form could not. So there is
one list of origins, and two decisions: what a preflight is answered, and what is added to any other
response, errors included: a page that may not read a 500 knows nothing of it.

Rules: an Origin that is allowed is named itself, so the response depends on it (`Vary`); only where
all may read, and without credentials, it is `*`. Credentials and `*` together are refused: every
page there is could act as the user. Methods and headers of a preflight are listed, not judged, so
that the browser can say in its console which one is missing. A response that has an
`Access-Control-Allow-Origin` keeps it, and the server adds none of its own beside it. Nothing is
added to what opens a WebSocket: there `Limits.origins` decides. This keeps nobody from sending: it
decides who may read.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from ..http.headers import Pair
from ..http.request import Request
from ..http.response import Response, with_headers
from ..http.tokens import TOKEN, split_list
from ..http.validate import safe_repr
from ..origins import ANY, SELF, check_origins, listed_origins, normal_origin
from .fields import with_vary

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_UPPER: Final = re.compile(r"[A-Z]+")
_ALLOW_ORIGIN: Final = "access-control-allow-origin"
_normal: Final = lru_cache(maxsize=64)(normal_origin)


class CorsRules(NamedTuple):
    """Which origins may read what, and what they may send."""

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...]
    expose: tuple[str, ...]
    credentials: bool
    max_age: int
    private_network: bool


def check_cors(rules: CorsRules) -> str | None:
    """None for rules that make sense, or a sentence."""
    if not rules.origins:
        return "cors needs origins, such as ('https://example.com',) or '*'"
    problem = check_origins(rules.origins)
    if problem is not None:
        return problem
    if ANY in rules.origins and rules.credentials:
        return "origins '*' and credentials do not go together: any page could act as the user"
    for method in rules.methods:
        if not isinstance(method, str) or _UPPER.fullmatch(method) is None:
            return f"a method is a str in upper case, not {safe_repr(method)}"
    for name in (*rules.headers, *rules.expose):
        if not isinstance(name, str) or TOKEN.fullmatch(name) is None:
            return f"{safe_repr(name)} is not a header name"
    if ANY in rules.expose and rules.credentials:
        return "expose '*' and credentials do not go together: name the headers"
    max_age: object = rules._asdict()["max_age"]  # of any type: nobody has looked yet
    if type(max_age) is not int or max_age < 0:
        return f"max_age is a number of seconds, not {safe_repr(max_age)}"
    return None


def is_preflight(request: Request) -> bool:
    """True for what a browser sends before it sends the real request."""
    return (
        request.method == "OPTIONS"
        and "origin" in request.headers
        and "access-control-request-method" in request.headers
    )


def allowed_origin(request: Request, rules: CorsRules) -> str | None:
    """What `Access-Control-Allow-Origin` is for this request; None if pages from there may not read
    the response, or if there is no page.
    """
    origin = request.headers.get("origin")
    listed = listed_origins(rules.origins)
    if ANY in listed:
        return ANY
    if origin is None or origin in (ANY, SELF):
        return None
    normal = _normal(origin)
    if normal in listed:
        return origin
    is_own = SELF in listed and normal == _normal(f"{request.scheme}://{request.host}")
    return origin if is_own and normal is not None else None


def answer_preflight(request: Request, rules: CorsRules) -> Response:
    """The response to a preflight: 204 with what pages of its origin may send, or 403 with a
    sentence.
    """
    allowed = allowed_origin(request, rules)
    if allowed is None:
        refused = Response.error(403, "pages of this origin may not read what is here")
        return with_vary(refused, "Origin")
    fields: list[Pair] = [
        ("Access-Control-Allow-Origin", allowed),
        ("Access-Control-Allow-Methods", ", ".join(rules.methods)),
        ("Access-Control-Max-Age", str(rules.max_age)),
    ]
    varies = ["Origin"] if allowed != ANY else []
    names = rules.headers
    if ANY in names:
        # a literal * stands neither for Authorization nor beside credentials, so they are named
        asked = split_list(request.headers.get("access-control-request-headers", ""))
        names = tuple([name for name in asked if TOKEN.fullmatch(name) is not None])
        varies.append("Access-Control-Request-Headers")
    if names:
        fields.append(("Access-Control-Allow-Headers", ", ".join(names)))
    if rules.credentials:
        fields.append(("Access-Control-Allow-Credentials", "true"))
    asks_in = request.headers.get("access-control-request-private-network") == "true"
    if rules.private_network and asks_in:
        fields.append(("Access-Control-Allow-Private-Network", "true"))
    return with_vary(Response(204, tuple(fields), b""), *varies)


def readable(request: Request, response: Response, rules: CorsRules) -> Response:
    """The response with what lets pages of the request's origin read it."""
    present = [name.lower() for name, _ in response.headers]
    if response.status == 101 or _ALLOW_ORIGIN in present:
        return response
    allowed = allowed_origin(request, rules)
    fields = _reading_fields(allowed, rules)
    if allowed != ANY:
        response = with_vary(response, "Origin")
    missing = [pair for pair in fields if pair[0].lower() not in present]
    return with_headers(response, (*response.headers, *missing)) if missing else response


@lru_cache(maxsize=64)
def _reading_fields(allowed: str | None, rules: CorsRules) -> tuple[Pair, ...]:
    """The fields for pages that may read, of which `allowed` names the origin; none for others."""
    if allowed is None:
        return ()
    fields: list[Pair] = [("Access-Control-Allow-Origin", allowed)]
    if rules.credentials:
        fields.append(("Access-Control-Allow-Credentials", "true"))
    if rules.expose:
        fields.append(("Access-Control-Expose-Headers", ", ".join(rules.expose)))
    return tuple(fields)


def as_tuple(values: Iterable[str] | str) -> tuple[str, ...]:
    """The texts as a tuple; one text is one of them."""
    return (values,) if isinstance(values, str) else tuple(values)
