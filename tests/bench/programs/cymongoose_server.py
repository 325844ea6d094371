"""cymongoose by its own interface: a function that is called with each event of a connection."""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from itertools import islice
from typing import Any

from cymongoose import MG_EV_CLOSE, MG_EV_HTTP_MSG, MG_EV_WS_MSG, MG_EV_WS_OPEN, Manager
from orders import ANSWERS, CONTROL, HOST, Order, announce, body_made, fields_of, messages_of

POLL_MS = 1000
FLUSH_S = 0.01
Handle = Callable[[Any, int, Any], None]


def http_handler(order: Order) -> Handle:
    """Answers requests."""
    answer = ANSWERS[order.answer]
    fields = fields_of(answer)

    def handle(conn: Any, event: int, data: Any) -> None:
        if event != MG_EV_HTTP_MSG:
            return
        body = answer.body
        if order.answer == "echo":
            body = data.body_bytes
        elif body is None:
            body = body_made(order.answer, data.query)
        conn.reply(200, body, headers=dict(next(fields)))

    return handle


def handle_echo(conn: Any, event: int, data: Any) -> None:
    """Sends every message back."""
    if event == MG_EV_HTTP_MSG:
        conn.ws_upgrade(data)
    elif event == MG_EV_WS_MSG:
        conn.ws_send(data.text)


def run(handle: Handle) -> None:
    """Poll for ever."""
    manager = Manager(handle)
    announce(manager.listen(f"http://{HOST}:0").local_addr[1])
    while True:
        manager.poll(POLL_MS)


def serve_ticks(order: Order) -> None:
    """A tick goes to everyone; nobody sends anything once all are there."""
    everyone: dict[int, Any] = {}
    messages = messages_of(order)

    def handle(conn: Any, event: int, data: Any) -> None:
        if event == MG_EV_HTTP_MSG:
            conn.ws_upgrade(data)
        elif event == MG_EV_WS_OPEN:
            everyone[conn.id] = conn
        elif event == MG_EV_CLOSE:
            everyone.pop(conn.id, None)

    manager = Manager(handle)
    announce(manager.listen(f"http://{HOST}:0").local_addr[1])
    while len(everyone) < order.conn_cnt:
        manager.poll(POLL_MS)
    while True:
        is_ordered, _, _ = select.select([CONTROL], [], [], FLUSH_S)
        if is_ordered:
            os.read(CONTROL, 1)
            for message in islice(messages, order.depth):
                for conn in everyone.values():
                    conn.ws_send(message)
        manager.poll(0)


def serve(order: Order) -> None:
    """Serve what is ordered."""
    if order.service == "ticks":
        serve_ticks(order)
    run(handle_echo if order.service == "echo" else http_handler(order))
