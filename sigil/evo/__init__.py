"""The servers of the Evo runtime, on sigil: events that are deferred, handled by name, and
addressed by id.

    from sigil.evo import Event, WebSocketServer

    server = WebSocketServer()

    @server.on("WEBSOCKET_MESSAGE_RECEIVED")
    def received(event: Event[str | bytes]) -> None:
        print(event.client_id, event.message)

    server.start_listening(9001)
    server.serve()

Theory: a program written for the runtime finds its names here, in the manner of Python, and the
exact behaviour of sigil behind them. There is no second server: each of these drives one
`sigil.HttpServer`, and keeps nothing but what its program has not been told yet, and the requests
that it has not answered.

Rules: names only. They use of sigil what every program has.
"""

from sigil import SendStatus

from .details import RequestDetails
from .events import ASYNC_POLLING_UPDATE, SERVER, Event, EventType, UnknownEvent
from .http_server import HttpServer
from .send_status import HttpSendStatus
from .web_server import WebServer
from .websocket_server import WebSocketServer

__all__ = [
    "ASYNC_POLLING_UPDATE",
    "SERVER",
    "Event",
    "EventType",
    "HttpSendStatus",
    "HttpServer",
    "RequestDetails",
    "SendStatus",
    "UnknownEvent",
    "WebServer",
    "WebSocketServer",
]
