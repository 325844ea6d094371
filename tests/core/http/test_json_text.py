"""JSON of values, and advice for those that have none."""

import dataclasses
import datetime
import decimal
import enum
import json
import pathlib
import uuid
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.core.http.json_text import encode_json
from sigil.core.http.response import Response


@dataclasses.dataclass
class Point:
    x: int
    y: float


class Pair(NamedTuple):
    a: int
    b: int


class Colour(enum.Enum):
    RED = "red"


class Level:
    """A number that is none of Python's."""

    __slots__ = ("value",)

    def __init__(self, value: float) -> None:
        self.value = value

    def __float__(self) -> float:
        return self.value


class Scalar:
    """What a number of numpy looks like."""

    shape = ()

    def __init__(self, value: object) -> None:
        self.value = value

    def item(self) -> object:
        return self.value

    def tolist(self) -> object:
        return self.value


class Array(Scalar):
    shape = (2,)  # type: ignore[assignment]


class Plain:
    def __init__(self) -> None:
        self.a = 1


class Opaque:
    __slots__ = ()


ADVICE: list[tuple[Any, str, Any]] = [
    (Point(1, 0.5), "dataclasses.asdict", dataclasses.asdict),
    (Colour.RED, "lambda member: member.value", lambda member: member.value),
    (datetime.datetime(2024, 1, 2), "str", str),
    (datetime.timedelta(1), "str", str),
    (decimal.Decimal("1.5"), "str", str),
    (uuid.UUID(int=1), "str", str),
    (pathlib.PurePosixPath("/a"), "str", str),
    ({1}, "list", list),
    (b"a", "lambda data: base64.b64encode(data).decode()", None),
    (Level(1.5), "float", float),
    (Scalar(1.5), "float", None),
    (Scalar(1), "int", None),
    (Scalar(True), "bool", None),
    (Scalar("x"), "str", str),
    (Array([1, 2]), "lambda array: array.tolist()", lambda array: array.tolist()),
    (Plain(), "vars", vars),
    (Opaque(), "str", str),
]


@pytest.mark.parametrize(("value", "advice", "function"), ADVICE)
def test_what_has_no_json_is_told_how_to_get_one(value: Any, advice: str, function: Any) -> None:
    with pytest.raises(TypeError) as caught:
        encode_json({"a": [value]})
    assert str(caught.value) == (
        f"an object of type {type(value).__name__} has no JSON: give default={advice}, or another "
        "function that makes of it what has one"
    )
    if function is not None:
        assert json.loads(encode_json({"a": [value]}, function))


def test_the_numbers_of_numpy_are_told_apart() -> None:
    numpy = pytest.importorskip("numpy")
    for value, advice in (
        (numpy.float32(1.5), "float"),
        (numpy.int64(1), "int"),
        (numpy.bool_(True), "bool"),
        (numpy.array([1, 2]), "lambda array: array.tolist()"),
    ):
        with pytest.raises(TypeError, match="has no JSON") as caught:
            encode_json(value)
        assert f"give default={advice}," in str(caught.value)
    assert encode_json([numpy.float32(1.5), numpy.float64(2.5)], float) == "[1.5,2.5]"


def test_a_named_tuple_is_an_array() -> None:
    assert encode_json(Pair(1, 2)) == "[1,2]"


def test_what_default_raises_is_raised() -> None:
    with pytest.raises(ValueError, match="could not convert"):
        encode_json({"a": Opaque()}, lambda value: float("x"))
    with pytest.raises(ValueError, match="Circular"):
        encode_json(Opaque(), lambda value: value)


@pytest.mark.parametrize("default", [201, "str", float("nan")])
def test_a_default_is_a_function_and_a_status_has_its_name(default: Any) -> None:
    with pytest.raises(TypeError, match=r"default is a function .*; a status is given as status="):
        Response.json([], default)


def test_a_response_of_json_takes_default_by_position_and_status_by_name() -> None:
    response = Response.json(Level(0.5), float, status=201, headers={"X": "y"})
    assert (response.status, response.body) == (201, b"0.5")
    assert response.headers == (("Content-Type", "application/json"), ("X", "y"))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": float("-inf")}])
def test_what_is_no_number_elsewhere_is_refused(value: Any) -> None:
    for default in (None, str):
        with pytest.raises(ValueError, match="not JSON compliant"):
            encode_json(value, default)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    )
)
def test_a_value_with_json_is_that_of_the_standard_library(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    assert encode_json(value) == encode_json(value, str) == text
