"""The parts of it."""

from ..close_reasons import CloseReason
from ..connection.client import Gone, Parse, is_talking
from ..connection.deadlines import Waiting, waiting_for
from ..connection.transitions import hung_up
from ..effects import Effect
from ..events import Hangup, Stop
from .batch import Desk
from .slots import clients_of
from .state import Running, Server


def stop(server: Server, event: Stop, parse: Parse) -> tuple[Server, list[Effect]]:
    """Drain, or the second time stop at once."""
    if server.running is not Running.SERVING:
        return _stop_now(server, parse)
    draining = server._replace(running=Running.DRAINING, deadline=server.now + event.grace)
    if event.grace <= 0:
        return _stop_now(draining, parse)
    desk = Desk(draining, parse)
    for client in list(clients_of(draining.slots)):
        if waiting_for(client) is Waiting.IDLE:
            desk.settle(client, (Gone(client, CloseReason.SHUTDOWN), []))
        elif is_talking(client):
            desk.settle(client, hung_up(client, Hangup(client.conn, CloseReason.SHUTDOWN), desk.context))
    return desk.finish()


def _stop_now(server: Server, parse: Parse) -> tuple[Server, list[Effect]]:
    """Whoever is still owed an answer gets a 503 if it can take it at once; then everything is closed."""
    desk = Desk(server, parse)
    for known in list(clients_of(server.slots)):
        client = desk.draft.find(known.conn)
        if client is not None:
            desk.dismiss(client, CloseReason.SHUTDOWN)
    return desk.finish()
