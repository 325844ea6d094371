"""`wsgi.file_wrapper`: files of the system are read in large blocks, others as was suggested."""

import io
from pathlib import Path

from sigil.wsgi.file_wrapper import BLOCK_LEN, FileWrapper, is_regular


def test_a_regular_file_is_read_in_large_blocks(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * (BLOCK_LEN + 1))
    with path.open("rb") as file:
        file.seek(0)
        wrapper = FileWrapper(file, 10)
        assert [len(block) for block in wrapper] == [BLOCK_LEN, 1]
        wrapper.close()
        assert file.closed


def test_it_begins_where_the_file_stands(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"hello")
    with path.open("rb") as file:
        file.seek(3)
        assert list(FileWrapper(file)) == [b"lo"]


def test_another_file_is_read_as_was_suggested() -> None:
    assert list(FileWrapper(io.BytesIO(b"hello"), 2)) == [b"he", b"ll", b"o"]


def test_what_has_no_close_has_none() -> None:
    class Source:
        def read(self, size: int) -> bytes:
            return b""

    assert not hasattr(FileWrapper(Source()), "close")
    assert not is_regular(Source())
    assert not is_regular(io.BytesIO())
