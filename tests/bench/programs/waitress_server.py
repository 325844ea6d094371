"""waitress as its users start it: four threads."""

import logging

from orders import BACKLOG, LONG_S, Order, announce, listener
from waitress.server import create_server
from wsgi import app_of


def serve(order: Order) -> None:
    """Serve what is ordered."""
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # it tells how many wait
    sock = listener()
    announce(sock.getsockname()[1])
    create_server(
        app_of(order.answer),
        sockets=[sock],
        backlog=BACKLOG,
        connection_limit=order.room,
        channel_timeout=LONG_S,
    ).run()
