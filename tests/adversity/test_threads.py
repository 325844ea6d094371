"""Many threads at one server, and signals in the middle of everything.

Theory: a server belongs to one thread, and what others may do (stop it, resolve an answer, ask for
figures) must be harmless at every instant. The interpreter is told to change threads as often as it
can, so that many instants are tried; where one instant is the point, the test goes there itself.

Rules: every thread is joined within a bound and its exceptions are raised by the test; afterwards
there are as many threads and descriptors as before. It does not know where the server takes care.
"""

import gc
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import pytest

from sigil import Deferred, HttpServer, Request, Response
from tests.support.descriptors import count_descriptors
from tests.support.requests import GET
from tests.support.servers import HOST, PATIENCE, Raw, ask, end, in_thread, make, ticking

HAMMERS = 8


@pytest.fixture(autouse=True)
def restless() -> Iterator[None]:
    """Threads change places as often as possible, and nothing is left of them."""
    before = sys.getswitchinterval()
    gc.collect()
    threads, descriptors = set(threading.enumerate()), count_descriptors()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
    assert {thread for thread in threading.enumerate() if not thread.daemon} <= threads
    assert count_descriptors() <= descriptors


@contextmanager
def threads(count: int, work: Callable[[int], object]) -> Iterator[None]:
    """That many threads at work; at the end they have ended, and what they raised is raised."""
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            failures.append(error)

    crowd = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in crowd:
        thread.start()
    try:
        yield
    finally:
        deadline = time.monotonic() + PATIENCE
        for thread in crowd:
            thread.join(max(0.0, deadline - time.monotonic()))
    assert not any(thread.is_alive() for thread in crowd), "a thread hangs"
    if failures:
        raise AssertionError(f"{len(failures)} threads raised") from failures[0]


def get(port: int) -> bytes:
    """What comes for one request on a connection of its own; nothing if nobody listens any more."""
    try:
        with socket.create_connection((HOST, port), PATIENCE) as sock:
            sock.sendall(GET.replace(b"1.1", b"1.0"))
            received = b""
            while data := sock.recv(65_536):
                received += data
            return received
    except ConnectionError:
        return b""


@contextmanager
def at_lines_of(
    file: str, act: Callable[[], object], is_time: Callable[[FrameType], bool] = lambda frame: True
) -> Iterator[None]:
    """Call `act` on this thread before every line of this file, where it is time: as a signal
    handler may be.
    """
    acting: list[bool] = []

    def on_line(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line" and not acting and is_time(frame):
            acting.append(True)
            act()
            acting.clear()
        return on_line

    def on_call(frame: FrameType, event: str, argument: Any) -> Any:
        return on_line if frame.f_code.co_filename.endswith(file) and not acting else None

    before = sys.gettrace()
    sys.settrace(on_call)
    try:
        yield
    finally:
        sys.settrace(before)


# -- one server, many threads ----------------------------------------------------------------------


def test_what_other_threads_may_call_harms_nothing_while_clients_come_and_go() -> None:
    promises: queue.Queue[Deferred] = (
        queue.Queue()
    )  # a SimpleQueue may forget its timeout when an item is snatched
    finished = threading.Event()
    visits: list[bytes] = []

    def app(request: Request) -> Deferred:
        promise = Deferred()
        promises.put(promise)
        return promise

    def hammer(number: int) -> None:
        while not finished.is_set():
            with suppress(queue.Empty):
                promises.get(timeout=0.01).resolve(Response.text("late"))
            server.clients()
            assert server.stats().clients <= 12
            due = server.next_deadline()
            assert due is None or due > 0
            assert server.running

    def visit(number: int) -> None:
        for turn in range(40):
            if turn % 5 == 4:
                Raw(server.port, GET[:number]).reset()
            else:
                visits.append(get(server.port))

    with in_thread(make(app)) as server:
        with threads(HAMMERS, hammer):
            with threads(4, visit):
                pass
            finished.set()
        with threads(HAMMERS, lambda number: server.stop(float(number))):
            pass
    assert len(visits) == 4 * 32
    assert [visit for visit in visits if not visit.endswith(b"late")] == []


def test_questions_can_be_asked_at_every_instant_of_a_life() -> None:
    server, failures = make(), []

    def ask_everything() -> None:
        try:
            assert server.port >= 0
            assert server.stats().clients == len(server.clients()) == 0
            assert server.next_deadline() is None or server.running
        except Exception as error:
            failures.append(error)

    with at_lines_of("/sigil/shell/server.py", ask_everything):
        server.listen()
        end(server)
    assert failures == []


def test_a_server_lives_again_and_again_while_threads_insist_that_it_stops() -> None:
    with ticking() as first:
        port = first.port
    server, finished = make(port=port), threading.Event()

    def insist(number: int) -> None:
        while not finished.is_set():
            server.stop(0 if number % 2 else 0.01)
            get(port)

    def live(number: int) -> None:
        try:
            for _ in range(100):
                server.start()
        finally:
            finished.set()

    with threads(HAMMERS, insist), threads(1, live):
        pass
    assert not server.running


def test_a_stop_that_is_late_for_one_life_does_not_end_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, may_go_on, is_there = make(), threading.Event(), threading.Event()
    server.listen()
    post = HttpServer._post

    def hold(of: HttpServer, word: Any) -> None:
        is_there.set()
        assert may_go_on.wait(PATIENCE)
        post(of, word)

    monkeypatch.setattr(HttpServer, "_post", hold)
    with threads(1, lambda number: server.stop(0)):
        assert is_there.wait(PATIENCE)
        monkeypatch.undo()
        end(server)
        may_go_on.set()
    server.listen()
    try:
        assert ask(server).text == "hello /"
    finally:
        end(server)


# -- servers in threads of their own ---------------------------------------------------------------


def test_servers_start_and_stop_in_many_threads_at_once() -> None:
    def live(number: int) -> None:
        for _ in range(15):
            with make().serve_in_thread() as server:
                assert get(server.port).endswith(b"hello /")

    with threads(HAMMERS, live):
        pass


def test_one_serving_may_be_stopped_by_many_threads_at_once() -> None:
    for _ in range(40):
        serving = make().serve_in_thread()
        with threads(HAMMERS, lambda number: serving.stop(0)):  # noqa: B023
            pass
        assert not serving.server.running


def test_a_port_is_taken_over_by_many_threads_at_once() -> None:
    with make().serve_in_thread() as first:
        port = first.port
        last: list[object] = []

        def take_over(number: int) -> None:
            last.extend(make(port=port).serve_in_thread(reuse=True) for _ in range(10))

        try:
            with threads(HAMMERS, take_over):
                pass
            assert get(port).endswith(b"hello /"), "the last one serves"
        finally:
            for serving in last:
                serving.stop(0)  # type: ignore[attr-defined]


def test_a_port_that_this_process_serves_names_the_way_to_take_it_over() -> None:
    with (
        make().serve_in_thread() as first,
        pytest.raises(OSError, match=r"in use: .*reuse=True"),
    ):
        make(port=first.port).serve_in_thread()


def test_who_would_serve_as_well_is_refused_with_the_reason() -> None:
    with make().serve_in_thread() as server:
        for serve in (server.start, server.tick, server.server_loop, server.serve_in_thread):
            with pytest.raises(RuntimeError, match="while another thread serves"):
                serve()
        assert get(server.port).endswith(b"hello /")


def test_who_starts_a_thread_does_not_count_as_the_one_that_ticks() -> None:
    """Also not before it has begun: what is called for meanwhile is queued."""
    server, may_begin = make(), threading.Event()

    class Late(type(server)):  # type: ignore[misc]
        """It begins when it may."""

        __slots__ = ()

        def _serve_here(self) -> None:
            assert may_begin.wait(PATIENCE)
            super()._serve_here()

    server.__class__ = Late
    serving = server.serve_in_thread()
    try:
        assert server._thread != threading.get_ident()
        with pytest.raises(RuntimeError, match="while another thread serves"):
            server.tick()
        server.broadcast("early")
        assert server._engine.buffer.is_clean, "it was not done on this thread"
    finally:
        may_begin.set()
        serving.stop(0)


def test_a_handler_may_stop_the_thread_that_it_runs_in_and_wait_for_it_in_vain() -> None:
    """`ServerThread.stop` waits for its thread to end, which that thread cannot: an error, and the
    server ends even so.
    """

    def app(request: Request) -> Response:
        serving.stop(0.5)
        return Response.text("unreachable")

    serving = make(app).serve_in_thread()
    assert b" 500 " in get(serving.server.port)
    serving.stop()
    assert not serving.server.running


# -- signals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["when_resolved", "settle", "_deliver"])
def test_a_deferred_may_be_resolved_by_a_signal_handler_at_any_instant(name: str) -> None:
    ended = threading.Event()
    delivered: list[object] = []

    def work() -> None:
        promise = Deferred()
        with at_lines_of(
            "/sigil/shell/program/deferred.py",
            lambda: promise.resolve(None),
            lambda frame: frame.f_code.co_name == name,
        ):
            promise.when_resolved(delivered.append)
            promise.resolve(None)
        ended.set()

    threading.Thread(target=work, daemon=True).start()
    assert ended.wait(PATIENCE), "it is locked"
    assert delivered == [None]


SIGNALLED = """
import logging, os, signal, socket, sys, threading
logging.disable(logging.CRITICAL)
from sigil import Deferred, Response, make_http_server

lives = signals = 0
promises = []

def app(request):
    if request.path == "/late":
        promises.append(Deferred())
        return promises[-1]
    return Response.stream(bytes(1000) for _ in range(20))

def on_alarm(number, frame):
    global signals
    signals += 1
    if promises and signals % 2:
        promises.pop().resolve(Response.text("late"))
    elif signals % 23 == 0:
        server.stop(0.05 if signals % 46 else 0)
    else:
        server.stats(), server.clients()

def visit():
    while lives < 30:
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as sock:
                path = b"/late" if lives % 2 else b"/"
                sock.sendall(b"GET " + path + b" HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
                sock.recv(100)
        except OSError:
            pass

server = make_http_server(app, port=0)
server.listen()
port = server.port
signal.signal(signal.SIGALRM, on_alarm)
visitors = [threading.Thread(target=visit) for _ in range(2)]
for visitor in visitors:
    visitor.start()
while lives < 30:
    server.listen()
    port = server.port
    signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
    while server.running:
        server.tick(0.01)
    signal.setitimer(signal.ITIMER_REAL, 0)
    promises.clear()
    lives += 1
for visitor in visitors:
    visitor.join()
stats = server.stats()
assert stats.accepted == sum(stats.closed.values()), stats
print(signals, lives, stats.accepted)
"""


def test_signal_handlers_that_stop_and_resolve_in_the_middle_of_ticks_do_no_harm() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SIGNALLED],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    signals, lives, accepted = map(int, done.stdout.split())
    assert lives == 30
    assert signals > 100
    assert accepted > 5
