"""Middleware that lets some requests through and answers the others: `basic_auth`, `bearer_auth`,
`body_limit`.

Theory: who is let in is the program's to say, by a function; the answers to those that are not are
the same everywhere (`core.web`).

Rules: the function may be slow, and return a `Deferred` or a coroutine. What it returns is taken
for true or false. What it raises is the handler's failure, and lets nobody in. It does not know
users.
"""

from collections.abc import Callable
from typing import Any

from ...core.http.request import Request
from ...core.http.response import Response
from ...core.http.validate import safe_repr
from ...core.web.auth import (
    basic_credentials,
    bearer_token,
    challenge_basic,
    challenge_bearer,
    check_realm,
)
from ...core.web.body_limits import refuse_long_body
from .chain import Middleware, guarding, later


def basic_auth(check: Callable[[str, str], Any], *, realm: str = "this server") -> Middleware:
    """Middleware that lets in who sends a user and a password for which `check(user, password)` is
    true, now or later; others are answered 401 with the challenge (RFC 7617).

    Compare passwords with `same_secret`. `realm` names what is protected. TypeError for a check
    that is no function, ValueError for a realm that cannot be sent.
    """
    _check_options(check, realm)

    def refusal(request: Request) -> Any:
        sent = basic_credentials(request)
        if sent is None:
            return challenge_basic(realm)
        return later(check(*sent), lambda is_let_in: None if is_let_in else challenge_basic(realm))

    return guarding(refusal)


def bearer_auth(check: Callable[[str], Any], *, realm: str = "this server") -> Middleware:
    """Middleware that lets in who sends a token for which `check(token)` is true, now or later;
    others are answered 401 with the challenge (RFC 6750).

    Compare tokens with `same_secret`. TypeError for a check that is no function, ValueError for a
    realm that cannot be sent.
    """
    _check_options(check, realm)

    def refusal(request: Request) -> Any:
        token = bearer_token(request)
        if token is None:
            return challenge_bearer(realm, was_sent=False)
        wrong = challenge_bearer(realm, was_sent=True)
        return later(check(token), lambda is_let_in: None if is_let_in else wrong)

    return guarding(refusal)


def body_limit(max_len: int) -> Middleware:
    """Middleware that answers 413 to a request whose body is longer than `max_len` bytes: for
    routes that want less than `Limits.max_body_len`. ValueError for a length that is none.
    """
    if type(max_len) is not int or max_len < 0:
        raise ValueError(f"max_len is a number of bytes, 0 or more, not {safe_repr(max_len)}")

    def refusal(request: Request) -> Response | None:
        return refuse_long_body(request, max_len)

    return guarding(refusal)


def _check_options(check: object, realm: object) -> None:
    """TypeError for a check that is none, ValueError for a realm that is none."""
    if not callable(check):
        raise TypeError(f"check is a function that returns true or false, not {safe_repr(check)}")
    problem = check_realm(realm)
    if problem is not None:
        raise ValueError(problem)
