"""fastpysgi, a WSGI server in C on libuv."""

import fastpysgi
from orders import BACKLOG, HOST, Order, announce, free_port
from wsgi import app_of


def serve(order: Order) -> None:
    """Serve what is ordered."""
    port = free_port()
    fastpysgi.server.backlog = BACKLOG
    fastpysgi.server.tcp_nodelay = 1
    announce(port)
    fastpysgi.run(app_of(order.answer), host=HOST, port=port)
