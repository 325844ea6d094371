"""Recordings in files are read, as far as they are whole; what is wrong with others is said."""

import json
import sys
from pathlib import Path

import pytest
from mcap.reader import make_reader
from mcap.writer import Writer

from sigil import Request, Response
from sigil.shell.recording import packages
from sigil.shell.recording.about_text import ABOUT
from sigil.shell.recording.batch import Batch
from sigil.shell.recording.mcap_file import McapFile
from sigil.shell.recording.mcap_scan import scan
from sigil.shell.recording.names import FileNames
from sigil.shell.recording.reader import RecordingError, RecordingParts, read_recording
from sigil.shell.recording.turn_recorder import TurnRecorder
from sigil.testing import Client
from tests.support.replaying import replayed


def app(request: Request) -> Response:
    """Answers."""
    return Response.text(f"hello {request.path}")


@pytest.fixture(scope="module", name="path")
def record_a_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of some chunks."""
    path = tmp_path_factory.mktemp("reader") / "run.mcap"
    client = Client(app)
    with client.server.recording(path):
        (recorder,) = client.server._recorders
        for number in range(40):
            client.get(f"/{number}")
            if number % 10 == 9:
                recorder.hand_over()
    return path


@pytest.fixture(name="data")
def read_it(path: Path) -> bytes:
    """Its bytes."""
    return path.read_bytes()


def read_bytes(tmp_path: Path, data: bytes) -> RecordingParts:
    """The recording of these bytes."""
    path = tmp_path / "other.mcap"
    path.write_bytes(data)
    return read_recording(path)


# -- whole -----------------------------------------------------------------------------------------


def test_the_reader_of_mcap_reads_it_too(path: Path) -> None:
    with path.open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        summary = reader.get_summary()
        assert summary is not None
        topics = {channel.topic for channel in summary.channels.values()}
        assert topics >= {"/sigil/turns", "/sigil/stats", "/sigil/lag", "/sigil/closes"}
        counts = dict.fromkeys(topics, 0)
        for schema, channel, message in reader.iter_messages():
            counts[channel.topic] += 1
            if channel.message_encoding == "json":
                assert schema is not None
                row = json.loads(message.data)
                assert set(row) == set(json.loads(schema.data)["properties"])
        assert counts["/sigil/turns"] == len(read_recording(path).turns)
        assert counts["/sigil/stats"] >= 1
        assert {item.name for item in reader.iter_metadata()} >= {"sigil", "sigil.limits"}


# -- cut off, damaged ------------------------------------------------------------------------------


def test_one_that_was_cut_off_is_read_up_to_the_last_whole_chunk(
    path: Path, data: bytes, tmp_path: Path
) -> None:
    whole = list(read_recording(path).turns)
    counts = set()
    first_chunk = scan(path).chunks[0].offset
    for end in range(first_chunk, len(data) - 1, max(1, (len(data) - first_chunk) // 60)):
        parts = read_bytes(tmp_path, data[:end])
        turns = list(parts.turns)
        assert turns == whole[: len(turns)]
        replayed(parts)
        counts.add(len(turns))
    assert len(counts) >= 4
    assert not read_bytes(tmp_path, data[: scan(path).chunks[-1].offset]).about.is_whole


def test_one_without_a_beginning_is_refused(data: bytes, tmp_path: Path) -> None:
    for end in (0, 3, 8, 100, 400):
        with pytest.raises(RecordingError, match="cannot be read"):
            read_bytes(tmp_path, data[:end])


def test_a_bit_that_has_changed_is_found(path: Path, data: bytes, tmp_path: Path) -> None:
    whole = list(read_recording(path).turns)
    last = scan(path).chunks[-1]
    end = last.offset + last.length  # behind it are indexes, and the summary, which nobody reads
    for place in range(8, end, max(1, end // 80)):
        damaged = bytearray(data)
        damaged[place] ^= 1 << place % 8
        try:
            parts = read_bytes(tmp_path, bytes(damaged))
            turns = list(parts.turns)
        except RecordingError as error:
            assert "cannot be read: " in str(error) or "is damaged" in str(error)
        else:
            assert turns == whole[: len(turns)], place
            assert not parts.about.is_whole


def test_a_chunk_that_is_damaged_is_named_when_it_is_read(
    path: Path, data: bytes, tmp_path: Path
) -> None:
    first, _, third, *_ = scan(path).chunks
    damaged = bytearray(data[: third.offset])  # it was cut off, so that it has no sum of its own
    damaged[first.offset + first.length // 2] ^= 0x10
    parts = read_bytes(tmp_path, bytes(damaged))
    with pytest.raises(RecordingError, match=r"the chunk at byte \d+ is damaged"):
        list(parts.turns)


# -- others ----------------------------------------------------------------------------------------


def test_what_is_no_recording_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="cannot be read: it is no file"):
        read_bytes(tmp_path, b"hello, I am no recording")
    with pytest.raises(RecordingError, match="No such file"):
        read_recording(tmp_path / "absent.mcap")


def test_a_file_of_mcap_that_is_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "robot.mcap"
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start()
        channel = writer.register_channel("/imu", "json", 0)
        writer.add_message(channel, 1, b"{}", 1)
        writer.finish()
    with pytest.raises(RecordingError, match="a file of MCAP, and no recording of sigil"):
        read_recording(path)


@pytest.mark.parametrize(
    ("version", "words"),
    [("2.0", "a newer sigil is needed"), ("", "does not say which version")],
)
def test_one_of_the_future_is_refused(tmp_path: Path, version: str, words: str) -> None:
    path = tmp_path / "future.mcap"
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start()
        writer.add_metadata(ABOUT, {"format": version})
        writer.finish()
    with pytest.raises(RecordingError, match=words):
        read_recording(path)


def test_without_the_packages_the_sentence_says_what_to_install(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'sigil-http\[record\]'"):
        read_recording(path)
    server = Client(app).server
    with (
        pytest.raises(ModuleNotFoundError, match="mcap, msgpack and msgspec"),
        server.recording("never"),
    ):
        raise AssertionError("it was not refused")
    assert not Path("never").exists()
    assert "mcap" in sys.modules  # it was only hidden


# -- the disk --------------------------------------------------------------------------------------


class FullDisk:
    """A file on a disk that is full from some byte on, until there is room again."""

    def __init__(self, path: Path, room: int) -> None:
        self.file = path.open("wb", buffering=0)
        self.room = room

    def write(self, data: bytes) -> int:
        if self.room <= 0:
            raise OSError(28, "No space left on device")
        taken = self.file.write(bytes(data[: self.room]))
        self.room -= taken
        return taken

    def __getattr__(self, name: str) -> object:
        return getattr(self.file, name)


def test_a_full_disk_leaves_a_gap_from_which_it_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, client = tmp_path / "run.mcap", Client(app)
    disks: list[FullDisk] = []
    with client.server.recording(path):
        (recorder,) = client.server._recorders
        writer = recorder._take.__self__
        disks.append(FullDisk(path, 2**20))
        writer._file = McapFile(disks[0])  # type: ignore[arg-type]  # it is one as far as it is used
        for number in range(30):
            client.get(f"/{number}")
            assert client.get("/served").text == "hello /served"
            recorder.hand_over()
            wait_for(writer)
            if number in (9, 19):
                disks[0].room = 0 if number == 9 else 2**20
        last = client.state
    parts = read_recording(path)
    (gap,) = [turn.gap for turn in parts.turns if turn.gap is not None]
    assert gap.missed >= 20
    assert replayed(parts) == last
    lines = [record.getMessage() for record in caplog.records]
    assert len([line for line in lines if "has a gap: No space left on device" in line]) == 1
    assert len([line for line in lines if "goes on" in line]) == 1


def wait_for(writer: object) -> None:
    """Return when the thread has written all that waits, or has tried to."""
    from threading import Event

    for _ in range(3_000):
        if writer._pending_len == 0:  # type: ignore[attr-defined]
            return
        Event().wait(0.01)
    raise AssertionError("nothing is written")


def test_too_much_that_waits_for_the_disk_leaves_a_gap(tmp_path: Path) -> None:
    path, client = tmp_path / "run.mcap", Client(app)
    with client.server.recording(path):
        (recorder,) = client.server._recorders
        writer = recorder._take.__self__
        writer._max_pending_len = 0
        with writer._changed:  # the thread stands still
            for number in range(20):
                client.get(f"/{number}")
                with_lock_held(recorder)
        writer._max_pending_len = 2**20
        client.get("/last")
        last = client.state
    parts = read_recording(path)
    assert sum(turn.gap.missed for turn in parts.turns if turn.gap is not None) > 0
    assert replayed(parts) == last


def with_lock_held(recorder: TurnRecorder) -> None:
    """Hand over, though the thread stands still: the condition is one of this thread's already."""
    recorder.hand_over()


# -- files -----------------------------------------------------------------------------------------


def test_another_file_begins_when_one_is_long_and_each_replays_alone(tmp_path: Path) -> None:
    client = Client(app)
    with client.server.recording(tmp_path / "run.mcap", max_len=1, keep=3):
        (recorder,) = client.server._recorders
        for number in range(8):
            client.get(f"/{number}")
            recorder.hand_over()
        last = client.state
    paths = sorted(tmp_path.iterdir())
    assert 1 < len(paths) <= 3
    ends = [replayed(read_recording(path)) for path in paths]
    assert ends[-1] == last
    starts = [read_recording(path).first for path in paths]
    assert starts[1:] == ends[:-1]


def test_names_are_a_pattern(tmp_path: Path) -> None:
    names = FileNames(tmp_path / "a-{time}.mcap", is_rotating=True)
    first, second = names.next(), names.next()
    assert first != second
    assert FileNames("run.mcap").next().name == "run.mcap"
    rotating = FileNames("run.mcap", is_rotating=True)
    assert [rotating.next().name for _ in range(2)] == ["run-0001.mcap", "run-0002.mcap"]


def test_a_batch_is_messages_one_behind_the_other() -> None:
    batch = Batch(Client(app).state, True)
    batch.add(1, 7, 99, b"data")
    batch.add(1, 8, 100, b"more")
    assert len(batch.content()) == batch.size == 2 * (31 + 4)
    assert list(batch.index[1]) == [99, 0, 100, 35]
    assert batch.copy().content() == batch.content()
