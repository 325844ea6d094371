"""The server that the fuzzing client talks to: every message goes back as it came.

Theory: text is echoed as text and bytes as bytes, so what the suite sends it gets back or learns
why not. The bounds are raised to what section 9 sends, messages of 16 MiB in one frame or in
fragments of 64 bytes.

Rules: `echo_server.py PORT LIFE_S`: it serves on 127.0.0.1 until SIGTERM, or until the alarm after
LIFE_S seconds. It does not know which cases are run.
"""

import signal
import sys

from sigil import Callbacks, Conn, HttpServer, Limits, Request, Response, make_http_server

MESSAGE_MAX = 32 * 2**20
"""Twice the largest message of the suite, in bytes."""


def upgrade(request: Request) -> Response:
    """Any path is the WebSocket."""
    return Response.upgrade()


def echo(server: HttpServer, conn: Conn, data: str | bytes) -> None:
    """Sends back what came."""
    server.send(conn, data)


def main(arguments: list[str]) -> None:
    """Serves until it is told to end."""
    port, life_s = map(int, arguments)
    signal.alarm(life_s)
    limits = Limits(max_ws_message_len=MESSAGE_MAX, max_ws_recv_frame_len=MESSAGE_MAX)
    make_http_server(
        upgrade, port=port, limits=limits, callbacks=Callbacks(ws_message=echo)
    ).start()


if __name__ == "__main__":
    main(sys.argv[1:])
