"""What is lost between two batches that wait together is a gap, as what is lost by itself is."""

import errno
import logging
from pathlib import Path
from threading import Event

import pytest

from sigil import Response
from sigil.shell.recording.about_text import about_now
from sigil.shell.recording.batch import TURNS, Batch
from sigil.shell.recording.errors import RecordingError
from sigil.shell.recording.file_writer import FileWriter
from sigil.shell.recording.mcap_file import McapFile
from sigil.shell.recording.names import FileNames
from sigil.shell.recording.packages import MAX_LEN
from sigil.shell.recording.reader import read_recording
from sigil.shell.recording.turn_recorder import TurnRecorder
from sigil.testing import Client


class LosingWriter(FileWriter):
    """One whose disk is full for the second batch, and which waits before the first until all are
    there.
    """

    def __init__(self, path: Path) -> None:
        self.has_all, self.count = Event(), 0
        super().__init__(FileNames(path, False), lambda: about_now(()))

    def _write_to(self, file: McapFile, batch: Batch) -> None:
        self.has_all.wait()
        self.count += 1
        if self.count == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        super()._write_to(file, batch)


def test_a_batch_that_is_lost_among_others_that_wait_is_a_gap(tmp_path: Path) -> None:
    writer = LosingWriter(tmp_path / "run.mcap")
    recorder = TurnRecorder(writer.take, batch_len=1)  # every turn is a batch
    client = Client(lambda request: Response.text("x"))
    client.server._begin_recorder(recorder)
    for number in range(4):
        client.get(f"/{number}")
    client.server._end_recorder(recorder)
    writer.has_all.set()
    writer.end(client.server.state)
    turns = list(read_recording(tmp_path / "run.mcap").turns)
    assert [turn.gap is not None for turn in turns[:3]] == [False, True, False]
    assert turns[1].gap is not None and turns[1].gap.missed == 1
    assert len(turns) == recorder._count - 1


def recorded_with_longest(path: Path, lengths: list[int], longest: int) -> tuple[int, str]:
    """How many turns were recorded of answers of these lengths, each a batch, by a writer that
    writes no more than `longest` bytes at once; and what is wrong.
    """
    writer = FileWriter(FileNames(path, False), lambda: about_now(()), longest=longest)
    recorder = TurnRecorder(writer.take, batch_len=1)
    answers = iter(lengths)
    client = Client(lambda request: Response.bytes(bytes(next(answers))))
    client.server._begin_recorder(recorder)
    for _ in lengths:
        client.get("/")
    client.server._end_recorder(recorder)
    writer.end(client.server.state)
    return recorder._count, writer.trouble


def test_a_turn_that_is_longer_than_what_is_read_is_a_gap(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "run.mcap"
    count, trouble = recorded_with_longest(path, [10, 50_000, 50_000, 10], 40_000)
    turns = list(read_recording(path).turns)
    gaps = [turn.gap.missed for turn in turns if turn.gap is not None]
    assert len(turns) + sum(gaps) == count
    assert gaps[0] == 1
    assert "a batch of turns is 50," in trouble
    assert "and no more than 40,000 are read" in trouble
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(errors) == len([text for text in caplog.messages if "goes on" in text])


def test_a_server_that_is_longer_than_what_is_read_is_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "run.mcap"
    count, trouble = recorded_with_longest(path, [10, 10], 100)
    assert count
    assert trouble.startswith("a server is ")
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    with pytest.raises(RecordingError, match="it is empty"):
        read_recording(path)


def test_what_is_written_at_once_is_what_is_read_at_once(tmp_path: Path) -> None:
    writer = FileWriter(FileNames(tmp_path / "run.mcap", False), lambda: about_now(()))
    batch = Batch(Client(lambda request: None).server.state, True)
    batch.add(TURNS, 1, 1, bytes(MAX_LEN))  # never touched, so these are no bytes of memory
    batch.count = 1
    writer.take(batch)
    writer.end(batch.start)
    assert (
        writer.trouble
        == f"a batch of turns is {batch.size:,} bytes, and no more than {MAX_LEN:,} are read"
    )
    assert not list(read_recording(tmp_path / "run.mcap").turns)
