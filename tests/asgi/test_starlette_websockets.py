"""The situations that Starlette tries its WebSockets in, against a server, with real clients."""

import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.asgi.serving import Served, sigil_in_asyncio, sigil_in_thread, until
from tests.asgi.table import open_
from tests.support.servers import PATIENCE

SERVERS = {"asyncio": sigil_in_asyncio, "thread": sigil_in_thread}
SEEN: list[Any] = []

Endpoint = Callable[[WebSocket], Awaitable[None]]


@pytest.fixture(scope="module", params=SERVERS)
def module_served(request: pytest.FixtureRequest) -> Iterator[Served]:
    """One server for all."""
    with SERVERS[request.param](Served(request.param)) as served:
        yield served


@pytest.fixture
def served(module_served: Served) -> Served:
    """The server, and nothing seen."""
    SEEN.clear()
    return module_served


def serve(served: Served, endpoint: Endpoint) -> None:
    """Have it serve this."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await endpoint(WebSocket(scope, receive, send))

    served.app = app


async def show_url(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_json({"url": str(websocket.url)})
    await websocket.close()


async def show_query(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_json({"params": dict(websocket.query_params)})
    await websocket.close()


async def show_headers(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_json({"x-a": websocket.headers["x-a"], "port": websocket.url.port})
    await websocket.close()


async def echo_text(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("Message was: " + await websocket.receive_text())
    await websocket.close()


async def echo_bytes(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_bytes(b"Message was: " + await websocket.receive_bytes())
    await websocket.close()


async def echo_json(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_json({"message": await websocket.receive_json()}, mode="binary")
    await websocket.close()


async def iterate_text(websocket: WebSocket) -> None:
    await websocket.accept()
    async for data in websocket.iter_text():
        await websocket.send_text("Message was: " + data)


async def with_subprotocol(websocket: WebSocket) -> None:
    assert websocket["subprotocols"] == ["soap", "wamp"]
    await websocket.accept(subprotocol="wamp", headers=[(b"foo", b"bar")])
    await websocket.close()


URL_OF_PORT = "ws://127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("endpoint", "path", "sent", "expected"),
    [
        (show_url, "/123?a=abc", None, {"url": URL_OF_PORT + "/123?a=abc"}),
        (show_query, "/?a=abc&b=456", None, {"params": {"a": "abc", "b": "456"}}),
        (echo_text, "/", "Hello, world!", "Message was: Hello, world!"),
        (echo_bytes, "/", b"Hello, world!", b"Message was: Hello, world!"),
        (echo_json, "/", '{"hello": "world"}', {"message": {"hello": "world"}}),
        (iterate_text, "/", "Hello, world!", "Message was: Hello, world!"),
    ],
)
def test_what_is_sent_and_received(
    endpoint: Endpoint, path: str, sent: Any, expected: Any, served: Served
) -> None:
    serve(served, endpoint)
    with open_(served.port, path) as websocket:
        if sent is not None:
            websocket.send(sent)
        received = websocket.recv(PATIENCE)
    if isinstance(expected, dict):
        received = json.loads(received)
        expected = json.loads(json.dumps(expected).replace("{port}", str(served.port)))
    assert received == expected


def test_headers_and_the_port(served: Served) -> None:
    serve(served, show_headers)
    with open_(served.port, additional_headers={"X-A": "b"}) as websocket:
        assert json.loads(websocket.recv(PATIENCE)) == {"x-a": "b", "port": served.port}


def test_a_subprotocol_and_headers_of_the_handshake(served: Served) -> None:
    serve(served, with_subprotocol)
    with open_(served.port, subprotocols=["soap", "wamp"]) as websocket:
        assert websocket.subprotocol == "wamp"
        assert websocket.response is not None
        assert websocket.response.headers["foo"] == "bar"


def test_the_client_closes(served: Served) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            await websocket.receive_text()
        except WebSocketDisconnect as end:
            SEEN.extend((end.code, end.reason))

    serve(served, endpoint)
    with open_(served.port) as websocket:
        websocket.close(code=1001, reason="Going Away")
    until(lambda: bool(SEEN))
    assert SEEN == [1001, "Going Away"]


def test_who_sends_when_the_client_has_left_is_told_so(served: Served) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            while True:
                await websocket.send_text("x" * 1_000)
        except WebSocketDisconnect as end:
            SEEN.append((end.code, websocket.application_state))

    serve(served, endpoint)
    with open_(served.port, close_timeout=0.1) as websocket:
        websocket.recv(PATIENCE)
    until(lambda: bool(SEEN))
    assert SEEN == [(1006, WebSocketState.DISCONNECTED)]


def test_the_application_closes(served: Served) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close(1001, "Going Away")
        try:
            await websocket.send_text("late")
        except RuntimeError as error:
            SEEN.append(str(error))

    serve(served, endpoint)
    with open_(served.port) as websocket, pytest.raises(ConnectionClosed) as closed:
        websocket.recv(PATIENCE)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "Going Away")
    until(lambda: bool(SEEN))
    assert "close message has been sent" in SEEN[0]


def test_the_application_rejects(served: Served) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        message = await websocket.receive()
        assert message == {"type": "websocket.connect"}
        await websocket.close(1001)

    serve(served, endpoint)
    with pytest.raises(InvalidStatus) as refused, open_(served.port):
        pass
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    ("make", "status", "body"),
    [
        (lambda: JSONResponse({"a": 1}, 404, {"foo": "bar"}), 404, b'{"a":1}'),
        (lambda: PlainTextResponse("no", 401, {"foo": "bar"}), 401, b"no"),
        (
            lambda: StreamingResponse(iter([b"hard", b"ly"]), 418, {"foo": "bar"}),
            418,
            b"hardly",
        ),
    ],
)
def test_a_response_in_the_place_of_a_websocket(
    make: Callable[[], Any], status: int, body: bytes, served: Served
) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        message = await websocket.receive()
        assert message["type"] == "websocket.connect"
        await websocket.send_denial_response(make())

    serve(served, endpoint)
    with pytest.raises(InvalidStatus) as refused, open_(served.port):
        pass
    response = refused.value.response
    assert (response.status_code, response.body) == (status, body)
    assert response.headers["foo"] == "bar"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda websocket: websocket.send({"type": "websocket.nonsense"}),
        lambda websocket: websocket.send({"type": "websocket.http.response.start"}),
        lambda websocket: websocket.send({"type": "websocket.accept"}),
    ],
)
def test_a_message_out_of_turn_is_an_error_and_ends_it(
    wrong: Callable[[WebSocket], Awaitable[None]], served: Served
) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await wrong(websocket)

    serve(served, endpoint)
    with open_(served.port) as websocket, pytest.raises(ConnectionClosed) as closed:
        websocket.recv(PATIENCE)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1011


def test_receiving_and_sending_at_once(served: Served) -> None:
    import anyio

    async def endpoint(websocket: WebSocket) -> None:
        stream_send, stream_receive = anyio.create_memory_object_stream[Any](10)

        async def reader() -> None:
            async with stream_send:
                async for data in websocket.iter_json():
                    await stream_send.send(data)

        async def writer() -> None:
            async with stream_receive:
                async for message in stream_receive:
                    await websocket.send_json(message)

        await websocket.accept()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reader)
            await writer()
        SEEN.append("ended")

    serve(served, endpoint)
    with open_(served.port) as websocket:
        for number in range(50):
            websocket.send(json.dumps({"number": number}))
        received = [json.loads(websocket.recv(PATIENCE)) for _ in range(50)]
    assert received == [{"number": number} for number in range(50)]
    until(lambda: bool(SEEN))
