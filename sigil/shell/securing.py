"""What a server does about TLS: it makes what serves it, and takes another context while it runs.

Theory: a context is asked for whenever a connection begins, so certificates are replaced by
replacing it: newcomers have the new one, and nobody else notices.

Rules: a context is prepared before it is taken, so one that cannot serve is refused, and the old
one goes on. `ssl` is imported only by whoever has a context. It does not know handshakes.
"""

from typing import TYPE_CHECKING

from ..core.limits import Limits
from .loop.engine import Engine
from .loop.poller import Poller
from .settings import ServerSettings
from .stopping import Stopping

if TYPE_CHECKING:
    import ssl

    from .loop.tls_connections import TlsConnections


class Securing(Stopping):
    """A server as far as it is secured."""

    __slots__ = ("_settings", "_tls")

    def __init__(self, limits: Limits, engine: Engine) -> None:
        super().__init__(limits, engine)
        self._settings: ServerSettings
        self._tls: TlsConnections | None = None

    def _make_tls(
        self, context: "ssl.SSLContext | None", poller: Poller
    ) -> "TlsConnections | None":
        """What serves TLS from now on; None without a context."""
        self._tls = None
        if context is not None:
            from .loop.tls_connections import TlsConnections

            self._tls = TlsConnections(context, self._limits, poller)
        return self._tls

    def reload_tls(self, ssl_context: "ssl.SSLContext") -> None:
        """Serve those who connect from now on with this context: with other certificates, for
        example. Whoever is connected goes on as before. From any thread.

        RuntimeError for a server that was made without an `ssl_context`; TypeError and ValueError
        as of `make_http_server`, and then the context of before stays.
        """
        settings = self._settings
        if settings.ssl_context is None:
            raise RuntimeError("this server was made without ssl_context: it serves no TLS")
        from .tls_context import prepare

        prepare(ssl_context)
        self._settings = settings._replace(ssl_context=ssl_context)
        if self._tls is not None:
            self._tls.context = ssl_context
