"""The bench still runs: every row once, tiny, for sigil and the floors; its loads refuse what is
wrong.

Nothing is timed here. It doesn't know whether the figures are good, only that they would be printed
for the servers asked for, each having answered everything.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.bench.processes import COMPILE_FLAGS, NATIVE
from tests.bench.requests import GET_QUERY
from tests.bench.rows import ROWS, Growth, Row
from tests.bench.servers import SERVERS, can_run
from tests.support.work import SITUATIONS
from tests.tools import need, needs

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OURS = ("sigil", "c-floor", "py-floor")
PATIENCE_S = 240


def run_module(*words: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", *words)
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


# -- every row -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the command wrote and printed, of one run over everything."""
    need("cc")
    path = tmp_path_factory.mktemp("bench") / "figures.json"
    done = run_module(
        *("tests.bench", "--rounds", "1", "--scale", "0.001", "--peers", "none"),
        *("--json", str(path)),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {**json.loads(path.read_text(encoding="utf-8")), "stdout": done.stdout}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_has_a_figure_for_sigil_and_for_each_floor(row: Row, report: dict[str, Any]) -> None:
    found = next(one for one in report["rows"] if one["name"] == row.name)
    able = {server.name for server in SERVERS if can_run(server, row)} & set(OURS)
    assert "sigil" in able
    assert set(found["servers"]) == able
    if not isinstance(row.load, Growth):
        assert all(len(one["figures"]) == 1 for one in found["servers"].values())
    assert f"| {row.name} " in report["stdout"]


def test_a_sister_stands_beside_its_row(report: dict[str, Any]) -> None:
    names = {row.name for row in ROWS}
    assert {row.sister_of for row in ROWS} - names == {""}
    costs = {
        one["name"]: one["servers"]["sigil"]["times_its_row"] is not None for one in report["rows"]
    }
    assert costs == {row.name: bool(row.sister_of) for row in ROWS}


def test_the_page_names_every_row() -> None:
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert [row.name for row in ROWS if f"| {row.name} " not in page] == []


# -- the peers -------------------------------------------------------------------------------------


@needs("cc")
def test_a_peer_is_measured_where_it_is_installed_and_named_where_it_is_not() -> None:
    pytest.importorskip("uvicorn")
    pytest.importorskip("websockets")
    done = run_module(
        *("tests.bench", "--rounds", "1", "--scale", "0.001", "--only", "get,echo"),
        *("--peers", "uvicorn,websockets,cymongoose"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for row in ("get", "echo"):
        line = next(line for line in done.stdout.splitlines() if line.startswith(f"| {row} "))
        assert "1.00" in line
    absent = "left out: cymongoose: not installed: cymongoose" in done.stdout
    assert absent == (find_spec("cymongoose") is None)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--only", "nothing"), "unknown: nothing; known: get, get-field"),
        (("--peers", "nobody"), "unknown: nobody; known: uvicorn"),
        (("--core", "compiled", "--compiled-python", sys.executable), "its core is not compiled"),
    ],
)
def test_what_cannot_be_measured_is_a_sentence(words: tuple[str, ...], sentence: str) -> None:
    done = run_module("tests.bench", *words)
    assert done.returncode != 0
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_chart_is_drawn_or_says_what_is_missing(tmp_path: Path) -> None:
    need("cc")
    path = tmp_path / "chart.svg"
    done = run_module(
        *("tests.bench", "--rounds", "1", "--scale", "0.001", "--only", "get"),
        *("--peers", "uvicorn", "--plot", str(path)),
    )
    if find_spec("matplotlib") is None:
        assert "--plot needs matplotlib" in done.stderr
    else:
        assert "</svg>" in path.read_text(encoding="utf-8")


# -- the other benches -----------------------------------------------------------------------------


def test_the_frame_bench_has_a_row_for_each_length() -> None:
    pytest.importorskip("websockets")
    done = run_module("tests.bench.frame_cost", "--rounds", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "read" in done.stdout
    assert "write" in done.stdout


def test_the_parts_of_a_request_are_those_of_all_rows() -> None:
    done = run_module("tests.bench.request_parts", "--rounds", "10")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()[3:]]
    assert [row[:2] for row in rows] == [["1", "1"], ["64", "1"], ["16", "16"]]
    for row in rows:
        *parts, total = map(float, row[2:])
        assert len(parts) == 4
        assert abs(sum(parts) - total) < 0.05


def test_the_table_of_scaling_has_a_row_for_each_situation_and_each_input() -> None:
    done = run_module("tests.bench.scaling_cost", "--counts", "8,16", "--rounds", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    names = [row[0].removeprefix("| ") for row in rows]
    assert [situation.name for situation in SITUATIONS if situation.name not in names] == []
    for name in ("chunks of one byte", "empty pings", "a bomb in deflate", "a masked text"):
        assert name in names
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert [name for name in names if f"| {name} |" not in page] == []


# -- the loads check every answer ------------------------------------------------------------------


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tools")
    for source in NATIVE.glob("*.c"):
        flags = ("-Wall", "-Wextra", "-Werror", *COMPILE_FLAGS)
        command = (need("cc"), *flags, "-o", str(folder / source.stem), str(source))
        subprocess.run(command, check=True, timeout=60)
    return folder


def run_load(
    command: list[str],
    port_at: int,
    serve: Callable[[socket.socket], None],
    control: tuple[int, ...] = (),
) -> subprocess.CompletedProcess[str]:
    """The load against a server that is a function of a connection; it inherits `control`."""

    def accept() -> None:
        while True:
            try:
                sock, _ = listening.accept()
            except OSError:
                return
            with sock, suppress(ConnectionError):
                sock.settimeout(10)
                serve(sock)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        command[port_at] = str(listening.getsockname()[1])
        done = subprocess.run(
            command,
            input="go\n",
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            pass_fds=control,
        )
        for descriptor in control:
            os.close(descriptor)
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        return done


def response(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


def run_http_load(tools: Path, answer: Callable[[int], bytes]) -> subprocess.CompletedProcess[str]:
    """One connection, four requests, one at a time; each must have its own number back."""

    def serve(sock: socket.socket) -> None:
        while data := sock.recv(4096):
            sock.sendall(answer(int(data.partition(b"id=")[2][:10])))

    at = (GET_QUERY.find("0000000000"), 0)
    numbers = (0, 1, 1, 2, 4, *at, 1, 0, 20)
    command = [str(tools / "http_load"), *map(str, numbers), GET_QUERY, "0000000000"]
    return run_load(command, 1, serve)


def test_the_http_load_counts_right_answers(tools: Path) -> None:
    done = run_http_load(tools, lambda number: response(b"%010d" % number))
    size = len(response(b"0000000000"))
    assert (done.returncode, done.stdout) == (0, f"ready {size}\ndone 4 {4 * size}\n")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda number: response(b"%010d" % number, b"500 Internal Server Error"), "status"),
        (lambda number: response(b"%010d" % (number + 1)), "body"),
        (lambda number: response(b"%010d" % (number // 2)), "body"),
        (lambda number: response(b"%010d\n" % number), "length"),
        (lambda number: b"HTTP/1.1 200 OK\r\n\r\n%010d" % number, "no content-length"),
        (lambda number: response(b"%010d" % number) + b"x", "more bytes than asked for"),
    ],
    ids=["status", "another", "repeated", "length", "unframed", "more"],
)
def test_the_http_load_refuses_a_wrong_answer(
    tools: Path, answer: Callable[[int], bytes], why: str
) -> None:
    done = run_http_load(tools, answer)
    assert (done.returncode, done.stderr) == (1, f"load: {why}: wrong answer\n")
    assert "done" not in done.stdout


UPGRADED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


def frame(payload: bytes, first: int = 0x81) -> bytes:
    return bytes((first, len(payload))) + payload


def run_echo_load(tools: Path, reply: bytes) -> subprocess.CompletedProcess[str]:
    """One WebSocket that sends a text and a ping, twice, and is answered with these bytes."""

    def serve(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.sendall(UPGRADED)
        while sock.recv(4096):
            sock.sendall(reply)

    numbers = (0, 1, 1, 12, 1, 1, 1, 1, 1, 0, 20)
    return run_load([str(tools / "websocket_load"), "echo", *map(str, numbers)], 2, serve)


TEXT, PONG = frame(b"0000000000xx"), frame(b"pin\0", 0x8A)


@pytest.mark.parametrize("reply", [TEXT + PONG, PONG + TEXT], ids=["text first", "pong first"])
def test_the_websocket_load_counts_right_answers(tools: Path, reply: bytes) -> None:
    done = run_echo_load(tools, reply)
    assert (done.returncode, done.stdout) == (0, f"ready\ndone 1 {len(reply)}\n")


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (frame(b"0000000001xx") + PONG, "payload"),
        (frame(b"0000000000xx", 0x82) + PONG, "frame"),
        (frame(b"0000000000x") + PONG, "frame"),
        (TEXT + PONG + PONG, "more bytes than asked for"),
        (TEXT + frame(b"pin\1", 0x8A), "pong"),
    ],
    ids=["another", "binary", "length", "twice", "pong"],
)
def test_the_websocket_load_refuses_a_wrong_answer(tools: Path, reply: bytes, why: str) -> None:
    done = run_echo_load(tools, reply)
    assert (done.returncode, done.stderr) == (1, f"load: {why}: wrong answer\n")


@pytest.mark.parametrize(
    ("numbers", "ends"),
    [((0, 1, 2, 3), 0), ((0, 2, 3, 4), 1), ((0, 0, 1, 2), 1), ((0, 2, 1, 3), 1)],
    ids=["in order", "a gap", "doubled", "out of order"],
)
def test_what_is_read_is_gapless_and_in_order(
    tools: Path, numbers: tuple[int, ...], ends: int
) -> None:
    control, orders = os.pipe()

    def serve(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.sendall(UPGRADED)
        for number in numbers:
            if os.read(control, 1):
                sock.sendall(frame(b"%010dxx" % number))
        os.close(control)

    words = (0, 1, 1, 12, 1, 0, 1, 3, orders, 0, 20)
    command = [str(tools / "websocket_load"), "read", *map(str, words)]
    done = run_load(command, 2, serve, (orders,))
    wrong = "load: payload: wrong answer\n" if ends else ""
    assert (done.returncode, done.stderr) == (ends, wrong)
