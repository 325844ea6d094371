"""sigil.wsgi: applications of PEP 3333 (Flask, Django, Bottle, Pyramid) as handlers of sigil.

    from sigil import make_http_server
    from sigil.wsgi import handler

    make_http_server(handler(app, threads=4), port=8080).start()

Theory: an application of WSGI blocks: it reads its input and writes its answer when it likes, and
waits in between. So it is called in threads of its own, and the loop of the server only hands
requests over and sends what comes back.

Rules: names only. What is here uses the public face of sigil, as any program does.
"""

from .adapter import WsgiHandler, handler

__all__ = ["WsgiHandler", "handler"]
