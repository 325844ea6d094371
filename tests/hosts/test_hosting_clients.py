"""A client in every loop, alone and ticked along with a server: requests and messages are answered
while the loop goes on, by its own timer, with the real library.

Rules: what is waited for is an answer, and a loop that never comes to it is stopped by the patience
of the test. No test takes the time.
"""

from collections.abc import Iterator

import pytest

from sigil import Callbacks, HttpServer, Request, Response, make_http_server
from sigil.client import Client, ClientResponse, WebSocket, WebSocketCallbacks, ws_connect
from tests.support.host_loops import LOOPS
from tests.support.servers import HOST, PATIENCE

INTERVAL = 0.005
MESSAGES = 5


@pytest.fixture(scope="module")
def peer() -> Iterator[HttpServer]:
    """A server in a thread of its own, which echoes messages."""

    def app(request: Request) -> Response:
        return Response.upgrade() if request.is_upgrade else Response.text(request.path)

    callbacks = Callbacks(ws_message=lambda server, conn, data: server.send(conn, data))
    server = make_http_server(app, host=HOST, port=0, callbacks=callbacks)
    with server.serve_in_thread():
        yield server


class Script:
    """What a client does in a loop: a request, messages there and back, and a request behind them,
    each when the one before was answered.
    """

    def __init__(self, client: Client, port: int) -> None:
        self._client, self._place = client, f"{HOST}:{port}"
        self.seen: list[str] = []
        self.frames = 0

    def begin(self) -> None:
        self._client.get(f"http://{self._place}/first").when_resolved(self._responded)

    def _responded(self, response: object) -> None:
        assert isinstance(response, ClientResponse), response
        self.seen.append(response.text)
        if len(self.seen) == 1:
            callbacks = WebSocketCallbacks(
                open=lambda ws: ws.send("1"), message=self._received, close=self._closed
            )
            url = f"ws://{self._place}/"
            ws_connect(url, client=self._client, callbacks=callbacks, reconnect=False)

    def _received(self, ws: WebSocket, message: str | bytes) -> None:
        self.seen.append(str(message))
        if len(self.seen) <= MESSAGES:
            ws.send(str(len(self.seen)))
        else:
            ws.close()

    def _closed(self, *_: object) -> None:
        # a call from outside of every tick comes later; this is one from within
        self._client.get(f"http://{self._place}/last").when_resolved(self._responded)

    def frame(self) -> bool:
        """Called by the loop: the first time it begins, and the loop ends with the last answer."""
        self.frames += 1
        if self.frames == 1:
            self.begin()
        assert self.frames < PATIENCE / INTERVAL, self.seen
        return "/last" not in self.seen


EXPECTED = ["/first", *[str(number) for number in range(1, MESSAGES + 1)], "/last"]


@pytest.mark.parametrize("is_attached", [False, True], ids=["alone", "attached"])
@pytest.mark.parametrize("loop", LOOPS)
def test_a_client_is_answered_in_every_loop(peer: HttpServer, loop: str, is_attached: bool) -> None:
    server = make_http_server(Response.text, host=HOST, port=0) if is_attached else None  # type: ignore[arg-type]
    with Client(server=server) as client:
        script = Script(client, peer.port)
        LOOPS[loop](server or client, script.frame, INTERVAL)
        assert script.seen == EXPECTED
        assert server is None or not server.running
        assert is_attached or not client.running
