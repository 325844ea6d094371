"""Middleware that lets some requests through and answers the others: `basic_auth`, `bearer_auth`,
`body_limit`.

Theory: who is let in is the program's to say, by a function; the answers to those that are not are
the same everywhere (`core.web`).

Rules: the function may be slow, and return a `Deferred` or a coroutine. What it returns is taken
for true or false. What it raises is the handler's failure, and lets nobody in. It does not know
users.
"""

from collections.abc import Callable, Generator
from typing import Any

from ...core.http.decoding import BadInput
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
from ...core.web.body_limits import refuse_long_body, too_long, too_long_sentence
from ..program.handlers import Handler
from ..program.request_chunks import BoundedChunks
from .chain import Middleware, guarding, later
from .pieces import asked_as


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
    routes that want less than `Limits.max_body_len`. One that declares so is refused before any of
    it is read, and one that comes in pieces as soon as it is too long. ValueError for a length that
    is none.
    """
    if type(max_len) is not int or max_len < 0:
        raise ValueError(f"max_len is a number of bytes, 0 or more, not {safe_repr(max_len)}")

    def refusal(request: Request) -> Response | None:
        return refuse_long_body(request, max_len)

    def around(handler: Handler) -> Handler:
        def call(request: Request) -> Any:
            if request.chunks is not None:
                chunks = BoundedChunks(request.chunks, _counting(max_len))
                request = request.replace(chunks=chunks)
            return later(handler(request), lambda result: _bounded(result, max_len))

        return guarding(refusal)(asked_as(call, handler))

    return around


def _bounded(result: Any, max_len: int) -> Any:
    """The result of a handler, which takes its body in pieces up to `max_len` bytes."""
    return _run_bounded(result, max_len) if isinstance(result, Generator) else result


def _run_bounded(pieces: Generator[Any, Any, Any], max_len: int) -> Generator[Any, Any, Any]:
    """A handler that takes its body in pieces, up to `max_len` bytes."""
    length = 0
    try:
        wanted = next(pieces)
        while True:
            piece = yield wanted
            length += len(piece)
            if length > max_len:
                return too_long(max_len)
            wanted = pieces.send(piece)
    except StopIteration as done:
        return done.value
    finally:
        pieces.close()


def _counting(max_len: int) -> Callable[[bytes], bytes]:
    """A function that returns each piece of a body it is given; `BadInput` with 413 when they are
    more than `max_len` bytes.
    """
    length = 0

    def count(piece: bytes) -> bytes:
        nonlocal length
        length += len(piece)
        if length > max_len:
            raise BadInput(too_long_sentence(max_len), 413)
        return piece

    return count


def _check_options(check: object, realm: object) -> None:
    """TypeError for a check that is none, ValueError for a realm that is none."""
    if not callable(check):
        raise TypeError(f"check is a function that returns true or false, not {safe_repr(check)}")
    problem = check_realm(realm)
    if problem is not None:
        raise ValueError(problem)
