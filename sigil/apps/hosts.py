"""Which Host names a program for this machine answers to.

Theory: a page of another site cannot read what a server on this machine says, for its origin is
another. But its site may have its name resolved anew, to an address of this machine (DNS
rebinding): then the browser takes both for one site, and the page reads all there is. What the
browser cannot be made to do is to send another Host than the name of the site. So a program that is
meant for this machine answers to the names of this machine, and to no others until it is told so.

Rules: names of this machine are `localhost`, everything below it, loopback addresses, and the name
or address that the server listens on. If it listens on all addresses it is meant for others too,
and any address is one of its names, since no site is named by an address that is not its own. A
request for another name is misdirected: 421 (RFC 9110 section 15.5.20), with the flag that allows
it; the log has the first one. A request without a Host comes from no browser.

It does not know what is served, nor whether it is a page, a stream or a WebSocket.
"""

import logging
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, NamedTuple

from sigil import Request, Response

_LOG = logging.getLogger("sigil.server")

ANY = "*"
NAME_CHARS_MAX = 80
"""How much of a name from a stranger a log line shows."""

App = Callable[[Request], Any]


class Hosts(NamedTuple):
    """The names that are answered to, in lower case, beside those of every machine; with
    `has_addresses` any address, with `has_all` any name.
    """

    names: frozenset[str] = frozenset()
    has_addresses: bool = False
    has_all: bool = False


def hosts_of(listening: Iterable[str], allowed: Iterable[str] = ()) -> Hosts:
    """The names of a server that listens on these names or addresses, and may be called by those
    that are `allowed`, `"*"` for any.
    """
    names, extra = set(map(_normal, listening)), set(map(_normal, allowed))
    addresses = [address for address in map(_address, names) if address is not None]
    has_addresses = any(address.is_unspecified for address in addresses)
    return Hosts(frozenset(names | extra), has_addresses, ANY in extra)


def is_own(host: str, hosts: Hosts) -> bool:
    """True for the host of a request, a name or an address and maybe a port, that is answered to.

    `is_own("localhost:8080", Hosts())` is true.
    """
    name = _normal(_without_port(host))
    if hosts.has_all or not host.partition(":")[0] or name in hosts.names:
        return True
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and (hosts.has_addresses or _is_loopback(address))


def _without_port(host: str) -> str:
    """The name or address in an authority."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") <= 1 else host


def _normal(name: str) -> str:
    """The name as it is compared: in lower case, without the dot of the root, an address without
    brackets.
    """
    return name.strip("[]").lower().removesuffix(".")


def _address(name: str) -> IPv4Address | IPv6Address | None:
    """The address that this is the text of; None if it is a name."""
    try:
        return ip_address(name)
    except ValueError:
        return None


def _is_loopback(address: IPv4Address | IPv6Address) -> bool:
    """True for an address that only this machine has."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (address if mapped is None else mapped).is_loopback


class HostGuard:
    """Has a handler called for requests for a name of this machine only."""

    def __init__(self, hosts: Hosts | None = None) -> None:
        self.hosts = Hosts() if hosts is None else hosts
        """The names that are answered to. What listens may be known later than what is served."""
        self._has_logged = False

    def guarding(self, app: App) -> App:
        """The handler, with 421 in the place of its responses to requests for other names."""

        def handle(request: Request) -> Any:
            return app(request) if is_own(request.host, self.hosts) else self._refuse(request.host)

        return handle

    def _refuse(self, host: str) -> Response:
        """The response to a request for another name."""
        name = _normal(_without_port(host))[:NAME_CHARS_MAX]
        sentence = f"{name} is no name of this machine; --allow-host {name} has it answered to"
        if not self._has_logged:
            self._has_logged = True
            _LOG.warning("a request was answered with 421, as others will be: %s", sentence)
        return Response.error(421, sentence)
