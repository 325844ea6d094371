"""Signed texts, with the time: `sign` and `unsign`.

Theory: `core.web.signing` signs and verifies; what time it is comes in here.

Rules: keys and options that make no sense raise where they are given; what a client sends never
does. It does not know what is signed.
"""

import time

from ...core.http.validate import safe_repr
from ...core.web.signing import Keys, keys_of, sign_until, unsign_at


def sign(text: str, keys: Keys, *, purpose: str = "", max_age: int | None = None) -> str:
    """The text, signed, so that `unsign` with the same keys and purpose returns it, for `max_age`
    seconds or for ever. It can be read by who has it, and not changed.

    `keys` are a secret of at least 16 bytes, or several: the first signs, all verify. The result is
    made of letters, digits, `-`, `_` and `.`: it can stand in a cookie. ValueError for a key that
    is too short.
    """
    expires_at = None
    if max_age is not None:
        if type(max_age) is not int or max_age <= 0:
            raise ValueError(f"max_age is a number of seconds above 0, not {safe_repr(max_age)}")
        expires_at = int(time.time()) + max_age
    return sign_until(text, keys_of(keys), purpose, expires_at)


def unsign(signed: str | None, keys: Keys, *, purpose: str = "") -> str | None:
    """The text that `sign` has signed with one of these keys for this purpose; None for anything
    else, also for None, and when its time is over. Nothing that a client sends raises, and nothing
    that it does not send.
    """
    return unsign_at(signed or "", keys_of(keys), time.time(), purpose)
