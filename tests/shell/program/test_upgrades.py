"""Protocols over WebSockets: the subprotocol decides what is called, and what a session has."""

from collections.abc import Callable
from typing import Any

import pytest

from sigil import (
    Callbacks,
    Conn,
    HttpServer,
    Protocol,
    Request,
    Response,
    http_server_get_protocol,
    make_http_server,
)
from sigil.testing import Client, WebSocketClosed
from tests.support.servers import Raw, end, logged_by, pump
from tests.support.upgrade_requests import asking
from tests.support.websocket_client import WebSocketClient, close_clients, text

ANY: Any = None


def say(word: str) -> Callbacks:
    """A program that says this to whatever comes, and what the session has."""

    def reply(server: HttpServer, conn: Conn, data: str | bytes) -> None:
        server.send(conn, f"{word} {data!s} {server.context(conn)}")

    return Callbacks(ws_message=reply)


def state_of(request: Request) -> str:
    return f"state of {request.path}"


CHAT = Protocol("chat", say("chat"), state_of, max_message_len=10, id=7, user="mine")
DRAW = Protocol("draw", say("draw"))
NAMED = Protocol("named")


def upgrade(request: Request) -> Response:
    if request.path == "/own":
        return Response.upgrade(callbacks=say("own"), context="own")
    if request.path == "/named":
        return Response.upgrade(subprotocol="named")
    return Response.upgrade()


def client_of() -> Client:
    return Client(upgrade, callbacks=say("server"), protocols=[CHAT, DRAW, NAMED])


@pytest.mark.parametrize(
    ("path", "offered", "agreed", "answer", "protocol"),
    [
        ("/", ("draw", "chat"), "draw", "draw hi None", DRAW),
        ("/", ("other", "chat"), "chat", "chat hi state of /", CHAT),
        ("/", (), None, "chat hi state of /", CHAT),
        ("/", ("other",), None, "server hi None", None),
        ("/own", ("chat",), "chat", "own hi own", CHAT),
        ("/named", ("chat", "named"), "named", "server hi None", NAMED),
    ],
)
def test_the_subprotocol_decides_what_is_called_and_what_a_session_has(
    path: str,
    offered: tuple[str, ...],
    agreed: str | None,
    answer: str,
    protocol: Protocol | None,
) -> None:
    client = client_of()
    websocket = client.websocket(path, offered)
    assert websocket.subprotocol == agreed
    websocket.send("hi")
    assert websocket.receive() == answer
    conn = websocket.handle
    assert conn is not None and client.server.get_protocol(conn) == protocol
    websocket.close()
    client.run_until_idle()
    assert client.server.get_protocol(conn) is None
    assert len(client.server._application.callbacks.programs) == 0


def test_each_session_has_a_state_of_its_own() -> None:
    protocol = Protocol("list", say("x"), lambda request: [request.path])
    client = Client(upgrade, protocols=(protocol,))
    first, second = client.websocket("/1", "list"), client.websocket("/2", "list")
    assert first.handle is not None and second.handle is not None
    client.server.context(first.handle).append("more")
    assert client.server.context(first.handle) == ["/1", "more"]
    assert client.server.context(second.handle) == ["/2"]


def test_messages_of_a_protocol_may_be_bounded_more_tightly() -> None:
    client = client_of()
    websocket = client.websocket("/", "chat")
    websocket.send("0123456789")
    websocket.send("0123456789x")
    assert websocket.receive().startswith("chat 0123456789")  # type: ignore[arg-type]
    with pytest.raises(WebSocketClosed) as caught:
        websocket.receive()
    assert caught.value.code == 1009
    other = client.websocket("/", "draw")
    other.send("x" * 100)
    assert "x" * 100 in str(other.receive())


def test_a_state_that_cannot_be_made_is_a_500_and_the_log_says_why() -> None:
    def fail(request: Request) -> object:
        raise ValueError("no state")

    client = Client(upgrade, protocols=[Protocol("chat", None, fail)], raise_errors=False)
    with logged_by("sigil.error"):
        answer = client.request("GET", "/", headers={**UPGRADING, "Sec-WebSocket-Protocol": "chat"})
    assert answer.status == 500
    assert any("initial_state of the protocol chat raised" in line.text for line in client.log)


UPGRADING = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


# -- for all of a protocol -------------------------------------------------------------------------


def opened(server: HttpServer, *names: str) -> list[WebSocketClient]:
    """WebSockets over real sockets that have offered these subprotocols."""
    clients = [WebSocketClient.__new__(WebSocketClient) for _ in names]
    for client, name in zip(clients, names, strict=True):
        Raw.__init__(client, server, asking({"Sec-WebSocket-Protocol": name}))
    pump(server, lambda: all(client.is_open for client in clients), *clients)
    return clients


def test_what_is_asked_for_all_of_a_protocol_concerns_them_and_nobody_else() -> None:
    told: list[Conn] = []
    called: list[tuple[Conn, int]] = []
    callbacks = Callbacks(
        ws_message=lambda server, conn, data: server.rx_flow_control(conn, False),
        writable=lambda server, conn: told.append(conn),
    )
    protocols = [Protocol("a", callbacks), Protocol("b", callbacks)]
    server = make_http_server(upgrade, port=0, protocols=protocols)
    server.listen()
    first, second, other = opened(server, "a", "a", "b")
    a = [conn for conn in server.clients() if server.get_protocol(conn) == protocols[0]]
    assert len(a) == 2

    def note(server: HttpServer, conn: Conn, number: int) -> None:
        called.append((conn, number))
        if len(called) == 1:
            raise ValueError("first")

    with logged_by("sigil.error") as lines:
        server.callback_all_protocol("a", note, 3)
        assert called == []
        pump(server, lambda: len(called) == 2, first, second, other)
    assert sorted(conn for conn, _ in called) == sorted(a) and len(lines) == 1
    server.callback_on_writable_all_protocol(protocols[0])
    pump(server, lambda: len(told) == 2, first, second, other)
    assert sorted(told) == sorted(a)
    for client in (first, second, other):
        client.send(text("stop"))
    held = lambda: [conn for conn in server.clients() if is_held(server, conn)]  # noqa: E731
    pump(server, lambda: len(held()) == 3, first, second, other)
    server.rx_flow_allow_all_protocol("a")
    pump(server, lambda: len(held()) == 1, first, second, other)
    server.rx_flow_allow_all_protocol("b")
    close_clients(server, first, second, other)
    end(server)


def is_held(server: HttpServer, conn: Conn) -> bool:
    client = server.state.slots.entries[conn.slot]
    control = client.outgoing.control  # type: ignore[union-attr]
    return control is not None and control.is_held


@pytest.mark.parametrize(
    ("protocols", "words"),
    [
        ("chat", "a sequence of Protocol, not str"),
        (3, "a sequence of Protocol, not int"),
        (["chat"], "a sequence of Protocol, not of str"),
        ([Protocol("a b")], "a token as in a header, not 'a b'"),
        ([Protocol("")], "a token as in a header, not ''"),
        ([Protocol("a"), Protocol("a")], "the protocol a is there twice"),
        ([Protocol("a", callbacks=ANY or 3)], "callbacks are a Callbacks, not int"),
        ([Protocol("a", None, ANY or 3)], "initial_state is a function of a request, not int"),
        ([Protocol("a", max_message_len=-1)], "max_message_len is a number of bytes, not -1"),
    ],
)
def test_what_is_no_protocol_is_refused_where_it_is_given(protocols: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        make_http_server(upgrade, protocols=protocols)
    with pytest.raises(TypeError, match=words):
        Client(upgrade, protocols=protocols)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda server: server.callback_all_protocol("x", print), ValueError, "no protocol 'x'"),
        (lambda server: server.callback_all_protocol("chat", 3), TypeError, "a function, not int"),
        (
            lambda server: server.callback_on_writable_all_protocol(3),
            TypeError,
            "its name, not int",
        ),
        (lambda server: server.rx_flow_allow_all_protocol("x"), ValueError, "no protocol 'x'"),
        (lambda server: server.get_protocol(3), TypeError, "named by a Conn"),
    ],
)
def test_what_is_asked_of_no_protocol_is_refused_in_words(
    call: Callable[[Any], object], kind: type[Exception], words: str
) -> None:
    server = make_http_server(upgrade, protocols=[CHAT])
    with pytest.raises(kind, match=words):
        call(server)
    assert http_server_get_protocol(server, Conn(0, 0)) is None
