"""A page over a connection that has died without a word: it does not go on saying that it is live.

Theory: a proxy swallows all bytes and tells no end, so only the absence of heartbeats shows what
has happened. The server is left out of it: its own pings would end its side, which nobody is told.
"""

from pathlib import Path

from sigil import Limits
from tests.javascript.node import PATIENCE_S
from tests.javascript.servers import HOST, serving
from tests.javascript.silent_proxy import silent_proxy
from tests.javascript.test_browser import Told
from tests.support.browser import browser_at
from tests.tools import needs

PAGE = """<!doctype html><title>live?</title><script type="module">
import { connect } from "/sigil-client.js"
const print = value => fetch("/result?" + encodeURIComponent(JSON.stringify(value)))
const stream = connect(location.hash.slice(1), { backoff: { firstMs: 1, maxMs: 10 } })
stream.on("message", ({ data }) => print(["message", data]))
stream.on("open", ({ detail }) => print(["open", detail.isReconnect]))
stream.on("error", ({ detail }) => print(["error", detail.error.message]))
stream.on("close", ({ detail }) => print(["close", detail.code, detail.willRetry]))
</script>"""


@needs("chromium")
def test_a_page_over_a_dead_connection_gives_up_and_comes_back(tmp_path: Path) -> None:
    program = Told(PAGE)
    limits = Limits(ws_ping_interval=1.0, ws_pong_timeout=1_000.0, origins=("*",))
    with (
        serving(program, limits) as server,
        silent_proxy(server.port) as proxy,
        browser_at(
            tmp_path, f"http://{HOST}:{server.port}/page#ws://{HOST}:{proxy.port}/subscribed"
        ),
    ):
        assert program.results.get(timeout=PATIENCE_S) == ["open", False]
        server.broadcast("hello")
        assert program.results.get(timeout=PATIENCE_S) == ["message", "hello"]
        proxy.fall_silent()
        told = [program.results.get(timeout=PATIENCE_S) for _ in range(3)]
        assert sorted(told) == [
            ["close", 1006, True],
            ["error", "no message was received for 2000 ms"],
            ["open", True],
        ]
        server.broadcast("and again")
        assert program.results.get(timeout=PATIENCE_S) == ["message", "and again"]
