"""More connections than descriptors: a server that is full to the brim, in each of the three ways
to run it, and by each policy.

Theory: a server takes no more connections than its process has descriptors for, whatever its limits
say, and evicts the idle ones for newcomers. Where newcomers are to wait, or where the program has
taken the descriptors, accepting may fail all the same; then the listener stays readable, and
whoever looks again at once looks for ever. So it is the processor time of a second of exhaustion
that tells, beside the answers.

Rules: the process may have 128 descriptors, as after `ulimit -n 128`. Descriptors are counted from
outside, before and after. It does not know how the server avoids to spin.
"""

import select
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from sigil import Limits
from sigil.shell.loop.descriptors import within_descriptors
from tests.adversity.subject import Subject, on_linux, subject
from tests.support.requests import GET
from tests.support.servers import PATIENCE, Raw

DESCRIPTORS, CROWD = 128, 150
FULL_SECONDS, WATCH_SECONDS = 0.5, 1.2
"""Without news for so long, the server is full; it looks again every second, so that much more
shows what it does.
"""
CPU_SECONDS_MAX = 0.4

SCRIPT = """
import asyncio, logging, resource, select, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
logging.disable(logging.CRITICAL)
from sigil import Limits, Response, http_server_serve, make_http_server

hoard = []

def app(request):
    if request.path == "/hoard":
        hoard.extend(open("/dev/null", "rb") for _ in range(90))
    if request.path == "/file":
        with open("/dev/null", "rb") as file:
            return Response.bytes(file.read())
    return Response.text("fine")

def in_start():
    server.start()

def in_asyncio():
    asyncio.run(http_server_serve(server))

def in_a_loop():
    while True:
        due = server.next_deadline()
        select.select([server], [], [], None if due is None else max(0.0, due - time.monotonic()))
        server.tick()

server = make_http_server(app, port=0, limits=Limits(full_policy=sys.argv[2]))
server.listen()
print(server.port, flush=True)
{"start": in_start, "asyncio": in_asyncio, "loop": in_a_loop}[sys.argv[1]]()
"""


@contextmanager
def crowd(process: Subject, count: int) -> Iterator[list[Raw]]:
    """Connections that have each asked once, and stay."""
    with ExitStack() as stack:
        yield [stack.enter_context(Raw(process.port, GET)) for _ in range(count)]


def poll_until_no_news(clients: list[Raw], seconds: float) -> None:
    """Read what comes until nobody is told anything for so long."""
    deadline = time.monotonic() + PATIENCE
    waiting = {client.sock: client for client in clients}
    while ready := select.select(list(waiting), [], [], seconds)[0]:
        assert time.monotonic() < deadline, "there is always news"
        for sock in ready:
            client = waiting[sock]
            client.poll()
            assert not client.over, "the server closed a connection"


def served(clients: list[Raw]) -> list[Raw]:
    """Those that have got their answer."""
    return [client for client in clients if client.received.endswith(b"fine")]


def exchange(client: Raw, request: bytes) -> bytes:
    """What comes back for one more request on a connection."""
    client.received.clear()
    client.send(request)
    deadline = time.monotonic() + PATIENCE
    while b"\r\n\r\n" not in client.received:
        assert select.select([client.sock], [], [], max(0.0, deadline - time.monotonic()))[0], (
            "no answer"
        )
        client.poll()
    return bytes(client.received)


def descriptors_at_rest(process: Subject) -> int:
    """Without those of connections: whoever left before somebody was answered has been noticed by
    then.
    """
    with Raw(process.port) as client:
        exchange(client, GET)
        return process.descriptors() - 1


def room(before: int) -> int:
    """Connections that there are to be at most, of a process with so many descriptors open."""
    left = DESCRIPTORS - before
    both = within_descriptors(Limits(), left)
    assert both.max_connection_cnt + both.max_ws_connection_cnt < left
    return both.max_connection_cnt


@on_linux
@pytest.mark.parametrize("way", ["start", "loop", "asyncio"])
def test_more_connections_than_descriptors_wait_in_peace(way: str) -> None:
    with subject(SCRIPT, way, "wait") as process:
        before = descriptors_at_rest(process)
        with crowd(process, CROWD) as clients:
            poll_until_no_news(clients, FULL_SECONDS)
            count = len(served(clients))
            assert room(before) <= count <= room(before) + 2, "a host loop has some of its own"
            cpu = process.cpu_seconds()
            poll_until_no_news(clients, WATCH_SECONDS)
            assert process.cpu_seconds() - cpu < CPU_SECONDS_MAX, "it spins"
            assert len(served(clients)) == count
            first = served(clients)[0]
            assert b" 200 " in exchange(first, GET), "who is in is served"
            assert b" 200 " in exchange(first, GET.replace(b"/ ", b"/file ")), (
                "the program has some left"
            )
            first.close()
            while waiting := [client for client in clients if client.sock.fileno() >= 0]:
                poll_until_no_news(waiting, FULL_SECONDS)
                assert served(waiting)
                for client in served(waiting):
                    client.close()
        deadline = time.monotonic() + PATIENCE
        while descriptors_at_rest(process) != before:
            assert time.monotonic() < deadline, "descriptors are left"


def poll_until_served(clients: list[Raw]) -> None:
    """Read what comes until everybody has had an answer, whoever is closed then."""
    deadline = time.monotonic() + PATIENCE
    while len(served(clients)) < len(clients):
        assert time.monotonic() < deadline, f"{len(served(clients))} have been answered"
        waiting = {client.sock: client for client in clients if not client.over}
        for sock in select.select(list(waiting), [], [], 0.1)[0]:
            waiting[sock].poll()


@on_linux
@pytest.mark.parametrize("path", ["/", "/hoard"])
@pytest.mark.parametrize("way", ["start", "loop", "asyncio"])
def test_idle_connections_keep_nobody_out_though_the_program_has_taken_descriptors(
    way: str, path: str
) -> None:
    with subject(SCRIPT, way, "evict") as process:
        with Raw(process.port) as first:
            assert b" 200 " in exchange(first, GET.replace(b"/ ", path.encode() + b" ", 1))
        with crowd(process, CROWD) as clients:
            poll_until_served(clients)
            assert process.descriptors() <= DESCRIPTORS
            cpu = process.cpu_seconds()
            last = [client for client in clients if not client.over]
            assert last
            poll_until_no_news(last, WATCH_SECONDS)
            assert process.cpu_seconds() - cpu < CPU_SECONDS_MAX, "it spins"
            assert b" 200 " in exchange(clients[-1], GET)
            with Raw(process.port) as newcomer:
                assert b" 200 " in exchange(newcomer, GET)
