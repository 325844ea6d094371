"""The command: `sigil serve module:app`, `sigil demo`, `sigil files DIR`, `sigil stream`,
`sigil relay URL`, `sigil world`;
`sigil get URL`, `sigil ws URL` and `sigil top URL`, which are clients and have flags of their
own.

Theory: a command turns settings into a server and runs it until it has stopped. Everything that can
be wrong outside this program (no such module, no such address) becomes `CommandError`: a sentence
and an exit status.

Rules: standard output gets one line, `listening on http://HOST:PORT` (`https` over TLS, or
`unix:PATH`), with the real port and flushed, before anything else there; all else goes to stderr.
Exit status: 0 after a clean stop, 1 for certificates that cannot be served, 2 for a usage error, 3
for an application or a folder that cannot be had (or a missing package that watching needs), 4 for
an address that cannot be listened on, 130 if a command is interrupted before there was a server to
stop. An interrupt in the fifth of a second before that, while Python still imports the package, is
the interpreter's, which exits with a traceback and its own status.

It does not know how to serve: it uses the public face of sigil like any other program. What only
one of the commands needs, such as the demonstration, is imported by that one.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from sigil import __version__, make_http_server
from sigil.apps.terminal import CommandError, print_error, print_line
from sigil.cli.listening import Listeners, announce, listening, opened, place_of
from sigil.cli.logging_setup import set_up_logging
from sigil.cli.recording import recorded
from sigil.cli.serving import make_service, run, run_for, stop_on_signals
from sigil.cli.settings import Settings, read_settings
from sigil.cli.tls import MADE, context_of, reload_certificates, secure
from sigil.core.build import core_build
from sigil.shell.loop.descriptors import raise_soft_limit

if TYPE_CHECKING:
    from sigil.apps.hosts import Hosts
    from sigil.cli.children import Parent

FOLDER_STATUS, INTERRUPT_STATUS = 3, 130


def serve(settings: Settings) -> int:
    """Serve the application until SIGINT or SIGTERM, from this process or from others."""
    if settings.ssl_certfile:
        context_of(settings)  # whatever is wrong is said before there are processes
    if settings.reload:
        from sigil.cli.reload import serve_with_reload

        return serve_with_reload(settings)
    if settings.workers > 1:
        from sigil.cli.supervisor import serve_with_workers

        return serve_with_workers(settings)
    service = make_service(settings)
    secure(service.server, settings)
    stop_on_signals(service.stop)
    with opened(settings, service.place) as listeners:
        shared, announcing = settings.fd is not None, (settings, service.place, listeners)
        run(service, listeners, settings, shared=shared, serves=lambda: announce(*announcing))
    return 0


def serve_for(parent: "Parent", settings: Settings) -> int:
    """Serve the application from this process on sockets that the parent has."""
    service = make_service(settings)
    secure(service.server, settings)
    if settings.ssl_certfile:
        parent.on_certificates(partial(reload_certificates, service.server, settings))
    listeners = parent.ask_for_listeners(service.place, service.stop)
    if listeners:
        run_for(parent, service, listeners, settings)
    return 0


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


def demo(settings: Settings) -> int:
    """Serve the demonstration until SIGINT or SIGTERM."""
    from sigil.apps.demo.live import drive, make_live
    from sigil.apps.hosts import HostGuard
    from sigil.apps.local_metrics import show_metrics

    guard = HostGuard()
    server, live = make_live(settings.host, settings.port, guard=guard)
    show_metrics(server, guard)
    secure(server, settings)
    # A tenth of a second, so that the first response has figures already.
    time.sleep(live.seconds_until_due())
    live.recorder.refresh()
    stop_on_signals(server.stop)
    with listening(settings, place_of(settings)) as listeners, recorded(server, settings):
        guard.hosts = _hosts(settings, listeners)
        server.listen(listeners, shared=settings.fd is not None)
        print_line("open it in a browser; Ctrl-C stops it")
        if settings.tls:
            print_line(MADE)
        drive(server, live)
    return 0


def stream(settings: Settings) -> int:
    """Publish the lines of standard input until their end (unless it is to linger), or a signal."""
    from sigil.apps.hosts import HostGuard
    from sigil.apps.local_metrics import show_metrics
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
    show_metrics(server, guard)
    secure(server, settings)
    loop = Loop(
        server,
        lines,
        descriptor,
        is_lingering=settings.linger,
        grace_seconds=settings.timeout_graceful_shutdown,
    )
    stop_on_signals(loop.stop)
    with listening(settings, place_of(settings)) as listeners, recorded(server, settings):
        guard.hosts = _hosts(settings, listeners)
        server.listen(listeners, shared=settings.fd is not None)
        print_line("open it in a browser; Ctrl-C stops it")
        loop.run()
    return 0


def files(settings: Settings) -> int:
    """Serve the files of a folder until SIGINT or SIGTERM."""
    from sigil import chain, static_files
    from sigil.apps.files.app import FolderSite, drive
    from sigil.apps.hosts import HostGuard
    from sigil.apps.local_metrics import show_metrics
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
    show_metrics(server, guard, "/-/metrics")
    secure(server, settings)
    stop_on_signals(server.stop)
    with listening(settings, place_of(settings)) as listeners, recorded(server, settings):
        guard.hosts = _hosts(settings, listeners)
        server.listen(listeners, shared=settings.fd is not None)
        print_line("open it in a browser, figures are at /-/; Ctrl-C stops it")
        drive(server, site)
    return 0


def relay(settings: Settings) -> int:
    """Publish what an origin does until SIGINT or SIGTERM."""
    from sigil.cli.relaying import run_relay

    return run_relay(settings, _hosts)


def world(settings: Settings) -> int:
    """Run a simulated network, and print what happened; or serve a page of it."""
    from sigil.cli.replaying import run_world

    return run_world(settings, _hosts)


def replay(settings: Settings) -> int:
    """Replay a recording, or a folder of them, and print what is asked of it."""
    from sigil.cli.recordings import open_recording, run_replay

    if not settings.serve:
        return run_replay(settings)
    from sigil.cli.replaying import run_page

    return run_page(settings, open_recording(settings.recording, settings.until), _hosts)


COMMANDS: dict[str, Callable[[Settings], int]] = {
    "serve": serve,
    "demo": demo,
    "files": files,
    "stream": stream,
    "relay": relay,
    "world": world,
    "replay": replay,
}


def _status_of(settings: Settings, command: Callable[[], int]) -> int:
    """The exit status of a command, which is run with logging set up."""
    set_up_logging(settings.log_level, settings.access_log, shows_pid=settings.workers > 1)
    try:
        return command()
    except CommandError as error:
        print_error(str(error))
        return error.status
    except KeyboardInterrupt:
        return INTERRUPT_STATUS


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line `words` (None: this process's own); its exit status."""
    replace_closed("stdout", "stderr")
    given = list(sys.argv[1:] if words is None else words)
    if given[:1] in (["get"], ["ws"], ["top"]):
        return run_client(given[0], given[1:])
    version = f"{__version__} ({core_build()} core)"
    settings = read_settings(words, version, os.environ)
    raise_soft_limit()
    return _status_of(settings, partial(COMMANDS[settings.command], settings))


def replace_closed(*names: str) -> None:
    """Open standard streams that were closed when this process began, which has them as None, with
    nothing in them: no socket is to have their descriptors.
    """
    for name in names:
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(descriptor, "r" if name == "stdin" else "w"))


def run_client(name: str, words: Sequence[str]) -> int:
    """Run a command that is a client; its exit status."""
    replace_closed("stdin")
    if name == "top":
        from sigil.apps.top import watch
        from sigil.cli.top import top_parser

        return watch.main(top_parser(__version__).parse_args(words))
    from sigil.cli import client_flags

    if name == "get":
        from sigil.apps.client import get

        return get.main(client_flags.get_parser(__version__).parse_args(words))
    from sigil.apps.client import ws

    return ws.main(client_flags.ws_parser(__version__).parse_args(words))


def main_of_child() -> int:
    """Run a process that serves for a parent; its exit status."""
    from sigil.cli.children import accept_inheritance

    replace_closed("stdin", "stdout", "stderr")
    settings, parent = accept_inheritance(sys.argv)
    return _status_of(settings, partial(serve_for, parent, settings))


if __name__ == "__main__":
    sys.exit(main())
