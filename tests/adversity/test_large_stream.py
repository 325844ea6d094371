"""A stream far larger than memory may grow: whole for who reads it, and nowhere for who does not.

Theory: between a generator and a socket stands at most a budget, so the memory of a server does not
depend on how much it sends, and a generator is not asked for what nobody takes.

Rules: memory is that of a process in which only the server lives; what counts is how much it grew
since before. It does not know where the budget is kept.
"""

import hashlib
import time
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any

from tests.adversity.subject import Subject, on_linux, subject
from tests.support.servers import HOST, MIB, PATIENCE, Raw

TOTAL = 256 * MIB
PIECE = 65_536
GROWTH_MAX = 6 * MIB
BUDGET = 8 * MIB
"""What a generator may be ahead of a reader: our own budget is a quarter of a MiB, the rest is the
kernel's.
"""

SCRIPT = """
from sigil import Limits, Response, make_http_server

advanced, ended = [0], [0]

def pieces():
    try:
        for number in range(4096):
            advanced[0] += 1
            yield b"%08d" % number * 8192
    finally:
        ended[0] += 1

def app(request):
    if request.path == "/figures":
        counts = {"advanced": advanced[0], "ended": ended[0]}
        return Response.json(counts | server.stats()._asdict())
    headers = {"Content-Length": str(4096 * 65536)} if request.path == "/declared" else {}
    return Response.stream(pieces(), headers=headers)

server = make_http_server(app, port=0, limits=Limits(stall_timeout=1.5))
server.listen()
print(server.port, flush=True)
server.start()
"""


def expected_digest() -> str:
    """Of the whole stream."""
    digest = hashlib.sha1(usedforsecurity=False)
    for number in range(TOTAL // PIECE):
        digest.update(b"%08d" % number * 8_192)
    return digest.hexdigest()


def read_digest(process: Subject, path: str) -> tuple[str, int]:
    """The digest of what came, and how much that was."""
    digest, count, memory = hashlib.sha1(usedforsecurity=False), 0, memoryview(bytearray(MIB))
    client = HTTPConnection(HOST, process.port, timeout=PATIENCE)
    client.request("GET", path)
    response = client.getresponse()
    while size := response.readinto(memory):
        digest.update(memory[:size])
        count += size
    client.close()
    return digest.hexdigest(), count


def wait_for(condition: Callable[[], bool], sentence: str) -> None:
    """Ask until it is so.  Each question is a request to the server, so nobody spins."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, sentence


@on_linux
def test_a_stream_of_256_mib_arrives_whole_and_leaves_no_trace_in_memory() -> None:
    with subject(SCRIPT) as process:
        process.figures()
        before = process.memory_bytes("VmHWM")
        for path in ("/declared", "/chunked"):
            assert read_digest(process, path) == (expected_digest(), TOTAL)
        assert process.memory_bytes("VmHWM") - before < GROWTH_MAX
        assert process.figures()["ended"] == 2


@on_linux
def test_a_reader_that_stops_costs_a_budget_and_then_its_connection() -> None:
    with subject(SCRIPT) as process:
        process.figures()
        before = process.memory_bytes("VmHWM")
        with Raw(process.port, b"GET /chunked HTTP/1.1\r\nHost: a\r\n\r\n") as reader:
            wait_for(lambda: process.figures()["advanced"] > 0, "the stream does not begin")
            seen: list[dict[str, Any]] = []

            def is_dropped() -> bool:
                seen.append(process.figures())
                return bool(seen[-1]["ended"] == 1)

            wait_for(is_dropped, "the reader is not dropped")
            last = seen[-1]
            assert last["closed"] == {"PEER_CLOSED": last["accepted"] - 2, "WRITE_STALL": 1}
            assert last["clients"] == 1, "only the one that asks is left"
            assert len(seen) > 20, "the others were hardly served"
            assert max(figures["advanced"] for figures in seen) * PIECE < BUDGET
            assert max(figures["outbox_bytes"] for figures in seen) < MIB
            assert process.memory_bytes("VmHWM") - before < GROWTH_MAX
            reader.poll()
            assert 0 < len(reader.received) < BUDGET
