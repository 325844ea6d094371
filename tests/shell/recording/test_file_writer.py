"""What is lost between two batches that wait together is a gap, as what is lost by itself is."""

import errno
from pathlib import Path
from threading import Event

from sigil import Response
from sigil.shell.recording.about_text import about_now
from sigil.shell.recording.batch import Batch
from sigil.shell.recording.file_writer import FileWriter
from sigil.shell.recording.mcap_file import McapFile
from sigil.shell.recording.names import FileNames
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
