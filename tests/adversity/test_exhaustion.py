"""More connections than descriptors: a server that is full to the brim, in each of the three ways
to run it.

Theory: when accepting fails for want of a descriptor, the listener stays readable, and whoever
looks again at once looks for ever. So it is the processor time of a second of exhaustion that
tells, beside the answers.

Rules: the process may have 128 descriptors, as after `ulimit -n 128`. Nobody in it closes anything
to help: it must recover when clients leave. Descriptors are counted from outside, before and after.
It does not know how the server avoids to spin.
"""

import select
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.adversity.subject import Subject, on_linux, subject
from tests.support.requests import GET
from tests.support.servers import PATIENCE, Raw

DESCRIPTORS, CROWD = 128, 200
FULL_SECONDS, WATCH_SECONDS = 0.5, 1.2
"""Without news for so long, the server is full; it looks again every second, so that much more
shows what it does.
"""
CPU_SECONDS_MAX = 0.4

SCRIPT = """
import asyncio, logging, resource, select, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
logging.disable(logging.CRITICAL)
from sigil import Response, http_server_serve, make_http_server

def app(request):
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

server = make_http_server(app, port=0)
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


@on_linux
@pytest.mark.parametrize("way", ["start", "loop", "asyncio"])
def test_more_connections_than_descriptors_are_survived_in_peace(way: str) -> None:
    with subject(SCRIPT, way) as process:
        before = descriptors_at_rest(process)
        with crowd(process, CROWD) as clients:
            poll_until_no_news(clients, FULL_SECONDS)
            count = len(served(clients))
            assert before + count == DESCRIPTORS
            cpu = process.cpu_seconds()
            poll_until_no_news(clients, WATCH_SECONDS)
            assert process.cpu_seconds() - cpu < CPU_SECONDS_MAX, "it spins"
            assert len(served(clients)) == count
            assert b" 200 " in exchange(served(clients)[0], GET), "who is in is served"
            assert b" 500 " in exchange(served(clients)[1], GET.replace(b"/ ", b"/file ")), (
                "a handler gets none either"
            )
            for client in served(clients)[:100]:
                client.close()
            rest = [client for client in clients if client.sock.fileno() >= 0]
            poll_until_no_news(rest, WATCH_SECONDS)
            assert len(served(rest)) == len(rest) - 1, "all but the one whose handler failed"
        deadline = time.monotonic() + PATIENCE
        while descriptors_at_rest(process) != before:
            assert time.monotonic() < deadline, "descriptors are left"
