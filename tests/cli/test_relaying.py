"""`sigil relay` as it is run: an origin, two edges and their clients, each a process of its own but
the clients; the origin is killed, and is there again.
"""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from websockets.sync.client import ClientConnection, connect

from sigil import replay
from sigil.client import http_get as get
from sigil.core.broadcast.upstream import UpstreamJoined
from tests.support.certificates import client_context, write_certificate
from tests.support.command import PATIENCE_SECONDS, Running, http_get, running

ORIGIN = """
from sigil import ALL_TOPICS, Limits, Request, Response, make_http_server

def app(request: Request) -> Response:
    if request.path != "/say":
        return Response.upgrade(topics=ALL_TOPICS, history=100)
    server.broadcast(request.args["text"], topic=request.args.get("topic"))
    return Response.text(server.position())

server = make_http_server(app, limits=Limits(history_messages=100))
"""


@contextmanager
def origin(folder: Path, listener: socket.socket) -> Iterator[Running]:
    """An origin that listens on this socket, which outlives it."""
    (folder / "origin.py").write_text(ORIGIN)
    descriptor = listener.fileno()
    words = ("serve", "origin:server", "--fd", str(descriptor))
    with running(*words, folder=folder, descriptors=(descriptor,)) as process:
        yield process


def say(listener: socket.socket, text: str, topic: str = "") -> str:
    """The origin publishes a text; its position."""
    query = f"text={quote(text)}" + (f"&topic={topic}" if topic else "")
    return http_get(listener.getsockname()[1], f"/say?{query}")[1]


def client(edge: Running, query: str) -> ClientConnection:
    """A client of an edge, by a library of others."""
    return connect(f"ws://127.0.0.1:{edge.port}/live?{query}", open_timeout=PATIENCE_SECONDS)


def receive(connection: ClientConnection, count: int) -> list[str]:
    """The next texts that come."""
    texts = [connection.recv(timeout=PATIENCE_SECONDS) for _ in range(count)]
    return [text if isinstance(text, str) else text.decode() for text in texts]


def until(edge: Running, **figures: object) -> None:
    """Wait until an edge has these figures."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        status = json.loads(edge.get("/healthz")[1])
        if all(status[name] == value for name, value in figures.items()):
            return
        assert time.monotonic() < deadline, status


def test_an_edge_serves_over_tls(tmp_path: Path) -> None:
    files = write_certificate(tmp_path)
    words = ("--ssl-certfile", str(files.certificate), "--ssl-keyfile", str(files.key))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/live"
        with origin(tmp_path, listener), running("relay", url, *words) as edge:
            assert edge.first_line.startswith("listening on https://127.0.0.1:")
            base = f"https://localhost:{edge.port}"
            status = get(f"{base}/healthz", ssl_context=client_context(), retry_after=True)
            assert status.status == 200 or status.json()["has_stream"] is False
            assert status.tls is not None


def test_the_positions_of_an_origin_go_on_at_every_edge(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/live"
        with origin(tmp_path, listener) as process, running("relay", url) as one:
            chained = f"ws://127.0.0.1:{one.port}/live"
            until(one, has_stream=True)
            record = ("--record", str(tmp_path / "edge.mcap"))
            with running("relay", chained, *record) as two:
                until(two, has_stream=True)
                first = say(listener, "one", "a")
                until(two, position=first)
                epoch = first.partition("-")[0]
                with client(one, f"after={epoch}-0") as follower:
                    assert receive(follower, 3) == [
                        f"\0position:{epoch}-0",
                        f"\0next:{first}",
                        "one",
                    ]
                    second = say(listener, "two")
                    assert receive(follower, 2) == [f"\0next:{second}", "two"]
                    # it goes on at the other edge, also when the origin is gone
                    until(two, position=second)
                    process.process.kill()
                    process.process.wait(PATIENCE_SECONDS)
                    until(one, is_connected=False)
                    with client(two, f"after={first}") as moved:
                        assert receive(moved, 3) == [
                            f"\0position:{first}",
                            f"\0next:{second}",
                            "two",
                        ]
                        check_restart(tmp_path, listener, second, follower, moved)
                assert two.end().status == 0
    recording = replay(tmp_path / "edge.mcap")
    assert recording.verify() is None
    joined = [type(event) for turn in recording.turns for event in turn.events]
    assert joined.count(UpstreamJoined) >= 2


def check_restart(
    folder: Path, listener: socket.socket, second: str, *clients: ClientConnection
) -> None:
    """An origin that is there again is another stream: clients are sent the gap, and go on."""
    with origin(folder, listener):
        third = say(listener, "three", "a")
        epoch = third.partition("-")[0]
        for connection in clients:
            gap, *more = receive(connection, 3)
            assert json.loads(gap.removeprefix("\0gap:")) == {
                "after": second, "position": f"{epoch}-0", "missed": None,
            } or json.loads(gap.removeprefix("\0gap:")) == {
                "after": second, "position": third, "missed": None,
            }  # fmt: skip
            assert more == [f"\0next:{third}", "three"]
