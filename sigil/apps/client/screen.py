"""What a person sees of a WebSocket in a terminal: messages above the line that is being typed.

Theory: the terminal edits the line that is typed by itself, and does not know of messages. So a
message is written into lines that are inserted above that one, and the cursor put back to where it
was; whatever was typed so far stays.

Rules: what a peer sends may not steer the terminal: control characters are written as they are
spelled in Python. A message is cut at `SHOWN_MAX` characters. It does not know what a message is.
"""

import re
import shutil
import unicodedata

SHOWN_MAX = 100_000
"""Characters of a message that are shown."""
HEX_MAX = 1_024
"""Bytes of a binary message that are shown."""

_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_DOWN, _UP, _SAVE, _RESTORE = "\x1bD", "\x1bM", "\x1b7", "\x1b8"


def visible(text: str) -> str:
    """A text without what steers a terminal.

    `visible("a\\x1b[2J") == "a\\\\x1b[2J"`
    """
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def shown_message(message: str | bytes, is_cut: bool = True) -> str:
    """A message as it is shown: a text as it is, a binary one in hexadecimal digits."""
    if isinstance(message, bytes):
        digits = message[:HEX_MAX].hex(" ") if is_cut else message.hex()
        more = " ..." if is_cut and len(message) > HEX_MAX else ""
        return f"({len(message)} bytes) {digits}{more}" if is_cut else digits
    if not is_cut:
        return message
    more = f" ... ({len(message)} characters)" if len(message) > SHOWN_MAX else ""
    return visible(message[:SHOWN_MAX]) + more


def rows_of(text: str, columns: int) -> int:
    """How many rows of a terminal a text takes, whose wide characters take two columns."""
    rows = 0
    for line in text.expandtabs(8).split("\n"):
        wide = sum([unicodedata.east_asian_width(character) in "WF" for character in line])
        rows += max(1, -(-(len(line) + wide) // columns))
    return rows


def above_the_line(text: str, columns: int, rows: int) -> str:
    """What writes a text above the line that is being typed, in a terminal of this size."""
    count = rows_of(text, columns)
    body = text.replace("\n", "\r\n")
    if count >= rows - 1:  # it scrolls away what was typed: the terminal shows it when it is sent
        return f"\r\x1b[K{body}\r\n"
    room = _DOWN * count + _UP * count
    return f"{room}{_SAVE}\r\x1b[{count}L{body}{_RESTORE}{_DOWN * count}"


def terminal_size() -> tuple[int, int]:
    """The columns and rows of the terminal."""
    size = shutil.get_terminal_size()
    return max(1, size.columns), max(2, size.lines)
