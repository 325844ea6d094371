"""The client in a browser: a relative address, Zstandard, a server that does not speak it, and one
that comes back.

Theory: a page that the server serves runs the client and reports by requests, so it is of the same
origin. The decoder is the one the scripts use, served from where its package is.

Rules: the test is skipped where there is no Chromium.  It does not know how the client does it.
"""

import json
from contextlib import ExitStack
from pathlib import Path
from queue import Queue
from typing import Any
from urllib.parse import unquote

from sigil import Limits, Request, Response
from tests.javascript.node import PATIENCE_S, modules
from tests.javascript.servers import HOST, MESSAGES, Program, as_printed, as_zstd, lifeless, serving
from tests.support.browser import browser_at
from tests.tools import needs

PAGE = """<!doctype html><title>stream</title><script type="module">
import { connect } from "/sigil-client.js"
import { decompress } from "/fzstd.js"
const print = value => fetch("/result?" + encodeURIComponent(JSON.stringify(value)))
const hex = bytes => Array.from(bytes, byte => byte.toString(16).padStart(2, "0")).join("")
const stream = connect("messages", { decompress, backoff: { firstMs: 10, maxMs: 100 } })
let printed = [], received = []
stream.on("open", ({ detail }) => printed.push(["open", detail]))
stream.on("close", ({ detail }) => printed.push(["close", detail.code]))
for await (const data of stream) {
  received.push(typeof data === "string" ? ["text", data] : ["bytes", hex(data)])
  if (data === "that is all") {
    print({ printed, received })
    printed = []
    received = []
  }
}
print({ printed, received })
</script>"""

LOSING_PAGE = """<!doctype html><title>nobody there</title><script type="module">
import { connect } from "/sigil-client.js"
const printed = []
for (const url of location.hash.slice(1).split(",")) {
  const backoff = { firstMs: 1, maxMs: 1 }
  const options = { resume: false, transports: ["websocket"] }
  const stream = connect(url, { handshakeMs: 200, silenceMs: 200, backoff, ...options })
  stream.on("open", () => printed.push("open"))
  stream.on("error", ({ detail }) => printed.push(detail.error.message))
  let count = 0
  stream.on("close", ({ detail }) => {
    printed.push(detail.code)
    if (++count === 2) stream.close()
  })
  await stream.closed
}
fetch("/result?" + encodeURIComponent(JSON.stringify(printed)))
</script>"""

CLOSING_PAGE = """<!doctype html><title>nobody answers</title><script type="module">
import { connect } from "/sigil-client.js"
const printed = []
for (const url of location.hash.slice(1).split(",")) {
  const stream = connect(url, { closeMs: 300, resume: false })
  for (const type of ["open", "error", "close"])
    stream.on(type, ({ detail }) => printed.push([type, detail.code ?? 0]))
  if (url.endsWith("?opens")) await new Promise(resolve => stream.on("open", resolve))
  const startMs = performance.now()
  stream.close()
  await stream.closed
  printed.push(performance.now() - startMs < 2000)
}
fetch("/result?" + encodeURIComponent(JSON.stringify(printed)))
</script>"""


class Told(Program):
    """The program, and what its page reports."""

    def __init__(self, page: str = PAGE) -> None:
        decoder = (modules() / "fzstd" / "esm" / "index.mjs").read_bytes()
        script = Response.bytes(decoder, headers={"Content-Type": "text/javascript"})
        super().__init__(page, {"/fzstd.js": script})
        self.results: Queue[Any] = Queue()

    def __call__(self, request: Request) -> Response:
        """The answer."""
        if request.path == "/result":
            self.results.put(json.loads(unquote(request.query)))
            return Response.text("received")
        return super().__call__(request)


@needs("chromium")
def test_a_browser_hears_all_and_comes_back_to_a_server_without_zstandard(tmp_path: Path) -> None:
    program = Told()
    with ExitStack() as browsers:
        with serving(program) as server:
            port = server.port
            browsers.enter_context(browser_at(tmp_path, f"http://{HOST}:{port}/page"))
            assert program.results.get(timeout=PATIENCE_S) == {
                "printed": [
                    [
                        "open",
                        {
                            "attempt": 1,
                            "protocol": "compress-zstd",
                            "isReconnect": False,
                            "transport": "websocket",
                        },
                    ]
                ],
                "received": [*map(as_zstd, MESSAGES)],
            }
        with serving(program, Limits(compress_websocket=False), port) as other:
            back = program.results.get(timeout=PATIENCE_S)
            attempt = back["printed"][-1][1]["attempt"]
            assert back == {
                "printed": [
                    ["close", 1001],
                    *[["close", 1006]] * (attempt - 1),
                    [
                        "open",
                        {
                            "attempt": attempt,
                            "protocol": "",
                            "isReconnect": True,
                            "transport": "websocket",
                        },
                    ],
                ],
                "received": [*map(as_printed, MESSAGES)],
            }
            for conn in other.clients():
                other.close(conn, 1008, "go away")
            assert program.results.get(timeout=PATIENCE_S) == {
                "printed": [["close", 1008]],
                "received": [],
            }


@needs("chromium")
def test_a_browser_gives_up_where_nobody_is_and_tries_again(tmp_path: Path) -> None:
    program = Told(LOSING_PAGE)
    with (
        serving(program) as server,
        lifeless(opens=False) as silent,
        lifeless(opens=True) as mute,
        browser_at(tmp_path, f"http://{HOST}:{server.port}/page#{silent},{mute}"),
    ):
        assert program.results.get(timeout=PATIENCE_S) == [
            *["the handshake was not answered in 200 ms", 1006] * 2,
            1000,
            *["open", "no message was received for 200 ms", 1006] * 2,
            1000,
        ]


@needs("chromium")
def test_a_browser_does_not_wait_for_who_does_not_answer_a_close(tmp_path: Path) -> None:
    program = Told(CLOSING_PAGE)
    with (
        serving(program) as server,
        lifeless(opens=False) as silent,
        lifeless(opens=True) as mute,
        browser_at(tmp_path, f"http://{HOST}:{server.port}/page#{silent},{mute}?opens"),
    ):
        assert program.results.get(timeout=PATIENCE_S) == [
            ["close", 1006],
            True,
            ["open", 0],
            ["close", 1006],
            True,
        ]
