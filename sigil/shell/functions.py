"""The functions `http_server_*` of a server with sockets: the same functions as its methods.

Theory: the reference systems have functions, Python has methods, and a program may use either. What
is a property has a function that returns it.

Rules: one for each public method, and no copy of any. It does not know what they do.
"""

from .program.deferred import Deferred
from .program.host import Ticked
from .server import HttpServer
from .settings import ServerSettings


def http_server_running(server: HttpServer) -> bool:
    """The property `running` of a server."""
    return server.running


def http_server_host(server: HttpServer) -> str:
    """The property `host` of a server."""
    return server.host


def http_server_port(server: HttpServer) -> int:
    """The property `port` of a server."""
    return server.port


def http_server_settings(server: HttpServer) -> ServerSettings:
    """The property `settings` of a server."""
    return server.settings


def http_server_started(server: HttpServer) -> Deferred:
    """The property `started` of a server."""
    return server.started


async def http_server_serve(server: Ticked) -> None:
    """Serve inside the running asyncio loop until `server.stop()`; cancelling this ends the server
    at once.

    Handlers may be `async def`. OSError if the server cannot listen, RuntimeError if something else
    serves: another thread, or a loop of this one. No signal handlers are installed.
    """
    # here, since asyncio is a third of the memory of a program that has no other use for it
    from .hosts.asyncio_host import serve

    await serve(server)


http_server_reload_tls = HttpServer.reload_tls
http_server_configure = HttpServer.configure
http_server_listen = HttpServer.listen
http_server_start = HttpServer.start
http_server_stop = HttpServer.stop
http_server_stop_on_signals = HttpServer.stop_on_signals
http_server_tick = HttpServer.tick
http_server_loop = HttpServer.server_loop
http_server_serve_in_thread = HttpServer.serve_in_thread
http_server_fd = HttpServer.fileno
http_server_next_deadline = HttpServer.next_deadline
http_server_stats = HttpServer.stats
