"""Nothing is lost, nothing comes twice, and what a page says of its connection is true: the client
in Chromium, behind a proxy that cuts, swallows, is gone, and lets no WebSockets through.

Theory: the page comes from the server itself and reports there, event by event, so what it says is
known also while nothing comes through the proxy. `open` is checked by a message that comes then.

Rules: every wait is bounded; skipped where there is no Chromium. It does not know how the client
does it.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from sigil import HttpServer, Limits
from tests.javascript.node import PATIENCE_S
from tests.javascript.servers import HOST, serving
from tests.javascript.silent_proxy import SilentProxy, silent_proxy
from tests.javascript.test_browser import Told
from tests.support.browser import browser_at
from tests.tools import needs

pytestmark = needs("chromium")

PAGE = """<!doctype html><title>live?</title><script type="module">
import { connect } from "/sigil-client.js"
let last = Promise.resolve()
const post = value => fetch("/result?" + encodeURIComponent(JSON.stringify(value)))
const print = value => last = last.then(() => post(value))
const [url, options] = JSON.parse(decodeURIComponent(location.hash.slice(1)))
const stream = connect(url, { backoff: { firstMs: 1, maxMs: 50 }, climbMs: 200, ...options })
stream.on("open", ({ detail }) => print(["open", detail.transport]))
stream.on("close", ({ detail }) => print(["close", detail.code]))
stream.on("gap", ({ detail }) => print(["gap", detail.missed]))
stream.on("message", ({ data }) => print(["message", data]))
</script>"""

LIMITS = Limits(
    ws_ping_interval=0.3,
    sse_keep_alive_interval=0.3,
    ws_pong_timeout=1_000.0,
    origins=("*",),
)
"""What is swallowed is noticed by the page after 600 ms, and not by the server."""


class Page:
    """What a page reports."""

    def __init__(self, program: Told, server: HttpServer) -> None:
        self._program, self._server = program, server
        self.published: list[str] = []
        self.received: list[str] = []
        self.events: list[list[Any]] = []

    def publish(self, count: int) -> None:
        """So many more messages."""
        for _ in range(count):
            self.published.append(f"message {len(self.published)}")
            self._server.broadcast(self.published[-1])

    def until(self, kind: str) -> Any:
        """What is beside the next event of this kind; messages are kept."""
        while True:
            event = self._program.results.get(timeout=PATIENCE_S)
            (self.received if event[0] == "message" else self.events).append(
                event[1] if event[0] == "message" else event
            )
            if event[0] == kind:
                return event[1]

    def has_everything(self) -> None:
        """All that was published has come once, and in order; nothing else has happened."""
        while len(self.received) < len(self.published):
            self.until("message")
        assert self.received == self.published
        assert "gap" not in [kind for kind, _ in self.events]


@contextmanager
def paged(
    folder: Path, proxy: SilentProxy, server: HttpServer, program: Told, **options: Any
) -> Iterator[Page]:
    """A browser with the page, whose stream comes through the proxy."""
    case = quote(json.dumps([f"ws://{HOST}:{proxy.port}/live", options]))
    with browser_at(folder, f"http://{HOST}:{server.port}/page#{case}"):
        yield Page(program, server)


@pytest.mark.parametrize("action", ["cut", "fall_silent", "is_gone", "stall"])
@pytest.mark.parametrize("transport", ["websocket", "sse", "poll"])
def test_a_page_has_the_sequence_whatever_becomes_of_its_connection(
    tmp_path: Path, transport: str, action: str
) -> None:
    program = Told(PAGE)
    with (
        serving(program, LIMITS) as server,
        silent_proxy(server.port) as proxy,
        paged(tmp_path, proxy, server, program, transports=[transport], handshakeMs=1_000) as page,
    ):
        assert page.until("open") == transport
        page.publish(3)
        if action == "stall":
            proxy.stall()
            page.publish(3)
            proxy.resume()
        elif action == "is_gone":
            proxy.is_gone = True
            page.publish(3)
            assert page.until("close") == 1006
            proxy.is_gone = False
            proxy.cut()
            assert page.until("open") == transport
        else:
            getattr(proxy, action)()
            page.publish(3)
            # A browser repeats a request by itself if a connection that it kept is reset.
            if (transport, action) != ("poll", "cut"):
                assert page.until("close") == 1006
                assert page.until("open") == transport
        page.publish(3)
        page.has_everything()


@pytest.mark.parametrize(
    ("troubles", "lower"),
    [
        (["refuses_upgrades"], "sse"),
        (["swallows_websockets"], "sse"),
        (["refuses_upgrades", "buffers"], "poll"),
    ],
)
def test_a_page_falls_back_and_comes_back_to_websockets(
    tmp_path: Path, troubles: list[str], lower: str
) -> None:
    program = Told(PAGE)
    with (
        serving(program, LIMITS) as server,
        silent_proxy(server.port) as proxy,
    ):
        for trouble in troubles:
            setattr(proxy, trouble, True)
        with paged(tmp_path, proxy, server, program, handshakeMs=400) as page:
            assert page.until("open") == lower
            page.publish(5)
            page.until("message")
            for trouble in troubles:
                setattr(proxy, trouble, False)
            page.publish(5)
            steps = [page.until("open")]
            while steps[-1] != "websocket":
                steps.append(page.until("open"))
            page.publish(5)
            page.has_everything()
        assert page.events == [
            *[["close", 1006]] * (2 if lower == "sse" else 4),
            ["open", lower],
            *(["open", transport] for transport in steps),
        ]
        assert steps in (["websocket"], ["sse", "websocket"])
