"""The bench still runs: its table has its rows, its counts are checked, and its loads refuse a
wrong answer.

Nothing is timed here. It doesn't know whether the numbers are good, only that they would be printed
for the servers asked for, each having answered every request.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support.work import SITUATIONS
from tests.tools import need, needs

HERE = Path(__file__).resolve().parent
SCENARIOS = ("keepalive", "pipeline", "browser", "varying", "pipevary")
REQUEST = "GET /item?id=0000000000 HTTP/1.1\r\nHost: a\r\n\r\n"
WRONG = (
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 13\r\n\r\nhello, world\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nhello, warld\n",
    b"HTTP/1.1 200 OK\r\n\r\nhello, world\n",
)
RIGHT = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nhello, world\n"


def run_bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, str(HERE / "request_cost.py"), *arguments)
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("load", [(), ("--python-load",)], ids=["c", "python"])
def test_table_has_the_rows_and_every_answer_was_checked(load: tuple[str, ...]) -> None:
    done = run_bench("--rounds", "1", "--requests", "256", "--servers", "py-floor,sigil", *load)
    assert done.returncode == 0, done.stdout + done.stderr
    sections = done.stdout.split("\n\n")[1:]
    assert [section.partition(":")[0] for section in sections] == list(SCENARIOS)
    for section in sections:
        lines = section.splitlines()
        assert [line.split()[0] for line in lines[2:4]] == ["py-floor", "sigil"]
        assert "py-floor 256 x 130 bytes" in lines[4]
        assert "sigil 256 x " in lines[4]


@needs("cc")
@pytest.mark.parametrize(
    ("bench", "arguments", "rows"),
    [
        (
            "websocket_echo.py",
            ("--messages", "512", "--servers", "py-floor,websockets,sigil"),
            {
                "deep": ("py-floor", "websockets", "sigil"),
                "single": ("py-floor", "websockets", "sigil"),
            },
        ),
        (
            "broadcast_cost.py",
            ("--messages", "1600", "--servers", "c-joined,sigil", "--scenarios", "small16,small1"),
            {"small16": ("c-joined", "sigil"), "small1": ("c-joined", "sigil")},
        ),
        (
            "squeezed_cost.py",
            ("--messages", "6400"),
            {"json16": ("websockets", "sigil"), "json1": ("websockets", "sigil")},
        ),
    ],
)
def test_a_websocket_bench_has_its_rows_and_every_byte_was_compared(
    bench: str, arguments: tuple[str, ...], rows: dict[str, tuple[str, ...]]
) -> None:
    pytest.importorskip("websockets")
    command = (sys.executable, str(HERE / bench), "--rounds", "1", *arguments)
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    sections = {
        section.partition(":")[0]: section.splitlines() for section in done.stdout.split("\n\n")[1:]
    }
    assert list(sections) == list(rows)
    for name, servers in rows.items():
        assert [line.split()[0] for line in sections[name][2 : 2 + len(servers)]] == list(servers)


def test_the_frame_bench_has_a_row_for_each_length() -> None:
    pytest.importorskip("websockets")
    command = (sys.executable, str(HERE / "frame_cost.py"), "--rounds", "1")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "read" in done.stdout
    assert "write" in done.stdout


def test_the_table_of_scaling_has_a_row_for_each_situation_and_each_input() -> None:
    command = (
        sys.executable,
        "-m",
        "tests.bench.scaling_cost",
        "--counts",
        "8,16",
        "--rounds",
        "1",
    )
    root = HERE.parents[1]
    done = subprocess.run(
        command, cwd=root, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    names = [row[0].removeprefix("| ") for row in rows]
    assert [situation.name for situation in SITUATIONS if situation.name not in names] == []
    for name in ("chunks of one byte", "empty pings", "a bomb in deflate", "a masked text"):
        assert name in names
    page = (root / "docs" / "performance.md").read_text(encoding="utf-8")
    assert [name for name in names if f"| {name} |" not in page] == []


def answer_one(listening: socket.socket, response: bytes) -> None:
    sock, _ = listening.accept()
    with sock:
        sock.settimeout(10)
        while sock.recv(4096):
            sock.sendall(response)


def run_load(command: tuple[str, ...], response: bytes) -> subprocess.CompletedProcess[str]:
    """One connection, four requests, one at a time, against a server that always says the same."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        thread = threading.Thread(target=answer_one, args=(listening, response), daemon=True)
        thread.start()
        numbers = (listening.getsockname()[1], 1, 1, 2, 4, REQUEST.find("0000000000"), 20)
        done = subprocess.run(
            (*command, *map(str, numbers), REQUEST),
            input="go\n",
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        thread.join(10)
        return done


@pytest.fixture(scope="module", params=["c", "python"])
def load(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, ...]:
    if request.param == "python":
        return (sys.executable, str(HERE / "load_client.py"))
    program = tmp_path_factory.mktemp("bench") / "load"
    command = (need("cc"), "-Wall", "-Wextra", "-Werror", "-O1", "-o", program, HERE / "load.c")
    subprocess.run(command, check=True, timeout=60)
    return (str(program),)


def test_load_counts_right_answers(load: tuple[str, ...]) -> None:
    done = run_load(load, RIGHT)
    assert (done.returncode, done.stdout) == (0, f"ready {len(RIGHT)}\ndone 4 {4 * len(RIGHT)}\n")


@pytest.mark.parametrize("wrong", WRONG, ids=["status", "body", "unframed"])
def test_load_refuses_a_wrong_answer(load: tuple[str, ...], wrong: bytes) -> None:
    done = run_load(load, wrong)
    assert done.returncode == 1
    assert done.stderr.startswith("load: ")
    assert "done" not in done.stdout
