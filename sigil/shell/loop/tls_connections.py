"""The connections of one server that are over TLS, while their handshakes go on.

Theory: once a handshake is over, a connection is like any other: its `TlsSocket` has the methods of
a socket. Until then its descriptor belongs to a `Handshake`, so that whoever reads connections need
not ask whether one is ready for that: what is ready here is no connection yet.

Rules: a handshake goes on when its descriptor is ready, and `Limits.max_tls_handshakes_per_tick` of
them in one tick, from another one on in each. When it is over, or has failed, the connection is
what its descriptor belongs to; one that has failed goes on without TLS, for as long as it takes to
say why. The context is looked at when a connection begins, so another one may come any time. It
does not know what a connection is for.
"""

import ssl
from collections.abc import Sequence
from typing import Final

from ...core.effects import Interest
from ...core.events import Event
from ...core.limits import Limits
from ...core.securing import HandshakeFailed, Secured, StartTls
from ..tls_problems import loss_of, problem_of
from .connection_socket import ConnectionSocket
from .poller import READABLE, Poller
from .tls_socket import NotTls, TlsBuffers, TlsSocket

Left = list[tuple[object, int]]
"""Connections that are ready and were left for the next tick, and what for."""


class Handshake:
    """A handshake that goes on: whose it is, and what its descriptor is watched for."""

    __slots__ = ("conn", "connection", "interest", "tls")

    def __init__(self, connection: ConnectionSocket, tls: TlsSocket) -> None:
        self.conn: Final = connection.conn
        self.connection: Final = connection
        self.tls: Final = tls
        self.interest = Interest.READ


class TlsConnections:
    """The context of a server, and what goes on in it."""

    send = staticmethod(TlsSocket.send)
    """What sends to one of these, as `socket.socket.send` does to others."""

    def __init__(self, context: ssl.SSLContext, limits: Limits, poller: Poller) -> None:
        self.context = context
        self._limits = limits
        self._poller = poller
        self._buffers = TlsBuffers()
        self._turn = 0
        """How many handshakes have gone on: who is first in a tick."""

    def start(self, connection: ConnectionSocket, effect: StartTls) -> list[Event]:
        """Begin with the handshake of a connection, and go on with it if anything has come."""
        connection.sock = tls = TlsSocket(
            connection.sock,
            self.context,
            server_side=True,
            preread=effect.data,
            buffers=self._buffers,
            max_held_len=self._limits.max_tls_held_len,
            suppress_ragged_eofs=True,
        )
        handshake = Handshake(connection, tls)
        self._poller.hand_over(tls.fileno(), handshake)
        return self._go_on(handshake) if effect.data else []

    def go_on(self, ready: Sequence[object], events: list[Event]) -> tuple[Left, list[object]]:
        """Go on with the handshakes among those that are ready, and add what came of it to the
        events; those that are left for the next tick, and the connections that may be read now.
        """
        handshakes = [owner for owner in ready if type(owner) is Handshake]
        if not handshakes:
            return [], []
        first = self._turn % len(handshakes)
        handshakes = handshakes[first:] + handshakes[:first]
        max_count = self._limits.max_tls_handshakes_per_tick
        secured: list[object] = []
        for handshake in handshakes[:max_count]:
            more = self._go_on(handshake)
            events += more
            if more and type(more[0]) is Secured:
                secured.append(handshake.connection)
        self._turn += max_count
        return [(one.connection, READABLE) for one in handshakes[max_count:]], secured

    def _go_on(self, handshake: Handshake) -> list[Event]:
        """What came of one handshake: nothing if it is not over."""
        connection, tls = handshake.connection, handshake.tls
        try:
            is_over = tls.handshake()
            interest = Interest.BOTH if tls.held_len else Interest.READ
            if interest is not handshake.interest:
                handshake.interest = interest
                self._poller.watch(tls.fileno(), interest, handshake)
            if not is_over:
                return []
        except ssl.SSLError as error:
            first_bytes = tls.first_bytes if isinstance(error, NotTls) else b""
            self._end(handshake)
            connection.sock = tls.sock
            return [HandshakeFailed(connection.conn, problem_of(error), first_bytes)]
        except OSError as error:
            self._end(handshake)
            return [loss_of(connection.conn, error)]
        self._end(handshake)
        return [Secured(connection.conn, tls.facts())]

    def _end(self, handshake: Handshake) -> None:
        """From here on the descriptor belongs to the connection."""
        self._poller.hand_over(handshake.tls.fileno(), handshake.connection)
