"""Signed texts: what comes back, and what does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.core.web.signing import keys_of, sign_until, unsign_at

OLD, NEW = b"the old key, 16 bytes", b"the new key, 16 bytes"


def test_a_signed_text_is_this_one() -> None:
    """The form is kept by clients: what is signed today must verify tomorrow."""
    signed = sign_until("user=7", (NEW,), "session", 1_000)
    assert signed == "dXNlcj03.1000.41Dxc2wRZztTjfb1kLkVbABl5uJ0LlCOBrbffOVY-nc"
    assert unsign_at(signed, (NEW,), 999.9, "session") == "user=7"


@given(text=st.text(max_size=40), purpose=st.text(max_size=9))
def test_what_was_signed_comes_back(text: str, purpose: str) -> None:
    try:
        text.encode(), purpose.encode()
    except UnicodeEncodeError:
        return
    assert unsign_at(sign_until(text, (NEW,), purpose), (NEW,), 0, purpose) == text


def test_every_key_verifies_and_the_first_signs() -> None:
    signed = sign_until("a", (OLD,))
    assert unsign_at(signed, (NEW, OLD), 0) == "a"
    assert unsign_at(signed, (OLD, NEW), 0) == "a"
    assert unsign_at(signed, (NEW,), 0) is None
    assert sign_until("a", (NEW, OLD)) == sign_until("a", (NEW,))


def test_it_ends_at_its_second() -> None:
    signed = sign_until("a", (NEW,), "", 50)
    assert unsign_at(signed, (NEW,), 49.999) == "a"
    assert unsign_at(signed, (NEW,), 50) is None


def test_what_was_signed_for_another_purpose_is_nothing() -> None:
    signed = sign_until("a", (NEW,), "login")
    assert unsign_at(signed, (NEW,), 0, "logout") is None
    assert unsign_at(signed, (NEW,), 0) is None


@given(place=st.integers(0, 60), character=st.sampled_from("aZ09-_.=\u00e9 "))
def test_one_character_that_is_another_is_enough(place: int, character: str) -> None:
    signed = sign_until("user=7", (NEW,), "s", 1_000)
    place %= len(signed)
    changed = signed[:place] + character + signed[place + 1 :]
    assert (unsign_at(changed, (NEW,), 0, "s") == "user=7") == (changed == signed)


@pytest.mark.parametrize("text", ["", ".", "..", "...", "a.b.c", "\u00e9..", "a" * 100])
def test_what_was_never_signed_is_nothing(text: str) -> None:
    assert unsign_at(text, (NEW,), 0) is None


def test_expiry_and_payload_cannot_be_shifted() -> None:
    payload, _, code = sign_until("a", (NEW,), "", 50).split(".")
    assert unsign_at(f"{payload}..{code}", (NEW,), 0) is None
    assert unsign_at(f"{payload}.500.{code}", (NEW,), 0) is None


def test_keys_are_bytes_and_long_enough() -> None:
    assert keys_of("0123456789abcdef") == (b"0123456789abcdef",)
    assert keys_of([OLD, "0123456789abcdef"]) == (OLD, b"0123456789abcdef")
    with pytest.raises(ValueError, match="at least 16 bytes"):
        keys_of("short")
    with pytest.raises(ValueError, match="no key to sign with"):
        keys_of([])
    with pytest.raises(TypeError):  # its words are others where the core is compiled
        keys_of([7])  # type: ignore[list-item]
