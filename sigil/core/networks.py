"""Networks of addresses, such as those whose proxies are believed.

Theory: who may say something on somebody's behalf is told by where it comes from, which nobody can
choose. A program names networks; an address is in one of them or not.

Rules: an address of IPv4 that is mapped into IPv6, as a socket for both shows it, is the one that
is mapped. Peers of Unix sockets have no address, and are trusted by the word `unix`. It does not
know what for.
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, NamedTuple, TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address

UNIX: Final = "unix"
"""Stands among networks for who comes by a Unix socket."""
_UNIX_PATHS: Final = ("", "/", "@", ".")
"""How the path of a Unix socket begins."""


class Networks(NamedTuple):
    """Networks, and whether Unix sockets are among them."""

    networks: frozenset[Network]
    has_unix: bool


def parse_networks(texts: object) -> Networks | str:
    """The networks that texts like `10.0.0.0/8`, `::1` or `unix` name, or a sentence about the
    first that names none.
    """
    if not isinstance(texts, tuple):
        return f"networks are a tuple of str, not {texts!r}"
    parsed: set[Network] = set()
    for text in texts:
        if not isinstance(text, str):
            return f"a network is a str such as '10.0.0.0/8', not {text!r}"
        if text == UNIX:
            continue
        try:
            parsed.add(ip_network(text))
        except ValueError as error:
            return f"{text!r} is no network: {error}"
    return Networks(frozenset(parsed), UNIX in texts)


def parse_address(text: str) -> Address | None:
    """The address in a text; that of IPv4 for one that is mapped into IPv6. None if it is none."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


@lru_cache(maxsize=256)
def is_in(host: str, networks: Networks) -> bool:
    """True if the host of a peer is in one of the networks."""
    address = parse_address(host)
    if address is None:
        return networks.has_unix and host[:1] in _UNIX_PATHS
    return any(address in network for network in networks.networks)


@lru_cache(maxsize=16)
def networks_of(texts: tuple[str, ...]) -> Networks:
    """The networks that valid texts name."""
    parsed = parse_networks(texts)
    assert isinstance(parsed, Networks)
    return parsed
