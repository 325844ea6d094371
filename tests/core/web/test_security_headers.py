"""Fields that have browsers be stricter, literally."""

import pytest

from sigil.core.http.response import Response
from sigil.core.web.security_headers import SecurityRules, check_security, secured
from tests.support.requests import make_request

NONE = SecurityRules(None, None, None, None, None, None, False)
CSP = "default-src 'self'"
ALL = SecurityRules(
    "default-src 'self'", "DENY", "no-referrer", "same-origin", "camera=()", 9, True
)
OK = Response(200, (("Content-Type", "text/html"), ("x-frame-options", "SAMEORIGIN")), b"")


def test_what_is_not_there_is_added_and_what_is_there_stays() -> None:
    assert secured(make_request(), OK, NONE).headers == (
        *OK.headers,
        ("X-Content-Type-Options", "nosniff"),
    )
    assert secured(make_request(), OK, ALL).headers == (
        *OK.headers,
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Security-Policy", CSP),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Permissions-Policy", "camera=()"),
    )


def test_strict_transport_security_is_sent_under_https_alone() -> None:
    name = "Strict-Transport-Security"
    secure = make_request().replace(scheme="https")
    assert dict(secured(secure, OK, ALL).headers)[name] == "max-age=9; includeSubDomains"
    assert dict(secured(secure, OK, ALL._replace(hsts_subdomains=False)).headers)[name] == (
        "max-age=9"
    )
    assert name not in dict(secured(make_request(), OK, ALL).headers)


def test_a_websocket_needs_none() -> None:
    upgrade = Response.upgrade()
    assert secured(make_request(), upgrade, ALL) is upgrade


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        (NONE._replace(frame_options="ALLOW"), "frame_options is 'DENY', 'SAMEORIGIN' or None"),
        (NONE._replace(hsts_max_age=-1), "hsts_max_age is a number of seconds or None, not -1"),
        (NONE._replace(hsts_subdomains=True), "hsts_subdomains needs hsts_max_age"),
        (NONE._replace(referrer_policy="a\r\nb"), "the value of header 'Referrer-Policy' contains"),
    ],
)
def test_rules_that_make_no_sense_are_refused(rules: SecurityRules, sentence: str) -> None:
    assert (check_security(rules) or "").startswith(sentence)
    assert check_security(ALL) is None and check_security(NONE) is None


def test_a_value_of_another_type_is_refused() -> None:
    """By a sentence, or, where the core is compiled, by what that raises for a wrong type."""
    try:
        problem = check_security(NONE._replace(permissions_policy=7))  # type: ignore[arg-type]
    except TypeError:
        return
    assert problem == "headers are pairs of str, not of str and int"
