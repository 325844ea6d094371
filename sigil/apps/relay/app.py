"""The handler of `sigil relay`: the stream of an origin, over every transport, and how it stands.

Theory: what is published comes from the origin, by a `Relay`; this program answers those who want
it. The stream is at the path that it has at the origin, so that a client needs another host only,
and at the paths of `sigil stream`; over each of them by WebSocket, event stream or long-poll, as it
is asked for.

Rules: a client gets the topics of its query, or all; and so many of the last messages as it asks
for, up to `--history`. Until the origin has been reached once there is no stream: 503. `/healthz`
is 200 as soon as there is one, also while the origin is lost, and says how the relay stands. It
does not know how the origin is followed.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from sigil import ALL_TOPICS, HttpServer, Limits, Request, Response, chain, client_module
from sigil.apps.topics import requested_topics
from sigil.relay import Relay
from sigil.web import cors

RING_LEN, RING_FRAMES = 64 * 2**20, 262_144
"""Bytes and messages that are held for clients that lag, as `sigil stream` does."""
METHODS = ("GET", "HEAD")
NO_STORE = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))
EVENTS, LINES = "text/event-stream", "application/x-ndjson"
COUNT = re.compile("[0-9]{1,9}")

Handler = Callable[[Request], Any]


class Rules(NamedTuple):
    """The settings about clients: `path` is that of the stream at the origin, `history` how many
    messages a new one is sent at most, `origins` those whose pages may have it.
    """

    path: str
    history: int = 100
    origins: tuple[str, ...] = ()


def limits_for(rules: Rules) -> Limits:
    """The limits of a server that publishes what an origin does."""
    origins = ("self", *rules.origins) if rules.origins else None
    return Limits(
        history_messages=rules.history,
        max_ws_send_frame_cnt=max(RING_FRAMES, 2 * rules.history),
        outgoing_buffer_sz=RING_LEN,
        origins=origins,
    )


class Edge:
    """What answers clients; `relay` is given to it when there is a server for one."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.relay: Relay | None = None
        self.server: HttpServer | None = None
        stream: Handler = self._stream
        if rules.origins:
            names = "*" if "*" in rules.origins else rules.origins
            stream = chain(self._stream, cors(origins=names))
        self._routes: dict[str, Handler] = {
            "/healthz": self._health,
            "/sigil-client.js": client_module,
            "/ws": stream,
            "/events": stream,
            "/poll": stream,
            rules.path: stream,
        }

    def handle(self, request: Request) -> Any:
        """The response to a request: the server's handler."""
        route = self._routes.get(request.path)
        if route is None:
            return Response.error(404, f"there are {', '.join(self._routes)}")
        if request.method not in (*METHODS, "OPTIONS"):
            return Response.error(405, headers=(("Allow", ", ".join(METHODS)),))
        return route(request)

    def _stream(self, request: Request) -> Response:
        """The stream, over the transport that is asked for."""
        refusal = self.relay.refusal(request) if self.relay is not None else None
        if refusal is not None:
            return refusal
        topics = requested_topics(request) or ALL_TOPICS
        history, after = self._history(request), request.args.get("after")
        if request.is_upgrade:
            return Response.upgrade(topics=topics, history=history)
        accept = request.headers.get("accept", "")
        if EVENTS in accept or request.path == "/events":
            return Response.sse(topics=topics, history=history, after=after, headers=NO_STORE)
        if LINES in accept or request.path == "/poll":
            return Response.poll(topics=topics, history=history, after=after, headers=NO_STORE)
        text = f"a stream: open a WebSocket, or accept {EVENTS} or {LINES}"
        return Response.error(426, text, headers=(("Upgrade", "websocket"),))

    def _history(self, request: Request) -> int:
        """The number of past messages in the query, `?history=n`, up to the most there may be."""
        text = request.args.get("history") or ""
        most = self.rules.history
        return min(int(text), most) if COUNT.fullmatch(text) else most

    def _health(self, request: Request) -> Response:
        """How the relay stands: 200 if there is something for clients, else 503."""
        assert self.relay is not None and self.server is not None
        status = self.relay.status
        figures = status.as_dict() | {
            "position": self.server.position() if status.has_stream else "",
            "subscribers": self.server.subscriber_count(),
        }
        code = 200 if status.has_stream else 503
        return Response.json(figures, status=code, headers=NO_STORE)
