"""Requests for an upgrade with fields left out or changed, and what the server makes of them."""

from sigil.core.parse_result import Malformed
from sigil.core.websocket.handshake import Offer, check_upgrade
from tests.support.core_driver import head_of

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


FIELDS = {
    "Host": "server.example.com",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


PLAIN = Offer(KEY, (), ())


def asking(
    changes: dict[str, str | None] | None = None, line: str = "GET /chat HTTP/1.1", more: str = ""
) -> bytes:
    """A request to upgrade, with some fields changed, or left out for None."""
    fields = FIELDS | (changes or {})
    lines = [f"{name}: {value}\r\n" for name, value in fields.items() if value is not None]
    return f"{line}\r\n{''.join(lines)}{more}\r\n".encode()


def checked(data: bytes, origins: tuple[str, ...] | None = None) -> Offer | Malformed:
    """What `check_upgrade` says to the request in these bytes."""
    return check_upgrade(head_of(data), origins)
