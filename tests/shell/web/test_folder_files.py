"""The files of a folder: what lies below it, by the kernel's own word, or without that."""

from pathlib import Path

import pytest

from sigil.shell.web import folder_files
from sigil.shell.web.folder_files import LISTED_MAX, FolderFiles, is_below
from tests.support.descriptors import count_descriptors


@pytest.mark.parametrize(
    ("place", "path", "follow_links", "expected"),
    [
        ("/srv/a", "a", False, True),
        ("/srv/b", "a", False, False),
        ("/srv", "", False, True),
        ("/srv/b", "a", True, True),
        ("/srv", "a", True, True),
        ("/srvb/a", "a", True, False),
        ("/etc/passwd", "a", True, False),
        ("/srv/a (deleted)", "a", False, False),
    ],
)
def test_a_place_is_below_a_root(place: str, path: str, follow_links: bool, expected: bool) -> None:
    assert is_below(place, "/srv", path, follow_links) is expected
    assert is_below(place, "/", place[1:], True)


def make(folder: Path) -> None:
    """A file, a folder with one, and links."""
    (folder / "sub").mkdir()
    (folder / "a.txt").write_text("a")
    (folder / "sub" / "b.txt").write_text("b")
    (folder / "link").symlink_to("a.txt")
    (folder / "way").symlink_to("sub")


@pytest.mark.parametrize("has_places", [True, False])
def test_files_are_opened_and_links_are_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_places: bool
) -> None:
    monkeypatch.setattr(folder_files, "_HAS_PLACES", has_places)
    make(tmp_path)
    before = count_descriptors()
    for follow_links in (True, False):
        files = FolderFiles(str(tmp_path), follow_links)
        assert files.open(("a.txt",)).read(0, 1) == b"a"
        assert files.open(("sub", "b.txt")).read(0, 1) == b"b"
        listed = {"a.txt", "sub"}
        if has_places and follow_links:
            listed |= {"link", "way"}
        assert {entry.name for entry in files.list(())} == listed
        with pytest.raises(IsADirectoryError):
            files.open(("sub",))
        for names in (("link",), ("way", "b.txt")):
            if has_places and follow_links:
                assert files.open(names).facts.length == 1
            else:
                with pytest.raises(OSError):
                    files.open(names)
    assert count_descriptors() == before


def test_a_listing_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(12):
        (tmp_path / str(number)).touch()
    monkeypatch.setattr(folder_files, "LISTED_MAX", 10)
    assert len(list(FolderFiles(str(tmp_path)).list(()))) == 11
    assert LISTED_MAX == 2_000


def test_a_root_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder"):
        FolderFiles(str(tmp_path / "none"))
    (tmp_path / "a").touch()
    with pytest.raises(NotADirectoryError):
        FolderFiles(str(tmp_path / "a"))
