"""`sigil serve`: from settings to a server of the application, run until it has stopped.

Theory: what is served is one handler in one server. An application of another kind becomes a
handler; an `HttpServer` has one already, and settings of its own, which hold as long as no flag
says otherwise: who types a flag means it. What flags add (the client behind a proxy, an end after
so many responses) is middleware around that handler.

Rules: the server is used through its public face. It runs in a loop of its own unless something in
it is asynchronous. It does not know how it came to the sockets.
"""

import logging
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from importlib import import_module
from inspect import isawaitable
from itertools import count
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from sigil import (
    Callbacks,
    Deferred,
    Handler,
    HttpServer,
    Limits,
    Request,
    chain,
    http_server_serve,
    make_http_server,
)
from sigil.apps.terminal import CommandError
from sigil.cli.find_app import APP_STATUS, App, load_app, summary
from sigil.cli.interfaces import chosen_interface, handler_of, is_asynchronous
from sigil.cli.listening import Listeners, Place, place_of
from sigil.cli.recording import recorded
from sigil.cli.settings import Settings
from sigil.shell.loop.signals import signal_forked

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from sigil.cli.children import Parent
    from sigil.web import Middleware

    NewLoop: TypeAlias = Callable[[], AbstractEventLoop]

_LOG = logging.getLogger("sigil.error")

ACCEPTS_OF_WORKER = 8
"""Connections that a worker accepts in one tick, at most."""
ACCEPT_PAUSE_SECONDS = 0.001
"""How long a worker leaves newcomers to the others when it has accepted some: enough for an idle
one to wake up, and few enough for thousands of connections per second.
"""
STOPPING = (signal.SIGINT, signal.SIGTERM)


class Service(NamedTuple):
    """A server that is ready to listen, where that is to be, what makes the event loop that it runs
    in, if it needs one, and how it is stopped.
    """

    server: HttpServer
    place: Place
    new_loop: "NewLoop | None"
    stop: Callable[[], None]


# -- stopping --------------------------------------------------------------------------------------


def stop_on_signals(stop: Callable[[], object]) -> None:
    """Call `stop` on SIGINT and SIGTERM from here on.

    Not only from `server.start()` on: whoever has read the address may send a signal before.
    """

    def on_signal(number: int, frame: FrameType | None) -> None:
        if os.getpid() == process:
            stop()
        else:
            signal_forked(number, before[number])

    process = os.getpid()
    before: dict[int, Any] = {number: signal.getsignal(number) for number in STOPPING}
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


# -- the server ------------------------------------------------------------------------------------


def limits_from_settings(settings: Settings, limits: Limits | None = None) -> Limits:
    """The limits of the server, with the flags that were given applied."""
    limits, given = limits or Limits(), settings.given
    if "timeout_keep_alive" in given:
        limits = limits._replace(idle_timeout=settings.timeout_keep_alive)
    if settings.proxy_protocol:
        limits = limits._replace(proxy_protocol=settings.proxy_protocol)
    if settings.workers > 1:
        accepts = min(ACCEPTS_OF_WORKER, limits.max_accepts_per_tick)
        limits = limits._replace(max_accepts_per_tick=accepts)
    if settings.limit_concurrency is None:
        return limits
    return limits._replace(max_connection_cnt=settings.limit_concurrency, full_policy="503")


def trusts_proxies(settings: Settings, interface: str) -> bool:
    """True if proxies are believed: if that was asked for, and by default for applications whose
    frameworks count on the server to do it.
    """
    if settings.proxy_headers is not None:
        return settings.proxy_headers
    return "forwarded_allow_ips" in settings.given or interface in ("wsgi", "asgi")


def _middleware(
    settings: Settings, interface: str, stop: Callable[[], object]
) -> "list[Middleware]":
    """What the settings put around the handler, the outermost first."""
    around: list[Middleware] = []
    max_responses = settings.limit_max_requests
    if max_responses is not None:
        around.append(lambda handler: stopping_after(max_responses, handler, stop))
    if trusts_proxies(settings, interface):
        from sigil.web import trusted_proxies

        around.append(trusted_proxies(settings.forwarded_allow_ips))
    return around


def make_service(settings: Settings) -> Service:
    """A server of the application."""

    def stop() -> None:
        server.stop(settings.timeout_graceful_shutdown)

    app = load_app(settings.app, settings.app_dir, settings.factory)
    interface = chosen_interface(app, settings)
    around = _middleware(settings, interface, stop)
    if isinstance(app, HttpServer):
        server, place = app, place_of(settings, app)
        is_async = _has_coroutines(server)
        _configure(server, around, settings)
    else:
        handler, place = handler_of(app, interface, settings), place_of(settings)
        is_async = interface == "asgi" or is_asynchronous(handler)
        server = make_http_server(
            chain(handler, *around),
            host=place.host,
            port=place.port,
            limits=limits_from_settings(settings),
        )
    needs_loop = is_async or settings.loop != "auto"
    return Service(server, place, loop_factory(settings.loop) if needs_loop else None, stop)


def _configure(server: HttpServer, around: "list[Middleware]", settings: Settings) -> None:
    """Apply the flags that were given to a server that was made by the application."""
    own = server.settings
    if server.running:
        raise CommandError(
            f"{settings.app} listens already, at {own.host}; make it, and leave listening to this "
            "command",
            APP_STATUS,
        )
    handler: Handler = chain(own.handler, *around)
    limits = limits_from_settings(settings, own.limits)
    if handler is not own.handler or limits != own.limits:
        server.configure(handler=handler, limits=limits)


def _has_coroutines(server: HttpServer) -> bool:
    """True if the handler or a callback is asynchronous, as far as can be told."""
    own = server.settings
    callbacks = [getattr(own.callbacks, name) for name in Callbacks._fields]
    return any(is_asynchronous(each) for each in (own.handler, *callbacks) if each is not None)


# -- running it ------------------------------------------------------------------------------------


def run(
    service: Service,
    listeners: Listeners,
    settings: Settings,
    *,
    shared: bool,
    serves: Callable[[], object],
) -> None:
    """Serve until a signal, and until the server has stopped. `serves` is called when the first
    connection can be accepted; with `shared` the sockets are others' too.
    """
    server, grace = service.server, settings.timeout_graceful_shutdown

    async def serve() -> None:
        with server.stop_on_signals(grace):
            await http_server_serve(server)

    server.listen(listeners, shared=shared)
    with recorded(server, settings), _starting(server, settings.app, serves):
        if service.new_loop is not None:
            _run_in_asyncio(serve(), service.new_loop)
        else:
            server.start(grace=grace)


def run_for(parent: "Parent", service: Service, listeners: Listeners, settings: Settings) -> None:
    """Serve until the parent wants no more, on sockets of all its children."""
    server = service.server
    pause = ACCEPT_PAUSE_SECONDS if settings.workers > 1 else 0.0
    server.listen(listeners, others_accept=parent.others_go_on, pause=pause)
    with recorded(server, settings), _starting(server, settings.app, parent.report_serving):
        if service.new_loop is not None:
            _run_in_asyncio(http_server_serve(server), service.new_loop)
        else:
            server.server_loop()


@contextmanager
def _starting(server: HttpServer, target: str, serves: Callable[[], object]) -> Iterator[None]:
    """Call `serves` when the application has started; `CommandError` if it cannot."""
    failures: list[object] = []

    def started(result: object) -> None:
        if isinstance(result, BaseException):
            failures.append(result)
        else:
            serves()

    server.started.when_resolved(started)
    try:
        yield
    except Exception as error:
        if not any(error is failure for failure in failures):
            raise
        raise start_error(target, error) from error


def start_error(target: str, error: Exception) -> CommandError:
    """The command's error for an application that cannot start. Frameworks send a whole traceback:
    then the log has that, and the sentence its last line.
    """
    first, *others = str(error).strip().splitlines() or [""]
    if not others:
        return CommandError(f"starting {target} failed: {summary(error)}", APP_STATUS)
    _LOG.error("%s", "\n".join((first, *others)))
    return CommandError(f"starting {target} failed: {others[-1].strip()}", APP_STATUS)


def _run_in_asyncio(serving: Coroutine[Any, Any, None], new_loop: "NewLoop") -> None:
    """Serve inside this event loop."""
    import asyncio

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(serving)


def loop_factory(name: str) -> "NewLoop":
    """What makes the event loop: uvloop if it was asked for, or is installed and nothing was."""
    import asyncio

    if name == "asyncio":
        return asyncio.new_event_loop
    try:
        new_loop: NewLoop = import_module("uvloop").new_event_loop
    except ImportError as error:
        if name == "auto":
            return asyncio.new_event_loop
        raise CommandError("--loop uvloop needs uvloop: pip install uvloop", APP_STATUS) from error
    return new_loop
