"""Paths of requests as names below a root: what is allowed, and a corpus of what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.core.web.file_paths import (
    DEFAULT_POLICY,
    DEPTH_MAX,
    PathPolicy,
    RelativePath,
    relative_path,
    without_prefix,
)
from tests.support.traversal import CORPUS, HIDDEN

HARMLESS = frozenset(
    ("/etc/passwd", "/proc/self/environ", "/dev/null", "/a.txt/", "/~root/SECRET", "/$HOME/SECRET")
)
"""Paths of the corpus that lead to names below the root, where there is no such file."""


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("/", RelativePath((), True)),
        ("/a.txt", RelativePath(("a.txt",), False)),
        ("/a/b/c.txt", RelativePath(("a", "b", "c.txt"), False)),
        ("/a/b/", RelativePath(("a", "b"), True)),
        ("/a%20b.txt", RelativePath(("a b.txt",), False)),
        ("/na%C3%AFve.txt", RelativePath(("na\u00efve.txt",), False)),
        ("/100%25.txt", RelativePath(("100%.txt",), False)),
        ("/a+b&c=d;e.txt", RelativePath(("a+b&c=d;e.txt",), False)),
        ("/a:b", None),
        ("/ab:c", RelativePath(("ab:c",), False)),
        ("/a..b", RelativePath(("a..b",), False)),
        ("/.well-known/x", RelativePath((".well-known", "x"), False)),
        ("", None),
        ("a.txt", None),
        ("*", None),
    ],
)
def test_a_path_is_names_or_nothing(raw: str, expected: RelativePath | None) -> None:
    assert relative_path(raw) == expected


@pytest.mark.parametrize("raw", CORPUS)
def test_no_path_of_an_attacker_is_names_that_mean_more(raw: str) -> None:
    path = relative_path(raw)
    if path is None:
        return
    assert raw in HARMLESS or "%" in raw or ";" in raw
    for name in path.names:
        assert name.strip(". ") and not name.startswith(".")
        assert not set(name) & set("/\\\0")


def test_the_corpus_is_large() -> None:
    assert len(CORPUS) >= 200
    refused = [raw for raw in CORPUS if relative_path(raw) is None]
    assert len(refused) > len(CORPUS) * 0.9


def test_dot_files_are_a_policy() -> None:
    all_of_them = PathPolicy(dot_files=True)
    assert relative_path("/.env") is None
    assert relative_path("/.env", all_of_them) == RelativePath((".env",), False)
    assert relative_path("/.git/config", PathPolicy(dot_names=frozenset((".git",)))) is not None
    for raw in ("/..", "/.", "/..../a", "/%2e%2e/a"):
        assert relative_path(raw, all_of_them) is None
    assert any(relative_path(raw, all_of_them) for raw in HIDDEN)


def test_depth_and_length_are_bounded() -> None:
    assert relative_path("/" + "a/" * DEPTH_MAX) is not None
    assert relative_path("/" + "a/" * (DEPTH_MAX + 1)) is None
    assert relative_path("/" + "a" * 255) is not None
    assert relative_path("/" + "%C3%AF" * 128) is None


@given(st.text("/.%25eE2fF5c0C\\a:~ ", max_size=30))
def test_whatever_comes_stays_below_the_root(text: str) -> None:
    path = relative_path("/" + text, PathPolicy(dot_files=True))
    if path is not None:
        assert all(
            name not in ("", ".", "..") and not set(name) & set("/\\") for name in path.names
        )


def test_a_prefix_ends_at_a_slash() -> None:
    assert without_prefix("/static/a", "/static") == "/a"
    assert without_prefix("/static/a", "/static/") == "/a"
    assert without_prefix("/static", "/static/") == ""
    assert without_prefix("/statica", "/static") is None
    assert without_prefix("/a", "/") == "/a"
    assert without_prefix("/a", "") == "/a"
    assert DEFAULT_POLICY.dot_files is False
