"""Paths that lead to routes."""

import enum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.core.web.converters import Convert, with_own
from sigil.core.web.patterns import Rest, Static, parse_pattern
from sigil.core.web.route import Route
from sigil.core.web.routes import Found, make_table, match
from sigil.core.web.urls import url_for

ID = UUID("6fa459ea-ee8a-3ca4-894e-db77e160355e")


class Color(enum.Enum):
    """A set of texts that a program knows."""

    RED = "red"

    def __str__(self) -> str:
        return self.value


def jobs(request: object) -> None:
    """A handler of two routes."""


OWN: dict[str, Convert] = {"color": Color}
LINES = {
    "/": "home",
    "/jobs": jobs,
    "/jobs/:id<int>": jobs,
    "/slash/": "slash",
    "/größe/a b": "large",
    "/names/:name": "name",
    "/floats/:value<float>": "float",
    "/ids/:id<uuid>": "id",
    "/colors/:color<color>": "color",
    "/files/:user/*path": "files",
    "/*rest": "rest",
}
TABLE = make_table(
    [
        Route(
            "GET",
            pattern,
            parse_pattern(pattern, with_own(OWN)),
            jobs if what is jobs else [],
            "" if what is jobs else str(what),
        )
        for pattern, what in LINES.items()
    ]
    + [Route("ANY", "/static/*", (Static("static"), Rest("")), [], "static", "", 1)]
)


@pytest.mark.parametrize(
    ("target", "params", "path"),
    [
        ("home", {}, "/"),
        (jobs, {}, "/jobs"),
        (jobs, {"id": 5}, "/jobs/5"),
        ("/jobs/:id<int>", {"id": -5}, "/jobs/-5"),
        ("slash", {}, "/slash/"),
        ("large", {}, "/gr%C3%B6%C3%9Fe/a%20b"),
        ("name", {"name": "a/b c?#%"}, "/names/a%2Fb%20c%3F%23%25"),
        ("name", {"name": 5}, "/names/5"),
        ("float", {"value": 1e22}, "/floats/1e+22"),
        ("id", {"id": ID}, f"/ids/{ID}"),
        ("color", {"color": Color.RED}, "/colors/red"),
        ("files", {"user": "a", "path": "b c/d"}, "/files/a/b%20c/d"),
        ("files", {"user": "a", "path": ""}, "/files/a/"),
        ("static", {"rest": "app.js"}, "/static/app.js"),
    ],
)
def test_a_path_is_made_of_a_route_and_its_parameters(
    target: object, params: dict[str, Any], path: str
) -> None:
    assert url_for(TABLE, target, params) == path


@pytest.mark.parametrize(
    ("target", "params", "why"),
    [
        (jobs, {"x": 1}, "with x is none of these: /jobs, /jobs/:id<int>"),
        ("home", {"id": 1}, "'home' with id is none of these: /"),
        ("name", {}, "'name' with no parameters is none of these: /names/:name"),
        (jobs, {"id": "5"}, "id would be 5 again, not '5'"),
        (jobs, {"id": "x"}, "'x' is not a whole number"),
        ("name", {"name": ""}, "'' cannot be a segment of a path"),
        ("name", {"name": ".."}, "'..' cannot be a segment of a path"),
        ("name", {"name": "\0"}, "cannot be a segment of a path"),
        ("files", {"user": "a", "path": "b/../c"}, "a client resolves . and .. itself"),
        ("rest", {"rest": "/evil.example"}, "what begins with two slashes is a host, not a path"),
        ("color", {"color": "blue"}, "'blue' is not a valid Color"),
    ],
)
def test_what_would_not_lead_back_is_refused(
    target: object, params: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValueError) as caught:
        url_for(TABLE, target, params)
    assert why in str(caught.value)


@pytest.mark.parametrize("target", ["nothing", "/nothing", len, None, [], "/jobs/:other<int>"])
def test_what_is_no_route_is_not_found(target: object) -> None:
    with pytest.raises(LookupError, match="there is no route for"):
        url_for(TABLE, target, {})


TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1)
NAMES = TEXTS.filter(lambda text: text not in (".", ".."))


@given(NAMES, st.lists(NAMES.filter(lambda text: "/" not in text)))
def test_a_path_that_was_made_leads_back_to_the_same_values(user: str, parts: list[str]) -> None:
    params = {"user": user, "path": "/".join(parts)}
    found = match(TABLE, "GET", url_for(TABLE, "files", params))
    assert isinstance(found, Found)
    assert (found.route.name, found.params) == ("files", params)


@given(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.uuids())
def test_values_lead_back_to_themselves(number: int, decimal: float, id_: UUID) -> None:
    values: list[tuple[object, str, object]] = [
        (jobs, "id", number),
        ("float", "value", decimal),
        ("id", "id", id_),
    ]
    for target, name, value in values:
        found = match(TABLE, "GET", url_for(TABLE, target, {name: value}))
        assert isinstance(found, Found) and found.params == {name: value}
