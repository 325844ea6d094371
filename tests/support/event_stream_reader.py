"""Event streams as a browser reads them: the algorithm of WHATWG HTML, section 9.2.6.

It shares no code with sigil, and does not know what was sent.
"""

import re
from typing import NamedTuple


class ReadEvent(NamedTuple):
    """One event as a client is given it; `id` is the last one that was sent, with this event or
    before.
    """

    type: str
    data: str
    id: str


class Reading(NamedTuple):
    """What a client makes of a stream: the events, how long it will wait before it reconnects, and
    with which id.
    """

    events: list[ReadEvent]
    retry_ms: int | None
    last_id: str


def read_events(stream: bytes) -> Reading:
    """WHATWG HTML section 9.2.6, to the letter; what is not ended by an empty line is no event."""
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
    events: list[ReadEvent] = []
    data = kind = last_id = id_buffer = ""
    retry_ms = None
    for line in read_lines(text):
        if line == "":
            last_id = id_buffer
            if data != "":
                events.append(ReadEvent(kind or "message", data.removesuffix("\n"), last_id))
            data = kind = ""
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            kind = value
        elif name == "data":
            data += value + "\n"
        elif name == "id" and "\0" not in value:
            id_buffer = value
        elif name == "retry" and re.fullmatch("[0-9]+", value):
            retry_ms = int(value)
    return Reading(events, retry_ms, last_id)


def read_lines(text: str) -> list[str]:
    """The lines that are ended by CR LF, LF or CR; what follows the last end is not complete."""
    lines, line, index = [], "", 0
    while index < len(text):
        char = text[index]
        index += 1
        if char not in "\r\n":
            line += char
            continue
        if char == "\r" and text[index : index + 1] == "\n":
            index += 1
        lines.append(line)
        line = ""
    return lines
