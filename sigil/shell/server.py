"""The server a program holds: it owns the sockets and drives the engine.

Theory: all that changes is here, and it is little: one `Server` value, the events the core has not
received, the effects not performed. A tick reads the clock and the ready descriptors into events,
advances the core, performs its effects, advances it by what came of them, and so on for a bounded
number of rounds.

Rules: everything belongs to the thread that ticks but what says that it may be called from any. A
tick with work left over makes the next one poll. If user code lets a KeyboardInterrupt or a
SystemExit out, it leaves the tick, and effects not yet performed wait for the next one. It does not
know HTTP: the core does.
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from ..core.conn import Peer
from ..core.effects import ACCESS_LOG, SERVER_LOG
from ..core.events import DescriptorsExhausted, InputRead, TickStarted
from ..core.limits import Limits, read_share_len
from ..core.server.admission import accept_room, max_accepts
from ..core.server.clock import is_due
from ..core.server.state import Server, ServerState, make_server
from ..core.server.stats import Stats, stats
from .adopting import Adopting, make_poller
from .hosts.thread import ServerThread
from .loop.acceptor import Acceptor
from .loop.body_turns import unread_of
from .loop.clock import read_clock
from .loop.descriptors import limits_for_process
from .loop.engine import Engine
from .loop.head_cache import cached_parser
from .loop.keepalive import set_keepalive
from .loop.kernel_buffer import first_mark
from .loop.last_look import accept_before_close, read_before_stop
from .loop.listen import check_sockets, open_asked, removing_socket_file
from .loop.poll_hooks import PollHooks
from .loop.sockets import Ready, Sockets
from .members import Attached
from .program.handlers import Application, Handler
from .program.logs import write_log
from .settings import ServerSettings, checked

if TYPE_CHECKING:
    import ssl

_LOG = logging.getLogger(SERVER_LOG)
_ACCESS = logging.getLogger(ACCESS_LOG)


class HttpServer(Adopting):
    """An HTTP/1.1 server; make it with `make_http_server`."""

    # there is nothing else to be set: a handler that is assigned would not be called
    # fmt: off
    __slots__ = (
        "__weakref__", "_host", "_port", "_read_offset", "_waits_when_full",
    )
    # fmt: on

    def __init__(self, settings: ServerSettings) -> None:
        limits = settings.limits
        super().__init__(
            limits,
            Engine(
                make_server(limits, time.monotonic(), int(time.time())),
                cached_parser(limits),
                read_clock,
            ),
        )
        self._host, self._port = settings.host, settings.port
        if settings.uds is not None:
            self._host, self._port = settings.uds, 0
        self._read_offset = 0
        self._take(settings)

    def _take(self, settings: ServerSettings) -> None:
        """Be a server with these settings."""
        self._settings = settings
        self._limits = limits = settings.limits
        self._waits_when_full = limits.full_policy == "wait"
        self._application = Application(
            self, settings.handler, settings.callbacks, self._engine.events
        )
        self._application.upgrades.protocols = settings.protocols
        self._application.upgrades.user = settings.user
        self._engine.run_queue = self._application.run_queue
        self._engine.perform_work = self._application.perform_work

    # -- questions ---------------------------------------------------------------------------------

    def __repr__(self) -> str:
        state, snapshot = "stopped" if self._has_ended else "not listening", self._engine.snapshot
        if self.running:
            state = f"{snapshot.running.name.lower()}, clients: {snapshot.slots.used}"
        return f"<HttpServer {self._address()}, {state}>"

    def _repr_html_(self) -> str:
        from ..core.views.cards import server_card

        state = self._engine.snapshot
        return server_card(state.replace(now=max(state.now, time.monotonic())), self._address())

    @property
    def host(self) -> str:
        """The host that is, was or will be listened on, or the path of a Unix socket."""
        return self._host

    @property
    def port(self) -> int:
        """The port that is or was listened on; before `listen`, the one that was asked for; 0 for a
        Unix socket.
        """
        return self._port

    @property
    def settings(self) -> ServerSettings:
        """What the server was made with: its handler, limits, callbacks and so on."""
        return self._settings

    def stats(self) -> Stats:
        """Figures since the server was made."""
        return stats(self.state.replace(now=time.monotonic()))

    # -- life --------------------------------------------------------------------------------------

    def configure(
        self,
        *,
        handler: Handler | None = None,
        limits: Limits | None = None,
        ssl_context: "ssl.SSLContext | None" = None,
    ) -> None:
        """Take another handler, other limits, or a context for TLS, before the server listens; what
        is staged is dropped.

        RuntimeError while it is running; TypeError and ValueError as of `make_http_server`.
        """
        if self.running:
            raise RuntimeError("a server is configured before it listens, or after it has stopped")
        new = self._settings
        if handler is not None:
            new = new._replace(handler=handler)
        if limits is not None:
            new = new._replace(limits=limits)
        if ssl_context is not None:
            new = new._replace(ssl_context=ssl_context)
        new = checked(new)
        self._engine.begin(self._new_state(new.limits), cached_parser(new.limits))
        self._set_stage_size(new.limits.outgoing_buffer_sz)
        self._take(new)

    def listen(
        self,
        sock: socket.socket | Sequence[socket.socket] | None = None,
        *,
        shared: bool = True,
        others_accept: Callable[[], bool] | None = None,
        pause: float = 0.0,
        poll_hooks: PollHooks | None = None,
    ) -> None:
        """Open a listening socket at each address of the host, all on one port, or take over
        `sock`, which listens already (TCP or Unix), or several of one host and port.

        What was taken over is closed at the end; it is shut down as well, which ends it for every
        process that has it, unless it is `shared`. Who waits in its queue then is accepted before,
        unless `others_accept()` says that other processes will. `pause` is for how many seconds
        nobody is accepted behind those who were: so processes that share a socket share a burst.
        `poll_hooks` are called with every descriptor, for a loop that polls them by itself and
        calls `service_fd`. OSError with the address if that cannot be; TypeError for what is no
        socket, and for an SSLSocket: TLS is served on plain ones, with an `ssl_context`. Twice is
        once.
        """
        given = () if sock is None else check_sockets(sock)
        if self.running:
            return
        acceptor = self._open(given, sock is None or not shared, pause, poll_hooks)
        acceptor.others_accept = others_accept or acceptor.others_accept
        self._expect_start()
        limits = limits_for_process(self._limits)
        self._engine.begin(self._new_state(limits), cached_parser(limits))
        write_log(_LOG, logging.INFO, "listening on %s", self._address())
        self._note_start()

    def _new_state(self, limits: Limits) -> Server:
        """The state of a server that begins to listen now; totals and handles go on."""
        old = self._engine.state
        new = make_server(
            limits,
            time.monotonic(),
            int(time.time()),
            _ACCESS.isEnabledFor(logging.INFO),
            time.time_ns() // 1_000,
            self._application.asks_above,
        )
        return new.replace(
            next_generation=old.next_generation, totals=old.totals, started_at=old.started_at
        )

    def _open(
        self,
        given: Sequence[socket.socket],
        is_ours: bool,
        pause: float,
        hooks: PollHooks | None,
    ) -> Acceptor:
        """Open everything a listening server owns, or nothing."""
        with ExitStack() as opened:
            listeners, asked = given, self._settings
            if not listeners:
                listeners = open_asked(self._host, asked.port, asked.uds, asked.backlog)
                for listener in listeners:
                    opened.enter_context(listener)
            for listener in listeners:
                listener.setblocking(False)
                set_keepalive(listener, self._limits.tcp_keepalive)
            name = listeners[0].getsockname()
            poller = make_poller(hooks)
            opened.callback(poller.close)
            acceptor = Acceptor(listeners, poller, first_mark(self._limits), is_ours, pause)
            if not given and asked.uds is not None:
                acceptor.at_close.enter_context(removing_socket_file(listeners[0]))
            self._mailbox.open(poller)
            opened.pop_all()
        self._is_watched = self._is_awake = False
        self._sockets = Sockets(
            self._engine, self._application, poller, self._make_tls(asked.ssl_context, poller)
        )
        self._poller, self._acceptor = poller, acceptor  # from now on it is running
        self._begin_members()
        if not isinstance(name, tuple):  # a Unix socket
            self._host, self._port = str(name), 0
        else:
            # if there are several, they are those of the host that was asked for
            self._host, self._port = name[0] if len(given) == 1 else self._host, name[1]
        return acceptor

    def _address(self) -> str:
        """The address that is, was or will be listened on, as it is logged."""
        is_unix = self._settings.uds == self._host or self.running or self._has_ended
        if is_unix and not self.port:
            return f"unix:{self._host}"
        scheme = "http" if self._settings.ssl_context is None else "https"
        return f"{scheme}://{Peer(self._host, self.port)}"

    def serve_in_thread(self, *, reuse: bool = False) -> "ServerThread[HttpServer]":
        """Listen, and serve from a thread of its own: `with server.serve_in_thread(): ...`, or keep
        it and `stop()` it.

        With `reuse`, a server that this process serves from a thread on the same host and port is
        stopped first. OSError if the server cannot listen; RuntimeError if something else serves.
        """
        self._require_unserved("serve_in_thread")
        return ServerThread(self, reuse)

    def tick(self, timeout: float | None = 0.0) -> bool:
        """Wait up to `timeout` seconds for something to do (None: until there is), and do it; no
        longer than until `next_deadline()`, when connections are looked at.

        Returns True if there was anything to do. Opens the listening socket if that was not done;
        after the server has stopped, only `listen` or `start` opens it again.
        """
        self._require_no_tick("tick")
        if self._has_ended and not self.running:
            return False
        if not self.running:
            self.listen()
        try:
            self._is_ticking = True
            self._tick_count += 1
            self._tick_pid = os.getpid()
            self._begin_tick()
            if self._application.lifespan.is_starting:
                self._start_program()
            return self.process_connections(timeout)
        finally:
            self._is_ticking = self._guard.is_busy = False  # before any call, which has interrupts
            self._end_watch()

    def _start_program(self) -> None:
        """Let the handler begin; nobody is accepted before it has. If it cannot, the server ends,
        and what it raised leaves the tick.
        """
        acceptor, has_begun = self._acceptor, False
        try:
            has_begun = self._application.lifespan.start()
        except BaseException as error:
            if acceptor is not None:
                acceptor.close()
            self._acceptor = None
            self._close(error)
            raise
        if acceptor is not None:
            acceptor.watch(has_begun)
        self._note_start()

    def _settings_have_tls(self) -> bool:
        """True if TLS is served."""
        return self._settings.ssl_context is not None

    # -- one tick ----------------------------------------------------------------------------------

    def process_connections(self, timeout: float | None) -> bool:
        """Do the work of one tick: look at all descriptors once, advance the core, and perform what
        follows from it. True if there was anything to do.
        """
        engine, poller = self._engine, self._require_poller()
        has_work = is_left = self._has_work()
        if has_work:
            engine.flush_between_ticks()
            is_left = self._has_work()
        engine.run_queue.begin_tick()
        ready = poller.wait(0.0 if is_left else self._bounded(timeout))
        reading, events, state = engine.clock(), engine.events, engine.snapshot
        now, closed = reading.now, state.totals.closed
        is_judged = is_due(state, now)
        if is_judged:
            ready = poller.wait(0.0)  # all that came before the clock was read
        engine.forget_tick()
        left_over = len(events)
        read_len = read_share_len(self._limits, len(ready))
        left = self._process_ready(ready, now, read_len)
        if self._attached and self._tick_members(now):
            has_work = True
        self._take_posted()
        read_before_stop(engine, self._sockets, poller, self._limits)
        self._application.sources.poll(now)
        has_work = has_work or len(events) > left_over
        if events or engine.has_work or is_judged:
            unread = unread_of(left, events, read_len) if is_judged else None
            events.insert(0, TickStarted(now, reading.unix_time))
            has_judged = engine.run_rounds(None if unread is None else InputRead(unread))
            has_work = has_work or has_judged
        state = engine.state
        if state.running is not ServerState.SERVING:
            self._wind_down()
        elif self._acceptor is not None:
            has_room = not self._waits_when_full or accept_room(state) > 0
            has_room = has_room and not self._application.lifespan.is_starting
            self._acceptor.end_tick(has_room, state.totals.closed is not closed)
        return has_work

    def _process_ready(self, ready: Ready, now: float, read_len: int) -> Ready:
        """Take the events of descriptors that are ready: connections, each read up to `read_len`,
        from another one on in each tick if they are too many for one, then newcomers. Those that
        are left for the next tick.
        """
        max_reads, left = self._limits.max_reads_per_tick, ready[:0]
        if len(ready) > max_reads:
            self._read_offset = (self._read_offset + max_reads) % len(ready)
            ready = ready[self._read_offset :] + ready[: self._read_offset]
            ready, left = ready[:max_reads], ready[max_reads:]
        events, others, unread = self._sockets.process_readable_clients(ready, read_len)
        self._sockets.rejected.close_overdue(now)
        self._engine.events += events
        left = left + self._sockets.go_on_with_handshakes(others, read_len)
        has_newcomers = False
        for other in others:
            if other is self._mailbox:
                self._mailbox.drain_wakeup()
            elif isinstance(other, Acceptor):
                has_newcomers = True  # at one of its sockets, or at several
            elif isinstance(other, Attached):
                other.is_ready = True
        if has_newcomers and self._acceptor is not None:
            self._accept(self._acceptor)
        if self._acceptor is not None:
            self._acceptor.end_pause(now)
        return left + unread

    def _accept(self, acceptor: Acceptor) -> None:
        """Accept connections that wait, as many as one tick may and there is room for."""
        max_count = min(
            max_accepts(self._engine.state.limits),
            accept_room(self._engine.state),
            self._application.run_queue.room(self._limits),
        )
        sockets, _, error = acceptor.accept(max_count)
        self._engine.events += [
            self._sockets.accepted(sock, peer)
            for sock, peer in self._application.callbacks.admitted(sockets)
        ]
        if acceptor.is_exhausted:
            self._engine.events.append(DescriptorsExhausted(error))

    # -- the end -----------------------------------------------------------------------------------

    def _wind_down(self) -> None:
        """Stop listening once the server is stopping; close everything once it has stopped."""
        if self._acceptor is not None:
            accept_before_close(self._engine, self._sockets, self._acceptor)
            self._acceptor.close()
            self._acceptor = None
            write_log(_LOG, logging.INFO, "stopped listening on %s", self._address())
        is_stopped = self._engine.state.running is ServerState.STOPPED
        if is_stopped and self._engine.is_done and not self._awaits_members():
            lifespan, has_ended = self._application.lifespan, True
            try:
                has_ended = lifespan.end(self._engine.clock().now, self._limits.shutdown_timeout)
            finally:
                if has_ended:
                    self._close()

    def _abandon(self) -> None:
        """Have ended, and touch nothing."""
        self._poller, self._has_ended = None, True

    def _close(self, error: BaseException | None = None) -> None:
        """Close every descriptor; with an error, since the server could not begin."""
        self._sockets.close()
        self._release_members()
        poller, self._poller, self._has_ended = self._require_poller(), None, True
        with suppress(OSError):  # it is closed all the same
            poller.close()  # first: hooks delete what is still open
        self._mailbox.close()
        self._interrupting_calls.clear()
        self._note_end(error)
