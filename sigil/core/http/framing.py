"""The fields that frame a message and say whom it is for: lengths, codings, Host (RFC 9110, RFC
9112 section 6).

Theory: these few fields decide where one request ends and the next begins. Two servers in a chain
that read them differently can be made to disagree about that, which is request smuggling; so what
is not plain is refused.

Rules: a function takes field values and returns what they mean, or a `Malformed`. Lists of several
lines have been joined by `Headers`. It does not know lines or bytes: `grammar` does.
"""

import re
from ipaddress import AddressValueError, IPv6Address

from ..close_reasons import CloseReason
from ..parse_result import Malformed, malformed
from .headers import Headers

UNDECODED_CODINGS = frozenset(("gzip", "x-gzip", "deflate", "compress", "x-compress", "identity"))
"""Transfer codings with a registered meaning that we do not decode (RFC 9112 section 7)."""

_CODING = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HOST = re.compile(
    r"(?:\[([^\]]*)\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*)(?::([0-9]*))?"
)
_USUAL_HOST = re.compile(r"[A-Za-z0-9.\-]+(?::[0-9]{1,4})?")
"""Nearly every host, at a glance."""
_IP_FUTURE = re.compile(r"[vV][0-9A-Fa-f]+\.[A-Za-z0-9\-._~!$&'()*+,;=:]+")
_PORT_DIGITS = 5
_LENGTH_DIGITS = 18
"""More digits than this (leading zeros apart) are more than any limit, and need not be converted to
say so.
"""


def message_body_length(headers: Headers, version: int) -> int | Malformed:
    """How long the body is: 0, a number of bytes, or -1 for chunked (RFC 9112 section 6.3); or why
    nobody knows.
    """
    codings = headers.combined.get("transfer-encoding")
    length = headers.combined.get("content-length")
    if codings is None:
        return 0 if length is None else parse_content_length(length)
    if length is not None:
        return malformed("the request has both Transfer-Encoding and Content-Length")
    if version == 0:
        return malformed("Transfer-Encoding does not exist in HTTP/1.0")
    error = _check_codings(codings)
    return -1 if error is None else error


def _check_codings(value: str) -> Malformed | None:
    """None if the transfer coding is chunked and nothing else."""
    codings = [coding.strip(" \t").lower() for coding in value.split(",")]
    if codings == ["chunked"]:
        return None
    if not all(_CODING.fullmatch(coding) for coding in codings):
        return malformed("Transfer-Encoding is not a list of names")
    if "chunked" in codings[:-1]:
        return malformed("chunked is not the last transfer coding, or is there twice")
    if codings[-1] in UNDECODED_CODINGS:
        return malformed("the last transfer coding is not chunked, so the request has no end")
    return malformed(
        "the only transfer coding this server decodes is chunked",
        CloseReason.UNSUPPORTED_TRANSFER_ENCODING,
    )


def parse_content_length(value: str) -> int | Malformed:
    """Digits to a number, whatever their count; anything else, a list too, is 400 (RFC 9110 section
    8.6).
    """
    if not (value.isascii() and value.isdigit()):
        return malformed("Content-Length is not one decimal number")
    digits = value.lstrip("0") or "0"
    if len(digits) > _LENGTH_DIGITS:
        return malformed("Content-Length is beyond all bounds", CloseReason.LARGE_REQUEST)
    return int(digits)


def check_host_field(headers: Headers, version: int) -> Malformed | None:
    """None if Host is there as often as it must be, and valid (RFC 9112 section 3.2)."""
    host = headers.combined.get("host")
    if host is None:
        return malformed("the request has no Host", CloseReason.BAD_HOST) if version else None
    if len(headers.combined) != len(headers.pairs) and len(headers.get_all("host")) > 1:
        return malformed("the request has more than one Host", CloseReason.BAD_HOST)
    return check_host(host)


def check_host(value: str) -> Malformed | None:
    """None if this is `uri-host [ ":" port ]` (RFC 9110 section 7.2, RFC 3986 section 3.2.2)."""
    if _USUAL_HOST.fullmatch(value):
        return None
    match = _HOST.fullmatch(value)
    if match is None or not _is_port(match[2]) or not _is_ip_literal(match[1]):
        return malformed("Host is not a valid host name or address", CloseReason.BAD_HOST)
    return None


def _is_port(digits: str | None) -> bool:
    """True for no port, an empty one, or a number that a port can have."""
    if not digits:
        return True
    digits = digits.lstrip("0") or "0"
    return len(digits) <= _PORT_DIGITS and int(digits) <= 0xFFFF


def _is_ip_literal(inside: str | None) -> bool:
    """True for no brackets at all, or for brackets around an IPv6 address or a later kind of
    address.
    """
    if inside is None or _IP_FUTURE.fullmatch(inside):
        return True
    try:
        return "%" not in inside and bool(IPv6Address(inside).packed)
    except AddressValueError:
        return False


def parse_list(value: str) -> list[str]:
    """The lower-case members of a comma-separated list (RFC 9110 section 5.6.1)."""
    return [token for token in (part.strip(" \t").lower() for part in value.split(",")) if token]
