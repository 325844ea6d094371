"""The parent of processes that serve: it carries out what `supervision` orders.

Theory: whatever may happen arrives at one place, a selector: signals and changes of files by a
socket that wakes it, children by their channels, time by its timeout. Each becomes an event, and
the orders that come of it are carried out before the next one is looked for.

Rules: the listening sockets are opened when the first child says where, and every child gets the
same ones: so a connection waits in one queue in the kernel, and whoever is free accepts it; if a
process dies, the queue does not die with it. The parent itself accepts nobody. It closes its
sockets as soon as all is to end, since nobody would be refused while it has them. It does not
import the application, and it decides nothing.
"""

import logging
import math
import os
import selectors
import signal
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any, assert_never

from sigil.apps.terminal import CommandError, print_error
from sigil.cli.children import Child, Message, Serves, Wants
from sigil.cli.listening import Listeners, Place, announce, opened
from sigil.cli.settings import Settings
from sigil.cli.supervision import START_STATUS, next_deadline, step
from sigil.cli.team import (
    Announce,
    End,
    Event,
    Exited,
    Kill,
    Log,
    Order,
    ReadCertificates,
    Ready,
    Signalled,
    Start,
    Stop,
    StopListening,
    Team,
    TimePassed,
)
from sigil.cli.tls import can_be_read

_LOG = logging.getLogger("sigil.server")

STOPPING = (signal.SIGINT, signal.SIGTERM)
OF_WORKERS = (*STOPPING, signal.SIGHUP, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU)


class Supervisor:
    """Children, their sockets, and the loop around them."""

    def __init__(self, settings: Settings, team: Team) -> None:
        self._settings = settings
        self._team = team
        self._children: dict[int, Child] = {}
        self._place: Place | None = None
        self._listeners: Listeners = ()
        self._opened = ExitStack()
        self._selector = selectors.DefaultSelector()
        self._waking, self._woken = socket.socketpair()
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._status: int | None = None
        """The exit status, once all is over."""

    def post(self, event: Event) -> None:
        """Leave an event for the loop, from any thread or a signal handler."""
        self._events.put(event)
        with suppress(BlockingIOError):  # it is awake
            self._waking.send(b"\0")

    def run(self, signals: Iterable[int]) -> int:
        """Supervise until the end; its exit status. These signals are events."""
        with self._opened, self._waking, self._woken, self._selector:
            self._waking.setblocking(False)
            self._woken.setblocking(False)
            self._selector.register(self._woken, selectors.EVENT_READ)
            with self._handling(signals):
                try:
                    self._apply(TimePassed(time.monotonic()))
                    while self._status is None:
                        self._wait()
                finally:
                    for child in self._children.values():
                        child.close()
        return self._status

    @contextmanager
    def _handling(self, signals: Iterable[int]) -> Iterator[None]:
        """Have signals become events, also one that comes just before the loop waits. A SIGHUP that
        comes since the terminal is closed is a SIGTERM: nobody is there to see a restart.
        """

        terminals = list(filter(os.isatty, range(3)))

        def on_signal(number: int, frame: FrameType | None) -> None:
            if number == signal.SIGHUP and has_hung_up(terminals):
                number = signal.SIGTERM
            self.post(Signalled(number))

        before: dict[int, Any] = {
            number: signal.signal(number, on_signal) for number in (*signals, signal.SIGCHLD)
        }
        fd = signal.set_wakeup_fd(self._waking.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(fd)
            for number, handler in before.items():
                signal.signal(number, handler)

    # -- events ------------------------------------------------------------------------------------

    def _wait(self) -> None:
        """Wait for something to happen, and apply it."""
        deadline = next_deadline(self._team)
        timeout = None if deadline == math.inf else max(0.0, deadline - time.monotonic())
        for key, _ in self._selector.select(timeout):
            if key.data is None:
                self._drain()
            else:
                self._read(key.data)
        self._apply(TimePassed(time.monotonic()))

    def _drain(self) -> None:
        """Apply what was posted, and what processes have ended."""
        with suppress(BlockingIOError):
            while self._woken.recv(4096):
                pass
        with suppress(Empty):
            while True:
                event = self._events.get_nowait()
                if event != Signalled(signal.SIGCHLD):
                    self._apply(event)
        self._reap()

    def _reap(self) -> None:
        for number, child in tuple(self._children.items()):
            status = child.status()
            if status is not None:
                self._read(number)  # it may have served before it ended
                self._forget(number)
                self._apply(Exited(number, child.pid, status))

    def _forget(self, number: int) -> None:
        child = self._children.pop(number)
        with suppress(KeyError):
            self._selector.unregister(child.channel)
        child.close()

    def _read(self, number: int) -> None:
        """Apply what a child has sent."""
        child = self._children.get(number)
        if child is None:
            return
        messages = child.messages()
        if messages is None:  # its end comes by a signal
            with suppress(KeyError):
                self._selector.unregister(child.channel)
        for message in messages or ():
            self._apply_message(number, child, message)

    def _apply_message(self, number: int, child: Child, message: Message) -> None:
        match message:
            case Wants():
                child.send_listeners(self._listeners_at(message.place))
            case Serves():
                self._apply(Ready(number, child.pid))
            case _:
                assert_never(message)

    # -- sockets -----------------------------------------------------------------------------------

    def _listeners_at(self, place: Place) -> Listeners:
        """The sockets for a child that is to listen there: those that there are, whatever it says.

        None if all is to end.
        """
        if self._team.is_stopping:
            return ()
        if self._place is None:
            try:
                self._listeners = self._opened.enter_context(opened(self._settings, place))
            except CommandError as error:
                print_error(str(error))
                self._fail(error.status)
                return ()
            self._place = place
        elif place != self._place:
            text = "the program wants to listen at %s:%d now; for that, start the command again"
            _LOG.warning(text, place.host, place.port)
        return self._listeners

    def _fail(self, status: int) -> None:
        """Stop, with this status."""
        self._team = self._team._replace(status=status)
        self._apply(Signalled(signal.SIGTERM))

    # -- orders ------------------------------------------------------------------------------------

    def _apply(self, event: Event) -> None:
        """Advance by an event, and carry out what it orders."""
        self._team, orders = step(self._team, event, time.monotonic())
        for order in orders:
            self._carry_out(order)

    def _carry_out(self, order: Order) -> None:
        match order:
            case Start():
                self._start(order.number)
            case Stop():
                if order.number in self._children:
                    self._children[order.number].stop(others_go_on=not self._team.is_stopping)
            case Kill():
                if order.number in self._children:
                    self._children[order.number].kill()
            case ReadCertificates():
                self._read_certificates(order.numbers)
            case Announce():
                if self._place is not None:
                    announce(self._settings, self._place, self._listeners)
            case StopListening():
                for listener in self._listeners:
                    listener.close()
            case Log():
                _LOG.log(order.level, "%s", order.text)
            case End():
                self._status = order.status
            case _:
                assert_never(order)

    def _read_certificates(self, numbers: tuple[int, ...]) -> None:
        """Have these read certificates again; nobody if they cannot be, which is logged once."""
        if can_be_read(self._settings):
            for number in numbers:
                if number in self._children:
                    self._children[number].read_certificates()

    def _start(self, number: int) -> None:
        """Start a process; one that cannot be had counts as one that has failed."""
        try:
            child = Child(self._settings)
        except OSError as error:
            _LOG.error("a process cannot be started: %s", error)
            self.post(Exited(number, 0, START_STATUS))
            return
        self._children[number] = child
        self._selector.register(child.channel, selectors.EVENT_READ, number)


def has_hung_up(terminals: Sequence[int]) -> bool:
    """True if the terminal is gone that some of these descriptors were."""
    return bool(terminals) and not any(map(os.isatty, terminals))


def serve_with_workers(settings: Settings) -> int:
    """Serve from processes until SIGINT or SIGTERM; the exit status."""
    team = Team(
        settings.workers,
        settings.timeout_graceful_shutdown,
        has_certificates=bool(settings.ssl_certfile),
    )
    return Supervisor(settings, team).run(OF_WORKERS)
