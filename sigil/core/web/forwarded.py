"""Whom a request is from, by what proxies on the way say (RFC 7239, and X-Forwarded-For).

Theory: behind a proxy every request comes from the proxy, which says in a field whom it had it
from. A client may write that field too. So it is believed from the right: the peer is who it is; if
it is a proxy that is trusted, the last entry is what that proxy has seen, and if that is a trusted
proxy again, the entry before it. The first that is not trusted is the client, and whatever stands
further left is what it says about itself.

Rules: nothing is believed from a peer that is not trusted, and nothing of a family of fields that
was not named: a proxy sets the one, and passes the other on as a stranger wrote it. An entry that
is no address (`unknown`, `_hidden`) ends the search: then the last address that is known is taken.
Scheme and host are those beside the entry that was taken, if the lists are as long, else the last.
It does not know sockets.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from ..conn import Peer
from ..http.framing import check_host
from ..http.headers import Headers
from ..http.request import Request, with_origin
from ..http.tokens import TOKEN_CHAR, split_list
from ..http.validate import safe_repr
from ..networks import Networks, is_in, parse_address, parse_networks

FAMILIES: Final = ("x-forwarded", "forwarded")

_PAIR: Final = re.compile(rf'({TOKEN_CHAR}+)=({TOKEN_CHAR}+|"(?:[^"\\]|\\.)*")')
_NODE: Final = re.compile(
    r"(\[[0-9A-Fa-f:.]+\]|[0-9.]+|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+)(?::(\d{1,5}))?"
)
"""An address, in brackets if it is an IPv6 address with a port, and maybe a port. X-Forwarded-For
has IPv6 addresses without brackets too.
"""
_SCHEMES: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


class ProxyRules(NamedTuple):
    """Which proxies are trusted, by their networks, and what is believed of them."""

    networks: Networks
    family: str
    takes_scheme: bool
    takes_host: bool


class Hop(NamedTuple):
    """What one proxy says about where it had a request from; empty where it says nothing."""

    node: str
    scheme: str = ""
    host: str = ""


# -- rules -----------------------------------------------------------------------------------------


def make_proxy_rules(
    networks: Iterable[str] | str, family: str, takes_scheme: bool, takes_host: bool
) -> ProxyRules | str:
    """The rules, or a sentence about the first thing in them that makes no sense."""
    if family not in FAMILIES:
        return f"fields is 'x-forwarded' or 'forwarded', not {safe_repr(family)}"
    listed = (networks,) if isinstance(networks, str) else tuple(networks)
    if not listed:
        return "trusted_proxies needs networks, such as '127.0.0.1' or '10.0.0.0/8'"
    parsed = parse_networks(listed)
    if isinstance(parsed, str):
        return parsed
    return ProxyRules(parsed, family, takes_scheme, takes_host)


# -- requests --------------------------------------------------------------------------------------


def from_client(request: Request, rules: ProxyRules) -> Request:
    """The request as the client sent it to the first proxy that is trusted: with the client as its
    peer, and the scheme and the host that it used. The very same request if the peer is not trusted
    or says nothing.
    """
    if not is_in(request.peer.host, rules.networks):
        return request
    headers = request.headers
    hops = parse_x_forwarded(headers) if rules.family == "x-forwarded" else _forwarded(headers)
    if not hops:
        return request
    peer, at = _client_of(request.peer, hops, rules)
    hop = hops[at]
    scheme = _SCHEMES.get(hop.scheme.lower(), request.scheme)
    if not rules.takes_scheme:
        scheme = request.scheme
    if rules.takes_host and hop.host and check_host(hop.host) is None:
        headers = _with_host(headers, hop.host)
    return with_origin(request, headers, peer, scheme)


def _client_of(peer: Peer, hops: list[Hop], rules: ProxyRules) -> tuple[Peer, int]:
    """The nearest peer that is not trusted, or the farthest that is known, and the place of the
    entry that is about it.
    """
    at = len(hops)
    while at and is_in(peer.host, rules.networks):
        node = parse_node(hops[at - 1].node)
        if node is None:
            return peer, at - 1
        peer, at = node, at - 1
    return peer, at


def _with_host(headers: Headers, host: str) -> Headers:
    """The headers with another Host."""
    kept = [pair for pair in headers.pairs if pair[0].lower() != "host"]
    return Headers((("Host", host), *kept))


def parse_node(text: str) -> Peer | None:
    """The peer in an entry: an address, maybe with a port; None if it is none."""
    match = _NODE.fullmatch(text.strip())
    if match is None:
        return None
    address = parse_address(match[1].strip("[]"))
    port = int(match[2] or "0")
    return None if address is None or port > 0xFFFF else Peer(str(address), port)


# -- fields ----------------------------------------------------------------------------------------


def parse_x_forwarded(headers: Headers) -> list[Hop]:
    """What X-Forwarded-For, -Proto and -Host say, the nearest proxy last."""
    get = headers.combined.get
    nodes = [entry.strip() for entry in get("x-forwarded-for", "").split(",")]
    if nodes == [""]:
        nodes = []
    schemes = split_list(get("x-forwarded-proto", ""))
    hosts = split_list(get("x-forwarded-host", ""))
    if not nodes and (schemes or hosts):
        nodes = [""]
    return [
        Hop(node, _beside(schemes, place, len(nodes)), _beside(hosts, place, len(nodes)))
        for place, node in enumerate(nodes)
    ]


def _beside(values: list[str], place: int, count: int) -> str:
    """The value for one of `count` entries: the one at its place, or the last if there are not as
    many.
    """
    if not values:
        return ""
    return values[place] if len(values) == count else values[-1]


def _forwarded(headers: Headers) -> list[Hop]:
    """What the Forwarded fields say; nothing if they are malformed."""
    return parse_forwarded(headers.combined.get("forwarded", "")) or []


def parse_forwarded(value: str) -> list[Hop] | None:
    """The entries of a Forwarded field (RFC 7239 section 4), the nearest proxy last; None if it is
    malformed: then nobody can say which entry is whose.

    `parse_forwarded('for=192.0.2.1;proto=https') == [Hop("192.0.2.1", "https", "")]`
    """
    hops: list[Hop] = []
    at, length = 0, len(value)
    known: dict[str, str] = {}
    while at < length:
        character = value[at]
        if character in " \t;":
            at += 1
        elif character == ",":
            hops += _hop_of(known)
            known, at = {}, at + 1
        else:
            match = _PAIR.match(value, at)
            if match is None or match[1].lower() in known:
                return None
            end = match.end()
            if value[end : end + 1] not in ("", " ", "\t", ";", ","):
                return None
            known[match[1].lower()] = _unquoted(match[2])
            at = end
    return hops + _hop_of(known)


def _hop_of(known: dict[str, str]) -> list[Hop]:
    """The entry with these parameters, if there are any."""
    if not known:
        return []
    return [Hop(known.get("for", ""), known.get("proto", ""), known.get("host", ""))]


def _unquoted(text: str) -> str:
    """A token, or what a quoted string quotes."""
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text
