"""The effects that concern sockets, performed.

Theory: the core orders by numbers; here each number has its `Transport`. What can be told at once
is returned as an event, everything else is reported when a descriptor is ready, or by the resolver.

Rules: an effect for what is gone does nothing. Contexts of TLS have numbers: 0 and 1 are the usual
ones, made when they are needed, since reading the certificates of a system takes long. It does not
know requests.
"""

import os
import socket
import ssl
from contextlib import suppress
from typing import TypeAlias, assert_never

from ...core.client.effects import (
    CheckIdle,
    CloseConnection,
    Connect,
    Resolve,
    SendData,
    SetReading,
    StartTls,
    UseAttempt,
)
from ...core.client.events import ClientEvent, Connected, ConnectFailed, HandshakeFailed
from ...core.client.racing import Address
from ...core.effects import Interest
from ...core.tls import Tls
from ..loop.poller import Poller
from ..loop.tls_socket import TlsBuffers
from .resolver import Resolver
from .transport import Attempt, Transport, close_socket, os_error_text

SocketEffect: TypeAlias = (
    Resolve | Connect | UseAttempt | StartTls | CheckIdle | SendData | SetReading | CloseConnection
)
VERIFIED, UNVERIFIED = 0, 1
"""The numbers of the two usual ways to do TLS."""
CONTEXTS_MAX = 1_024
"""Ways to do TLS that one client remembers."""


class Sockets:
    """The sockets of a client, by the numbers of its connections."""

    def __init__(self, poller: Poller, resolver: Resolver) -> None:
        self._poller = poller
        self._resolver = resolver
        self._transports: dict[int, Transport] = {}
        self._contexts: list[ssl.SSLContext | None] = [None, None]
        self._buffers, self._inner_buffers = TlsBuffers(), TlsBuffers()
        """For connections, and for those within others: one calls the other."""

    def perform(self, effect: SocketEffect) -> ClientEvent | None:
        """Perform an effect; an event if that has an end at once which is to be told."""
        number = effect.connection
        transport = self._transports.get(number)
        if transport is None:
            if isinstance(effect, Resolve | Connect):
                transport = self._transports[number] = Transport(number, self._poller)
            else:
                return None
        match effect:
            case CheckIdle():
                return transport.check_idle()
            case SendData():
                return transport.send(effect.segments)
            case Resolve():
                transport.host = effect.host, effect.port
                self._resolver.ask(number, effect.host, effect.port)
            case Connect():
                transport.host = None
                return _begin_attempt(transport, effect, self._poller)
            case UseAttempt():
                return transport.use(effect.attempt)
            case StartTls():
                return self._start_tls(transport, effect)
            case SetReading():
                transport.is_wanted = effect.is_wanted
                return transport.watch()
            case CloseConnection():
                del self._transports[number]
                if transport.host is not None:
                    self._resolver.forget(number, *transport.host)
                transport.close()
            case _:
                assert_never(effect)
        return None

    def end_of_attempt(self, attempt: Attempt) -> ClientEvent:
        """What has become of an attempt that is ready."""
        self._poller.forget(attempt.sock.fileno())
        try:
            code = attempt.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        except OSError as error:
            return ConnectFailed(attempt.connection, attempt.place, os_error_text(error))
        if code:
            return ConnectFailed(attempt.connection, attempt.place, os.strerror(code))
        return Connected(attempt.connection, attempt.place)

    # -- TLS ---------------------------------------------------------------------------------------

    def tls_of(self, connection: int) -> Tls | None:
        """What the handshake of a connection has settled; None without TLS."""
        transport = self._transports.get(connection)
        return None if transport is None else transport.tls

    def register_context(self, context: ssl.SSLContext) -> int:
        """The number for this way to do TLS; ValueError for one too many."""
        for number, known in enumerate(self._contexts):
            if known is context:
                return number
        if len(self._contexts) >= CONTEXTS_MAX:
            raise ValueError(f"a client has at most {CONTEXTS_MAX} SSLContexts: use them again")
        self._contexts.append(context)
        return len(self._contexts) - 1

    def _start_tls(self, transport: Transport, effect: StartTls) -> ClientEvent | None:
        """Begin a handshake; an event if it has ended."""
        try:
            context = self._contexts[effect.tls]
            if context is None:
                context = make_context(effect.tls == VERIFIED)
                self._contexts[effect.tls] = context
        except OSError as error:  # no certificates can be read
            return HandshakeFailed(effect.connection, os_error_text(error), False)
        buffers = self._inner_buffers if transport.is_secured else self._buffers
        return transport.secure(context, effect.server_name, buffers, effect.is_of_proxy)

    def close(self, is_ours: bool = True) -> None:
        """Close everything; or in a forked child, where they are not `is_ours`, its descriptors."""
        for transport in tuple(self._transports.values()):
            if is_ours:
                transport.close()
            else:
                transport.let_go()
        self._transports.clear()
        self._resolver.close()


def make_context(is_verified: bool) -> ssl.SSLContext:
    """The usual way to do TLS: with the certificates of this system, or without looking at any."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if not is_verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _begin_attempt(transport: Transport, effect: Connect, poller: Poller) -> ClientEvent | None:
    """Begin to connect to an address; an event if that has ended already."""
    number, place, address = effect.connection, effect.attempt, effect.address
    family = socket.AF_INET6 if address.family == 6 else socket.AF_INET
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        return ConnectFailed(number, place, os_error_text(error))
    try:
        sock.setblocking(False)
        with suppress(BlockingIOError, InterruptedError):
            sock.connect(_place_of(address))
        attempt = Attempt(number, place, sock)
        poller.watch(sock.fileno(), Interest.WRITE, attempt)
    except OSError as error:
        close_socket(sock)
        return ConnectFailed(number, place, os_error_text(error))
    except BaseException:
        close_socket(sock)
        raise
    transport.attempts[place] = attempt
    return None


def _place_of(address: Address) -> tuple[object, ...]:
    """The address as the operating system wants it."""
    if address.family == 6:
        return address.host, address.port, 0, address.zone
    return address.host, address.port
