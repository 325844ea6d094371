"""uvicorn as its users start it for speed: httptools and uvloop."""

from __future__ import annotations

import logging
import os

import uvicorn
from asgi import app_of
from orders import LONG_S, Order, announce, listener
from wsgi import app_of as wsgi_app_of


def serve(order: Order) -> None:
    """Serve what is ordered."""
    if order.has_log:
        stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - as long as the process
        logging.basicConfig(stream=stream, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    config = uvicorn.Config(
        wsgi_app_of(order.answer) if order.service == "wsgi" else app_of(order.answer),
        interface="wsgi" if order.service == "wsgi" else "asgi3",
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        access_log=order.has_log,
        log_config=None,
        log_level="info" if order.has_log else "warning",
        timeout_keep_alive=LONG_S,
    )
    sock = listener()
    announce(sock.getsockname()[1])
    uvicorn.Server(config).run(sockets=[sock])
