"""Middleware for pages of other origins: `cors`.

Theory: `core.web.cors` decides; here a preflight is answered without the handler, and every other
response passes.

Rules: options that make no sense are refused where they are written. It does not know which pages
there are.
"""

from collections.abc import Iterable
from typing import Any

from ...core.http.request import Request
from ...core.web.cors import (
    METHODS,
    CorsRules,
    answer_preflight,
    as_tuple,
    check_cors,
    is_preflight,
    readable,
)
from ..program.handlers import Handler
from .chain import Middleware, changing, guarding


def cors(
    *,
    origins: Iterable[str] | str,
    methods: Iterable[str] = METHODS,
    headers: Iterable[str] | str = "*",
    expose: Iterable[str] | str = (),
    credentials: bool = False,
    max_age: int = 600,
    private_network: bool = False,
) -> Middleware:
    """Middleware that lets pages of these origins read responses, and answers what browsers ask
    before they send (preflights), without the handler.

    `origins` are such as `"https://example.com"`, `"self"` for this server's own or `"*"` for all,
    as in `Limits.origins`. `headers` are what pages may send, `"*"` whatever they ask for; `expose`
    those of responses that scripts may read. `credentials` lets them send cookies. `max_age`
    (seconds) is how long a browser remembers. `private_network` lets public pages reach a server
    in a private network. ValueError for options that make no sense, such as `"*"` with
    credentials.
    """
    rules = CorsRules(
        as_tuple(origins),
        as_tuple(methods),
        as_tuple(headers),
        as_tuple(expose),
        bool(credentials),
        max_age,
        bool(private_network),
    )
    problem = check_cors(rules)
    if problem is not None:
        raise ValueError(problem)
    adding = changing(lambda request, response: readable(request, response, rules))

    def preflight(request: Request) -> Any:
        return answer_preflight(request, rules) if is_preflight(request) else None

    answering = guarding(preflight)

    def around(handler: Handler) -> Handler:
        return answering(adding(handler))

    return around
