"""Parameters of a path: a dictionary that is a value."""

import pickle

import pytest

from sigil.core.http.params import NO_PARAMS, Params, with_more

PARAMS = Params(("id", "rest"), (5, "a/b"))


def test_params_are_looked_up_and_iterated_as_a_dictionary_is() -> None:
    assert PARAMS["id"] == 5
    assert (PARAMS.get("id"), PARAMS.get("x"), PARAMS.get("x", 1)) == (5, None, 1)
    assert (list(PARAMS), len(PARAMS), "rest" in PARAMS, "x" in PARAMS) == (
        ["id", "rest"],
        2,
        True,
        False,
    )
    assert PARAMS.items() == (("id", 5), ("rest", "a/b"))
    assert (PARAMS.keys(), PARAMS.values()) == (("id", "rest"), (5, "a/b"))
    assert dict(**PARAMS) == {"id": 5, "rest": "a/b"}
    with pytest.raises(KeyError):
        PARAMS["x"]


def test_params_are_equal_to_their_like_and_to_a_dictionary() -> None:
    assert Params(("rest", "id"), ("a/b", 5)) == PARAMS == {"id": 5, "rest": "a/b"}
    assert PARAMS != {"id": 5} and PARAMS != 3 and NO_PARAMS == {}


def test_params_are_a_value() -> None:
    params = Params(("id",), (5,))
    assert hash(params) == hash(Params(("id",), (5,)))
    assert hash(PARAMS) == hash(Params(("rest", "id"), ("a/b", 5)))
    assert pickle.loads(pickle.dumps(PARAMS)) == PARAMS
    assert repr(params) == "Params({'id': 5})"


def test_of_two_of_one_name_the_one_behind_counts() -> None:
    assert with_more(PARAMS, Params(("id", "x"), (6, 7))) == {"id": 6, "rest": "a/b", "x": 7}
    assert with_more(NO_PARAMS, PARAMS) is PARAMS
