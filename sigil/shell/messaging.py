"""What a program sends to its clients and asks about them: the same methods for a server with
sockets and one in memory.

Theory: the core belongs to the thread that ticks. On that thread a message goes to the send buffer
and its status is true; on any other, while the server runs, it is posted for the next tick, up to
a bound, and `SUCCESS` says no more than that it was accepted. So it is for a signal handler, or
whatever else runs between two bytecodes, that interrupts sigil itself: its calls are queued, and
done before the next call that is not.

Rules: `send` and `broadcast` are called for every message, so they do one thing: make a message and
hand it to the buffer. It does not know when there is a tick; `_before_send` is for whoever does.
"""

import logging
from collections.abc import Callable, Sequence
from threading import get_ident
from typing import TypeAlias

from ..core.broadcast.entry import NO_OPTIONS
from ..core.broadcast.upstream import UpstreamEvent, UpstreamJoined
from ..core.conn import Conn
from ..core.connection.subscriber import is_topic_too_long
from ..core.control import ReadingAllowed, TimeoutRequested, WritableRequested
from ..core.effects import ERROR_LOG, SERVER_LOG
from ..core.events import CloseRequested, Event, Publish, SendMessages, Subscribe
from ..core.limits import Limits
from ..core.send_status import SendStatus
from ..core.server.retaining import is_too_long_to_retain
from ..core.topics import Topic
from .arguments import (
    check_conn,
    check_topic,
    check_topic_of_message,
    publish_options,
)
from .loop.engine import Engine
from .loop.mailbox import Mailbox
from .loop.send_buffer import TEXT, close_event, to_message
from .program.body_sources import LateChunk
from .program.discarding import discard
from .program.host import Posted
from .program.jobs import Called, LateResult, Returned
from .program.logs import write_log, write_text
from .program.tracebacks import EXIT_EXCEPTIONS, error_text, safe_name
from .questions import Questions

_LOG = logging.getLogger(SERVER_LOG)
_ERRORS = logging.getLogger(ERROR_LOG)

NO_THREAD = 0
"""No thread has this number."""

INTERRUPTING_MAX = 64
"""If more calls than these have interrupted sigil, a call of user code is queued behind them: what
interrupts often enough would interrupt the doing of them as often.
"""

Request: TypeAlias = (
    Subscribe | CloseRequested | ReadingAllowed | WritableRequested | TimeoutRequested
)
"""What a program requests of one connection beside messages."""

Call: TypeAlias = SendMessages | Publish | Request
"""What a program calls for."""


class Messaging(Questions):
    """A server as the program behind it sees it: its clients, and what is sent to them."""

    __slots__ = (
        "_buffer",
        "_interrupting_calls",
        "_is_ticking",
        "_late_events",
        "_limits",
        "_mailbox",
        "_sending_thread",
        "_serving_thread",
    )

    def __init__(self, limits: Limits, engine: Engine) -> None:
        super().__init__(limits, engine)
        self._limits = limits
        self._buffer = engine.buffer
        self._mailbox: Mailbox[Posted] = Mailbox(self._discard)
        self._interrupting_calls: Mailbox[Call] = Mailbox(self._discard)
        """Calls that interrupted sigil on the thread that ticks; nobody waits for this one."""
        self._is_ticking = False
        self._serving_thread = NO_THREAD
        """The thread that ticks until the server has stopped, if one does."""
        self._late_events: list[Event] = []
        """Events of late results that were taken and the core has not received."""
        self._sending_thread = self._thread
        """The thread that may send with nothing to be done before."""

    def _before_send(self) -> None:
        """The thread that ticks is about to send: see that there is a tick."""

    # -- messages ----------------------------------------------------------------------------------

    def send(self, conn: Conn, data: str | bytes | bytearray | memoryview) -> SendStatus:
        """Send a message to one WebSocket, text for a str and binary for bytes; may be called from
        any thread.

        It leaves at the end of the tick. `DROPPED` if the client is gone or closing, if it has
        `Limits.max_ws_outbox_len` bytes or more to take still, or if the message is binary and the
        client an event stream; `BACKPRESSURE` if the message waits behind bytes that the kernel
        has not taken. From another thread `SUCCESS` says only that it is on its way to the loop.
        """
        # nearly every message is a str, and one call less for each is 3 % of an echo
        if type(conn) is not Conn:
            check_conn(conn)
        message = (TEXT, data.encode()) if type(data) is str else to_message(data)
        guard = self._guard
        if (get_ident() == self._sending_thread and not guard.is_busy) or self._may_send_now():
            guard.is_busy = True
            try:
                return self._buffer.send(conn, message)
            finally:
                guard.is_busy = False
        return self._post_message(SendMessages(conn, (message,)), len(message[1]))

    def broadcast(
        self,
        data: str | bytes | bytearray | memoryview,
        *,
        topic: str | None = None,
        latest: bool = False,
        retain: bool = False,
        exclude: Conn | None = None,
    ) -> SendStatus:
        """Publish a message to all WebSockets and event streams, or to the subscribers of `topic`;
        may be called from any thread.

        It leaves at the end of the tick, at the cost of one message whatever the number of clients.
        With `latest`, a client that is behind is not sent it any more once there is a newer message
        on its topic, or on none, that was broadcast so; whoever keeps up is sent all. With
        `retain`, it is kept and sent to whoever is subscribed to its topic later, until another one
        is retained there; an empty one ends that. `exclude` names one client that is not sent it;
        one that is gone is nobody.
        `BACKPRESSURE` if some client is behind; `DROPPED` if one was so far behind that it was
        dropped, if the message does not fit into `Limits.outgoing_buffer_sz`, or into
        `Limits.max_retained_len` if it is to be retained, or if nobody can be subscribed to the
        topic, as it is longer than `Limits.max_topic_len`.
        """
        if topic is not None:
            check_topic_of_message(topic)
            if is_topic_too_long(topic, self._limits):
                text = "a message was not broadcast: Limits.max_topic_len is less than its topic"
                write_log(_LOG, logging.WARNING, text)
                return SendStatus.DROPPED
        opcode, payload = (TEXT, data.encode()) if type(data) is str else to_message(data)
        options = NO_OPTIONS
        if latest or retain or exclude is not None:
            options = publish_options(latest, retain, exclude)
            if retain and is_too_long_to_retain(len(payload), topic, self._limits):
                text = (
                    "a message was not broadcast, to be retained: Limits.max_retained_len is less"
                )
                write_log(_LOG, logging.WARNING, text)
                return SendStatus.DROPPED
        guard = self._guard
        if (get_ident() == self._sending_thread and not guard.is_busy) or self._may_send_now():
            guard.is_busy = True
            try:
                return self._buffer.publish((opcode, payload, topic, options))
            finally:
                guard.is_busy = False
        return self._post_message(Publish(((opcode, payload, topic, options),)), len(payload))

    def subscribe(self, conn: Conn, topic: Topic) -> None:
        """Subscribe a client to a topic from now on; may be called from any thread, twice is once.

        A topic beyond `Limits.max_ws_topics_per_client` or `max_topic_len` is not subscribed to,
        and the error log says so. TypeError for a topic that is neither a str
        nor `ALL_TOPICS`.
        """
        check_conn(conn)
        check_topic(topic)
        self._apply(Subscribe(conn, topic, True))

    def unsubscribe(self, conn: Conn, topic: Topic) -> None:
        """End a client's subscription to a topic; may be called from any thread, twice is once."""
        check_conn(conn)
        check_topic(topic)
        self._apply(Subscribe(conn, topic, False))

    def close(self, conn: Conn, code: int = 1000, reason: str = "") -> None:
        """Close a connection, a WebSocket with this code and reason; may be called from any thread,
        twice is once.

        What was sent before goes out first. With a `CloseReason` in the place of the code, that is
        the reason which `close` and `ws_close` are called with, and it determines the code or
        status that is sent. ValueError for a code that may not be sent.
        """
        check_conn(conn)
        self._apply(close_event(conn, code, reason))

    # -- threads -----------------------------------------------------------------------------------

    def wake(self) -> None:
        """Make a tick that is waiting return, or the next one not wait; may be called from any
        thread and from a signal handler.
        """
        self._mailbox.wake()

    def call_soon(self, function: Callable[..., object], *args: object) -> None:
        """Have `function(*args)` called by the next tick, on its thread; may be called from any
        thread and from a signal handler.

        Such calls, and what the same thread sends, are done in their order; what one raises is
        logged. TypeError for what cannot be called. When the server has stopped, nothing is called.
        """
        if not callable(function):
            raise TypeError(f"what is called is a function, not {type(function).__name__}")
        self._post(Called(function, args))

    def _set_wake(self, wake_here: Callable[[], bool] | None) -> None:
        """Set what wakes the host of the server where it can without a system call, and returns
        False where it cannot. For hosts of the server.
        """
        self._mailbox.wake_here = wake_here

    def _post(self, item: Posted) -> None:
        """Leave something for the next tick, and wake the server if it waits; may be called from
        any thread.
        """
        self._mailbox.put(item)

    def _may_send_now(self) -> bool:
        """True on the thread that ticks, or while the server does not run, unless this interrupts
        sigil itself; there is a tick to come then.
        """
        thread = get_ident()
        if self._guard.is_busy or (thread != self._thread and self.running):
            return False
        if thread == self._thread:
            self._before_send()
            self._do_interrupting_calls(INTERRUPTING_MAX)
        return not self._interrupting_calls

    def _apply(self, event: Request) -> None:
        """Advance the core at once by what the program requests, or post it for the thread that
        ticks.
        """
        if not self._may_send_now():
            self._post_call(event)
            return
        self._guard.is_busy = True
        try:
            self._engine.apply(event)
        finally:
            self._guard.is_busy = False

    def _publish_upstream(self, events: Sequence[UpstreamEvent]) -> None:
        """Advance the core by what its upstream does, on the thread that ticks. For relays.

        What was sent before leaves first: the core keeps nothing of that behind a gap.
        """
        guard, engine = self._guard, self._engine
        was_busy, guard.is_busy = guard.is_busy, True
        try:
            for event in events:
                if isinstance(event, UpstreamJoined):
                    engine.flush_now(None)
                engine.apply(event)
        finally:
            guard.is_busy = was_busy

    def _post_message(self, event: SendMessages | Publish, length: int) -> SendStatus:
        """Post a message of `length` bytes, unless too much is posted already."""
        is_accepted = self._post_call(event, length, self._limits.max_thread_queue_len)
        return SendStatus.SUCCESS if is_accepted else SendStatus.DROPPED

    def _post_call(self, call: Call, length: int = 0, max_bytes: int = 0) -> bool:
        """Post a call of another thread, or of what interrupts sigil on this one; False if more
        than `max_bytes` would wait then.
        """
        if get_ident() != self._thread:
            return self._mailbox.put(call, length, max_bytes)
        self._sending_thread = NO_THREAD  # the next call may not overtake this one
        is_accepted = self._interrupting_calls.put(call, length, max_bytes)
        self._mailbox.wake()
        return is_accepted

    def _require_no_tick(self, name: str) -> None:
        """RuntimeError while a tick is under way, or another thread serves."""
        if self._is_served_elsewhere():
            raise RuntimeError(
                f"{name}() was called while another thread serves: it is served already, and ends "
                "by stop(); broadcast(), send(), close() and stop() may be called from any thread"
            )
        if self._is_ticking:
            raise RuntimeError(
                f"{name}() was called from within tick(): a handler must return instead"
            )

    def _require_unserved(self, name: str) -> None:
        """RuntimeError while a tick is under way, or something serves until the server has
        stopped: another thread, or a loop of this one.
        """
        self._require_no_tick(name)
        if self._serving_thread != NO_THREAD:
            raise RuntimeError(
                f"{name}() was called while a loop of this thread serves: it is served already, "
                "and ends by stop()"
            )

    def _begin_serving(self, name: str) -> None:
        """This thread serves from now on, until `_end_serving`, and nothing else. For hosts of the
        server; RuntimeError, which names what was called, if something else does.
        """
        self._require_unserved(name)
        self._serving_thread = get_ident()

    def _end_serving(self) -> None:
        """Whoever wants to may serve. For hosts of the server."""
        self._serving_thread = NO_THREAD

    def _is_served_elsewhere(self) -> bool:
        """True if another thread ticks, or will until the server has stopped."""
        thread = get_ident()
        return self._serving_thread not in (NO_THREAD, thread) or (
            self._is_ticking and self._thread != thread
        )

    def _hand_over(self, thread: int) -> None:
        """Only this thread may tick from now on (NO_THREAD: any, PENDING: one that has not begun);
        until it does, no call is done at once.
        """
        self._serving_thread = thread
        self._thread = self._sending_thread = NO_THREAD

    # -- what was posted ---------------------------------------------------------------------------

    def _begin_tick(self) -> None:
        """This thread ticks from now on: what user code sends goes behind what is queued."""
        self._guard.is_busy = True
        self._thread = self._sending_thread = get_ident()
        if self._interrupting_calls:
            self._sending_thread = NO_THREAD

    def _take_posted(self) -> None:
        """Take what was posted for this tick, by other threads and by user code; what is posted
        meanwhile is for the next one.
        """
        for item in self._mailbox.take() if self._mailbox else ():
            if isinstance(item, (LateResult, LateChunk)):  # a union takes three times as long
                event = self._take_late(item)
                if event is not None:
                    self._late_events.append(event)
            elif isinstance(item, Call):
                self._do_call(item)
            elif isinstance(item, Called):
                self._call_back(item)
            else:
                event = self._take_late(item) if isinstance(item, Returned) else item
                self._engine.events += [] if event is None else [event]
        if self._interrupting_calls:
            self._do_interrupting_calls()
        self._engine.events += self._late_events
        self._late_events.clear()

    def _call_back(self, item: Called) -> None:
        """Call what was to be called; what it raises is logged."""
        self._apply_late()
        queue = self._application.run_queue
        begun_at = queue.clock()
        try:
            with self._guard.user_code():
                item.function(*item.args)
        except EXIT_EXCEPTIONS:
            raise
        except BaseException as error:
            text = error_text(f"call_soon({safe_name(item.function)}) raised", error)
            write_text(_ERRORS, logging.ERROR, text)
            self._guard.note_raised()
        seconds = queue.clock() - begun_at
        if seconds >= self._limits.slow_handler:
            self._application.slow_calls.log(item.function, seconds, ", for call_soon")

    def _do_interrupting_calls(self, max_count: int | None = None) -> None:
        """Do what was called for, or the first of it, by whatever interrupted sigil on this
        thread.
        """
        guard = self._guard
        was_busy, guard.is_busy = guard.is_busy, True
        try:
            self._sending_thread = self._thread  # what interrupts from here on changes it back
            for call in self._interrupting_calls.take(max_count):
                self._do_call(call)
        finally:
            guard.is_busy = was_busy

    def _do_call(self, call: Call) -> None:
        """Do what was called for, in the order of the calls."""
        self._apply_late()
        if isinstance(call, SendMessages | Publish):
            self._buffer.replay(call)
        else:
            self._engine.apply(call)

    def _apply_late(self) -> None:
        """Apply the late results that were taken: who sends to a client after answering its request
        means it with that answer.
        """
        if self._late_events:
            late = self._late_events[:]
            self._late_events.clear()
            self._engine.apply(*late)

    def _take_late(self, late: LateResult | LateChunk | Returned) -> Event | None:
        """The event of a result that came after user code had returned."""
        return self._application.take_late(late)

    def _discard(self, item: Posted) -> None:
        """Drop what was posted too late; the callbacks of an end are called all the same."""
        if isinstance(item, Returned):
            self._application.take_late(item)
            self._application.perform_all_work()
        else:
            discard(item)


http_server_call_soon = Messaging.call_soon
http_server_send = Messaging.send
http_server_broadcast = Messaging.broadcast
http_server_subscribe = Messaging.subscribe
http_server_unsubscribe = Messaging.unsubscribe
http_server_close = http_server_ws_close = Messaging.close
http_server_wake = Messaging.wake
