"""Tokens and lists: which characters a token has, and what the members of a list are."""

import pytest

from sigil.core.http.tokens import TOKEN, TOKEN_BYTES, parse_list, split_list

TCHARS = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""`tchar` of RFC 9110, section 5.6.2."""


def test_a_token_has_the_characters_of_the_grammar_and_no_others() -> None:
    characters = map(chr, range(256))
    assert {character for character in characters if TOKEN.fullmatch(character)} == set(TCHARS)
    octets = (bytes([octet]) for octet in range(256))
    assert {octet for octet in octets if TOKEN_BYTES.fullmatch(octet)} == {
        character.encode() for character in TCHARS
    }


def test_a_token_is_not_empty_and_ends_where_its_characters_do() -> None:
    assert TOKEN.fullmatch("") is None
    assert TOKEN.fullmatch("a b") is None
    assert TOKEN.fullmatch("gzip\n") is None
    assert TOKEN_BYTES.fullmatch(b"gzip\n") is None


@pytest.mark.parametrize(
    ("value", "members"),
    [
        ("", []),
        (",, ,\t,", []),
        ("Upgrade", ["Upgrade"]),
        ("keep-alive, Upgrade", ["keep-alive", "Upgrade"]),
        (" a ,\tb\t,, c", ["a", "b", "c"]),
        ("a b", ["a b"]),
    ],
)
def test_a_list_has_members_between_commas_and_none_that_is_empty(
    value: str, members: list[str]
) -> None:
    assert split_list(value) == members
    assert parse_list(value) == [member.lower() for member in members]
