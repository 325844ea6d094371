"""The notebooks run from top to bottom, claim something, and show what they print today.

What it is: each notebook is executed in a fresh kernel of the Python that runs the tests. Its
asserts are its claims; what is stored as output must be what comes out now, to the last character.
`python tests/test_notebooks.py [NAME...]` stores it anew, and stores the same when it is run again.
Its rules: nothing is written outside a temporary directory, no kernel needs to be registered
anywhere, and each run has a deadline. What it does not know: what the notebooks teach.
"""

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nbformat
import pytest
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(HERE.glob("*.ipynb"))
TIMEOUT_SECONDS = 120
ADDRESS = re.compile(r"0x[0-9a-f]{6,}")
PICTURE, HTML = "image/svg+xml", "text/html"
LIVE_PATH = (
    "find_header_end",
    "parse_headers_only",
    "parse_header_lines",
    "begin_body",
    "continue_body_read",
    "encode_response",
    "context",
    "handle_client_data",
    "try_parse_and_handle",
    "finalize_request",
    "send_response",
    "send_error_response",
    "step",
    "advance",
    "parse_frame_header",
    "parse_frame",
    "encode_frame",
    "encode_masked",
    "make_ring",
    "ring_reserve",
    "ring_append",
    "ring_read",
    "ring_skip",
)
"""What the first notebook calls by name, each with an assertion: the functions that serve."""


@contextmanager
def own_kernel() -> Iterator[None]:
    """Make `python3` mean this very Python, and Jupyter write nothing into the home directory."""
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder, "kernels", "python3", "kernel.json")
        spec.parent.mkdir(parents=True)
        spec.write_text(
            json.dumps(
                {
                    "display_name": "Python 3",
                    "language": "python",
                    "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                }
            ),
            encoding="utf-8",
        )
        own = {
            "JUPYTER_PATH": folder,
            "JUPYTER_RUNTIME_DIR": f"{folder}/run",
            "JUPYTER_CONFIG_DIR": f"{folder}/config",
            "IPYTHONDIR": f"{folder}/ipython",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }
        before = {name: os.environ.get(name) for name in own}
        os.environ.update(own)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def executed(path: Path) -> Any:
    """The notebook as it comes out of a fresh kernel; raises if a cell does."""
    notebook = nbformat.read(path, as_version=4)
    with own_kernel():
        NotebookClient(
            notebook,
            timeout=TIMEOUT_SECONDS,
            kernel_name="python3",
            record_timing=False,
            resources={"metadata": {"path": str(HERE)}},
        ).execute()
    for cell in notebook.cells:
        cell.metadata.clear()
        if cell.cell_type == "code":
            cell.outputs = joined(cell.outputs)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def joined(outputs: list[Any]) -> list[Any]:
    """The outputs of a cell with what was printed in one piece; a kernel cuts it anywhere."""
    result: list[Any] = []
    for output in outputs:
        previous = result[-1] if result else None
        is_text = output.output_type == "stream"
        if previous is not None and is_text and previous.get("name") == output.name:
            previous.text += output.text
        else:
            result.append(output)
    return result


def code_of(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(notebook: Any) -> list[str]:
    """What each code cell printed, in one text however it was cut."""
    return [
        "".join(output.get("text", "") for output in cell.outputs) for cell in code_of(notebook)
    ]


def of_kind(cell: Any, kind: str) -> list[str]:
    """What a code cell shows of a media type."""
    data = [output.data for output in cell.outputs if "data" in output]
    return ["".join(shown[kind]) for shown in data if kind in shown]


def pictures(cell: Any) -> list[str]:
    """What a code cell drew."""
    return of_kind(cell, PICTURE)


def shown(notebook: Any) -> list[tuple[str, list[str], list[str]]]:
    """What each code cell printed, the pictures it drew, and what it shows of records."""
    return [
        (text, pictures(cell), of_kind(cell, HTML))
        for text, cell in zip(printed(notebook), code_of(notebook), strict=True)
    ]


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs_and_shows_what_it_prints(path: Path) -> None:
    stored = nbformat.read(path, as_version=4)
    nbformat.validate(stored)
    assert shown(executed(path)) == shown(stored), "stale: run python tests/test_notebooks.py"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_asserts_what_it_claims(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    claims = [
        cell for cell in code_of(notebook) if re.search(r"^assert ", cell.source, re.MULTILINE)
    ]
    assert len(claims) >= 2 * len(code_of(notebook)) // 3
    assert (
        len([cell for cell in notebook.cells if cell.cell_type == "markdown"]) >= len(claims) // 2
    )


def test_the_first_one_claims_what_the_core_promises() -> None:
    claims = "\n".join(
        cell.source for cell in code_of(nbformat.read(HERE / "01_one_request.ipynb", as_version=4))
    )
    for claim in (
        "assert end == ",
        "assert type(head) is Head",
        "assert body.is_complete",
        "assert empty.slots.used == 0",
        "assert bytewise == asked",
        "408 Request Timeout",
        "assert step(part, Received(conn, raw[20:])) == (asked, (handle,))",
        "the request has no Host",
    ):
        assert claim in claims, claim


def test_the_first_one_calls_the_functions_of_the_live_path_by_name() -> None:
    cells = code_of(nbformat.read(HERE / "01_one_request.ipynb", as_version=4))
    for function in LIVE_PATH:
        callers = [cell.source for cell in cells if re.search(rf"\b{function}\(", cell.source)]
        assert callers, function
        assert any(re.search(r"^assert ", source, re.MULTILINE) for source in callers), function


CLAIMS = {
    "02_ring_and_eviction": (
        "assert received == [[message(number) for number in range(COUNT)]] * 9",
        "assert again == ticks",
        "assert late == [message(number) for number in range(len(late))]",
        "assert fan.members == {quick, tired, stuck}",
        "assert find_client(ticks[15].slots, stuck) is None",
        'assert b"".join(send.segments) == b"".join(frames[3:])[30:]',
    ),
    "03_custom_loop": (
        'assert [state["frame"] for state in states] == list(range(1, 301))',
        "assert program.pushes == [100]",
        "assert seen == list(range(1, COUNT + 1))",
        "assert not server.running",
    ),
    "04_time_travel": (
        "assert recording[-1] == client.state",
        "assert difference is not None and difference.turn == where + 1",
        "assert not has_too_many(recording[wrong - 1]) and has_too_many(recording[wrong])",
        "assert len(less.ended) == 2 and not more.ended",
        "assert recorded.verify() is None",
    ),
    "05_slow_readers": (
        "assert dropped.slow.connection.reason is CloseReason.WS_CLIENT_TOO_SLOW",
        "assert skipping.client.stats().skips >= len(gaps) > 1",
        "assert numbers == sorted(set(numbers)) and len(numbers) < COUNT",
        "assert max(behind) <= WINDOW // PACE + 4",
        "assert max(newest.waiting) <= 2 * (SIZE + 2)",
    ),
    "06_your_own_world": (
        'assert dict(outcome.reasons) == {"PEER_CLOSED": 10, "WS_PEER_CLOSED": 10}',
        'assert found is not None and "counted" in str(found)',
        "assert end.reason is not CloseReason.WS_PEER_CLOSED",
        "assert broken(Room, NO_FAULTS, 3) == []",
        'assert counts["resets"] > 0 and counts["dead"] > 0',
    ),
}
"""What the others claim, among other things."""


@pytest.mark.parametrize("name", CLAIMS)
def test_a_notebook_claims_what_it_is_about(name: str) -> None:
    cells = code_of(nbformat.read(HERE / f"{name}.ipynb", as_version=4))
    claims = "\n".join(cell.source for cell in cells)
    for claim in CLAIMS[name]:
        assert claim in claims, claim


def test_only_the_last_cell_of_the_second_one_opens_a_socket() -> None:
    """So what it stores does not depend on the machine: no port, and nothing a kernel decides."""
    cells = code_of(nbformat.read(HERE / "02_ring_and_eviction.ipynb", as_version=4))
    opening = [cell for cell in cells if "socket.socket(" in cell.source]
    assert opening == cells[-1:]
    assert "serve_in_thread" in cells[-1].source and not pictures(cells[-1])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_the_pictures_of_a_notebook_stand_for_themselves(path: Path) -> None:
    for picture in (
        picture for cell in code_of(nbformat.read(path, as_version=4)) for picture in pictures(cell)
    ):
        assert ElementTree.fromstring(picture).tag == "{http://www.w3.org/2000/svg}svg"
        assert picture.count("http") == 1, (
            "the name of the namespace is no address; there is no other"
        )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_holds_no_trace_of_the_machine_it_ran_on(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    notebook = nbformat.read(path, as_version=4)
    assert notebook.metadata.kernelspec.name == "python3"
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert str(Path.home()) + "/" not in text and str(HERE.parent) not in text
    assert not ADDRESS.search("".join(printed(notebook)))
    assert all(not cell.metadata for cell in notebook.cells)
    outputs = [output for cell in code_of(notebook) for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {
        "stream",
        "display_data",
        "execute_result",
    }
    for data in (output.data for output in outputs if "data" in output):
        assert set(data) in ({"text/plain", PICTURE}, {"text/plain", HTML})
        assert not ADDRESS.search("".join(data["text/plain"]))


if __name__ == "__main__":
    for notebook_path in NOTEBOOKS:
        if sys.argv[1:] and notebook_path.stem not in sys.argv[1:]:
            continue
        nbformat.write(executed(notebook_path), notebook_path)
        print(notebook_path.name)
