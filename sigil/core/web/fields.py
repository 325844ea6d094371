"""Fields of a response, added and taken away: what middleware does most.

Theory: a response is a value, so a field more makes another response. A field that is there once is
set; `Vary` is a list that several layers add to, each what its own decision depended on.

Rules: names are compared without regard to case, and other fields stay where they are. What cannot
be sent is refused when the response is written, as ever. It does not know what a field means.
"""

from ..http.headers import Pair, Pairs
from ..http.response import Response, with_headers
from ..http.tokens import parse_list


def field_of(response: Response, name: str) -> str | None:
    """The value of a field, given its name in lower case; of several lines the first."""
    for other, value in response.headers:
        if other.lower() == name:
            return value
    return None


def with_fields(response: Response, *fields: Pair) -> Response:
    """The response with these fields, in the place of those of the same names."""
    if not fields:
        return response
    names = {name.lower() for name, _ in fields}
    kept = tuple([pair for pair in response.headers if pair[0].lower() not in names])
    return with_headers(response, (*kept, *fields))


def with_default_fields(response: Response, *fields: Pair) -> Response:
    """The response with those of these fields whose names it does not have."""
    present = {name.lower() for name, _ in response.headers}
    missing = tuple([pair for pair in fields if pair[0].lower() not in present])
    return with_headers(response, (*response.headers, *missing)) if missing else response


def without_fields(pairs: Pairs, *names: str) -> Pairs:
    """The fields but for those with these names, which are in lower case."""
    return tuple([pair for pair in pairs if pair[0].lower() not in names])


def with_vary(response: Response, *names: str) -> Response:
    """The response with these names among those in `Vary` (RFC 9110 section 12.5.5), each once; a
    `Vary` of `*` says more already.
    """
    values = [value for name, value in response.headers if name.lower() == "vary"]
    if not values and names:
        return with_headers(response, (*response.headers, ("Vary", ", ".join(names))))
    members = parse_list(", ".join(values))
    missing = [name for name in names if name.lower() not in members]
    if not missing or "*" in members:
        return response
    return with_fields(response, ("Vary", ", ".join([*values, *missing])))
