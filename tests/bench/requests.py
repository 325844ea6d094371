"""The requests that are sent to a server: of a small client, of a browser, with bodies.

Theory: what a request has in it decides which way through a server it takes, so these are as real
clients write them. Where `COUNTER` stands the load writes a number that is another each time.

Rules: text, nothing else. It does not know how often they are sent.
"""

from .programs.orders import DIGITS

COUNTER = "0" * DIGITS
HOST_FIELD = "Host: 127.0.0.1:8080\r\n"
SMALL = f"{HOST_FIELD}User-Agent: bench/1.0\r\nAccept: */*\r\n"
GET = f"GET / HTTP/1.1\r\n{SMALL}\r\n"
GET_10 = f"GET / HTTP/1.0\r\n{SMALL}Connection: keep-alive\r\n\r\n"
GET_QUERY = f"GET /item?id={COUNTER} HTTP/1.1\r\n{SMALL}\r\n"
GET_ONCE = f"GET / HTTP/1.1\r\n{SMALL}Connection: close\r\n\r\n"
GET_ONCE_10 = f"GET / HTTP/1.0\r\n{SMALL}\r\n"
UPGRADE = (
    f"GET / HTTP/1.1\r\n{HOST_FIELD}Upgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def get_of_browser(session: str) -> str:
    """A GET with the ten fields that a browser sends, among them three cookies."""
    return (
        f"GET / HTTP/1.1\r\n{HOST_FIELD}"
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/126.0.0.0 Safari/537.36\r\n"
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
        "*/*;q=0.8\r\n"
        "Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
        "Accept-Encoding: gzip, deflate, br, zstd\r\n"
        "Cache-Control: max-age=0\r\n"
        "Connection: keep-alive\r\n"
        f"Cookie: session={session}0123456789abcdef0123456789abcdef; theme=dark; "
        "visitor=0f1e2d3c4b5a69788796a5b4c3d2e1f0\r\n"
        "Referer: http://127.0.0.1:8080/index.html\r\n"
        "Upgrade-Insecure-Requests: 1\r\n\r\n"
    )


def post(body: str) -> str:
    """A POST with a body of known length."""
    fields = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"POST /items HTTP/1.1\r\n{SMALL}{fields}\r\n{body}"


def post_in_chunks(body: str, chunk_sz: int) -> str:
    """A POST whose body comes in chunks (RFC 9112 section 7.1)."""
    parts = [body[at : at + chunk_sz] for at in range(0, len(body), chunk_sz)]
    chunks = "".join([f"{len(part):x}\r\n{part}\r\n" for part in parts])
    fields = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    return f"POST /items HTTP/1.1\r\n{SMALL}{fields}\r\n{chunks}0\r\n\r\n"
