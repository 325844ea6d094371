"""The end of a server: draining, and stopping at once.

Theory: a server that is told to stop finishes what it has promised. The first `Stop` begins
draining: no new connections, idle ones are closed, subscribers get a close frame, and whoever waits
for a response gets it, up to `grace` seconds. A second `Stop`, or the end of that time, closes
everything.

Rules: the server is `STOPPED` when it is draining and its table is empty; `Batch.finish` sees to
that, whichever event removed the last client. Nobody who waits for a response is closed without a
503, as far as it can be sent at once. `clock` calls `stop_now` when the grace period is over.
"""

from math import inf, isnan

from ..close_reasons import CloseReason
from ..connection.client import Disconnected, is_subscriber
from ..connection.context import Parse
from ..connection.deadlines import Waiting, waiting_for
from ..connection.transitions import on_close_requested
from ..effects import Effect
from ..events import CloseRequested, Stop
from .batch import Batch
from .slots import clients_of
from .state import Server, ServerState


def stop(server: Server, event: Stop, parse: Parse) -> tuple[Server, list[Effect]]:
    """The server draining, or stopped if it was draining already or `event.grace` is 0, and the
    effects.
    """
    if server.running is not ServerState.SERVING:
        return stop_now(server, parse)
    grace = inf if isnan(event.grace) else event.grace
    draining = server._replace(running=ServerState.DRAINING, deadline=server.now + grace)
    if grace <= 0:
        return stop_now(draining, parse)
    batch = Batch(draining, parse)
    for client in list(clients_of(draining.slots)):
        if waiting_for(client) is Waiting.IDLE:
            batch.commit(client, (Disconnected(client, CloseReason.SHUTDOWN), []))
        elif is_subscriber(client):
            request = CloseRequested(client.conn, CloseReason.SHUTDOWN)
            batch.commit(client, on_close_requested(client, request, batch.context))
    return batch.finish()


def stop_now(server: Server, parse: Parse) -> tuple[Server, list[Effect]]:
    """The server with all connections closed; those that wait for a response are sent a 503 if it
    can be sent at once.
    """
    batch = Batch(server, parse)
    for before in list(clients_of(server.slots)):
        client = batch.draft.find_client(before.conn)  # an earlier one's end may have changed it
        if client is not None:
            batch.close_now(client, CloseReason.SHUTDOWN)
    return batch.finish()
