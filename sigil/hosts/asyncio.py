"""A server inside asyncio, or any loop with its interface, such as uvloop.

    asyncio.run(sigil.hosts.asyncio.serve(server))
    uvloop.run(sigil.hosts.asyncio.serve(server))

Theory: it is `sigil.http_server_serve`, here beside its siblings.

Rules: as there: handlers, callbacks and streams may be coroutines, and cancelling the wait ends the
server at once.
"""

from sigil import http_server_serve as serve

__all__ = ["serve"]
