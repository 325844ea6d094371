"""URIs: what a client is asked for, split into the parts that it needs (RFC 3986, RFC 9110
section 4).

Theory: a URI says where to connect, whether that is secured, and what to ask for there. It comes
from a program, from a line that somebody typed, or from the Location of a stranger's response; the
same function reads all three, so that none of them can be read in two ways.

Rules: `split_uri` is total: `Uri` or `Malformed` with a sentence. The schemes are http, https, ws
and wss. Host names are in lower case, other alphabets in their ASCII form (IDNA); an IPv6 address
is kept without its brackets. A path keeps its slash and is never empty; what may not stand in it is
percent-encoded, what is encoded stays as it is, and control characters are refused. A sentence
never has the user and password in it. It does not know what is done with a URI.
"""

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final, final
from urllib.parse import quote, unquote

from ..http.headers import holds_secret
from ..parse_result import Malformed, malformed
from ..value import Value

DEFAULT_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}
WEBSOCKET_SCHEMES: Final = frozenset(("ws", "wss"))
SECURE: Final = frozenset(("https", "wss"))

_PARTS: Final = re.compile(
    r"(?:([^:/?#]+):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.S
)
"""The expression of RFC 3986, appendix B: it matches any text."""
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*")
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_\-]{0,61}[a-z0-9_])?"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_PATH_SAFE: Final = "/:@!$&'()*+,;=~-._%"
_QUERY_SAFE: Final = _PATH_SAFE + "?[]{}|\\^`"
_LOOSE_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PORT_DIGITS_MAX: Final = 5
_HOST_LEN_MAX: Final = 253
_ZONE: Final = re.compile(r"[A-Za-z0-9._~\-]{1,32}")
URI_LEN_MAX: Final = 65_536
"""Characters of a URI: more than any server takes."""
_REMEMBERED: Final = 256
_REMEMBERED_LEN: Final = 256
"""How many URIs are remembered, and how long each may be."""


@final
class Uri(Value):
    """The parts of a URI.

    `scheme` is http, https, ws or wss, `host` a name or an address without brackets, `port` a
    number, whether given or that of the scheme. `path` begins with a slash. `query` is what is
    behind the question mark, None without one; `userinfo` what is before the @, as it was written,
    and `fragment` what is behind the #.
    """

    __match_args__ = ("scheme", "host", "port", "path", "query", "userinfo", "fragment")
    __slots__ = __match_args__

    def __init__(
        self,
        scheme: str,
        host: str,
        port: int,
        path: str = "/",
        query: str | None = None,
        userinfo: str = "",
        fragment: str = "",
    ) -> None:
        self.scheme: Final = scheme
        self.host: Final = host
        self.port: Final = port
        self.path: Final = path
        self.query: Final = query
        self.userinfo: Final = userinfo
        self.fragment: Final = fragment

    @property
    def is_secure(self) -> bool:
        """True if the connection is one over TLS."""
        return self.scheme in SECURE

    @property
    def bracketed_host(self) -> str:
        """The host as it stands in a URI: an IPv6 address in brackets."""
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def authority(self) -> str:
        """Host and port, as CONNECT wants them."""
        return f"{self.bracketed_host}:{self.port}"

    @property
    def place(self) -> str:
        """Host and port as they stand in a URI: without the port if that is the usual one."""
        is_usual = DEFAULT_PORTS[self.scheme] == self.port
        return self.bracketed_host if is_usual else self.authority

    @property
    def host_field(self) -> str:
        """The value of the Host field: without the port if that is the usual one, and the zone of a
        link-local address, which means nothing to others (RFC 6874 section 3).
        """
        host, zone, _ = self.host.partition("%")
        return self.replace(host=host).place if zone else self.place

    @property
    def target(self) -> str:
        """Path and query, as they stand in a request line."""
        return self.path if self.query is None else f"{self.path}?{self.query}"

    @property
    def user(self) -> str:
        """The user, decoded; empty without one."""
        return unquote(self.userinfo.partition(":")[0])

    @property
    def password(self) -> str:
        """The password, decoded; empty without one."""
        return unquote(self.userinfo.partition(":")[2])

    @property
    def shown(self) -> str:
        """The URI as it is logged: without user and password, nor a query that may hold secrets."""
        query = self.query
        if query is None or not holds_secret(query):
            return str(self)
        return f"{self.scheme}://{self.place}{self.path}?..."

    def __str__(self) -> str:
        """The URI without user, password and fragment."""
        return f"{self.scheme}://{self.place}{self.target}"


def is_same_origin(one: Uri, other: Uri) -> bool:
    """True if both have the same scheme, host and port (RFC 6454)."""
    return one.port == other.port and one.host == other.host and one.scheme == other.scheme


# -- reading ---------------------------------------------------------------------------------------


def split_uri(text: str) -> Uri | Malformed:
    """The parts of an absolute URI; or what is wrong with it, in a sentence."""
    if len(text) > _REMEMBERED_LEN or "@" in text or "?" in text:
        return _split(text)
    return _split_remembered(text)


def _split(text: str) -> Uri | Malformed:
    """`split_uri`, not remembered: what may have a secret in it is not."""
    parts = _parts_of(text)
    if isinstance(parts, Malformed):
        return parts
    scheme, authority, path, query, fragment = parts
    scheme = "" if scheme is None else scheme.lower()
    if scheme not in DEFAULT_PORTS and authority is None:
        # such as localhost:8080, which looks like one whose scheme is localhost
        scheme = ""
    if not scheme:
        return malformed("the URL has no scheme: it begins with http://, https://, ws:// or wss://")
    if scheme not in DEFAULT_PORTS:
        shown = scheme if _SCHEME.fullmatch(scheme) else "what is before its colon"
        return malformed(f"the URL has the scheme {shown}; http, https, ws and wss are known")
    if not authority:
        return malformed(f"the URL has no host: it begins with {scheme}:// and a host")
    if path and not path.startswith("/"):
        return malformed("the path of the URL does not begin with a slash")
    return _with_authority(scheme, authority, path, query, fragment or "")


_split_remembered: Final = lru_cache(maxsize=_REMEMBERED)(_split)


def _parts_of(
    text: str,
) -> tuple[str | None, str | None, str, str | None, str | None] | Malformed:
    """Scheme, authority, path, query and fragment of any reference."""
    text = text.strip(" \t\r\n")
    if len(text) > URI_LEN_MAX:
        return malformed(f"the URL is longer than {URI_LEN_MAX} characters")
    if _CONTROL.search(text) is not None:
        return malformed("the URL contains a control character")
    match = _PARTS.fullmatch(text)
    assert match is not None
    return match[1], match[2], match[3], match[4], match[5]


def _with_authority(
    scheme: str, authority: str, path: str, query: str | None, fragment: str
) -> Uri | Malformed:
    """The URI with these parts, of which the authority is split and checked."""
    userinfo, _, place = authority.rpartition("@")
    split = _split_place(place, DEFAULT_PORTS[scheme])
    if isinstance(split, Malformed):
        return split
    host, port = split
    try:
        return Uri(
            scheme, host, port, encode_path(remove_dot_segments(path or "/")),
            None if query is None else _encode(query, _QUERY_SAFE), userinfo, fragment,
        )  # fmt: skip
    except UnicodeEncodeError:
        return malformed("the URL contains a character that cannot be encoded")


def _split_place(place: str, default_port: int) -> tuple[str, int] | Malformed:
    """Host and port; or what is wrong with them."""
    if place.startswith("["):
        address, bracket, rest = place[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            return malformed("the IPv6 address of the URL is not closed by a bracket")
        host, digits = _check_ipv6(address), rest[1:]
    else:
        name, _, digits = place.partition(":")
        if ":" in digits:
            return malformed("an IPv6 address stands in brackets: http://[::1]:8080/")
        host = _check_name(name)
    if isinstance(host, Malformed):
        return host
    port = default_port if not digits else _check_port(digits)
    return port if isinstance(port, Malformed) else (host, port)


def _check_port(digits: str) -> int | Malformed:
    """The number of a port."""
    is_number = digits.isascii() and digits.isdigit()
    number = digits.lstrip("0") or "0"
    if not is_number or len(number) > _PORT_DIGITS_MAX or not 0 < int(number) <= 0xFFFF:
        return malformed("the port of the URL is not a number from 1 to 65535")
    return int(number)


def _check_ipv6(address: str) -> str | Malformed:
    """An IPv6 address in lower case, with the zone of a link-local one as it is."""
    plain, percent, zone = address.partition("%")
    try:
        text = str(IPv6Address(plain))
    except AddressValueError:
        return malformed("what stands in brackets in the URL is not an IPv6 address")
    zone = zone.removeprefix("25")
    if percent and _ZONE.fullmatch(zone) is None:
        return malformed("the zone of the IPv6 address is not the name of an interface")
    return text + percent + zone


def _check_name(name: str) -> str | Malformed:
    """A host name, or an IPv4 address, in lower case and ASCII."""
    if not name:
        return malformed("the URL has no host")
    try:
        host = unquote(name) if "%" in name else name
        host = host.lower() if host.isascii() else host.encode("idna").decode().lower()
    except UnicodeError:
        return malformed("the host of the URL is not a host name")
    if len(host) > _HOST_LEN_MAX or _NAME.fullmatch(host) is None:
        return malformed("the host of the URL is not a host name")
    if host.rpartition(".")[2].isdigit():
        try:
            return str(IPv4Address(host))
        except AddressValueError:
            return malformed("the host of the URL ends in a number and is not an IPv4 address")
    return host


def is_ip_literal(host: str) -> bool:
    """True for an address: there is nothing to resolve, but the zone that it may have."""
    return ":" in host or host.rpartition(".")[2].isdigit()


def encode_path(path: str) -> str:
    """The path with what may not stand in it percent-encoded; what is encoded stays."""
    return _encode(path, _PATH_SAFE)


def _encode(text: str, safe: str) -> str:
    """The text with what is not safe percent-encoded, and percent signs that encode nothing."""
    if "%" in text:
        text = _LOOSE_PERCENT.sub("%25", text)
    return quote(text, safe=safe)


# -- references ------------------------------------------------------------------------------------


def resolve_reference(base: Uri, reference: str) -> Uri | Malformed:
    """The URI that a reference means where `base` is (RFC 3986 section 5.2), as in a Location; a
    reference without a fragment has that of the base (RFC 9110 section 10.2.2).
    """
    parts = _parts_of(reference)
    if isinstance(parts, Malformed):
        return parts
    scheme, authority, path, query, fragment = parts
    if scheme is not None and not (authority is None and scheme.lower() in DEFAULT_PORTS):
        found = split_uri(reference)
        if isinstance(found, Malformed):
            return found
        return found if fragment is not None else found.replace(fragment=base.fragment)
    if scheme is not None:
        return malformed("the URL has no host")
    fragment = base.fragment if fragment is None else fragment
    if authority is not None:
        if not authority:
            return malformed("the URL has no host")
        return _with_authority(base.scheme, authority, path, query, fragment)
    if not path:
        path = base.path
        query = base.query if query is None else query
    elif not path.startswith("/"):
        path = base.path[: base.path.rfind("/") + 1] + path
    try:
        return base.replace(
            path=encode_path(remove_dot_segments(path)),
            query=None if query is None else _encode(query, _QUERY_SAFE),
            fragment=fragment,
        )
    except UnicodeEncodeError:
        return malformed("the URL contains a character that cannot be encoded")


def remove_dot_segments(path: str) -> str:
    """The path, which begins with a slash, without `.` and `..` (RFC 3986 section 5.2.4)."""
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            if kept:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)
