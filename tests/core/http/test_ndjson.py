"""Lines of JSON, byte by byte, and read again."""

import json
from base64 import b64decode

from hypothesis import given
from hypothesis import strategies as st

from sigil.core.http.ndjson import encode_message_line, gap_line, position_line


def test_what_a_long_poll_is_answered_with() -> None:
    assert encode_message_line(b"hi", True, "7-1") == b'{"position":"7-1","text":"hi"}\n'
    assert encode_message_line(b"hi", True, "") == b'{"retained":true,"text":"hi"}\n'
    assert encode_message_line(b"\0", False, "7-2") == b'{"position":"7-2","base64":"AA=="}\n'
    assert position_line("7-2") == b'{"position":"7-2"}\n'
    assert gap_line('{"missed":1}') == b'{"gap":{"missed":1}}\n'


@given(st.text(), st.binary())
def test_a_line_is_one_line_and_says_what_was_published(text: str, data: bytes) -> None:
    for is_text, payload in ((True, text.encode(errors="replace")), (False, data)):
        line = encode_message_line(payload, is_text, "7-1")
        assert line.endswith(b"\n") and line.count(b"\n") == 1
        read = json.loads(line)
        got = read["text"].encode() if is_text else b64decode(read["base64"])
        assert got == payload
