"""Credentials in a request, and the answer to those that are missing or wrong (RFC 9110 section 11,
RFC 7617, RFC 6750).

Theory: a client that is answered 401 learns from WWW-Authenticate how it may ask again. So what was
sent is parsed here, and the challenge is made here; who is let in is the program's to say.

Rules: what is malformed counts as absent, and is challenged. User and password are UTF-8, as the
challenge asks for. Secrets are compared by their digests, so that the time it takes tells neither
where they differ nor how long they are. Nothing of what was sent is in an answer. It does not know
who is who.
"""

import binascii
import re
from base64 import b64decode
from typing import Final, NamedTuple

from ..http.request import Request
from ..http.response import Response
from ..http.validate import safe_repr

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+\-.]*) +(\S+) *")
"""A scheme and one token68 behind it."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
"""A bearer token (RFC 6750 section 2.1)."""
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")
_REALM: Final = re.compile(r"[ -~]+")


class BasicCredentials(NamedTuple):
    """A user and a password."""

    user: str
    password: str


def basic_credentials(request: Request) -> BasicCredentials | None:
    """The user and password of a request with `Authorization: Basic`; None if there are none.

    The password may have colons, the user none; neither has control characters.
    """
    encoded = _credentials(request, "basic")
    if encoded is None:
        return None
    try:
        text = b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    user, colon, password = text.partition(":")
    if not colon or _CONTROLS.search(text) is not None:
        return None
    return BasicCredentials(user, password)


def bearer_token(request: Request) -> str | None:
    """The token of a request with `Authorization: Bearer`; None if there is none."""
    token = _credentials(request, "bearer")
    return token if token is not None and _TOKEN.fullmatch(token) else None


def _credentials(request: Request, scheme: str) -> str | None:
    """What stands behind a scheme in Authorization; None if it is another, or anything else."""
    match = _SCHEME.fullmatch(request.headers.combined.get("authorization", ""))
    return match[2] if match is not None and match[1].lower() == scheme else None


def same_secret(one: str | bytes, other: str | bytes) -> bool:
    """True if two secrets are the same, in a time that depends on neither's content."""
    # here, since most programs have no use for OpenSSL, which these bring
    from hashlib import sha256
    from hmac import compare_digest

    digests = [sha256(_to_bytes(secret)).digest() for secret in (one, other)]
    return compare_digest(*digests)


def _to_bytes(secret: str | bytes) -> bytes:
    """The bytes of a secret."""
    return secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else secret


# -- answers ---------------------------------------------------------------------------------------


def check_realm(realm: object) -> str | None:
    """None for the name of a realm, or a sentence."""
    if isinstance(realm, str) and _REALM.fullmatch(realm) is not None:
        return None
    return f"a realm is a text of visible characters in ASCII, not {safe_repr(realm)}"


def challenge_basic(realm: str) -> Response:
    """The 401 that asks for a user and a password."""
    return _unauthorized(f'Basic realm="{_escaped(realm)}", charset="UTF-8"')


def challenge_bearer(realm: str, was_sent: bool) -> Response:
    """The 401 that asks for a token, or for another one than the one that was sent."""
    error = ', error="invalid_token"' if was_sent else ""
    return _unauthorized(f'Bearer realm="{_escaped(realm)}"{error}')


def _unauthorized(challenge: str) -> Response:
    """A 401 with this challenge, which no cache keeps."""
    headers = (("WWW-Authenticate", challenge), ("Cache-Control", "no-store"))
    return Response.error(401, headers=headers)


def _escaped(text: str) -> str:
    """A text as the inside of a quoted string (RFC 9110 section 5.6.4)."""
    return text.replace("\\", "\\\\").replace('"', '\\"')
