"""Making a server: the arguments of one call become the limits of a server, or an error at once.

Theory: a mistake in a setting is best reported where it was made, before anything listens. So
everything that can be wrong with what a server is given is checked here, and its settings are sound
from then on.

Rules: arguments that name a limit override the record of limits. It does not know what a server
does.
"""

from ..core.http.validate import check_callbacks
from ..core.limits import Limits, without_aliases
from ..core.limits_check import check_limits
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
    `host` is an address or a name, whose addresses are all listened on; `port` 0 picks a free one,
    the same for all. `timeout` (seconds) and `max_request_size` (bytes), if given,
    override `Limits.body_timeout` and `Limits.max_body_len`, whose defaults are 30 s and 10 MiB.
    TypeError, with a sentence, for an argument of another type, ValueError for limits that make no
    sense.
    """
    _check_type("host", host, str, "a str")
    _check_type("port", port, int, "a whole number, 0 for any that is free")
    _check_type("backlog", backlog, int, "a whole number")
    if timeout is not None:
        _check_type("timeout", timeout, (int, float), "a number of seconds")
    if max_request_size is not None:
        _check_type("max_request_size", max_request_size, int, "a number of bytes")
    check_program(handler, limits, callbacks)
    limits = without_aliases(limits or Limits())
    if timeout is not None:
        limits = limits._replace(body_timeout=timeout)
    if max_request_size is not None:
        limits = limits._replace(max_body_len=max_request_size, max_request_len=None)
    problem = check_limits(limits)
    if problem is not None:
        raise ValueError(problem)
    return HttpServer(handler, host, port, backlog, limits, callbacks or Callbacks())


def check_program(handler: object, limits: object, callbacks: object) -> None:
    """TypeError for a handler, limits or callbacks that are none."""
    if not callable(handler):
        raise TypeError(f"a handler is a function of a request, not {type(handler).__name__}")
    if limits is not None:
        _check_type("limits", limits, Limits, "a Limits")
    problem = check_callbacks(callbacks)
    if problem is not None:
        raise TypeError(problem)


def _check_type(name: str, value: object, kinds: type | tuple[type, ...], what: str) -> None:
    """TypeError if the argument `name` is of none of these types; True is no number."""
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise TypeError(f"{name} is {what}, not {value!r}")
