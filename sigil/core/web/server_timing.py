"""How long parts of the work on a response took, for the developer tools of a browser (W3C Server
Timing).

Theory: `Server-Timing` is a list of metrics, each a name, perhaps a duration in milliseconds and a
description. A handler that has measured something adds its own; they stand beside ours.

Rules: a metric that could not be sent is refused when it is made. Browsers show pages of other
origins none of it, unless `Timing-Allow-Origin` says so. It does not know clocks.
"""

from math import isfinite

from ..http.response import Response, with_headers
from ..http.tokens import TOKEN
from ..http.validate import safe_repr

_US_PER_S = 1_000_000


def timing_metric(name: str, seconds: float | None = None, description: str = "") -> str:
    """One metric as `Server-Timing` has it; ValueError for a name that is no token, for a duration
    that is none, and for a description that is not ASCII.

    `timing_metric("db", 0.0123, "rows read") == 'db;dur=12.3;desc="rows read"'`
    """
    problem = check_metric_name(name)
    if problem is not None:
        raise ValueError(problem)
    text = name
    if seconds is not None:
        if not isfinite(seconds) or seconds < 0:
            raise ValueError(f"a duration is a number of seconds, not {safe_repr(seconds)}")
        text += f";dur={round(seconds * _US_PER_S) / 1_000:g}"
    if not description:
        return text
    if not description.isascii() or not description.isprintable():
        raise ValueError(f"a description is printable ASCII, not {safe_repr(description)}")
    quoted = description.replace("\\", "\\\\").replace('"', '\\"')
    return f'{text};desc="{quoted}"'


def check_metric_name(name: object) -> str | None:
    """None for the name of a metric, or a sentence."""
    if isinstance(name, str) and TOKEN.fullmatch(name) is not None:
        return None
    return f"the name of a metric is a token, such as 'db', not {safe_repr(name)}"


def with_timing(response: Response, metric: str) -> Response:
    """The response with one metric more."""
    return with_headers(response, (*response.headers, ("Server-Timing", metric)))
