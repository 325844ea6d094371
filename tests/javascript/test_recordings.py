"""`@mcap/core`, the reader with which Foxglove opens files, reads a recording to its end."""

from pathlib import Path
from typing import Any

import pytest

from sigil import Request, Response, replay
from sigil.testing import Client
from tests.javascript.node import running


def app(request: Request) -> Response:
    """Answers."""
    return Response.text(f"hello {request.path}")


@pytest.fixture(scope="module", name="path")
def record_requests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of some chunks, and of the end of a connection."""
    path, client = tmp_path_factory.mktemp("foxglove") / "run.mcap", Client(app)
    with client.server.recording(path):
        (recorder,) = client.server._recorders
        for number in range(40):
            client.get(f"/{number}")
            if number % 10 == 9:
                recorder.hand_over()
        client.get("/last", headers={"Connection": "close"})
    return path


def test_it_is_read_by_its_index_and_as_a_stream(path: Path, tmp_path: Path) -> None:
    with running(tmp_path, str(path), script="recording.mjs") as script:
        values = script.rest()
    assert values_of("channel", values) == [
        ["/sigil/turns", "msgpack", ""],
        ["/sigil/gaps", "msgpack", ""],
        ["/sigil/stats", "json", "jsonschema"],
        ["/sigil/lag", "json", "jsonschema"],
        ["/sigil/closes", "json", "jsonschema"],
    ]
    recording, messages = replay(path), values_of("message", values)
    turns = [message for message in messages if message[0] == "/sigil/turns"]
    assert len(turns) == len(recording.turns) > 40
    assert values_of("counted", values) == [[len(messages)]]
    stats = [row for topic, row in messages if topic == "/sigil/stats"]
    assert stats and stats[-1]["requests"] <= 41 and stats[-1]["bytes_out"] > 0
    assert [row["reason"] for topic, row in messages if topic == "/sigil/closes"] == [
        close.reason.name for close in recording.closes()
    ]
    metadata = dict(values_of("metadata", values))
    assert metadata["sigil"]["sigil"] == recording.about.sigil
    assert set(metadata) == {"sigil", "sigil.limits", "sigil.kinds", "sigil.tables"}
    ((name, media_type, length),) = values_of("attachment", values)
    assert (name, media_type) == ("state.msgpack.zst", "application/zstd") and length > 100
    ((records,),) = values_of("stream", values)
    assert records["Message"] == len(messages)
    assert (records["Attachment"], records["DataEnd"], records["Footer"]) == (1, 1, 1)


def values_of(kind: str, values: list[Any]) -> list[Any]:
    """What was printed of a kind, without its name."""
    return [rest for first, *rest in values if first == kind]
