"""TLS on the wires of a world: records, a handshake in flights, an end that is said or cut off.

Theory: what TLS does to a connection is a cutting of bytes. What comes is there in whole records or
not at all; what was encrypted cannot be taken back, and is held; a handshake is some flights to and
fro before anything else; and an end is said, or it is a truncation. `TlsSocket` makes a socket of
that, and it is the real one here, at both ends: in the place of OpenSSL it has `Records`, which
frames as TLS does and encrypts nothing.

Rules: a record has a header of 5 bytes and 17 behind its payload, and up to 16 KiB between them. A
client begins the handshake, and each end has to receive all flights of the other. It does not know
what is in the records.
"""

import socket
import ssl
from typing import Any, Final

from ...core.conn import Conn, Peer
from ...core.effects import Interest, Send, Then
from ...core.events import (
    Accepted,
    ConnectionLost,
    Event,
    HalfClosed,
    Received,
    Segment,
    Stalled,
    Writable,
)
from ...core.securing import HandshakeFailed, Secured, StartTls
from ...shell.loop.tls_socket import RECORD_LEN, TlsBuffers, TlsSocket
from ..kernel import Admitted
from ..wire import Wire
from .network import UnreliableKernel, UnreliableWire

HEADER_LEN, TAIL = 5, b"\x17" + bytes(16)
ALERT, HANDSHAKE, DATA = 0x15, 0x16, 0x17
FLIGHTS: Final = {True: (900, 1_200), False: (300, 80)}
"""Bytes of each flight of a handshake, by whether it is the server's."""


def record(kind: int, payload: bytes) -> bytes:
    """A record with this payload."""
    length = len(payload) + len(TAIL)
    return bytes((kind, 3, 3)) + length.to_bytes(2) + payload + TAIL


class Records:
    """What `ssl.SSLObject` is to `TlsSocket`: framing in the place of encryption."""

    def __init__(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, server_side: bool) -> None:
        self.server_side = server_side
        self.server_hostname = None if server_side else "localhost"
        self.session_reused = False
        self._incoming, self._outgoing = incoming, outgoing
        self._buffer = b""
        self._plain = b""
        self._sent = self._received = 0
        self._has_ended = False

    # -- what is asked of it -----------------------------------------------------------------------

    def version(self) -> str:
        """The version that a handshake in memory agrees on."""
        return "TLSv1.3"

    def cipher(self) -> tuple[str, str, int]:
        """A cipher that nobody uses."""
        return "TLS_AES_256_GCM_SHA384", "TLSv1.3", 256

    def selected_alpn_protocol(self) -> str:
        """The protocol that is agreed on."""
        return "http/1.1"

    def getpeercert(self, binary_form: bool = False) -> None:
        """There are no certificates."""

    # -- records -----------------------------------------------------------------------------------

    def _next(self) -> tuple[int, bytes] | None:
        """The next record that is whole; None if none is. What is behind it is left where it is."""
        if not (self._fill(HEADER_LEN) and self._fill(self._end())):
            return None
        whole, self._buffer = self._buffer, b""
        if whole[-len(TAIL) :] != TAIL:
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, "a record was torn")
        return whole[0], whole[HEADER_LEN : -len(TAIL)]

    def _end(self) -> int:
        """Where the record ends whose header has come."""
        return HEADER_LEN + int.from_bytes(self._buffer[3:HEADER_LEN])

    def _fill(self, length: int) -> bool:
        """True if so many bytes of a record have come."""
        self._buffer += self._incoming.read(max(0, length - len(self._buffer)))
        return len(self._buffer) >= length

    def do_handshake(self) -> None:
        """Go on with the handshake; SSLWantReadError unless it is over."""
        ours, theirs = FLIGHTS[self.server_side], FLIGHTS[not self.server_side]
        while True:
            may_send = self._sent < len(ours) and self._received >= self._sent + self.server_side
            if may_send:
                self._outgoing.write(record(HANDSHAKE, bytes(ours[self._sent])))
                self._sent += 1
            elif self._received < len(theirs):
                found = self._next()
                if found is None:
                    raise ssl.SSLWantReadError
                if found[0] != HANDSHAKE or len(found[1]) != theirs[self._received]:
                    raise ssl.SSLError(ssl.SSL_ERROR_SSL, "what came is no flight of a handshake")
                self._received += 1
            else:
                return

    def read(self, count: int) -> bytes:
        """Up to so many bytes of what is in a record; nothing once the other end has said that it
        ends.
        """
        while not self._plain:
            found = self._next()
            if found is None:
                raise ssl.SSLWantReadError
            kind, self._plain = found
            if kind == ALERT:
                self._plain = b""
                raise ssl.SSLZeroReturnError(ssl.SSL_ERROR_ZERO_RETURN, "the other end has ended")
        data, self._plain = self._plain[:count], self._plain[count:]
        return data

    def pending(self) -> int:
        """Bytes of a record that were not read."""
        return len(self._plain)

    def write(self, data: Segment) -> int:
        """Make a record of these bytes, and of more than 16 KiB several."""
        for start in range(0, len(data), RECORD_LEN):
            self._outgoing.write(record(DATA, bytes(data[start : start + RECORD_LEN])))
        return len(data)

    def unwrap(self) -> None:
        """Say that we end; the other end's is not waited for."""
        if not self._has_ended:
            self._has_ended = True
            self._outgoing.write(record(ALERT, b"\x01\x00"))
        raise ssl.SSLWantReadError


class RecordsContext:
    """What `ssl.SSLContext` is to `TlsSocket`."""

    verify_mode = ssl.CERT_NONE

    def wrap_bio(
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, server_side: bool, name: str | None
    ) -> Records:
        """One end of a connection."""
        return Records(incoming, outgoing, server_side)


CONTEXT: Final[Any] = RecordsContext()


# -- the server's end ------------------------------------------------------------------------------


class ServersEnd:
    """A wire as its server has it, in the place of a socket."""

    family = socket.AF_INET

    def __init__(self, wire: "TlsWire") -> None:
        self._wire = wire

    def recv(self, max_len: int, /) -> bytes:
        """Ciphertext that the client has sent."""
        return UnreliableWire.recv(self._wire, max_len)

    def send(self, data: Segment, /) -> int:
        """How much of this ciphertext is taken."""
        return UnreliableWire.send(self._wire, data)

    def shutdown(self, how: int, /) -> None:
        """End the server's side."""
        if how == socket.SHUT_RD:  # so that the end is reported, which the client has said
            self._wire.has_half_closed = True
        else:
            UnreliableWire.shut(self._wire)


class TlsWire(UnreliableWire):
    """A wire that may be over TLS at the server's end (`tls`)."""

    __slots__ = ("is_shaking", "tls")

    def __init__(self, peer: Peer, *args: Any) -> None:
        super().__init__(peer, *args)
        self.tls: TlsSocket | None = None
        self.is_shaking = False

    def recv(self, max_count: int) -> bytes:
        """What the client has sent, in whole records."""
        return super().recv(max_count) if self.tls is None else self.tls.recv(max_count)

    def send(self, data: Segment) -> int:
        """How many of these bytes are taken, but for one while ciphertext is held."""
        return super().send(data) if self.tls is None else self.tls.send(data)

    def shut(self) -> None:
        """End the server's side; BlockingIOError if there is no room to say so."""
        if self.tls is None:
            super().shut()
        else:
            self.tls.shutdown(socket.SHUT_WR)


class TlsKernel(UnreliableKernel):
    """A kernel whose connections begin with a handshake."""

    def __init__(self, rng: Any) -> None:
        super().__init__(rng)
        self._buffers = TlsBuffers()

    def accept(self, max_count: int, admitted: Admitted = list) -> list[Event]:
        """The events of some of the new connections, which begin with a handshake."""
        events = super().accept(max_count, admitted)
        return [
            Accepted(event.socket_id, event.peer, True) if isinstance(event, Accepted) else event
            for event in events
        ]

    def start_tls(self, effect: StartTls) -> Event | None:
        """Begin with the handshake of a connection."""
        wire = self.find(effect.conn)
        if not isinstance(wire, TlsWire):
            return None
        end: Any = ServersEnd(wire)
        wire.tls = TlsSocket(
            end, CONTEXT, server_side=True, preread=effect.data, buffers=self._buffers,
            suppress_ragged_eofs=True,
        )  # fmt: skip
        wire.is_shaking = True
        assert not effect.data, "nothing is read before a handshake begins"
        return None

    def _shake(self, wire: TlsWire, conn: Conn) -> Event | None:
        """Go on with a handshake; the event of its end."""
        assert wire.tls is not None
        try:
            is_over = wire.tls.handshake()
        except ssl.SSLError as error:
            wire.is_shaking, wire.tls = False, None
            return HandshakeFailed(conn, error.strerror or "it failed", b"")
        except OSError as error:
            wire.is_shaking = False
            return ConnectionLost(conn, error.errno or 0)
        wire.interest = Interest.BOTH if wire.tls.held_len else Interest.READ
        if not is_over:
            return None
        wire.is_shaking = False
        return Secured(conn, wire.tls.facts())

    def _process(self, wire: Wire, mask: Interest, max_read_len: int) -> list[Event]:
        """The events of one connection that is ready."""
        conn = wire.conn
        assert conn is not None and isinstance(wire, TlsWire)
        events: list[Event] = []
        if wire.is_shaking:
            event = self._shake(wire, conn)
            if not isinstance(event, Secured):
                return [] if event is None else [event]
            events.append(event)  # and what came behind its end is read
        elif mask & Interest.WRITE:
            wire.is_blocked = False
            events.append(Writable(conn))
        if mask & Interest.READ:
            events += self._read(wire, conn, max_read_len)
        return events

    def _read(self, wire: TlsWire, conn: Conn, max_read_len: int) -> list[Event]:
        """What one read brings: perhaps nothing, if no record is whole."""
        try:
            data = wire.recv(max_read_len)
        except BlockingIOError:
            return []
        except OSError as error:
            return [ConnectionLost(conn, error.errno or 0)]
        self.bytes_read += len(data)
        return [Received(conn, data) if data else HalfClosed(conn)]

    def send(self, effect: Send) -> Event | None:
        """Send segments; if there is no room to say that we end, what is left is an end without
        bytes.
        """
        wire = self.find(effect.conn)
        try:
            if wire is None or effect.then is not Then.SHUT:
                return super().send(effect)
            stalled = self._send_all(wire, effect.conn, effect.segments)
            if stalled is None:
                try:
                    wire.shut()
                except BlockingIOError:
                    wire.is_blocked = True
                    return Stalled(effect.conn, 0, (b"",))
            return stalled
        except OSError as error:
            return ConnectionLost(effect.conn, error.errno or 0)
