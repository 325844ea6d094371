"""What a program asks of one connection beside sending: methods that libwebsockets has too.

Theory: each is an event that the core takes at once, or, from another thread, with the next tick,
as `close` is. What comes of it is the core's: whether a connection is watched, read, due.

Rules: may be called from any thread, and within callbacks; a call for a connection that is gone, or
that ends, changes nothing. Arguments that cannot be right are refused at the call, with a sentence.
It does not know sockets.
"""

import logging
from collections.abc import Callable
from math import isfinite

from ..core.conn import Conn
from ..core.connection.client_status import outbox_len
from ..core.control import ReadingAllowed, TimeoutReason, TimeoutRequested, WritableRequested
from ..core.effects import ERROR_LOG
from ..core.events import SendMessages
from ..core.send_status import SendStatus
from ..core.server.slots import find_client
from ..core.websocket.frames import CONTROL_MAX, Opcode
from .arguments import check_conn
from .messaging import Messaging
from .peer_names import look_up
from .program.deferred import Deferred
from .program.logs import write_text
from .program.protocols import Protocol
from .program.tracebacks import EXIT_EXCEPTIONS, error_text, safe_name

_ERRORS = logging.getLogger(ERROR_LOG)

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

    # -- who and what it is ------------------------------------------------------------------------

    def peer_addresses(self, conn: Conn) -> tuple[str, str]:
        """The name and the address of a client: the name is empty until `look_up_peer` has found
        one, and both are for a connection that is gone.
        """
        peer = self.peer(conn)
        if peer is None:
            return "", ""
        return self._application.callbacks.programs.names.get(conn, ""), peer.host

    def look_up_peer(self, conn: Conn) -> Deferred:
        """The name and the address of a client, when its name was looked up: by another thread,
        since that may take long; may be called from any thread, and returned from a handler with
        `.map(...)`.

        The name is empty if there is none, and if `peer_names.LOOKUPS_MAX` are being looked up
        already. It is what whoever has the address says of it, and proves nothing.
        """
        later, peer = Deferred(), self.peer(conn)
        if peer is None:
            later.resolve(("", ""))
            return later

        def report(name: str) -> None:
            self.call_soon(self._note_name, conn, name)
            later.resolve((name, peer.host))

        look_up(peer.host, peer.port, report)
        return later

    def _note_name(self, conn: Conn, name: str) -> None:
        """Remember the name of a client that is still there."""
        if name and find_client(self.state.slots, conn) is not None:
            self._application.callbacks.programs.names[conn] = name

    def get_socket_fd(self, conn: Conn) -> int | None:
        """The descriptor of a connection, for its options and for figures: it is the server's, and
        nobody else reads, writes or closes it. None for one that is gone, and in memory.
        """
        check_conn(conn)
        sock = self._application.sources.find_socket(conn)
        fileno = getattr(sock, "fileno", None)
        return None if fileno is None else int(fileno())

    def context_user(self) -> object:
        """What the program has given with `make_http_server(user=...)`."""
        return self._application.upgrades.user

    # -- protocols ---------------------------------------------------------------------------------

    def get_protocol(self, conn: Conn) -> Protocol | None:
        """The protocol of a WebSocket, one of `make_http_server(protocols=...)`, from
        `ws_open` until `ws_close` has returned; None if it has none of them, or is gone.
        """
        check_conn(conn)
        return self._application.callbacks.programs.protocol(conn)

    def callback_all_protocol(
        self, protocol: Protocol | str, function: Callable[..., object], *args: object
    ) -> None:
        """Have `function(server, conn, *args)` called by the next tick for each WebSocket that
        has this protocol then; may be called from any thread.

        What one call raises is logged, and the others are made. ValueError for a protocol that the
        server does not have.
        """
        name = self._name_of(protocol)
        if not callable(function):
            raise TypeError(f"what is called is a function, not {type(function).__name__}")
        self.call_soon(self._call_all, name, function, args)

    def callback_on_writable_all_protocol(self, protocol: Protocol | str) -> None:
        """`callback_on_writable` for each WebSocket that has this protocol now."""
        for conn in self._sessions(protocol):
            self.callback_on_writable(conn)

    def rx_flow_allow_all_protocol(self, protocol: Protocol | str) -> None:
        """`rx_flow_control(conn, True)` for each WebSocket that has this protocol now."""
        for conn in self._sessions(protocol):
            self.rx_flow_control(conn, True)

    def _sessions(self, protocol: Protocol | str) -> tuple[Conn, ...]:
        """The WebSockets that have this protocol now."""
        return self._application.callbacks.programs.sessions(self._name_of(protocol))

    def _name_of(self, protocol: object) -> str:
        """The name of a protocol of this server; TypeError for what is none, ValueError for another
        server's.
        """
        name = protocol.name if isinstance(protocol, Protocol) else protocol
        if not isinstance(name, str):
            raise TypeError(f"a protocol is a Protocol or its name, not {type(name).__name__}")
        known = [other.name for other in self._application.upgrades.protocols]
        if name not in known:
            raise ValueError(f"this server has no protocol {name!r}, but {known}")
        return name

    def _call_all(
        self, name: str, function: Callable[..., object], args: tuple[object, ...]
    ) -> None:
        """Call this for each WebSocket of a protocol."""
        for conn in self._application.callbacks.programs.sessions(name):
            if not self._application.callbacks.is_open(conn):
                continue
            try:
                function(self, conn, *args)
            except EXIT_EXCEPTIONS:
                raise
            except BaseException as error:
                text = error_text(f"callback_all_protocol({safe_name(function)}) raised", error)
                write_text(_ERRORS, logging.ERROR, text)
                self._guard.note_raised()


http_server_rx_flow_control = Controlling.rx_flow_control
http_server_rx_flow_allow_all_protocol = Controlling.rx_flow_allow_all_protocol
http_server_callback_on_writable = Controlling.callback_on_writable
http_server_callback_on_writable_all_protocol = Controlling.callback_on_writable_all_protocol
http_server_callback_all_protocol = Controlling.callback_all_protocol
http_server_set_timeout = Controlling.set_timeout
http_server_partial_buffered = Controlling.partial_buffered
http_server_ping = Controlling.ping
http_server_get_protocol = Controlling.get_protocol
http_server_peer_addresses = Controlling.peer_addresses
http_server_look_up_peer = Controlling.look_up_peer
http_server_context_user = Controlling.context_user
http_server_get_socket_fd = Controlling.get_socket_fd
