"""What a client is made with, and what a request may be made with, checked.

Theory: what is wrong with an argument is said at the call, with a sentence, and not when the first
connection is made. Proxies come from the program, or from the environment, which is read when a
client is made.

Rules: nothing is converted but what the documentation says may be given in several ways. It does
not know the loop.
"""

import os
import re
import ssl
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias, TypeVar

from ...core.client.limits import (
    DEFAULT_LIMITS,
    DEFAULT_TIMEOUTS,
    ClientLimits,
    Timeouts,
    check_client_limits,
    check_timeouts,
)
from ...core.client.proxies import (
    NO_PROXIES,
    Proxies,
    every_proxy,
    parse_proxy,
    proxies_from,
)
from ...core.client.requests import add_query
from ...core.client.uri import DEFAULT_PORTS, Uri, split_uri
from ...core.http.field_lines import is_field_value
from ...core.http.headers import Headers, Pairs, to_pairs
from ...core.parse_result import Malformed
from .text_pairs import text_pairs

HeadersLike: TypeAlias = Mapping[str, str] | Headers | Iterable[tuple[str, str]]
ParamsLike: TypeAlias = Mapping[str, Any] | Iterable[tuple[str, Any]]
TimeoutLike: TypeAlias = float | Timeouts | None


class Unset:
    """Stands for an argument that was not given."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset()

_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://")
_CONTROL: Final = re.compile(r"[\x00-\x20\x7f]")

_proxy_of_program: list[Uri] = []
"""The proxy that `set_proxy` has named for all clients that are made from then on; or none."""


def set_proxy(address: str) -> int:
    """0; from now on new clients, and `http_get` and its kin, go through the proxy at this address,
    `[user:password@]host:port`, whatever the environment names. An empty text takes that back.
    ValueError for what is no such address.
    """
    proxy = checked_proxy(address) if address else None
    _proxy_of_program[:] = [] if proxy is None else [proxy]
    return 0


def checked_proxy(address: object) -> Uri:
    """The URI of a proxy; ValueError, with a sentence, for what is none."""
    if not isinstance(address, str):
        raise TypeError(f"a proxy is a str, not {type(address).__name__}")
    proxy = parse_proxy(address)
    if isinstance(proxy, Malformed):
        raise ValueError(proxy.message)
    return proxy


Option = TypeVar("Option")


def given(option: Option | None, default: Option) -> Option:
    """The option of one request, or that of its client."""
    return default if option is None else option


def default_proxies(proxy: object, trust_env: bool) -> Proxies:
    """The proxies of a client that was given this one: None for those that the program or the
    environment has set, False for none.
    """
    if proxy is False:
        return NO_PROXIES
    if proxy is not None:
        return every_proxy(checked_proxy(proxy))
    if _proxy_of_program:
        return every_proxy(_proxy_of_program[0])
    return proxies_from(os.environ) if trust_env else NO_PROXIES


def parse_uri(text: str) -> Uri:
    """The parts of a URL; ValueError, with a sentence, for what is none.

    `parse_uri("https://[::1]/a?b")` has the scheme `https`, the host `::1`, the port 443, the path
    `/a` and the query `b`.
    """
    if not isinstance(text, str):
        raise TypeError(f"a URL is a str, not {type(text).__name__}")
    uri = split_uri(text)
    if isinstance(uri, Malformed):
        raise ValueError(uri.message)
    return uri


def checked_url(url: object, base: Uri | None, params: ParamsLike | None) -> Uri:
    """The URI of a request, with these parameters; ValueError for what is none."""
    if isinstance(url, Uri):
        uri = checked_uri(url)
    elif base is not None and isinstance(url, str) and _ABSOLUTE.match(url) is None:
        uri = joined(base, url)
    else:
        uri = parse_uri(url)  # type: ignore[arg-type]
    return uri if params is None else add_query(uri, text_pairs("params", params))


def checked_uri(uri: Uri) -> Uri:
    """The URI, which a program may have made of whatever it was given; ValueError for what is none:
    a line end in its path would be the end of a line of the request.
    """
    user = f"{uri.userinfo}@" if uri.userinfo else ""
    if uri.scheme not in DEFAULT_PORTS:
        raise ValueError(
            f"the URL has the scheme {uri.scheme!r}; http, https, ws and wss are known"
        )
    if _CONTROL.search(uri.host) or "/" in uri.host or "@" in uri.host:
        raise ValueError("the host of the URL is not a host name")
    return parse_uri(f"{uri.scheme}://{user}{uri.place}{uri.target}#{uri.fragment}")


def joined(base: Uri, reference: str) -> Uri:
    """The URI of a reference below the base of a client: a path is one below that of the base."""
    path = base.path.rstrip("/") + "/" + reference.removeprefix("/") if reference else base.path
    user = f"{base.userinfo}@" if base.userinfo else ""
    return parse_uri(f"{base.scheme}://{user}{base.place}{path}")


def checked_headers(headers: HeadersLike) -> Pairs:
    """The fields of a request as pairs."""
    return to_pairs(headers)


def check_server(server: object) -> None:
    """TypeError for what a client cannot be ticked along with."""
    if server is not None and not callable(getattr(server, "attach", None)):
        raise TypeError(f"server is an HttpServer, not {type(server).__name__}")


def checked_limits(limits: object) -> ClientLimits:
    """The limits of a client; TypeError or ValueError for what makes no sense."""
    if limits is None:
        return DEFAULT_LIMITS
    if not isinstance(limits, ClientLimits):
        raise TypeError(f"limits is a ClientLimits, not {limits!r}")
    problem = check_client_limits(limits)
    if problem is not None:
        raise ValueError(problem)
    return limits


def checked_timeouts(timeout: object, default: Timeouts = DEFAULT_TIMEOUTS) -> Timeouts:
    """The timeouts: a number of seconds is for the whole request, None is no bound for it."""
    if isinstance(timeout, Unset):
        return default
    given: Any = timeout
    timeouts = given if isinstance(given, Timeouts) else default._replace(whole=given)
    problem = check_timeouts(timeouts)
    if problem is not None:
        raise ValueError(problem)
    return timeouts


def checked_context(verify: object, context: object) -> ssl.SSLContext | bool:
    """How TLS is done: True with the certificates of the system, False without looking at any, or
    a context of the program.
    """
    if context is None and isinstance(verify, bool):
        return verify
    given = verify if context is None else context
    if not isinstance(given, ssl.SSLContext):
        raise TypeError(f"verify is True, False or an SSLContext, not {given!r}")
    return given


def cookie_text(cookies: object) -> str:
    """The cookies that a program sends with one request, as they stand in the field."""
    if cookies is None or isinstance(cookies, bool):
        return ""
    if not isinstance(cookies, Mapping):
        raise TypeError(f"cookies are a mapping, not {type(cookies).__name__}")
    return "; ".join([cookie_pair(str(name), str(value)) for name, value in cookies.items()])


def cookie_pair(name: str, value: str) -> str:
    """A cookie as it stands in the field; ValueError for what cannot be sent."""
    text = f"{name}={value}"
    if ";" in text or "=" in name or not is_field_value(text):
        raise ValueError(f"the cookie {name!r} contains a character that cannot be sent")
    return text


def checked_user_agent(text: object) -> str:
    """The value of User-Agent; ValueError for what cannot be sent."""
    if not isinstance(text, str) or not is_field_value(text):
        raise ValueError(f"the user agent contains a character that cannot be sent: {text!r}")
    return text


def checked_count(name: str, value: object) -> None:
    """Nothing; ValueError for an option that is neither None nor a whole number from 0 on."""
    if value is not None and (type(value) is not int or value < 0):
        raise ValueError(f"{name} is a whole number, 0 or more, not {value!r}")
