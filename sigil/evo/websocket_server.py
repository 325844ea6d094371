"""The WebSocket server of the Evo runtime.

Theory: a program that sends to everybody, or to one client by its id, and learns of clients that
come, say something and leave. Clients are WebSockets of one `sigil.HttpServer`, messages to all are
its broadcast, and an id says by itself which connection it names.

Rules: a message to a client that is gone is dropped, and that is no error: it may have left before
its last event was handled. What is sent to one client and to all arrives in the order of the calls.
Whether messages are compressed was agreed on with each client. It does not know HTTP.
"""

from typing import Any

from sigil import (
    Callbacks,
    CloseReason,
    Conn,
    Limits,
    Request,
    Response,
    Routes,
    SendStatus,
    close_reason_sentence,
)
from sigil import HttpServer as SigilServer
from sigil.web import Found, match

from .events import Event, EventType
from .ids import WEBSOCKET, check_id, decode_id, encode_id
from .serving import EventServer

MAX_PAYLOAD_LEN = 16 * 2**20
MAX_BACKPRESSURE = 64 * 2**10
PING_SECONDS, PONG_SECONDS = 100.0, 20.0
"""Together they are the 120 seconds after which the runtime gives up a client that is silent."""

WEBSOCKET_LIMITS = Limits(
    max_ws_message_len=MAX_PAYLOAD_LEN,
    max_ws_recv_frame_len=MAX_PAYLOAD_LEN,
    max_ws_outbox_len=MAX_BACKPRESSURE,
    max_outbox_len=MAX_BACKPRESSURE // 2,
    ws_ping_interval=PING_SECONDS,
    ws_pong_timeout=PONG_SECONDS,
)
"""The settings of the runtime. A client is not read any more when it has left half of
`MAX_BACKPRESSURE` untaken: then an echo drops nothing.
"""

TEXT, BINARY = 1, 2
"""The opcodes of messages (RFC 6455 section 5.2)."""

DROPPED = SendStatus.DROPPED

BY_PROGRAM = "the program closed the WebSocket"


class WebSocketServer(EventServer):
    """A WebSocket server as the Evo runtime has it: events by name, clients by id.

        server = WebSocketServer()

        @server.on("WEBSOCKET_MESSAGE_RECEIVED")
        def received(event: Event[str | bytes]) -> None:
            server.broadcast_text_message(f"{event.client_id}: {event.message}")

        server.start_listening(9001)
        server.serve()

    `path` is a pattern as `Routes` has them: the paths on which WebSockets are opened.
    """

    LIMITS = WEBSOCKET_LIMITS

    def __init__(
        self,
        *,
        path: str = "/*",
        host: str = "127.0.0.1",
        limits: Limits | None = None,
        **others: Any,
    ) -> None:
        self._paths = Routes()
        self._paths.add(path, self._upgrade)
        self._clients: dict[Conn, str] = {}
        """The ids of the WebSockets that are open."""
        self._behind: set[Conn] = set()
        """Those that have not taken all, as far as the program was told."""
        self._is_echoing = False
        super().__init__(host=host, limits=limits, **others)

    # -- events ------------------------------------------------------------------------------------

    def WEBSOCKET_CONNECTION_ESTABLISHED(self, event: Event[str]) -> None:
        """A client has come: `event.client_id`."""

    def WEBSOCKET_MESSAGE_RECEIVED(self, event: Event[str | bytes]) -> None:
        """A client has sent `event.message`: a str, or bytes; `event.opcode` is 1 or 2."""

    def WEBSOCKET_CONNECTION_CLOSED(self, event: Event[str]) -> None:
        """A client is gone, or was closed, with `event.code`; `event.message` is why: what the
        client has written into its close frame, or sigil's words.
        """

    def WEBSOCKET_BACKPRESSURE(self, event: Event[int]) -> None:
        """A client has begun not to take what it is sent by its id: `event.message` is how many
        bytes wait for it; or it has taken all that waited: `event.message` is 0.
        """

    # -- messages ----------------------------------------------------------------------------------

    def send_text_message_to_client(self, message: str, client_id: str) -> SendStatus:
        """Send a text to one client. `BACKPRESSURE` if it waits behind what the client has not
        taken, `DROPPED` if too much waits, or the client is gone.
        """
        return self._send(client_id, _text(message))

    def send_binary_message_to_client(
        self, message: bytes | bytearray | memoryview, client_id: str
    ) -> SendStatus:
        """Send bytes to one client, likewise."""
        return self._send(client_id, _binary(message))

    def send_compressed_text_message_to_client(self, message: str, client_id: str) -> SendStatus:
        """Send a text to one client: the same as `send_text_message_to_client`, since a client that
        has agreed on compression is sent everything so that becomes shorter by it.
        """
        return self._send(client_id, _text(message))

    def broadcast_text_message(self, message: str) -> SendStatus:
        """Send a text to all clients. `BACKPRESSURE` if one of them is behind, `DROPPED` if the
        message does not fit into what is kept for those that are.
        """
        return self._server.broadcast(_text(message))

    def broadcast_binary_message(self, message: bytes | bytearray | memoryview) -> SendStatus:
        """Send bytes to all clients, likewise."""
        return self._server.broadcast(_binary(message))

    def broadcast_compressed_text_message(self, message: str) -> SendStatus:
        """Send a text to all clients: the same as `broadcast_text_message`, as for one."""
        return self._server.broadcast(_text(message))

    def set_echo_mode(self, enabled: bool) -> None:
        """Have each message sent back as it came, or not any more; its event comes all the same.

        TypeError for what is not True or False.
        """
        if not isinstance(enabled, bool):
            raise TypeError(f"the echo mode is True or False, not {type(enabled).__name__}")
        self._is_echoing = enabled

    # -- clients -----------------------------------------------------------------------------------

    def get_num_connected_clients(self) -> int:
        """How many WebSockets are open."""
        return len(self._clients)

    def get_connected_clients(self) -> tuple[str, ...]:
        """The ids of the WebSockets that are open, in the order in which they came."""
        return tuple(self._clients.values())

    def get_buffered_amount(self, client_id: str) -> int:
        """Bytes that a client has not taken; 0 for one that is gone."""
        conn = self._find_client(client_id)
        return 0 if conn is None else self._server.buffered_amount(conn)

    def close_client(self, client_id: str, code: int = 1000, reason: str = "") -> bool:
        """Close one WebSocket, behind what it was sent; False if it is gone. ValueError for a code
        that may not be sent.
        """
        conn = self._find_client(client_id)
        if conn is not None:
            self._server.close(conn, code, reason)
        return conn is not None

    # -- for the server ----------------------------------------------------------------------------

    @property
    def callbacks(self) -> Callbacks:
        """The callbacks of the server."""
        return super().callbacks._replace(
            ws_open=self._websocket_opened,
            ws_message=self._message_received,
            ws_close=self._websocket_closed,
            ws_drain=self._websocket_drained,
        )

    def _handle(self, request: Request) -> Any:
        """A WebSocket on the paths for it."""
        if request.is_upgrade and self._is_path(request):
            return self._upgrade(request)
        answer = super()._handle(request)
        if answer is None and self._is_path(request):
            return self._upgrade(request)  # which is refused with what is missing
        return answer

    def _is_path(self, request: Request) -> bool:
        """True for a request to a path on which WebSockets are opened."""
        return isinstance(match(self._paths.table, request.method, request.subpath), Found)

    def _upgrade(self, request: Request) -> Response:
        """A client that is too slow is not closed, and misses what is not kept any more."""
        return Response.upgrade(slow="skip")

    def _websocket_opened(self, server: SigilServer, conn: Conn, request: Request) -> None:
        client_id = encode_id(self._prefix, conn, WEBSOCKET)
        self._clients[conn] = client_id
        self._defer(EventType.WEBSOCKET_CONNECTION_ESTABLISHED, client_id, "")

    def _message_received(self, server: SigilServer, conn: Conn, data: str | bytes) -> None:
        opcode = TEXT if isinstance(data, str) else BINARY
        kind = EventType.WEBSOCKET_MESSAGE_RECEIVED
        self._queue.append(Event(kind, self._clients[conn], data, opcode=opcode))
        if self._is_echoing:
            self._note_status(conn, server.send(conn, data))

    def _websocket_closed(
        self, server: SigilServer, conn: Conn, reason: CloseReason, code: int
    ) -> None:
        client_id = self._clients.pop(conn)
        self._behind.discard(conn)
        kind = EventType.WEBSOCKET_CONNECTION_CLOSED
        why = server.close_text(conn) or _words(reason)
        self._queue.append(Event(kind, client_id, why, code=code))

    def _websocket_drained(self, server: SigilServer, conn: Conn) -> None:
        if conn in self._behind:  # else it was behind with what was broadcast, or a little
            self._behind.discard(conn)
            self._defer(EventType.WEBSOCKET_BACKPRESSURE, self._clients[conn], 0)

    def _after_failure(self, event: Event[Any], error: BaseException) -> None:
        """A client whose event could not be handled is closed with 1011."""
        super()._after_failure(event, error)
        if event.type in _OF_OPEN_WEBSOCKETS:
            self.close_client(event.client_id, 1011)

    # -- the rest is for this class ----------------------------------------------------------------

    def _find_client(self, client_id: str) -> Conn | None:
        """The connection of a client; None if it is gone."""
        named = decode_id(self._prefix, check_id(client_id))
        if named is None or named.number != WEBSOCKET or named.conn not in self._clients:
            return None
        return named.conn

    def _send(self, client_id: str, message: str | bytes | bytearray | memoryview) -> SendStatus:
        conn = self._find_client(client_id)
        if conn is None:
            return DROPPED
        status = self._server.send(conn, message)
        self._note_status(conn, status)
        return status

    def _note_status(self, conn: Conn, status: SendStatus) -> None:
        """Defer an event for a client that has begun to be behind."""
        if status is not SendStatus.SUCCESS and conn not in self._behind:
            amount = self._server.buffered_amount(conn)
            if amount:
                self._behind.add(conn)
                self._defer(EventType.WEBSOCKET_BACKPRESSURE, self._clients[conn], amount)


_OF_OPEN_WEBSOCKETS = frozenset(
    (
        EventType.WEBSOCKET_CONNECTION_ESTABLISHED,
        EventType.WEBSOCKET_MESSAGE_RECEIVED,
        EventType.WEBSOCKET_BACKPRESSURE,
    )
)


def _words(reason: CloseReason) -> str:
    """Why a WebSocket has ended whose client has not written why."""
    return BY_PROGRAM if reason is CloseReason.OK else close_reason_sentence(reason)


def _text(message: str) -> str:
    """The message; TypeError if it is no text."""
    if not isinstance(message, str):
        raise TypeError(f"a text message is a str, not {type(message).__name__}")
    return message


def _binary(message: bytes | bytearray | memoryview) -> bytes | bytearray | memoryview:
    """The message; TypeError if it is no bytes."""
    if not isinstance(message, bytes | bytearray | memoryview):
        raise TypeError(f"a binary message is bytes, not {type(message).__name__}")
    return message
