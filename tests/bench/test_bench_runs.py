"""The bench still runs: every row once, tiny, for sigil and the floors.

Nothing is timed here. It doesn't know whether the figures are good, only that they would be printed
for the servers asked for, each having answered everything.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.bench.route_cost import CONN_CNTS, PATHS
from tests.bench.rows import ROWS, Growth, Row
from tests.bench.servers import SERVERS, can_run
from tests.support.traffic import MIXES
from tests.support.work import SITUATIONS
from tests.tools import need, needs

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OURS = ("sigil", "c-floor", "py-floor")
PATIENCE_S = 900.0


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


def test_the_client_bench_has_a_figure_of_every_row() -> None:
    done = run_module("tests.bench.client_cost", "--rounds", "1", "--requests", "64")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split() for line in done.stdout.splitlines()[3:]]
    assert len(rows) == 3 and all(float(row[-1]) > 0 for row in rows)


def test_the_parts_of_a_request_are_those_of_all_rows() -> None:
    done = run_module("tests.bench.request_parts", "--rounds", "10")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()[3:]]
    assert [row[:2] for row in rows] == [["1", "1"], ["64", "1"], ["16", "16"]]
    for row in rows:
        *parts, total = map(float, row[2:])
        assert len(parts) == 4
        assert abs(sum(parts) - total) < 0.05


def test_routes_are_compared_with_a_handler_for_each_path() -> None:
    done = run_module("tests.bench.route_cost", "--rounds", "10")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()[3:]]
    assert [(row[0], row[1]) for row in rows] == [
        (str(conn_cnt), words) for conn_cnt in CONN_CNTS for words in PATHS
    ]
    assert all(float(figure) > 0 for row in rows for figure in row[2:5])


def test_the_bench_of_edges_has_a_row_for_each_number_of_messages() -> None:
    done = run_module("tests.bench.relay_cost", "--rounds", "10", "--clients", "3")
    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()[3:]]
    assert [row[0] for row in rows] == ["1", "16"]
    assert all(float(row[place]) > 0 for row in rows for place in (1, 2, 4))


def test_the_bench_of_websocket_clients_has_a_row_for_each_way() -> None:
    rows = "echo-64,receive-1k-deflate"
    options = ("--clients", "sigil,websockets", "--rows", rows, "--seconds", "0.2")
    done = run_module("tests.bench.ws_client_cost", *options)
    assert done.returncode == 0, done.stderr
    found = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()[2:]]
    assert [row[0] for row in found] == rows.split(",")
    assert all(float(figure) > 0 for row in found for figure in row[1:])


def test_the_table_of_loops_has_a_row_for_each_and_every_message() -> None:
    loops = "poll,game loop,trio"
    done = run_module("tests.bench.host_latency", "--loops", loops, "--seconds", "0.3")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()[3:]]
    assert [row[0] for row in rows] == [f"server, {loop}" for loop in loops.split(",")]
    assert all(int(row[1]) >= 7 and float(row[2]) > 0 for row in rows)


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


def test_the_table_of_kept_states_has_a_row_for_each_mix() -> None:
    done = run_module(
        *("tests.bench.snapshot_cost", "--clients", "50", "--states", "5", "--live", "5")
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    names = [row[0].removeprefix("| ") for row in rows]
    assert [mix.name for mix in MIXES if mix.name not in names] == []
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert [mix.name for mix in MIXES if f"| {mix.name} |" not in page] == []
