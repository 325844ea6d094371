"""Middleware that marks requests and responses: `request_id`, `server_timing`, `security_headers`.

Theory: `core.web` says what the marks are; here is what it cannot have, a clock and randomness.

Rules: options that make no sense are refused where they are written. It does not know who reads the
marks.
"""

import time
from collections.abc import Callable
from secrets import token_hex
from typing import Any

from ...core.http.request import Request
from ...core.http.response import Response
from ...core.http.validate import safe_repr
from ...core.web.request_ids import (
    check_header_name,
    incoming_id,
    is_request_id,
    with_id_of,
    with_request_id,
)
from ...core.web.security_headers import SecurityRules, check_security, secured
from ...core.web.server_timing import check_metric_name, timing_metric, with_timing
from ..program.handlers import Handler
from .chain import Middleware, answer, changing, preparing, require_function
from .pieces import asked_as


def _new_id() -> str:
    """Sixteen random bytes."""
    return token_hex(16)


def request_id(
    *,
    header: str = "X-Request-ID",
    accept: bool = True,
    make: Callable[[], str] = _new_id,
) -> Middleware:
    """Middleware that gives each request a name, which the handler finds in `request.headers`
    under `header`, and the client in the response.

    With `accept` a name that came with the request is kept, if it is one: up to 128 letters,
    digits and `._~+/=:@-`. `make` makes one where there is none. ValueError for a header that is
    none, TypeError for what makes no names.
    """
    problem = check_header_name(header)
    if problem is not None:
        raise ValueError(problem)
    require_function(make, "make is a function that returns a str")

    def named(request: Request) -> Request:
        name = incoming_id(request, header) if accept else None
        if name is None:
            name = make()
            if not is_request_id(name):
                raise ValueError(f"make made {safe_repr(name)}, which is no name for a request")
        return with_request_id(request, header, name)

    naming = preparing(named)
    telling = changing(lambda request, response: with_id_of(request, response, header))

    def around(handler: Handler) -> Handler:
        return naming(telling(handler))

    return around


def server_timing(
    *, name: str = "app", clock: Callable[[], float] = time.perf_counter
) -> Middleware:
    """Middleware that tells a browser's developer tools how long it took to have a response, as the
    metric `name` of `Server-Timing`; of a stream, until it begins.

    What a handler has measured itself it adds as `("Server-Timing", timing_metric(...))`.
    ValueError for a name that is no token, TypeError for a clock that cannot be asked.
    """
    problem = check_metric_name(name)
    if problem is not None:
        raise ValueError(problem)
    require_function(clock, "clock is a function that returns seconds")

    def around(handler: Handler) -> Handler:
        def call(request: Request) -> Any:
            begun = clock()

            def timed(response: Response) -> Response:
                return with_timing(response, timing_metric(name, max(0.0, clock() - begun)))

            return answer(handler, request, timed)

        return asked_as(call, handler)

    return around


def security_headers(
    *,
    content_security_policy: str | None = None,
    frame_options: str | None = "DENY",
    referrer_policy: str | None = "strict-origin-when-cross-origin",
    opener_policy: str | None = "same-origin",
    permissions_policy: str | None = None,
    hsts_max_age: int | None = None,
    hsts_subdomains: bool = False,
) -> Middleware:
    """Middleware that adds the fields by which browsers are stricter with pages, where the handler
    has set none itself; `X-Content-Type-Options: nosniff` always, the others as given, None for
    none.

    `hsts_max_age` (seconds) has browsers come over https only from now on; it is sent under https
    alone (`request.scheme`). ValueError for options that make no sense.
    """
    rules = SecurityRules(
        content_security_policy,
        frame_options,
        referrer_policy,
        opener_policy,
        permissions_policy,
        hsts_max_age,
        bool(hsts_subdomains),
    )
    problem = check_security(rules)
    if problem is not None:
        raise ValueError(problem)
    return changing(lambda request, response: secured(request, response, rules))
