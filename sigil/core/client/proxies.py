"""Proxies: which one a request goes through, if any.

Theory: a program may name a proxy, and the environment may name one for each scheme and hosts that
need none. What the environment holds is a fact that somebody else has read.

Rules: names in the environment are looked for in lower case first and then in upper case, but that
HTTP_PROXY counts for nothing where a request could have set it (CGI). A proxy is `host:port` or
`http://host:port`, or `https://host:port` if it is reached over TLS. A WebSocket takes the proxy
of its scheme, else that of http or https. It does not know connections.
"""

from collections.abc import Mapping
from ipaddress import AddressValueError, NetmaskValueError, ip_address, ip_network
from typing import Final, NamedTuple

from ..parse_result import Malformed, malformed
from .requests import encode_basic
from .uri import Uri, is_ip_literal, split_uri

SCHEMES: Final = ("http", "https", "ws", "wss")
_FALLBACKS: Final = {"ws": "http", "wss": "https"}


class Proxies(NamedTuple):
    """The proxies by the scheme of what is asked for, and the hosts that need none."""

    by_scheme: tuple[tuple[str, Uri], ...] = ()
    exceptions: tuple[str, ...] = ()


NO_PROXIES: Final = Proxies()


def parse_proxy(text: str) -> Uri | Malformed:
    """The address of a proxy, as `[user:password@]host:port` with `http://`, `https://` or nothing
    before it; or what is wrong with it.
    """
    scheme, colon, _ = text.strip().partition("://")
    if colon and scheme.lower() not in ("http", "https"):
        return malformed(f"a proxy is http://host:port or https; {scheme[:20]!r} is not known")
    uri = split_uri(text if colon else f"http://{text}")
    if isinstance(uri, Malformed):
        return malformed(uri.message.replace("the URL", "the proxy"))
    return uri


def every_proxy(uri: Uri) -> Proxies:
    """The proxies of a program that names one for everything."""
    return Proxies(tuple([(scheme, uri) for scheme in SCHEMES]))


def proxies_from(environment: Mapping[str, str]) -> Proxies:
    """The proxies that the environment names; one that is malformed counts as none."""
    is_cgi = "REQUEST_METHOD" in environment
    found: list[tuple[str, Uri]] = []
    for scheme in (*SCHEMES, "all"):
        name = f"{scheme}_proxy"
        text = environment.get(name, "")
        if not text and not (is_cgi and scheme == "http"):
            text = environment.get(name.upper(), "")
        uri = parse_proxy(text) if text else None
        if isinstance(uri, Uri):
            found.append((scheme, uri))
    exceptions = environment.get("no_proxy", "") or environment.get("NO_PROXY", "")
    names = [name.strip().lower() for name in exceptions.replace(",", " ").split()]
    return Proxies(tuple(found), tuple([name for name in names if name]))


def proxy_for(uri: Uri, proxies: Proxies) -> Uri | None:
    """The proxy through which `uri` is asked for; None if it is asked directly."""
    if not proxies.by_scheme or any(is_exempt(uri, name) for name in proxies.exceptions):
        return None
    table = dict(proxies.by_scheme)
    for scheme in (uri.scheme, _FALLBACKS.get(uri.scheme, ""), "all"):
        if scheme in table:
            return table[scheme]
    return None


def is_exempt(uri: Uri, name: str) -> bool:
    """True if an entry of `no_proxy` names the host: `*`, a host, a domain (with or without a dot
    before it), an address, a network, each with a port behind it perhaps.
    """
    if name == "*":
        return True
    host, colon, port = name.rpartition(":")
    has_port = colon and port.isdigit() and (":" not in host or host.endswith("]"))
    if has_port:
        if int(port[:6]) != uri.port:
            return False
        name = host
    name = name.removeprefix("[").removesuffix("]")
    if is_ip_literal(uri.host):
        return _holds_address(name, uri.host)
    name = name.removeprefix("*").removeprefix(".")
    return bool(name) and (uri.host == name or uri.host.endswith("." + name))


def _holds_address(name: str, host: str) -> bool:
    """True if an address, or a network, is or has this address."""
    try:
        return ip_address(host.partition("%")[0]) in ip_network(name, strict=False)
    except (AddressValueError, NetmaskValueError, ValueError):
        return False


def proxy_authorization(proxy: Uri | None) -> str:
    """The credentials for a proxy; empty if there are none."""
    if proxy is None or not proxy.userinfo:
        return ""
    return encode_basic(proxy.user, proxy.password)
