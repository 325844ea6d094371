"""The callbacks of a program, as it hands them to a server.

Theory: the types of callbacks name the server that they are called with, so that a type checker
knows what a callback may do; and the server is made of parts that call them. Therefore this stands
above both, and the parts take any record with these fields (`program.callbacks.CallbackTable`).

Rules: a record of functions, nothing else. It does not know when they are called.
"""

from collections.abc import Callable
from typing import NamedTuple

from ..core.close_reasons import CloseReason
from ..core.conn import Conn
from ..core.http.request import Request
from .server import HttpServer


class Callbacks(NamedTuple):
    """The functions that a server calls; each is optional, and may be `async def` under
    `http_server_serve`.

    `open(server, conn)` and `close(server, conn, reason)` are called once for each connection. For
    one that becomes a WebSocket, in between: `ws_open(server, conn, request)`, `ws_message(server,
    conn, data)` with a str for a text and bytes for a binary message, and `ws_close(server, conn,
    reason, code)`. Any of them may send, broadcast and close. One that raises is logged with its
    traceback and ends its connection (500 or 1011).
    """

    open: Callable[[HttpServer, Conn], object] | None = None
    close: Callable[[HttpServer, Conn, CloseReason], object] | None = None
    ws_open: Callable[[HttpServer, Conn, Request], object] | None = None
    ws_message: Callable[[HttpServer, Conn, str | bytes], object] | None = None
    ws_close: Callable[[HttpServer, Conn, CloseReason, int], object] | None = None
