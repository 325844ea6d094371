"""Bodies of one route, one below, at and one above the bound."""

from sigil.core.http.response import Response
from sigil.core.web.body_limits import refuse_long_body
from tests.support.requests import make_request

REFUSED = Response.error(413, "the body is longer than 3 bytes")


def test_a_body_is_as_long_as_it_may_be() -> None:
    assert refuse_long_body(make_request(body=b"ab"), 3) is None
    assert refuse_long_body(make_request(body=b"abc"), 3) is None
    assert refuse_long_body(make_request(body=b"abcd"), 3) == REFUSED
    assert refuse_long_body(make_request(body=b""), 0) is None


def test_what_is_declared_counts_before_it_has_come() -> None:
    assert refuse_long_body(make_request("/", ("Content-Length", "4")), 3) == REFUSED
    assert refuse_long_body(make_request("/", ("Content-Length", "3")), 3) is None
