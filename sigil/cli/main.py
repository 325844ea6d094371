"""The command: `sigil serve module:app`, `sigil demo`, `sigil files DIR`, `sigil stream`.

Theory: a command turns settings into a server and runs it until it has stopped. Everything that can
be wrong outside this program (no such module, no such address) becomes `CommandError`: a sentence
and an exit status.

Rules: standard output gets one line, `listening on http://HOST:PORT` (or `unix:PATH`), with the
real port and flushed, before anything else there; all else goes to stderr. Exit status: 0 after a
clean stop, 2 for a usage error, 3 for an application or a folder that cannot be had (or a missing
package that watching needs), 4 for an address that cannot be listened on, 130 if a command is
interrupted before there was a server to stop. An interrupt in the fifth of a second before that,
while Python still imports the package, is the interpreter's, which exits with a traceback and its
own status.

It does not know how to serve: it uses the public face of sigil like any other program. What only
one of the commands needs, such as the demonstration, is imported by that one.
"""

import errno
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from inspect import isawaitable, iscoroutinefunction
from itertools import count
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeAlias

from sigil import (
    Deferred,
    HttpServer,
    Limits,
    Request,
    __version__,
    http_server_serve,
    make_http_server,
)
from sigil.apps.terminal import CommandError, print_error, print_line
from sigil.cli.find_app import App, load_app
from sigil.cli.logging_setup import set_up_logging
from sigil.cli.settings import Settings, read_settings
from sigil.core.build import core_build
from sigil.shell.loop.descriptors import raise_soft_limit
from sigil.shell.loop.listen import (
    adopt_listener,
    open_listeners,
    open_unix_listener,
    removing_socket_file,
    where,
)

if TYPE_CHECKING:
    from sigil.apps.hosts import Hosts
    from sigil.cli.reload import Inherited

Listeners: TypeAlias = tuple[socket.socket, ...]
FOLDER_STATUS, LISTEN_STATUS, INTERRUPT_STATUS = 3, 4, 130
STOPPING = (signal.SIGINT, signal.SIGTERM)


# -- listening -------------------------------------------------------------------------------------

ADDRESS_ADVICE = {
    errno.EADDRINUSE: "choose another port with --port; 0 picks a free one",
    errno.EACCES: "ports below 1024 usually need privileges; choose another with --port",
    errno.EADDRNOTAVAIL: "--host is a name or an address of this machine",
}
PATH_ADVICE = {
    errno.EADDRINUSE: "another server listens there; choose another path with --uds",
    errno.EEXIST: "it is left alone; choose another path with --uds",
    errno.EACCES: "--uds is a path where you may make a file",
    errno.ENOENT: "--uds is a path in a directory that exists",
}
DESCRIPTOR_ADVICE = {
    errno.EBADF: "--fd is the number of a socket that whoever starts this leaves open",
}


def listen_error(error: OSError, settings: Settings) -> CommandError:
    """The command's error for a socket that cannot be had, with advice if there is any."""
    if settings.fd is not None:
        advice = DESCRIPTOR_ADVICE
    elif settings.uds:
        advice = PATH_ADVICE
    else:
        advice = ADDRESS_ADVICE
    sentence = f"cannot listen: {error.strerror or error}"
    hint = advice.get(error.errno or 0)
    if hint:
        sentence += f" ({hint})"
    return CommandError(sentence, LISTEN_STATUS)


def _open(settings: Settings) -> Listeners:
    """The listening sockets that the settings name; `CommandError` if they cannot be opened."""
    try:
        if settings.fd is not None:
            return (adopt_listener(settings.fd),)
        if settings.uds:
            return (open_unix_listener(settings.uds, settings.uds_mode, settings.backlog),)
        return open_listeners(settings.host, settings.port, settings.backlog)
    except OSError as error:
        raise listen_error(error, settings) from error


@contextmanager
def _listening(settings: Settings) -> Iterator[Listeners]:
    """Listen, and print the address; at the end the sockets are closed and a file is removed."""
    listeners = _open(settings)
    with ExitStack() as opened:
        for listener in listeners:
            opened.enter_context(listener)
        if settings.uds:
            opened.enter_context(removing_socket_file(listeners[0]))
        host = settings.host if settings.fd is None else ""
        print_line(f"listening on {where(listeners[0], host)}")
        yield listeners


# -- stopping --------------------------------------------------------------------------------------


def _stop_on_signals(stop: Callable[[], object]) -> None:
    """Call `stop` on SIGINT and SIGTERM from here on.

    Not only from `server.start()` on: whoever has read the address may send a signal before.
    """

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop()

    for number in STOPPING:
        signal.signal(number, on_signal)


def stopping_after(max_responses: int, app: App, stop: Callable[[], object]) -> App:
    """A handler that calls `app`, and calls `stop` when the given number of responses is reached.

    A response that comes later, from a `Deferred` or a coroutine, counts when it comes. An
    exception counts, because it becomes a response.
    """
    numbers = count(1)

    def responded(*_: object) -> None:
        if next(numbers) == max_responses:
            stop()

    def counted(request: Request) -> Any:
        try:
            result = app(request)
        except BaseException:
            responded()
            raise
        if isinstance(result, Deferred):
            result.when_resolved(responded)
            return result
        if isawaitable(result):
            return _count_when_done(result, responded)
        responded()
        return result

    return counted


async def _count_when_done(awaitable: Any, responded: Callable[[], object]) -> Any:
    """The result of an awaitable; `responded` is called when there is one, or an exception."""
    try:
        return await awaitable
    finally:
        responded()


# -- the commands ----------------------------------------------------------------------------------


def limits_from_settings(settings: Settings) -> Limits:
    """The server's limits, with the flags of the command line applied."""
    limits = Limits(idle_timeout=settings.timeout_keep_alive)
    if settings.limit_concurrency is None:
        return limits
    return limits._replace(max_connection_cnt=settings.limit_concurrency, full_policy="503")


def _make(settings: Settings) -> tuple[HttpServer, bool]:
    """A server of the application, and whether it needs asyncio; from here on signals stop it."""
    app = load_app(settings.app, settings.app_dir, settings.factory)
    is_async = iscoroutinefunction(app) or iscoroutinefunction(type(app).__call__)

    def stop() -> None:
        server.stop(settings.timeout_graceful_shutdown)

    if settings.limit_max_requests is not None:
        app = stopping_after(settings.limit_max_requests, app, stop)
    server = make_http_server(
        app, host=settings.host, port=settings.port, limits=limits_from_settings(settings)
    )
    _stop_on_signals(stop)
    return server, is_async


def _run(
    server: HttpServer, is_async: bool, listeners: Listeners, is_ours: bool, grace: float
) -> None:
    """Serve until the server has stopped; `grace` seconds are given to requests in progress."""
    server._listen(listeners, is_ours)
    if is_async:
        import asyncio

        asyncio.run(_run_in_asyncio(server, grace))
    else:
        server.start(grace=grace)


async def _run_in_asyncio(server: HttpServer, grace: float) -> None:
    """Serve inside asyncio until a signal."""
    with server.stop_on_signals(grace):
        await http_server_serve(server)


def serve(settings: Settings) -> None:
    """Serve the application until SIGINT or SIGTERM, inside asyncio if it is asynchronous."""
    if settings.reload:
        from sigil.cli.reload import supervise

        supervise(settings, lambda: _listening(settings))
        return
    server, is_async = _make(settings)
    with _listening(settings) as listeners:
        is_ours, grace = settings.fd is None, settings.timeout_graceful_shutdown
        _run(server, is_async, listeners, is_ours, grace)


def serve_inherited(inherited: "Inherited") -> None:
    """Serve the application on inherited sockets, whose address the parent has printed."""
    settings = inherited.settings
    server, is_async = _make(settings)
    listeners = tuple(map(adopt_listener, inherited.listeners))
    _run(server, is_async, listeners, False, settings.timeout_graceful_shutdown)


def _hosts(settings: Settings, listeners: Listeners) -> "Hosts":
    """The Host names that a program for this machine answers to; any over a Unix socket, where no
    browser comes.
    """
    from sigil.apps.hosts import Hosts, hosts_of

    names = [listener.getsockname() for listener in listeners]
    if not all(isinstance(name, tuple) for name in names):
        return Hosts(has_all=True)
    asked = [settings.host] if settings.fd is None else []
    return hosts_of([*asked, *(str(name[0]) for name in names)], settings.allow_host)


def demo(settings: Settings) -> None:
    """Serve the demonstration until SIGINT or SIGTERM."""
    from sigil.apps.demo.live import drive, make_live
    from sigil.apps.hosts import HostGuard

    guard = HostGuard()
    server, live = make_live(settings.host, settings.port, guard=guard)
    # A tenth of a second, so that the first response has figures already.
    time.sleep(live.seconds_until_due())
    live.recorder.refresh()
    _stop_on_signals(server.stop)
    with _listening(settings) as listeners:
        guard.hosts = _hosts(settings, listeners)
        server._listen(listeners, settings.fd is None)
        print_line("open it in a browser; Ctrl-C stops it")
        drive(server, live)


def stream(settings: Settings) -> None:
    """Publish the lines of standard input until their end (unless it is to linger), or a signal."""
    from sigil.apps.hosts import HostGuard
    from sigil.apps.stream.app import LineStream, Rules, limits_for
    from sigil.apps.stream.loop import Loop, open_input

    descriptor = open_input(settings.fd)
    rules = Rules(settings.history, settings.topic_field, settings.max_line, settings.compress)
    lines = LineStream(rules)
    guard = HostGuard()
    server = make_http_server(
        guard.guarding(lines.handle),
        host=settings.host,
        port=settings.port,
        limits=limits_for(rules),
    )
    loop = Loop(
        server,
        lines,
        descriptor,
        is_lingering=settings.linger,
        grace_seconds=settings.timeout_graceful_shutdown,
    )
    _stop_on_signals(loop.stop)
    with _listening(settings) as listeners:
        guard.hosts = _hosts(settings, listeners)
        server._listen(listeners, settings.fd is None)
        print_line("open it in a browser; Ctrl-C stops it")
        loop.run()


def files(settings: Settings) -> None:
    """Serve the files of a folder until SIGINT or SIGTERM."""
    from sigil import chain, static_files
    from sigil.apps.files.app import FolderSite, drive
    from sigil.apps.hosts import HostGuard
    from sigil.web import cors

    fallback = "index.html" if settings.spa else ""
    try:
        handler = static_files(settings.folder, listing=settings.listing, fallback=fallback)
    except (OSError, ValueError) as error:
        raise CommandError(f"cannot serve {settings.folder}: {error}", FOLDER_STATUS) from error
    middleware = [cors(origins="*")] if settings.cors else []
    site = FolderSite(chain(handler, *middleware))
    guard = HostGuard()
    app = guard.guarding(site.handle)
    server = make_http_server(app, host=settings.host, port=settings.port)
    _stop_on_signals(server.stop)
    with _listening(settings) as listeners:
        guard.hosts = _hosts(settings, listeners)
        server._listen(listeners, settings.fd is None)
        print_line("open it in a browser, figures are at /-/; Ctrl-C stops it")
        drive(server, site)


COMMANDS: dict[str, Callable[[Settings], None]] = {
    "serve": serve,
    "demo": demo,
    "files": files,
    "stream": stream,
}


def _status_of(settings: Settings, command: Callable[[], None]) -> int:
    """The exit status of a command, which is run with logging set up."""
    set_up_logging(settings.log_level, settings.access_log)
    try:
        command()
    except CommandError as error:
        print_error(str(error))
        return error.status
    except KeyboardInterrupt:
        return INTERRUPT_STATUS
    return 0


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line `words` (None: this process's own); its exit status."""
    settings = read_settings(words, f"{__version__} ({core_build()} core)")
    raise_soft_limit()
    return _status_of(settings, partial(COMMANDS[settings.command], settings))


def main_of_child() -> int:
    """Run a child process of `--reload`; its exit status."""
    from sigil.cli.reload import accept_inheritance

    inherited = accept_inheritance(sys.argv)
    return _status_of(inherited.settings, partial(serve_inherited, inherited))


if __name__ == "__main__":
    sys.exit(main())
