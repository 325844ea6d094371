"""`--reload`: a server that restarts whenever a file of the application changes.

Theory: a process that has imported code cannot unload all of it, so new code gets a new process.
What must outlive the code are the listening sockets: a parent opens them, never imports the
application, and passes them to one child after the other. Between two children new connections wait
in the kernel's backlog, and none is refused.

Rules: there is one child at a time: it has drained before the next one starts, because the next one
may need what it holds (a port, a file, a lock). Watching begins before the first child, so that no
change is missed. A child that exits by itself has logged why; the parent waits for the next change.
Signals are handled by the parent: children block SIGINT, which a terminal sends to the whole group;
and a child exits when its parent has vanished, which it sees by the end of a pipe.

It does not know how to serve, nor what is served.
"""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, TypeAlias

from sigil.apps.terminal import CommandError
from sigil.cli.settings import Settings

_LOG = logging.getLogger("sigil.server")

Listeners: TypeAlias = tuple[socket.socket, ...]
WATCH_STATUS = 3
POLL_INTERVAL_MILLISECONDS = 200
"""Between two checks of the parent whether the child is still running."""
KILL_AFTER_SECONDS = 3.0
"""How long a child may take to exit beyond its grace period: a handler that never returns must not
block reloading.
"""

CHILD = """\
import sys
sys.path.append(sys.argv.pop(1))
from sigil.cli.main import main_of_child
sys.exit(main_of_child())
"""
"""The code of a child. It imports the parent's copy of the package, from the end of `sys.path`."""


class Inherited(NamedTuple):
    """What a child inherits: settings, and the descriptors of the listening sockets and of the pipe
    from its parent.
    """

    settings: Settings
    listeners: tuple[int, ...]
    lifeline: int


# -- the child -------------------------------------------------------------------------------------


def accept_inheritance(arguments: list[str]) -> Inherited:
    """What the parent has passed on, which is removed from `arguments`.

    From here on SIGINT is blocked, and the process exits when its parent does.
    """
    fields, listeners, lifeline = json.loads(arguments.pop())
    arguments[0] = "sigil"
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    os.set_inheritable(lifeline, False)
    threading.Thread(
        target=_end_with_parent, args=(lifeline,), name="sigil: lifeline", daemon=True
    ).start()
    return Inherited(settings_from(fields), tuple(listeners), lifeline)


def settings_from(fields: dict[str, Any]) -> Settings:
    """The settings with these fields, which have passed through JSON: it has no tuples."""
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
    }
    return Settings(**values)


def _end_with_parent(lifeline: int) -> None:
    """Wait for the parent's end of the pipe to close, and terminate this process.

    Nothing is ever written into the pipe, so reading returns only then.
    """
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)


# -- the parent ------------------------------------------------------------------------------------


def command_of(inherited: Inherited) -> list[str]:
    """The command line of a child process."""
    package = str(Path(__file__).resolve().parents[2])
    settings, listeners, lifeline = inherited
    # -P: a module of the application's directory must not take the place of one of the library's.
    # -B: a file that changes twice within a second, at the same length, would be loaded from its
    # old bytecode.
    return [
        sys.executable,
        "-P",
        "-B",
        "-c",
        CHILD,
        package,
        json.dumps([settings._asdict(), listeners, lifeline]),
    ]


class _Child:
    """The process that serves, if it is running."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lifeline, self._parent_end = os.pipe()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, listeners: Listeners) -> None:
        """Start a process that serves at `listeners`."""
        descriptors = tuple(listener.fileno() for listener in listeners)
        inherited = Inherited(self._settings, descriptors, self._lifeline)
        self._process = subprocess.Popen(
            command_of(inherited), pass_fds=(*descriptors, self._lifeline)
        )

    def terminate(self) -> None:
        """Ask it to drain; a second time, to exit at once."""
        if self._process is not None:
            self._process.terminate()

    def stop(self) -> None:
        """Terminate it, and wait until it has exited."""
        self.report_end()
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(self._settings.timeout_graceful_shutdown + KILL_AFTER_SECONDS)
        except subprocess.TimeoutExpired:
            _LOG.warning("the server does not exit: it is killed")
            self._process.kill()
            self._process.wait()
        self._process = None

    def report_end(self) -> None:
        """Log that it has exited by itself, if it has."""
        if self._process is not None and self._process.poll() is not None:
            _LOG.warning(
                "the server has exited with status %d; waiting for a change",
                self._process.returncode,
            )
            self._process = None

    def close(self) -> None:
        """Stop it, and close the pipe."""
        self.stop()
        for descriptor in (self._lifeline, self._parent_end):
            os.close(descriptor)


def _watch(settings: Settings, stop: threading.Event) -> Iterator[set[str]]:
    """Sets of paths that have changed, some of them empty, until `stop` is set; the first, an empty
    one, once watching has begun.
    """
    try:
        from watchfiles import PythonFilter, watch
    except ImportError as error:
        raise CommandError(
            "--reload needs watchfiles: pip install 'sigil-http[reload]'", WATCH_STATUS
        ) from error
    folders = settings.reload_dir or (settings.app_dir or ".",)
    for folder in folders:
        if not os.path.isdir(folder):
            raise CommandError(f"there is no directory {folder} to watch", WATCH_STATUS)
    watching = watch(
        *folders,
        watch_filter=PythonFilter(),
        stop_event=stop,
        rust_timeout=POLL_INTERVAL_MILLISECONDS,
        yield_on_timeout=True,
    )
    try:
        yield {path for _, path in next(watching, ())}
    except (OSError, RuntimeError) as error:
        raise CommandError(f"cannot watch {', '.join(folders)}: {error}", WATCH_STATUS) from error
    for changes in watching:
        yield {path for _, path in changes}


def _follow(
    child: _Child, listeners: Listeners, watching: Iterator[set[str]], stop: threading.Event
) -> None:
    """Run one child after the other, until `watching` ends."""
    if not stop.is_set():
        child.start(listeners)
    for paths in watching:
        if not paths:
            child.report_end()
            continue
        _LOG.info("%s changed: restarting", ", ".join(sorted(map(os.path.relpath, paths))))
        child.stop()
        if not stop.is_set():
            child.start(listeners)


def supervise(
    settings: Settings, listening: Callable[[], AbstractContextManager[Listeners]]
) -> None:
    """Serve from child processes until SIGINT or SIGTERM, at the sockets that `listening` opens.

    A second signal stops the child at once. `CommandError` if files cannot be watched.
    """
    stop, child = threading.Event(), _Child(settings)

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            child.terminate()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    watching = _watch(settings, stop)
    # Watching has begun before an address is announced, so no change is missed; and if it fails,
    # no address is announced.
    next(watching)
    try:
        with listening() as listeners:
            _follow(child, listeners, watching, stop)
    finally:
        child.close()
