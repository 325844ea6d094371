"""bjoern, a WSGI server in C."""

import bjoern
from orders import HOST, Order, announce, free_port
from wsgi import app_of


def serve(order: Order) -> None:
    """Serve what is ordered."""
    port = free_port()
    announce(port)
    bjoern.run(app_of(order.answer), HOST, port)
