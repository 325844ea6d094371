"""A cookie as a Set-Cookie field (RFC 6265bis section 4.1).

Theory: a browser that does not like a cookie drops it without a word, and what was meant to be set
is not there. So what browsers refuse is refused here, with a sentence, where it is written.

Rules: a value is what browsers keep as it is: visible ASCII without quotes, commas, semicolons and
backslashes; anything else is for the program to encode, since only it can decode it. Name and value
have at most 4,096 bytes together, and each attribute 1,024. Prefixes of names are compared without
regard to case, as browsers do. It does not know what the time is, nor how cookies are read
(`decoding`).
"""

import re
from datetime import datetime
from typing import Final

from .dates import format_date
from .tokens import TOKEN
from .validate import safe_repr

COOKIE_MAX: Final = 4_096
ATTRIBUTE_MAX: Final = 1_024
"""Bytes of a name and its value, and of an attribute, above which browsers drop them."""

SAME_SITES: Final = {"strict": "Strict", "lax": "Lax", "none": "None"}
_VALUE: Final = re.compile(r"[!#-+\--:<-\[\]-~]*")
_PATH: Final = re.compile(r"/[ -:<-~]*")
_DOMAIN: Final = re.compile(r"\.?[A-Za-z0-9](?:[A-Za-z0-9.\-]*[A-Za-z0-9])?")


def encode_cookie(
    name: str,
    value: str,
    max_age: int | None = None,
    expires: datetime | None = None,
    path: str | None = "/",
    domain: str | None = None,
    secure: bool = False,
    http_only: bool = True,
    same_site: str | None = "Lax",
    partitioned: bool = False,
) -> str:
    """The value of a Set-Cookie field; ValueError, with a sentence, for what browsers refuse.

    `encode_cookie("a", "1") == "a=1; Path=/; HttpOnly; SameSite=Lax"`
    """
    site = None if same_site is None else SAME_SITES.get(str(same_site).lower(), "")
    problem = (
        _check_pair(name, value)
        or _check_scope(path, domain)
        or _check_times(max_age, expires)
        or _check_site(same_site, site, secure, partitioned)
        or _check_prefix(name, secure, http_only, path, domain)
    )
    if problem is not None:
        raise ValueError(problem)
    attributes = [f"{name}={value}"]
    if max_age is not None:
        attributes.append(f"Max-Age={max_age}")
    if expires is not None:
        attributes.append(f"Expires={format_date(int(expires.timestamp()))}")
    attributes += _scope(path, domain)
    marks = ("Secure", secure), ("HttpOnly", http_only), (f"SameSite={site}", site is not None)
    attributes += [mark for mark, is_set in (*marks, ("Partitioned", partitioned)) if is_set]
    return "; ".join(attributes)


def cookie_name(field: str) -> str:
    """The name of the cookie that a Set-Cookie field sets."""
    return field.partition("=")[0].strip()


def _scope(path: str | None, domain: str | None) -> list[str]:
    """The attributes that say which requests a cookie is sent with."""
    given = ("Path", path), ("Domain", domain)
    return [f"{name}={value}" for name, value in given if value is not None]


# -- what browsers refuse --------------------------------------------------------------------------


def _check_pair(name: object, value: object) -> str | None:
    """None for a name and a value that can be sent."""
    if not isinstance(name, str) or TOKEN.fullmatch(name) is None:
        return f"the name of a cookie is a token, not {safe_repr(name)}"
    if not isinstance(value, str) or _VALUE.fullmatch(value) is None:
        return (
            f"the value of the cookie {name} is a str of visible ASCII without quotes, commas, "
            "semicolons and backslashes: encode it, with urllib.parse.quote or sigil.web.sign"
        )
    if len(name) + len(value) > COOKIE_MAX:
        return f"the cookie {name} is longer than {COOKIE_MAX} bytes, so browsers drop it"
    return None


def _check_scope(path: object, domain: object) -> str | None:
    """None for a path and a domain that browsers understand."""
    if path is not None and not _is_attribute(path, _PATH):
        return f"the path of a cookie begins with a slash and has no semicolon, not {path!r}"
    if domain is not None and not _is_attribute(domain, _DOMAIN):
        return f"the domain of a cookie is a host name, not {safe_repr(domain)}"
    return None


def _is_attribute(value: object, pattern: re.Pattern[str]) -> bool:
    """True for a text of this pattern that is not too long."""
    is_known = isinstance(value, str) and pattern.fullmatch(value) is not None
    return is_known and len(str(value)) <= ATTRIBUTE_MAX


def _check_times(max_age: object, expires: object) -> str | None:
    """None for an age in whole seconds, and a time with its zone."""
    if max_age is not None and type(max_age) is not int:
        return f"max_age is a whole number of seconds, not {safe_repr(max_age)}"
    if expires is None:
        return None
    if not isinstance(expires, datetime) or expires.tzinfo is None:
        return f"expires is a datetime with a time zone, not {safe_repr(expires)}"
    return None


def _check_site(same_site: object, site: str | None, secure: bool, partitioned: bool) -> str | None:
    """None for a SameSite that browsers accept with the other attributes."""
    if site == "":
        return f"same_site is 'Strict', 'Lax', 'None' or None, not {safe_repr(same_site)}"
    if site == "None" and not secure:
        return "browsers take same_site='None' only with secure=True"
    if partitioned and not secure:
        return "browsers take partitioned=True only with secure=True"
    return None


def _check_prefix(
    name: str, secure: bool, http_only: bool, path: str | None, domain: str | None
) -> str | None:
    """None for a cookie that has what its name promises (RFC 6265bis section 4.1.3)."""
    key = name.lower()
    if key.startswith(("__secure-", "__host-", "__http-")) and not secure:
        return f"browsers take the cookie {name} only with secure=True"
    if key.startswith(("__http-", "__host-http-")) and not http_only:
        return f"browsers take the cookie {name} only with http_only=True"
    if key.startswith("__host-") and (path != "/" or domain is not None):
        return f"browsers take the cookie {name} only with path='/' and without a domain"
    return None
