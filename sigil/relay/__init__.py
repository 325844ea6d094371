"""Publishing what another server does: `relay(server, url)` makes an edge of a server.

    server = make_http_server(handler)
    upstream = relay(server, "wss://origin.example/live")
    server.start()

Its clients are sent the positions of the origin, and come back to it or to any of its edges.
"""

from .relay import Relay, relay
from .status import RelayStatus

__all__ = ["Relay", "RelayStatus", "relay"]
