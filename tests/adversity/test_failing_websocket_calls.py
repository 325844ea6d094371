"""Every system call of a conversation over WebSockets fails in turn.

Theory: as in `test_failing_calls`, the same scene is played again and again with one more call
failing each time; here it is an echo, a message to everybody, a reader that stalls, a client that
breaks off in the middle of a frame, and closes from both sides.

Rules: no exception leaves the server; whoever was not hit hears all that is said to it and the
close; the books of the program are balanced, and no descriptor is left. It does not know which
calls are made.
"""

import errno

import pytest

from sigil import HttpServer, Limits
from tests.adversity.failing import HAS_EPOLL, Fault, fail_each_call, install
from tests.adversity.test_failing_calls import FAULTS, listen
from tests.adversity.wsproto_client import CallbackBook, WsprotoClient, binary, closing, text
from tests.support.builds import needs_pure_sources
from tests.support.descriptors import count_descriptors
from tests.support.servers import end, make, pump

pytestmark = [
    pytest.mark.skipif(not HAS_EPOLL, reason="the layer counts what Linux does"),
    needs_pure_sources,
]

LARGE = bytes(range(256)) * 1_200
KINDS = {
    kind: FAULTS[kind]
    for kind in (
        "recv",
        "send",
        "sendmsg",
        "shutdown",
        "close",
        "register",
        "modify",
        "unregister",
        "poll",
        "accept",
    )
}


def converse(server: HttpServer, books: CallbackBook, fault: Fault) -> None:
    """An echo, a large echo that stalls, a broadcast, a client that breaks off, and the end."""
    speaker, staller = (
        WsprotoClient(server, text("hello")),
        WsprotoClient(server, binary(LARGE), receive_buffer=4_096),
    )
    breaker = WsprotoClient(server, binary(LARGE)[:1_000])
    staller.reads = False
    everybody = (speaker, staller, breaker)
    ports = {client: client.sock.getsockname()[1] for client in everybody}

    def hears(client: WsprotoClient, last: object) -> bool:
        return fault.has_harmed(ports[client]) or last in client.read_messages()

    def begins(client: WsprotoClient) -> bool:
        return fault.has_harmed(ports[client]) or client.is_open

    pump(
        server, lambda: begins(speaker) and begins(breaker) and hears(speaker, "hello"), *everybody
    )
    breaker.reset()
    staller.reads = True
    pump(server, lambda: hears(staller, LARGE), *everybody)
    server.broadcast("to everybody")
    pump(
        server,
        lambda: hears(speaker, "to everybody") and hears(staller, "to everybody"),
        *everybody,
    )
    speaker.send(closing(1001))
    pump(server, lambda: hears(speaker, "closed 1001"), *everybody)
    for conn in server.clients():
        server.close(conn, 3000)
    pump(server, lambda: hears(staller, "closed 3000"), *everybody)
    for client in everybody:
        client.close()
    server.stop(1.0)
    pump(server, lambda: not server.running)


def one_run(kind: str, code: int, nth: int) -> Fault:
    """The scene with one fault in it, and the checks that follow it."""
    fault, books, before = Fault(kind, code, nth), CallbackBook(), count_descriptors()
    with pytest.MonkeyPatch.context() as patch:
        install(patch, fault)
        patch.setattr("sigil.shell.loop.acceptor.PAUSE_SECONDS", 0.01)
        server = make(books.handle, Limits(linger_timeout=1.0), books.callbacks())
        try:
            listen(server, fault)
            converse(server, books, fault)
        finally:
            fault.is_armed = False
            end(server)
    stats = server.stats()
    assert stats.accepted == sum(stats.closed.values()) == len(books.lives)
    assert stats.outbox_bytes == 0
    books.assert_whole()
    assert count_descriptors() <= before, "a descriptor was left"
    return fault


@pytest.mark.parametrize(
    ("kind", "code"), [(kind, code) for kind, codes in KINDS.items() for code in codes]
)
def test_no_failing_call_harms_a_conversation_but_its_own(kind: str, code: str) -> None:
    fail_each_call(one_run, kind, getattr(errno, code))


def test_the_conversation_makes_calls_of_these_kinds() -> None:
    counts = one_run("", 0, 0).counts
    assert {kind for kind in KINDS if not counts[kind]} <= {"sendmsg"}
