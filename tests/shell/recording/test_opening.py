"""What is recorded of a server over real sockets is replayed from a file: the same states, the same
effects to the byte, whatever its clients did.
"""

import math
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import Random

import pytest

import sigil
from sigil import HttpServer, Limits, Request, Response, make_http_server
from sigil.core.events import Publish
from sigil.core.server.state import Server
from sigil.core.server.stats import stats
from sigil.core.trace.bisect import first_true
from sigil.shell.recording.errors import RecordingError

PATIENCE = 60.0
LIMITS = Limits(outgoing_buffer_sz=30_000, max_ws_send_frame_cnt=200, max_header_len=2_000)


def answer(request: Request) -> Response:
    """Something of every kind."""
    if request.path == "/live":
        return Response.upgrade(topics=["a"], history=3)
    if request.path == "/events":
        return Response.sse(topics=["a"])
    if request.path == "/stream":
        return Response.stream(iter([b"x" * 1_000] * 20))
    if request.path == "/fail":
        raise LookupError("a handler that fails")
    return Response.text(request.path + "y" * len(request.body))


def ask(port: int, rng: Random) -> None:
    """A client that asks for this and that, and may leave in the middle of it."""
    with suppress(OSError, HTTPException):
        client = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        for _ in range(rng.randint(1, 4)):
            path = rng.choice(("/", "/stream", "/fail", "/" + "z" * rng.choice((1, 3_000))))
            body = bytes(rng.randrange(2_000)) if rng.random() < 0.3 else None
            client.request("GET" if body is None else "POST", path, body)
            if rng.random() < 0.8:
                client.getresponse().read()
        client.close()


def listen(port: int, rng: Random, is_there: threading.Semaphore) -> None:
    """A client of the broadcast that reads for a while, a little at a time, until it leaves or the
    server does.
    """
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock:
        sock.sendall(rng.choice((EVENTS, UPGRADE)))
        sock.recv(1)
        is_there.release()
        for _ in range(rng.randint(1, 30)):
            if not sock.recv(rng.choice((1, 100, 10_000))):
                return


EVENTS = b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n"
UPGRADE = (
    b"GET /live HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def record(path: Path, seed: int) -> HttpServer:
    """A server that was recorded among clients that did what follows from a seed."""
    rng, server = Random(seed), make_http_server(answer, port=0, limits=LIMITS)
    is_there = threading.Semaphore(0)
    with server.recording(path), server.serve_in_thread():
        askers = [partial(ask, server.port, Random(rng.random())) for _ in range(3)]
        listeners = [partial(listen, server.port, Random(rng.random()), is_there) for _ in range(2)]
        threads = [threading.Thread(target=client) for client in (*askers, *listeners)]
        for thread in threads:
            thread.start()
        for _ in listeners:
            assert is_there.acquire(timeout=PATIENCE)
        for number in range(300):
            server.broadcast(f"{number} " + "b" * rng.randrange(400), topic=rng.choice(("a", None)))
        for thread in threads[: len(askers)]:
            thread.join(PATIENCE)
    for thread in threads:
        thread.join(PATIENCE)
    return server


@pytest.mark.parametrize("seed", range(4))
def test_what_is_replayed_is_what_was_recorded(seed: int, tmp_path: Path) -> None:
    server = record(tmp_path / "run.mcap", seed)
    recording = sigil.replay(tmp_path / "run.mcap")
    assert recording.verify() is None
    assert recording[-1] == server._engine.snapshot
    accepted = recording.stats().accepted
    assert stats(recording[-1]).accepted == accepted == len(recording.closes()) >= 5
    assert recording.what_if().is_same
    for conn in recording.conns:
        assert recording.dialogue(conn).lines and recording.explain(conn).facts
    middle = len(recording) // 2
    assert (recording.diff(middle, -1) == ()) == (recording[middle] == recording[-1])


def test_a_bug_in_a_handler_is_found_in_few_looks(tmp_path: Path) -> None:
    """Every request publishes one message, and one of them some more."""
    server: HttpServer

    def count(request: Request) -> Response:
        server.broadcast(request.path, retain=True, topic="last")
        for _ in range(3 if request.path == "/17" else 0):
            server.broadcast(request.path, retain=True, topic="last")
        return Response.text("counted")

    server = make_http_server(count, port=0)
    with server.recording(tmp_path / "bug.mcap"), server.serve_in_thread():
        client = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        for number in range(40):
            client.request("GET", f"/{number}")
            client.getresponse().read()
        client.close()
    recording, looks = sigil.replay(tmp_path / "bug.mcap"), list[Server]()

    def has_gone_wrong(state: Server) -> bool:
        looks.append(state)
        return state.broadcast.next_number > stats(state).requests

    turn = recording.bisect(has_gone_wrong)
    assert len(looks) <= math.ceil(math.log2(len(recording.turns))) + 1
    published = [event for event in recording.turns[turn - 1].events if isinstance(event, Publish)]
    assert b"/17" in {message[1] for event in published for message in event.messages}
    assert first_true(len(recording), lambda n: has_gone_wrong(recording[n])) == turn


def test_another_handler_is_compared_with_what_was_recorded(tmp_path: Path) -> None:
    server = make_http_server(answer, port=0)
    with server.recording(tmp_path / "run.mcap"), server.serve_in_thread():
        client = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        for path in ("/a", "/b", "/stream", "/fail"):
            client.request("GET", path)
            client.getresponse().read()
        client.close()
    recording = sigil.replay(tmp_path / "run.mcap")
    assert recording.against(answer) == ()
    found = recording.against(lambda request: Response.text("/a"))
    assert [difference.target for difference in found] == ["/b", "/stream", "/fail"]


def test_what_cannot_be_read_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "foreign.mcap").write_bytes(b"hello")
    for name in ("foreign.mcap", "missing.mcap"):
        with pytest.raises(RecordingError, match=name):
            sigil.replay(tmp_path / name)


def test_what_was_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    record(tmp_path / "run.mcap", 1)
    data = (tmp_path / "run.mcap").read_bytes()
    (tmp_path / "torn.mcap").write_bytes(data[: len(data) * 3 // 4])
    whole, torn = sigil.replay(tmp_path / "run.mcap"), sigil.replay(tmp_path / "torn.mcap")
    assert whole.about.is_whole and not torn.about.is_whole
    assert len(torn) <= len(whole) and torn.verify() is None
    assert torn[-1] == whole[len(torn) - 1]


def test_nothing_that_reads_recordings_is_imported_before_one_is_read() -> None:
    code = (
        "import sys, sigil; sigil.replay; "
        "print([name for name in sys.modules if name.startswith('sigil.core.trace')])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert printed.stdout == "[]\n"
