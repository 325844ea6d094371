"""Fields that have a browser be stricter with a page than it would be by itself.

Theory: browsers do by default what pages of the nineties need. Each of these fields takes one such
thing away: guessing types, being framed by strangers, telling them where a visitor came from.

Rules: what a handler has set stays. `Strict-Transport-Security` is sent only under https, as RFC
6797 section 7.2 wants it: over plain http anybody on the way could have written it. Nothing is sent
that only browsers of the past know. It does not know which of them suit a page: the defaults break
none that neither is framed nor opens windows of other origins.
"""

from functools import lru_cache
from typing import Final, NamedTuple

from ..http.field_lines import check_headers
from ..http.headers import Pair
from ..http.request import Request
from ..http.response import Response
from ..http.validate import safe_repr
from .fields import with_default_fields

FRAMES: Final = ("DENY", "SAMEORIGIN")
"""Who may show a page in a frame."""


class SecurityRules(NamedTuple):
    """The values of the fields; None leaves one out."""

    content_security_policy: str | None
    frame_options: str | None
    referrer_policy: str | None
    opener_policy: str | None
    permissions_policy: str | None
    hsts_max_age: int | None
    hsts_subdomains: bool


def check_security(rules: SecurityRules) -> str | None:
    """None for rules that make sense, or a sentence."""
    frames, age = rules.frame_options, rules.hsts_max_age
    if frames is not None and frames not in FRAMES:
        return f"frame_options is 'DENY', 'SAMEORIGIN' or None, not {safe_repr(frames)}"
    if age is not None and (type(age) is not int or age < 0):
        return f"hsts_max_age is a number of seconds or None, not {safe_repr(age)}"
    if rules.hsts_subdomains and age is None:
        return "hsts_subdomains needs hsts_max_age"
    return check_headers(security_fields(rules, True))


@lru_cache(maxsize=32)
def security_fields(rules: SecurityRules, is_secure: bool) -> tuple[Pair, ...]:
    """The fields by these rules, for a page that came over https or not."""
    given = (
        ("Content-Security-Policy", rules.content_security_policy),
        ("X-Frame-Options", rules.frame_options),
        ("Referrer-Policy", rules.referrer_policy),
        ("Cross-Origin-Opener-Policy", rules.opener_policy),
        ("Permissions-Policy", rules.permissions_policy),
    )
    fields = [("X-Content-Type-Options", "nosniff")]
    fields += [(name, value) for name, value in given if value is not None]
    if is_secure and rules.hsts_max_age is not None:
        subdomains = "; includeSubDomains" if rules.hsts_subdomains else ""
        value = f"max-age={rules.hsts_max_age}{subdomains}"
        fields.append(("Strict-Transport-Security", value))
    return tuple(fields)


def secured(request: Request, response: Response, rules: SecurityRules) -> Response:
    """The response with those of the fields that it does not have; a WebSocket needs none."""
    if response.status == 101:
        return response
    return with_default_fields(response, *security_fields(rules, request.scheme == "https"))
