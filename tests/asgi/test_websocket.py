"""WebSockets of applications: back-pressure in both directions, refusals, and how they end."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from sigil import Limits
from sigil.asgi.websocket import INCOMING_LEN_MAX, INCOMING_MAX
from tests.asgi.serving import Client, Served, sigil_in_asyncio, sigil_in_thread, until
from tests.asgi.table import open_
from tests.support.servers import HOST, PATIENCE, logged_by
from tests.support.upgrade_requests import asking

SERVERS = {"asyncio": sigil_in_asyncio, "thread": sigil_in_thread}


@pytest.fixture(scope="module", params=SERVERS)
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    """One server for all."""
    with SERVERS[request.param](Served(request.param)) as served:
        yield served


class Gate:
    """What an application waits for, and a test opens."""

    def __init__(self) -> None:
        self.is_open = False

    async def passed(self) -> None:
        """Wait until it is open."""
        while not self.is_open:
            await asyncio.sleep(0.001)


async def accept(receive: Any, send: Any) -> None:
    """Open the WebSocket."""
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})


def test_no_more_is_delivered_than_the_application_takes(served: Served) -> None:
    gate, taken, waiting = Gate(), list[int](), list[int]()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await accept(receive, send)
        await gate.passed()
        while (message := await receive())["type"] == "websocket.receive":
            waiting.append(len(receive.__self__._incoming))
            taken.append(int(message["text"]))

    served.app = app
    with open_(served.port) as websocket:
        for number in range(500):
            websocket.send(str(number))
        gate.is_open = True
        until(lambda: len(taken) == 500)
    assert taken == list(range(500))
    assert max(waiting) <= INCOMING_MAX


def test_long_messages_are_delivered_one_by_one(served: Served) -> None:
    gate, waiting = Gate(), list[int]()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await accept(receive, send)
        await gate.passed()
        while (await receive())["type"] == "websocket.receive":
            waiting.append(len(receive.__self__._incoming))

    served.app = app
    with open_(served.port) as websocket:
        for _ in range(4):
            websocket.send(bytes(INCOMING_LEN_MAX))
        gate.is_open = True
        until(lambda: len(waiting) == 4)
    assert max(waiting) <= 1


def test_a_client_that_sends_and_is_not_read_is_held_up(served: Served) -> None:
    gate, ended = Gate(), list[str]()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await accept(receive, send)
        await gate.passed()
        while (await receive())["type"] == "websocket.receive":
            pass
        ended.append("ended")

    served.app = app
    with Client(served.port) as client:
        client.send(asking())
        client.read_until(b"\r\n\r\n")
        client.sock.setblocking(False)
        frame, sent = b"\x82\xff" + (1 << 20).to_bytes(8, "big") + bytes(4 + (1 << 20)), 0
        with pytest.raises(BlockingIOError):
            while sent < 200:  # MiB; what the kernel and the limits hold is far less
                data = memoryview(frame)
                while data:
                    data = data[client.sock.send(data) :] if _is_writable(client) else _full()
                sent += 1
        assert sent < 200
    gate.is_open = True
    until(lambda: bool(ended))


def _is_writable(client: Client) -> bool:
    """True if the kernel takes something within a moment."""
    import select

    return bool(select.select([], [client.sock], [], 0.5)[1])


def _full() -> memoryview:
    raise BlockingIOError


def test_who_sends_waits_for_a_client_that_does_not_read_and_loses_nothing(served: Served) -> None:
    sent: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await accept(receive, send)
        for number in range(400):
            await send({"type": "websocket.send", "bytes": bytes([number % 251]) * 100_000})
            sent.append(number)

    served.app = app
    with connect(f"ws://{HOST}:{served.port}", proxy=None, max_queue=1, compression=None) as socket:
        for number in range(400):
            if number == 5:  # what the kernel holds is some MB, and the application is not done
                assert len(sent) < 400
            assert socket.recv(PATIENCE) == bytes([number % 251]) * 100_000
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(PATIENCE)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1000


def test_who_waits_is_told_when_the_client_leaves(served: Served) -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await accept(receive, send)
        try:
            while True:
                await send({"type": "websocket.send", "bytes": bytes(100_000)})
        except OSError as error:
            seen.append(type(error).__name__)
        seen.append((await receive())["type"])

    served.app = app
    with Client(served.port) as client:
        client.send(asking())
        client.read_until(b"\r\n\r\n")
        client.read()
    until(lambda: len(seen) == 2)
    assert seen == ["ClientDisconnected", "websocket.disconnect"]


def test_many_messages_leave_in_order_with_a_close_behind_them(served: Served) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await accept(receive, send)
        tasks = [
            asyncio.create_task(send({"type": "websocket.send", "text": str(number)}))
            for number in range(200)
        ]
        await asyncio.gather(*tasks)
        await send({"type": "websocket.close", "code": 4_000})

    served.app = app
    received: list[str | bytes] = []
    with open_(served.port) as websocket, pytest.raises(ConnectionClosed):
        while True:
            received.append(websocket.recv(PATIENCE))
    assert received == [str(number) for number in range(200)]


def test_what_is_received_before_the_handshake_is_waited_for(served: Served) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        waiting = asyncio.create_task(receive())
        await asyncio.sleep(0)
        await send({"type": "websocket.accept"})
        seen.append(await waiting)

    served.app = app
    with open_(served.port) as websocket:
        websocket.send("a")
        until(lambda: bool(seen))
    assert seen == [{"type": "websocket.receive", "text": "a"}]


def test_who_leaves_before_the_handshake_is_told_of(served: Served) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((await receive())["type"])
        seen.append(await receive())
        try:
            await send({"type": "websocket.accept"})
        except OSError as error:
            seen.append(type(error).__name__)

    served.app = app
    with Client(served.port) as client:
        client.send(asking())
        until(lambda: bool(seen))
    until(lambda: len(seen) == 3)
    assert seen[1:] == [
        {"type": "websocket.disconnect", "code": 1006, "reason": ""}, "ClientDisconnected",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (asking({"Sec-WebSocket-Key": None}), 400),
        (asking({"Sec-WebSocket-Version": "8"}), 426),
        (asking({"Origin": "http://elsewhere.example"}), 403),
    ],
)
def test_a_handshake_that_sigil_refuses_is_no_websocket_for_the_application(
    request_: bytes, status: int, served: Served
) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        try:
            await send({"type": "websocket.accept"})
        except OSError as error:
            seen.append(str(error))
        seen.append((await receive())["code"])

    served.app = app
    with Client(served.port) as client:
        client.send(request_)
        assert client.answer().status == status
    until(lambda: len(seen) == 2)
    assert seen == ["the WebSocket was not opened", 1006]


def test_positions_are_not_for_applications(served: Served) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await accept(receive, send)
        await send({"type": "websocket.send", "text": scope["query_string"].decode()})

    served.app = app
    with open_(served.port, "/?after=") as websocket:
        assert websocket.recv(PATIENCE) == "after="


def test_a_stop_closes_with_1001_and_is_told(served: Served) -> None:
    del served  # a server of its own is stopped
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await accept(receive, send)
        seen.append((await receive())["code"])

    for serve in SERVERS.values():
        own = Served("own")
        own.app = app
        with ExitStack() as opened:
            with serve(own):
                websocket = opened.enter_context(open_(own.port))
            with pytest.raises(ConnectionClosed) as closed:
                websocket.recv(PATIENCE)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1001
    assert seen == [1001, 1001]


def test_a_subprotocol_that_was_not_offered_is_an_error_of_the_application(
    served: Served,
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "other"})

    served.app = app
    with logged_by("sigil.error") as lines:
        with pytest.raises(InvalidStatus) as refused, open_(served.port, subprotocols=["a"]):
            pass
        assert refused.value.response.status_code == 500
        until(lambda: bool(lines))
    assert "'other' was not offered" in lines[0]


def test_a_large_message_comes_whole(served: Served) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await accept(receive, send)
        message = await receive()
        await send({"type": "websocket.send", "bytes": message["bytes"]})

    served.app = app
    payload = bytes(range(256)) * 2_000
    with open_(served.port, max_size=None) as websocket:
        websocket.send(payload)
        assert websocket.recv(PATIENCE) == payload
    assert Limits().max_ws_message_len > len(payload)


def test_another_task_may_send_while_one_accepts(served: Served) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await asyncio.gather(
            send({"type": "websocket.accept"}), send({"type": "websocket.send", "text": "early"})
        )
        await send({"type": "websocket.close"})

    served.app = app
    with open_(served.port) as websocket:
        assert websocket.recv(PATIENCE) == "early"


def test_who_has_refused_with_a_response_is_told_of_the_end(served: Served) -> None:
    told: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.http.response.start", "status": 401})
        await send({"type": "websocket.http.response.body", "body": b"no"})
        told.append(await receive())

    served.app = app
    with Client(served.port) as client:
        client.send(asking())
        assert client.answer().status == 401
        until(lambda: told)
    assert told == [{"type": "websocket.disconnect", "code": 1006, "reason": ""}]


def test_an_echo_goes_on_when_the_client_reads_late(served: Served) -> None:
    """Messages wait for the application, and the application for the client."""
    exchanges: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        exchanges.append(receive.__self__)
        await accept(receive, send)
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "bytes": message["bytes"]})

    served.app = app
    length, count = 20_000, 1_000
    frame = b"\x82\xfe" + length.to_bytes(2, "big") + bytes(4) + bytes(length)
    with Client(served.port) as client:
        client.send(asking())
        client.read_until(b"\r\n\r\n")
        sender = threading.Thread(target=lambda: client.send(frame * count), daemon=True)
        sender.start()
        until(lambda: exchanges[0]._is_behind and exchanges[0]._rooms)
        missing = count * (length + 4)
        while missing > 0:
            missing -= len(client.sock.recv(1_000_000))
        sender.join(PATIENCE)
