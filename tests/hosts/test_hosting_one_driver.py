"""One server, one driver: what else would serve is refused in words, and harms nobody.

Theory: a server belongs to the thread or the loop that serves it until that has ended. Two that
tick it would each take what the other waits for, and the one that fails would end what the other
serves. So whoever comes second is told so before it has touched anything.

Rules: every driver comes second to a thread, and to a loop of the same thread; afterwards the
server answers. It does not know how drivers tick.
"""

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from urllib.request import urlopen

import pytest
import trio

import sigil.hosts.asyncio
import sigil.hosts.poll
import sigil.hosts.pygame
import sigil.hosts.qt
import sigil.hosts.trio
import sigil.hosts.trio_guest
from sigil import HttpServer, http_server_serve
from tests.support.servers import HOST, PATIENCE, make


def in_qt(server: HttpServer) -> None:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtGui import QGuiApplication

    app = QGuiApplication.instance() or QGuiApplication([])
    sigil.hosts.qt.attach(server)
    del app


def get(server: HttpServer) -> bytes:
    """What somebody is answered who ticks nothing."""
    with urlopen(f"http://{HOST}:{server.port}/", timeout=PATIENCE) as response:
        body: bytes = response.read()
        return body


DRIVERS: dict[str, Callable[[HttpServer], object]] = {
    "start": lambda server: server.start(),
    "server_loop": lambda server: server.server_loop(),
    "serve_in_thread": lambda server: server.serve_in_thread(),
    "asyncio": lambda server: asyncio.run(sigil.hosts.asyncio.serve(server)),
    "poll": lambda server: sigil.hosts.poll.serve(server),
    "pygame": lambda server: next(sigil.hosts.pygame.frames(server)),
    "qt": in_qt,
    "trio": lambda server: trio.run(sigil.hosts.trio.serve, server),
    "trio_guest": lambda server: sigil.hosts.trio_guest.run(server, trio.sleep_forever),
    "attach": lambda server: make().attach(server),
}
every_driver = pytest.mark.parametrize("driver", DRIVERS)


@every_driver
def test_who_comes_second_to_a_thread_is_refused_and_the_thread_serves_on(driver: str) -> None:
    with make().serve_in_thread() as server:
        with pytest.raises(RuntimeError, match="while another thread serves"):
            DRIVERS[driver](server)
        assert get(server) == b"hello /"


@pytest.mark.parametrize(
    "driver", [name for name in DRIVERS if name not in ("asyncio", "trio", "trio_guest")]
)
def test_who_comes_second_to_a_loop_of_the_same_thread_is_refused(driver: str) -> None:
    async def main() -> None:
        server = make()
        serving = asyncio.create_task(http_server_serve(server))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="while a loop of this thread serves"):
            DRIVERS[driver](server)
        assert await asyncio.to_thread(get, server) == b"hello /"
        server.stop(0.0)
        await serving

    asyncio.run(main())


def test_a_second_task_that_would_serve_is_refused_and_the_first_ends_as_ever() -> None:
    async def main() -> None:
        server = make()
        serving = asyncio.create_task(http_server_serve(server))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="while a loop of this thread serves"):
            await http_server_serve(server)
        server.stop(0.0)
        await serving

    asyncio.run(main())


def test_who_has_served_to_the_end_leaves_the_server_to_the_next() -> None:
    """Also one that could not begin."""
    with socket.create_server((HOST, 0)) as taken:
        server = make(port=taken.getsockname()[1])
        for driver in ("start", "asyncio", "poll", "pygame", "qt", "trio", "trio_guest"):
            with pytest.raises(OSError):
                DRIVERS[driver](server)
    for driver in ("start", "asyncio", "poll", "trio"):
        server.listen()
        threading.Thread(target=server.stop, args=(0.0,)).start()
        DRIVERS[driver](server)
        assert not server.running


def test_a_server_that_is_detached_may_be_served_by_another_thread() -> None:
    host, member = make(), make()
    host.attach(member)
    with host.serve_in_thread():
        detached = threading.Event()
        host.call_soon(lambda: (host.detach(member), detached.set()))
        assert detached.wait(PATIENCE)
        with member.serve_in_thread():
            assert get(member) == b"hello /"


def test_poll_ends_those_that_listen_if_one_of_them_cannot() -> None:
    with socket.create_server((HOST, 0)) as taken:
        first, second = make(), make(port=taken.getsockname()[1])
        with pytest.raises(OSError):
            sigil.hosts.poll.serve(first, second)
    assert not first.running
