"""Both servers in one: requests and WebSockets on one port, and events in one queue."""

from typing import Any

from sigil import Response
from sigil.evo import Event, HttpServer, WebServer, WebSocketServer
from sigil.testing import Client
from tests.support.evo import Diary, World, every_world, serving
from tests.support.requests import UPGRADE
from tests.support.websocket_client import text

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"


@every_world
def test_requests_and_websockets_share_a_port_and_a_queue(world: type[World]) -> None:
    server = WebServer(path="/chat")
    server.add_route("/*")

    def finished(event: Event[Any]) -> None:
        server.broadcast_text_message("somebody asked")
        server.send_response(event.client_id, f"{server.get_num_connected_clients()} here")

    diary = Diary(server, HTTP_REQUEST_FINISHED=finished)
    with serving(world, server) as here:
        websocket = here.connect(UPGRADE)
        here.until(lambda: len(diary.lines) == 2)
        client = here.connect(GET)
        here.until(lambda: client.received.endswith(b"1 here"))
        here.until(lambda: websocket.received.endswith(b"somebody asked"))
        websocket.send(text("hi"))
        here.until(lambda: len(diary.lines) == 5)
    assert diary.lines[1:5] == [
        ("WEBSOCKET_CONNECTION_ESTABLISHED", 1, ""),
        ("HTTP_REQUEST_STARTED", 2, ""),
        ("HTTP_REQUEST_FINISHED", 2, b""),
        ("WEBSOCKET_MESSAGE_RECEIVED", 1, "hi", 1),
    ]


def test_a_request_for_a_websocket_goes_before_the_routes_and_every_other_behind() -> None:
    server = WebServer()
    client = Client(server.handler, callbacks=server.callbacks)
    assert client.get("/").status == 426  # no route is for it, and WebSockets are opened there
    server.add_route("/*", "GET", lambda request: Response.text("route"))
    assert client.get("/").text == "route"
    client.websocket("/")
    assert server.get_num_connected_clients() == 1
    assert client.post("/").status == 405


def test_it_is_both_and_has_the_limits_of_the_websockets() -> None:
    server = WebServer()
    assert isinstance(server, HttpServer) and isinstance(server, WebSocketServer)
    assert server.limits == WebSocketServer.LIMITS
