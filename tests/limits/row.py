"""A row of the table of limits, and what the probes of all its parts share.

Theory: a bound is a promise about two neighbours: up to here all is well, one further and something
is done about it. So a row names the field, the limits to serve under, what is tried (`probe`), the
two amounts, and what comes of each, in words. A probe is a function of limits and an amount that
tells what became of it, and judges nothing.

Rules: words are literal. An amount is counted in the unit of its field: bytes, seconds, pieces. A
connection's fate is the statuses it was told and `open`, or the name of the reason for which it
ended. It does not know any field.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from sigil import Limits, Request, Response
from sigil.testing import Connection

GRAIN_SECONDS = 0.0625
"""1/32 of the shortest of the default timeouts, which is 2 s: a deadline may be noticed so late."""
JUST_BEFORE_SECONDS = 0.01


class Row(NamedTuple):
    """What is tried with `at` and with `past`, and what becomes of each: `well` and `beyond`."""

    field: str
    limits: Limits
    probe: Callable[[Limits, Any], str]
    at: Any
    past: Any
    well: str
    beyond: str


def fine(request: Request) -> Response:
    """The simplest of programs."""
    return Response.text("fine")


def end_of(connection: Connection) -> str:
    """How a connection ended, its client having ended its side if the server has: `open` while it
    has not.
    """
    if connection.has_ended and not connection.is_closed:
        connection.half_close()
    return "open" if connection.reason is None else connection.reason.name


def fate(connection: Connection) -> str:
    """The statuses that came, and how the connection ended."""
    statuses = [str(answer.status) for answer in connection.answers()]
    return " ".join([*statuses, end_of(connection)])
