"""The kernel's buffer of what is sent to one client: how much it may hold, and how much it does.

Theory: a connection begins with `Limits.max_unsent_response_len`, and has `tcp_notsent_lowat` from
the moment at which it is sent what is live. The more the kernel may hold, the more rarely it
reports room, so where it cannot be asked how much it holds, which only Linux can, it holds little
from the beginning.

Rules: only TCP is limited and asked about; of other sockets nothing is known to be held, and their
buffers are small. It does not know who asks.
"""

import fcntl
import socket
import struct
import sys
import termios
from contextlib import suppress
from typing import Protocol

from ...core.limits import Limits


class AnySocket(Protocol):
    """What is needed of a socket here; one over TLS has it too."""

    @property
    def family(self) -> int:
        """The kind of address."""

    def fileno(self) -> int:
        """The descriptor."""

    def setsockopt(self, level: int, option: int, value: int, /) -> None:
        """Set an option."""


_CAN_ASK = sys.platform == "linux"
_TCP_FAMILIES = (socket.AF_INET, socket.AF_INET6)
_INT = struct.Struct("i")
_NOTHING = bytes(_INT.size)


def first_mark(limits: Limits) -> int:
    """Bytes that the kernel may hold unsent for a connection that has just been accepted."""
    lowat = limits.tcp_notsent_lowat
    return max(lowat, limits.max_unsent_response_len) if _CAN_ASK else lowat


def limit_unsent(sock: AnySocket, mark: int) -> None:
    """Let the kernel take no more for this socket while it holds so many bytes unsent."""
    if sock.family in _TCP_FAMILIES and hasattr(socket, "TCP_NOTSENT_LOWAT"):  # Linux and macOS
        with suppress(OSError):  # it is gone already; the next read or send will say so
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, mark)


def held_len(sock: AnySocket) -> int:
    """Bytes that were given to this socket and not acknowledged yet (SIOCOUTQ, tcp(7)), those that
    TLS holds included; 0 where that cannot be asked.
    """
    if not _CAN_ASK or sock.family not in _TCP_FAMILIES:
        return 0
    try:
        answer = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, _NOTHING)
    except (OSError, ValueError):  # it is gone, or closed
        return 0
    length: int = _INT.unpack(answer)[0]
    return length + getattr(sock, "held_len", 0)
