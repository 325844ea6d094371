"""Servers and clients that are ticked along with a server.

Theory: a server that hosts others is to them what a host loop is to it, so whatever it does for
itself happens for its members, on the same thread and in the same turn: and what one of them does
wrong is seen in the log and nowhere else.
"""

import asyncio
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from sigil import Callbacks, Conn, Deferred, HttpServer, Request, Response, http_server_serve
from sigil.client import Client
from sigil.core.effects import ERROR_LOG
from sigil.shell.members import PAUSE_SECONDS
from tests.support.requests import GET
from tests.support.servers import PATIENCE, Raw, ask, end, in_thread, logged_by, make, pump, ticking
from tests.support.websocket_client import WebSocketClient, text, upgrade, websocket_clients


class Bell:
    """A member that is no server: whoever rings it has its `answer` called in its next tick."""

    def __init__(self, answer: Callable[[], object], deadline: float | None = None) -> None:
        self._rope, self._bell = socket.socketpair()
        self._bell.setblocking(False)
        self._poller = select.epoll()
        self._poller.register(self._bell, select.EPOLLIN)
        self._answer = answer
        self.deadline = deadline
        self.running = True
        self.tick_count = 0
        self.thread = 0

    def ring(self) -> None:
        self._rope.send(b"!")

    def tick(self, timeout: float, /) -> bool:
        assert timeout == 0.0
        self.tick_count += 1
        self.thread = threading.get_ident()
        self.deadline = None
        with suppress(BlockingIOError):
            self._bell.recv(100)
            self._answer()
            return True
        return False

    def fileno(self) -> int:
        return self._poller.fileno()

    def next_deadline(self) -> float | None:
        return self.deadline

    def close(self) -> None:
        self._poller.close()
        for sock in (self._rope, self._bell):
            sock.close()
        self.running = False


@pytest.fixture
def bells() -> Iterator[Callable[..., Bell]]:
    """Makes bells, which are closed at the end."""
    made: list[Bell] = []

    def bell(answer: Callable[[], object] = bool, deadline: float | None = None) -> Bell:
        made.append(Bell(answer, deadline))
        return made[-1]

    yield bell
    for one in made:
        if one.running:
            one.close()


def named(name: str) -> Callable[[Request], Response]:
    return lambda request: Response.text(name)


def test_one_tick_serves_a_server_and_those_that_are_attached_to_it() -> None:
    with ticking(named("host")) as host:
        inner = make(named("inner"))
        middle = host.attach(make(named("middle")))
        assert middle.attach(inner) is inner
        assert host.members == (middle,) and middle.members == (inner,)
        for server, name in ((host, "host"), (middle, "middle"), (inner, "inner")):
            with Raw(server, GET) as client:
                pump(host, client.answers, client)
                assert client.answers()[0].text == name
    assert not middle.running and not inner.running, "they are stopped with their host"
    assert host.members == middle.members == ()


def test_the_host_waits_for_all_of_them() -> None:
    with ticking() as host:
        other = host.attach(make(named("other")))
        for _ in range(10):
            host.tick()
        assert not select.select([host.fileno()], [], [], 0)[0]
        with Raw(other, GET) as client:
            assert select.select([host.fileno()], [], [], PATIENCE)[0], "the descriptor tells"
            assert host.tick(PATIENCE)
            pump(host, client.answers, client)


def test_a_deadline_of_a_member_is_one_of_the_host(bells: Callable[..., Bell]) -> None:
    with ticking() as host:
        bell = host.attach(bells())
        host.tick()
        first, bell.deadline = bell.tick_count, time.monotonic() + 0.05
        assert host.next_deadline() == bell.deadline
        while bell.tick_count == first:
            assert host.tick(PATIENCE) is False
        assert bell.deadline is None and host.next_deadline() is None


def test_what_a_member_calls_back_may_say_everything_at_once(bells: Callable[..., Bell]) -> None:
    statuses: list[object] = []

    def answer() -> None:
        first, second = host.clients()
        statuses.extend((host.broadcast("to all"), host.send(first, "to one")))
        host.close(second, 1000, "enough")
        statuses.append(len(host.clients()))

    with ticking(upgrade) as host:
        first, second = websocket_clients(host, 2)
        bell = host.attach(bells(answer))
        bell.ring()
        while not statuses:
            host.tick(PATIENCE)
        first.poll()
        assert first.messages == [b"to all", b"to one"], "it left in the tick in which it was said"
        pump(host, lambda: bool(second.frames) and second.frames[-1][0] == 8, first, second)
        assert second.messages == [b"to all"]


def test_an_answer_that_a_member_brings_leaves_in_the_same_tick(bells: Callable[..., Bell]) -> None:
    promises: list[Deferred] = []

    def app(request: Request) -> Deferred:
        promises.append(Deferred())
        return promises[-1]

    with ticking(app) as host, Raw(host, GET) as client:
        bell = host.attach(bells(lambda: promises[0].resolve(Response.text("brought"))))
        pump(host, lambda: bool(promises))
        bell.ring()
        before = bell.tick_count
        while bell.tick_count == before:
            host.tick(PATIENCE)
        client.poll()
        assert client.answers()[0].text == "brought"
        assert not select.select([host.fileno()], [], [], 0)[0], "and nobody was woken for it"


def test_what_the_host_says_to_a_member_between_its_ticks_leaves_by_itself() -> None:
    def app(request: Request) -> Response:
        other.broadcast("told by the host")
        return Response.text("fine")

    with ticking(app) as host:
        other = host.attach(make(upgrade))
        with WebSocketClient(other) as client:
            pump(host, lambda: other.subscriber_count() == 1, client)
            with Raw(host, GET) as asker:
                pump(host, lambda: client.messages == [b"told by the host"], client, asker)


def test_one_that_raises_is_logged_and_left_alone_for_a_while(bells: Callable[..., Bell]) -> None:
    with ticking() as host, logged_by(ERROR_LOG) as lines:
        bell = host.attach(bells(lambda: 1 / 0))
        bell.ring()
        while not lines:
            host.tick(PATIENCE)
        assert lines[0].startswith("a member of the server raised: Bell")
        assert "ZeroDivisionError" in lines[0]
        count = bell.tick_count
        assert ask(host).text == "hello /" and bell.tick_count == count
        at = host.next_deadline()
        assert at is not None and at <= time.monotonic() + PAUSE_SECONDS
        bell._answer = bool
        bell.ring()
        while bell.tick_count == count:
            host.tick(PATIENCE)
        assert len(lines) == 1 and host.members == (bell,)


def test_one_whose_deadline_or_descriptor_raises_is_left_alone_too(
    bells: Callable[..., Bell], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ticking() as host, logged_by(ERROR_LOG) as lines:
        bell = host.attach(bells())
        monkeypatch.setattr(bell, "next_deadline", lambda: 1 / 0)
        host.tick()
        host.tick(0.01)
        assert len(lines) == 1 and ask(host).text == "hello /"
        with pytest.raises(ZeroDivisionError):
            broken = bells()
            monkeypatch.setattr(broken, "fileno", lambda: 1 / 0)
            host.attach(broken)
        assert host.members == (bell,)


def test_what_ends_the_program_leaves_the_tick_of_the_host(bells: Callable[..., Bell]) -> None:
    def leave() -> None:
        raise SystemExit(3)

    with ticking() as host:
        bell = host.attach(bells(leave))
        bell.ring()
        with pytest.raises(SystemExit):
            for _ in range(100):
                host.tick(PATIENCE)
        assert ask(host).text == "hello /"


def test_twice_is_once_and_what_makes_no_sense_is_refused(bells: Callable[..., Bell]) -> None:
    with ticking() as host:
        other = host.attach(make())
        assert host.attach(other) is other and host.members == (other,)
        for server, member in ((host, host), (other, host)):
            with pytest.raises(ValueError, match="to itself"):
                server.attach(member)
        with pytest.raises(TypeError, match="which has tick"):
            host.attach(object())  # type: ignore[type-var]
        bell = host.attach(bells())
        host.detach(bell)
        host.detach(bell)
        assert host.members == (other,)
        host.detach(other)
        assert other.running and ask(other).text == "hello /", "it is ticked by whoever has it"
        end(other)
        with pytest.raises(OSError):
            host.attach(make(port=host.port))
        assert host.members == ()


def test_one_that_ends_is_detached_and_its_descriptor_may_be_closed_at_any_time(
    bells: Callable[..., Bell],
) -> None:
    with ticking() as host:
        before = len(os.listdir("/proc/self/fd"))
        other, bell = host.attach(make()), host.attach(bells())
        host.tick()
        other.stop(0)
        bell.close()
        # its number is free, and goes to the next connection
        assert ask(host).text == "hello /"
        while host.members:
            host.tick(PATIENCE)
        assert not other.running and host.running
        pump(host, lambda: len(os.listdir("/proc/self/fd")) <= before)


def test_who_is_attached_before_the_host_listens_is_ticked_from_then_on_and_in_its_next_life(
    bells: Callable[..., Bell],
) -> None:
    host, bell = make(), bells()
    other = host.attach(make(named("other")))
    host.attach(bell)
    assert other.running and not host.running
    for _ in range(2):
        host.listen()
        count = bell.tick_count
        while bell.tick_count == count:
            host.tick(PATIENCE)
        end(host)
        assert host.members == (bell,), "servers are stopped with their host, clients go on"
    assert not other.running


def test_a_stop_drains_servers_that_are_attached_and_waits_for_them() -> None:
    promises: list[Deferred] = []

    def app(request: Request) -> Deferred:
        promises.append(Deferred())
        return promises[-1]

    with ticking() as host:
        other = host.attach(make(app))
        with Raw(other, GET) as client:
            pump(host, lambda: bool(promises), client)
            host.stop(PATIENCE)
            for _ in range(20):
                host.tick()
            assert host.running and other.running
            promises[0].resolve(Response.text("in the end"))
            pump(host, client.answers, client)
            assert client.answers()[0].text == "in the end"
        while host.running:
            host.tick(PATIENCE)
        assert not other.running


def test_a_second_stop_waits_for_nobody() -> None:
    with ticking() as host:
        other = host.attach(make(lambda request: Deferred()))
        with Raw(other, GET) as client:
            pump(host, lambda: len(other.clients()) == 1, client)
            host.stop(PATIENCE)
            host.tick()
            host.stop(PATIENCE)
            for _ in range(20):
                host.tick()
            assert not host.running and not other.running


def test_members_belong_to_the_thread_that_serves_their_host(bells: Callable[..., Bell]) -> None:
    host, bell = make(upgrade), bells()
    other = host.attach(make(named("other")))
    host.attach(bell)
    with host.serve_in_thread(), WebSocketClient(host) as client:
        with pytest.raises(RuntimeError, match="another thread serves"):
            host.attach(make())
        with pytest.raises(RuntimeError, match="another thread serves"):
            other.tick()
        bell.ring()
        with Raw(other, GET) as asker:
            give_up_at = time.monotonic() + PATIENCE
            while not (asker.answers() and bell.tick_count and host.clients()):
                asker.poll()
                client.poll()
                assert time.monotonic() < give_up_at
        assert bell.thread not in (0, threading.get_ident())
    assert not other.running
    with ticking() as again:
        again.attach(other)
        assert ask_through(again, other) == "other", "it belongs to no thread any more"


def ask_through(host: HttpServer, server: HttpServer) -> str:
    """What a server answers that another one ticks."""
    with Raw(server, GET) as client:
        pump(host, client.answers, client)
        return client.answers()[0].text


def test_start_ends_members_that_keep_it_from_ending() -> None:
    host = make()
    other = host.attach(make(named("other")))
    with in_thread(host), Raw(other, GET) as client:
        give_up_at = time.monotonic() + PATIENCE
        while not client.answers():
            client.poll()
            assert time.monotonic() < give_up_at
    assert not host.running and not other.running


def test_handlers_of_members_may_be_coroutines_where_those_of_the_host_may() -> None:
    async def app(request: Request) -> Response:
        await asyncio.sleep(0)
        return Response.text("awaited")

    async def main() -> None:
        host = make()
        early = host.attach(make(app))
        host.listen()
        serving = asyncio.create_task(http_server_serve(host))
        await asyncio.sleep(0)
        late = host.attach(make(app))
        for server in (early, late):
            assert server.runs_coroutines
            reader, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(GET)
            async with asyncio.timeout(PATIENCE):
                assert b"awaited" in await reader.readuntil(b"awaited")
            writer.close()
        host.stop(0)
        await serving
        assert not early.running and not late.runs_coroutines

    asyncio.run(main())


def test_a_plain_loop_over_several_servers_is_enough() -> None:
    with ticking(named("a")) as a, ticking(named("b")) as b, Raw(a, GET) as one, Raw(b, GET) as two:
        give_up_at = time.monotonic() + PATIENCE
        while not (one.answers() and two.answers()):
            for server in (a, b):
                server.tick()
            one.poll()
            two.poll()
            assert time.monotonic() < give_up_at
        assert [one.answers()[0].text, two.answers()[0].text] == ["a", "b"]


def test_callbacks_of_a_member_may_attach_and_detach(bells: Callable[..., Bell]) -> None:
    def swap() -> None:
        host.detach(first)
        host.attach(second)

    with ticking() as host:
        first, second = bells(swap), bells()
        host.attach(first).ring()
        while host.members != (second,):
            host.tick(PATIENCE)
        count = second.tick_count
        second.ring()
        while second.tick_count == count:
            host.tick(PATIENCE)


def test_a_host_and_its_member_may_tell_each_other_from_their_callbacks() -> None:
    """A chat on two ports: what is said on one is heard on both."""

    def told(server: HttpServer, conn: Conn, data: str) -> None:
        for each in (host, other):
            each.broadcast(data)

    callbacks = Callbacks(ws_message=told)
    with ticking(upgrade, callbacks=callbacks) as host:
        other = host.attach(make(upgrade, callbacks=callbacks))
        with WebSocketClient(host) as one, WebSocketClient(other) as two:
            pump(host, lambda: other.subscriber_count() + host.subscriber_count() == 2, one, two)
            for client in (one, two):
                client.send(text("heard"))
            pump(host, lambda: len(one.messages) == len(two.messages) == 2, one, two)


def test_a_client_that_is_a_member_asks_a_server_that_is_one_for_a_handler_of_their_host() -> None:
    """Three of them in one tick, on one thread: nobody blocks."""

    def app(request: Request) -> object:
        answer = client.get(f"http://{inner.host}:{inner.port}/")
        return answer.map(lambda found: Response.text(f"it says {found.text}"))

    with ticking(app) as host:
        inner = host.attach(make(named("inner")))
        client = Client(server=host)
        assert host.members == (inner, client)
        with Raw(host, GET) as asker:
            pump(host, asker.answers, asker)
            assert asker.answers()[0].text == "it says inner"
        client.close()
