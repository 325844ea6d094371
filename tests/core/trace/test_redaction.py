"""What is redacted is as long as it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.core.http.headers import Headers
from sigil.core.http.response import Response
from sigil.core.trace.redaction import (
    Redaction,
    hidden_frame,
    hidden_headers,
    hidden_message,
    hidden_pairs,
    hidden_response,
    hidden_value,
    redaction_of,
)
from sigil.core.websocket.fragments import CompressedMessage, Fragment
from sigil.core.websocket.frames import Opcode, encode_frame

ALL = Redaction(frozenset(("cookie", "set-cookie", "authorization")), True, True)


def test_names_are_read() -> None:
    assert redaction_of([" Authorization", "cookie", "body", "messages", ""]) == ALL
    assert redaction_of([]) is None


@pytest.mark.parametrize("name", ["Content-Length", "upgrade", "host", "sec-websocket-key"])
def test_a_field_that_decides_how_a_connection_goes_on_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"the field {name.lower()} cannot be redacted"):
        redaction_of(["cookie", name])


def test_fields_are_hidden_by_name_in_either_case() -> None:
    pairs = (("COOKIE", "a=b"), ("Accept", "x/y"), ("Authorization", "Basic abc"))
    hidden = (("COOKIE", "xxx"), ("Accept", "x/y"), ("Authorization", "xxxxxxxxx"))
    assert hidden_headers(Headers(pairs), ALL).pairs == hidden
    assert hidden_pairs([("Set-Cookie", 5)], ALL) == ()


@given(st.binary(max_size=80))
def test_a_value_keeps_its_length_its_blanks_and_what_a_head_is_refused_for(value: bytes) -> None:
    hidden = hidden_value(value)
    assert len(hidden) == len(value)
    assert all(
        after == before if before <= 0x20 or before == 0x7F else after == ord("x")
        for before, after in zip(value, hidden, strict=True)
    )


@given(st.sampled_from((Opcode.TEXT, Opcode.BINARY)), st.binary(max_size=70_000))
def test_a_frame_keeps_its_header(opcode: Opcode, payload: bytes) -> None:
    frame = encode_frame(opcode, payload)
    assert hidden_frame(frame) == encode_frame(opcode, b"x" * len(payload))


def test_what_is_no_frame_is_hidden_whole() -> None:
    assert hidden_frame(b"") == b""
    assert hidden_frame(b"secret!") == b"xxxxxxx"
    assert hidden_frame(b"\x81\x7e\x00") == b"xxx"


def test_messages_are_as_long_in_utf_8() -> None:
    assert hidden_message("aä") == "xxx"
    assert hidden_message(b"abc") == b"xxx"
    assert hidden_message(Fragment("ab", True, False, 3)) == Fragment("xx", True, False, 3)
    compressed = CompressedMessage(Opcode.TEXT, b"abc")
    assert hidden_message(compressed) == CompressedMessage(Opcode.TEXT, b"xxx")


def test_a_response_is_hidden() -> None:
    response = Response.text("secret", headers=(("Set-Cookie", "id=secret"),))
    hidden = hidden_response(response, ALL)
    assert hidden.body == b"xxxxxx"
    assert ("Set-Cookie", "x" * 9) in hidden.headers
    streamed = Response.stream(iter([b"a"]))
    assert hidden_response(streamed, ALL).body is streamed.body
