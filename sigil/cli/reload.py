"""`--reload`: a server that starts afresh whenever a file of the application changes.

Theory: a process that has imported code is never quite rid of it, so the new code gets a new
process. What must outlive the code is the listening socket: a parent opens it, never imports the
application, and hands it on to one child after the other. Between two children those who come wait
in the kernel's queue, and nobody is refused.

Rules: there is one child at a time: it has drained before the next one starts, for what it holds (a
port, a file, a lock) the next one may need. Watching begins before the first child, so that no
change is missed. A child that ends by itself has said why; the parent waits for the next change. A
signal is the parent's to act on: children leave SIGINT, which a terminal sends to all, alone; and a
child whose parent has vanished ends, which it sees by the end of a pipe.

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
from typing import NamedTuple

from ..apps.terminal import CommandError
from .settings import Settings

_LOG = logging.getLogger("sigil.server")

WATCH_STATUS = 3
LOOK_INTERVAL_MILLISECONDS = 200
"""How often the parent looks whether the child is still there."""
KILL_AFTER_SECONDS = 3.0
"""How long a child may take to end beyond its grace: a handler that never returns must not be the
end of reloading.
"""

CHILD = """\
import sys
sys.path.append(sys.argv.pop(1))
from sigil.cli.main import main_of_child
sys.exit(main_of_child())
"""
"""What a child runs.  The package is found where the parent's is, behind everything else."""


class Inherited(NamedTuple):
    """What a child is given: settings, and the descriptors of the listening socket and of the pipe
    from its parent.
    """

    settings: Settings
    listener: int
    lifeline: int


# -- the child -------------------------------------------------------------------------------------


def accept_inheritance(arguments: list[str]) -> Inherited:
    """Read what the parent has handed on, leave SIGINT to it, and end with it. The words are taken
    away.
    """
    fields, listener, lifeline = json.loads(arguments.pop())
    arguments[0] = "sigil"
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    os.set_inheritable(lifeline, False)
    threading.Thread(
        target=_end_with_parent, args=(lifeline,), name="sigil: lifeline", daemon=True
    ).start()
    return Inherited(Settings(**fields), listener, lifeline)


def _end_with_parent(lifeline: int) -> None:
    """Nothing is ever written into this pipe: reading returns when the other end is gone."""
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)


# -- the parent ------------------------------------------------------------------------------------


def command_of(inherited: Inherited) -> list[str]:
    """The command line of a child."""
    package = str(Path(__file__).resolve().parents[2])
    settings, listener, lifeline = inherited
    # -P: a module of the application's directory must not take the place of one of the library's.
    # -B: a file that changes twice within a second, at the same length, would be taken from its old
    # bytecode.
    return [
        sys.executable,
        "-P",
        "-B",
        "-c",
        CHILD,
        package,
        json.dumps([settings._asdict(), listener, lifeline]),
    ]


class _Child:
    """The process that serves, if there is one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lifeline, self._ours = os.pipe()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, listener: socket.socket) -> None:
        """The next one."""
        inherited = Inherited(self._settings, listener.fileno(), self._lifeline)
        self._process = subprocess.Popen(command_of(inherited), pass_fds=inherited[1:])

    def terminate(self) -> None:
        """Ask it to drain; asked twice, it ends at once."""
        if self._process is not None:
            self._process.terminate()

    def stop(self) -> None:
        """End it, and wait until it has."""
        self.report_end()
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(self._settings.timeout_graceful_shutdown + KILL_AFTER_SECONDS)
        except subprocess.TimeoutExpired:
            _LOG.warning("the server does not end: it is killed")
            self._process.kill()
            self._process.wait()
        self._process = None

    def report_end(self) -> None:
        """Notice that it has ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            _LOG.warning(
                "the server has ended with status %d; waiting for a change",
                self._process.returncode,
            )
            self._process = None

    def close(self) -> None:
        """End it, and give back the pipe."""
        self.stop()
        for descriptor in (self._lifeline, self._ours):
            os.close(descriptor)


def _watch(settings: Settings, stop: threading.Event) -> Iterator[set[str]]:
    """The paths that changed, again and again; the first time at once, with none; ends when `stop`
    is set.
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
        rust_timeout=LOOK_INTERVAL_MILLISECONDS,
        yield_on_timeout=True,
    )
    try:
        yield {path for _, path in next(watching, ())}
    except (OSError, RuntimeError) as error:
        raise CommandError(f"cannot watch {', '.join(folders)}: {error}", WATCH_STATUS) from error
    for changes in watching:
        yield {path for _, path in changes}


def _follow(
    child: _Child, listener: socket.socket, watching: Iterator[set[str]], stop: threading.Event
) -> None:
    """One child after the other."""
    if not stop.is_set():
        child.start(listener)
    for paths in watching:
        if not paths:
            child.report_end()
            continue
        _LOG.info("%s changed: starting afresh", ", ".join(sorted(map(os.path.relpath, paths))))
        child.stop()
        if not stop.is_set():
            child.start(listener)


def supervise(
    settings: Settings, listening: Callable[[], AbstractContextManager[socket.socket]]
) -> None:
    """Serve from children until SIGINT or SIGTERM, on the socket that `listening` opens;
    `CommandError` if it cannot watch.

    A second signal ends the child at once.
    """
    stop, child = threading.Event(), _Child(settings)

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            child.terminate()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    watching = _watch(settings, stop)
    next(watching)  # from here on no change is missed; and if it cannot be, no address is announced
    try:
        with listening() as listener:
            _follow(child, listener, watching, stop)
    finally:
        child.close()
