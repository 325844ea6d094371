"""What a terminal is sent: a small one in the test carries it out, and what was typed stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.apps.client.screen import above_the_line, rows_of, shown_message, visible


class Terminal:
    """As much of a terminal as is used: a grid of characters and a cursor."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self.lines = [[" "] * columns for _ in range(rows)]
        self.row = self.column = 0
        self._saved = (0, 0)

    def write(self, text: str) -> None:
        """Carry out what is written."""
        place = 0
        while place < len(text):
            place = (
                self._escape(text, place + 1) if text[place] == "\x1b" else self._put(text, place)
            )

    def _put(self, text: str, place: int) -> int:
        character = text[place]
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self._down()
        else:
            if self.column == self.columns:
                self.column = 0
                self._down()
            self.lines[self.row][self.column] = character
            self.column += 1
        return place + 1

    def _escape(self, text: str, place: int) -> int:
        name = text[place]
        if name == "D":
            self._down()
        elif name == "M":
            self.row = max(0, self.row - 1)
        elif name == "7":
            self._saved = (self.row, self.column)
        elif name == "8":
            self.row, self.column = self._saved
        elif name == "[":
            end = place + 1
            while text[end].isdigit():
                end += 1
            if text[end] == "L":
                for _ in range(int(text[place + 1 : end])):
                    self.lines.insert(self.row, [" "] * self.columns)
                    self.lines.pop()
            else:
                assert text[end] == "K"
                self.lines[self.row][self.column :] = [" "] * (self.columns - self.column)
            return end + 1
        return place + 1

    def _down(self) -> None:
        if self.row == self.rows - 1:
            self.lines = [*self.lines[1:], [" "] * self.columns]
        else:
            self.row += 1

    @property
    def shown(self) -> list[str]:
        """The lines, without the blanks at their ends."""
        return ["".join(line).rstrip() for line in self.lines]


@pytest.mark.parametrize("lines_before", [0, 3, 7, 20])
def test_a_message_stands_above_what_is_being_typed(lines_before: int) -> None:
    terminal = Terminal(20, 8)
    for number in range(lines_before):
        terminal.write(f"line {number}\r\n")
    terminal.write("half typ")
    terminal.write(above_the_line("< one", 20, 8))
    terminal.write(above_the_line("< " + "x" * 30, 20, 8))
    terminal.write("ed")
    shown = [line for line in terminal.shown if line]
    assert shown[-4:] == ["< one", "< " + "x" * 18, "x" * 12, "half typed"]


TEXTS = st.lists(st.text(st.sampled_from("ab\n"), max_size=40), max_size=5)


@given(TEXTS, st.integers(0, 12))
def test_it_does_wherever_the_line_is(texts: list[str], row: int) -> None:
    terminal = Terminal(10, 12)
    terminal.write("\r\n" * row + "typed")
    for text in texts:
        if rows_of(text, 10) < 11:
            terminal.write(above_the_line(text, 10, 12))
    assert terminal.shown[terminal.row] == "typed" and terminal.column == 5
    assert all(not line for line in terminal.shown[terminal.row + 1 :])


def test_rows_are_counted_by_the_width_of_characters() -> None:
    assert [rows_of(text, 10) for text in ("", "a" * 10, "a" * 11, "\u4f60" * 6, "a\nb\n")] == [
        1, 1, 2, 2, 3,
    ]  # fmt: skip


def test_a_peer_does_not_steer_the_terminal() -> None:
    assert visible("a\x1b[2J\x07\x9b\r\u202e\ttab\n") == "a\\x1b[2J\\x07\\x9b\\r\\u202e\ttab\n"
    assert visible("\ud800ü\u4f60") == "\\ud800ü\u4f60"


def test_messages_are_shown_cut_and_printed_whole() -> None:
    assert shown_message(b"\x00\xff") == "(2 bytes) 00 ff"
    assert shown_message(b"\x00\xff", is_cut=False) == "00ff"
    assert shown_message("x" * 200_000).endswith("... (200000 characters)")
    assert len(shown_message(bytes(5_000))) < 4_000
    assert shown_message("\x1b", is_cut=False) == "\x1b"
