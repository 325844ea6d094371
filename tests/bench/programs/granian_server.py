"""granian with one worker, WSGI or ASGI; it starts a process for it, which is counted too."""

import os
import sys
from importlib import import_module
from typing import Any

from orders import BACKLOG, HOST, Order, announce, free_port

ANSWER = "SIGIL_BENCH_ANSWER"
INTERFACE = "SIGIL_BENCH_INTERFACE"


def make_app() -> Any:
    """The application, in the worker's process."""
    return import_module(os.environ[INTERFACE]).app_of(os.environ[ANSWER])


def serve(order: Order) -> None:
    """Serve what is ordered."""
    from granian import Granian

    interface = "asgi" if order.service == "asgi" else "wsgi"
    os.environ[ANSWER], os.environ[INTERFACE] = order.answer, interface
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    port = free_port()
    announce(port)
    Granian(
        "granian_server:make_app",
        address=HOST,
        port=port,
        interface=interface,
        workers=1,
        backlog=BACKLOG,
        backpressure=order.room,
        log_enabled=False,
        factory=True,
    ).serve()
