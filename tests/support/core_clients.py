"""Records of connections as literals: new ones, some that read a body, linger, or are behind."""

from sigil.core.broadcast.broadcast import make_broadcast
from sigil.core.connection.client import Client, Phase, make_client
from sigil.core.connection.context import Context
from sigil.core.http.body import begin_body
from sigil.core.http.head import parse_headers_only
from sigil.core.limits import Limits
from tests.support.core_driver import CONN, DATE, PEER, head_of

SIMPLE = head_of(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
UNSAFE = head_of(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
FRESH = make_client(CONN, PEER, 100.0)
LIMITS = Limits(max_outbox_len=10, max_queued_requests=2, max_header_len=50, max_linger_len=30)
CONTEXT = Context(
    LIMITS,
    200.0,
    200.0,
    DATE,
    False,
    False,
    False,
    parse_headers_only,
    10**9,
    True,
    make_broadcast(LIMITS),
    False,
    has_connection_slot=True,
)


def with_intake(client: Client, **fields: object) -> Client:
    """The client with these fields of its intake replaced."""
    return client.replace(incoming=client.incoming.replace(**fields))  # type: ignore[arg-type]


def with_outbox(client: Client, *segments: bytes) -> Client:
    """The client with this outbox."""
    return client.replace(outgoing=client.outgoing.replace(outbox=segments))


READING = with_intake(FRESH, phase=Phase.BODY, head=UNSAFE, body=begin_body(9))
LINGERING = with_intake(FRESH, phase=Phase.LINGER)
