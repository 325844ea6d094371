"""What a program asks of one connection beside sending: methods that libwebsockets has too.

Theory: each is an event that the core takes at once, or, from another thread, with the next tick,
as `close` is. What comes of it is the core's: whether a connection is watched, read, due.

Rules: may be called from any thread, and within callbacks; a call for a connection that is gone, or
that ends, changes nothing. Arguments that cannot be right are refused at the call, with a sentence.
It does not know sockets.
"""

from math import isfinite

from ..core.conn import Conn
from ..core.connection.client_status import outbox_len
from ..core.control import ReadingAllowed, TimeoutReason, TimeoutRequested, WritableRequested
from ..core.events import SendMessages
from ..core.send_status import SendStatus
from ..core.server.slots import find_client
from ..core.websocket.frames import CONTROL_MAX, Opcode
from .arguments import check_conn
from .messaging import Messaging

PING = int(Opcode.PING)


class Controlling(Messaging):
    """A server whose program has a say in what becomes of one connection."""

    __slots__ = ()

    def rx_flow_control(self, conn: Conn, enable: bool) -> None:
        """Stop to read a connection, or go on with it; may be called from any thread, twice is
        once.

        From now on the program is given nothing more of it: no message, no piece of a body, no
        further request. What was read is held, up to `Limits.max_header_len` bytes of messages;
        until then pings of a WebSocket are answered, and so is its close frame, which has what is
        held delivered, and ends this. Then, and of any other connection at once, nothing is read,
        so that the client waits. No deadline for what the client sends passes meanwhile: whoever
        wants one has `set_timeout`.
        """
        check_conn(conn)
        if not isinstance(enable, bool):
            raise TypeError(f"enable is True or False, not {type(enable).__name__}")
        self._apply(ReadingAllowed(conn, enable))

    def callback_on_writable(self, conn: Conn) -> None:
        """Have `Callbacks.writable` called, once, as soon as more can be sent to a connection
        without waiting; may be called from any thread, twice before that is once.

        That is when everything has left that was sent before, and the kernel takes more. Asked for
        again by the callback, it comes again in a later tick: so a program that makes what it sends
        as the client takes it holds one piece of it.
        """
        check_conn(conn)
        self._apply(WritableRequested(conn))

    def set_timeout(
        self, conn: Conn, reason: int = TimeoutReason.USER, seconds: float = 0.0
    ) -> None:
        """Give a connection so many seconds from now, in the place of what it had; may be called
        from any thread.

        When they are over it ends with `CloseReason.PROGRAM_TIMEOUT`: a WebSocket with close code
        1008, a request that was not answered with 503. The `reason`, one of `TimeoutReason` or a
        number of your own, is for the log. `NO_PENDING_TIMEOUT`, or 0 seconds, ends the timeout.
        The deadlines of `Limits` are not touched. ValueError for seconds that are none.
        """
        check_conn(conn)
        if type(reason) is bool or not isinstance(reason, int):
            raise TypeError(f"a reason is a TimeoutReason, not {type(reason).__name__}")
        if type(seconds) is bool or not isinstance(seconds, int | float):
            raise TypeError(f"seconds are a number, not {type(seconds).__name__}")
        if not isfinite(seconds) or seconds < 0:
            raise ValueError(f"seconds are a finite number, 0 or more, not {seconds}")
        if not seconds:
            reason = TimeoutReason.NO_PENDING_TIMEOUT
        self._apply(TimeoutRequested(conn, int(reason), float(seconds)))

    def partial_buffered(self, conn: Conn) -> bool:
        """True if the kernel has not taken all that was sent to a connection: what is sent now
        waits behind it.
        """
        check_conn(conn)
        client = find_client(self.state.slots, conn)
        return client is not None and bool(outbox_len(client) or client.outgoing.is_full)

    def ping(self, conn: Conn, data: bytes = b"") -> SendStatus:
        """Send a ping to one WebSocket, with up to 125 bytes, which its pong brings back; may be
        called from any thread.

        It leaves behind what was sent before. The server pings who is silent by itself
        (`Limits.ws_ping_interval`). The status is that of `send`; ValueError for longer data.
        """
        check_conn(conn)
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"the data of a ping are bytes, not {type(data).__name__}")
        payload = bytes(data)
        if len(payload) > CONTROL_MAX:
            raise ValueError(f"a ping has {CONTROL_MAX} bytes at most, not {len(payload)}")
        if not self._may_send_now():
            return self._post_message(SendMessages(conn, ((PING, payload),)), len(payload))
        self._guard.is_busy = True
        try:
            return self._buffer.send(conn, (PING, payload))
        finally:
            self._guard.is_busy = False


http_server_rx_flow_control = Controlling.rx_flow_control
http_server_callback_on_writable = Controlling.callback_on_writable
http_server_set_timeout = Controlling.set_timeout
http_server_partial_buffered = Controlling.partial_buffered
http_server_ping = Controlling.ping
