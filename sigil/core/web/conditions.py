"""Preconditions of a request, and validators of what it asks for (RFC 9110 sections 8.8 and 13).

Theory: a client that has a copy says which, by its entity tag or its date, and what is to happen if
that is not what the server has: nothing is sent again (304), or nothing is done (412), or only the
missing part of it is sent. Five fields say so, and they are judged in one order.

Rules: an entity tag here is the whole text of the field, quotes and `W/` included. `If-Match` and
`If-Range` compare strongly: a weak tag equals none. `If-None-Match` compares weakly. A date counts
in `If-Range` only if it is exact and known to be strong. A field of dates that has none counts as
absent; so does one whose stronger sister is there. It does not know where validators come from.
"""

import re
from enum import IntEnum
from typing import Final, NamedTuple

from ..http.dates import parse_date
from ..http.headers import Headers

_TAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_TAGS: Final = re.compile(rf"[ \t,]*(?:{_TAG.pattern}[ \t]*(?:,[ \t,]*|$))+")


class Verdict(IntEnum):
    """What becomes of a request by its preconditions; the numbers are the statuses."""

    PROCEED = 200
    """It is done."""
    NOT_MODIFIED = 304
    """The client has what it asks for."""
    FAILED = 412
    """It is not done, since what is there is not what the client has seen."""


class Validators(NamedTuple):
    """What tells one version of a resource from another: an entity tag, when it was modified last
    in seconds since 1970, and whether that date is known to be strong. None is what is not known.
    """

    etag: str | None = None
    modified: int | None = None
    is_date_strong: bool = False


def is_entity_tag(text: str) -> bool:
    """True for an entity tag, quotes included, strong or weak."""
    return _TAG.fullmatch(text) is not None


def parse_entity_tags(text: str) -> tuple[str, ...]:
    """The entity tags of a list, in order; empty if the list is malformed."""
    if _TAGS.fullmatch(text) is None:
        return ()
    return tuple(_TAG.findall(text))


def equals_strongly(one: str, other: str) -> bool:
    """True if two entity tags are the same and neither is weak."""
    return one == other and not one.startswith("W/")


def equals_weakly(one: str, other: str) -> bool:
    """True if two entity tags are the same but for their weakness."""
    return one.removeprefix("W/") == other.removeprefix("W/")


def check_preconditions(method: str, headers: Headers, validators: Validators) -> Verdict:
    """What becomes of a request with these fields for a resource that exists, in the order of RFC
    9110 section 13.2.2; `If-Range`, which comes last, is judged by `is_range_wanted`.
    """
    combined = headers.combined
    matched = _check_match(combined.get("if-match"), validators.etag)
    if matched is None:
        since = _date(combined.get("if-unmodified-since"))
        is_newer = _is_newer(validators, since)
        matched = None if is_newer is None else not is_newer
    if matched is False:
        return Verdict.FAILED
    is_read = method in ("GET", "HEAD")
    seen = combined.get("if-none-match")
    if seen is not None:
        if not _is_among(seen, validators.etag):
            return Verdict.PROCEED
        return Verdict.NOT_MODIFIED if is_read else Verdict.FAILED
    if is_read and _is_newer(validators, _date(combined.get("if-modified-since"))) is False:
        return Verdict.NOT_MODIFIED
    return Verdict.PROCEED


def is_range_wanted(headers: Headers, validators: Validators) -> bool:
    """True if a Range field counts: there is no `If-Range`, or it names what is there (RFC 9110
    section 13.1.5).
    """
    text = headers.combined.get("if-range")
    if text is None:
        return True
    if is_entity_tag(text):
        return validators.etag is not None and equals_strongly(text, validators.etag)
    date = parse_date(text)
    return date is not None and validators.is_date_strong and date == validators.modified


def _check_match(text: str | None, etag: str | None) -> bool | None:
    """Whether If-Match holds; None without one."""
    if text is None:
        return None
    if text.strip() == "*":
        return True
    return etag is not None and any(equals_strongly(tag, etag) for tag in parse_entity_tags(text))


def _is_among(text: str, etag: str | None) -> bool:
    """True if the client of If-None-Match has this version."""
    if text.strip() == "*":
        return True
    return etag is not None and any(equals_weakly(tag, etag) for tag in parse_entity_tags(text))


def _date(text: str | None) -> int | None:
    """The date of a field; None if there is none, or no date."""
    return None if text is None else parse_date(text)


def _is_newer(validators: Validators, since: int | None) -> bool | None:
    """Whether the resource was modified after a date; None if either is not known."""
    if since is None or validators.modified is None:
        return None
    return validators.modified > since
