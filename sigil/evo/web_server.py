"""Both servers of the Evo runtime on one port.

Theory: in the runtime one server underneath has both kinds of clients, and each of its two classes
shows one of them. Here a program may have both in one object: one port, one queue of events.

Rules: a request for a WebSocket on its `path` opens one; every other is for the routes. It has
nothing of its own.
"""

from .http_server import HttpServer
from .websocket_server import WebSocketServer


class WebServer(WebSocketServer, HttpServer):
    """An `HttpServer` and a `WebSocketServer` in one: all events and all methods of both.

    The limits are those of `WebSocketServer` unless others are given.
    """
