"""Every system call of a conversation fails in turn, in every way that its manual page knows.

Theory: one scripted conversation has all that a server does: pipelined requests, bodies, a stream,
a reader that stalls, an answer that comes late, a refusal, one connection too many, a client that
breaks off, and a stop. It is run again for each call and each error, with the first, the second,
the third of these calls failing, until none is left.

Rules: whatever failed, no exception leaves the server; everybody but the client whose call it was
gets the answers that are due, to the byte; the server comes to its end, every connection that was
opened is closed once, and no descriptor is left. Only `listen` may raise, an OSError, and then the
next `listen` works. It does not know which calls the server makes, nor how often: the layer counts.
"""

import errno
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from sigil import Callbacks, CloseReason, Conn, Deferred, HttpServer, Limits, Request, Response
from tests.adversity.failing import HAS_EPOLL, Fault, fail_each_call, install
from tests.support.builds import needs_pure_sources
from tests.support.descriptors import count_descriptors
from tests.support.servers import Raw, end, make, pump

pytestmark = [
    pytest.mark.skipif(not HAS_EPOLL, reason="the layer counts what Linux does"),
    needs_pure_sources,
]

LIMITS = Limits(
    max_connection_cnt=7,
    full_policy="503",
    max_outbox_len=65_536,
    max_unsent_response_len=65_536,
    linger_timeout=1.0,
)
LARGE = bytes(range(256)) * 1_200
PIECES = [bytes([number]) * 3_000 for number in range(12)]
HEAD = b" HTTP/1.1\r\nHost: a\r\n"


class Program:
    """What is served, and what it was told."""

    def __init__(self) -> None:
        self.promises: list[Deferred] = []
        self.opened: list[Conn] = []
        self.closed: list[Conn] = []
        self.streams_open = 0

    def handle(self, request: Request) -> Response | Deferred:
        """Answers of every kind."""
        match request.path:
            case "/stream":
                return Response.stream(self.chunks())
            case "/large":
                return Response.bytes(LARGE)
            case "/late":
                self.promises.append(Deferred())
                return self.promises[-1]
            case _:
                return Response.bytes(request.path.encode() + request.body)

    def chunks(self) -> Iterator[bytes]:
        """A stream that knows whether it was closed."""
        self.streams_open += 1
        try:
            yield from PIECES
        finally:
            self.streams_open -= 1

    def keep_promises(self) -> bool:
        """Give every answer that is late; True."""
        for promise in self.promises:
            promise.resolve(Response.text("late"))
        return True

    def open(self, server: HttpServer, conn: Conn) -> None:
        """Somebody came."""
        self.opened.append(conn)

    def close(self, server: HttpServer, conn: Conn, reason: CloseReason) -> None:
        """Somebody left."""
        self.closed.append(conn)


class Part(NamedTuple):
    """What a client of the conversation sends, first and later, and the bodies of the answers it
    must get.
    """

    first: bytes
    later: bytes
    bodies: list[bytes]


PARTS = (
    Part(
        b"".join(b"GET /%d" % number + HEAD + b"\r\n" for number in range(4)),
        b"",
        [b"/0", b"/1", b"/2", b"/3"],
    ),
    Part(b"POST /body" + HEAD + b"Content-Length: 8\r\n\r\nhalf", b"half", [b"/bodyhalfhalf"]),
    Part(b"GET /stream" + HEAD + b"\r\n", b"", [b"".join(PIECES)]),
    Part(b"GET /large" + HEAD + b"\r\n", b"GET /after" + HEAD + b"\r\n", [LARGE, b"/after"]),
    Part(b"GET /late" + HEAD + b"\r\nGET /behind" + HEAD + b"\r\n", b"", [b"late", b"/behind"]),
    Part(b"GET /bad\r\n\r\n", b"", [b"400"]),
)
STALLS, WAITS, IS_REFUSED = 3, 4, 5


def is_content(client: Raw, part: Part) -> bool:
    """True once a client has what is due to it."""
    answers = client.answers(*("GET",) * len(part.bodies))
    if len(answers) != len(part.bodies) or not answers[-1].is_whole:
        return False
    return all(
        answer.body.startswith(body) if answer.status == 400 else answer.body == body
        for answer, body in zip(answers, part.bodies, strict=True)
    )


def converse(server: HttpServer, program: Program, fault: Fault) -> None:
    """The conversation; whoever was hit by the fault is not asked whether it is content."""
    fault.is_armed = False
    port = server.port
    fault.is_armed = True
    clients = [
        Raw(port, part.first, receive_buffer=4_096 if index == STALLS else 0)
        for index, part in enumerate(PARTS)
    ]
    ports = [client.sock.getsockname()[1] for client in clients]
    breaker = Raw(port, PARTS[1].first)
    clients[STALLS].reads = False

    def is_gone(index: int) -> bool:
        return fault.has_harmed(ports[index])

    def is_well(index: int) -> bool:
        return is_gone(index) or is_content(clients[index], PARTS[index])

    pump(server, lambda: server.stats().accepted == 7, *clients, breaker)
    surplus = Raw(port, PARTS[0].first)
    everybody = [*clients, surplus]
    pump(server, lambda: surplus.over or bool(fault.hits), *everybody, breaker)
    pump(server, lambda: bool(program.promises) or is_gone(WAITS), *everybody, breaker)
    breaker.reset()
    for client, part in zip(clients, PARTS, strict=True):
        client.send(part.later)
    pump(
        server,
        lambda: (
            program.keep_promises()
            and all(is_well(index) for index in range(len(clients)) if index != STALLS)
        ),
        *everybody,
    )
    clients[STALLS].reads = True
    pump(server, lambda: all(map(is_well, range(len(clients)))), *everybody)
    server.stop(5.0)
    pump(
        server,
        lambda: program.keep_promises() and all(client.over for client in everybody),
        *everybody,
    )
    for client in everybody:
        client.close()
    pump(server, lambda: not server.running)


def listen(server: HttpServer, fault: Fault) -> None:
    """Listen; if the fault is in the way, not at all, and then the second time."""
    try:
        server.listen()
    except OSError:
        assert fault.hits, "listen() failed by itself"
        assert not server.running, "listen() raised, and the server is running"
        with pytest.raises(RuntimeError):
            server.fileno()
        server.listen()


def one_run(kind: str, code: int, nth: int) -> Fault:
    """The conversation with one fault in it, and the checks that follow it."""
    fault, program = Fault(kind, code, nth), Program()
    before = count_descriptors()
    with pytest.MonkeyPatch.context() as patch:
        install(patch, fault)
        patch.setattr("sigil.shell.loop.acceptor.PAUSE_SECONDS", 0.01)
        server = make(program.handle, LIMITS, Callbacks(program.open, program.close))
        try:
            listen(server, fault)
            converse(server, program, fault)
        finally:
            fault.is_armed = False
            end(server)
    stats = server.stats()
    assert stats.accepted == sum(stats.closed.values())
    assert program.opened == sorted(program.opened, key=lambda conn: conn.generation)
    assert sorted(program.closed) == sorted(program.opened)
    assert len(program.opened) == stats.accepted
    assert program.streams_open == 0
    assert count_descriptors() <= before, "a descriptor was left"
    return fault


# -- the calls and their errors --------------------------------------------------------------------

NETWORK = (
    "EAGAIN",
    "EINTR",
    "ECONNRESET",
    "EPIPE",
    "ENOBUFS",
    "ENOMEM",
    "ETIMEDOUT",
    "EHOSTUNREACH",
    "ENOTCONN",
)

FAULTS = {
    "accept": (
        "EAGAIN",
        "EINTR",
        "ECONNABORTED",
        "EMFILE",
        "ENFILE",
        "ENOBUFS",
        "ENOMEM",
        "EPERM",
        "EPROTO",
        "ETIMEDOUT",
        "EHOSTUNREACH",
    ),
    "recv": (*NETWORK, "ECONNREFUSED"),
    "send": (*NETWORK, "EPERM"),
    "sendmsg": (*NETWORK, "EPERM"),
    "shutdown": ("ENOTCONN", "ENOBUFS", "ECONNRESET"),
    "setsockopt": ("EINVAL", "ENOPROTOOPT", "ENOBUFS", "ENOMEM", "ECONNRESET"),
    "getsockname": ("ENOBUFS",),
    "getpeername": ("ENOBUFS", "ENOTCONN"),
    "close": ("EINTR", "EIO"),
    "waking recv": ("EAGAIN", "EINTR", "ENOMEM", "ENOBUFS"),
    "waking send": ("EAGAIN", "EINTR", "ENOMEM", "ENOBUFS"),
    "waking close": ("EINTR", "EIO"),
    "poll": ("EINTR",),
    "register": ("ENOMEM", "ENOSPC", "EPERM"),
    "modify": ("ENOMEM",),
    "unregister": ("ENOMEM",),
    "epoll_create": ("EMFILE", "ENFILE", "ENOMEM"),
    "socketpair": ("EMFILE", "ENFILE", "ENOBUFS"),
    "socket": ("EMFILE", "ENFILE", "ENOBUFS"),
    "bind": ("EADDRINUSE", "EACCES", "EADDRNOTAVAIL", "ENOMEM"),
    "listen": ("EADDRINUSE", "EOPNOTSUPP"),
}
"""Calls, and what their manual pages say they may answer."""


@pytest.mark.parametrize(
    ("kind", "code"), [(kind, code) for kind, codes in FAULTS.items() for code in codes]
)
def test_no_failing_call_harms_anybody_but_whom_it_was_made_for(kind: str, code: str) -> None:
    fail_each_call(one_run, kind, getattr(errno, code))


def test_the_conversation_makes_calls_of_every_kind() -> None:
    counts = one_run("", 0, 0).counts
    assert {kind for kind in FAULTS if not counts[kind]} == {"getpeername"}
