"""Credentials in literal fields, and the answers to those that are not there."""

from base64 import b64encode

import pytest

from sigil.core.web.auth import (
    BasicCredentials,
    basic_credentials,
    bearer_token,
    challenge_basic,
    challenge_bearer,
    check_realm,
    same_secret,
)
from tests.support.requests import make_request


def basic(text: str) -> str:
    return "Basic " + b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("field", "credentials"),
    [
        ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", ("Aladdin", "open sesame")),  # RFC 7617, section 2
        ("Basic dGVzdDoxMjPCow==", ("test", "123\u00a3")),  # RFC 7617, section 2.1
        ("basic   " + b64encode(b"a:b:c").decode() + "  ", ("a", "b:c")),
        (basic(":"), ("", "")),
        (basic("nocolon"), None),
        (basic("a:\n"), None),
        (basic("a\x00:b"), None),
        ("Basic " + b64encode(b"\xff:x").decode(), None),
        ("Basic QWxhZGRpbg", None),
        ("Basic Q!==", None),
        ("Basic", None),
        ("Basic ", None),
        ("Bearer abc", None),
        (f"{basic('a:b')}, {basic('c:d')}", None),
        ("", None),
    ],
)
def test_a_user_and_a_password_are_read(field: str, credentials: tuple[str, str] | None) -> None:
    got = basic_credentials(make_request("/", ("Authorization", field)))
    assert got == (None if credentials is None else BasicCredentials(*credentials))


def test_two_fields_are_none() -> None:
    field = ("Authorization", basic("a:b"))
    assert basic_credentials(make_request("/", field, field)) is None
    assert basic_credentials(make_request()) is None


@pytest.mark.parametrize(
    ("field", "token"),
    [
        ("Bearer mF_9.B5f-4.1JqM", "mF_9.B5f-4.1JqM"),  # RFC 6750, section 2.1
        ("bearer a+/~==", "a+/~=="),
        ("Bearer a=b", None),
        ("Bearer a b", None),
        ("Bearer \u00e9", None),
        ("Bearer", None),
        ("Basic abc", None),
    ],
)
def test_a_token_is_read(field: str, token: str | None) -> None:
    assert bearer_token(make_request("/", ("Authorization", field))) == token


def test_the_challenges_are_these_fields() -> None:
    assert dict(challenge_basic('a "b" \\').headers)["WWW-Authenticate"] == (
        'Basic realm="a \\"b\\" \\\\", charset="UTF-8"'
    )
    assert dict(challenge_bearer("x", False).headers)["WWW-Authenticate"] == 'Bearer realm="x"'
    told = challenge_bearer("x", True)
    assert dict(told.headers)["WWW-Authenticate"] == 'Bearer realm="x", error="invalid_token"'
    assert (told.status, told.body) == (401, b"401 Unauthorized\n")
    assert dict(told.headers)["Cache-Control"] == "no-store"


@pytest.mark.parametrize("realm", ["", "a\r\nb", "\u00e9", 7])
def test_a_realm_that_cannot_be_sent_is_refused(realm: object) -> None:
    assert check_realm(realm) is not None
    assert check_realm("the cellar") is None


def test_secrets_are_compared_whatever_they_are() -> None:
    assert same_secret("a\u00e9", "a\u00e9".encode())
    assert not same_secret("a", "b")
    assert not same_secret("a", "aa")
    assert same_secret("\ud800", "\ud800")
