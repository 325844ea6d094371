"""Requests, as bytes and as values, for whoever needs one and does not care which."""

from sigil.core.conn import Peer
from sigil.core.http.headers import Headers
from sigil.core.http.request import Request

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
UPGRADE = (
    b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
"""What a browser asks for, with the key of RFC 6455, section 1.3."""


def make_request(
    target: str = "/x", *fields: tuple[str, str], method: str = "GET", body: bytes = b"",
    host: str = "192.0.2.7",
) -> Request:  # fmt: skip
    """The request with these fields, from port 50000 of a host."""
    path, _, query = target.partition("?")
    return Request(method, target, path, query, 1, Headers(fields), body, Peer(host, 50_000))
