"""A server that is polled: its life, and its end."""

import os
import signal
import socket
import threading
from typing import Any

import pytest

from sigil import Request, Response
from sigil.evo import ASYNC_POLLING_UPDATE, EventType, HttpServer, WebServer, WebSocketServer
from tests.support.certificates import server_context
from tests.support.evo import Diary, SocketWorld, serving
from tests.support.requests import UPGRADE
from tests.support.servers import HOST, PATIENCE, Raw

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
REFUSED = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 41\r\nConnection: close\r\n"
    b"Content-Type: text/plain\r\n"
)
BODY = b"\r\n\r\nService Unavailable: Server shutting down"

every_face = pytest.mark.parametrize("face", [HttpServer, WebSocketServer, WebServer])


def free_port() -> int:
    """A port on which nobody listens now."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        return int(sock.getsockname()[1])


@every_face
def test_it_listens_on_the_port_that_is_named_or_on_its_own(face: type[Any]) -> None:
    assert (face.DEFAULT_PORT, face().port, face().running) == (9001, 9001, False)
    port = free_port()
    mine = type("Mine", (face,), {"DEFAULT_PORT": port})()
    mine.start_listening()
    assert (mine.port, mine.host, mine.running) == (port, HOST, True)
    assert f"<Mine of sigil.evo, on <HttpServer http://{HOST}:{port}, serving" in repr(mine)
    with pytest.raises(RuntimeError, match=f"listening already, on port {port}"):
        mine.start_listening(0)
    other = face()
    with pytest.raises(OSError, match=str(port)):
        other.start_listening(port)
    assert not other.running
    with pytest.raises(TypeError, match="port is a whole number"):
        other.start_listening("9001")
    mine.stop_listening()
    mine.stop_listening()
    assert not mine.running


@every_face
def test_a_server_that_was_stopped_listens_again_and_its_ids_are_new(face: type[Any]) -> None:
    server = face()
    diary = Diary(server)
    if hasattr(server, "add_route"):
        server.add_route("/*")
    for count in (1, 2):
        with serving(SocketWorld, server) as here:
            here.connect(UPGRADE if hasattr(server, "set_echo_mode") else GET)
            here.until(lambda count=count: len(diary.ids) == count)
    assert diary.names.count("SERVER_STARTED_LISTENING") == 2
    assert diary.names.count("SERVER_STOPPED_LISTENING") == 2
    assert len(diary.ids) == 2


def test_a_tick_before_the_beginning_is_refused_and_one_behind_the_end_is_nothing() -> None:
    server = HttpServer()
    with pytest.raises(RuntimeError, match=r"call start_listening\(\) first"):
        server.tick()
    server.start_listening(0)
    server.stop_listening()
    assert not server.tick()
    assert not server.running


def test_after_each_poll_and_once_in_the_end_there_is_an_update() -> None:
    server, told = HttpServer(), list[str]()
    server.add_route("/*")
    for kind in EventType:
        if hasattr(server, kind.name):
            server.on(kind, lambda event: told.append(event.type.name))
    server.on(ASYNC_POLLING_UPDATE, lambda: told.append(ASYNC_POLLING_UPDATE))
    server.start_listening(0)
    server.tick()
    server.tick()
    server.stop_listening()
    assert told == [
        "SERVER_STARTED_LISTENING",
        ASYNC_POLLING_UPDATE,
        ASYNC_POLLING_UPDATE,
        "SERVER_STOPPED_LISTENING",
        ASYNC_POLLING_UPDATE,
    ]


def test_requests_that_wait_get_a_503_of_41_bytes_and_bodies_are_broken_off() -> None:
    server = WebServer()
    server.add_route("/*")

    def begin(event: Any) -> None:
        if server.get_request_url(event.client_id) == "/begun":
            server.write_response(event.client_id, "begun")

    diary = Diary(server, HTTP_REQUEST_FINISHED=begin)
    with serving(SocketWorld, server) as here:
        waiting, begun, half = here.connect(GET), here.connect(), here.connect()
        websocket = here.connect(UPGRADE)
        begun.send(GET.replace(b"/ ", b"/begun "))
        half.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc")
        here.until(lambda: b"begun" in begun.received and len(diary.lines) == 8)
        id = diary.ids[0]
        server.stop_listening()
        for client in (waiting, begun, half, websocket):
            client.poll()
        assert not server.has_request_details(id)
        with pytest.raises(OSError):
            Raw(here.port)
    assert len(BODY) == 4 + 41
    for client in (waiting, half):
        assert client.received.startswith(REFUSED) and client.received.endswith(BODY)
        assert client.received.count(b"\r\n") == 6 and client.ended
    assert begun.received.endswith(b"5\r\nbegun\r\n")
    assert b"1001" not in websocket.received and (1001).to_bytes(2) in websocket.received
    assert sorted(diary.names[8:-1]) == ["HTTP_CONNECTION_ABORTED", "WEBSOCKET_CONNECTION_CLOSED"]
    assert diary.lines[-1] == ("SERVER_STOPPED_LISTENING", "SERVER", "Going Away")


def test_within_a_tick_the_server_is_not_stopped_and_nobody_is_refused() -> None:
    server, errors = HttpServer(), list[str]()
    server.add_route("/wait")

    def stop(request: Request) -> Response:
        with pytest.raises(RuntimeError, match="within tick") as caught:
            server.stop_listening()
        errors.append(str(caught.value))
        return Response.text("still here")

    server.add_route("/", handler=stop)
    diary = Diary(server)
    with serving(SocketWorld, server) as here:
        waiting = here.connect(GET.replace(b"/ ", b"/wait "))
        here.until(lambda: len(diary.lines) == 3)
        client = here.connect(GET)
        here.until(lambda: client.received.endswith(b"still here"))
        assert len(errors) == 1 and not waiting.received
        server.server.stop(0.0)
        here.until(lambda: not server.running)
        server.tick()
    assert diary.names[3:] == ["HTTP_CONNECTION_ABORTED", "SERVER_STOPPED_LISTENING"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_ends_the_server_that_it_serves(error: type[BaseException]) -> None:
    server = HttpServer()
    server.DEFAULT_PORT = 0

    def leave(event: Any) -> None:
        raise error

    server.on("SERVER_STARTED_LISTENING", leave)
    with pytest.raises(error):
        server.serve()
    assert not server.running


def test_a_handler_may_stop_the_server() -> None:
    server = HttpServer()
    server.add_route("/*")

    def stop(event: Any) -> None:
        server.send_response(event.client_id, "the last")
        server.stop_listening()

    diary = Diary(server, HTTP_REQUEST_FINISHED=stop)
    server.start_listening(0)
    with Raw(server.server, GET) as client:
        server.serve()
        while not client.over:
            client.poll()
        assert client.answers()[0].text == "the last"
    assert diary.names[-1] == "SERVER_STOPPED_LISTENING"
    assert not server.running


def test_an_event_that_is_put_off_again_and_again_does_not_hold_up_the_end() -> None:
    server = HttpServer()
    diary = Diary(server, SERVER_STARTED_LISTENING=server.defer_event)
    server.start_listening(0)
    server.stop_listening()
    assert diary.names == [
        "SERVER_STARTED_LISTENING",
        "SERVER_STOPPED_LISTENING",
        "SERVER_STARTED_LISTENING",
    ]
    assert server.has_deferred_events and not server.running


def test_a_route_with_a_handler_that_begins_and_ends_does_both() -> None:
    class Living:
        told: list[str]

        def startup(self, server: object) -> None:
            self.told = ["begun"]

        def shutdown(self, server: object) -> None:
            self.told.append("ended")

        def __call__(self, request: Request) -> Response:
            return Response.text("living")

    living, server = Living(), HttpServer()
    server.add_route("/", "GET", living)
    with serving(SocketWorld, server) as here:
        client = here.connect(GET)
        here.until(lambda: client.received.endswith(b"living"))
    assert living.told == ["begun", "ended"]


def test_serve_listens_polls_and_ends_with_a_signal() -> None:
    server, told = HttpServer(), list[str]()
    server.DEFAULT_PORT = 0
    server.add_route("/*")
    diary = Diary(server)
    server.on(ASYNC_POLLING_UPDATE, lambda: _interrupt_once(told))
    before = signal.getsignal(signal.SIGINT)
    watchdog = threading.Timer(PATIENCE, os._exit, (9,))
    watchdog.start()
    try:
        server.serve(interval=0.001)
    finally:
        watchdog.cancel()
    assert diary.names == ["SERVER_STARTED_LISTENING", "SERVER_STOPPED_LISTENING"]
    assert signal.getsignal(signal.SIGINT) is before


def _interrupt_once(told: list[str]) -> None:
    """Have this process interrupted at the third update."""
    told.append("update")
    if len(told) == 3:
        os.kill(os.getpid(), signal.SIGINT)


def test_it_may_be_served_over_tls() -> None:
    for server in (
        HttpServer(ssl_context=server_context()),
        WebSocketServer(ssl_context=server_context()),
    ):
        assert repr(server._server).startswith("<HttpServer https://127.0.0.1:")
