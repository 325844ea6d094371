"""Descriptors: every one that is taken is given back, and a server that gets no more of them waits
in peace.

Theory: a leak is a difference between two counts, so the same work is done twice and the second
count must be the first. Running out is no error: it is a state, without spinning, that ends by
itself.
"""

import os
import sys
from collections.abc import Iterator

import pytest

from sigil import Limits, Request, Response
from tests.support.descriptors import count_descriptors
from tests.support.requests import GET
from tests.support.servers import Raw, end, make, pump, settle
from tests.support.subprocesses import lines_of


def app(request: Request) -> Response:
    """Answers, streams, mistakes."""

    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            yield bytes(65_536)

    match request.path:
        case "/stream":
            return Response.stream(chunks())
        case "/fail":
            raise LookupError
        case _:
            return Response.text("fine")


REQUESTS = (
    GET,
    GET[:10],
    b"",
    b"nonsense\r\n\r\n",
    b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /fail HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1234",
)


def one_life() -> None:
    """A server with hundreds of connections, of which a hundred are open when it ends."""
    server = make(app, Limits(max_connection_cnt=100))
    server.listen()
    for _ in range(3):
        crowd = [Raw(server, REQUESTS[index % len(REQUESTS)]) for index in range(110)]
        for client in crowd:
            client.reads = client.sock.fileno() % 2 == 0
        for _ in range(20):
            server.tick()
            for client in crowd:
                client.poll()
        for index, client in enumerate(crowd[:100]):
            client.reset() if index % 3 == 0 else client.close()
        for _ in range(20):
            server.tick()
        for client in crowd[100:]:
            client.close()
    last = [Raw(server, REQUESTS[index % len(REQUESTS)]) for index in range(100)]
    pump(server, lambda: len(server.clients()) >= 80, *last)
    end(server)
    for client in last:
        client.close()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="descriptors are counted in /proc")
def test_nothing_is_left_of_a_server_and_hundreds_of_connections() -> None:
    one_life()
    before = count_descriptors()
    for _ in range(2):
        one_life()
    assert count_descriptors() == before


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="descriptors are counted in /proc")
def test_nothing_is_left_of_servers_that_could_not_listen_or_never_did() -> None:
    first = make()
    first.listen()
    before = count_descriptors()
    for _ in range(20):
        make()
        with pytest.raises(OSError, match="in use"):
            make(port=first.port).listen()
        with pytest.raises(OSError, match="no such host"):
            make(host="256.0.0.1").listen()
    assert count_descriptors() == before
    end(first)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="descriptors are counted in /proc")
def test_a_server_that_listens_again_gives_back_what_it_had() -> None:
    server = make()
    before = count_descriptors()
    for _ in range(20):
        server.listen()
        with Raw(server, GET):
            settle(server)
            server.stop()
            pump(server, lambda: not server.running)
    assert count_descriptors() == before


# -- a process of its own, which may have 40 descriptors -------------------------------------------

STARVED = """
import resource, socket, threading, time
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
from sigil import Response, make_http_server

server = make_http_server(lambda request: Response.text("fine"), port=0)
server.listen()
crowd = []
try:
    while True:
        crowd.append(socket.create_connection(("127.0.0.1", server.port)))
except OSError:
    pass
# no descriptor is left in this process, and all of these connections wait in the backlog
ticks, started, cpu = 0, time.monotonic(), time.process_time()
while time.monotonic() - started < 1.2:
    server.tick(0.5)
    ticks += 1
print(ticks, time.process_time() - cpu, len(server.clients()), server.running, flush=True)
for sock in crowd[10:]:
    sock.close()
served = 0
for sock in crowd[:10]:
    sock.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
    sock.settimeout(0.01)
deadline = time.monotonic() + 60
done = set()
while len(done) < 10 and time.monotonic() < deadline:
    server.tick(0.05)
    for sock in crowd[:10]:
        if sock not in done:
            try:
                if sock.recv(1000).endswith(b"fine"):
                    done.add(sock)
            except (TimeoutError, BlockingIOError):
                pass
print(len(done), flush=True)
"""

UNOPENABLE = """
import os, resource
from sigil import Response, make_http_server
highest = max(map(int, os.listdir("/proc/self/fd")))
failures = []
for spare in range(0, 6):
    server = make_http_server(lambda request: Response.text("fine"), port=0)
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(40)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(held) + 1, 1024))
    for descriptor in held[len(held) - spare:]:
        os.close(descriptor)
    del held[len(held) - spare:]
    before = len(held)
    try:
        server.listen()
        failures.append((spare, "listens", server.running))
        server.stop(0)
        server.tick()
    except OSError:
        failures.append((spare, "OSError", server.running))
    except BaseException as error:
        failures.append((spare, type(error).__name__, server.running))
    for descriptor in held:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
    if not server.running:
        server.listen()
        server.stop(0)
        server.tick()
print(failures, flush=True)
"""


@pytest.mark.skipif(
    sys.platform != "linux", reason="limits of descriptors are counted as Linux does"
)
def test_a_server_without_descriptors_waits_in_peace_and_recovers_by_itself() -> None:
    first, second = lines_of(STARVED)
    ticks, seconds, _, running = first.split()
    assert int(ticks) < 30, "it spins"
    assert float(seconds) < 0.3, "it spins"
    assert running == "True"
    assert second == "10"


@pytest.mark.skipif(
    sys.platform != "linux", reason="limits of descriptors are counted as Linux does"
)
def test_a_server_that_cannot_get_the_descriptors_to_listen_raises_and_is_not_running() -> None:
    (line,) = lines_of(UNOPENABLE)
    outcomes = eval(line, {"__builtins__": {}})
    assert outcomes[-1] == (5, "listens", True)
    assert [outcome[1:] for outcome in outcomes[:4]] == [("OSError", False)] * 4
