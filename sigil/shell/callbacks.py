"""The callbacks of a program, as it hands them to a server.

Theory: the types of callbacks name the server that they are called with, so that a type checker
knows what a callback may do; and the server is made of parts that call them. Therefore this stands
above both, and the parts take any record with these fields (`program.callbacks.CallbackTable`).

Rules: a record of functions, nothing else. It does not know when they are called.
"""

from collections.abc import Callable
from typing import NamedTuple

from ..core.close_reasons import CloseReason
from ..core.conn import Conn, Peer
from ..core.http.request import Request
from ..core.websocket.fragments import Fragment
from .server import HttpServer


class Callbacks(NamedTuple):
    """The functions that a server calls; each is optional. One may return a `Deferred`, and be
    `async def` under `http_server_serve`: those behind it for its connection wait until that has
    come to its end.

    `admit(server, peer)` says whether a newcomer is let in, by its address and before a byte is
    read: one for whom it is not true is closed, and nothing else is called for it.
    `open(server, conn)` and `close(server, conn, reason)` are called once for each connection. For
    one that becomes a WebSocket, in between: `ws_open(server, conn, request)` with the very request
    that the handler had, `ws_message(server, conn, data)` with a str for a text and bytes for a
    binary message, `ws_fragment(server, conn, fragment)` with each piece of one that is longer than
    `Limits.max_ws_piece_len`, if there is this callback, `ws_drain(server, conn)` when it was
    behind with reading and has taken all that it was sent, `ws_pong(server, conn, data)` when the
    pong has come for `server.ping(conn, data)`, if there were data, and `ws_close(server, conn,
    reason, code)`. For one that becomes an event stream of what is broadcast: `sse_open(server,
    conn, request)` and `sse_close(server, conn, reason)`. `writable(server, conn)` is called once
    for each `server.callback_on_writable(conn)`. Any of them may send, broadcast and close. One
    that raises is logged with its traceback and ends its connection (500 or 1011).
    """

    open: Callable[[HttpServer, Conn], object] | None = None
    close: Callable[[HttpServer, Conn, CloseReason], object] | None = None
    ws_open: Callable[[HttpServer, Conn, Request], object] | None = None
    ws_message: Callable[[HttpServer, Conn, str | bytes], object] | None = None
    ws_close: Callable[[HttpServer, Conn, CloseReason, int], object] | None = None
    ws_drain: Callable[[HttpServer, Conn], object] | None = None
    sse_open: Callable[[HttpServer, Conn, Request], object] | None = None
    sse_close: Callable[[HttpServer, Conn, CloseReason], object] | None = None
    writable: Callable[[HttpServer, Conn], object] | None = None
    ws_fragment: Callable[[HttpServer, Conn, Fragment], object] | None = None
    ws_pong: Callable[[HttpServer, Conn, bytes], object] | None = None
    admit: Callable[[HttpServer, Peer], object] | None = None
