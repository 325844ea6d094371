"""Sockets and descriptors that somebody else has: connections that were accepted elsewhere, and a
poll set that a program owns.

Theory: a connection may come from anywhere: from a server that looked at its first bytes and found
that they are not for it, from a process that hands it on, from a pair of sockets. From here on it
is like one that was accepted, and what was read of it is what it has sent first. And a loop may
poll all descriptors by itself; then it asks whose one is that is ready.

Rules: what cannot be taken is closed, so that nobody holds it by mistake. The limits hold, as for
everybody who comes. It does not know what is in the bytes.
"""

import logging
import socket
from threading import get_ident

from ..core.conn import Conn, Peer
from ..core.effects import SERVER_LOG, Adopt
from ..core.events import Received
from ..core.http.response import BytesLike
from .loop.connection_socket import close
from .loop.kernel_buffer import first_mark
from .loop.listen import peer_of, set_options
from .loop.poll_hooks import PollHooks, ReportingKernel
from .loop.poller import Poller
from .members import Hosting
from .program.logs import write_log

_LOG = logging.getLogger(SERVER_LOG)


class Adopting(Hosting):
    """A server that takes what others have opened."""

    __slots__ = ()

    # -- sockets -----------------------------------------------------------------------------------

    def adopt_socket(
        self, sock: socket.socket, preread: BytesLike = b"", peer: Peer | None = None
    ) -> Conn | None:
        """Take a connected socket as if it had been accepted here; may be called from any thread.

        `preread` is what was read of it, which is dealt with first; `peer` is what the program
        says of where it comes from. Returns its handle, or None if it was not taken: the server
        does not run or is full (the client is told), the socket is not connected, `Callbacks.admit`
        refuses it; it is closed then. From another thread it is taken in the next tick, and the
        answer is None: `Callbacks.open` tells of it. TypeError for what is no socket, or an
        SSLSocket; ValueError for bytes that were read where TLS is served.
        """
        data = _check_adopted(sock, preread)
        if data and self._settings_have_tls():
            raise ValueError("what was read of a connection over TLS cannot be given back to it")
        if not self.running:
            close(sock)
            return None
        if get_ident() != self._thread or self._guard.is_busy:
            self.call_soon(self._adopt_now, sock, data, peer)
            return None
        return self._adopt_now(sock, data, peer)

    def _settings_have_tls(self) -> bool:
        """True if TLS is served."""
        return False

    def _adopt_now(self, sock: socket.socket, data: bytes, peer: Peer | None) -> Conn | None:
        """Take a socket on the thread that ticks, within user code or between two ticks."""
        try:
            sock.setblocking(False)
            set_options(sock, first_mark(self._limits))
            found = peer or peer_of(sock.getpeername())
        except OSError as error:
            write_log(_LOG, logging.WARNING, "a socket was not adopted: %s", error)
            close(sock)
            return None
        self._before_send()
        guard = self._guard
        was_busy, guard.is_busy = guard.is_busy, True
        try:
            return self._take_adopted(sock, data, found)
        finally:
            guard.is_busy = was_busy

    def _take_adopted(self, sock: socket.socket, data: bytes, peer: Peer) -> Conn | None:
        """The handle of a socket that the core has taken; its first bytes wait for the tick."""
        engine = self._engine
        for admitted, address in self._application.callbacks.admitted([(sock, peer)]):
            accepted = self._sockets.accepted(admitted, address)
            engine.apply(accepted)
            for effect in engine.effects:
                if type(effect) is Adopt and effect.socket_id == accepted.socket_id:
                    size = self._limits.max_read_len
                    engine.events += [
                        Received(effect.conn, data[at : at + size])
                        for at in range(0, len(data), size)
                    ]
                    return effect.conn
        return None

    # -- a poll set that the program owns ----------------------------------------------------------

    def service_fd(self, fd: int, events: int) -> bool:
        """Do what there is to do because descriptor `fd` is ready, for these events of
        `select.poll`; False, and nothing is done, if it is none of this server's.

        For a loop that polls all descriptors by itself (`listen(poll_hooks=...)`), which calls
        `tick()` at `next_deadline()` besides. The descriptor of `fileno()` is the server's too.
        """
        poller = self._poller
        if poller is None or not (poller.owns(fd) or fd == poller.fileno()):
            return False
        if events:
            self.tick(0.0)
        return True


def make_poller(hooks: PollHooks | None) -> Poller:
    """A poller that reports each descriptor to these hooks, if there are any."""
    if hooks is None:
        return Poller()
    check_hooks(hooks)
    found: PollHooks = hooks
    return Poller(wrap=lambda kernel: ReportingKernel(kernel, found))


def check_hooks(hooks: object) -> None:
    """TypeError for what are no hooks."""
    if not isinstance(hooks, PollHooks) or not all(map(callable, hooks)):
        raise TypeError("poll_hooks is a PollHooks of three functions: add, change and delete")


def _check_adopted(sock: object, preread: BytesLike) -> bytes:
    """The bytes that were read; TypeError for what cannot be adopted."""
    if not isinstance(sock, socket.socket) or hasattr(sock, "do_handshake"):
        raise TypeError(f"what is adopted is a plain socket.socket, not {type(sock).__name__}")
    if sock.type != socket.SOCK_STREAM:
        raise TypeError("what is adopted is a stream socket")
    if isinstance(preread, str):
        raise TypeError("what was read of a socket is bytes, not str")
    return bytes(preread)


http_server_adopt_socket = Adopting.adopt_socket
http_server_service_fd = Adopting.service_fd
