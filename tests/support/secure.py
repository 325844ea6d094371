"""A client over TLS that is driven by hand, in the same thread as the server that it tries."""

import ssl

from sigil.shell.loop.tls_socket import TlsSocket
from tests.support.certificates import client_context
from tests.support.servers import Raw


class Secure:
    """A client over TLS that is driven by hand."""

    def __init__(self, raw: Raw, context: ssl.SSLContext | None = None) -> None:
        self.raw = raw
        self.tls = TlsSocket(
            raw.sock,
            context or client_context(),
            server_side=False,
            server_hostname="localhost",
            suppress_ragged_eofs=True,
        )
        self.received = b""
        self.problem: ssl.SSLError | None = None
        self.is_over = False

    def turn(self) -> None:
        """Go on as far as it goes."""
        try:
            if self.tls.handshake():
                data = self.tls.recv(65_536)
                self.received += data
                self.is_over = self.is_over or not data
        except BlockingIOError:
            pass
        except ssl.SSLError as error:
            self.problem = self.problem or error
