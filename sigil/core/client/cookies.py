"""The cookies that a client keeps, as a value (RFC 6265bis section 5).

Theory: a cookie is set by one response and sent with later requests, to whomever its attributes
say: a host or the hosts below a domain, a path and what is below that, over TLS only. What a server
may not set for others is ignored, as browsers do, without a word.

Rules: a jar is never changed, but made anew by `with_cookies`. It is bounded in cookies, in those
of one domain, and in the length of each; beyond that the oldest are forgotten. No list of public
suffixes is known: a domain of one label is refused, and one such as co.uk is not. `SameSite` means
nothing here, since a client has no site. It does not know the time, nor who sends a request.
"""

import re
from collections.abc import Iterable
from typing import Final, final

from pyrsistent import PMap, pmap

from ..value import Value
from .limits import DEFAULT_LIMITS, ClientLimits
from .uri import Uri, is_ip_literal

_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_MONTHS: Final = (
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
)  # fmt: skip
_DELIMITERS: Final = re.compile(r"[\t\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+")
_TIME: Final = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\D.*)?", re.ASCII)
_DAY: Final = re.compile(r"(\d{1,2})(?:\D.*)?", re.ASCII)
_YEAR: Final = re.compile(r"(\d{2,4})(?:\D.*)?", re.ASCII)
_AGE: Final = re.compile(r"-?\d+", re.ASCII)
_AGE_DIGITS_MAX: Final = 12
LONGEST_AGE: Final = 400 * 86_400
"""Seconds that a cookie is kept at most (RFC 6265bis section 5.5)."""
_ATTRIBUTE_MAX: Final = 1_024


@final
class Cookie(Value):
    """A cookie that is kept: for the host `domain`, or also those below it unless `is_host_only`;
    until `expires` (seconds since 1970), or, if that is None, as long as its client.
    """

    __match_args__ = (
        "name", "value", "domain", "path", "is_host_only", "is_secure", "is_http_only", "expires",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        name: str,
        value: str,
        domain: str,
        path: str = "/",
        is_host_only: bool = True,
        is_secure: bool = False,
        is_http_only: bool = False,
        expires: int | None = None,
    ) -> None:
        self.name: Final = name
        self.value: Final = value
        self.domain: Final = domain
        self.path: Final = path
        self.is_host_only: Final = is_host_only
        self.is_secure: Final = is_secure
        self.is_http_only: Final = is_http_only
        self.expires: Final = expires


@final
class CookieJar(Value):
    """Cookies by domain, those of one domain in the order in which they were first set; `count` is
    how many there are.
    """

    __match_args__ = ("by_domain", "count")
    __slots__ = __match_args__

    def __init__(self, by_domain: PMap[str, tuple[Cookie, ...]], count: int) -> None:
        self.by_domain: Final = by_domain
        self.count: Final = count


EMPTY_JAR: Final = CookieJar(pmap(), 0)


def cookies_in(jar: CookieJar) -> tuple[Cookie, ...]:
    """All cookies of a jar."""
    return tuple([cookie for domain in sorted(jar.by_domain) for cookie in jar.by_domain[domain]])


# -- what is set -----------------------------------------------------------------------------------


def with_cookies(
    jar: CookieJar,
    fields: Iterable[str],
    uri: Uri,
    now: int,
    limits: ClientLimits = DEFAULT_LIMITS,
) -> CookieJar:
    """The jar after a response from `uri` with these Set-Cookie fields, at `now` since 1970."""
    for field in fields:
        cookie = parse_set_cookie(field, uri, now, limits.max_cookie_len)
        if cookie is not None and not _would_replace_secure(jar, cookie, uri):
            jar = with_cookie(jar, cookie, now, limits)
    return jar


def with_cookie(
    jar: CookieJar, cookie: Cookie, now: int, limits: ClientLimits = DEFAULT_LIMITS
) -> CookieJar:
    """The jar with one more cookie, or another value of one that it has; without it if that has
    expired.
    """
    old = jar.by_domain.get(cookie.domain, ())
    new: list[Cookie] = []
    is_there = False
    for other in old:
        if other.name == cookie.name and other.path == cookie.path:
            is_there = True
            new.append(cookie)
        else:
            new.append(other)
    if not is_there:
        new.append(cookie)
    new = [other for other in new if not _has_expired(other, now)]
    jar = _with_domain(jar, cookie.domain, tuple(new[-limits.max_cookies_per_domain :]))
    return jar if jar.count <= limits.max_cookies else _shrunk(jar, now, limits)


def _with_domain(jar: CookieJar, domain: str, cookies: tuple[Cookie, ...]) -> CookieJar:
    """The jar with these cookies of a domain in place of those that it has."""
    count = jar.count - len(jar.by_domain.get(domain, ())) + len(cookies)
    if cookies:
        return CookieJar(jar.by_domain.set(domain, cookies), count)
    return CookieJar(jar.by_domain.discard(domain), count)


def _shrunk(jar: CookieJar, now: int, limits: ClientLimits) -> CookieJar:
    """A jar that has too many, without those that have expired, and then without the oldest of the
    domain that has most.
    """
    for domain, cookies in jar.by_domain.items():
        kept = tuple([cookie for cookie in cookies if not _has_expired(cookie, now)])
        if len(kept) < len(cookies):
            jar = _with_domain(jar, domain, kept)
    while jar.count > limits.max_cookies:
        domain = max(jar.by_domain, key=lambda name: (len(jar.by_domain[name]), name))
        jar = _with_domain(jar, domain, jar.by_domain[domain][1:])
    return jar


def _has_expired(cookie: Cookie, now: int) -> bool:
    return cookie.expires is not None and cookie.expires <= now


def _would_replace_secure(jar: CookieJar, cookie: Cookie, uri: Uri) -> bool:
    """True if a cookie that is set without TLS would overlay one that is for TLS only."""
    if cookie.is_secure or uri.is_secure or not jar.count:
        return False
    return any(
        other.name == cookie.name and other.is_secure and _path_matches(cookie.path, other.path)
        for domain in (*_domains_of(uri.host), cookie.domain)
        for other in jar.by_domain.get(domain, ())
    )


def parse_set_cookie(field: str, uri: Uri, now: int, max_len: int = 4_096) -> Cookie | None:
    """The cookie of a Set-Cookie field in a response from `uri`; None if it is to be ignored."""
    if _CONTROL.search(field) is not None:
        return None
    pair, *rest = field.split(";")
    name, equals, value = pair.partition("=")
    name, value = (name.strip(), value.strip()) if equals else ("", name.strip())
    if not (name or value) or len(name) + len(value) > max_len:
        return None
    attributes: dict[str, str] = {}
    for part in rest:
        key, _, text = part.partition("=")
        if len(text.strip()) <= _ATTRIBUTE_MAX:
            attributes[key.strip().lower()] = text.strip()
    scope = _domain_of(attributes.get("domain", ""), uri.host)
    if scope is None:
        return None
    path = attributes.get("path", "")
    cookie = Cookie(
        name, value, scope[0], path if path.startswith("/") else _default_path(uri.path), scope[1],
        "secure" in attributes, "httponly" in attributes, _expiry(attributes, now),
    )  # fmt: skip
    is_refused = (cookie.is_secure and not uri.is_secure) or not _prefix_holds(cookie, attributes)
    return None if is_refused else cookie


def _domain_of(domain: str, host: str) -> tuple[str, bool] | None:
    """The domain of a cookie, and whether it is for that host only; None if it may not be set."""
    domain = domain.removeprefix(".").lower()
    if not domain:
        return host, True
    if domain == host:
        return host, is_ip_literal(host) or "." not in host
    if is_ip_literal(host) or "." not in domain or not host.endswith("." + domain):
        return None
    return domain, False


def _default_path(path: str) -> str:
    """The path of a cookie that has none: the folder of the request (section 5.1.4)."""
    return path[: path.rfind("/")] or "/"


def _prefix_holds(cookie: Cookie, attributes: dict[str, str]) -> bool:
    """False if the name of a cookie promises what its attributes do not hold (section 4.1.3)."""
    name = (cookie.name or cookie.value).lower()
    if name.startswith("__host-"):
        is_bound = cookie.is_host_only and attributes.get("path") == "/"
        return bool(cookie.name) and cookie.is_secure and is_bound and not attributes.get("domain")
    return not name.startswith("__secure-") or (bool(cookie.name) and cookie.is_secure)


def _expiry(attributes: dict[str, str], now: int) -> int | None:
    """When a cookie expires, in seconds since 1970; None at the end of its client."""
    age = attributes.get("max-age", "")
    if _AGE.fullmatch(age) is not None:
        if age.startswith("-"):
            return 0
        seconds = int(age) if len(age) <= _AGE_DIGITS_MAX else LONGEST_AGE
        return now + min(seconds, LONGEST_AGE) if seconds else 0
    at = parse_cookie_date(attributes["expires"]) if "expires" in attributes else None
    return None if at is None else min(at, now + LONGEST_AGE)


def parse_cookie_date(text: str) -> int | None:
    """The seconds since 1970 of a date as cookies have it, which is nearly anything (section
    5.1.1); None for what is no date.
    """
    time: tuple[int, int, int] | None = None
    day = month = year = -1
    for token in _DELIMITERS.split(text):
        found_time = _TIME.fullmatch(token) if time is None else None
        if found_time is not None:
            time = int(found_time[1]), int(found_time[2]), int(found_time[3])
        elif day < 0 and (found_day := _DAY.fullmatch(token)) is not None:
            day = int(found_day[1])
        elif month < 0 and token[:3].lower() in _MONTHS:
            month = _MONTHS.index(token[:3].lower()) + 1
        elif year < 0 and (found_year := _YEAR.fullmatch(token)) is not None:
            year = int(found_year[1])
    if time is None or min(day, month, year) < 0:
        return None
    if year < 100:
        year += 1900 if year >= 70 else 2000
    return _timestamp(year, month, day, time)


def _timestamp(year: int, month: int, day: int, time: tuple[int, int, int]) -> int | None:
    """The seconds since 1970 of a moment of UTC; None if there is none."""
    from datetime import UTC, datetime  # most responses set no cookie that has a date

    if year < 1601:
        return None
    try:
        return int(datetime(year, month, day, time[0], time[1], time[2], 0, UTC).timestamp())
    except ValueError:
        return None


# -- what is sent ----------------------------------------------------------------------------------


def cookie_field(jar: CookieJar, uri: Uri, now: int) -> str:
    """The value of the Cookie field of a request to `uri`; empty if there is none to send."""
    if not jar.count:
        return ""
    found = [
        cookie
        for domain in _domains_of(uri.host)
        for cookie in jar.by_domain.get(domain, ())
        if _is_for(cookie, uri, now)
    ]
    found.sort(key=lambda cookie: -len(cookie.path))
    return "; ".join(
        [f"{cookie.name}={cookie.value}" if cookie.name else cookie.value for cookie in found]
    )


def _domains_of(host: str) -> list[str]:
    """A host, and the domains that it is in."""
    domains = [host]
    if not is_ip_literal(host):
        while "." in host:
            host = host.partition(".")[2]
            domains.append(host)
    return domains


def _is_for(cookie: Cookie, uri: Uri, now: int) -> bool:
    """True if a cookie, whose domain fits, is sent to `uri`."""
    if cookie.is_host_only and cookie.domain != uri.host:
        return False
    if (cookie.is_secure and not uri.is_secure) or _has_expired(cookie, now):
        return False
    return _path_matches(uri.path, cookie.path)


def _path_matches(path: str, prefix: str) -> bool:
    """True if a path is this one or below it (section 5.1.4)."""
    if path == prefix:
        return True
    return path.startswith(prefix) and (prefix.endswith("/") or path[len(prefix)] == "/")
