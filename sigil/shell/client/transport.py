"""One connection as the operating system has it: attempts, a socket, TLS, and what was not taken.

Theory: the core names connections by numbers. Here is what a number stands for: first the sockets
that try to connect, then the one that did, perhaps with TLS on it, and the bytes that the kernel
has not taken yet.

Rules: nothing blocks. What is held is what one effect has given, and no more is asked for until it
is gone. A socket is shut down before it is closed, so that a forked child holds nothing back. What
happens is returned as an event, never raised. It does not know HTTP.
"""

import socket
import ssl
from collections import deque
from contextlib import suppress
from typing import TypeAlias

from ...core.client.events import (
    ClientEvent,
    ConnectionBroken,
    ConnectionStale,
    DataReceived,
    EndReceived,
    HandshakeDone,
    HandshakeFailed,
    SendBlocked,
    SendDrained,
)
from ...core.effects import Interest
from ...core.events import Segment
from ...core.tls import Tls
from ..loop.body_turns import full_read_len
from ..loop.poller import Poller
from ..loop.tls_socket import TlsBuffers, TlsSocket

Stream: TypeAlias = socket.socket | TlsSocket
SEND_PARTS_MAX = 64
"""How many pieces are given to the kernel at once; it takes 1,024."""


def os_error_text(error: OSError) -> str:
    """What an error is called, in a few words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message or "certificate verify failed"
    if isinstance(error, ssl.SSLError):
        return (error.reason or error.strerror or str(error)).replace("_", " ").lower()
    return error.strerror or str(error) or type(error).__name__


def close_socket(stream: Stream) -> None:
    """Close a socket, which is closed whatever the system has against it."""
    with suppress(OSError):
        if isinstance(stream, TlsSocket):
            stream.shutdown(socket.SHUT_WR)
    with suppress(OSError):
        stream.shutdown(socket.SHUT_RDWR)
    with suppress(OSError):
        stream.close()


class Attempt:
    """An attempt to connect: the connection's number, the place of its address, and its socket."""

    __slots__ = ("connection", "place", "sock")

    def __init__(self, connection: int, place: int, sock: socket.socket) -> None:
        self.connection = connection
        self.place = place
        self.sock = sock


class Transport:
    """A connection, whose number is `connection`."""

    __slots__ = (
        "_is_of_proxy", "_poller", "attempts", "connection", "host", "interest", "is_long",
        "is_shaking", "is_stale", "is_wanted", "pending", "stream", "tls",
    )  # fmt: skip

    def __init__(self, connection: int, poller: Poller) -> None:
        self.connection = connection
        self._poller = poller
        self.attempts: dict[int, Attempt] = {}
        self.stream: Stream | None = None
        self.pending: deque[memoryview] = deque()
        """What was to be sent and was not taken."""
        self.interest = -1
        self.host: tuple[str, int] | None = None
        """The host, and its port, that is being looked up for it."""
        self.is_wanted = True
        """It is to be read."""
        self.is_shaking = False
        """The handshake of TLS is under way."""
        self.is_long = False
        """It may be in the middle of something long: a read has brought as much as it could."""
        self.is_stale = False
        """It was over before its next request was sent."""
        self._is_of_proxy = False
        """The handshake that is under way is one with a proxy."""
        self.tls: Tls | None = None
        """What the handshake with the server has settled."""

    # -- connecting --------------------------------------------------------------------------------

    def use(self, place: int) -> ClientEvent | None:
        """Keep the attempt that has connected, and give up the others; an event if it broke."""
        for attempt in self.attempts.values():
            if attempt.place != place:
                self._poller.forget(attempt.sock.fileno())
                close_socket(attempt.sock)
        self.stream = self.attempts[place].sock
        self._poller.forget(self.stream.fileno())  # it was watched as an attempt
        self.attempts.clear()
        with suppress(OSError):
            self.stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.watch()

    @property
    def is_secured(self) -> bool:
        """True if there is TLS on it, with a proxy perhaps."""
        return isinstance(self.stream, TlsSocket)

    def secure(
        self, context: ssl.SSLContext, server_name: str, buffers: TlsBuffers, is_of_proxy: bool
    ) -> ClientEvent | None:
        """Begin the handshake, with the server or a proxy, within what is there; an event if it has
        ended.
        """
        below = self.stream
        assert below is not None
        self._is_of_proxy = is_of_proxy
        try:
            self.stream = TlsSocket(
                below, context, server_side=False, server_hostname=server_name, buffers=buffers
            )
        except (OSError, ValueError) as error:  # a name that no certificate can have
            text = os_error_text(error) if isinstance(error, OSError) else str(error)
            return HandshakeFailed(self.connection, text, False)
        self.is_shaking = True
        return self._shake()

    def _shake(self) -> ClientEvent | None:
        """Go on with the handshake; an event if it has ended."""
        stream = self.stream
        assert isinstance(stream, TlsSocket)
        try:
            is_over = stream.handshake()
        except ssl.SSLCertVerificationError as error:
            return HandshakeFailed(self.connection, os_error_text(error), True)
        except OSError as error:
            return HandshakeFailed(self.connection, os_error_text(error), False)
        if is_over:
            self.is_shaking = False
            if not self._is_of_proxy:
                self.tls = stream.facts()
        broken = self.watch()
        if broken is None:
            return HandshakeDone(self.connection) if is_over else None
        return HandshakeFailed(self.connection, broken.error, False)

    # -- sending -----------------------------------------------------------------------------------

    def check_idle(self) -> ClientEvent | None:
        """An event if something has come, or the connection is over: nothing is sent on it then."""
        if self.read(1) is None:
            return None
        self.is_stale = True
        return ConnectionStale(self.connection)

    def send(self, segments: tuple[Segment, ...]) -> ClientEvent | None:
        """Send bytes behind those before; an event if the kernel has not taken all, or broke."""
        stream = self.stream
        if stream is None or self.is_stale:
            return None
        if self.pending:
            self.pending.extend([memoryview(segment) for segment in segments if len(segment)])
            return None
        try:
            first = segments[0]
            taken = stream.send(first) if len(segments) == 1 else stream.sendmsg(segments)
        except (BlockingIOError, InterruptedError):
            taken = 0
        except OSError as error:
            return self._send_failed(error)
        if taken == sum([len(segment) for segment in segments]):
            return None
        self.pending.extend([memoryview(segment) for segment in segments if len(segment)])
        self._drop(taken)
        return self._flush() if taken else self._blocked()

    def _send_failed(self, error: OSError) -> ClientEvent | None:
        """Sending has failed: there may be an answer all the same, so it is read first."""
        self.pending.clear()
        event = self.read(65_536)
        if isinstance(event, DataReceived):
            return event
        return ConnectionBroken(self.connection, os_error_text(error))

    def _drop(self, count: int) -> None:
        """Forget so many bytes of what is pending, which were taken."""
        while count:
            first = self.pending[0]
            if len(first) > count:
                self.pending[0] = first[count:]
                return
            count -= len(first)
            self.pending.popleft()

    def _flush(self) -> ClientEvent | None:
        """Let the kernel take more of what is pending."""
        stream = self.stream
        assert stream is not None
        if not self.pending and isinstance(stream, TlsSocket):
            return self._flush_held(stream)
        while self.pending:
            parts = list(self.pending)[:SEND_PARTS_MAX]
            try:
                self._drop(stream.send(parts[0]) if len(parts) == 1 else stream.sendmsg(parts))
            except (BlockingIOError, InterruptedError):
                return self._blocked()
            except OSError as error:
                return self._send_failed(error)
        return self.watch()

    def _flush_held(self, stream: TlsSocket) -> ClientEvent | None:
        """Let the kernel take what TLS itself has to say."""
        try:
            stream.send(b"")
        except (BlockingIOError, InterruptedError):
            return None
        except OSError as error:
            return self._send_failed(error)
        return self.watch()

    def _blocked(self) -> ClientEvent:
        broken = self.watch()
        return SendBlocked(self.connection) if broken is None else broken

    # -- readiness ---------------------------------------------------------------------------------

    def watch(self) -> ConnectionBroken | None:
        """Watch the socket for what is waited for; an event if that cannot be."""
        stream = self.stream
        if stream is None:
            return None
        interest = Interest.READ if self.is_wanted or self.is_shaking else Interest.NOTHING
        held = isinstance(stream, TlsSocket) and stream.held_len
        wanted = int(interest) | (Interest.WRITE if self.pending or held else 0)
        if wanted != self.interest:
            self.interest = wanted
            try:
                self._poller.watch(stream.fileno(), wanted, self)
            except OSError as error:
                return ConnectionBroken(self.connection, os_error_text(error))
        return None

    def ready(self, ready: int, max_len: int) -> list[ClientEvent]:
        """What has happened on a socket that is ready."""
        if self.is_shaking:
            event = self._shake()
            if not isinstance(event, HandshakeDone):
                return [] if event is None else [event]
            behind = self.read(max_len)  # it may have come with the end of the handshake
            return [event] if behind is None else [event, behind]
        events: list[ClientEvent] = []
        if ready & Interest.WRITE:
            had_pending = bool(self.pending)
            event = self._flush() if self.stream is not None else None
            if event is not None:
                events.append(event)
            elif had_pending:
                events.append(SendDrained(self.connection))
        if ready & Interest.READ and self.is_wanted:
            event = self.read(max_len)
            if event is not None:
                events.append(event)
            if type(event) is DataReceived and len(event.data) >= full_read_len(max_len):
                self.is_long = True
        return events

    def read(self, max_len: int) -> ClientEvent | None:
        """What one read brings; None if nothing."""
        stream = self.stream
        if stream is None:
            return None
        try:
            data = stream.recv(max_len)
        except (BlockingIOError, InterruptedError):
            return None
        except ssl.SSLEOFError:
            return EndReceived(self.connection, True)
        except OSError as error:
            return ConnectionBroken(self.connection, os_error_text(error))
        if isinstance(stream, TlsSocket) and stream.held_len:
            broken = self.watch()  # what TLS has to answer was not taken
            if broken is not None:
                return broken
        return DataReceived(self.connection, data) if data else EndReceived(self.connection)

    def unwatch(self) -> None:
        """Watch the socket no more until something is waited for: it broke, and nobody asks."""
        if self.stream is not None:
            self._poller.forget(self.stream.fileno())
            self.interest = -1

    def let_go(self) -> None:
        """Close the descriptors of a forked child: the connections, and what watches them, are
        those of its parent.
        """
        for attempt in self.attempts.values():
            attempt.sock.close()
        self.attempts.clear()
        stream, self.stream = self.stream, None
        if stream is not None:
            stream.close()
        self.pending.clear()

    def close(self) -> None:
        """Close everything."""
        for attempt in self.attempts.values():
            self._poller.forget(attempt.sock.fileno())
            close_socket(attempt.sock)
        self.attempts.clear()
        stream, self.stream = self.stream, None
        if stream is not None:
            self._poller.forget(stream.fileno())
            close_socket(stream)
        self.pending.clear()
