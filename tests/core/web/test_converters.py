"""Converters: what they take, what they make of it, and in which order they are tried."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from sigil.core.web.converters import BUILT_IN, Convert, to_float, to_int, to_uuid, with_own

ID = "6fa459ea-ee8a-3ca4-894e-db77e160355e"


@pytest.mark.parametrize(
    ("convert", "text", "value"),
    [
        (to_int, "0", 0),
        (to_int, "-42", -42),
        (to_int, "007", 7),
        (to_float, "1", 1.0),
        (to_float, "-1.5e3", -1500.0),
        (to_float, "1e-400", 0.0),
        (to_uuid, ID, UUID(ID)),
        (to_uuid, ID.upper(), UUID(ID)),
    ],
)
def test_a_converter_makes_a_value(convert: Convert, text: str, value: Any) -> None:
    assert convert(text) == value


@pytest.mark.parametrize(
    ("convert", "text"),
    [(to_int, text) for text in ("", "+1", " 1", "1_0", "\uff11", "0x1", "1.0", "9" * 5_000)]
    + [(to_float, text) for text in ("", "nan", "inf", "1e999", ".5", "1.", "1_0.0", " 1", "+1")]
    + [(to_uuid, text) for text in ("", ID.replace("-", ""), f"{{{ID}}}", f"urn:uuid:{ID}")],
)
def test_what_a_converter_does_not_take_is_a_value_error(convert: Convert, text: str) -> None:
    with pytest.raises(ValueError):
        convert(text)


def test_own_converters_are_tried_in_their_order_and_before_the_built_in_ones() -> None:
    converters = with_own({"date": date.fromisoformat, "int": int})
    ordered = sorted(converters.values(), key=lambda converter: converter.rank)
    assert [converter.name for converter in ordered] == ["date", "int", "uuid", "float", "str"]
    assert converters["int"].convert is int and BUILT_IN["int"].convert is to_int


@pytest.mark.parametrize(
    ("own", "error", "why"),
    [
        ({"a b": int}, ValueError, "the name of a converter is an identifier, not 'a b'"),
        ({3: int}, ValueError, "the name of a converter is an identifier, not 3"),
        ({"a": 3}, TypeError, "the converter a is a function of a str, not int"),
        ({f"c{n}": int for n in range(901)}, ValueError, "there are more than 900 converters"),
    ],
)
def test_what_cannot_be_a_converter_is_refused(
    own: Mapping[Any, Any], error: type[Exception], why: str
) -> None:
    with pytest.raises(error, match=why):
        with_own(own)
