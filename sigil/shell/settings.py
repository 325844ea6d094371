"""What a server was made with, as one record, and what may be wrong with it.

Theory: a server is described by what `make_http_server` is given, and whoever serves somebody
else's server (the command does) has to read that, and to change some of it before it listens.

Rules: everything in the record is sound: `checked` is on the only way to it. It does not know what
a server does with any of it.
"""

from typing import TYPE_CHECKING, NamedTuple

from ..core.http.validate import check_callbacks
from ..core.limits import Limits, without_aliases
from ..core.limits_check import check_limits
from .program.callback_table import CallbackTable
from .program.handlers import Handler
from .program.protocols import Protocol, check_protocols

if TYPE_CHECKING:
    import ssl


class ServerSettings(NamedTuple):
    """What a server was made with: a handler, where it is to listen, limits and callbacks."""

    handler: Handler
    host: str
    port: int
    """What was asked for; 0 is any that is free."""
    backlog: int
    limits: Limits
    callbacks: CallbackTable
    uds: str | None = None
    """The path of a Unix socket, which is listened on instead of a host and a port."""
    protocols: tuple[Protocol, ...] = ()
    """The protocols of WebSockets, by subprotocol."""
    user: object = None
    """Anything that the program has given, and the server does not look at."""
    ssl_context: "ssl.SSLContext | None" = None
    """What TLS is served with; None for a server without TLS."""


def check_program(handler: object, limits: object, callbacks: object) -> None:
    """TypeError for a handler, limits or callbacks that are none."""
    if not callable(handler):
        raise TypeError(f"a handler is a function of a request, not {type(handler).__name__}")
    if limits is not None:
        check_type("limits", limits, Limits, "a Limits")
    problem = check_callbacks(callbacks)
    if problem is not None:
        raise TypeError(problem)


def check_type(name: str, value: object, kinds: type | tuple[type, ...], what: str) -> None:
    """TypeError if the argument `name` is of none of these types; True is no number."""
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise TypeError(f"{name} is {what}, not {value!r}")


def checked(settings: ServerSettings) -> ServerSettings:
    """The settings, with the aliases among their limits resolved; TypeError or ValueError, with a
    sentence, for a program or limits that make no sense.
    """
    check_program(settings.handler, settings.limits, settings.callbacks)
    problem = check_protocols(settings.protocols)
    if problem is not None:
        raise TypeError(problem)
    limits = without_aliases(settings.limits)
    problem = check_limits(limits)
    if problem is not None:
        raise ValueError(problem)
    if settings.ssl_context is not None:
        # here, since whoever serves no TLS has no use for what it takes
        from .tls_context import prepare

        prepare(settings.ssl_context)
    return settings._replace(limits=limits, protocols=tuple(settings.protocols))
