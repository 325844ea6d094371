"""The end of a server: draining, and stopping at once.

Theory: a server that is told to stop finishes what it has promised. The first `Stop` begins
draining: subscribers get a close frame, and whoever waits for a response gets it, up to `grace`
seconds. A second `Stop`, or the end of that time, closes everything. What a connection without a
request has sent may not have been read yet; so it is closed only when all was read once more, and
nothing has come. The same holds for newcomers that were accepted meanwhile.

Rules: the server is `STOPPED` when it is draining and its table is empty; `Batch.finish` sees to
that, whichever event removed the last client. Nobody who waits for a response is closed without a
503, as far as it can be sent at once, nor is a newcomer that nobody has read. `clock` calls
`stop_now` when the grace period is over, and `close_unheard` when all was read. It does not know
how the shell reads.
"""

from math import inf, isnan

from pyrsistent import pvector

from ..close_reasons import CloseReason
from ..conn import Conn
from ..connection.client import Disconnected
from ..connection.client_status import is_subscriber
from ..connection.context import Parse
from ..connection.deadlines import Waiting, waiting_for
from ..connection.transitions import on_close_requested
from ..effects import Effect
from ..events import CloseRequested, Stop
from .batch import Batch
from .slots import clients_of
from .state import NO_LAST_READS, LastReads, Server, ServerState


def stop(server: Server, event: Stop, parse: Parse) -> tuple[Server, list[Effect]]:
    """The server draining, or stopped if it was draining already or `event.grace` is 0, and the
    effects.
    """
    if server.running is not ServerState.SERVING:
        return stop_now(server, parse)
    grace = inf if isnan(event.grace) else event.grace
    draining = server.replace(running=ServerState.DRAINING, deadline=server.now + grace)
    if grace <= 0:
        return stop_now(draining, parse)
    batch, idle = Batch(draining, parse), []
    for client in list(clients_of(draining.slots)):
        if waiting_for(client) is Waiting.IDLE:
            idle.append(client.conn)
        elif is_subscriber(client):
            request = CloseRequested(client.conn, CloseReason.SHUTDOWN)
            batch.commit(client, on_close_requested(client, request, batch.context))
    server, effects = batch.finish()
    return server.replace(last_reads=LastReads(pvector(idle), pvector())), effects


def close_unheard(
    server: Server, unread: frozenset[Conn], parse: Parse
) -> tuple[Server, list[Effect]]:
    """The draining server when all was read but what the `unread` have sent: those whose turn it
    was and who have sent nothing are closed. The others' turn comes with the next `InputRead`.
    """
    last_reads = server.last_reads
    if last_reads == NO_LAST_READS:
        return server, []
    batch = Batch(server, parse)
    for conn in last_reads.due:
        client = batch.draft.find_client(conn)
        if client is None or conn in unread or waiting_for(client) is not Waiting.IDLE:
            continue
        batch.commit(client, (Disconnected(client, CloseReason.SHUTDOWN), []))
    server, effects = batch.finish()
    due = last_reads.newest.extend([conn for conn in last_reads.due if conn in unread])
    return server.replace(last_reads=LastReads(pvector(), due)), effects


def stop_now(server: Server, parse: Parse) -> tuple[Server, list[Effect]]:
    """The server with all connections closed; those that wait for a response are sent a 503 if it
    can be sent at once.
    """
    batch = Batch(server.replace(last_reads=NO_LAST_READS), parse)
    for before in list(clients_of(server.slots)):
        client = batch.draft.find_client(before.conn)  # an earlier one's end may have changed it
        if client is not None:
            batch.close_now(client, CloseReason.SHUTDOWN)
    return batch.finish()
