"""A connection over TLS that is used like a non-blocking socket, at either end.

Theory: `ssl` turns plaintext into ciphertext and back in memory (`ssl.MemoryBIO`), and moving the
ciphertext is ours. So the rest of the shell sends and receives as on any other socket, and what is
peculiar to TLS is met here:

* Ciphertext that the kernel did not take cannot be taken back. It is held, and one byte of its
  plaintext is said not to have been taken: whoever sends has that byte left over, waits for the
  socket to be writable as it always does, and gives it once more behind what is held. So nothing is
  ever held that nobody knows of, and what was taken altogether has left.
* No plaintext is left behind: what one read of the kernel brings is decrypted at once, so a socket
  that is not ready has nothing. It is up to a record (16 KiB) more than was asked for.
* An end (close_notify) that came behind data is told by the next read, and the socket is shut down
  for reading so that a poller reports it. An end of the connection without close_notify is an
  `ssl.SSLEOFError`: what came may have been cut off by anybody on the way (RFC 8446 section 6.1).

One may be within another, as TLS to a server is within TLS to its proxy: then what the outer one
has not taken is what the kernel has not.

Rules: nothing blocks. What has not been taken is sent again before anything else, as a stream is:
its first byte is not looked at. The handshake goes on whenever the socket is used, and is over when
`is_secured`. A call that an interrupt has left leaves the connection unusable, since nobody knows
how far it came. Errors are OSError, those of TLS `ssl.SSLError`. It does not know who waits, nor
for how long.
"""

import errno
import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, TypeAlias

from ...core.tls import Tls
from .connection_socket import StreamSocket

RECORD_LEN: Final = 16_384
"""Bytes of plaintext in a record at most (RFC 8446 section 5.1)."""
RECORD_ROOM: Final = RECORD_LEN + 512
"""Bytes of a record with all that can be around its plaintext."""
HELD_LEN: Final = 65_536
"""Bytes that are encrypted before the kernel is asked to take them: as many as may be held if it
does not, and enough for a call each to be cheap. What the protocol itself has to answer (key
updates) may be as much: a peer that makes us hold more does not read.
"""
HANDSHAKE_READ_LEN: Final = 16_384
"""Bytes that are read at once of a handshake."""

_Data: TypeAlias = bytes | bytearray | memoryview


FIRST_LEN: Final = 64
"""Bytes that are kept of what came first, for who wants to know what it was if it was no TLS."""
_HANDSHAKE_RECORD: Final = 0x16
"""The first byte of whoever begins with TLS."""


class NotTls(ssl.SSLError):
    """The other end has begun with something else than TLS (`first_bytes`), and was told nothing:
    an alert would be no answer to it.
    """

    reason = ""
    """OpenSSL has seen none of it, and has no name for it."""


class TlsBuffers:
    """What ciphertext passes through on its way to and from OpenSSL: empty between two calls, so
    that all connections of one thread may share it, and none pays for the largest thing it was ever
    sent.
    """

    __slots__ = ("incoming", "outgoing")

    def __init__(self) -> None:
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()

    def clear(self) -> None:
        """Drop what an interrupt has left here."""
        for buffer in (self.incoming, self.outgoing):
            if buffer.pending:
                buffer.read()


class TlsSocket:
    """A non-blocking socket over TLS; `preread` are bytes that were read of it before.

    With `suppress_ragged_eofs` an end that was not said is an end all the same, as for `ssl`, and
    `is_truncated` says so. The end with `server_side` waits for the other's first message; the
    other one names the server by `server_hostname` (SNI), whose certificate has to be for it if the
    context says so.
    """

    __slots__ = (
        "_buffers", "_context", "_has_sent_end", "_held", "_in_call", "_is_ahead", "_max_held_len",
        "_object", "_suppresses", "_unread", "family", "first_bytes", "has_ended", "is_secured",
        "is_truncated", "sock",
    )  # fmt: skip

    def __init__(
        self,
        sock: StreamSocket,
        context: ssl.SSLContext,
        *,
        server_side: bool,
        server_hostname: str | None = None,
        preread: bytes = b"",
        buffers: TlsBuffers | None = None,
        max_held_len: int = HELD_LEN,
        suppress_ragged_eofs: bool = False,
    ) -> None:
        self.sock = sock
        self.family = sock.family
        self._buffers = buffers or TlsBuffers()
        self._object = context.wrap_bio(
            self._buffers.incoming, self._buffers.outgoing, server_side, server_hostname
        )
        self._context = context
        self._max_held_len = max_held_len
        self._suppresses = suppress_ragged_eofs
        self._unread = preread
        """Ciphertext that came and was not looked at."""
        self._held = b""
        """Ciphertext that the kernel has not taken."""
        self._is_ahead = False
        """The next byte to be sent was encrypted before, and is given once more."""
        self._in_call = False
        self._has_sent_end = False
        self.is_secured = False
        """The handshake is over: what is sent from here on is secret."""
        self.has_ended = False
        """The other end has said that it sends no more (close_notify)."""
        self.is_truncated = False
        """The connection has ended without that being said."""
        self.first_bytes = b""
        """The first that came, as it came."""

    # -- questions ---------------------------------------------------------------------------------

    @property
    def held_len(self) -> int:
        """Bytes of ciphertext that the kernel has not taken: wait for writing while there are any
        and nothing is to be sent.
        """
        below = self.sock
        return len(self._held) + (below.held_len if isinstance(below, TlsSocket) else 0)

    @property
    def ssl_object(self) -> ssl.SSLObject:
        """The connection as `ssl` knows it, for questions."""
        return self._object

    def facts(self) -> Tls:
        """What the handshake has settled; of a connection that is secured. A server knows the name
        that was asked for if its context keeps it (`shell.tls_context`).
        """
        tls = self._object
        cipher, certificate = tls.cipher(), tls.getpeercert(binary_form=True)
        return Tls(
            tls.version() or "",
            "" if cipher is None else cipher[0],
            tls.selected_alpn_protocol(),
            tls.server_hostname or getattr(tls, "requested_name", None),
            certificate,
            certificate is not None and self._context.verify_mode != ssl.CERT_NONE,
            bool(tls.session_reused),
        )

    def fileno(self) -> int:
        """The descriptor."""
        return self.sock.fileno()

    def getsockopt(self, level: int, option: int) -> int:
        """An option of the socket."""
        return self.sock.getsockopt(level, option)

    def setsockopt(self, level: int, option: int, value: int) -> None:
        """Set an option of the socket."""
        self.sock.setsockopt(level, option, value)

    # -- the handshake -----------------------------------------------------------------------------

    def handshake(self) -> bool:
        """Go on with the handshake as far as it goes without waiting: True when it is over, and
        whatever it has to say was taken; the other end may have sent more behind it, so `recv`
        comes next. `ssl.SSLError` if it has failed, of which the other end was told.
        """
        self._begin_call()
        try:
            is_over = self._shake() and not self._held
        except Exception:
            self._in_call = False
            raise
        self._in_call = False
        return is_over

    def _shake(self) -> bool:
        while not self.is_secured:
            try:
                self._check_first()
                self._feed()
                self._object.do_handshake()
                self.is_secured = True
            except ssl.SSLWantReadError:
                pass
            except NotTls:
                raise
            except ssl.SSLError:
                self._settle()  # the alert that says why
                with suppress(OSError):
                    self._flush()
                raise
            self._settle()
            self._flush()
            if not self.is_secured:
                try:
                    self._unread = self.sock.recv(HANDSHAKE_READ_LEN)
                except (BlockingIOError, InterruptedError):
                    return False
                if not self._unread:
                    raise _eof("the connection ended within the TLS handshake")
        return self._flush()

    def _check_first(self) -> None:
        """NotTls if what comes first is none."""
        if self.first_bytes or not self._unread:
            return
        self.first_bytes = self._unread[:FIRST_LEN]
        if self._object.server_side and self.first_bytes[0] != _HANDSHAKE_RECORD:
            raise NotTls(ssl.SSL_ERROR_SSL, "what came is no TLS")

    # -- receiving ---------------------------------------------------------------------------------

    def recv(self, max_len: int) -> bytes:
        """What one read of up to `max_len` bytes of the kernel has brought: up to a record more;
        nothing when the other end has said that it ends. BlockingIOError if no record is complete,
        `ssl.SSLEOFError` if the connection ended without that being said.
        """
        self._begin_call()
        try:
            data = self._receive(max_len)
        except Exception:
            self._in_call = False
            raise
        self._in_call = False
        return data

    def _receive(self, max_len: int) -> bytes:
        if self.has_ended:
            return b""
        if not (self.is_secured or self._shake() or self.is_secured):
            raise BlockingIOError
        if not self._unread:
            self._unread = self.sock.recv(max_len)
            if not self._unread:
                self.is_truncated = True
                if self._suppresses:
                    return b""
                raise _eof("the connection ended without TLS saying so (close_notify)")
        parts = self._decrypt()
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        if self.has_ended and data:
            with suppress(OSError):  # it is gone, which a poller reports as well
                self.sock.shutdown(socket.SHUT_RD)
        if not data and not self.has_ended:
            raise BlockingIOError
        return data

    def _decrypt(self) -> list[bytes]:
        """The plaintext of all records that are complete; whatever is to be answered to them is on
        its way.
        """
        self._feed()
        tls, incoming, parts = self._object, self._buffers.incoming, []
        try:
            while incoming.pending:
                part = tls.read(RECORD_LEN)
                if not part:
                    self.has_ended = True
                    break
                parts.append(part)
                while tls.pending():
                    parts.append(tls.read(RECORD_LEN))
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.has_ended = True
        except ssl.SSLError:
            self._settle()
            with suppress(OSError):
                self._flush()
            raise
        self._settle()
        if self._held:
            self._flush()
            if len(self._held) > 2 * self._max_held_len + RECORD_ROOM:
                raise _refusal("it asks for answers and reads none of them")
        return parts

    # -- sending -----------------------------------------------------------------------------------

    def send(self, data: _Data) -> int:
        """How many bytes were taken; what is left over is given again, when the socket is writable.
        BlockingIOError if none were.
        """
        self._begin_call()
        try:
            count = self._send(data)
        except Exception:
            self._in_call = False
            raise
        self._in_call = False
        return count

    def sendmsg(self, buffers: Iterable[_Data]) -> int:
        """How many bytes were taken of these, one behind the other: those at the front that fit
        into a few records, which they share.
        """
        chosen: list[_Data] = []
        length = 0
        for buffer in buffers:
            length += len(buffer)
            if chosen and length > self._max_held_len:
                break
            chosen.append(buffer)
        return self.send(chosen[0] if len(chosen) == 1 else b"".join(chosen))

    def _send(self, data: _Data) -> int:
        if not (self.is_secured or self._shake() or self.is_secured):
            raise BlockingIOError
        if self._held and not self._flush():
            raise BlockingIOError
        length = len(data)
        if not length:
            return self._send_below()
        taken = 1 if self._is_ahead else 0
        self._is_ahead = False
        while taken < length:
            taken = self._encrypt(data, taken)
            if not self._flush():
                self._is_ahead = True
                if taken == 1:
                    raise BlockingIOError
                return taken - 1
        return taken

    def _send_below(self) -> int:
        """0, when the connection that this one is within has sent what it holds."""
        return self.sock.send(b"") if isinstance(self.sock, TlsSocket) else 0

    def _encrypt(self, data: _Data, taken: int) -> int:
        """How many bytes of the data were taken when as many as may be held were encrypted."""
        length, max_len = len(data), self._max_held_len
        try:
            if not taken and length <= RECORD_LEN and length <= max_len:
                return self._object.write(data)
            view, end = memoryview(data), min(length, taken + max_len)
            while taken < end:
                taken += self._object.write(view[taken : min(end, taken + RECORD_LEN)])
        except ssl.SSLWantReadError as error:  # it wants to negotiate again in the middle
            raise _refusal("it would negotiate again, which is not done") from error
        finally:
            self._settle()
        return taken

    def _flush(self) -> bool:
        """Let the kernel take what is held; True if it has all of it."""
        held = self._held
        if not held:
            return True
        try:
            count = self.sock.send(held)
        except (BlockingIOError, InterruptedError):
            return False
        self._held = held[count:]
        return count == len(held)

    # -- the end -----------------------------------------------------------------------------------

    def shutdown(self, how: int) -> None:
        """End our side: behind what was taken TLS says so (close_notify), and the connection ends.
        BlockingIOError if the kernel has no room for that: then again, when the socket is writable.

        With SHUT_RDWR the connection ends whatever was said: it is given up.
        """
        if how == socket.SHUT_WR and self.is_secured:
            self._begin_call()
            try:
                self._end()
            except Exception:
                self._in_call = False
                raise
            self._in_call = False
        self.sock.shutdown(how)

    def _end(self) -> None:
        if not self._has_sent_end:
            self._has_sent_end = True
            with suppress(ssl.SSLError):  # the other end's has not come, which is not waited for
                self._object.unwrap()
            self._settle()
        if not self._flush():
            raise BlockingIOError

    def close(self) -> None:
        """Close the socket, as it is."""
        self.sock.close()

    # -- the buffers -------------------------------------------------------------------------------

    def _begin_call(self) -> None:
        if self._in_call:
            raise ConnectionAbortedError(
                errno.ECONNABORTED, "an interrupt has left it unknown how far a call of TLS came"
            )
        self._in_call = True
        self._buffers.clear()

    def _feed(self) -> None:
        """Give OpenSSL what came."""
        if self._unread:
            self._buffers.incoming.write(self._unread)
            self._unread = b""

    def _settle(self) -> None:
        """Take what OpenSSL has left in the buffers, which others use next."""
        buffers = self._buffers
        if buffers.outgoing.pending:
            self._held += buffers.outgoing.read()
        if buffers.incoming.pending:
            self._unread = buffers.incoming.read()


def _refusal(text: str) -> ssl.SSLError:
    error = ssl.SSLError(ssl.SSL_ERROR_SSL, text)
    error.library, error.reason = "SSL", ""  # OpenSSL has no name for it
    return error


def _eof(text: str) -> ssl.SSLEOFError:
    error = ssl.SSLEOFError(ssl.SSL_ERROR_EOF, text)
    error.library, error.reason = "SSL", "UNEXPECTED_EOF_WHILE_READING"  # as of OpenSSL
    return error
