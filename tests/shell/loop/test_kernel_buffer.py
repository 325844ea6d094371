"""What the kernel holds of what is sent, with real sockets."""

import socket
import sys
import time
from contextlib import closing

import pytest

from sigil.core.limits import Limits
from sigil.shell.loop.kernel_buffer import first_mark, held_len, limit_unsent

PATIENCE_SECONDS = 30.0
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can be asked")


def fill(sock: socket.socket) -> int:
    """How many bytes a socket takes until it takes no more."""
    sock.setblocking(False)
    taken = 0
    try:
        while True:
            taken += sock.send(bytes(65_536))
    except BlockingIOError:
        return taken


@LINUX
def test_what_was_not_acknowledged_is_held() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs = listener.accept()[0]
    with ours, theirs:
        assert held_len(ours) == 0
        taken = fill(ours)
        held = held_len(ours)
        assert 0 < held < taken, "their kernel has acknowledged some"
        theirs.setblocking(True)
        left = taken
        while left:
            left -= len(theirs.recv(left))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while held_len(ours):  # the last acknowledgement may come later
            assert time.monotonic() < deadline
    assert held_len(ours) == 0, "it is closed"


@LINUX
def test_a_connection_begins_with_the_mark_of_responses() -> None:
    assert first_mark(Limits()) == Limits().max_unsent_response_len
    assert first_mark(Limits(tcp_notsent_lowat=7, max_unsent_response_len=5)) == 7


@LINUX
def test_a_socket_that_is_limited_takes_less() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs = listener.accept()[0]
    with ours, theirs:
        limit_unsent(ours, 4_096)
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == 4_096
    limit_unsent(ours, 4_096)  # closed: nothing to limit


def test_other_sockets_are_not_asked_about() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        fill(ours)
        limit_unsent(ours, 1)
        assert held_len(ours) == 0
