"""Recordings of a stranger: whatever is in a file, what comes of it is a value or a sentence."""

import copy
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgpack
import pytest
import zstandard

from sigil import Request, Response, replay
from sigil.shell.recording.errors import RecordingError
from sigil.shell.recording.packages import MAX_LEN, decompress, unpack
from sigil.shell.recording.recording import NeverTrue, Recording
from sigil.testing import Client
from tests.support.recording_files import Content, read_content

SEEDS = 150
VALUES: list[Any] = [
    None, True, -1, 0, 1, 2**40, 2**63, float("nan"), float("inf"), "x", "", b"", b"abc", [], [0],
    [9, 0], [9, 10**6], [1, 0], [1], [2, 0, 99], [2], [10, "zz"], [10, "f" * 400], [4, []], [5, 1],
    [99], {}, {1: 2}, msgpack.ExtType(5, b"abc"), msgpack.Timestamp(0, 0),
]  # fmt: skip
"""What stands in the place of something else."""


def app(request: Request) -> Response:
    """Answers."""
    return Response.text(f"hello {request.path}")


@pytest.fixture(scope="module", name="content")
def record_a_run(tmp_path_factory: pytest.TempPathFactory) -> Content:
    """What is in a recording of three requests."""
    path = tmp_path_factory.mktemp("hostile") / "run.mcap"
    client = Client(app)
    with client.server.recording(path):
        for number in range(3):
            client.get(f"/{number}")
    return read_content(path)


QUESTIONS: dict[str, Callable[[Recording], object]] = {
    "verify": lambda recording: str(recording.verify()),
    "stats": lambda recording: recording.stats(),
    "closes": lambda recording: list(map(str, recording.closes())),
    "states": list,
    "repr": lambda recording: (repr(recording[-1]), recording._repr_html_()),
    "dialogues": lambda recording: [str(recording.dialogue(conn)) for conn in recording.conns],
    "explanations": lambda recording: [str(recording.explain(conn)) for conn in recording.conns],
    "diff": lambda recording: repr(recording.diff(0, -1)),
    "what-if": lambda recording: str(recording.what_if(slow="skip")),
    "bisect": lambda recording: recording.bisect(lambda state: state.totals.accepted > 2),
    "against": lambda recording: recording.against(app),
    "effects": lambda recording: recording.effects(2),
}


def ask_all(path: Path) -> int:
    """How many questions a recording has answered; the others must be answered in a sentence."""
    try:
        recording = replay(path)
    except RecordingError as error:
        assert str(error).startswith(str(path)), error
        return 0
    count = 0
    for ask in QUESTIONS.values():
        try:
            ask(recording)
            count += 1
        except NeverTrue:
            count += 1
        except RecordingError as error:
            assert str(error)
    return count


def places_in(value: Any, place: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """The places of all values within a list."""
    if place:
        yield place
    for index, item in enumerate(value if isinstance(value, list) else ()):
        yield from places_in(item, (*place, index))


def altered(value: Any, random: Random) -> Any:
    """A value in which something is missing, or another value stands in its place."""
    changed = copy.deepcopy(value)
    *outer, last = random.choice(list(places_in(value)))
    inner = changed
    for index in outer:
        inner = inner[index]
    if random.random() < 0.1:
        del inner[last]
    else:
        inner[last] = copy.deepcopy(random.choice(VALUES))
    return changed


def test_what_is_not_altered_answers_everything(content: Content, tmp_path: Path) -> None:
    assert ask_all(content.write(tmp_path / "same.mcap")) == len(QUESTIONS)


def test_any_value_in_any_place_is_answered_in_a_sentence(content: Content, tmp_path: Path) -> None:
    counts = set()
    for seed in range(SEEDS):
        random = Random(seed)
        if seed % 2:
            changed = content._replace(state=altered(content.state, random))
        else:
            changed = content._replace(turns=altered(content.turns, random))
        counts.add(ask_all(changed.write(tmp_path / "altered.mcap")))
    assert {0, len(QUESTIONS)} < counts  # some are refused at once, and some harm nothing


def test_what_claims_to_be_long_is_not_believed(content: Content, tmp_path: Path) -> None:
    """A frame of a few bytes whose header says 100 GB, and one that becomes many MiB."""
    claim = b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", 100 * 2**30) + b"\x01\x00\x00"
    with pytest.raises(RecordingError, match=r"is damaged: it is 107,374,182,400 bytes, and no "):
        replay(content.write(tmp_path / "state.mcap", packed=claim))
    with pytest.raises(RecordingError, match=r"chunk\.mcap cannot be read: the chunk at byte \d+ "):
        replay(content.write(tmp_path / "chunk.mcap", chunk=lambda _: claim))
    many = zstandard.compress(b"\xdd\x02\x00\x00\x00" + b"\xc0" * 2**25)
    with pytest.raises(RecordingError, match="exceeds max_array_len"):
        replay(content.write(tmp_path / "many.mcap", packed=many))


def test_a_frame_that_does_not_say_how_long_it_is_is_bounded_too() -> None:
    compressor = zstandard.ZstdCompressor(write_content_size=False)
    assert decompress(compressor.compress(b"x" * 1000), 1000) == b"x" * 1000
    with pytest.raises(ValueError, match=r"."):
        decompress(compressor.compress(b"x" * 1001), 1000)
    with pytest.raises(ValueError, match=f"it is {2 * MAX_LEN:,} bytes"):
        decompress(b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", 2 * MAX_LEN) + b"\x01\x00\x00")


@pytest.mark.parametrize("data", [b"\x81\x80\x01", b"\x91" * 10**6, b"\xc1", b"", b"\xdd\xff\xff"])
def test_what_is_no_msgpack_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match="it is not msgpack"):
        unpack(data)


TEXTS: list[tuple[str, str, str]] = [
    ("records", "5", "no lists of names"),
    ("records", "[5]", "no lists of names"),
    ("records", "[[]]", "no lists of names"),
    ("enums", "[[]]", "no lists of names"),
    ("enums", "[[1]]", "no lists of names"),
    ("records", "[" * 100_000, "no tables of records"),
    ("records", '[["Server", "now"]]', "cannot be read"),
]


@pytest.mark.parametrize(("name", "text", "words"), TEXTS)
def test_tables_that_are_none_are_refused(
    content: Content, tmp_path: Path, name: str, text: str, words: str
) -> None:
    path = content.write(tmp_path / "t.mcap", metadata={"sigil.tables": {name: text}})
    with pytest.raises(RecordingError, match=words):
        replay(path)


@pytest.mark.parametrize("begun", ["nan", "yesterday", "1e300", "-1", "inf"])
def test_a_time_that_is_none_is_0(content: Content, tmp_path: Path, begun: str) -> None:
    path = content.write(tmp_path / "b.mcap", metadata={"sigil": {"begun": begun}})
    assert replay(path).about.begun == 0.0
