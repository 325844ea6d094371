"""Makes one of the recordings that lie here: run it here with a Python, pure or compiled.

What happens is the same each time, and the name says who has made it.
"""

import sys

from sigil import Callbacks, Conn, HttpServer, Limits, Request, Response
from sigil.core.build import core_build
from sigil.testing import Client

IDLE_SECONDS = 61


def app(request: Request) -> Response:
    """A response of each kind."""
    if request.path == "/ws":
        return Response.upgrade(topics=("news",), history=2)
    if request.path == "/stream":
        return Response.stream(iter([b"a", b"bc"]))
    if request.path == "/raise":
        raise LookupError("as asked")
    return Response.json({"path": request.path, "length": len(request.body)})


def on_message(server: HttpServer, conn: Conn, data: str | bytes) -> None:
    """Sends it back."""
    server.send(conn, data)


def main() -> None:
    """Make the recording."""
    callbacks, limits = Callbacks(ws_message=on_message), Limits(outgoing_buffer_sz=2**16)
    client = Client(app, callbacks=callbacks, raise_errors=False, limits=limits)
    client.get("/before")
    websocket = client.websocket("/ws")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    with client.server.recording(f"{core_build()}-{version}.mcap"):
        for number in range(4):
            client.get(f"/{number}?a=b")
            client.post(f"/{number}", body=b"x" * 50 * number)
        client.get("/stream")
        client.get("/raise")
        websocket.send("hello")
        websocket.send(b"\x00\xff")
        for number in range(12):
            is_latest, is_kept = number % 3 == 0, number == 5
            client.server.broadcast(
                f"news {number}", topic="news", latest=is_latest, retain=is_kept
            )
        client.websocket("/ws")
        client.advance(IDLE_SECONDS)
        websocket.send("again")


if __name__ == "__main__":
    main()
