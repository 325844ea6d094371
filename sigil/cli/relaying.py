"""`sigil relay URL`: a server, and a relay that is ticked along with it.

Rules: what is asked of the origin is asked in its query: the topics, and as much history as a new
subscriber may be sent, so that an edge that was restarted has some for those who come back to it.
It does not know what is published, nor who subscribes.
"""

import ssl
from collections.abc import Callable

from sigil import make_http_server
from sigil.apps.hosts import HostGuard, Hosts
from sigil.apps.relay.app import Edge, Rules, limits_for
from sigil.apps.terminal import CommandError
from sigil.cli.listening import Listeners, listening, place_of
from sigil.cli.recording import recorded
from sigil.cli.serving import stop_on_signals
from sigil.cli.settings import Settings
from sigil.cli.tls import secure
from sigil.client import parse_uri
from sigil.relay import relay

CERTIFICATE_STATUS = 3


def run_relay(settings: Settings, hosts_for: Callable[[Settings, Listeners], Hosts]) -> int:
    """Publish what the origin does until SIGINT or SIGTERM; the exit status."""
    rules = Rules(parse_uri(settings.url).path, settings.history, settings.allow_origin)
    edge, guard = Edge(rules), HostGuard()
    server = make_http_server(
        guard.guarding(edge.handle),
        host=settings.host,
        port=settings.port,
        limits=limits_for(rules),
    )
    secure(server, settings)
    upstream = relay(
        server,
        settings.url,
        topics=settings.topics,
        history=settings.history,
        headers=settings.header,
        verify=not settings.insecure,
        ssl_context=_context_of(settings),
    )
    edge.server, edge.relay = server, upstream

    def stop() -> None:
        server.stop(settings.timeout_graceful_shutdown)

    stop_on_signals(stop)
    with listening(settings, place_of(settings)) as listeners, recorded(server, settings):
        guard.hosts = hosts_for(settings, listeners)
        server.listen(listeners, shared=settings.fd is not None)
        try:
            while server.running:
                server.tick(None)
        finally:
            upstream.close()
    return 0


def _context_of(settings: Settings) -> ssl.SSLContext | None:
    """How the certificate of the origin is verified, if not by those of the system."""
    if not settings.cacert:
        return None
    try:
        return ssl.create_default_context(cafile=settings.cacert)
    except (OSError, ssl.SSLError) as error:
        text = f"cannot read certificates from {settings.cacert}: {error}"
        raise CommandError(text, CERTIFICATE_STATUS) from error
