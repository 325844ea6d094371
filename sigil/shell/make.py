"""Making a server: the arguments of one call become the limits of a server, or an error at once.

Theory: a mistake in a setting is best reported where it was made, before anything listens. So
everything that can be wrong with what a server is given is checked here, and its settings are sound
from then on.

Rules: arguments that name a limit override the record of limits. It does not know what a server
does.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core.limits import Limits, without_aliases
from .callbacks import Callbacks
from .program.handlers import Handler
from .program.protocols import Protocol, check_protocols
from .server import HttpServer
from .settings import ServerSettings, check_program, check_type, checked

if TYPE_CHECKING:
    import ssl


def make_http_server(
    handler: Handler,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    uds: str | None = None,
    ssl_context: "ssl.SSLContext | None" = None,
    backlog: int = 128,
    timeout: float | None = None,
    max_request_size: int | None = None,
    limits: Limits | None = None,
    callbacks: Callbacks | None = None,
    protocols: Sequence[Protocol] = (),
    user: object = None,
) -> HttpServer:
    """A server that is not listening yet.

    `handler` is called with each complete `Request` and returns a `Response`, or None for a 404.
    `host` is an address or a name, whose addresses are all listened on; `port` 0 picks a free one,
    the same for all. `uds` is the path of a Unix socket to listen on instead; its file is made for
    its owner and group, replaced if nobody listens on it, and removed at the end. With an
    `ssl_context`, of `sigil.tls.server_context` or of `ssl` itself, all of that is served over TLS;
    the context is the server's from then on, which makes it say `http/1.1` by ALPN. `timeout`
    (seconds) and `max_request_size` (bytes), if given, override `Limits.body_timeout` and
    `Limits.max_body_len`, whose defaults are 30 s and 10 MiB.
    `protocols` are those of WebSockets, each with callbacks and a state for each session: that
    which a response agrees on, or without `subprotocol` the first that the client offers. `user` is
    anything, for `server.context_user()`.
    TypeError, with a sentence, for an argument of another type, ValueError for limits that make no
    sense.
    """
    check_type("host", host, str, "a str")
    check_type("port", port, int, "a whole number, 0 for any that is free")
    if uds is not None:
        check_type("uds", uds, str, "the path of a Unix socket")
        if not uds:
            raise ValueError("uds is the path of a Unix socket, which is not empty")
    check_type("backlog", backlog, int, "a whole number")
    if timeout is not None:
        check_type("timeout", timeout, (int, float), "a number of seconds")
    if max_request_size is not None:
        check_type("max_request_size", max_request_size, int, "a number of bytes")
    check_program(handler, limits, callbacks)
    problem = check_protocols(protocols)
    if problem is not None:
        raise TypeError(problem)
    limits = without_aliases(limits or Limits())
    if timeout is not None:
        limits = limits._replace(body_timeout=timeout)
    if max_request_size is not None:
        limits = limits._replace(max_body_len=max_request_size, max_request_len=None)
    settings = ServerSettings(
        handler,
        host,
        port,
        backlog,
        limits,
        callbacks or Callbacks(),
        uds,
        tuple(protocols),
        user,
        ssl_context,
    )
    return HttpServer(checked(settings))
