"""The figures of a server as a handler: `metrics()`, to be mounted where they may be seen.

    routes.add("/metrics", metrics(), method="GET")

Theory: what is said is a function of the server's value (`core.views.metrics`). Here is what that
cannot have: the server itself, which the handler is given when it begins, two histograms of the
loop, and what the process takes.

Rules: opt-in, and nothing costs anything before. Who may see it is the program's to say: the
figures hold nothing that a client sent, but they tell how busy a server is, so they belong behind
`basic_auth`, or on an address that only the monitoring reaches. Prometheus text unless the
OpenMetrics format is preferred. Each worker process has figures of its own. It does not know where
it is mounted.
"""

from typing import Any

from ...core.http.request import Request
from ...core.http.response import Response
from ...core.views.metrics import OPEN_TYPE, TEXT_TYPE, Measured, metrics_text
from ..loop.timings import timings_of
from ..program.process_figures import process_figures

_ALLOWED = (("Allow", "GET, HEAD"),)
_NO_STORE = ("Cache-Control", "no-store")
NOT_BEGUN = "metrics() is not begun: mount it in Routes or chain, or give it the server"
"""Whoever calls it in a function of its own hides it from the server."""


class Metrics:
    """A handler that answers with the figures of its server."""

    __slots__ = ("_is_given", "_server")

    def __init__(self, server: Any = None) -> None:
        self._server, self._is_given = server, server is not None

    def startup(self, server: Any) -> None:
        """The server begins to serve: its figures are those that are shown, if none was given."""
        if not self._is_given:
            self._server = server
        timings_of(self._server)

    def __call__(self, request: Request) -> Response:
        """The response to a request for the figures."""
        if request.method not in ("GET", "HEAD"):
            return Response.error(405, headers=_ALLOWED)
        if self._server is None:
            return Response.error(503, NOT_BEGUN)
        from ... import __version__

        is_open = prefers_open(request.headers.get("accept", ""))
        text = metrics_text(self._server.state, measured(self._server), __version__, is_open)
        kind = OPEN_TYPE if is_open else TEXT_TYPE
        headers = (("Content-Type", kind), ("Vary", "Accept"), _NO_STORE)
        return Response.bytes(text.encode(), headers=headers)


def metrics(server: Any = None) -> Metrics:
    """A handler that answers GET with the figures of the server that it is mounted in, as
    Prometheus reads them: `routes.add("/metrics", metrics(), method="GET")`.

    With `server` it shows that one, wherever it is: on an address of its own, for example.
    TypeError for what is no server.
    """
    if server is not None and not hasattr(server, "state"):
        raise TypeError(f"metrics are those of an HttpServer, not of {type(server).__name__}")
    return Metrics(server)


def measured(server: Any) -> Measured:
    """What is measured of a server beside its value, from the first call on."""
    timings = timings_of(server)
    return Measured(
        timings.handlers.read(), timings.callbacks.read(), timings.lag.read(), process_figures()
    )


def prefers_open(accept: str) -> bool:
    """True if an Accept field prefers OpenMetrics to plain text."""
    open_q, text_q = 0.0, 0.0
    for part in accept.lower().split(","):
        media, *parameters = [word.strip() for word in part.split(";")]
        q = _quality(parameters)
        if media == "application/openmetrics-text":
            open_q = max(open_q, q)
        elif media in ("text/plain", "text/*", "*/*"):
            text_q = max(text_q, q)
    return open_q > 0.0 and open_q >= text_q


def _quality(parameters: list[str]) -> float:
    """The weight among the parameters of a media range; 1 without one, 0 for what is none."""
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0
