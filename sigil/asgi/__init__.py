"""ASGI applications on a sigil server: `sigil.asgi.handler(app)`.

    from sigil import make_http_server
    from sigil.asgi import handler

    make_http_server(handler(app), port=8080).start()

Theory: an ASGI application is a coroutine for each request, which receives and sends messages; a
sigil handler is a function of a request. The adapter is a handler that starts the coroutine, and is
made of public parts of the library alone.

Rules: names only. Importing this imports asyncio. It does not know any framework.
"""

from .adapter import AsgiHandler, handler
from .lifespan import LifespanFailed
from .messages import ClientDisconnected

__all__ = ["AsgiHandler", "ClientDisconnected", "LifespanFailed", "handler"]
