"""Texts that are signed, so that whoever sends one back cannot have changed it.

Theory: a cookie is kept by the client, who may write anything into it. With a message
authentication code over it (HMAC-SHA256, RFC 2104) and a key that only the server has, what comes
back is what was sent, or is refused; nobody is kept from reading it.

Rules: a signed text is `payload.expiry.code`, where payload and code are base64url without padding
and the expiry is in seconds since 1970, or empty; all of it can stand in a cookie or a path. The
code covers the purpose too, so that what was signed for one cannot be used for another. The first
of several keys signs, and all of them verify, so that a key can be replaced while what it signed is
still about. Codes are compared in constant time, and no key is left out. It does not know the time.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Final, TypeAlias

from ..http.validate import type_name

KEY_MIN: Final = 16
"""Bytes: a key that is shorter can be guessed."""

Key: TypeAlias = "str | bytes"
Keys: TypeAlias = "Key | Sequence[Key]"

_EXPIRY_DIGITS_MAX: Final = 12


def keys_of(keys: Keys) -> tuple[bytes, ...]:
    """The keys as bytes; TypeError for what is no key, ValueError for none and for a short one."""
    listed = [keys] if isinstance(keys, str | bytes) else list(keys)
    if not listed:
        raise ValueError("there is no key to sign with")
    made = []
    for key in listed:
        if not isinstance(key, str | bytes):
            raise TypeError(f"a key is a str or bytes, not {type_name(key)}")
        data = key.encode() if isinstance(key, str) else key
        if len(data) < KEY_MIN:
            raise ValueError(
                f"a key has at least {KEY_MIN} bytes: make one with secrets.token_urlsafe(32)"
            )
        made.append(data)
    return tuple(made)


def sign_until(
    text: str, keys: tuple[bytes, ...], purpose: str = "", expires_at: int | None = None
) -> str:
    """The text, signed with the first key for this purpose until a time, or for ever."""
    expiry = "" if expires_at is None else str(expires_at)
    payload = _encode(text.encode())
    return f"{payload}.{expiry}.{_code(keys[0], payload, expiry, purpose)}"


def unsign_at(signed: str, keys: tuple[bytes, ...], now: float, purpose: str = "") -> str | None:
    """The text that was signed with one of the keys for this purpose, if its time has not come;
    None for anything else.
    """
    from hmac import compare_digest

    parts = signed.split(".")
    if len(parts) != 3 or not signed.isascii():
        return None
    payload, expiry, code = parts
    codes = [_code(key, payload, expiry, purpose) for key in keys]
    is_signed = sum([compare_digest(code, other) for other in codes]) > 0
    if not is_signed or not _is_in_time(expiry, now):
        return None
    return _decode(payload)


def _is_in_time(expiry: str, now: float) -> bool:
    """True before an expiry, and without one."""
    if not expiry:
        return True
    return expiry.isdigit() and len(expiry) <= _EXPIRY_DIGITS_MAX and now < int(expiry)


def _code(key: bytes, payload: str, expiry: str, purpose: str) -> str:
    """The authentication code of a payload: no other purpose, payload and expiry have the text that
    it is of.
    """
    # here, since most programs have no use for OpenSSL, which this brings
    from hmac import digest

    name = purpose.encode()
    message = b"%d:%b.%b.%b" % (len(name), name, payload.encode(), expiry.encode())
    return _encode(digest(key, message, "sha256"))


def _encode(data: bytes) -> str:
    """Bytes as base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> str | None:
    """The text in base64url without padding; None if it is none."""
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        return None
