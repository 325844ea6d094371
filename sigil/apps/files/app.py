"""The program of `sigil files`: everything is a file of the folder, but for `/-/`.

Theory: who serves a folder wants to see what is asked of it. The figures are those of
`server.stats()`, published once a second on one topic, of which only the newest counts; the page is
an event stream of that topic, and says itself what is new in a second.

Rules: nothing is published while nobody looks. `/-/` and `/-/figures` are the program's: a folder
that is called `-` is not served. It does not know where files are.
"""

import json
import time
from collections.abc import Callable
from typing import Any

from sigil import HttpServer, Request, Response
from sigil.apps.page import page_response, read_page

PAGE_PATH, FIGURES_PATH, TOPIC = "/-/", "/-/figures", "figures"
INTERVAL_SECONDS = 1.0


class FolderSite:
    """A handler of a folder with the page of figures beside it; `files` is the folder's own."""

    def __init__(
        self,
        files: Callable[[Request], Any],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._files = files
        self._clock = clock
        self._due_at = 0.0
        self._page = page_response(read_page("files/figures.html"))

    def handle(self, request: Request) -> Any:
        """The response to any request."""
        if not request.path.startswith(PAGE_PATH):
            return self._files(request)
        if request.path == FIGURES_PATH:
            return Response.sse(topics=(TOPIC,))
        return self._page if request.path == PAGE_PATH else None

    def run_due(self, server: HttpServer) -> None:
        """Publish the figures, if it is time and somebody looks."""
        now = self._clock()
        if now < self._due_at or not server.running or not server.subscriber_count(TOPIC):
            return
        self._due_at = now + INTERVAL_SECONDS
        server.broadcast(figures_of(server), topic=TOPIC, latest=True)

    def seconds_until_due(self, server: HttpServer) -> float | None:
        """How long a tick may wait; None if nobody looks."""
        if not server.subscriber_count(TOPIC):
            return None
        return max(0.0, self._due_at - self._clock())


def figures_of(server: HttpServer) -> str:
    """The figures of a server as JSON."""
    stats = server.stats()
    figures = {
        "uptime": round(stats.uptime_seconds),
        "clients": stats.clients,
        "requests": stats.requests,
        "bytes_out": stats.bytes_out,
        "bytes_in": stats.bytes_in,
    }
    return json.dumps(figures)


def drive(server: HttpServer, site: FolderSite) -> None:
    """The loop of this program, until the server has stopped; SIGINT and SIGTERM stop it."""
    with server.stop_on_signals():
        while server.running:
            server.tick(timeout=site.seconds_until_due(server))
            if server.running:
                site.run_due(server)
