"""Processes that serve for a parent, and what the two send each other.

Theory: a parent that restarts and supervises processes never imports the application, which may do
anything. So it does not know where an `HttpServer` in it is to listen: the child that has loaded it
sends that over a channel, and is sent listening sockets, the same for every child. When it serves,
it sends that too. Over the same channel it is asked to stop, and a channel that ends means that the
other one has; and to read certificates again.

Rules: what a child does is its parent's decision. So what a terminal sends to all of its processes
(SIGINT, SIGHUP) does nothing in a child, and a SIGTERM has it drain, however many there are, since
a supervisor such as systemd sends one to everybody, the parent included. None of these is blocked
or ignored, which processes that user code starts would inherit. A child whose parent is gone drains
and exits, and does so whatever its user code does: after its grace period it kills itself. Nobody
inherits the channel. It does not know what is served, nor when.
"""

import json
import os
import queue
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final, NamedTuple, TypeAlias

from sigil.cli.listening import Listeners, Place
from sigil.cli.settings import Settings
from sigil.cli.supervision import KILL_AFTER_SECONDS
from sigil.shell.loop.listen import adopt_listener

OF_TERMINAL = (signal.SIGINT, signal.SIGHUP)
"""Signals of a terminal to all of its processes."""
MAX_LISTENERS = 64
"""Sockets that are sent at once: a host has no more addresses, and the system sends 253."""
MESSAGE_LEN = 65_536
SOCKETS: Final = b"s"
"""The byte that sockets come with."""
NOTHING: Final = b"n"
"""The byte that comes where there are none."""
LEAVE: Final = b"l"
END: Final = b"e"
"""The bytes that ask a child to drain and exit, where others go on, and where all end; a second
one, to do so at once.
"""

CERTIFICATES: Final = b"c"
"""The byte that has a child read the files of its certificates again."""

CHILD = """\
import sys
sys.path.append(sys.argv.pop(1))
from sigil.cli.main import main_of_child
sys.exit(main_of_child())
"""
"""The code of a child. It imports the parent's copy of the package, from the end of `sys.path`."""


class Wants(NamedTuple):
    """A child has loaded the application, and wants sockets that listen there."""

    place: Place


class Serves(NamedTuple):
    """A child serves: the process with this number."""

    pid: int


Message: TypeAlias = Wants | Serves


def to_line(message: Message) -> bytes:
    """A message as it is sent: a line of JSON."""
    fields = list(message.place) if isinstance(message, Wants) else list(message)
    return json.dumps(fields).encode() + b"\n"


def from_line(line: bytes) -> Message:
    """The message that was sent as this line."""
    fields = json.loads(line)
    return Serves(*fields) if len(fields) == 1 else Wants(Place(*fields))


def settings_from(fields: dict[str, Any]) -> Settings:
    """The settings with these fields, which have passed through JSON: it has no tuples."""
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
    }
    return Settings(**values)


# -- the child -------------------------------------------------------------------------------------


class Parent:
    """The parent, as a child sees it; made in the main thread, once in a process."""

    def __init__(self, channel: socket.socket, grace: float) -> None:
        self._channel = channel
        self._grace = grace
        self._listeners: queue.SimpleQueue[Listeners] = queue.SimpleQueue()
        self._stop: Callable[[], object] | None = None
        self._read_certificates: Callable[[], object] | None = None
        self._had_certificates = False
        """The parent has asked for certificates to be read again."""
        self._stopping = threading.Lock()
        """Held, for good, by whoever was the first to stop the server."""
        self._others_go_on = True
        self._was_asked = False
        """The parent has asked for the end."""
        self._woken, self._waking = socket.socketpair()
        self._waking.setblocking(False)
        signal.set_wakeup_fd(self._waking.fileno(), warn_on_full_buffer=False)
        for number in (*OF_TERMINAL, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        os.register_at_fork(after_in_child=_forget_signals)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, OF_TERMINAL)
        threading.Thread(target=self._attend, name="sigil: parent", daemon=True).start()

    def ask_for_listeners(self, place: Place, stop: Callable[[], object]) -> Listeners:
        """Sockets that listen there, or wherever the parent has listened before; none if all is
        about to end. From here on `stop` is what ends the server: called twice, it does so at once.
        """
        self._stop = stop
        self._send(Wants(place))
        return self._listeners.get()

    def on_certificates(self, read: Callable[[], object]) -> None:
        """Call `read` whenever certificates are to be read again, in another thread; now, if that
        was asked for already, maybe behind the first reading.
        """
        self._read_certificates = read
        if self._had_certificates:
            read()

    def others_go_on(self) -> bool:
        """True unless all children were asked to end: there are others for who waits in the queue
        of a socket.
        """
        return self._others_go_on

    def report_serving(self) -> None:
        """Have the parent know that somebody is served from now on."""
        self._send(Serves(os.getpid()))

    def _send(self, message: Message) -> None:
        with suppress(OSError):  # the parent is gone, which is seen elsewhere
            self._channel.sendall(to_line(message))

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """A signal, where Python's main thread gets to it; the byte that woke is for when not."""
        if number == signal.SIGTERM:
            self._stop_once()

    def _attend(self) -> None:
        """Carry out what the parent asks for, and what SIGTERM does, until the parent is gone;
        then end this process.
        """
        with selectors.DefaultSelector() as selector:
            for sock in (self._channel, self._woken):
                selector.register(sock, selectors.EVENT_READ)
            is_there = True
            while is_there:
                for key, _ in selector.select():
                    if key.fileobj is self._channel:
                        is_there = self._take_order()
                    elif signal.SIGTERM in self._woken.recv(MESSAGE_LEN):
                        self._stop_once()
        self._others_go_on = False
        self._listeners.put(())
        self._stop_once()
        threading.Event().wait(self._grace + KILL_AFTER_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    def _take_order(self) -> bool:
        """Carry out what the parent asks for; False if it is gone."""
        try:
            order, descriptors, _, _ = socket.recv_fds(self._channel, 1, MAX_LISTENERS)
        except OSError:
            return False
        if order in (LEAVE, END):
            self._others_go_on = order == LEAVE
            self._stop_once()
            if self._was_asked and self._stop is not None:
                self._stop()
            self._was_asked = True
        elif order == CERTIFICATES:
            self._had_certificates = True
            if self._read_certificates is not None:
                self._read_certificates()
        elif order:
            self._listeners.put(tuple(map(adopt_listener, descriptors)))
        return bool(order)

    def _stop_once(self) -> None:
        """Stop the server, or this process while there is none; nothing if that was done before."""
        if self._stop is None:
            os._exit(0)
        if self._stopping.acquire(blocking=False):
            self._stop()


def accept_inheritance(arguments: list[str]) -> tuple[Settings, Parent]:
    """What the parent has passed on, which is removed from `arguments`."""
    fields, descriptor = json.loads(arguments.pop())
    arguments[0] = "sigil"
    channel = socket.socket(fileno=descriptor)
    channel.set_inheritable(False)
    settings = settings_from(fields)
    return settings, Parent(channel, settings.timeout_graceful_shutdown)


def _forget_signals() -> None:
    """Leave signals alone, in a process that the application has forked: none is the server's, and
    no byte that they write is for it.
    """
    signal.set_wakeup_fd(-1)
    for number in (*OF_TERMINAL, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


# -- the parent ------------------------------------------------------------------------------------


def command_of(settings: Settings, channel: int) -> list[str]:
    """The command line of a child process."""
    package = str(Path(__file__).resolve().parents[2])
    # -P: a module of the application's directory must not take the place of one of the library's.
    # -B: a file that changes twice within a second, at the same length, would be loaded from its
    # old bytecode.
    flags = ["-P", "-B"] if settings.reload else ["-P"]
    fields = json.dumps([settings._asdict(), channel])
    return [sys.executable, *flags, "-c", CHILD, package, fields]


class Child:
    """A process that serves, as its parent sees it."""

    def __init__(self, settings: Settings) -> None:
        self.channel, theirs = socket.socketpair()
        self.channel.setblocking(False)
        self._received = b""
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, OF_TERMINAL)  # until it handles them
        try:
            with theirs:
                self._process = subprocess.Popen(
                    command_of(settings, theirs.fileno()), pass_fds=(theirs.fileno(),)
                )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def status(self) -> int | None:
        """The exit status, negative for the signal that ended it; None while it runs."""
        return self._process.poll()

    def messages(self) -> list[Message] | None:
        """What it has said since this was asked last; None if it says no more."""
        try:
            data = self.channel.recv(MESSAGE_LEN)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data:
            return None
        *lines, self._received = (self._received + data).split(b"\n")
        return [from_line(line) for line in lines]

    def send_listeners(self, listeners: Listeners) -> None:
        """Answer its question; without sockets, none are to be had."""
        with suppress(OSError):  # it has ended meanwhile
            if listeners:
                socket.send_fds(self.channel, [SOCKETS], [sock.fileno() for sock in listeners])
            else:
                self.channel.sendall(NOTHING)

    def stop(self, *, others_go_on: bool) -> None:
        """Ask it to drain and exit; a second time, to do so at once."""
        with suppress(OSError):
            self.channel.sendall(LEAVE if others_go_on else END)

    def read_certificates(self) -> None:
        """Ask it to read the files of its certificates again."""
        with suppress(OSError):
            self.channel.sendall(CERTIFICATES)

    def kill(self) -> None:
        """End it."""
        self._process.kill()

    def close(self) -> None:
        """Close the channel: a process that still runs drains and exits."""
        self.channel.close()
