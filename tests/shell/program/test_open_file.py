"""Open files: what is opened and what is refused, and what becomes of those that change."""

import os
import socket
from pathlib import Path

import pytest

from sigil.shell.program.open_file import FileShrank, MemoryFile, OpenFile, open_path
from tests.support.descriptors import count_descriptors


def test_facts_are_those_of_the_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"hello")
    os.utime(path, ns=(5, 7))
    file = open_path(path)
    path.unlink()
    assert (file.facts.length, file.facts.modified_ns) == (5, 7)
    assert file.read(1, 3) == b"ell"
    assert file.read(0, 0) == b""
    file.close()
    file.close()


def test_what_is_no_regular_file_is_not_opened_and_nothing_waits(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "sock"))
    before = count_descriptors()
    for path in (pipe, tmp_path, tmp_path / "sock", Path("/dev/null"), tmp_path / "none"):
        with pytest.raises(OSError):
            open_path(path)
    with pytest.raises(ValueError, match="null byte"):
        open_path("a\0b")
    assert count_descriptors() == before
    listening.close()


def test_a_descriptor_is_closed_when_nobody_has_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    before = count_descriptors()
    file: OpenFile | None = open_path(tmp_path / "a")
    assert count_descriptors() == before + 1
    assert repr(file).startswith("<OpenFile ")
    file = None
    assert count_descriptors() == before


def test_a_file_that_became_shorter_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(100))
    file = open_path(path)
    os.truncate(path, 50)
    one, other = socket.socketpair()
    with one, other:
        assert file.send(one, 0, 100) == 50
        with pytest.raises(FileShrank):
            file.send(one, 50, 50)
        with pytest.raises(FileShrank):
            file.read(40, 20)
    file.will_need(0, 10)


def test_what_is_sent_without_a_descriptor_is_copied(tmp_path: Path) -> None:
    class Taking:
        """Takes three bytes at a time."""

        def send(self, data: bytes) -> int:
            """Three, at most."""
            return min(3, len(data))

    path = tmp_path / "a"
    path.write_bytes(b"abcdef")
    file = open_path(path)
    assert file.send(Taking(), 1, 4) == 3
    os.truncate(path, 1)
    with pytest.raises(FileShrank):
        file.send(Taking(), 1, 4)


def test_a_file_in_memory_is_the_very_bytes() -> None:
    data = b"abcdef"
    file = MemoryFile(data, 7)
    assert (file.facts.length, file.facts.modified_ns) == (6, 7)
    assert file.read(0, 6) is data
    assert file.read(1, 2) == b"bc"
    file.close()
