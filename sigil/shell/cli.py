"""The command: `sigil serve module:app`, `sigil demo`.

Theory: a command is for a person, who has either what was asked for or one line that says what to do about it.  So
everything that can be wrong outside this program (no such module, no such address) becomes `Trouble`: a sentence and
an exit status; a traceback is left for what is wrong inside.

Rules: standard output gets one line, `listening on http://HOST:PORT`, with the real port and flushed, before anything
else there; all else goes to stderr.  Exit status: 0 after a clean stop, 2 for words that make no sense, 3 for an
application that cannot be had, 4 for an address that cannot be listened on, 130 if interrupted before there was
anything to stop.

It does not know how to serve: it drives the public face of sigil like any other program.
"""

import asyncio
import errno
import importlib
import os
import signal
import sys
import sysconfig
import time
import traceback
from collections.abc import Callable, Sequence
from functools import reduce
from inspect import iscoroutinefunction
from types import FrameType
from typing import Any, TypeAlias

from sigil import HttpServer, __version__, http_server_serve, make_http_server
from sigil.shell.demo import Recorder, drive, make_demo
from sigil.shell.report import set_up_logging
from sigil.shell.settings import Settings, read_settings

APP_STATUS, LISTEN_STATUS, INTERRUPT_STATUS = 3, 4, 130

App: TypeAlias = Callable[..., Any]


class Trouble(Exception):
    """Something outside this program is wrong: what to say, and the exit status to end with."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


# -- finding the application --------------------------------------------------------------------------------------


def _is_foreign(path: str) -> bool:
    """Not the user's own code: the interpreter, its library, installed packages."""
    installed = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    return path.startswith("<") or any(path.startswith(folder + os.sep) for folder in installed)


def _place(error: BaseException) -> str:
    """Where in the user's code it happened: the line that cannot be read, or the last frame that is theirs."""
    if isinstance(error, SyntaxError):
        return f", at {error.filename}:{error.lineno}: {(error.text or '').strip()}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    theirs = [frame for frame in frames if not _is_foreign(frame.filename)] or frames
    return f", at {theirs[-1].filename}:{theirs[-1].lineno}: {theirs[-1].line}"


def _import_trouble(module: str, app_dir: str, error: BaseException) -> Trouble:
    """The module is not there, or it is and has failed."""
    if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
        folder = os.path.abspath(app_dir)
        return Trouble(f"no module {error.name!r} (looked in {folder} first; --app-dir changes that)", APP_STATUS)
    description = " ".join(traceback.format_exception_only(error)[-1].split())
    return Trouble(f"importing {module!r} failed: {description}{_place(error)}", APP_STATUS)


def load_app(target: str, app_dir: str) -> App:
    """The callable that `module:attribute` names; `Trouble` if there is none."""
    module_name, _, attribute = target.partition(":")
    sys.path.insert(0, app_dir)
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # a module may do anything, sys.exit() included
        raise _import_trouble(module_name, app_dir, error) from error
    try:
        app = reduce(getattr, attribute.split("."), module)
    except AttributeError as error:
        raise Trouble(f"there is no {target}: {error}", APP_STATUS) from error
    if not callable(app):
        raise Trouble(f"{target} is of type {type(app).__name__}, which cannot be called", APP_STATUS)
    return app


# -- listening ----------------------------------------------------------------------------------------------------

ADVICE = {
    errno.EADDRINUSE: "choose another port with --port; 0 picks a free one",
    errno.EACCES: "ports below 1024 usually need privileges; choose another with --port",
    errno.EADDRNOTAVAIL: "--host is a name or an address of this machine",
}


def _listen_trouble(error: OSError) -> Trouble:
    advice = ADVICE.get(error.errno or 0)
    return Trouble(f"cannot listen: {error.strerror or error}" + (f" ({advice})" if advice else ""), LISTEN_STATUS)


def _say(line: str) -> None:
    """A line on stdout.  That nobody reads it is no reason not to serve."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        # What is left in the buffer would fail once more when the interpreter flushes it at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _listen(server: HttpServer, settings: Settings) -> None:
    """Listen, and say where."""
    try:
        server.listen()
    except OSError as error:
        raise _listen_trouble(error) from error
    _say(f"listening on http://{_bracketed(settings.host)}:{server.port}")


# -- the commands -------------------------------------------------------------------------------------------------


def _stop_on_signals(server: HttpServer) -> None:
    """SIGINT and SIGTERM drain from here on, not only from `start`: who has read where we listen may send one."""

    def stop(number: int, frame: FrameType | None) -> None:
        server.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def serve(settings: Settings) -> None:
    """Serve the application until SIGINT or SIGTERM; an `async def` is served inside asyncio."""
    app = load_app(settings.app, settings.app_dir)
    server = make_http_server(app, host=settings.host, port=settings.port)
    _stop_on_signals(server)
    _listen(server, settings)
    if iscoroutinefunction(app):
        asyncio.run(http_server_serve(server))
    else:
        server.start()


def demo(settings: Settings) -> None:
    """Serve the page, from a loop of its own, until SIGINT or SIGTERM."""
    recorder = Recorder()
    server = make_http_server(make_demo(recorder), host=settings.host, port=settings.port)
    recorder.figures = lambda: server.stats()._asdict()
    time.sleep(recorder.seconds_until_due())  # a tenth of a second, so that the first answer has figures already
    recorder.refresh()
    _stop_on_signals(server)
    _listen(server, settings)
    _say("open it in a browser; Ctrl-C stops it")
    drive(server, recorder)


COMMANDS: dict[str, Callable[[Settings], None]] = {"serve": serve, "demo": demo}


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line `words` (None: this process's own) and return its exit status."""
    settings = read_settings(words, __version__)
    set_up_logging(settings.log_level, settings.access_log)
    try:
        COMMANDS[settings.command](settings)
    except Trouble as trouble:
        print(f"sigil: error: {trouble}", file=sys.stderr)
        return trouble.status
    except KeyboardInterrupt:
        return INTERRUPT_STATUS
    return 0


if __name__ == "__main__":
    sys.exit(main())
