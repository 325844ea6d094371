"""Which content coding a client is sent, of those that the server has (RFC 9110 section 12.5.3).

Theory: Accept-Encoding gives each coding a weight from 0 to 1, and `*` one for all that are not
named; what is sent is what the server has with the highest weight. No coding at all, `identity`, is
acceptable unless it is excluded, and is what a client without the field is sent.

Rules: of equal weights the server's order decides, and a coding is better than none whose weight
nobody gave. A member that is malformed counts as absent: then less is compressed, and nothing is
sent that cannot be read. `x-gzip` is gzip. If nothing is acceptable, identity is sent all the same,
since a response is better than none. It does not know how anything is compressed.
"""

import re
from typing import Final

from ..http.tokens import TOKEN_CHAR, parse_list, split_list

IDENTITY: Final = "identity"
_MEMBER: Final = re.compile(
    rf"({TOKEN_CHAR}+)(?:[ \t]*;[ \t]*[qQ]=(0(?:\.[0-9]{{0,3}})?|1(?:\.0{{0,3}})?))?"
)
_IS_ZERO: Final = re.compile(r"q=0(?:\.0{0,3})?")
_ALIASES: Final = {"x-gzip": "gzip", "x-compress": "compress"}
FULL_WEIGHT: Final = 1_000


def parse_weights(value: str) -> dict[str, int]:
    """The weights of a field such as Accept-Encoding in thousandths, by name in lower case; of one
    that is there twice the last counts.

    `parse_weights("gzip;q=0.5, *;q=0") == {"gzip": 500, "*": 0}`
    """
    weights: dict[str, int] = {}
    for member in split_list(value):
        match = _MEMBER.fullmatch(member)
        if match is not None:
            name = match[1].lower()
            weights[_ALIASES.get(name, name)] = _thousandths(match[2])
    return weights


def _thousandths(weight: str | None) -> int:
    """A weight as a whole number of thousandths; all of them if there is none."""
    return FULL_WEIGHT if weight is None else round(float(weight) * FULL_WEIGHT)


def accepts_type(accept: str, media_type: str) -> bool:
    """True if an Accept field names this very type, and not to exclude it (RFC 9110 section
    12.5.1): `*/*` is what every program sends.

    `accepts_type("text/html, */*;q=0.8", "text/html")`
    """
    for member in parse_list(accept):
        name, *parameters = [part.strip(" \t") for part in member.split(";")]
        if name == media_type and not any(map(_IS_ZERO.fullmatch, parameters)):
            return True
    return False


def rank_codings(accept: str | None, offered: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the offered codings that a client accepts, the best first; one that it accepts less
    than `identity` is left out.

    `rank_codings("gzip, zstd", ("zstd", "gzip")) == ("zstd", "gzip")`
    """
    if accept is None:
        return ()
    weights = parse_weights(accept)
    others = weights.get("*", 0)
    least = weights.get(IDENTITY, 0)
    ranked = [(weights.get(coding, others), coding) for coding in offered]
    ranked.sort(key=lambda item: -item[0])
    return tuple([coding for weight, coding in ranked if weight and weight >= least])


def choose_coding(accept: str | None, offered: tuple[str, ...]) -> str:
    """The coding to send to a client with this Accept-Encoding: one of the offered, or `identity`.

    `choose_coding("gzip;q=0.8, zstd;q=0.2", ("zstd", "gzip")) == "gzip"`
    """
    ranked = rank_codings(accept, offered)
    return ranked[0] if ranked else IDENTITY
