"""Making a server: the arguments of one call become the limits of a server, or an error at once.

Theory: a mistake in a setting is best reported where it was made, before anything listens. So
everything that can be wrong with what a server is given is checked here, and its settings are sound
from then on.

Rules: arguments that name a limit override the record of limits. It does not know what a server
does.
"""

from ..core.limits import Limits, check_limits, without_aliases
from .callbacks import Callbacks
from .program.handlers import Handler
from .server import HttpServer


def make_http_server(
    handler: Handler,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    backlog: int = 128,
    timeout: float | None = None,
    max_request_size: int | None = None,
    limits: Limits | None = None,
    callbacks: Callbacks | None = None,
) -> HttpServer:
    """A server that is not listening yet.

    `handler` is called with each complete `Request` and returns a `Response`, or None for a 404.
    `port` 0 picks a free one. `timeout` (seconds) and `max_request_size` (bytes), if given,
    override `Limits.body_timeout` and `Limits.max_body_len`, whose defaults are 30 s and 10 MiB.
    TypeError if the handler cannot be called, ValueError for limits that make no sense.
    """
    if not callable(handler):
        raise TypeError(f"a handler is a function of a request, not {type(handler).__name__}")
    limits = without_aliases(limits or Limits())
    if timeout is not None:
        limits = limits._replace(body_timeout=timeout)
    if max_request_size is not None:
        limits = limits._replace(max_body_len=max_request_size, max_request_len=None)
    problem = check_limits(limits)
    if problem is not None:
        raise ValueError(problem)
    return HttpServer(handler, host, port, backlog, limits, callbacks or Callbacks())
