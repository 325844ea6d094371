"""Lines of JSON as bytes (RFC 8259, one value a line): what a long-poll is answered with.

Theory: a client that has neither WebSockets nor event streams has JSON. So a message is an object
on a line of its own, with the position behind it, and what is no message is an object too.

Rules: a text is a string; anything else is base64, under another name. A line has no line end but
its last byte. It does not know who is sent a line, nor when.
"""

import json
from base64 import b64encode
from typing import Any


def encode_line(value: Any) -> bytes:
    """A value as a line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def encode_message_line(payload: bytes, is_text: bool, position: str) -> bytes:
    """The line of a message that was published, with the position behind it; or, if that is empty,
    of one that is retained.

    `encode_message_line(b"hi", True, "7-1") == b'{"position":"7-1","text":"hi"}\\n'`
    """
    line: dict[str, Any] = {"position": position} if position else {"retained": True}
    if is_text:
        line["text"] = payload.decode(errors="replace")
    else:
        line["base64"] = b64encode(payload).decode()
    return encode_line(line)


def position_line(position: str) -> bytes:
    """The line that tells a client its position."""
    return encode_line({"position": position})


def gap_line(gap: str) -> bytes:
    """The line that tells a client a gap, which is JSON."""
    return b'{"gap":' + gap.encode() + b"}\n"
