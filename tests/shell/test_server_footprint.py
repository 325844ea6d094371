"""The footprint is a bound: a server besieged by every kind of greedy client at once stays below
it, and not far below.

Theory: a bound that nobody has tried to break is a guess. So a server in a process of its own, with
little to give, is attacked by a crowd in which each kind of client runs up one term of the sum, and
the interpreter counts.

Rules: the attackers live in this process, the server in the other, which tells its peaks when it is
asked. All that is waited for is that the attackers get rid of nothing more. It does not know the
formula.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from sigil import Limits, http_server_footprint
from tests.support.requests import GET, UPGRADE
from tests.support.servers import Raw
from tests.support.sources import ROOT
from tests.support.websocket_client import frame

PATIENCE = 60.0
LISTENERS = 64
"""As many topics are published on one by one, so that no two who hear one are sent the same."""
BASE = Limits(
    max_connection_cnt=48,
    max_ws_connection_cnt=48,
    max_header_len=16_384,
    max_headers=40,
    max_body_len=2**18,
    max_queued_requests=8,
    max_outbox_len=65_536,
    max_ws_message_len=2**18,
    max_ws_recv_frame_len=2**18,
    outgoing_buffer_sz=2**22,
    max_ws_send_frame_cnt=1_024,
    max_cached_heads=32,
    max_ws_outbox_len=65_536,
    max_thread_queue_len=2**20,
    max_recoded_len=2**16,
    max_read_len=16_384,
    header_timeout=PATIENCE,
    stall_timeout=PATIENCE,
    body_timeout=PATIENCE,
    rate_grace=PATIENCE,
)
TIGHT = BASE._replace(max_inbound_len=2**22, max_outbound_len=2**22, max_queued_requests=4)

SERVER = """
import json, queue, sys, threading, tracemalloc
sys.path.insert(0, {root!r})
from sigil import Deferred, Headers, Limits, Peer, Request, Response, make_http_server
from sigil.core.server.slots import clients_of

values, response_len, tick_len, is_traced = json.loads(sys.argv[1])

def chunks():
    while True:
        yield b"c" * response_len

def app(request):
    if request.path == "/talk":
        return Response.upgrade(topics=[request.query])
    if request.path == "/listen":
        return Response.sse(topics=[request.query])
    if request.path == "/stream":
        return Response.stream(chunks())
    if request.path == "/later":
        later.append(Deferred())
        return later[-1]
    return Response.bytes(b"b" * response_len)

def resident(name):
    lines = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
    return int(lines[name].split()[0]) * 1024

later = []
LINE_ENDS, LISTENERS = "\\n" * 1024, {listeners}
words = queue.SimpleQueue()

def listen():
    for line in sys.stdin:
        words.put(line.strip())
    words.put("end")

app(Request("GET", "/", "/", "", 1, Headers(), b"", Peer("", 0)))
threading.Thread(target=listen, daemon=True).start()
if is_traced:
    tracemalloc.start()
values = [tuple(value) if isinstance(value, list) else value for value in values]
server = make_http_server(app, port=0, limits=Limits(*values))
server.listen()
before = tracemalloc.get_traced_memory()[0] if is_traced else resident("VmRSS")
print(server.port, flush=True)
publishes = False
while True:
    server.tick(0.01)
    if publishes:
        for number in range(tick_len // 1024):
            server.broadcast(LINE_ENDS)
        for number in range(LISTENERS):
            server.broadcast("x", topic=str(number))
    if words.empty():
        continue
    word = words.get()
    if word == "end":
        break
    if word == "publish":
        publishes = True
    peak = tracemalloc.get_traced_memory()[1] if is_traced else resident("VmHWM")
    state = server.state
    heard = sum(client.bytes_in for client in clients_of(state.slots))
    load = state.load
    held = [heard, load.inbound, load.outbound, load.paused_at, load.websockets]
    found = [peak - before, len(server.clients()), held, server.stats().closed]
    print(json.dumps(found), flush=True)
server.stop(0)
while server.running:
    server.tick(0.0)
"""


class Told(NamedTuple):
    """What the server's process says of itself: the most it held, who is there, what is under way,
    who had to go.
    """

    peak: int
    clients: int
    load: list[int | None]
    closed: dict[str, int]


class Besieged:
    """A server in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.port = int(self._read())

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def tell(self, word: str) -> Told:
        """Say a word, and hear how things are."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        return Told(*json.loads(self._read()))


class Siege(NamedTuple):
    """A server's limits, what its program makes, what clients send, and what over WebSockets, with
    an end to come.
    """

    limits: Limits
    response_len: int
    tick_len: int
    requests: list[bytes]
    talks: list[tuple[bytes, bytes]]


@contextmanager
def besieged(siege: Siege, is_traced: bool) -> Iterator[Besieged]:
    """Such a server; its process is gone at the end."""
    settings = json.dumps([siege.limits, siege.response_len, siege.tick_len, is_traced])
    program = SERVER.format(root=str(ROOT), listeners=LISTENERS)
    process = subprocess.Popen(
        [sys.executable, "-c", program, settings],
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    watchdog = threading.Timer(PATIENCE, process.kill)
    watchdog.start()
    try:
        yield Besieged(process)
        process.communicate()
        assert process.returncode == 0
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


def attack(server: Besieged, crowd: list[Raw]) -> Told:
    """Send and read until nobody gets rid of anything any more."""
    quiet, before = 0, None
    while quiet < 5:
        for client in crowd:
            client.poll()
        told = server.tell("report")
        left = (told.load, sum(len(client.unsent) - len(client.received) for client in crowd))
        quiet = quiet + 1 if left == before else 0
        before = left
    return told


# -- the attackers ---------------------------------------------------------------------------------


def fat_head(target: str, length: int, name: str = "X") -> bytes:
    """A head of nearly so many bytes in many fields, which takes up as much room as it can."""
    head = b"GET %s HTTP/1.1\r\nHost: a\r\n" % target.encode()
    lines = [
        b"%s%02d: %s\r\n" % (name.encode(), index, b"v" * (length // 38 - 12))
        for index in range(36)
    ]
    return head + b"".join(lines) + b"\r\n"


def http_attacks(limits: Limits) -> list[bytes]:
    """What greedy clients send over HTTP."""
    near = limits.max_header_len - 1_000
    body, count = limits.max_body_len, limits.max_queued_requests
    post = b"POST / HTTP/1.1\r\nHost: a\r\n"
    return [
        fat_head("/", near)[:-2],
        post + b"Content-Length: %d\r\n\r\n" % body + b"p" * (body - 1),
        post
        + b"Transfer-Encoding: chunked\r\n\r\n"
        + (b"100\r\n" + b"c" * 256 + b"\r\n") * (body // 256 - 1),
        b"".join(fat_head(f"/{index}", near) for index in range(4 * count)),
        fat_head("/later", near) + b"".join(fat_head(f"/{index}", near) for index in range(count)),
        b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n",
    ]


def fragments(text: bytes, size: int) -> bytes:
    """A text message that never ends, in many frames."""
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    return b"".join(
        frame(0 if index else 1, piece, fin=False) for index, piece in enumerate(pieces)
    )


def talk_attacks(limits: Limits) -> list[tuple[bytes, bytes]]:
    """What greedy clients send over WebSockets, behind an upgrade of their own, and what they end
    it with.
    """
    most = limits.max_ws_message_len
    wide = "\U0001f600".encode() + b"t" * (most - 5)
    whole = frame(1, wide + b"t")
    return [
        (fragments(wide, 16_384), frame(0, b"t")),
        (fragments(wide, 997), frame(0, b"t")),
        (whole[:-1], whole[-1:]),
        (frame(9) * limits.max_ws_control_frames_per_second, b""),
        (b"", b""),
    ]


def crowd_of(server: Besieged, messages: list[bytes], count: int) -> list[Raw]:
    """So many clients, each with a message; they read nothing."""
    crowd = []
    for index in range(count):
        client = Raw(server.port, messages[index % len(messages)], receive_buffer=4_096)
        client.reads = False
        crowd.append(client)
    return crowd


def talkers_of(server: Besieged, count: int) -> list[Raw]:
    """So many WebSockets, each on a topic of its own, which read nothing any more."""
    crowd = [
        Raw(server.port, UPGRADE.replace(b"/chat", b"/talk?%d" % index), receive_buffer=4_096)
        for index in range(count)
    ]
    attack(server, crowd)
    for client in crowd:
        assert client.received.startswith(b"HTTP/1.1 101 ")
        client.reads = False
    return crowd


def besiege(siege: Siege, is_traced: bool) -> Told:
    """Everything at once; then all messages end in one moment, and the program begins
    to publish.
    """
    with besieged(siege, is_traced) as server:
        talkers = talkers_of(server, siege.limits.max_ws_connection_cnt if siege.talks else 0)
        crowd = crowd_of(server, siege.requests, siege.limits.max_connection_cnt)
        try:
            for part in (0, 1):
                for index, client in enumerate(talkers):
                    client.send(siege.talks[index % len(siege.talks)][part])
                attack(server, [*crowd, *talkers])
            server.tell("publish")
            return attack(server, [*crowd, *talkers])
        finally:
            for client in (*crowd, *talkers):
                client.close()


pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="reads the peak from /proc"
)


def assert_bounded(siege: Siege, is_traced: bool) -> None:
    """The peak is below the bound, and not far below."""
    told = besiege(siege, is_traced)
    bound = http_server_footprint(
        siege.limits, response_len=siege.response_len, tick_len=siege.tick_len
    )
    print(f"peak {told.peak / 2**20:.1f} MiB, of {bound / 2**20:.1f}: {told}")
    assert told.peak < bound < 15 * told.peak


@pytest.mark.parametrize("limits", [BASE, TIGHT], ids=["by clients", "by budgets"])
@pytest.mark.parametrize("is_traced", [True, False], ids=["traced", "resident"])
def test_a_besieged_server_stays_below_its_footprint_and_not_far_below(
    limits: Limits, is_traced: bool
) -> None:
    assert_bounded(
        Siege(limits, 65_536, 65_536, http_attacks(limits), talk_attacks(limits)), is_traced
    )


# -- one means at a time ---------------------------------------------------------------------------

LEAST = BASE._replace(
    max_connection_cnt=1,
    max_ws_connection_cnt=0,
    max_body_len=1_024,
    max_queued_requests=1,
    max_outbox_len=4_096,
    max_ws_message_len=1_024,
    max_ws_outbox_len=4_096,
    max_thread_queue_len=0,
    outgoing_buffer_sz=4_096,
    max_ws_send_frame_cnt=16,
    max_cached_heads=0,
)
LATER = b"GET /later HTTP/1.1\r\nHost: a\r\n\r\n"
LISTEN = b"GET /listen?%d HTTP/1.1\r\nHost: a\r\n\r\n"
HEADS = LEAST._replace(max_connection_cnt=16, max_queued_requests=32)
BODIES = LEAST._replace(max_connection_cnt=32, max_body_len=2**20, max_inbound_len=2**24)
MESSAGES = LEAST._replace(max_connection_cnt=32, max_ws_connection_cnt=32, max_ws_message_len=2**20)
THIN = {"max_header_len": 1_024, "max_headers": 8, "max_read_len": 1_024}
ANSWERS = HEADS._replace(max_outbox_len=2**21, **THIN)
COHORTS = LEAST._replace(
    max_connection_cnt=LISTENERS,
    max_ws_connection_cnt=LISTENERS,
    outgoing_buffer_sz=2**21,
    max_ws_send_frame_cnt=4_096,
    **THIN,
)

SIEGES = {
    "heads": Siege(HEADS, 64, 0, [fat_head("/later", 14_000, "Y") * 32], []),
    "answers": Siege(ANSWERS, 65_536, 0, [LATER + GET * 31], []),
    "bodies": Siege(BODIES, 64, 0, http_attacks(BODIES)[1:3], []),
    "messages": Siege(MESSAGES, 64, 0, [b""], talk_attacks(MESSAGES)[:1]),
    "cohorts": Siege(COHORTS, 64, 2**18, [b""], [(b"", b"")]),
    "listeners": Siege(COHORTS, 64, 2**17, [LISTEN % index for index in range(LISTENERS)], []),
}


@pytest.mark.parametrize("siege", SIEGES.values(), ids=SIEGES)
def test_a_server_besieged_by_one_means_stays_below_its_footprint_and_not_far_below(
    siege: Siege,
) -> None:
    assert_bounded(siege, True)
