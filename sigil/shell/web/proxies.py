"""Middleware for a server behind proxies: `trusted_proxies`.

Theory: `core.web.forwarded` decides from whom a request is; the handler within sees that one.

Rules: options that make no sense are refused where they are written. It does not know the proxies.
"""

from collections.abc import Iterable

from ...core.web.forwarded import from_client, make_proxy_rules
from .chain import Middleware, preparing


def trusted_proxies(
    networks: Iterable[str] | str,
    *,
    fields: str = "x-forwarded",
    scheme: bool = True,
    host: bool = False,
) -> Middleware:
    """Middleware that shows the handler the client behind proxies of these networks: its address as
    `request.peer`, and the scheme, and with `host` the host, that it used.

    `networks` are such as `"127.0.0.1"`, `"10.0.0.0/8"` or `"unix"`, for Unix sockets. `fields` is
    the family that the proxies set: `"x-forwarded"` (X-Forwarded-For, -Proto and -Host) or
    `"forwarded"` (RFC 7239). A proxy passes on what it does not set as the client wrote it, so
    believe only what yours sets. ValueError for options that make no sense.
    """
    rules = make_proxy_rules(networks, fields, bool(scheme), bool(host))
    if isinstance(rules, str):
        raise ValueError(rules)
    return preparing(lambda request: from_client(request, rules))
