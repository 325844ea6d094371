"""uvicorn as its users start it for speed: httptools and uvloop."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from orders import ANSWERS, LONG_S, Order, announce, body_made, fields_of, listener
from wsgi import app_of as wsgi_app_of

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def body_of(receive: Receive) -> bytes:
    """The whole body of a request."""
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


def app_of(name: str) -> Callable[[dict[str, Any], Receive, Send], Awaitable[None]]:
    """The ASGI application that gives this answer."""
    answer = ANSWERS[name]
    fields = fields_of(answer)
    fixed = [(key.lower().encode(), value.encode()) for key, value in answer.fields]

    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        body = answer.body
        if name == "echo":
            body = await body_of(receive)
        elif body is None:
            body = body_made(name, scope["query_string"].decode())
        headers = [*fixed, (b"content-length", b"%d" % len(body))]
        if answer.is_numbered:
            headers.append((b"set-cookie", next(fields)[-1][1].encode()))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


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
