"""The grammar of an HTTP/1.1 head: request line and field lines (RFC 9112 sections 2 to 5).

Theory: whatever two parsers read differently, somebody will use to smuggle a request past one of
them. So there is one reading here, the strict one, and what does not fit it is refused with a
sentence that says why. Field lines are tokenised by httptools (llhttp in C, strict); what that lets
through is checked here.

Rules: functions take bytes and return values; a refusal is a `Malformed`, never an exception. The
verdict on a stream may not depend on how it was cut into reads, so what can be refused early
(`check_partial_head`) is refused with the same words late: first line first, then the control bytes
of the rest, then its size.

It does not know what a field means: `framing` and `head` do.
"""

import re
from typing import NamedTuple

from ..close_reasons import CloseReason
from ..limits import Limits
from ..parse_result import Malformed, malformed
from .framing import check_host


class RequestLine(NamedTuple):
    """The first line: method as text, target as it was sent, minor version 0 or 1."""

    method: str
    target: str
    version: int


# -- tables ----------------------------------------------------------------------------------------

METHODS = {
    name.encode(): name
    for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
}
"""The methods we answer; everything else that is a token is 501 (RFC 9110 section 9.1)."""


PRINTABLE = bytes(range(0x20, 0x7F))
"""What a request line may contain."""

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET = re.compile(rb'[!-"$-~]+')
_VERSION = re.compile(rb"HTTP/([0-9])\.([0-9])")
_ABSOLUTE = re.compile(rb"(?i:https?)://([^/?]*)(.*)")
_VERSIONS = {b"HTTP/1.1": 1, b"HTTP/1.0": 0}
_METHOD_MAX = 32
"""No method is longer: a first line without a space in its first bytes need not be awaited."""


# -- the end of a head -----------------------------------------------------------------------------


# -- the first line --------------------------------------------------------------------------------


def max_line_len(limits: Limits) -> int:
    """Bytes within which a request line must end: the target, room for method and version; never
    more than a head.
    """
    return min(limits.max_target_len + 64, limits.max_header_len)


def parse_request_line(line: bytes, limits: Limits) -> RequestLine | Malformed:
    """Method, target and version (RFC 9112 section 3), or what is wrong: 400, 414, 501 or 505."""
    if len(line) > _METHOD_MAX and line.find(b" ", 0, _METHOD_MAX + 1) < 0:
        return unknown_method(line[: _METHOD_MAX + 1])
    if line.translate(None, PRINTABLE):
        return malformed(_NOT_PRINTABLE)
    parts = line.split(b" ")
    if len(parts) != 3:
        return _explain_parts(parts)
    method, target, version = parts
    minor = _VERSIONS.get(version)
    if minor is None:
        number = _VERSION.fullmatch(version)
        if number is None:
            return malformed("the request line does not end in a version like HTTP/1.1")
        if number[1] != b"1":
            return malformed(
                f"{version.decode()} is not spoken here, HTTP/1.1 is", CloseReason.VERSION
            )
        minor = 1
    name = METHODS.get(method)
    if name is None:
        return unknown_method(method)
    if len(target) > limits.max_target_len:
        return malformed(
            f"the request target is longer than {limits.max_target_len} bytes",
            CloseReason.PATH_TOO_LONG,
        )
    error = check_target(name, target)
    return RequestLine(name, target.decode(), minor) if error is None else error


_NOT_PRINTABLE = "the request line contains a byte that is not a visible ASCII character or a space"


def _explain_parts(parts: list[bytes]) -> Malformed:
    """Why a line is not three words separated by single spaces."""
    if len(parts) == 2 and _VERSION.fullmatch(parts[1]) is None and parts[1]:
        return malformed(
            "the request line has no version: HTTP/0.9 is not spoken here, HTTP/1.1 is"
        )
    return malformed("the request line is not: method, one space, target, one space, version")


def unknown_method(method: bytes) -> Malformed:
    """501 for a token, 400 for what could not be a method of any HTTP."""
    if method.translate(None, PRINTABLE):
        return malformed(_NOT_PRINTABLE)
    if _TOKEN.fullmatch(method) is None:
        return malformed("the method is not a token")
    return malformed(
        f"the method {method[:32].decode()} is not one this server knows",
        CloseReason.UNKNOWN_METHOD,
    )


def check_target(method: str, target: bytes) -> Malformed | None:
    """None for a target in one of the forms that fit the method (RFC 9112 section 3.2)."""
    if _TARGET.fullmatch(target) is None:
        return malformed("the request target contains a fragment (#), which is never sent")
    if target[0] == 0x2F:
        return None
    if target == b"*":
        return (
            None if method == "OPTIONS" else malformed("the request target * is for OPTIONS only")
        )
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        return malformed("the request target is neither a path nor an http URI")
    if absolute[1][:1] in (b"", b":") or check_host(absolute[1].decode()) is not None:
        return malformed("the authority in the request target is not a valid host")
    return None


def split_target(target: str) -> tuple[str, str]:
    """(path, query) of a target that passed `check_target`, neither of them decoded."""
    if target[0] != "/" and target != "*":
        rest = target.partition("://")[2]
        cut = len(re.split("[/?]", rest, maxsplit=1)[0])
        target = rest[cut:] if rest[cut : cut + 1] == "/" else "/" + rest[cut:]
    path, _, query = target.partition("?")
    return path, query


# -- what the beginning of a head already settles --------------------------------------------------


def check_partial_request_line(window: bytes, start: int, limits: Limits) -> Malformed | None:
    """The same for a first line that has not ended."""
    line = window[: max_line_len(limits)]
    if len(line.removesuffix(b"\r")) > _METHOD_MAX and line.find(b" ", 0, _METHOD_MAX + 1) < 0:
        return unknown_method(line[: _METHOD_MAX + 1])
    flaw = line[start:].translate(None, PRINTABLE)
    if flaw and not (flaw == b"\r" and line.endswith(b"\r")):
        return malformed(_NOT_PRINTABLE)
    if len(line) < max_line_len(limits):
        return None
    method = line.partition(b" ")[0]
    if method not in METHODS:
        return unknown_method(method)
    return malformed(
        f"the request target is longer than {limits.max_target_len} bytes",
        CloseReason.PATH_TOO_LONG,
    )


# -- field lines -----------------------------------------------------------------------------------
