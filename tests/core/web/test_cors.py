"""CORS: literal requests of pages, and what they may read and send."""

import pytest

from sigil.core.http.headers import Pair
from sigil.core.http.request import Request
from sigil.core.http.response import Response
from sigil.core.web.cors import (
    METHODS,
    CorsRules,
    allowed_origin,
    answer_preflight,
    check_cors,
    is_preflight,
    readable,
)
from tests.support.requests import make_request

PAGE = "https://page.example"
RULES = CorsRules((PAGE,), METHODS, ("*",), (), False, 600, False)
ANY = RULES._replace(origins=("*",))
OK = Response.text("x")


def ask(origin: str, *more: Pair) -> Request:
    return make_request("/", ("Host", "a.example"), ("Origin", origin), *more)


def preflight(origin: str, *more: Pair) -> Request:
    method = ("Access-Control-Request-Method", "PUT")
    fields = (("Host", "a.example"), ("Origin", origin), method, *more)
    return make_request("/", *fields, method="OPTIONS")


def added(request: Request, rules: CorsRules, response: Response = OK) -> dict[str, str]:
    headers = readable(request, response, rules).headers
    return dict(headers[len(response.headers) :])


def test_a_page_that_may_read_is_named() -> None:
    assert added(ask(PAGE), RULES) == {"Vary": "Origin", "Access-Control-Allow-Origin": PAGE}


@pytest.mark.parametrize(
    "origin", ["https://other.example", "null", "https://page.example.evil", "*", "self", "x"]
)
def test_a_page_that_may_not_is_told_nothing(origin: str) -> None:
    assert added(ask(origin), RULES) == {"Vary": "Origin"}


def test_without_an_origin_a_cache_still_learns_what_it_depends_on() -> None:
    assert added(make_request(), RULES) == {"Vary": "Origin"}


def test_where_all_may_read_nothing_depends_on_the_page() -> None:
    for request in (ask("https://other.example"), ask("null"), make_request()):
        assert added(request, ANY) == {"Access-Control-Allow-Origin": "*"}


def test_credentials_and_exposed_headers_are_told_to_those_that_may_read() -> None:
    rules = RULES._replace(credentials=True, expose=("X-A", "X-B"))
    assert added(ask(PAGE), rules) == {
        "Vary": "Origin",
        "Access-Control-Allow-Origin": PAGE,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": "X-A, X-B",
    }
    assert added(ask("https://b.example"), rules) == {"Vary": "Origin"}


def test_the_server_itself_is_an_origin_by_its_name() -> None:
    rules = RULES._replace(origins=("self", PAGE))
    assert allowed_origin(ask("http://a.example"), rules) == "http://a.example"
    assert allowed_origin(ask("https://a.example"), rules) is None
    assert allowed_origin(ask("https://a.example").replace(scheme="https"), rules) is not None
    assert allowed_origin(ask(PAGE), rules) == PAGE


def test_spellings_of_one_origin_are_one() -> None:
    rules = RULES._replace(origins=("HTTPS://Page.Example:443",))
    assert allowed_origin(ask(PAGE), rules) == PAGE


def test_what_a_handler_says_itself_stays_and_a_websocket_is_left_alone() -> None:
    own = Response.text("x", headers={"access-control-allow-origin": "https://b.example"})
    assert readable(ask(PAGE), own, RULES) is own
    upgrade = Response.upgrade()
    assert readable(ask(PAGE), upgrade, RULES) is upgrade


# -- preflights ------------------------------------------------------------------------------------


def test_a_preflight_is_an_options_with_a_method_of_a_page() -> None:
    assert is_preflight(preflight(PAGE))
    assert not is_preflight(preflight(PAGE).replace(method="GET"))
    assert not is_preflight(make_request("/", ("Origin", PAGE), method="OPTIONS"))
    assert not is_preflight(make_request(method="OPTIONS"))


def test_a_preflight_is_answered_with_what_may_be_sent() -> None:
    asked = ("Access-Control-Request-Headers", "content-type,x-a, b@d")
    response = answer_preflight(preflight(PAGE, asked), RULES)
    assert (response.status, response.body) == (204, b"")
    assert dict(response.headers) == {
        "Access-Control-Allow-Origin": PAGE,
        "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
        "Access-Control-Max-Age": "600",
        "Access-Control-Allow-Headers": "content-type, x-a",
        "Vary": "Origin, Access-Control-Request-Headers",
    }


def test_headers_that_were_named_are_listed() -> None:
    rules = RULES._replace(headers=("Content-Type",), methods=("PUT",), credentials=True)
    assert dict(answer_preflight(preflight(PAGE), rules).headers) == {
        "Access-Control-Allow-Origin": PAGE,
        "Access-Control-Allow-Methods": "PUT",
        "Access-Control-Max-Age": "600",
        "Access-Control-Allow-Headers": "Content-Type",
        "Access-Control-Allow-Credentials": "true",
        "Vary": "Origin",
    }


def test_the_preflight_of_a_stranger_is_refused_in_words() -> None:
    response = answer_preflight(preflight("https://other.example"), RULES)
    assert response.status == 403
    assert response.body == b"403 Forbidden: pages of this origin may not read what is here\n"
    assert ("Vary", "Origin") in response.headers


def test_a_private_network_is_reached_if_that_was_allowed() -> None:
    asked = preflight(PAGE, ("Access-Control-Request-Private-Network", "true"))
    name = "Access-Control-Allow-Private-Network"
    assert name not in dict(answer_preflight(asked, RULES).headers)
    rules = RULES._replace(private_network=True)
    assert dict(answer_preflight(asked, rules).headers)[name] == "true"
    assert name not in dict(answer_preflight(preflight(PAGE), rules).headers)


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        (RULES._replace(origins=()), "cors needs origins"),
        (ANY._replace(credentials=True), "origins '*' and credentials do not go together"),
        (RULES._replace(origins=("page.example",)), "origins has 'page.example', which no browser"),
        (RULES._replace(origins=(PAGE + "/",)), f"origins has '{PAGE}/', which no browser sends"),
        (RULES._replace(methods=("get",)), "a method is a str in upper case, not 'get'"),
        (RULES._replace(headers=("a b",)), "'a b' is not a header name"),
        (RULES._replace(expose=("*",), credentials=True), "expose '*' and credentials do not go"),
        (RULES._replace(max_age=-1), "max_age is a number of seconds, not -1"),
    ],
)
def test_rules_that_make_no_sense_are_refused(rules: CorsRules, sentence: str) -> None:
    assert (check_cors(rules) or "").startswith(sentence)
    assert check_cors(RULES) is None and check_cors(ANY) is None
