"""Listening sockets: opening them, adopting one, and taking connections from it.

Theory: the only things that can go wrong before the first request are here, and each is somebody's
mistake to mend, so errors of opening are raised as the operating system words them, with the
address in question.

Rules: every socket is non-blocking and not inherited. A host is listened on at all of its addresses
that this machine has, on one port, or not at all. A file is removed only if it is a socket that
nobody listens on, or the one we made. Accepting is bounded and reports what stopped it; running out
of descriptors is no error, it is a state. It does not know what a connection is for.
"""

import errno
import os
import socket
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from enum import Enum
from typing import Any, NamedTuple, TypeAlias

from ...core.conn import Peer
from .kernel_buffer import limit_unsent

_OUT_OF_RESOURCES = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_NOT_HERE = frozenset((errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT))
"""What is said of an address that this machine does not have: of `::1`, where there is no IPv6."""

UNIX_SOCKET_MODE = 0o660
"""The permissions of the file of a Unix socket, unless others are asked for: a proxy in front of it
is in the same group.
"""
_ACCEPT = socket.socket.accept
_PORT_TRIES = 32
"""How many free ports are tried until one is free at every address of a host."""


class AcceptStop(Enum):
    """Why accepting stopped."""

    NO_MORE = "nobody is waiting"
    ENOUGH = "as many as were asked for"
    EXHAUSTED = "no descriptors or memory are left"


class AcceptedSockets(NamedTuple):
    """The connections taken, each with its peer, and why no more were."""

    sockets: list[tuple[socket.socket, Peer]]
    stopped: AcceptStop
    error: int = 0
    """The `errno`, if nothing was left."""


# -- opening ---------------------------------------------------------------------------------------

Found: TypeAlias = tuple[int, int, int, str, tuple[Any, ...]]
"""One result of getaddrinfo: family, type, protocol, canonical name, address."""


def check_sockets(given: object) -> tuple[socket.socket, ...]:
    """The socket, or the sockets, that are given; TypeError for what cannot be listened on."""
    if not isinstance(given, Sequence):
        _check_socket(given)
        return (given,)  # type: ignore[return-value]
    if not given:
        raise TypeError("the sockets to listen on are none")
    for sock in given:
        _check_socket(sock)
    return tuple(given)


def _check_socket(sock: object) -> None:
    """TypeError for what cannot be listened on."""
    if not isinstance(sock, socket.socket):
        raise TypeError(f"a socket to listen on is a socket.socket, not {type(sock).__name__}")
    if hasattr(sock, "do_handshake"):  # an SSLSocket, without importing that module
        raise TypeError(
            "an SSLSocket cannot be served: give the plain socket, and the context as "
            "make_http_server(ssl_context=...)"
        )


def open_asked(host: str, port: int, uds: str | None, backlog: int) -> tuple[socket.socket, ...]:
    """The listening sockets of a host and a port, or the one at the path `uds`; OSError if that
    cannot be.
    """
    if uds is None:
        return open_listeners(host, port, backlog)
    return (open_unix_listener(uds, UNIX_SOCKET_MODE, backlog),)


def open_listeners(host: str, port: int, backlog: int) -> tuple[socket.socket, ...]:
    """Listening TCP sockets, one for each address that the host has here, on one port; OSError with
    the address in its text if that cannot be.
    """
    if not 0 <= port <= 65_535:
        raise OSError(errno.EINVAL, f"not a port (0 to 65535): {port}")
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (socket.gaierror, UnicodeError) as error:
        raise OSError(errno.EADDRNOTAVAIL, f"no such host: {host}") from error
    try:
        return open_all(list(dict.fromkeys(found)), backlog)
    except OSError as error:
        raise OSError(
            error.errno, f"{os.strerror(error.errno or 0)}: {Peer(host or '*', port)}"
        ) from error


def open_all(found: Sequence[Found], backlog: int) -> tuple[socket.socket, ...]:
    """Listen at each of these addresses that this machine has, on one port; the first error if it
    has none of them.

    An address in use is an error, since whoever has it would get the clients meant for us; but if
    any port will do, another one is tried.
    """
    is_any_port = all(address[1] == 0 for *_, address in found)
    for tries_left in reversed(range(_PORT_TRIES)):
        try:
            return _open_on_one_port(found, backlog)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not (is_any_port and tries_left):
                raise
    raise AssertionError("the last try returns or raises")


def _open_on_one_port(found: Sequence[Found], backlog: int) -> tuple[socket.socket, ...]:
    """Listen at these addresses, on the port that the first one gets; all are bound before anybody
    can connect to one.
    """
    first_error: OSError | None = None
    listeners: list[socket.socket] = []
    with ExitStack() as opened:
        for family, kind, protocol, _, (host, port, *rest) in found:
            if listeners:
                port = listeners[0].getsockname()[1]
            address = (host, port, *rest)
            try:
                listener = _bind(family, kind, protocol, address, is_alone=len(found) == 1)
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                first_error = first_error or error
            else:
                listeners.append(opened.enter_context(listener))
        for listener in listeners:
            listener.listen(backlog)
        if not listeners:
            raise first_error or OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        opened.pop_all()
    return tuple(listeners)


def _bind(
    family: int, kind: int, protocol: int, address: tuple[Any, ...], is_alone: bool
) -> socket.socket:
    """A socket bound to this address; `::` means IPv4 too, if it is the only address."""
    sock = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            v6_only = not (is_alone and address[0] == "::")
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6_only)
        sock.setblocking(False)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


def open_unix_listener(path: str, mode: int, backlog: int) -> socket.socket:
    """A listening Unix socket at `path` with these permissions; OSError with the path if that
    cannot be.

    A socket file that nobody listens on is replaced; one that is served, and any other file, is
    left alone.
    """
    try:
        return _open_unix_at(path, mode, backlog)
    except OSError as error:
        if error.errno is None:  # the path is too long, which only Python says
            raise OSError(errno.ENAMETOOLONG, f"{error}: {path}") from error
        raise OSError(error.errno, f"{error.strerror}: {path}") from error


def _open_unix_at(path: str, mode: int, backlog: int) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        listener.setblocking(False)
        listener.bind(path)
        os.chmod(path, mode)  # before anybody can connect: nobody can until listen()
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener


def _remove_stale(path: str) -> None:
    """Remove the socket file of a server that is gone."""
    try:
        is_socket = stat.S_ISSOCK(os.lstat(path).st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise FileExistsError(errno.EEXIST, "it exists and is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a full queue is an answer as well
        answer = probe.connect_ex(path)
    if answer == errno.ECONNREFUSED:
        os.unlink(path)
    elif answer in (errno.EACCES, errno.EPERM):
        raise PermissionError(answer, os.strerror(answer))
    elif answer != errno.ENOENT:
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def adopt_listener(descriptor: int) -> socket.socket:
    """The listening stream socket that this process inherited as `descriptor`; OSError in words if
    it is none.
    """
    try:
        listener = socket.socket(fileno=descriptor)
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}: descriptor {descriptor}") from error
    is_listening = listener.type == socket.SOCK_STREAM and bool(
        listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    )
    if not is_listening:
        listener.detach()  # it is not ours to close
        raise OSError(errno.EINVAL, f"not a listening stream socket: descriptor {descriptor}")
    listener.setblocking(False)
    listener.set_inheritable(False)
    return listener


def where(listener: socket.socket, host: str = "", scheme: str = "http") -> str:
    """The address as it is shown: `http://HOST:PORT`, with `host` as it was asked for and this
    scheme, or `unix:PATH`.
    """
    name = listener.getsockname()
    if isinstance(name, tuple):
        return f"{scheme}://{Peer(host or str(name[0]), int(name[1]))}"
    return f"unix:{socket_path(name)}"


def socket_path(name: object) -> str:
    """The path in the name of a Unix socket, with `@` for the NUL of an abstract one; empty if it
    has none.
    """
    path = os.fsdecode(name) if isinstance(name, str | bytes) else ""
    return f"@{path[1:]}" if path.startswith("\0") else path


@contextmanager
def removing_socket_file(listener: socket.socket) -> Iterator[None]:
    """At the end the file of this Unix socket is removed, unless it is another one's by then."""
    path = os.path.abspath(listener.getsockname())  # whatever the current directory will be
    ours = _identity(path)
    try:
        yield
    finally:
        if ours is not None and _identity(path) == ours:
            with suppress(OSError):
                os.unlink(path)


def _identity(path: str) -> tuple[int, int] | None:
    """Which file this is; None if there is none."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


# -- accepting -------------------------------------------------------------------------------------


def accept_waiting(
    listener: socket.socket, max_count: int, unsent_mark: int | None
) -> AcceptedSockets:
    """Up to `max_count` of the connections that are waiting; those that vanished meanwhile are
    passed over. Their options are set, unless they have them (None).
    """
    accepted: list[tuple[socket.socket, Peer]] = []
    accept = _accept_of(listener)
    for _ in range(max_count):
        try:
            connection, address = accept()
        except (BlockingIOError, InterruptedError):
            return AcceptedSockets(accepted, AcceptStop.NO_MORE)
        except OSError as error:
            if error.errno in _OUT_OF_RESOURCES:
                return AcceptedSockets(accepted, AcceptStop.EXHAUSTED, error.errno)
            continue
        connection.setblocking(False)
        if unsent_mark is not None:
            set_options(connection, unsent_mark)
        accepted.append((connection, peer_of(address)))
    return AcceptedSockets(accepted, AcceptStop.ENOUGH)


def _accept_of(listener: socket.socket) -> Callable[[], tuple[socket.socket, Any]]:
    """`listener.accept`, unless that is Python's own: this does the same without looking up the
    members of two enumerations for each connection, which takes as long as the system call.
    """
    if type(listener).accept is not _ACCEPT:
        return listener.accept
    accept: Callable[[], tuple[int, Any]] = listener._accept  # type: ignore[attr-defined]
    family, kind, protocol = int(listener.family), int(listener.type), listener.proto

    def accept_stream() -> tuple[socket.socket, Any]:
        descriptor, address = accept()
        return socket.socket(family, kind, protocol, descriptor), address

    return accept_stream


def set_options(sock: socket.socket, unsent_mark: int) -> None:
    """Set the options of a TCP connection, or those of all that will come from a listening socket;
    a socket of another kind has none of them.
    """
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    with suppress(OSError):  # it is gone already; the first read will say so
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    limit_unsent(sock, unsent_mark)


def peer_of(address: object) -> Peer:
    """The peer at this address, as the operating system gives it."""
    if isinstance(address, tuple) and len(address) >= 2:
        return Peer(address[0], address[1])
    return Peer(socket_path(address), 0)
