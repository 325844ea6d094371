"""A conversation over TLS in which one system call after the other fails: nobody is harmed but whom
it was made for, and nothing is sent twice or left out.
"""

import errno
from contextlib import suppress

import pytest

from sigil import Limits, Request, Response
from tests.adversity.failing import HAS_EPOLL, Fault, fail_each_call, install
from tests.support.builds import needs_pure_sources
from tests.support.certificates import server_context
from tests.support.secure import Secure
from tests.support.servers import Raw, end, make

pytestmark = [
    needs_pure_sources,
    pytest.mark.skipif(not HAS_EPOLL, reason="the layer is around epoll"),
]

LARGE = bytes(range(256)) * 1_500
TURNS_MAX = 20_000
LIMITS = Limits(max_outbox_len=65_536, linger_timeout=0.2, max_tls_held_len=20_000)
CONTEXT = server_context()
HEAD = b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
TARGETS = {b"/small": b"small", b"/large": LARGE, b"/stream": b"one two "}


def program(request: Request) -> Response:
    if request.path == "/large":
        return Response.bytes(LARGE)
    if request.path == "/stream":
        return Response.stream([b"one ", b"two "])
    return Response.text("small")


def is_content(client: Secure, body: bytes) -> bool:
    """True once all of a response has come: a stream is in chunks."""
    head, _, content = client.received.partition(b"\r\n\r\n")
    if b"chunked" in head:
        return content == b"4\r\none \r\n4\r\ntwo \r\n0\r\n\r\n"
    return content == body


def one_run(kind: str, code: int, nth: int) -> Fault:
    """The conversation, with one fault in it."""
    fault = Fault(kind, code, nth)
    with pytest.MonkeyPatch.context() as patch:
        install(patch, fault)
        fault.is_armed = False
        server = make(program, LIMITS, ssl_context=CONTEXT)
        server.listen()
        fault.is_armed = True
        raws = [Raw(server.port, receive_buffer=4_096) for _ in TARGETS]
        plain = Raw(server.port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        ports = [raw.sock.getsockname()[1] for raw in raws]
        clients, asked = [Secure(raw) for raw in raws], set[Secure]()
        try:
            for _ in range(TURNS_MAX):
                server.tick()
                plain.poll()
                for client, target in zip(clients, TARGETS, strict=True):
                    client.turn()
                    if client.tls.is_secured and client not in asked and not client.is_over:
                        with suppress(OSError):
                            client.tls.send(b"GET " + target + HEAD)
                            asked.add(client)
                if all(
                    fault.has_harmed(port) or is_content(client, body)
                    for client, port, body in zip(clients, ports, TARGETS.values(), strict=True)
                ):
                    break
            else:
                raise AssertionError([client.received[:80] for client in clients])
        finally:
            fault.is_armed = False
            end(server)
            for raw in (*raws, plain):
                raw.close()
    stats = server.stats()
    assert stats.accepted == sum(stats.closed.values())
    return fault


FAULTS = {
    "recv": ("EAGAIN", "EINTR", "ECONNRESET"),
    "send": ("EAGAIN", "EINTR", "EPIPE", "ENOBUFS"),
    "shutdown": ("ENOTCONN",),
    "modify": ("ENOMEM",),
    "register": ("ENOMEM",),
}


@pytest.mark.parametrize(
    ("kind", "code"), [(kind, code) for kind, codes in FAULTS.items() for code in codes]
)
def test_no_failing_call_harms_anybody_over_tls_but_whom_it_was_made_for(
    kind: str, code: str
) -> None:
    fail_each_call(one_run, kind, getattr(errno, code))
