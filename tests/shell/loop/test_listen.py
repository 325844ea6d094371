"""Before the first request: a server opens its socket, says where, and says no in words that name
the address.

Theory: everything that can go wrong here is somebody's mistake to mend, so it is raised at once and
leaves nothing behind: after a failure, as after an end, `listen` can be called again.
"""

import errno
import os
import socket
import stat
import sys
from pathlib import Path

import pytest

import sigil
from sigil import HttpServer, Response, make_http_server
from sigil.shell.loop.listen import (
    adopt_listener,
    open_all,
    open_listeners,
    open_unix_listener,
    where,
)
from tests.support.requests import GET
from tests.support.servers import HOST, Raw, ask, end, hello, logged_by, make, pump, ticking


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")


def test_port_0_picks_a_free_one_and_says_which() -> None:
    server = make()
    assert (server.port, server.running) == (0, False)
    server.listen()
    try:
        assert server.port > 0
        assert server.running
        assert ask(server).text == "hello /"
    finally:
        end(server)


def test_the_port_asked_for_is_the_port_listened_on() -> None:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = int(probe.getsockname()[1])
    server = make(port=port)
    assert server.port == port
    server.listen()
    assert server.port == port
    end(server)
    assert server.port == port


def test_an_address_in_use_is_an_error_that_names_it() -> None:
    with ticking() as first:
        second = make(port=first.port)
        with pytest.raises(OSError, match=f"{HOST}:{first.port}") as caught:
            second.listen()
        assert caught.value.errno == errno.EADDRINUSE
        assert not second.running
        assert second.port == first.port
        assert ask(first).status == 200


def test_a_tick_that_cannot_open_the_socket_raises_the_same_error() -> None:
    with ticking() as first:
        second = make(port=first.port)
        with pytest.raises(OSError, match=f"{HOST}:{first.port}"):
            second.tick()
        with pytest.raises(OSError, match=f"{HOST}:{first.port}"):
            second.start()
        assert not second.running


def test_after_an_address_was_in_use_listen_can_be_called_again() -> None:
    first = make()
    first.listen()
    second = make(port=first.port)
    with pytest.raises(OSError, match="in use"):
        second.listen()
    end(first)
    second.listen()
    try:
        assert ask(second).status == 200
    finally:
        end(second)


@pytest.mark.parametrize("host", ["256.0.0.1", "no-such-host.invalid", "203.0.113.1"])
def test_a_host_that_is_not_here_is_an_error_that_names_it(host: str) -> None:
    server = make(host=host)
    with pytest.raises(OSError, match=host.replace(".", r"\.")):
        server.listen()
    assert not server.running


@pytest.mark.parametrize("port", [-1, 65_536, 70_000])
def test_a_port_that_cannot_be_is_an_error(port: int) -> None:
    server = make(port=port)
    try:
        with pytest.raises((OSError, OverflowError, ValueError)):
            server.listen()
    finally:
        end(server)


def test_listen_twice_is_listen_once() -> None:
    with ticking() as server:
        port, fileno = server.port, server.fileno()
        server.listen()
        assert (server.port, server.fileno()) == (port, fileno)
        assert ask(server).status == 200


@needs_ipv6
def test_ipv6_is_served_and_written_with_brackets() -> None:
    server = make(lambda request: Response.text(str(request.peer)), host="::1")
    with logged_by("sigil.server") as lines:
        server.listen()
    try:
        assert lines == [f"listening on http://[::1]:{server.port}"]
        with Raw(server, GET, family=socket.AF_INET6) as client:
            port = client.sock.getsockname()[1]
            pump(server, lambda: bool(client.answers()), client)
            assert client.answers()[0].text == f"[::1]:{port}"
    finally:
        end(server)


@needs_ipv6
def test_an_ipv6_address_in_use_is_named_with_brackets() -> None:
    first = make(host="::1")
    first.listen()
    try:
        with pytest.raises(OSError, match=rf"\[::1\]:{first.port}"):
            make(host="::1", port=first.port).listen()
    finally:
        end(first)


@needs_ipv6
def test_the_unspecified_ipv6_address_serves_ipv4_as_well() -> None:
    server = make(host="::")
    server.listen()
    try:
        assert ask(server).status == 200
        with Raw(server, GET, family=socket.AF_INET6) as client:
            pump(server, lambda: bool(client.answers()), client)
            assert client.answers()[0].status == 200
    finally:
        end(server)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "localhost"])
def test_the_other_spellings_of_here_are_served_too(host: str) -> None:
    server = make(host=host)
    server.listen()
    try:
        assert ask(server).status == 200
    finally:
        end(server)


def test_a_stopped_server_can_listen_again_on_the_same_port() -> None:
    server = make()
    server.listen()
    server, old = make(port=server.port), server
    end(old)
    for _ in range(3):
        server.listen()
        assert ask(server).status == 200
        end(server)
        assert not server.running


def test_a_connection_handle_is_never_repeated_even_after_a_restart() -> None:
    server, seen = make(), set()
    for _ in range(3):
        server.listen()
        with Raw(server):
            pump(server, lambda: bool(server.clients()))
            (conn,) = server.clients()
        assert conn not in seen
        seen.add(conn)
        end(server)


def test_figures_are_counted_since_the_server_was_made_even_over_a_restart() -> None:
    server = make()
    for _ in range(2):
        server.listen()
        assert ask(server).status == 200
        end(server)
    assert server.stats().requests == 2


def test_the_first_tick_opens_the_socket() -> None:
    server = make()
    assert server.tick() is False
    try:
        assert server.running
        assert ask(server).status == 200
    finally:
        end(server)


def test_what_is_asked_of_a_server_that_does_not_listen_is_answered_or_refused_in_words() -> None:
    server = make()
    with pytest.raises(RuntimeError, match="not listening"):
        server.fileno()
    assert server.next_deadline() is None
    assert server.clients() == ()
    assert server.stats().accepted == 0
    assert server.running is False


def test_a_handler_that_cannot_be_called_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="not str"):
        make_http_server("hello")  # type: ignore[arg-type]


def test_timeout_and_max_request_size_override_the_limits() -> None:
    server = make_http_server(hello, timeout=3.0, max_request_size=77)
    assert server.state.limits.body_timeout == 3.0
    assert server.state.limits.max_body_len == 77
    assert server.port == 8080


def test_the_functions_are_the_methods_and_not_copies() -> None:
    assert sigil.http_server_tick is HttpServer.tick
    assert sigil.http_server_listen is HttpServer.listen
    assert sigil.http_server_start is HttpServer.start
    assert sigil.http_server_stop is HttpServer.stop
    server = make()
    assert sigil.http_server_tick(server, 0.0) is False
    assert sigil.http_server_listen(server) is None
    assert sigil.http_server_stop(server, 0) is None
    assert sigil.http_server_start(server) is None
    assert not server.running


# -- several addresses, of which some are here -----------------------------------------------------

NOT_HERE = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("203.0.113.1", 0))
NOT_HERE_EITHER = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("203.0.113.2", 0))
NO_SUCH_FAMILY = (4_095, socket.SOCK_STREAM, 0, "", ("somewhere", 0))
HERE = (socket.AF_INET, socket.SOCK_STREAM, 0, "", (HOST, 0))
Found = list[tuple[int, int, int, str, tuple[str, int]]]


@pytest.mark.parametrize(
    "found", [[HERE], [NOT_HERE, HERE], [NO_SUCH_FAMILY, NOT_HERE, HERE], [HERE, NOT_HERE]]
)
def test_the_addresses_that_are_here_are_listened_at(found: Found) -> None:
    (listener,) = open_all(found, 5)
    with listener:
        assert listener.getsockname()[0] == HOST
        socket.create_connection(listener.getsockname()).close()


@pytest.mark.parametrize(
    ("found", "number"),
    [
        ([NOT_HERE, NOT_HERE_EITHER], errno.EADDRNOTAVAIL),
        ([NO_SUCH_FAMILY, NOT_HERE], errno.EAFNOSUPPORT),
        ([], errno.EADDRNOTAVAIL),
    ],
)
def test_the_first_error_is_raised_if_none_can(found: Found, number: int) -> None:
    with pytest.raises(OSError) as caught:
        open_all(found, 5)
    assert caught.value.errno == number


def test_an_address_in_use_is_not_passed_over_for_another() -> None:
    with socket.create_server((HOST, 0)) as taken:
        in_use = (socket.AF_INET, socket.SOCK_STREAM, 0, "", taken.getsockname())
        with pytest.raises(OSError, match="in use"):
            open_all([in_use, HERE], 5)


# -- Unix sockets ----------------------------------------------------------------------------------


def test_a_unix_socket_is_opened_with_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with open_unix_listener(str(path), 0o640, 5) as listener:
        assert stat.S_ISSOCK(path.lstat().st_mode)
        assert stat.S_IMODE(path.lstat().st_mode) == 0o640
        assert (listener.getblocking(), listener.get_inheritable()) == (False, False)
        assert where(listener) == f"unix:{path}"


def test_a_stale_socket_file_is_replaced_and_a_live_one_is_not(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    open_unix_listener(path, 0o600, 5).close()  # the file stays
    with open_unix_listener(path, 0o600, 5):
        before = os.lstat(path)
        with pytest.raises(OSError, match=f"in use: {path}") as caught:
            open_unix_listener(path, 0o600, 5)
        assert caught.value.errno == errno.EADDRINUSE
        assert os.lstat(path) == before


@pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere a full queue refuses, as if nobody listened"
)
def test_a_live_socket_is_live_even_if_its_queue_is_full(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with open_unix_listener(path, 0o600, 1):
        crowd = [socket.socket(socket.AF_UNIX) for _ in range(3)]
        for sock in crowd:
            sock.setblocking(False)
        assert errno.EAGAIN in [sock.connect_ex(path) for sock in crowd]
        with pytest.raises(OSError, match="in use"):
            open_unix_listener(path, 0o600, 1)
        for sock in crowd:
            sock.close()


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_what_is_no_socket_is_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "s"
    if kind == "file":
        path.write_text("dear")
    elif kind == "directory":
        path.mkdir()
    else:
        open_unix_listener(str(tmp_path / "other"), 0o600, 5).close()
        path.symlink_to("other")
    before = path.lstat()
    with pytest.raises(OSError, match=f"no socket: {path}"):
        open_unix_listener(str(path), 0o600, 5)
    assert path.lstat() == before


@pytest.mark.parametrize(
    ("name", "number"), [("no/s", errno.ENOENT), ("x" * 200, errno.ENAMETOOLONG)]
)
def test_a_path_that_cannot_be_is_an_error_that_names_it(
    tmp_path: Path, name: str, number: int
) -> None:
    with pytest.raises(OSError, match=name) as caught:
        open_unix_listener(str(tmp_path / name), 0o600, 5)
    assert caught.value.errno == number


# -- adopted sockets -------------------------------------------------------------------------------


def test_a_listening_socket_is_adopted_and_kept_from_children() -> None:
    with socket.create_server((HOST, 0)) as opened:
        os.set_inheritable(opened.fileno(), True)
        with adopt_listener(os.dup(opened.fileno())) as listener:
            assert listener.getsockname() == opened.getsockname()
            assert (listener.getblocking(), listener.get_inheritable()) == (False, False)


def test_what_does_not_listen_is_refused_and_left_open() -> None:
    with socket.socket() as idle, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        for sock in (idle, datagrams):
            with pytest.raises(
                OSError, match=f"not a listening stream socket: descriptor {sock.fileno()}"
            ):
                adopt_listener(sock.fileno())
            assert sock.getsockname()  # it is still ours


def test_what_is_no_socket_is_refused(tmp_path: Path) -> None:
    with (
        (tmp_path / "file").open("w") as file,
        pytest.raises(OSError, match=f"descriptor {file.fileno()}") as caught,
    ):
        adopt_listener(file.fileno())
    assert caught.value.errno == errno.ENOTSOCK
    with pytest.raises(OSError, match="descriptor 99999") as caught:
        adopt_listener(99_999)
    assert caught.value.errno == errno.EBADF


def test_the_address_is_shown_as_it_was_asked_for() -> None:
    with open_listeners("127.0.0.1", 0, 5)[0] as listener:
        port = listener.getsockname()[1]
        assert where(listener, "localhost") == f"http://localhost:{port}"
        assert where(listener) == f"http://127.0.0.1:{port}"


@needs_ipv6
def test_only_addresses_of_ipv6_are_put_in_brackets() -> None:
    with open_listeners("::1", 0, 5)[0] as listener:
        port = listener.getsockname()[1]
        assert {where(listener), where(listener, "::1")} == {f"http://[::1]:{port}"}


@pytest.mark.skipif(sys.platform != "linux", reason="sockets without a file are of Linux")
def test_a_unix_socket_without_a_file_is_shown_as_is_usual() -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0sigil-{os.getpid()}")
        assert where(listener) == f"unix:@sigil-{os.getpid()}"
