"""The names of relays, by which a circle of them is found.

Theory: a relay that follows itself, by way of others perhaps, has nothing to publish, and would
never. So each has a name that nobody else has, and says it where proxies name themselves, in `Via`
(RFC 9110 section 7.6.3), with those of the relays that have asked it: one that finds its own name
in a request is in a circle.

Rules: names are kept up to a bound, the oldest are forgotten. It does not know connections.
"""

import re
from collections.abc import Iterable

PREFIX = "sigil-relay-"
_NAMES = re.compile(rf"\b{PREFIX}([0-9a-f]{{16}})\b")
NAMES_MAX = 16
"""Names of other relays that are remembered, and passed on."""


def names_in(via: str) -> list[str]:
    """The names of relays in a field `Via`."""
    return _NAMES.findall(via)


def via_of(names: Iterable[str]) -> str:
    """The field `Via` that names these relays.

    `via_of(["00000000000000aa"]) == "1.1 sigil-relay-00000000000000aa"`
    """
    return ", ".join([f"1.1 {PREFIX}{name}" for name in names])


def remembered(known: tuple[str, ...], more: Iterable[str]) -> tuple[str, ...]:
    """The names that are known, with these, as many as are kept."""
    names = dict.fromkeys((*known, *more))
    return tuple(names)[-NAMES_MAX:]
