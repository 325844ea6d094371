"""What the demonstration tells without being asked: in memory with a clock that stands still, and
over real sockets.

In memory, a turn of the program's loop is a word of the test, so what is said, to whom and when are
literal values. Over sockets, one client does not read and is dropped, while another misses nothing.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from sigil import CloseReason, HttpServer, Limits, Peer
from sigil.apps.demo.handler import Recorder, make_demo
from sigil.apps.demo.live import (
    BALLAST_COUNT,
    BALLAST_LEN,
    BALLAST_SECONDS,
    EVICTION_REASONS,
    MAX_EVICTIONS,
    SNAPSHOT_SECONDS,
    Lag,
    Live,
    changes,
    drive,
    make_live,
)
from sigil.apps.demo.slow_readers import (
    MAX_FAST_SECONDS,
    MAX_SLOW,
    MAX_SLOW_PER_HOST,
    MAX_SLOW_SECONDS,
)
from sigil.core.views.figures import ring_figures
from sigil.testing import Client, Connection, WebSocket
from tests.apps.demo.test_handler import reading
from tests.support.servers import PATIENCE, Raw

SMALL = Limits(outgoing_buffer_sz=2**21)


class Show:
    """The demonstration in memory; `turn` is one turn of its loop after so many seconds."""

    def __init__(self, limits: Limits = SMALL) -> None:
        self.now = 1.0
        self.slow_count = 0
        recorder = Recorder(lambda: reading(int(self.now)), lambda: self.now)
        self.live = Live(recorder, lambda: self.now)
        self.client = Client(
            make_demo(recorder, self.live.admit), callbacks=self.live.callbacks, limits=limits
        )
        self.live.attach(self.client.server)  # type: ignore[arg-type]

    def turn(self, seconds: float = 0.0) -> None:
        """Let time pass, and say what is due then."""
        self.now += seconds
        self.live.run_due(self.client.server)  # type: ignore[arg-type]
        self.client.run_until_idle()

    def slow(self, window_len: int | None = None, host: str = "127.0.0.1") -> Connection:
        """A client that asks for too much."""
        self.slow_count += 1
        connection = self.client.connect(window_len=window_len, peer=Peer(host, self.slow_count))
        connection.request("GET", "/slow")
        return connection

    def published(self) -> int:
        """How many messages were ever published."""
        return self.client.state.broadcast.next_number


def told(websocket: WebSocket, kind: str) -> list[Any]:
    """What a WebSocket was told of this kind."""
    return [
        value
        for message in websocket.messages()
        for name, value in json.loads(message).items()
        if name == kind
    ]


# -- the machine -----------------------------------------------------------------------------------


def test_a_newcomer_hears_the_past_and_then_every_sample_once() -> None:
    show = Show()
    for _ in range(3):
        show.turn(1.0)
    websocket = show.client.websocket("/ws")
    (hello,) = told(websocket, "hello")
    assert [json.loads(message).keys() for message in websocket.messages()[:1]] == [{"hello"}]
    for _ in range(2):
        show.turn(1.0)
    samples = [*hello["samples"], *told(websocket, "load")]
    assert [sample["at_seconds"] for sample in samples] == [
        json.loads(text)["at_seconds"] for text in show.live.recorder.texts
    ]
    assert len(samples) == 5


def test_a_sample_that_a_request_had_taken_is_told_all_the_same_and_once() -> None:
    show = Show()
    show.turn(1.0)
    early = show.client.websocket("/ws?topic=load")
    show.now += 1.0
    show.client.get("/load.json")
    late = show.client.websocket("/ws?topic=load")
    show.now += 1.0
    show.client.get("/load.json")
    show.turn()
    for websocket in (early, late):
        (hello,) = told(websocket, "hello")
        assert len(hello["samples"]) == 1
        assert len(told(websocket, "load")) == 2
    assert told(early, "ring") == []


# -- the ring --------------------------------------------------------------------------------------


def test_changes_are_what_is_new_or_different() -> None:
    assert changes({}, {"a": 1}) == {"a": 1}
    assert changes({"a": 1, "b": [2]}, {"a": 1, "b": [3]}) == {"b": [3]}
    assert changes({"a": 1}, {"a": 1}) == {}


def test_pictures_are_changes_to_the_one_that_a_newcomer_is_given() -> None:
    show = Show()
    first = show.client.websocket("/ws?topic=ring")
    show.turn()
    for _ in range(3):
        show.turn(SNAPSHOT_SECONDS)
    second = show.client.websocket("/ws?topic=ring")
    figures = ring_figures(show.client.state)
    show.turn(SNAPSHOT_SECONDS)
    pictures = []
    for websocket in (first, second):
        (picture,) = [dict(hello["ring"]) for hello in told(websocket, "hello")]
        for change in told(websocket, "ring"):
            picture |= change
        pictures.append(picture)
    assert pictures[0] == pictures[1]
    assert len(told(first, "ring")) == 5 and len(told(second, "ring")) == 1
    assert pictures[0]["head_number"] == figures.head_number == 5  # four pictures and a sample
    assert pictures[0]["cohorts"] == [{"encoding": "plain", "topics": ["ring"], "clients": 2}]
    assert max(len(message) for message in first.messages()[2:]) < 250


def test_pictures_keep_their_pace_and_do_not_make_up_for_what_they_missed() -> None:
    show = Show()
    websocket = show.client.websocket("/ws?topic=ring")
    counts = []
    for seconds in (0.0, 0.0, 0.124, 0.002, 0.124, 10.0, 0.0, 0.0):
        show.turn(seconds)
        counts.append(len(told(websocket, "ring")))
    assert counts == [1, 1, 1, 2, 3, 4, 5, 5]


def test_nothing_is_said_of_the_ring_that_nobody_hears() -> None:
    show = Show()
    show.client.websocket("/ws?topic=load")
    for _ in range(9):
        show.turn(SNAPSHOT_SECONDS)
    assert show.published() == 2  # two samples
    assert show.live.seconds_until_due() == pytest.approx(1.0 - SNAPSHOT_SECONDS)


# -- ballast ---------------------------------------------------------------------------------------


def test_there_is_ballast_while_somebody_hears_it_and_then_no_more() -> None:
    show = Show(Limits(outgoing_buffer_sz=2**22))
    show.turn(1.0)
    for _ in range(5):
        show.turn(BALLAST_SECONDS)
    assert show.published() == 1  # a sample
    slow = show.slow()
    show.turn()
    assert show.live.seconds_until_due() == BALLAST_SECONDS
    show.turn(BALLAST_SECONDS)
    (answer,) = slow.answers()
    assert "sigil-peer" in answer.headers
    heaps = [line for line in answer.body.splitlines() if b" ballast " in line]
    assert len(heaps) == 2 * BALLAST_COUNT
    assert {len(line) for line in heaps} == {len(b"data: ") + BALLAST_LEN}
    slow.reset()
    show.turn(BALLAST_SECONDS)
    published = show.published()
    for _ in range(5):
        show.turn(BALLAST_SECONDS)
    assert show.published() == published
    assert show.live.seconds_until_due() > BALLAST_SECONDS


def test_no_more_than_so_many_may_read_slowly_even_if_all_come_at_once() -> None:
    show = Show(Limits(outgoing_buffer_sz=2**22))
    show.turn()
    hosts = [f"192.0.2.{number}" for number in range(MAX_SLOW + 2)]
    crowd = [
        show.slow(host=host) for host in hosts
    ]  # who comes in one turn with others may be counted twice
    assert 0 < [reader.answers()[0].status for reader in crowd].count(200) <= MAX_SLOW
    statuses = []
    for host in hosts:
        show.turn()
        statuses.append(show.slow(host=host).answers()[0].status)
    assert show.client.server.subscriber_count("ballast") == MAX_SLOW
    assert statuses == sorted(statuses) and statuses[-1] == 503
    next(reader for reader in crowd if reader.answers()[0].status == 200).reset()
    show.turn()
    assert [show.slow(host="192.0.2.99").answers()[0].status for _ in range(2)] == [200, 503]


def test_one_host_leaves_half_of_the_places_to_others() -> None:
    show = Show(Limits(outgoing_buffer_sz=2**22))
    statuses = []
    for host in ("192.0.2.1", "192.0.2.2"):
        for _ in range(MAX_SLOW_PER_HOST + 1):
            show.turn()
            statuses.append(show.slow(host=host).answers()[0].status)
    assert statuses == 2 * [*MAX_SLOW_PER_HOST * [200], 503]


def seconds_until_ended(show: Show, reader: Connection, read_len: int = 0) -> float:
    """Let time pass until this reader has been ended: after how many seconds."""
    began = show.now
    while not reader.has_ended:
        assert show.now - began <= MAX_SLOW_SECONDS + 1
        show.turn(BALLAST_SECONDS)
        if read_len:
            reader.read(read_len)
    return show.now - began


def test_who_keeps_up_is_ended_soon_and_told_why_and_then_there_is_no_ballast() -> None:
    show = Show(Limits(outgoing_buffer_sz=2**22))
    crowd = [show.slow() for _ in range(2)]
    show.turn()
    assert seconds_until_ended(show, crowd[0]) == MAX_FAST_SECONDS
    for reader in crowd:
        reader.half_close()
    assert [reader.reason for reader in crowd] == 2 * [CloseReason.OK]
    (answer,) = crowd[0].answers()
    assert answer.is_whole
    assert answer.text.endswith("data: end of the stream: this reader has not lagged for 30 s\n\n")
    assert list(show.live.evictions) == []
    published = show.published()
    show.turn(BALLAST_SECONDS)
    assert show.published() == published
    assert show.slow().answers()[0].status == 200


def test_who_is_behind_for_ever_and_never_too_far_is_ended_too() -> None:
    show = Show(Limits(outgoing_buffer_sz=2**22))
    reader = show.slow(window_len=2**17)
    show.turn()
    for _ in range(20):
        show.turn(BALLAST_SECONDS)
    # It takes as much as is said, and so stays as far behind as it is: it neither catches up nor
    # falls off.
    assert (
        seconds_until_ended(show, reader, read_len=BALLAST_COUNT * (BALLAST_LEN + 50))
        >= MAX_SLOW_SECONDS - 1
    )
    assert show.client.server.subscriber_count("ballast") == 0
    assert list(show.live.evictions) == []


def test_who_reads_slowly_is_dropped_with_a_reason_that_everybody_hears() -> None:
    show = Show()
    websocket = show.client.websocket("/ws?topic=ring")
    slow = show.slow(window_len=1000)
    peer = str(slow.peer)
    for _ in range(24):
        show.turn(BALLAST_SECONDS)
        if slow.is_closed:
            break
    (eviction,) = told(websocket, "eviction")
    assert eviction["peer"] == peer
    assert eviction["reason"] == "WS_CLIENT_TOO_SLOW"
    assert eviction["sentence"] == "it fell too far behind what was published"
    seen = [
        laggard for picture in told(websocket, "ring") for laggard in picture.get("laggards", ())
    ]
    assert {laggard["peer"] for laggard in seen} == {peer}
    pictures = [picture for picture in told(websocket, "ring") if picture.get("laggards")]
    assert (
        eviction["lag"]
        == Lag(seen[-1]["behind"], pictures[-1]["head_offset"] - seen[-1]["offset"])._asdict()
    )
    # Ballast is kept twice, plain and as an event: of the ring it is behind by twice what is owed
    # to it, about.
    assert eviction["lag"]["ring_bytes"] > 1.8 * seen[-1]["buffered"] - 2 * 1000
    assert [laggard["buffered"] for laggard in seen] == sorted(
        laggard["buffered"] for laggard in seen
    )
    show.turn(SNAPSHOT_SECONDS)
    assert told(websocket, "ring")[-1]["dropped"] == 1
    (hello,) = told(show.client.websocket("/ws"), "hello")
    assert hello["evictions"] == [eviction]


def test_the_last_evictions_are_kept_and_who_leaves_is_none() -> None:
    show = Show()
    show.client.websocket("/ws").close()
    show.turn()
    assert list(show.live.evictions) == []
    for _ in range(MAX_EVICTIONS + 2):
        slow = show.slow(window_len=1000)
        while not slow.is_closed:
            show.turn(BALLAST_SECONDS)
    assert len(show.live.evictions) == MAX_EVICTIONS
    assert {eviction.reason for eviction in show.live.evictions} <= {
        reason.name for reason in EVICTION_REASONS
    }


# -- over sockets ----------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[HttpServer]:
    """The demonstration as the command runs it, with a smaller ring."""
    server, live = make_live("127.0.0.1", 0, SMALL)
    server.listen()
    loop = threading.Thread(target=drive, args=(server, live))
    loop.start()
    yield server
    server.stop(0)
    loop.join(PATIENCE)
    assert not loop.is_alive()


def hear(websocket: ClientConnection, deadline: float) -> tuple[str, Any]:
    """The next message: its kind, and what it says."""
    message = websocket.recv(deadline - time.monotonic())
    ((kind, value),) = json.loads(message).items()
    return kind, value


def test_a_reader_that_takes_nothing_is_dropped_while_another_client_misses_nothing(
    server: HttpServer,
) -> None:
    deadline = time.monotonic() + PATIENCE
    with ExitStack() as clients:
        websocket = clients.enter_context(connect(f"ws://127.0.0.1:{server.port}/ws"))
        kind, hello = hear(websocket, deadline)
        assert kind == "hello"
        slow = clients.enter_context(
            Raw(server.port, b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n", receive_buffer=4096)
        )
        name = "{}:{}".format(*slow.sock.getsockname())
        heard: list[tuple[str, Any]] = []
        while not any(kind == "eviction" for kind, _ in heard):
            heard.append(hear(websocket, deadline))
        (eviction,) = [value for kind, value in heard if kind == "eviction"]
        assert (eviction["peer"], eviction["reason"]) == (name, "WS_CLIENT_TOO_SLOW")
        while [kind for kind, _ in heard].count("load") < 2:
            heard.append(hear(websocket, deadline))
        plain = clients.enter_context(Raw(server.port, b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n"))
        while not (plain.answers() and plain.answers()[0].is_whole):
            assert time.monotonic() < deadline
            plain.poll()
        samples = [*hello["samples"], *(value for kind, value in heard if kind == "load")]
        assert (
            samples
            == [json.loads(line) for line in plain.answers()[0].text.splitlines()][: len(samples)]
        )
        heads = [
            value["head_number"]
            for kind, value in heard
            if kind == "ring" and "head_number" in value
        ]
        assert heads == sorted(set(heads))
        assert any(picture.get("slow") == 1 for kind, picture in heard if kind == "ring")


def test_what_is_not_asked_for_properly_is_refused_over_sockets_too(server: HttpServer) -> None:
    for target, status in (
        ("/ws", 426),
        ("/ws?topic=ballast", 400),
        ("/ws?topic=%ff", 400),
        ("/slow/", 404),
    ):
        with Raw(server.port, f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode()) as client:
            deadline = time.monotonic() + PATIENCE
            while not client.answers():
                assert time.monotonic() < deadline
                client.poll()
            assert client.answers()[0].status == status
