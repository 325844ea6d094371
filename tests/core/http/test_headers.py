"""Header fields as a value: a sequence that was on the wire and a dictionary without case."""

import copy
import operator
import pickle

import pytest

from sigil.core.http.headers import Headers, decode_pairs, hold_secret, to_pairs

COOKIES = Headers(
    (("Host", "a"), ("Cookie", "a=1"), ("X-List", "1"), ("cookie", "b=2"), ("x-list", "2"))
)


def test_names_are_looked_up_without_case() -> None:
    assert (COOKIES["host"], COOKIES["HOST"], COOKIES.get("Host"), "hOsT" in COOKIES) == (
        "a",
        "a",
        "a",
        True,
    )


def test_what_is_not_there_is_none_or_the_default_or_an_error() -> None:
    assert COOKIES.get("x") is None
    assert COOKIES.get("x", "y") == "y"
    assert COOKIES.get_all("x") == ()
    assert 5 not in COOKIES
    with pytest.raises(KeyError):
        COOKIES["x"]


def test_lines_of_one_name_are_joined_by_comma_and_cookies_by_semicolon() -> None:
    assert COOKIES["x-list"] == "1, 2"
    assert COOKIES["cookie"] == "a=1; b=2"
    assert COOKIES.get_all("Cookie") == ("a=1", "b=2")


def test_the_mapping_side_has_each_name_once_and_the_pairs_have_all() -> None:
    assert COOKIES.keys() == tuple(COOKIES) == ("host", "cookie", "x-list")
    assert COOKIES.items() == (("host", "a"), ("cookie", "a=1; b=2"), ("x-list", "1, 2"))
    assert (len(COOKIES), len(COOKIES.pairs)) == (3, 5)
    assert dict(COOKIES) == {"host": "a", "cookie": "a=1; b=2", "x-list": "1, 2"}


def test_headers_are_immutable_hashable_values() -> None:
    one, other = Headers((("A", "b"),)), Headers((("A", "b"),))
    assert one == other
    assert hash(one) == hash(other)
    assert one != Headers((("a", "b"),))
    assert one != (("A", "b"),)
    for attempt in (
        lambda: operator.setitem(one, "A", "c"),
        lambda: operator.delitem(one, "A"),
        lambda: operator.setitem(one.combined, "a", "c"),
    ):
        with pytest.raises(TypeError, match="does not support item"):
            attempt()


def test_headers_survive_copying_and_pickling_and_print_as_what_makes_them() -> None:
    one = Headers((("A", "b"),))
    assert copy.deepcopy(one) == pickle.loads(pickle.dumps(one)) == one
    assert repr(one) == "Headers((('A', 'b'),))"


def test_bytes_become_latin_1_and_lose_the_white_space_around_them() -> None:
    assert decode_pairs([(b"hoST", b" \ta\t "), (b"X", b"\xe9"), (b"user-agent", b"u")]).pairs == (
        ("hoST", "a"),
        ("X", "\xe9"),
        ("user-agent", "u"),
    )


def test_pairs_come_from_mappings_headers_and_sequences() -> None:
    expected = (("A", "b"),)
    assert to_pairs({"A": "b"}) == to_pairs(Headers(expected)) == to_pairs([("A", "b")]) == expected


@pytest.mark.parametrize("headers", [{"A": 1}, {1: "b"}, [("A", b"b")], [("A", None)], 5])
def test_what_is_not_text_is_a_type_error(headers: object) -> None:
    with pytest.raises(TypeError):
        to_pairs(headers)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pair", "is_secret"),
    [
        (("Accept", "text/html"), False),
        (("Cookie", "a=b"), True),
        (("X-Api-Key", "a"), True),
        (("X" * 70 + "-Token", "a"), True),
        (("Referer", "http://a/b?page=2"), False),
        (("Referer", "http://a/b?access_token=c"), True),
        (("Referer", "http://a/session"), False),
    ],
)
def test_a_secret_is_known_by_the_name_of_its_field_or_by_a_query(
    pair: tuple[str, str], is_secret: bool
) -> None:
    assert hold_secret(Headers((("Host", "a"), pair))) is is_secret
