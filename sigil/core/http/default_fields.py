"""The fields that a response has by its kind, and what becomes of them beside those that are given.

Theory: a response of text has a content type, and a program that names another means that one. So
the fields of a response are the default ones whose names are not given, then those that are. What
comes of it depends on both, and is remembered by them, up to the first that may not be.

Rules: a field that cannot be sent is refused where the response is made, with a sentence. It does
not know responses.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from .field_lines import (
    REMEMBERED_SETS,
    PreparedHeaders,
    frames,
    prepare_fields,
    prepare_headers,
    remembered_count,
    with_fields_before,
)
from .headers import Headers, Pair, Pairs, to_pairs


class Merged(NamedTuple):
    """Headers that can be sent, as pairs and prepared; with what is merged with them they may be
    remembered, unless they hold a secret.
    """

    pairs: Pairs
    prepared: PreparedHeaders
    may_be_remembered: bool


def _defaults(*pairs: Pair) -> Merged:
    """Default headers."""
    prepared = prepare_headers(pairs)
    assert isinstance(prepared, PreparedHeaders)
    return Merged(pairs, prepared, True)


NONE: Final = _defaults()
TEXT: Final = _defaults(("Content-Type", "text/plain; charset=utf-8"))
HTML: Final = _defaults(("Content-Type", "text/html; charset=utf-8"))
JSON: Final = _defaults(("Content-Type", "application/json"))
OCTETS: Final = _defaults(("Content-Type", "application/octet-stream"))
LINES: Final = _defaults(
    ("Content-Type", "application/x-ndjson"),
    ("Cache-Control", "no-store"),
)
"""The headers of the answer to a long-poll."""
EVENTS: Final = _defaults(
    ("Content-Type", "text/event-stream"),
    ("Cache-Control", "no-store"),
    ("X-Accel-Buffering", "no"),
)
"""The headers of an event stream: no proxy on the way may store it, or buffer it as nginx would."""


def merge(defaults: Merged, headers: "Mapping[str, str] | Headers | Iterable[Pair]") -> Merged:
    """The default headers whose names are not in `headers`, then `headers`; ValueError or TypeError
    for a header that cannot be sent.
    """
    if type(headers) is tuple:
        given = headers
    else:
        given = tuple(headers.items()) if type(headers) is dict else to_pairs(headers)
    if not defaults.may_be_remembered:
        return merge_pairs(defaults.pairs, given)
    count = remembered_count(given)
    if count == len(given):
        return _merge_remembered(defaults.pairs, given)
    return _merge_behind(defaults, given, count) if count else merge_pairs(defaults.pairs, given)


def _merge_behind(defaults: Merged, given: Pairs, count: int) -> Merged:
    """`merge` of pairs of which so many at the front are remembered."""
    first, behind = _merge_remembered(defaults.pairs, given[:count]), given[count:]
    rest = prepare_fields(behind)
    if isinstance(rest, str) or frames(first.prepared) or _have_any(rest, defaults):
        return merge_pairs(defaults.pairs, given)
    return Merged((*first.pairs, *behind), with_fields_before(rest, first.prepared), False)


def _have_any(prepared: PreparedHeaders, defaults: Merged) -> bool:
    """True if any of these headers is there in the place of a default one."""
    keys = prepared.keys
    for key in defaults.prepared.keys:  # noqa: SIM110 - a generator takes twice as long
        if key in keys:
            return True
    return False


def merge_pairs(defaults: Pairs, given: Pairs) -> Merged:
    """`merge` of pairs, not remembered."""
    prepared = prepare_fields(given)
    if isinstance(prepared, str):
        pairs = to_pairs(given)  # which raises TypeError if they are no pairs of str
        if pairs is given:
            raise ValueError(prepared)
        return merge_pairs(defaults, pairs)  # some were lists
    keys = prepared.keys
    missing = tuple([pair for pair in defaults if pair[0].lower() not in keys])
    if not missing:
        return Merged(given, prepared, False)
    before = prepare_headers(missing)
    assert isinstance(before, PreparedHeaders), "the default headers can be sent"
    return Merged((*missing, *given), with_fields_before(prepared, before), False)


_merge_remembered: Final = lru_cache(maxsize=REMEMBERED_SETS)(merge_pairs)
