"""What a query and a form have of what a program has: the same pairs for the same values."""

from typing import Any

import pytest

from sigil.shell.client.bodies import make_body
from sigil.shell.client.settings import checked_url


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, ""),
        ({"a": 1, "b": "x"}, "a=1&b=x"),
        ([("a", 1), ("a", 2)], "a=1&a=2"),
        (iter([("a", 1)]), "a=1"),
        ({"a": [1, 2], "b": ()}, "a=1&a=2"),
        ({"a": None, "b": [None, 1]}, "b=1"),
        ({"a": True, "b": False}, "a=true&b=false"),
        ({b"a": b"\xff&"}, "a=%FF%26"),
        ({"\u00e9": "\u20ac"}, "%C3%A9=%E2%82%AC"),
        ({5: 1.5}, "5=1.5"),
    ],
)
def test_a_query_and_a_form_have_the_same_pairs(given: Any, text: str) -> None:
    values = list(given) if not isinstance(given, dict) else given
    assert make_body(form=values).data == text.encode()
    assert (checked_url("http://h/", None, values).query or "") == text
