"""The probes by which the kernel finds out that the peer of a silent connection is gone.

Theory: a listening socket hands its options on to the connections that come from it, so that they
cost nothing for each of them.

Rules: only TCP has them; what the operating system does not know is left out. It does not know who
wants them.
"""

import socket
from contextlib import suppress

_FAMILIES = (socket.AF_INET, socket.AF_INET6)
_OPTIONS = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
"""The options for the numbers of `Limits.tcp_keepalive`, in their order."""


def set_keepalive(sock: socket.socket, keepalive: tuple[int, int, int] | None) -> None:
    """Have the kernel probe the connections that come from this listening socket."""
    if keepalive is None or sock.family not in _FAMILIES:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in zip(_OPTIONS, keepalive, strict=True):
        option = getattr(socket, name, None)
        if option is not None:
            with suppress(OSError):  # a number that this kernel does not take: it has its own
                sock.setsockopt(socket.IPPROTO_TCP, option, value)
