"""Connections that somebody else has accepted, and loops that poll every descriptor by themselves.

Theory: what is adopted is served as if it had come here, so a client that was accepted by another
socket is asked what it sees. A loop that owns its poll set knows of each descriptor by the hooks
alone; if it missed one, somebody would wait for ever.
"""

import asyncio
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from sigil import Callbacks, Conn, HttpServer, Limits, Peer, PollHooks, Request, Response
from sigil.core.effects import ERROR_LOG
from tests.support.requests import GET
from tests.support.servers import (
    HOST,
    PATIENCE,
    Raw,
    end,
    hello,
    in_thread,
    logged_by,
    make,
    pump,
    settle,
    ticking,
)
from tests.support.websocket_client import WebSocketClient, text, upgrade


class Lobby:
    """A listening socket of somebody else; `host` and `port` are as a server's."""

    def __init__(self) -> None:
        self.listener = socket.create_server((HOST, 0))
        self.host, self.port = self.listener.getsockname()

    def accept(self) -> socket.socket:
        return self.listener.accept()[0]


@pytest.fixture
def lobby() -> Iterator[Lobby]:
    made = Lobby()
    yield made
    made.listener.close()


def test_who_was_accepted_elsewhere_is_served_here(lobby: Lobby) -> None:
    with ticking() as server, Raw(lobby, GET) as client:  # type: ignore[arg-type]
        accepted = lobby.accept()
        address = accepted.getpeername()
        conn = server.adopt_socket(accepted)
        assert isinstance(conn, Conn)
        assert server.clients() == (conn,)
        assert server.peer(conn) == Peer(*address)
        pump(server, client.answers, client)
        assert client.answers()[0].text == "hello /"


@pytest.mark.parametrize("cut", [1, 10, len(GET), len(GET) + 5])
def test_what_was_read_is_dealt_with_first(lobby: Lobby, cut: int) -> None:
    everything = GET + GET.replace(b"/ ", b"/second ", 1)
    with ticking() as server, Raw(lobby, everything) as client:  # type: ignore[arg-type]
        accepted = lobby.accept()
        preread = accepted.recv(cut, socket.MSG_WAITALL)
        assert server.adopt_socket(accepted, preread) is not None
        pump(server, lambda: len(client.answers("GET", "GET")) == 2, client)
        assert [each.text for each in client.answers("GET", "GET")] == ["hello /", "hello /second"]


def test_more_than_one_read_brings_may_have_been_read(lobby: Lobby) -> None:
    limits = Limits(max_read_len=4_096)
    body = bytes(range(256)) * 200
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
    seen: list[bytes] = []

    def app(request: Request) -> Response:
        seen.append(request.body)
        return Response.text("all")

    with ticking(app, limits) as server, Raw(lobby) as client:  # type: ignore[arg-type]
        server.adopt_socket(lobby.accept(), memoryview(head + body[:-1]))
        client.send(body[-1:])
        pump(server, client.answers, client)
        assert seen == [body]


def test_a_websocket_is_one_whose_handshake_was_read(lobby: Lobby) -> None:
    callbacks = Callbacks(ws_message=lambda server, conn, data: server.send(conn, data))
    with (
        ticking(upgrade, callbacks=callbacks) as server,
        WebSocketClient(lobby) as client,  # type: ignore[arg-type]
    ):
        accepted = lobby.accept()
        server.adopt_socket(accepted, accepted.recv(65_536))
        pump(server, lambda: client.is_open, client)
        client.send(text("hello"))
        pump(server, lambda: client.messages == [b"hello"], client)


def test_one_of_a_pair_has_the_peer_that_is_said() -> None:
    ours, theirs = socket.socketpair()
    with ticking() as server, theirs:
        conn = server.adopt_socket(ours, GET, Peer("10.1.2.3", 99))
        assert conn is not None and server.peer(conn) == Peer("10.1.2.3", 99)
        settle(server)
        assert theirs.recv(65_536).endswith(b"hello /")


def test_a_handler_may_adopt_and_the_answer_leaves_in_the_same_tick() -> None:
    ours, theirs = socket.socketpair()

    def app(request: Request) -> Response:
        if request.path == "/inner":
            return Response.text("inner")
        assert server.adopt_socket(ours, GET.replace(b"/ ", b"/inner ", 1)) is not None
        return Response.text("outer")

    with ticking(app) as server, theirs, Raw(server, GET) as client:
        theirs.setblocking(False)
        pump(server, client.answers, client)
        assert theirs.recv(65_536).endswith(b"inner")


def test_from_another_thread_it_is_taken_in_the_next_tick(lobby: Lobby) -> None:
    opened: list[Conn] = []
    callbacks = Callbacks(open=lambda server, conn: opened.append(conn))
    server = make(callbacks=callbacks)
    with in_thread(server), Raw(lobby, GET) as client:  # type: ignore[arg-type]
        assert server.adopt_socket(lobby.accept()) is None
        give_up_at = time.monotonic() + PATIENCE
        while not client.answers():
            client.poll()
            assert time.monotonic() < give_up_at
    assert len(opened) == 1


@pytest.mark.parametrize("policy", ["503", "wait"])
def test_what_cannot_be_taken_is_closed(lobby: Lobby, policy: str) -> None:
    with ticking(limits=Limits(max_connection_cnt=1, full_policy=policy)) as server:  # type: ignore[arg-type]
        with Raw(lobby) as first, Raw(lobby) as second:  # type: ignore[arg-type]
            assert server.adopt_socket(lobby.accept()) is not None
            assert server.adopt_socket(lobby.accept()) is None
            pump(server, second.answers, first, second)
            assert second.answers()[0].status == 503
        alone = socket.socket()
        assert server.adopt_socket(alone) is None
        assert alone.fileno() == -1, "it is not connected"
    late = socket.socketpair()
    assert server.adopt_socket(late[0]) is None and late[0].fileno() == -1
    late[1].close()


def test_where_somebody_gives_way_it_is_taken(lobby: Lobby) -> None:
    with (
        ticking(limits=Limits(max_connection_cnt=1, full_policy="evict")) as server,
        Raw(lobby) as first,  # type: ignore[arg-type]
        Raw(lobby, GET) as second,  # type: ignore[arg-type]
    ):
        conns = [server.adopt_socket(lobby.accept()) for _ in range(2)]
        assert None not in conns and server.clients() == (conns[1],)
        pump(server, second.answers, first, second)
        assert second.answers()[0].text == "hello /"


def test_who_is_not_admitted_is_not_adopted() -> None:
    ours, theirs = socket.socketpair()
    with ticking(callbacks=Callbacks(admit=lambda server, peer: False)) as server, theirs:
        assert server.adopt_socket(ours) is None
        assert theirs.recv(1) == b""


def test_what_is_no_stream_socket_is_refused_and_left_alone() -> None:
    with ticking() as server, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        with pytest.raises(TypeError, match="a stream socket"):
            server.adopt_socket(datagrams)
        assert datagrams.fileno() >= 0
        with pytest.raises(TypeError, match=r"plain socket\.socket, not int"):
            server.adopt_socket(3)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="bytes, not str"):
            server.adopt_socket(socket.socket(), "x")  # type: ignore[arg-type]


# -- loops that own the poll set -------------------------------------------------------------------


class PollLoop:
    """A loop over `select.poll` which knows of the server's descriptors by the hooks alone."""

    def __init__(self) -> None:
        self.poll = select.poll()
        self.watched: dict[int, int] = {}
        self.hooks = PollHooks(self.add, self.change, self.delete)
        self.added: list[int] = []

    def add(self, descriptor: int, events: int) -> None:
        assert descriptor not in self.watched and os.fstat(descriptor)
        self.watched[descriptor] = events
        self.added.append(descriptor)
        self.poll.register(descriptor, events)

    def change(self, descriptor: int, events: int) -> None:
        assert self.watched[descriptor] != events, "nobody is told what is so already"
        self.watched[descriptor] = events
        self.poll.modify(descriptor, events)

    def delete(self, descriptor: int) -> None:
        assert os.fstat(descriptor), "it is still open"
        del self.watched[descriptor]
        self.poll.unregister(descriptor)

    def turn(self, server: HttpServer) -> None:
        """One turn: wait for all descriptors, or the deadline."""
        deadline = server.next_deadline()
        wait = PATIENCE if deadline is None else max(0.0, deadline - time.monotonic())
        ready = self.poll.poll(min(wait, 0.01) * 1_000)
        for descriptor, events in ready:
            assert server.service_fd(descriptor, events) or descriptor not in self.watched
        if deadline is not None and deadline <= time.monotonic():
            server.tick()


@contextmanager
def hooked(hooks: PollHooks, handler: Callable[..., object] = hello) -> Iterator[HttpServer]:
    server = make(handler, callbacks=Callbacks(ws_message=lambda s, conn, data: s.send(conn, data)))
    server.listen(poll_hooks=hooks)
    try:
        yield server
    finally:
        end(server)


def test_a_loop_on_poll_that_owns_all_descriptors_serves() -> None:
    def app(request: Request) -> Response:
        if request.is_upgrade:
            return Response.upgrade()
        return Response.bytes(bytes(8_000_000)) if request.path == "/large" else hello(request)

    loop = PollLoop()
    with hooked(loop.hooks, app) as server:
        large = GET.replace(b"/ ", b"/large ", 1)
        with (
            WebSocketClient(server) as talker,
            Raw(server, GET) as asker,
            Raw(server, large) as slow,
        ):
            is_sent = False
            give_up_at = time.monotonic() + PATIENCE
            while not (asker.answers() and talker.messages and len(slow.received) > 8_000_000):
                loop.turn(server)
                for client in (talker, asker, slow):
                    client.poll()
                if talker.is_open and not is_sent:
                    is_sent = True
                    talker.send(text("hello"))
                assert time.monotonic() < give_up_at
            assert talker.messages == [b"hello"]
        assert len(loop.watched) >= 2  # the listening socket, and what wakes it
    assert loop.watched == {}
    assert len(loop.added) >= 5


def test_a_loop_of_asyncio_that_owns_all_descriptors_serves() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        server: HttpServer

        def change(descriptor: int, events: int) -> None:
            for bit, add, remove in (
                (select.POLLIN, loop.add_reader, loop.remove_reader),
                (select.POLLOUT, loop.add_writer, loop.remove_writer),
            ):
                if events & bit:
                    add(descriptor, server.service_fd, descriptor, bit)
                else:
                    remove(descriptor)

        server = make()
        server.listen(poll_hooks=PollHooks(change, change, lambda fd: change(fd, 0)))
        for _ in range(3):
            reader, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(GET)
            async with asyncio.timeout(PATIENCE):
                assert await reader.readuntil(b"hello /")
            writer.close()
        server.stop(0)
        async with asyncio.timeout(PATIENCE):
            while server.running:
                await asyncio.sleep(0.001)

    asyncio.run(main())


def test_a_descriptor_of_somebody_else_is_left_alone() -> None:
    loop = PollLoop()
    ours, theirs = socket.socketpair()
    with hooked(loop.hooks) as server, ours, theirs:
        theirs.send(b"!")
        before = server._tick_count
        assert server.service_fd(ours.fileno(), select.POLLIN) is False
        assert server.service_fd(-1, select.POLLIN) is False
        assert server.service_fd(10_000, select.POLLIN) is False
        assert server._tick_count == before and ours.recv(1) == b"!"
        (listening, *_) = loop.watched
        assert server.service_fd(listening, 0) is True and server._tick_count == before
        assert server.service_fd(server.fileno(), select.POLLIN) is True
    assert server.service_fd(listening, select.POLLIN) is False, "it has ended"


def test_what_another_thread_calls_for_is_seen_in_the_poll_set() -> None:
    loop = PollLoop()
    with hooked(loop.hooks, upgrade) as server, WebSocketClient(server) as client:
        give_up_at = time.monotonic() + PATIENCE
        while not client.is_open:
            loop.turn(server)
            client.poll()
            assert time.monotonic() < give_up_at
        thread = threading.Thread(target=server.broadcast, args=("from a thread",))
        thread.start()
        thread.join()
        while not client.messages:
            loop.turn(server)
            client.poll()
            assert time.monotonic() < give_up_at


def test_without_hooks_the_descriptors_are_still_known() -> None:
    with ticking() as server, Raw(server, GET) as client:
        descriptor = server.fileno()
        pump_by_service(server, descriptor, client)
        assert client.answers()[0].text == "hello /"


def pump_by_service(server: HttpServer, descriptor: int, client: Raw) -> None:
    give_up_at = time.monotonic() + PATIENCE
    while not client.answers():
        assert server.service_fd(descriptor, select.POLLIN)
        client.poll()
        assert time.monotonic() < give_up_at


def test_a_hook_that_raises_costs_its_connection_and_nothing_else() -> None:
    loop = PollLoop()

    def add(descriptor: int, events: int) -> None:
        if len(loop.added) == 2:
            loop.added.append(-1)
            raise ValueError("no more")
        loop.add(descriptor, events)

    hooks = loop.hooks._replace(add=add)
    with hooked(hooks) as server, logged_by(ERROR_LOG) as lines:
        with Raw(server, GET) as lost:
            give_up_at = time.monotonic() + PATIENCE
            while not lost.over:
                loop.turn(server)
                lost.poll()
                assert time.monotonic() < give_up_at
        with Raw(server, GET) as client:
            while not client.answers():
                loop.turn(server)
                client.poll()
                assert time.monotonic() < give_up_at
    assert "a hook of the poll set raised" in lines[0] and "ValueError: no more" in lines[0]


def test_what_are_no_hooks_is_refused() -> None:
    server = make()
    for wrong in (3, (print, print, print), PollHooks(print, print, 3)):  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="add, change and delete"):
            server.listen(poll_hooks=wrong)  # type: ignore[arg-type]
    assert not server.running
