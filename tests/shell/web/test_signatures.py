"""Signed texts with the real time."""

import pytest

from sigil.web import sign, unsign

KEY, OTHER = "a secret of 32 random characters", "another one of 32 random letters"


def test_what_was_signed_comes_back_for_as_long_as_it_was_signed_for() -> None:
    signed = sign("user=7", KEY, purpose="session", max_age=60)
    assert unsign(signed, [OTHER, KEY], purpose="session") == "user=7"
    assert unsign(signed, KEY) is None
    assert unsign(sign("a", KEY), OTHER) is None
    past = sign("a", KEY, max_age=1).replace(".1", ".0", 1)
    assert unsign(past, KEY) is None


@pytest.mark.parametrize("max_age", [0, -1, 1.5, True])
def test_an_age_that_makes_no_sense_is_refused(max_age: int) -> None:
    with pytest.raises(ValueError, match="max_age is a number of seconds above 0"):
        sign("a", KEY, max_age=max_age)
