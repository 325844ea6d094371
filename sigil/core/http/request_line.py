"""The first line of a request: method, target, version (RFC 9112 section 3).

Theory: whatever two parsers read differently, somebody will use to smuggle a request past one of
them. So there is one reading here, the strict one, and a line that does not fit it is refused with
a sentence that says why.

Rules: functions take bytes and return values; a refusal is a `Malformed`, never an exception. The
verdict on a line may not depend on how it was cut into reads: `check_partial_request_line` refuses
the beginning of a line only if `parse_request_line` would refuse the whole, and in the same words.

It does not know the field lines: `fields` and `head` do.
"""

import re
from typing import Final, final
from urllib.parse import unquote_plus

from ..close_reasons import CloseReason
from ..limits import Limits
from ..parse_result import Malformed, malformed
from ..value import Value
from .framing import check_host
from .tokens import TOKEN_BYTES


@final
class RequestLine(Value):
    """The first line of a request: `method` in upper case, `target` as it was sent, `version` the
    minor version of HTTP/1, 0 or 1.
    """

    __match_args__ = ("method", "target", "version")
    __slots__ = __match_args__

    def __init__(self, method: str, target: str, version: int) -> None:
        self.method: Final = method
        self.target: Final = target
        self.version: Final = version


METHODS: Final = {
    name.encode(): name
    for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
}
"""The methods that are implemented; any other token is answered 501 (RFC 9110 section 9.1)."""

PRINTABLE: Final = bytes(range(0x20, 0x7F))
"""The bytes that a request line may contain: visible ASCII characters and the space."""

_NOT_PRINTABLE: Final = (
    "the request line contains a byte that is not a visible ASCII character or a space"
)

_METHOD_LEN_MAX: Final = 32
"""No method is longer, in bytes: if the first space is not within them, the line is refused early.
"""

_REQUEST_LINE_OVERHEAD_LEN: Final = 64
"""Room for method, spaces and version beside the target, in bytes."""

_TARGET: Final = re.compile(rb"[!$&-;=?-\[\]_a-z~%]+")
"""The characters of a URI (RFC 3986 section 2) but `#`, which begins a fragment."""
_ABSOLUTE_TARGET: Final = re.compile(rb"(?i:https?)://([^/?]*)(.*)")
_VERSION: Final = re.compile(rb"HTTP/([0-9])\.([0-9])")
_MINOR_VERSIONS: Final = {b"HTTP/1.1": 1, b"HTTP/1.0": 0}


def max_line_len(limits: Limits) -> int:
    """The number of bytes within which a request line must end: room for the longest target, a
    method and a version, and never more than a head may have.
    """
    return min(limits.max_target_len + _REQUEST_LINE_OVERHEAD_LEN, limits.max_header_len)


# -- a whole line ----------------------------------------------------------------------------------


def parse_request_line(line: bytes, limits: Limits) -> RequestLine | Malformed:
    """Method, target and version of a line without its line end (RFC 9112 section 3), or what is
    wrong with it: 400, 414, 501 or 505.
    """
    if _has_overlong_method(line):
        return unknown_method(line[: _METHOD_LEN_MAX + 1])
    if line.translate(None, PRINTABLE):
        return malformed(_NOT_PRINTABLE)
    parts = line.split(b" ")
    if len(parts) != 3:
        return _explain_parts(parts)
    method, target, version = parts
    minor = _MINOR_VERSIONS.get(version)
    if minor is None:
        error = _check_version(version)
        if error is not None:
            return error
        minor = 1
    name = METHODS.get(method)
    if name is None:
        return unknown_method(method)
    if len(target) > limits.max_target_len:
        return _target_too_long(limits)
    error = check_target(name, target)
    return RequestLine(name, target.decode(), minor) if error is None else error


def _has_overlong_method(line: bytes) -> bool:
    """True if no space ends the method where the longest possible one would end."""
    return len(line) > _METHOD_LEN_MAX and line.find(b" ", 0, _METHOD_LEN_MAX + 1) < 0


def _explain_parts(parts: list[bytes]) -> Malformed:
    """Why a line is not three parts separated by single spaces."""
    if len(parts) == 2 and _VERSION.fullmatch(parts[1]) is None and parts[1]:
        return malformed(
            "the request line has no version: HTTP/0.9 is not spoken here, HTTP/1.1 is"
        )
    return malformed("the request line is not: method, one space, target, one space, version")


def _check_version(version: bytes) -> Malformed | None:
    """None for a minor version above 1, which is to be read as HTTP/1.1 (RFC 9110 section 2.5); 505
    for another major version, 400 for what is none.
    """
    match = _VERSION.fullmatch(version)
    if match is None:
        return malformed("the request line does not end in a version like HTTP/1.1")
    if match[1] != b"1":
        return malformed(f"{version.decode()} is not spoken here, HTTP/1.1 is", CloseReason.VERSION)
    return None


def unknown_method(method: bytes) -> Malformed:
    """The refusal of a method that is not in `METHODS`: 501 for a token, 400 for anything else."""
    if method.translate(None, PRINTABLE):
        return malformed(_NOT_PRINTABLE)
    if TOKEN_BYTES.fullmatch(method) is None:
        return malformed("the method is not a token")
    return malformed(
        f"the method {method[:_METHOD_LEN_MAX].decode()} is not one this server knows",
        CloseReason.UNKNOWN_METHOD,
    )


def _target_too_long(limits: Limits) -> Malformed:
    """The refusal of a target beyond `Limits.max_target_len`: 414."""
    return malformed(
        f"the request target is longer than {limits.max_target_len} bytes",
        CloseReason.PATH_TOO_LONG,
    )


def check_target(method: str, target: bytes) -> Malformed | None:
    """None for a target in one of the forms that fit the method (RFC 9112 section 3.2)."""
    if _TARGET.fullmatch(target) is None:
        if b"#" in target:
            return malformed("the request target contains a fragment (#), which is never sent")
        return malformed(
            "the request target contains a character that must be percent-encoded: "
            'one of " < > \\ ^ ` { | }'
        )
    if target.startswith(b"/"):
        return None
    if target == b"*":
        if method == "OPTIONS":
            return None
        return malformed("the request target * is for OPTIONS only")
    absolute = _ABSOLUTE_TARGET.fullmatch(target)
    if absolute is None:
        return malformed("the request target is neither a path nor an http URI")
    authority = absolute[1]
    if authority[:1] in (b"", b":") or check_host(authority.decode()) is not None:
        return malformed("the authority in the request target is not a valid host")
    return None


def split_target(target: str) -> tuple[str, str]:
    """(path, query) of a target that `check_target` accepted, neither of them decoded."""
    if target[0] != "/" and target != "*":
        rest = target.partition("://")[2]
        authority_len = len(re.split("[/?]", rest, maxsplit=1)[0])
        target = rest[authority_len:]
        if not target.startswith("/"):
            target = "/" + target
    path, _, query = target.partition("?")
    return path, query


def query_value(target: str, name: str) -> str | None:
    """The value of a parameter in the query of a target, decoded, the last one if there are
    several; None if there is none.
    """
    _, _, query = target.partition("?")
    for part in reversed(query.split("&")):
        key, _, value = part.partition("=")
        if key == name:
            return unquote_plus(value, errors="replace")
    return None


# -- the beginning of a line -----------------------------------------------------------------------


def check_partial_request_line(window: bytes, start: int, limits: Limits) -> Malformed | None:
    """What is wrong with a request line of which only the beginning, `window`, has come; None if it
    may still become a valid one.

    The bytes before `start` were found printable by an earlier call.
    """
    line = window[: max_line_len(limits)]
    if _has_overlong_method(line.removesuffix(b"\r")):
        return unknown_method(line[: _METHOD_LEN_MAX + 1])
    illegal = line[start:].translate(None, PRINTABLE)
    # A carriage return at the very end may be the first half of the line end.
    if illegal and not (illegal == b"\r" and line.endswith(b"\r")):
        return malformed(_NOT_PRINTABLE)
    if len(line) < max_line_len(limits):
        return None
    method = line.partition(b" ")[0]
    return _target_too_long(limits) if method in METHODS else unknown_method(method)
