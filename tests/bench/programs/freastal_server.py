"""freastal, with WSGI, which it answers faster than ASGI."""

import freastal
from orders import HOST, Order, announce, free_port
from wsgi import app_of


def serve(order: Order) -> None:
    """Serve what is ordered."""
    port = free_port()
    announce(port)
    freastal.serve(app_of(order.answer), host=HOST, port=port)
