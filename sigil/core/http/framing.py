"""The fields that frame a message and say whom it is for: lengths, codings, Host (RFC 9110, RFC
9112 section 6).

Theory: these few fields decide where one request ends and the next begins. Two servers in a chain
that read them differently can be made to disagree about that, which is request smuggling; so what
is ambiguous is refused.

Rules: a function takes field values and returns what they mean, or a `Malformed`. Several lines of
one field were joined by `Headers`. It does not know lines or bytes: `fields` does.
"""

import re
from ipaddress import AddressValueError, IPv6Address
from typing import Final

from ..close_reasons import CloseReason
from ..parse_result import Malformed, malformed
from .headers import Headers
from .tokens import TOKEN

UNDECODED_CODINGS: Final = frozenset(
    ("gzip", "x-gzip", "deflate", "compress", "x-compress", "identity")
)
"""Transfer codings with a registered meaning that we do not decode (RFC 9112 section 7)."""

_HOST: Final = re.compile(
    r"(?:\[([^\]]*)\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*)(?::([0-9]*))?"
)
_USUAL_HOST: Final = re.compile(r"[A-Za-z0-9.\-]+(?::[0-9]{1,4})?")
"""The quick test for nearly every host: a name or an IPv4 address, and a port below 10000."""
_IP_FUTURE: Final = re.compile(r"[vV][0-9A-Fa-f]+\.[A-Za-z0-9\-._~!$&'()*+,;=:]+")
_PORT_DIGITS_MAX: Final = 5
_LENGTH_DIGITS_MAX: Final = 18
"""A Content-Length with more digits, leading zeros apart, is beyond any limit; it is refused
without being converted, which would take long for very many.
"""


def body_too_long(max_len: int) -> Malformed:
    """What is wrong with a body of more than `max_len` bytes: 413."""
    return malformed(f"the body is longer than {max_len} bytes", CloseReason.LARGE_REQUEST)


def message_body_length(headers: Headers, version: int) -> int | Malformed:
    """The length of the body of a request in bytes, -1 if it is chunked (RFC 9112 section 6.3); or
    why it cannot be known.
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
    """None if Transfer-Encoding is `chunked` and nothing else (RFC 9112 section 6.1)."""
    codings = [coding.strip(" \t").lower() for coding in value.split(",")]
    if codings == ["chunked"]:
        return None
    if not all(TOKEN.fullmatch(coding) for coding in codings):
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
    """The number of bytes that a Content-Length declares (RFC 9110 section 8.6); 400 if it is not
    one decimal number, 413 if it is beyond any limit.
    """
    if not (value.isascii() and value.isdigit()):
        return malformed("Content-Length is not one decimal number")
    digits = value.lstrip("0") or "0"
    if len(digits) > _LENGTH_DIGITS_MAX:
        return malformed("Content-Length is beyond all bounds", CloseReason.LARGE_REQUEST)
    return int(digits)


def check_host_field(headers: Headers, version: int) -> Malformed | None:
    """None if there is one valid Host, or none under HTTP/1.0 (RFC 9112 section 3.2)."""
    host = headers.combined.get("host")
    if host is None:
        return malformed("the request has no Host", CloseReason.BAD_HOST) if version else None
    # Counting the lines of Host is only worth it if some name is there more than once.
    if len(headers.combined) != len(headers.pairs) and len(headers.get_all("host")) > 1:
        return malformed("the request has more than one Host", CloseReason.BAD_HOST)
    return check_host(host)


def check_host(value: str) -> Malformed | None:
    """None if `value` is `uri-host [ ":" port ]` (RFC 9110 section 7.2, RFC 3986 section 3.2.2)."""
    if _USUAL_HOST.fullmatch(value):
        return None
    match = _HOST.fullmatch(value)
    if match is None or not _is_port(match[2]) or not _is_ip_literal(match[1]):
        return malformed("Host is not a valid host name or address", CloseReason.BAD_HOST)
    return None


def _is_port(digits: str | None) -> bool:
    """True if the digits behind a colon are a port, or none are there."""
    if not digits:
        return True
    digits = digits.lstrip("0") or "0"
    return len(digits) <= _PORT_DIGITS_MAX and int(digits) <= 0xFFFF


def _is_ip_literal(address: str | None) -> bool:
    """True if what stands in brackets is an IPv6 address or an `IPvFuture`, or if there are no
    brackets.
    """
    if address is None or _IP_FUTURE.fullmatch(address):
        return True
    try:
        return "%" not in address and bool(IPv6Address(address).packed)
    except AddressValueError:
        return False
