"""TLS: `from sigil.tls import server_context`, then `make_http_server(app, ssl_context=...)`.

Theory: the whole of it is the standard library's `ssl`, whose contexts a server takes as they are;
here is one that is made of files and says in a sentence what is wrong with them.

Rules: importing this imports `ssl`, which a server without TLS does not. It does not know servers.
"""

from .core.tls import Tls, TlsPeer
from .shell.tls_context import TlsConfigError, server_context

__all__ = ["Tls", "TlsConfigError", "TlsPeer", "server_context"]
