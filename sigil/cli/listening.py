"""Where the command listens: sockets opened or inherited, announced, and closed at the end.

Theory: what can be wrong with an address is somebody's mistake to mend, so whatever the system says
becomes a sentence, with advice where there is any.

Rules: standard output gets one line, `listening on http://HOST:PORT` (`https` over TLS, or
`unix:PATH`), with the real port and flushed, before anything else there. The file of a Unix socket
is removed by whoever opened it. It does not know what is served.
"""

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple, TypeAlias

from sigil import HttpServer
from sigil.apps.terminal import CommandError, print_line
from sigil.cli.settings import Settings
from sigil.shell.loop.listen import (
    adopt_listener,
    open_listeners,
    open_unix_listener,
    removing_socket_file,
    where,
)

Listeners: TypeAlias = tuple[socket.socket, ...]
LISTEN_STATUS = 4

ADDRESS_ADVICE = {
    errno.EADDRINUSE: "choose another port with --port; 0 picks a free one",
    errno.EACCES: "ports below 1024 usually need privileges; choose another with --port",
    errno.EADDRNOTAVAIL: "--host is a name or an address of this machine",
}
PATH_ADVICE = {
    errno.EADDRINUSE: "another server listens there; choose another path with --uds",
    errno.EEXIST: "it is left alone; choose another path with --uds",
    errno.EACCES: "--uds is a path where you may make a file",
    errno.ENOENT: "--uds is a path in a directory that exists",
}
DESCRIPTOR_ADVICE = {
    errno.EBADF: "--fd is the number of a socket that whoever starts this leaves open",
}


class Place(NamedTuple):
    """Where to listen if no descriptor was given: at a host and a port, or at a Unix socket."""

    host: str
    port: int
    backlog: int
    uds: str | None = None
    is_tls: bool = False


def place_of(settings: Settings, server: HttpServer | None = None) -> Place:
    """Where the flags say, and, where they say nothing, the server, if it was made elsewhere."""
    is_tls = bool(settings.ssl_certfile) or settings.tls
    uds = settings.uds or None
    asked = Place(settings.host, settings.port, settings.backlog, uds, is_tls)
    if server is None:
        return asked
    made, given = server.settings, settings.given
    is_tls = is_tls or made.ssl_context is not None
    place = Place(made.host, made.port, made.backlog, made.uds, is_tls)
    if "host" in given or "port" in given:
        place = place._replace(uds=None)
    return place._replace(**{key: value for key, value in asked._asdict().items() if key in given})


def listen_error(error: OSError, settings: Settings, place: Place) -> CommandError:
    """The command's error for a socket that cannot be had, with advice if there is any."""
    if settings.fd is not None:
        advice = DESCRIPTOR_ADVICE
    elif place.uds is not None:
        advice = PATH_ADVICE
    else:
        advice = ADDRESS_ADVICE
    sentence = f"cannot listen: {error.strerror or error}"
    hint = advice.get(error.errno or 0)
    if hint:
        sentence += f" ({hint})"
    return CommandError(sentence, LISTEN_STATUS)


def _open(settings: Settings, place: Place) -> Listeners:
    """The listening sockets that are asked for; `CommandError` if they cannot be opened."""
    try:
        if settings.fd is not None:
            return (adopt_listener(settings.fd),)
        if place.uds is not None:
            return (open_unix_listener(place.uds, settings.uds_mode, place.backlog),)
        return open_listeners(place.host, place.port, place.backlog)
    except OSError as error:
        raise listen_error(error, settings, place) from error


@contextmanager
def listening(settings: Settings, place: Place) -> Iterator[Listeners]:
    """Listen, and print the address; at the end the sockets are closed and a file is removed."""
    with opened(settings, place) as listeners:
        announce(settings, place, listeners)
        yield listeners


@contextmanager
def opened(settings: Settings, place: Place) -> Iterator[Listeners]:
    """Listen; at the end the sockets are closed and a file is removed."""
    listeners = _open(settings, place)
    with ExitStack() as stack:
        for listener in listeners:
            stack.enter_context(listener)
        if settings.fd is None and place.uds is not None:
            stack.enter_context(removing_socket_file(listeners[0]))
        yield listeners


def announce(settings: Settings, place: Place, listeners: Listeners) -> None:
    """Print the address, with the host as it was asked for."""
    host = place.host if settings.fd is None else ""
    print_line(f"listening on {where(listeners[0], host, 'https' if place.is_tls else 'http')}")
