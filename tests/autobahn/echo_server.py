"""The server that the fuzzing client talks to: every message goes back as it came.

Theory: text is echoed as text and bytes as bytes, so what the suite sends it gets back or learns
why not. The bounds are raised to what section 9 sends, messages of 16 MiB in one frame or in
fragments of 64 bytes.

Rules: `echo_server.py PORT LIFE_S [--tls]`: it serves on 127.0.0.1 until SIGTERM, or until the
alarm after LIFE_S seconds; over TLS with a certificate that it makes. It does not know which cases
are run.
"""

import signal
import ssl
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from sigil import Callbacks, Conn, HttpServer, Limits, Request, Response, make_http_server

MESSAGE_MAX = 32 * 2**20
"""Twice the largest message of the suite, in bytes."""


def upgrade(request: Request) -> Response:
    """Any path is the WebSocket."""
    return Response.upgrade()


def echo(server: HttpServer, conn: Conn, data: str | bytes) -> None:
    """Sends back what came."""
    server.send(conn, data)


def tls_context() -> ssl.SSLContext:
    """A context with a certificate that was made just now."""
    from sigil.cli.tls import make_with_openssl, make_with_trustme
    from sigil.tls import server_context

    with TemporaryDirectory() as folder:
        certificate, key = Path(folder, "certificate.pem"), Path(folder, "key.pem")
        assert make_with_trustme(certificate, key) or make_with_openssl(certificate, key)
        return server_context(str(certificate), str(key))


def main(arguments: list[str]) -> None:
    """Serves until it is told to end."""
    port, life_s = map(int, arguments[:2])
    signal.alarm(life_s)
    limits = Limits(max_ws_message_len=MESSAGE_MAX, max_ws_recv_frame_len=MESSAGE_MAX)
    callbacks, context = Callbacks(ws_message=echo), None
    if "--tls" in arguments:
        context = tls_context()
    make_http_server(
        upgrade, port=port, limits=limits, callbacks=callbacks, ssl_context=context
    ).start()


if __name__ == "__main__":
    main(sys.argv[1:])
