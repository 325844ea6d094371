"""What is typed for a WebSocket: messages, commands, and what makes no sense."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.apps.client.input import (
    CloseNow,
    CommandProblem,
    Input,
    LineSplitter,
    SendLine,
    SendPing,
    ShowHelp,
    meaning_of,
    parse_line,
)


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("hello", SendLine("hello")),
        ("", SendLine("")),
        ("//ping", SendLine("/ping")),
        ("/ping", SendPing(b"")),
        ("/ping ä b", SendPing("ä b".encode())),
        ("/binary 00 ff2A", SendLine(b"\x00\xff\x2a")),
        ("/binary", SendLine(b"")),
        ("/close", CloseNow(1000, "")),
        ("/close 1001 bye now", CloseNow(1001, "bye now")),
        ("/close 4999", CloseNow(4999, "")),
        ("/help", ShowHelp()),
    ],
)
def test_a_line_is_a_message_or_a_command(line: str, asked: Input) -> None:
    assert parse_line(line, has_commands=True) == asked
    assert parse_line(line, has_commands=False) == SendLine(line)


@pytest.mark.parametrize(
    "line",
    [
        "/ping " + "x" * 126, "/binary 0", "/binary zz", "/close 1005", "/close 999", "/close x",
        "/close 2999", "/close 1000 " + "x" * 124, "/", "/nothing",
        "/close \u0661\u0660\u0660\u0660",
    ],
)  # fmt: skip
def test_a_command_that_makes_no_sense_has_a_sentence(line: str) -> None:
    problem = parse_line(line, has_commands=True)
    assert isinstance(problem, CommandProblem) and problem.sentence


@given(st.binary(max_size=60), st.lists(st.integers(0, 60)))
def test_the_cuts_of_the_input_do_not_matter(data: bytes, cuts: list[int]) -> None:
    whole, cut = LineSplitter(), LineSplitter()
    lines: list[str] = []
    places = sorted({0, len(data), *[place for place in cuts if place < len(data)]})
    for start, end in pairwise(places):
        lines += cut.feed(data[start:end])
    assert lines + cut.finish() == whole.feed(data) + whole.finish()


def test_every_code_has_a_meaning() -> None:
    assert meaning_of(1001) == "going away"
    assert meaning_of(3500) == "a code of a library" and meaning_of(4500) == "a code of the program"
    assert meaning_of(2000) == "unassigned"
