"""The last look before a server stops: whoever has come by then is accepted and read once.

Theory: to stop is to close those who have sent nothing, and the listening socket with all who wait
in its queue. But when the stop is told there may be clients that have sent a whole request and that
nobody has read: they would be reset. So the stop waits until the queue is empty and everybody has
been read; then it finds their requests among those that are answered, or told 503.

Rules: one pass, bounded by the length that a queue of the kernel can have. If user code breaks out
of it, the stop is not lost. It does not know what a stop does.
"""

import selectors

from ...core.events import Accepted, Stop, TickStarted
from ...core.limits import Limits
from .acceptor import Acceptor
from .engine import Engine
from .sockets import Sockets

QUEUE_MAX = 4_096
"""Connections that the kernel holds for a listening socket at most (`net.core.somaxconn`)."""


def look_before_stop(
    engine: Engine,
    sockets: Sockets,
    selector: selectors.BaseSelector,
    acceptor: Acceptor | None,
    limits: Limits,
) -> None:
    """If the engine has a `Stop` among its events, let it come behind all that has come in."""
    events = engine.events
    stops = [event for event in events if type(event) is Stop]
    if not stops:
        return
    events[:] = [event for event in events if type(event) is not Stop]
    try:
        if acceptor is not None:
            accepted = acceptor.accept(QUEUE_MAX).sockets
            events += [Accepted(sockets.register_accepted(sock), peer) for sock, peer in accepted]
        time = engine.clock()
        events.insert(0, TickStarted(time.now, time.unix_time))
        engine.run_rounds()
        events += sockets.process_readable_clients(selector.select(0.0), limits.max_read_len)[0]
    finally:
        events += stops
