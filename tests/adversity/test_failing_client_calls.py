"""Every system call of a client fails in turn, in every way that its manual page knows.

Theory: one run has all that a client does: connections that are made and used again, a body that
the kernel does not take at once, one that comes in pieces, a handshake of TLS. It is run again for
each call and each error, with the first, the second, the third of these calls failing, until none
is left.

Rules: whatever failed, each request is answered as it should be, or fails with an OSError; nothing
else leaves the client, and it goes on: a request behind the failure is answered, and at the end no
descriptor is left. The servers are not ours, and are not hurt. It does not know which calls are
made, nor how often: the layer counts.
"""

import errno
import os
import socket
import ssl
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from sigil.client import Client, ClientLimits
from tests.adversity.failing import HAS_EPOLL, Fault, fail_each_call, install
from tests.support.answering import answering
from tests.support.builds import needs_pure_sources
from tests.support.certificates import client_context, server_context
from tests.support.servers import PATIENCE

pytestmark = [
    pytest.mark.skipif(not HAS_EPOLL, reason="the layer counts what Linux does"),
    needs_pure_sources,
]

LARGE = bytes(range(256)) * 4_000
LIMITS = ClientLimits(retry_base=0.001, max_connections_per_origin=2)


def answer(connection: socket.socket) -> None:
    """Answers requests one after the other: the body that it is sent, or its length if that is
    long.
    """
    rest = b""
    while True:
        while b"\r\n\r\n" not in rest:
            more = connection.recv(65_536)
            if not more:
                return
            rest += more
        head, _, rest = rest.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        while len(rest) < length:
            more = connection.recv(65_536)
            if not more:
                return
            rest += more
        body, rest = rest[:length], rest[length:]
        text = body if len(body) < 1_000 else b"%d" % len(body)
        text = LARGE if b" /large " in head else text
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text)


class Servers(NamedTuple):
    """Where the servers of a run are."""

    plain: str
    secure: str


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """One server in the clear, and one over TLS."""
    with answering(answer) as plain, answering(answer, server_context()) as secure:
        yield Servers(f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{secure}")


DESCRIPTORS = "/proc/self/fd"
CONTEXT: ssl.SSLContext = client_context()


def converse(client: Client, servers: Servers, fault: Fault) -> None:
    """All that a client does; each request is answered, or fails with an OSError."""
    asked = [
        (client.get(f"{servers.plain}/", verify=CONTEXT), b""),
        (client.put(f"{servers.plain}/", b"body"), b"body"),
        (client.get(f"{servers.plain}/third"), b""),
        (client.put(f"{servers.plain}/", LARGE * 6), b"%d" % (6 * len(LARGE))),
        (client.get(f"{servers.plain}/large"), LARGE),
        (client.get(f"{servers.secure}/", verify=CONTEXT), b""),
        (client.put(f"{servers.secure}/", LARGE[:200_000], verify=CONTEXT), b"200000"),
    ]
    for promised, body in asked:
        try:
            assert client.run(promised).body == body
        except OSError:
            assert fault.hits
    fault.is_armed = False
    assert client.run(client.get(f"{servers.plain}/after")).body == b""
    fault.is_armed = True


def one_run(servers: Servers, kind: str, code: int, nth: int) -> Fault:
    """A run with one call failing."""
    before = len(os.listdir(DESCRIPTORS))
    fault = Fault(kind, code, nth)
    with pytest.MonkeyPatch.context() as patch:
        install(patch, fault)
        try:
            client = Client(limits=LIMITS, trust_env=False)
        except OSError:
            assert fault.hits
        else:
            with client:
                converse(client, servers, fault)
    wait_until_closed(before)
    return fault


def wait_until_closed(before: int) -> None:
    """Wait until no more descriptors are open than before: the servers close their ends as well."""
    give_up_at = time.monotonic() + PATIENCE
    while len(os.listdir(DESCRIPTORS)) > before and time.monotonic() < give_up_at:
        pass
    assert len(os.listdir(DESCRIPTORS)) <= before


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("socket", "EMFILE"),
        ("socketpair", "EMFILE"),
        ("epoll_create", "EMFILE"),
        ("connect", "ECONNREFUSED"),
        ("connect", "EADDRNOTAVAIL"),
        ("getsockopt", "ENOBUFS"),
        ("setsockopt", "EINVAL"),
        ("send", "ECONNRESET"),
        ("send", "EAGAIN"),
        ("sendmsg", "ECONNRESET"),
        ("sendmsg", "EAGAIN"),
        ("recv", "ECONNRESET"),
        ("recv", "EAGAIN"),
        ("waking recv", "EAGAIN"),
        ("waking send", "EAGAIN"),
        ("register", "ENOMEM"),
        ("modify", "ENOMEM"),
        ("unregister", "ENOENT"),
        ("poll", "EINTR"),
        ("shutdown", "ENOTCONN"),
        ("close", "EIO"),
    ],
)
def test_no_failing_call_harms_more_than_its_request(
    servers: Servers, kind: str, code: str
) -> None:
    fail_each_call(
        lambda kind, code, nth: one_run(servers, kind, code, nth), kind, getattr(errno, code)
    )


def test_a_run_makes_calls_of_nearly_every_kind(servers: Servers) -> None:
    made = one_run(servers, "", 0, 0).counts
    for kind in ("socket", "connect", "send", "recv", "register", "unregister", "close"):
        assert made[kind] > 0, kind
