"""What a server was made with: it says so, and takes another handler or other limits before it
listens; and it listens on sockets of somebody else.
"""

import socket
import time
from typing import Any

import pytest

from sigil import Callbacks, Limits, Request, Response
from tests.support.servers import HOST, ask, end, hello, make


def other(request: Request) -> Response:
    return Response.text("another")


def test_a_server_says_what_it_was_made_with() -> None:
    limits, callbacks = Limits(max_request_len=99), Callbacks(open=print)
    settings = make(hello, limits, callbacks, host="localhost").settings
    assert settings.handler is hello and settings.callbacks is callbacks
    assert (settings.host, settings.port, settings.backlog) == ("localhost", 0, 128)
    assert settings.limits == Limits(max_body_len=99, max_request_len=99)


def test_what_is_configured_is_what_serves() -> None:
    server = make()
    server.configure(handler=other, limits=Limits(max_header_len=60, outgoing_buffer_sz=100))
    assert server.settings.handler is other
    assert server.settings.limits == server.state.limits
    server.memcpy(bytes(101))
    with pytest.raises(BufferError, match="outgoing_buffer_sz, 100"):
        server.stage_body()
    server.listen()
    try:
        assert server.state.limits.max_header_len == 60
        assert ask(server).body == b"another"
        long_head = b"GET / HTTP/1.1\r\nHost: a\r\nX: %b\r\n\r\n" % (b"x" * 60)
        assert ask(server, long_head).status == 431
        with pytest.raises(RuntimeError, match="configured before it listens"):
            server.configure(handler=hello)
    finally:
        end(server)
    server.configure(handler=hello)
    server.listen()
    try:
        assert ask(server).body == b"hello /"
    finally:
        end(server)


def test_a_server_that_was_told_to_stop_still_stops() -> None:
    server = make()
    server.stop()
    server.configure(limits=Limits(idle_timeout=1.0))
    server.listen()
    server.start()
    assert not server.running


@pytest.mark.parametrize(
    ("changes", "kind", "sentence"),
    [
        ({"handler": 3}, TypeError, "a handler is a function of a request, not int"),
        ({"limits": 3}, TypeError, "limits is a Limits, not 3"),
        ({"limits": Limits(idle_timeout=-1.0)}, ValueError, "idle_timeout"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    changes: dict[str, Any], kind: type[Exception], sentence: str
) -> None:
    server = make()
    before = server.settings
    with pytest.raises(kind, match=sentence):
        server.configure(**changes)
    assert server.settings is before


# -- sockets of others -----------------------------------------------------------------------------


def test_several_sockets_are_listened_on() -> None:
    first, second = (socket.create_server((HOST, 0)) for _ in range(2))
    addresses = [sock.getsockname() for sock in (first, second)]
    server = make()
    server.listen((first, second))
    try:
        for address in addresses:
            with socket.create_connection(address):
                accepted = server.stats().accepted
                while server.stats().accepted == accepted:
                    assert server.tick(10.0)
    finally:
        end(server)
    assert first.fileno() == second.fileno() == -1


@pytest.mark.parametrize("shared", [True, False])
def test_a_socket_that_is_shared_goes_on_listening_for_the_others(shared: bool) -> None:
    with socket.create_server((HOST, 0)) as listener:
        server = make()
        server.listen(listener.dup(), shared=shared)
        end(server)
        with socket.socket() as client:
            assert (client.connect_ex(listener.getsockname()) == 0) is shared


def test_no_sockets_are_refused() -> None:
    server = make()
    with pytest.raises(TypeError, match="the sockets to listen on are none"):
        server.listen(())
    with pytest.raises(TypeError, match=r"is a socket\.socket, not str"):
        server.listen("ab")  # type: ignore[arg-type]
    assert not server.running


def test_a_pause_leaves_the_rest_of_a_burst_to_others_who_share_the_socket() -> None:
    limits = Limits(max_accepts_per_tick=2)
    with socket.create_server((HOST, 0)) as listener:
        servers = [make(limits=limits) for _ in range(2)]
        for server in servers:
            server.listen(listener.dup(), pause=60.0)
        clients = [socket.create_connection(listener.getsockname()) for _ in range(5)]
        try:
            for _ in range(3):
                for server in servers:
                    server.tick()
            assert [server.stats().accepted for server in servers] == [2, 2]
            now = time.monotonic()
            for server in servers:
                deadline = server.next_deadline()
                assert deadline is not None and now < deadline <= now + 60.0
        finally:
            for client in clients:
                client.close()
            for server in servers:
                end(server)


def test_a_pause_ends() -> None:
    with socket.create_server((HOST, 0)) as listener:
        server = make(limits=Limits(max_accepts_per_tick=1))
        server.listen(listener.dup(), pause=0.001)
        with (
            socket.create_connection(listener.getsockname()),
            socket.create_connection(listener.getsockname()),
        ):
            while server.stats().accepted < 2:
                server.tick(10.0)
            end(server)
