"""The parts of it."""

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
    """Drain, or the second time stop at once."""
    if server.running is not ServerState.SERVING:
        return stop_now(server, parse)
    draining = server._replace(running=ServerState.DRAINING, deadline=server.now + event.grace)
    if event.grace <= 0:
        return stop_now(draining, parse)
    batch = Batch(draining, parse)
    for client in list(clients_of(draining.slots)):
        if waiting_for(client) is Waiting.IDLE:
            batch.commit(client, (Disconnected(client, CloseReason.SHUTDOWN), []))
        elif is_subscriber(client):
            batch.commit(
                client,
                on_close_requested(
                    client, CloseRequested(client.conn, CloseReason.SHUTDOWN), batch.context
                ),
            )
    return batch.finish()


def stop_now(server: Server, parse: Parse) -> tuple[Server, list[Effect]]:
    """Whoever is still owed an answer gets a 503 if it can take it at once; then everything is
    closed.
    """
    batch = Batch(server, parse)
    for known in list(clients_of(server.slots)):
        client = batch.draft.find_client(known.conn)
        if client is not None:
            batch.close_now(client, CloseReason.SHUTDOWN)
    return batch.finish()
