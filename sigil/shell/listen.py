"""Listening sockets: opening one, and taking connections from it.

Theory: the only things that can go wrong before the first request are here, and each is somebody's mistake to mend,
so errors of opening are raised as the operating system words them, with the address in question.

Rules: every socket is non-blocking and not inherited.  Accepting is bounded and says what stopped it; running out of
descriptors is no error, it is a state.  It does not know what a connection is for.
"""

import errno
import os
import socket
from contextlib import suppress
from enum import Enum
from typing import NamedTuple

from ..core.conn import Peer
from ..core.limits import Limits

_OUT_OF_RESOURCES = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


class Stopped(Enum):
    """Why accepting stopped."""

    NO_MORE = "nobody is waiting"
    ENOUGH = "as many as one tick takes"
    EXHAUSTED = "no descriptors or memory are left"


class Arrivals(NamedTuple):
    """The connections taken, each with its peer, and why no more were."""

    sockets: list[tuple[socket.socket, Peer]]
    stopped: Stopped


def open_listener(host: str, port: int, backlog: int) -> socket.socket:
    """A listening TCP socket; OSError with the address in its text if that cannot be."""
    if not 0 <= port <= 65_535:
        raise OSError(errno.EINVAL, f"not a port (0 to 65535): {port}")
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise OSError(errno.EADDRNOTAVAIL, f"no such host: {host}") from error
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if address[0] == "::" else 1)
        listener.setblocking(False)
        listener.bind(address)
        listener.listen(backlog)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"{os.strerror(error.errno or 0)}: {Peer(host, port)}") from error
    return listener


def accept_waiting(listener: socket.socket, limits: Limits) -> Arrivals:
    """The connections that are waiting, as many as one tick takes; those that vanished meanwhile are passed over."""
    arrivals: list[tuple[socket.socket, Peer]] = []
    for _ in range(limits.max_accepts_per_tick):
        try:
            connection, address = listener.accept()
        except (BlockingIOError, InterruptedError):
            return Arrivals(arrivals, Stopped.NO_MORE)
        except OSError as error:
            if error.errno in _OUT_OF_RESOURCES:
                return Arrivals(arrivals, Stopped.EXHAUSTED)
            continue
        connection.setblocking(False)
        arrivals.append((connection, make_ready(connection, address, limits)))
    return Arrivals(arrivals, Stopped.ENOUGH)


def make_ready(connection: socket.socket, address: object, limits: Limits) -> Peer:
    """Set what every connection needs, and say who it is."""
    if connection.family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):  # it is gone already; the first read will say so
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # Linux and macOS
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, limits.max_unsent_len)
    if isinstance(address, tuple) and len(address) >= 2:
        return Peer(str(address[0]), int(address[1]))
    return Peer(str(address or ""), 0)
