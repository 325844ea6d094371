"""What takes long stops nobody: others are answered meanwhile, and who asks again is not kept.

Theory: a turn takes as long as its recording takes to be read, so a recording that is not read on
before a test says so is one that takes long, however fast the machine is.
"""

import logging
from collections.abc import Callable, Iterator
from threading import Event

import pytest

from sigil import HttpServer, Response, make_http_server
from sigil.apps.replay.app import make_app
from sigil.apps.replay.documents import View, make_view
from sigil.apps.replay.simulations import Simulated, Simulations, unlogged
from sigil.apps.replay.work import SUPERSEDED, Watched, Worker
from sigil.shell.recording.recording import Recording
from sigil.testing import Client
from tests.support.servers import PATIENCE, Raw, pump


class Gate:
    """What a recording is read through: open, or not."""

    def __init__(self, worker: Worker) -> None:
        self.is_open, self.is_reached = Event(), Event()
        self._worker = worker

    def look(self) -> None:
        self.is_reached.set()
        assert self.is_open.wait(PATIENCE)
        self._worker.look()


def recording() -> Recording:
    """A client that has asked some times."""
    client = Client(lambda request: Response.text("hello"), keeps_turns=True)
    for number in range(9):
        client.get(f"/{number}")
    return client.recording()


def gated(worker: Worker) -> tuple[View, Gate]:
    """A recording behind a gate, which is closed when the view is made."""
    recorded, gate = recording(), Gate(worker)
    gate.is_open.set()
    turns = Watched(recorded.turns, gate.look)
    view = make_view(Recording(recorded.first, turns, recorded.about), "gated")
    gate.is_open.clear()
    gate.is_reached.clear()
    return view, gate


@pytest.fixture(name="page")
def serve_a_gated_page() -> Iterator[tuple[HttpServer, Gate]]:
    worker = Worker()
    view, gate = gated(worker)
    server = make_http_server(make_app(lambda request: view, do=worker.do), port=0)
    server.listen()
    try:
        yield server, gate
    finally:
        gate.is_open.set()
        server.stop(0)
        while server.running:
            server.tick(0.01)


def asking(server: HttpServer, target: str) -> Raw:
    return Raw(server, f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


def answer(server: HttpServer, client: Raw) -> tuple[int, str]:
    pump(server, lambda: bool(client.answers()), client)
    (found,) = client.answers()
    return found.status, found.text


def begun(server: HttpServer, gate: Gate, target: str) -> Raw:
    """A client whose request is being computed."""
    client = asking(server, target)
    pump(server, gate.is_reached.is_set, client)
    return client


def test_others_are_answered_while_a_turn_is_computed(page: tuple[HttpServer, Gate]) -> None:
    server, gate = page
    with begun(server, gate, "/turn.json?turn=9") as waiting:
        for target in ("/", "/about.json", "/timeline.json", "/at.json?seconds=1", "/nothing"):
            with asking(server, target) as other:
                assert answer(server, other)[0] == (404 if target == "/nothing" else 200)
        assert not waiting.received
        gate.is_open.set()
        assert answer(server, waiting)[0] == 200


def test_a_visit_that_asks_again_supersedes_what_it_asked(page: tuple[HttpServer, Gate]) -> None:
    server, gate = page
    with (
        begun(server, gate, "/turn.json?turn=9&visit=a") as first,
        asking(server, "/turn.json?turn=8&visit=a") as second,
        asking(server, "/turn.json?turn=8&visit=b") as other,
        asking(server, "/why.json?conn=0&visit=a") as why,
        asking(server, "/turn.json?turn=3&visit=a") as third,
    ):
        pump(server, lambda: server.stats().requests == 5, first, second, third, other, why)
        gate.is_open.set()
        assert answer(server, first) == (409, f"409 Conflict: {SUPERSEDED}\n")
        assert answer(server, second)[0] == 409
        assert answer(server, third)[0] == answer(server, other)[0] == answer(server, why)[0] == 200


def test_what_nobody_waits_for_is_not_begun() -> None:
    worker, goes_on, done = Worker(), Event(), Event()
    computed: list[str] = []

    def computing(name: str) -> Callable[[], Response]:
        def compute() -> Response:
            computed.append(name)
            assert goes_on.wait(PATIENCE)
            return Response.text(name)

        return compute

    worker.do(computing("first"), None)
    left = worker.do(computing("left"), None)
    last = worker.do(computing("last"), None)
    last.when_resolved(lambda result: done.set())
    left.cancel()
    goes_on.set()
    assert done.wait(PATIENCE)
    assert computed == ["first", "last"]


def test_what_is_wrong_is_said_as_if_nobody_had_waited(page: tuple[HttpServer, Gate]) -> None:
    server, gate = page
    gate.is_open.set()
    for target, status in (
        ("/turn.json?turn=999", 404),
        ("/turn.json?turn=x", 400),
        ("/why.json?conn=99", 404),
        ("/turn.json?turn=1&visit=%3Cb%3E", 400),
        ("/turn.json?turn=1&visit=" + "a" * 41, 400),
    ):
        with asking(server, target) as client:
            assert answer(server, client)[0] == status, target


def test_another_seed_is_run_while_others_are_answered() -> None:
    worker, goes_on, is_reached = Worker(), Event(), Event()
    view = make_view(recording(), "a network")

    def run(seed: int) -> Simulated:
        is_reached.set()
        assert seed == 1 or goes_on.wait(PATIENCE)
        return Simulated(view, "")

    simulations = Simulations("a", 1, {"a": run})
    simulations.view("a", 1)
    is_reached.clear()
    server = make_http_server(make_app(simulations, do=worker.do), port=0)
    server.listen()
    with asking(server, "/about.json?seed=2") as waiting, asking(server, "/about.json") as other:
        pump(server, is_reached.is_set, waiting, other)
        assert '"seed":1' in answer(server, other)[1]
        goes_on.set()
        assert '"seed":2' in answer(server, waiting)[1]
    server.stop(0)
    pump(server, lambda: not server.running)


def test_what_a_simulation_logs_is_left_out_and_what_others_log_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    goes_on, is_reached = Event(), Event()

    def compute() -> Response:
        with unlogged():
            is_reached.set()
            assert goes_on.wait(PATIENCE)
            logging.getLogger("sigil.server").error("simulated")
        return Response.text("")

    later = Worker().do(compute, None)
    assert is_reached.wait(PATIENCE)
    logging.getLogger("sigil.server").error("real")
    goes_on.set()
    resolved = Event()
    later.when_resolved(lambda result: resolved.set())
    assert resolved.wait(PATIENCE)
    assert caplog.messages == ["real"]
