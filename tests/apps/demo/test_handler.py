"""The demonstration: its handler as a function, from literal readings; and once through a real
server.

What is told without being asked is tried in `test_demo_live`, the page in `test_demo_page`.
"""

import json
import threading
from collections.abc import Iterator, Sequence
from enum import Enum
from http.client import HTTPConnection
from typing import Any, NamedTuple

import pytest

from sigil import Headers, Peer, Request, Response
from sigil.apps.demo.handler import (
    HISTORY_COUNT,
    Handler,
    Recorder,
    make_demo,
    page_text,
    plain,
    rates,
)
from sigil.apps.demo.live import drive, make_live
from sigil.apps.demo.machine import CoreTimes, Interface, Machine, Space, usage
from sigil.core.http.bodies import EventStream, StreamedBody, Upgrade

PATIENCE_SECONDS = 60.0


def reading(second: int) -> Machine:
    """A machine that keeps its only core a quarter busy and receives 1000 bytes a second."""
    return Machine(
        source="/proc",
        taken_seconds=float(second),
        core_count=1,
        cores=(CoreTimes("cpu0", 25 * second, 75 * second),),
        load_averages=(0.25, 0.25, 0.25),
        memory=Space(4000, 1000),
        disk=None,
        interfaces=(Interface("eth0", 1000 * second, 0),),
        process_seconds=0.01 * second,
        resident_bytes=None,
    )


class Clock:
    """A clock that a test sets by hand, and a machine read at that time."""

    def __init__(self) -> None:
        self.second = 0

    def now(self) -> float:
        return float(self.second)

    def read(self) -> Machine:
        return reading(self.second)


def recorder_after(seconds: int) -> Recorder:
    """A recorder that took a sample every second."""
    clock = Clock()
    recorder = Recorder(clock.read, clock.now)
    recorder.figures = lambda: {
        "clients": 2,
        "requests": 10 * clock.second,
        "bytes_out": 5000 * clock.second,
    }
    for second in range(1, seconds + 1):
        clock.second = second
        recorder.refresh()
    return recorder


def request(path: str, query: str = "", method: str = "GET") -> Request:
    target = f"{path}?{query}" if query else path
    return Request(
        method=method,
        target=target,
        path=path,
        query=query,
        version=1,
        headers=Headers(),
        body=b"",
        peer=Peer("127.0.0.1", 4),
    )


def ask(demo: Handler, path: str, query: str = "", method: str = "GET") -> Response:
    return demo(request(path, query, method))


def body_of(response: Response) -> bytes:
    return (
        b"".join(response.body.chunks) if isinstance(response.body, StreamedBody) else response.body
    )


def lines_of(response: Response) -> list[Any]:
    return [json.loads(line) for line in body_of(response).splitlines()]


# -- the handler -----------------------------------------------------------------------------------


def test_load_json_is_the_latest_sample() -> None:
    response = ask(make_demo(recorder_after(3)), "/load.json")
    assert Headers(response.headers)["cache-control"] == "no-store"
    answer = json.loads(body_of(response))
    sample = answer["sample"]
    assert sample["machine"] == {
        "source": "/proc",
        "seconds": 1.0,
        "core_count": 1,
        "cores": [{"name": "cpu0", "busy_fraction": 0.25}],
        "load_averages": [0.25, 0.25, 0.25],
        "memory": {"total_bytes": 4000, "used_bytes": 1000},
        "disk": None,
        "interfaces": [
            {"name": "eth0", "received_bytes_per_second": 1000.0, "sent_bytes_per_second": 0.0}
        ],
        "process_cores": pytest.approx(0.01),
        "resident_bytes": None,
    }
    assert sample["server"] == {"clients": 2, "requests": 30, "bytes_out": 15000}
    assert sample["rates"] == {
        "requests_per_second": 10.0,
        "bytes_in_per_second": None,
        "bytes_out_per_second": 5000.0,
        "cpu_seconds_per_request": pytest.approx(0.001),
    }
    assert set(answer["about"]) == {"host", "system", "machine", "python", "sigil"}


def test_a_first_question_has_an_answer() -> None:
    clock = Clock()
    answer = json.loads(body_of(ask(make_demo(Recorder(clock.read, clock.now)), "/load.json")))
    assert answer["sample"]["machine"]["cores"] == [{"name": "cpu0", "busy_fraction": None}]
    assert answer["sample"]["rates"]["requests_per_second"] is None


def test_a_demo_without_a_recorder_reads_this_machine() -> None:
    answer = json.loads(body_of(ask(make_demo(), "/load.json")))
    assert answer["sample"]["machine"]["core_count"] >= 1
    assert answer["sample"]["server"] == {}


def test_the_history_is_a_stream_of_lines_one_chunk_each() -> None:
    response = ask(make_demo(recorder_after(5)), "/stream")
    assert Headers(response.headers)["content-type"] == "application/x-ndjson"
    assert isinstance(response.body, StreamedBody)
    chunks = list(response.body.chunks)
    assert [json.loads(chunk)["server"]["requests"] for chunk in chunks] == [10, 20, 30, 40, 50]
    assert all(chunk.endswith(b"\n") and chunk.count(b"\n") == 1 for chunk in chunks)


@pytest.mark.parametrize(
    ("query", "requests"),
    [
        ("lines=2", [40, 50]),
        ("lines=1", [50]),
        ("lines=5", [10, 20, 30, 40, 50]),
        ("lines=99999", [10, 20, 30, 40, 50]),
    ],
)
def test_the_stream_is_as_long_as_was_asked_for(query: str, requests: Sequence[int]) -> None:
    lines = lines_of(ask(make_demo(recorder_after(5)), "/stream", query))
    assert [line["server"]["requests"] for line in lines] == requests


@pytest.mark.parametrize("lines", ["0", "-1", "", "many", "1.5", "%D9%A3", "9" * 5000])
def test_a_stream_of_no_number_is_refused(lines: str) -> None:
    assert ask(make_demo(recorder_after(1)), "/stream", f"lines={lines}").status == 400


def test_a_stream_is_a_snapshot_that_later_samples_do_not_disturb() -> None:
    recorder = recorder_after(3)
    response = ask(make_demo(recorder), "/stream")
    recorder.texts.clear()
    assert len(lines_of(response)) == 3


def test_hello_is_text() -> None:
    response = ask(make_demo(recorder_after(1)), "/hello")
    assert (response.status, body_of(response)) == (200, b"hello from sigil\n")


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/", "GET", 200),
        ("/", "HEAD", 200),
        ("/load.json", "HEAD", 200),
        ("/stream", "HEAD", 200),
        ("/missing", "GET", 404),
        ("/missing", "POST", 404),
        ("//", "GET", 404),
        ("", "GET", 404),
        ("/", "POST", 405),
        ("/load.json", "DELETE", 405),
        ("/ws", "POST", 405),
        ("/slow", "PUT", 405),
        ("/sigil-client.js", "HEAD", 200),
    ],
)
def test_routes(path: str, method: str, status: int) -> None:
    assert ask(make_demo(recorder_after(1)), path, method=method).status == status


def test_a_method_that_is_not_allowed_is_told_which_are() -> None:
    assert (
        Headers(ask(make_demo(recorder_after(1)), "/", method="PUT").headers)["allow"]
        == "GET, HEAD"
    )


# -- what is told without being asked --------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "topics"),
    [
        ("", ("load", "ring")),
        ("topic=ring", ("ring",)),
        ("topic=ring&topic=load&other=1", ("ring", "load")),
    ],
)
def test_a_websocket_hears_what_it_asks_for(query: str, topics: tuple[str, ...]) -> None:
    response = ask(make_demo(recorder_after(1)), "/ws", query)
    assert response.body == Upgrade(None, topics, 0)


@pytest.mark.parametrize(
    "query", ["topic=ballast", "topic=*", "topic=", "topic=load&topic=lode", "topic=%00"]
)
def test_a_websocket_that_asks_for_something_else_is_refused(query: str) -> None:
    response = ask(make_demo(recorder_after(1)), "/ws", query)
    assert (response.status, body_of(response)) == (
        400,
        b"400 Bad Request: a topic is one of load, ring\n",
    )


def test_a_slow_reader_is_told_its_name() -> None:
    response = ask(make_demo(recorder_after(1)), "/slow")
    assert response.body == EventStream(("load", "ballast"), 0)
    assert Headers(response.headers)["sigil-peer"] == "127.0.0.1:4"
    socket = request("/slow").replace(peer=Peer("/run/s", 0))
    assert "sigil-peer" not in Headers(make_demo(recorder_after(1))(socket).headers)


@pytest.mark.parametrize(
    ("query", "topic", "slow"),
    [
        ("", "ballast", "drop"),
        ("how=drop", "ballast", "drop"),
        ("how=skip", "ballast", "skip"),
        ("how=latest", "newest", "drop"),
    ],
)
def test_a_slow_reader_says_how_it_is_served(query: str, topic: str, slow: str) -> None:
    body = ask(make_demo(recorder_after(1)), "/slow", query).body
    assert isinstance(body, EventStream)
    assert (body.topics, body.slow) == (("load", topic), slow)


def test_a_slow_reader_is_served_in_three_ways_and_no_other() -> None:
    response = ask(make_demo(recorder_after(1)), "/slow", "how=fast")
    assert (response.status, response.body) == (
        400,
        b"400 Bad Request: how is one of drop, skip, latest\n",
    )


def test_one_slow_reader_too_many_is_told_to_come_back() -> None:
    demo = make_demo(recorder_after(1), lambda peer: False)
    response = ask(demo, "/slow")
    assert (response.status, Headers(response.headers)["retry-after"]) == (503, "5")
    assert ask(demo, "/slow", method="HEAD").status == 200


def test_the_module_is_there_for_the_page() -> None:
    response = ask(make_demo(recorder_after(1)), "/sigil-client.js")
    assert response.status == 200 and b"export function connect(" in body_of(response)


# -- figures ---------------------------------------------------------------------------------------


class Colour(Enum):
    RED = 1


class Point(NamedTuple):
    x: int
    name: str


@pytest.mark.parametrize(
    ("value", "json_value"),
    [
        (None, None),
        (True, True),
        (1, 1),
        (1.5, 1.5),
        ("a", "a"),
        ((), []),
        ((1, (2,)), [1, [2]]),
        (Point(1, "p"), {"x": 1, "name": "p"}),
        ([Point(1, "p")], [{"x": 1, "name": "p"}]),
        ({Colour.RED: 2, "b": Point(1, "p")}, {"RED": 2, "b": {"x": 1, "name": "p"}}),
        ({3: 4}, {"3": 4}),
        (Colour.RED, "Colour.RED"),
    ],
)
def test_records_become_what_json_can_say(value: object, json_value: object) -> None:
    assert plain(value) == json_value
    assert json.loads(json.dumps(plain(value))) == json_value


def test_rates_of_figures_that_are_missing_are_unknown() -> None:
    second = usage(reading(1), reading(2))
    assert rates({"requests": 1}, {"requests": "many"}, second) == {
        "requests_per_second": None,
        "bytes_in_per_second": None,
        "bytes_out_per_second": None,
        "cpu_seconds_per_request": None,
    }
    idle = rates({"requests": 5}, {"requests": 5}, second)
    assert (idle["requests_per_second"], idle["cpu_seconds_per_request"]) == (0.0, None)


def test_the_past_is_bounded() -> None:
    recorder = recorder_after(HISTORY_COUNT + 50)
    assert len(recorder.texts) == HISTORY_COUNT
    assert json.loads(recorder.texts[-1])["server"]["requests"] == 10 * (HISTORY_COUNT + 50)


def test_a_sample_is_written_down_once_and_everybody_is_sent_that_text() -> None:
    recorder = recorder_after(2)
    recorder.texts[-1] = text = '{"written":"by the test"}'
    demo = make_demo(recorder)
    assert body_of(ask(demo, "/stream", "lines=1")) == f"{text}\n".encode()
    load = ask(demo, "/load.json")
    assert body_of(load).endswith(f',"sample":{text}}}'.encode())
    assert Headers(load.headers)["content-type"] == "application/json"


def test_however_often_it_is_asked_there_is_one_sample_an_interval() -> None:
    recorder = recorder_after(3)
    for _ in range(10):
        recorder.refresh()
    assert len(recorder.texts) == 3
    assert recorder.seconds_until_due() == 1.0


# -- through a server ------------------------------------------------------------------------------


@pytest.fixture
def port() -> Iterator[int]:
    """A real server with the demo in it, driven as the command drives it."""
    server, live = make_live("127.0.0.1", 0)
    server.listen()
    loop = threading.Thread(target=drive, args=(server, live))
    loop.start()
    yield server.port
    server.stop()
    loop.join(PATIENCE_SECONDS)
    assert not loop.is_alive()


def test_the_demo_over_a_socket(port: int) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    connection.request("GET", "/")
    response = connection.getresponse()
    assert (response.status, response.read().decode()) == (200, page_text())
    connection.request("GET", "/stream")
    response = connection.getresponse()
    assert response.getheader("Transfer-Encoding") == "chunked"
    assert all("machine" in json.loads(line) for line in response.read().splitlines())
    connection.request("GET", "/load.json")
    sample = json.load(connection.getresponse())["sample"]
    assert {"clients", "requests", "bytes_in", "bytes_out", "uptime_seconds"} <= set(
        sample["server"]
    )
    connection.close()
