"""The same clients at an edge: they lose their connections, the edge loses its origin, and each
receives the whole sequence of the origin once, over WebSockets, event streams and long-polls, with
`sigil-client.js` in node and without.

Rules: nothing is waited for but facts. What the clients do is that of `test_everybody_resumes`.
"""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sigil import HttpServer, Request, Response, make_http_server
from sigil.relay import Relay, relay
from tests.javascript.node import PATIENCE_S, running
from tests.javascript.servers import HOST
from tests.javascript.test_everybody_resumes import (
    END,
    IN_NODE,
    App,
    Run,
    brief,
)


def at_origin(request: Request) -> Response:
    """The stream of the origin, which has edges only."""
    return Response.upgrade()


class RunAtEdge(Run):
    """A run whose clients are at an edge."""

    def __init__(self, origin: HttpServer, edge: HttpServer, *more: Any) -> None:
        super().__init__(origin, *more)
        self._origin, self._edge = origin, edge

    def break_all(self) -> None:
        """All clients are closed amid messages, and so is the edge."""
        self.publish(10)
        for server in (self._edge, self._origin):
            for conn in server.clients():
                server.close(conn, 1012)
        self.publish(10)


def await_stream(upstream: Relay) -> None:
    """The edge has reached its origin."""
    deadline = time.monotonic() + PATIENCE_S
    while not upstream.status.has_stream:
        assert time.monotonic() < deadline, upstream.status


def test_everybody_comes_back_to_the_same_sequence_at_an_edge(tmp_path: Path) -> None:
    app = App()
    origin = make_http_server(at_origin, host=HOST, port=0)
    edge = make_http_server(app, host=HOST, port=0)
    with ExitStack() as opened:
        opened.enter_context(origin.serve_in_thread())
        upstream = relay(edge, f"ws://{HOST}:{origin.port}/all")
        opened.callback(upstream.close)
        opened.enter_context(edge.serve_in_thread())
        await_stream(upstream)
        address = f"{HOST}:{edge.port}"
        script = opened.enter_context(
            running(tmp_path, f"ws://{address}/all", script="everybody_resumes.mjs")
        )
        opened.enter_context(script.telling(app.told.put))
        run = RunAtEdge(origin, edge, app, IN_NODE)
        run.until_here()
        run.break_all()
        run.until_here(again=True)
        run.publish(10)
        run.say(END)
        run.until_received()
        assert edge.position() == origin.position() and upstream.status.gaps == 0
    expected = list(map(brief, run.published))
    texts = [message for message in expected if message.startswith("text")]
    for name, received in run.received.items():
        has_texts_only = "events" in name or "EventSource" in name or "sse" in name
        assert received == (texts if has_texts_only else expected), name
