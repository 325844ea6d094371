"""The last looks when a server stops: whoever has come by then is accepted, and read once.

Theory: a server that drains reads everybody once more before it closes those without a request; the
core sees to that (`core.server.lifecycle`). Two things are left to the shell. A listening socket
that is closed resets those who wait in its queue, so they are accepted before. And a stop without
grace closes everybody at once, so all that has come is reported before it.

Rules: each look is one pass, bounded by the length that a queue of the kernel can have. If a signal
breaks out of it, the stop is not lost. It does not know what a stop does.
"""

from ...core.events import Stop
from ...core.limits import Limits
from .acceptor import Acceptor
from .engine import Engine
from .poller import Poller
from .sockets import Sockets

QUEUE_MAX = 4_096
"""Connections that the kernel holds for a listening socket at most (`net.core.somaxconn`)."""


def read_before_stop(engine: Engine, sockets: Sockets, poller: Poller, limits: Limits) -> None:
    """If the engine has a `Stop` among its events, let it come behind all that has come in."""
    events = engine.events
    stops = [event for event in events if type(event) is Stop]
    if not stops:
        return
    events[:] = [event for event in events if type(event) is not Stop]
    try:
        events += sockets.process_readable_clients(poller.wait(0.0), limits.max_read_len)[0]
    finally:
        events += stops


def accept_before_close(engine: Engine, sockets: Sockets, acceptor: Acceptor) -> None:
    """Accept all who wait in the queue of a listening socket that is about to be closed, unless
    other processes go on with it, and accept them.
    """
    if acceptor.others_accept():
        return
    accepted = acceptor.accept(QUEUE_MAX).sockets
    engine.events += [sockets.accepted(sock, peer) for sock, peer in accepted]
