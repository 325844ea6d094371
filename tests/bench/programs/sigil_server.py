"""sigil, as its README writes a program: handlers are functions, the loop of ticks is one's own."""

from __future__ import annotations

import logging
import os
import select
import tempfile
from collections.abc import Callable
from typing import Any

from orders import (
    ANSWERS,
    BACKLOG,
    CONTROL,
    HELLO,
    HOST,
    LONG_S,
    QUERY_BODY,
    VALUE,
    Answer,
    Order,
    announce,
    fields_of,
    messages_of,
)

from sigil import Callbacks, Limits, Request, Response, make_http_server

SPARE = 16
RECORDINGS: list[Any] = []
"""What records, as long as the process."""


def handler_of(name: str) -> Callable[[Request], Response]:
    """The handler that gives this answer."""
    answer = ANSWERS[name]
    handlers: dict[str, Callable[[Request], Response]] = {
        "plain": lambda request: Response.text(HELLO),
        "query": lambda request: Response.text(QUERY_BODY % request.query[-10:]),
        "json": lambda request: Response.json(VALUE),
        "echo": lambda request: Response.bytes(request.body),
        "large": lambda request: Response.bytes(answer.body or b""),
    }
    return handlers.get(name) or with_fields(answer)


def with_fields(answer: Answer) -> Callable[[Request], Response]:
    """A handler whose responses have header fields of the program's."""
    fields = fields_of(answer)
    return lambda request: Response.text(HELLO, headers=next(fields))


def wsgi_handler_of(name: str) -> Callable[[Request], Any]:
    """The application that gives this answer, in four threads."""
    from wsgi import app_of

    from sigil.wsgi import handler

    return handler(app_of(name), threads=4)


def serve_asgi(order: Order) -> None:
    """The application that gives this answer, in the loop that serves: that of uvloop."""
    import uvloop
    from asgi import app_of

    from sigil import http_server_serve
    from sigil.asgi import handler

    async def main() -> None:
        await http_server_serve(make(order, handler(app_of(order.answer)), Callbacks()))

    uvloop.run(main())


def make(order: Order, handler: Callable[[Request], Response], callbacks: Callbacks) -> Any:
    """A server that listens."""
    room = order.room + SPARE
    limits = Limits(
        max_connection_cnt=room,
        max_ws_connection_cnt=room,
        idle_timeout=LONG_S,
        ws_ping_interval=LONG_S,
    )
    server = make_http_server(
        handler, host=HOST, port=0, backlog=BACKLOG, limits=limits, callbacks=callbacks
    )
    if order.is_recorded:
        record(server)
    server.listen()
    announce(server.port)
    return server


def record(server: Any) -> None:
    """Record every turn to a file that is nobody's: it is gone with the process."""
    with tempfile.TemporaryDirectory() as folder:
        recording = server.recording(os.path.join(folder, "run.mcap"))
        RECORDINGS.append(recording)
        recording.__enter__()


def write_access_log() -> None:
    """One line for each request, as the command writes it, to where nobody reads it."""
    stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - open as long as the process
    logging.basicConfig(stream=stream, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("sigil").setLevel(logging.INFO)


def serve(order: Order) -> None:
    """Serve what is ordered."""
    if order.has_log:
        write_access_log()
    else:
        logging.getLogger("sigil").setLevel(logging.WARNING)
    if order.service == "http":
        make(order, handler_of(order.answer), Callbacks()).start()
    elif order.service == "wsgi":
        make(order, wsgi_handler_of(order.answer), Callbacks()).start()
    elif order.service == "asgi":
        serve_asgi(order)
    elif order.service == "echo":
        echo = Callbacks(ws_message=lambda server, conn, data: server.send(conn, data))
        make(order, upgrade, echo).start()
    else:
        serve_ticks(order)


def upgrade(request: Request) -> Response:
    """A WebSocket for everybody."""
    return Response.upgrade()


def subscribe(topic: str) -> Callable[[Request], Response]:
    """A handler that lets everybody have what is said on a topic."""
    return lambda request: Response.upgrade(topics=(topic,))


def serve_ticks(order: Order) -> None:
    """A program with a loop of its own: it waits for its orders and for the server's descriptor,
    and ticks.
    """
    handler = subscribe(order.topic) if order.topic else upgrade
    server, messages = make(order, handler, Callbacks()), messages_of(order)
    topic = order.topic or None
    poll = select.poll()
    poll.register(CONTROL, select.POLLIN)
    poll.register(server.fileno(), select.POLLIN)
    while True:
        if any(fd == CONTROL for fd, _ in poll.poll()):
            if not os.read(CONTROL, 1):
                return
            for _ in range(order.depth):
                server.broadcast(next(messages), topic=topic, latest=order.is_latest)
        server.tick(0.0)
