"""The ASGI application that gives an answer, for the servers that speak ASGI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from orders import ANSWERS, body_made, fields_of

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
