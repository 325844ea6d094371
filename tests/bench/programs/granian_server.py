"""granian with one worker and WSGI; it starts a process for it, which is counted too."""

import os
import sys
from typing import Any

from orders import BACKLOG, HOST, Order, announce, free_port
from wsgi import app_of

ANSWER = "SIGIL_BENCH_ANSWER"


def make_app() -> Any:
    """The application, in the worker's process."""
    return app_of(os.environ[ANSWER])


def serve(order: Order) -> None:
    """Serve what is ordered."""
    from granian import Granian

    os.environ[ANSWER] = order.answer
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    port = free_port()
    announce(port)
    Granian(
        "granian_server:make_app",
        address=HOST,
        port=port,
        interface="wsgi",
        workers=1,
        backlog=BACKLOG,
        backpressure=order.room,
        log_enabled=False,
        factory=True,
    ).serve()
