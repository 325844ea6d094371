"""Redirects in a browser: a location that begins with a slash leads to this host, whatever else is
in it.

Theory: browsers take two slashes for the beginning of a host, a backslash for a slash, and leave
out tabs and line ends, so what a path becomes is theirs to say. The usual program that sends
everybody from `/x` to `/x/` would send them to whoever made the link.

Rules: another host would not be reached here, so a redirect that leads there is seen as a failure.
"""

import json
from pathlib import Path
from queue import Queue
from typing import Any
from urllib.parse import unquote

import pytest

from sigil import Request, Response
from tests.javascript.node import PATIENCE_S
from tests.javascript.servers import HOST, Program, serving
from tests.support.browser import browser_at
from tests.tools import needs

PATHS = (
    "//evil.test/x",
    "///evil.test/x",
    "////evil.test",
    "/\\evil.test",
    "\\\\evil.test",
    "/%5Cevil.test",
    "/%5c%5Cevil.test",
    "//%5Cevil.test",
    "/%2Fevil.test",
    "/%2f%2Fevil.test",
    "/%09/evil.test",
    "/%0A/evil.test",
    "/%0D%0A/evil.test",
    "/%20/evil.test",
    "/%00/evil.test",
    "/.//evil.test",
    "/x/..//evil.test",
    "/%2e//evil.test",
    "/%2E%2E//evil.test",
    "//evil.test@evil.test:80/x",
    "//user@evil.test",
    "//[::1]/evil",
    "//%65vil.test",
    "/;//evil.test",
    "/%E3%80%82/evil.test",
    "/%C2%A0/evil.test",
    "/%EF%BC%8Fevil.test",
)
"""What a link to this host may have behind it; the program sends from each to the same with a slash
behind it.
"""
LOCATIONS = (
    *map(unquote, PATHS),
    "/\t/evil.test",
    "/\t\\evil.test",
    "/\r\n/evil.test",
    "\t//evil.test",
    " //evil.test",
    "\0//evil.test",
    "\\/evil.test",
    "/\n\t\r\\\t/evil.test",
)
"""What a program may redirect to, and that seems to be a path."""

PAGE = """<!doctype html><title>redirects</title><script type="module">
const results = {}
for (const target of TARGETS) {
  try {
    const response = await fetch(location.origin + target)
    results[target] = [response.redirected, new URL(response.url).host === location.host]
  } catch (error) {
    results[target] = [String(error)]
  }
}
fetch("/result", { method: "POST", body: JSON.stringify(results) })
</script>"""


class Redirecting(Program):
    """A program that redirects to what it is asked for with a slash behind it, or to one of the
    locations, and is told what became of it.
    """

    def __init__(self, targets: list[str]) -> None:
        super().__init__(PAGE.replace("TARGETS", json.dumps(targets)))
        self.results: Queue[Any] = Queue()

    def __call__(self, request: Request) -> Response:
        """The answer."""
        if request.path == "/result":
            self.results.put(request.json())
            return Response.text("received")
        if request.path == "/page":
            return super().__call__(request)
        if request.path == "/location":
            return Response.redirect(LOCATIONS[int(request.query)])
        if "evil" in request.path and not request.path.endswith("/"):
            return Response.redirect(request.path + "/")
        return Response.text("here")


@needs("chromium")
@pytest.mark.parametrize("kind", ["path", "location"])
def test_a_browser_stays_on_this_host(tmp_path: Path, kind: str) -> None:
    targets = [*PATHS] if kind == "path" else [f"/location?{n}" for n in range(len(LOCATIONS))]
    program = Redirecting(targets)
    with (
        serving(program) as server,
        browser_at(tmp_path, f"http://{HOST}:{server.port}/page"),
    ):
        results = program.results.get(timeout=PATIENCE_S)
    assert results == {target: [True, True] for target in targets}
