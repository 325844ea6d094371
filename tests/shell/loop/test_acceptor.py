"""A host with several addresses: the server listens at each of them, on one port, and all that is
done with a listening socket is done with each.

Theory: a name like `localhost` means 127.0.0.1 and `::1`, and browsers choose. What a resolver says
is different on each machine, so here its answer is written down; addresses, ports and connections
are real. 127.0.0.2 is an address as good as `::1`, and is there without IPv6.
"""

import errno
import os
import resource
import selectors
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from sigil import HttpServer, Limits
from sigil.shell.loop.acceptor import Acceptor
from sigil.shell.loop.listen import AcceptStop, open_all
from sigil.shell.loop.poller import Poller
from tests.adversity.test_forked import forked
from tests.shell.loop.test_last_look import everything
from tests.shell.loop.test_listen import Found, needs_ipv6
from tests.support.command import APP, PATIENCE_SECONDS, running
from tests.support.requests import GET
from tests.support.servers import HOST, end, logged_by, make, pump

ALSO_HERE = "127.0.0.2"
NAME = "two.test"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="has 127.0.0.2 from the start")


def found_at(*hosts: str, port: int = 0) -> Found:
    """What a resolver says of a name that has these addresses."""
    return [
        (
            socket.AF_INET6 if ":" in host else socket.AF_INET,
            socket.SOCK_STREAM,
            socket.IPPROTO_TCP,
            "",
            (host, port, 0, 0) if ":" in host else (host, port),
        )
        for host in hosts
    ]


def resolve_to(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> None:
    """Let any name have these addresses, and be told twice, as a file of hosts may."""
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, port, **_: found_at(*hosts, *hosts, port=port)
    )


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """The addresses of every name."""
    resolve_to(monkeypatch, HOST, ALSO_HERE)
    return HOST, ALSO_HERE


def connect(host: str, port: int, data: bytes = GET) -> socket.socket:
    """A client of this address that has sent something."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    client = socket.socket(family, socket.SOCK_STREAM)
    client.settimeout(PATIENCE_SECONDS)
    client.connect((host, port))
    client.sendall(data)
    return client


def has_come(client: socket.socket) -> bool:
    """True if there is something to read."""
    with selectors.DefaultSelector() as selector:
        selector.register(client, selectors.EVENT_READ)
        return bool(selector.select(0.0))


def answered(server: HttpServer, host: str) -> bytes:
    """The first line of the answer at this address."""
    with connect(host, server.port) as client:
        pump(server, lambda: has_come(client))
        return client.recv(65_536).split(b"\r\n")[0]


def is_refused(host: str, port: int) -> bool:
    """True if nobody listens there."""
    try:
        connect(host, port, b"").close()
    except ConnectionRefusedError:
        return True
    return False


# -- listening -------------------------------------------------------------------------------------


@pytest.mark.parametrize("port", ["any", "chosen"])
@pytest.mark.parametrize(
    "hosts", [(HOST, ALSO_HERE), pytest.param((HOST, "::1"), marks=needs_ipv6)], ids=str
)
def test_each_address_is_listened_at_on_one_port(
    monkeypatch: pytest.MonkeyPatch, hosts: tuple[str, ...], port: str
) -> None:
    resolve_to(monkeypatch, *hosts)
    chosen = 0
    if port == "chosen":
        with closing(open_all(found_at(HOST), 1)[0]) as free:
            chosen = free.getsockname()[1]
    server = make(host="localhost", port=chosen)
    with logged_by("sigil.server") as lines:
        server.listen()
        assert server.port == chosen or not chosen
        assert [answered(server, host) for host in hosts] == [b"HTTP/1.1 200 OK"] * 2
        assert repr(server).startswith(f"<HttpServer http://localhost:{server.port}, ")
        end(server)
    where = f"http://localhost:{server.port}"
    assert lines == [f"listening on {where}", f"stopped listening on {where}"]
    assert all(is_refused(host, server.port) for host in hosts)
    server.listen()  # once more, at both
    assert [answered(server, host) for host in hosts] == [b"HTTP/1.1 200 OK"] * 2
    end(server)


@pytest.mark.parametrize("absent", ["203.0.113.1", "2001:db8::1"])
@pytest.mark.parametrize("is_first", [True, False])
def test_an_address_that_is_not_here_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, absent: str, is_first: bool
) -> None:
    resolve_to(monkeypatch, *([absent, HOST] if is_first else [HOST, absent]))
    server = make(host="localhost")
    server.listen()
    assert answered(server, HOST) == b"HTTP/1.1 200 OK"
    end(server)


def test_a_port_in_use_at_one_address_is_an_error_that_leaves_none_open(
    two: tuple[str, str],
) -> None:
    for taken, free in (two, reversed(two)):
        with socket.create_server((taken, 0)) as other:
            port = other.getsockname()[1]
            server = make(host=NAME, port=port)
            with pytest.raises(OSError, match=f"in use: {NAME}:{port}") as caught:
                server.listen()
            assert caught.value.errno == errno.EADDRINUSE
            assert is_refused(free, port) and not server.running


class InUseAtFirst(Found):
    """Addresses of which the second is in use whenever they are asked for, up to the last time."""

    def __init__(self, times: int) -> None:
        super().__init__(found_at(HOST, ALSO_HERE))
        self.times = times

    def __iter__(self) -> Iterator[tuple[int, int, int, str, tuple[str, int]]]:
        """The first address twice, where it cannot be bound a second time, or both."""
        self.times -= 1
        return iter(found_at(HOST, HOST if self.times > 0 else ALSO_HERE))


def test_a_free_port_is_looked_for_until_it_is_free_at_each_address() -> None:
    before = len(os.listdir("/proc/self/fd"))
    listeners = open_all(InUseAtFirst(6), 5)
    names = [listener.getsockname() for listener in listeners]
    assert names == [(HOST, names[0][1]), (ALSO_HERE, names[0][1])]
    for listener in listeners:
        listener.close()
    with pytest.raises(OSError, match="in use"):
        open_all(InUseAtFirst(1_000), 5)
    assert len(os.listdir("/proc/self/fd")) == before


@needs_ipv6
def test_no_host_is_every_address_of_both_kinds() -> None:
    server = make(host="")
    server.listen()
    assert {answered(server, host) for host in (HOST, ALSO_HERE, "::1")} == {b"HTTP/1.1 200 OK"}
    end(server)


# -- accepting -------------------------------------------------------------------------------------


@contextmanager
def accepting(count: int) -> Iterator[tuple[Acceptor, Poller, list[socket.socket]]]:
    """An acceptor of two addresses, what watches it, and so many clients at each."""
    with ExitStack() as stack:
        poller = Poller()
        stack.callback(poller.close)
        listeners = open_all(found_at(HOST, ALSO_HERE), 50)
        acceptor = Acceptor(listeners, poller, Limits().tcp_notsent_lowat, True)
        stack.callback(acceptor.close)
        clients = [
            stack.enter_context(connect(host, listener.getsockname()[1]))
            for listener, host in zip(listeners, (HOST, ALSO_HERE), strict=True)
            for _ in range(count)
        ]
        yield acceptor, poller, clients


def hosts_accepted(acceptor: Acceptor, max_count: int) -> list[str]:
    """The addresses at which so many connections are accepted."""
    accepted = acceptor.accept(max_count)
    hosts = [str(sock.getsockname()[0]) for sock, _ in accepted.sockets]
    for sock, _ in accepted.sockets:
        sock.close()
    return hosts


def test_no_more_are_accepted_than_asked_for_and_addresses_take_turns() -> None:
    with accepting(8) as (acceptor, _, _):
        assert hosts_accepted(acceptor, 0) == []
        assert hosts_accepted(acceptor, 3) == [ALSO_HERE] * 3
        assert hosts_accepted(acceptor, 3) == [HOST] * 3
        assert hosts_accepted(acceptor, 7) == [ALSO_HERE] * 5 + [HOST] * 2
        assert sorted(hosts_accepted(acceptor, 50)) == [HOST] * 3
        assert acceptor.accept(50).stopped is AcceptStop.NO_MORE


def options_of(sock: socket.socket) -> tuple[int, int]:
    """Whether small segments leave at once, and how much the kernel holds of what was not sent."""
    return (
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT),
    )


def test_a_connection_has_its_options_whether_it_came_before_the_acceptor_or_later() -> None:
    with ExitStack() as stack:
        (listener,) = open_all(found_at(HOST), 50)
        address = listener.getsockname()
        early = [stack.enter_context(socket.create_connection(address)) for _ in range(3)]
        poller = Poller()
        stack.callback(poller.close)
        acceptor = Acceptor([listener], poller, 77_777, True)
        stack.callback(acceptor.close)
        found = []
        for count in (2, 50, 50):
            sockets = acceptor.accept(count).sockets
            late = stack.enter_context(socket.create_connection(address))
            found.append([options_of(stack.enter_context(sock)) for sock, _ in sockets])
        assert (len(early), late.fileno() > 0) == (3, True)
        assert found == [[(1, 77_777)] * 2, [(1, 77_777)] * 2, [(1, 77_777)]]


def test_without_descriptors_there_is_a_pause_at_each_address() -> None:
    with accepting(1) as (acceptor, poller, _):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with closing(socket.socket()) as last:
            resource.setrlimit(resource.RLIMIT_NOFILE, (last.fileno() + 1, hard))
            try:
                with logged_by("sigil.server") as lines:
                    accepted = acceptor.accept(50)
                    acceptor.end_tick(has_room=True, is_freed=False)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert (accepted.sockets, accepted.error) == ([], errno.EMFILE)
        assert lines == ["no descriptors are left: accepting no connections for 1 s"]
        assert poller.wait(0.0) == [] and acceptor.resumes_at is not None
        acceptor.end_pause(acceptor.resumes_at)
        acceptor.end_tick(has_room=True, is_freed=False)
        assert [owner for owner, _ in poller.wait(0.0)] == [acceptor] * 2
        assert sorted(hosts_accepted(acceptor, 50)) == [HOST, ALSO_HERE]


def test_newcomers_at_each_address_wait_while_there_is_no_room(two: tuple[str, str]) -> None:
    limits = Limits(max_connection_cnt=1, max_ws_connection_cnt=1, full_policy="wait")
    server = make(host=NAME, limits=limits)
    server.listen()
    with ExitStack() as stack:
        first = stack.enter_context(connect(two[0], server.port))
        pump(server, lambda: has_come(first))
        others = [stack.enter_context(connect(host, server.port)) for host in two * 3]
        for _ in range(20):
            server.tick()
        assert not any(has_come(client) for client in others)
        assert server.stats().accepted == 1
        first.close()
        while others:
            pump(server, lambda: any(has_come(client) for client in others))
            (served,) = [client for client in others if has_come(client)]
            assert served.recv(65_536).startswith(b"HTTP/1.1 200 OK")
            others.remove(served)
            served.close()
    end(server)


# -- ends ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("grace", [0.0, 5.0])
def test_newcomers_at_each_address_are_answered_at_a_stop(
    two: tuple[str, str], grace: float
) -> None:
    server = make(host=NAME)
    server.listen()
    clients = [connect(host, server.port) for host in two * 20]
    server.stop(grace)
    while server.running:
        server.tick(0.01)
    statuses = {everything(client)[:12] for client in clients}
    assert statuses <= {b"HTTP/1.1 200", b"HTTP/1.1 503"}
    assert grace == 0.0 or statuses == {b"HTTP/1.1 200"}
    for client in clients:
        client.close()


def test_a_child_process_keeps_no_address_taken(two: tuple[str, str]) -> None:
    server = make(host=NAME)
    server.listen()
    with forked():
        end(server)
        assert all(is_refused(host, server.port) for host in two)
        again = make(host=NAME, port=server.port)
        again.listen()
        assert {answered(again, host) for host in two} == {b"HTTP/1.1 200 OK"}
        end(again)


# -- the command -----------------------------------------------------------------------------------

RESOLVER = f"""
import socket
ask = socket.getaddrinfo
socket.getaddrinfo = lambda host, *words, **more: (
    ask({HOST!r}, *words, **more) + ask({ALSO_HERE!r}, *words, **more)
)
"""


@pytest.mark.parametrize("target", ["web:app", "web:later"])
def test_the_command_listens_at_each_address(tmp_path: Path, target: str) -> None:
    (tmp_path / "web.py").write_text(APP + RESOLVER)
    with running("serve", target, "--host", "localhost", folder=tmp_path) as server:
        assert server.first_line == f"listening on http://localhost:{server.port}\n"
        for host in (HOST, ALSO_HERE):
            with connect(host, server.port) as client:
                assert client.recv(65_536).startswith(b"HTTP/1.1 200 OK")
        ended = server.end()
    assert (ended.status, ended.err.count("listening on http://localhost")) == (0, 2)
