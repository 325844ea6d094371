"""The metrics of a program of the command, for this machine alone.

Theory: `sigil top` is to work with what `sigil demo` and the others serve, and what they serve is
open to everybody who can reach it. Figures of a server are nobody's business but of who runs it.
So they are answered to a peer on this machine, and to nobody else; and not to one who was sent on
by a proxy, which is on this machine too, as far as the proxy says so: one that adds nothing to a
request is a client of this machine.

Rules: to others the path is not there: they see what the program makes of it. The name that is
asked for has to be one of this machine, as for all of the program (`hosts`). It does not know who
reads the figures.
"""

from ipaddress import ip_address
from typing import Any

from sigil import HttpServer, Request
from sigil.apps.hosts import HostGuard
from sigil.web import metrics

FORWARDED = ("forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip")
"""What a proxy adds to a request, beside whatever begins like `FORWARDED_PREFIXES`."""
FORWARDED_PREFIXES = ("x-forwarded-", "x-original-", "cf-")
_KEPT = ("before_body", "asks_above", "startup", "shutdown", "living_handlers")


def show_metrics(server: HttpServer, guard: HostGuard, path: str = "/metrics") -> None:
    """Have a server that does not listen yet answer with its metrics at this path."""
    app: Any = server.settings.handler
    shown = guard.guarding(metrics(server))

    def handle(request: Request) -> Any:
        if request.path == path and is_local(request):
            return shown(request)
        return app(request)

    for name in _KEPT:
        if hasattr(app, name):
            setattr(handle, name, getattr(app, name))
    server.configure(handler=handle)


def is_local(request: Request) -> bool:
    """True for a request that came from this machine, and by no proxy."""
    names = [name.lower() for name, _ in request.headers.pairs]
    if any(name in FORWARDED or name.startswith(FORWARDED_PREFIXES) for name in names):
        return False
    try:
        address = ip_address(request.peer.host)
    except ValueError:
        return not request.peer.port  # a Unix socket has a path, or nothing, and no port
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((address if mapped is None else mapped).is_loopback)
