"""socketify by its own interface, on its own loop: beside asyncio's it would spin."""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from itertools import islice
from typing import Any

from orders import (
    ANSWERS,
    CONTROL,
    HOST,
    LONG_S,
    Order,
    announce,
    body_made,
    fields_of,
    free_port,
    messages_of,
)
from socketify import App, AppListenOptions, OpCode

FLUSH_S = 0.01
TOPIC = "all"
GREATEST_SZ = 2**24


def http_handler(name: str) -> Callable[[Any, Any], None]:
    """Answers requests that have no body."""
    answer = ANSWERS[name]
    fields = fields_of(answer)

    def handle(response: Any, request: Any) -> None:
        body = answer.body
        if body is None:
            body = body_made(name, request.get_query("id") or "")
        for key, value in next(fields):
            response.write_header(key, value)
        response.end(body)

    return handle


def handle_post(response: Any, request: Any) -> None:
    """Answers a body with itself."""
    parts: list[bytes] = []

    def take(response: Any, chunk: Any, is_end: bool, *_: Any) -> None:
        parts.append(bytes(chunk) if chunk else b"")
        if is_end:
            response.write_header(*ANSWERS["echo"].fields[0])
            response.end(b"".join(parts))

    response.on_aborted(lambda response: None)
    response.on_data(take)


def listen(app: Any) -> None:
    """Listen on a port that was free."""
    port = free_port()
    app.listen(AppListenOptions(port=port, host=HOST), lambda config: None)
    announce(port)


def serve_ticks(order: Order, app: Any) -> None:
    """A tick is published to everyone."""
    messages = messages_of(order)
    app.ws(
        "/*",
        {
            "open": lambda ws: ws.subscribe(TOPIC),
            "max_backpressure": GREATEST_SZ,
            "idle_timeout": LONG_S,
        },
    )
    listen(app)
    while app.num_subscribers(TOPIC) < order.conn_cnt:
        app.loop.uv_loop.run_once()
    while True:
        is_ordered, _, _ = select.select([CONTROL], [], [], FLUSH_S)
        if is_ordered:
            os.read(CONTROL, 1)
            for message in islice(messages, order.depth):
                app.publish(TOPIC, message, OpCode.TEXT)
        app.loop.uv_loop.run_nowait()


def serve(order: Order) -> None:
    """Serve what is ordered."""
    app = App()
    if order.service == "ticks":
        serve_ticks(order, app)
    elif order.service == "echo":
        app.ws(
            "/*",
            {
                "message": lambda ws, message, opcode: ws.send(message, opcode),
                "max_payload_length": GREATEST_SZ,
                "max_backpressure": GREATEST_SZ,
                "idle_timeout": LONG_S,
            },
        )
    else:
        app.get("/*", http_handler(order.answer))
        app.post("/*", handle_post)
    listen(app)
    app.loop.uv_loop.run()
