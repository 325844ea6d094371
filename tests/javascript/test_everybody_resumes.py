"""All clients in one run lose their connections twice, amid what is published, and go on where they
were: over WebSockets, event streams and long-polls, each receives the whole sequence once.

Theory: a position is the same on every transport, so what a client has to do is the same for all:
come back with the last one that it was told. The program closes everybody, publishes, and goes on
when all are back, so that nobody can have received what comes then by having been there all along.

Rules: binary messages are never UTF-8; event streams do not have them. It does not know how anybody
decodes.
"""

import asyncio
import json
import re
from base64 import b64decode
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from sigil import HttpServer, Limits, Request, Response, SendStatus, make_http_server
from sigil.browser.client_module import client_module
from tests.javascript.node import PATIENCE_S, modules, running
from tests.javascript.servers import HOST
from tests.javascript.test_everybody import unsqueezed
from tests.support.browser import browser_at
from tests.tools import needs

END = "that is all"
BREAKS = 2
CONTROL = re.compile(r"\0(position|next|gap):(.*)", re.DOTALL)

PAGE = """<!doctype html><title>everybody comes back</title><script type="module">
import { connect } from "/sigil-client.js"
import { decompress } from "/fzstd.js"
const END = "that is all"
const hex = bytes => Array.from(bytes, byte => byte.toString(16).padStart(2, "0")).join("")
const brief = data => typeof data === "string" ? `text ${data}` : `bytes ${hex(data)}`
let last = Promise.resolve()
const post = body => fetch("/told", { method: "POST", body: JSON.stringify(body) })
const print = value => last = last.then(() => post(value))
const source = new EventSource("/all"), received = []
source.onopen = () => print(["browser, EventSource", "here"])
source.addEventListener("gap", () => print(["browser, EventSource", "gap"]))
source.onmessage = ({ data }) => {
  received.push(brief(data))
  if (data === END) { print(["browser, EventSource", received]); source.close() }
}
const WAYS = [["websocket", {}], ["websocket", { decompress }], ["sse", {}], ["poll", {}]]
for (const [transport, options] of WAYS) {
  const name = `browser, sigil-client, ${transport}${options.decompress ? ", Zstandard" : ""}`
  const backoff = { firstMs: 5, maxMs: 20 }
  const stream = connect("/all", { transports: [transport], backoff, ...options })
  const received = []
  stream.on("open", () => print([name, "here"]))
  stream.on("gap", () => print([name, "gap"]))
  stream.on("message", ({ data }) => {
    received.push(brief(data))
    if (data === END) { print([name, received]); stream.close() }
  })
}
</script>"""
IN_NODE = (
    "ws plain",
    "ws deflate",
    "fetch in node, events",
    "sigil-client in node, Zstandard",
    "sigil-client in node, events",
    "sigil-client in node, long-polls",
)
IN_BROWSER = (
    "browser, EventSource",
    "browser, sigil-client, websocket",
    "browser, sigil-client, websocket, Zstandard",
    "browser, sigil-client, sse",
    "browser, sigil-client, poll",
)


def brief(data: str | bytes) -> str:
    """A message as all clients report it."""
    return f"text {data}" if isinstance(data, str) else f"bytes {data.hex()}"


def live(request: Request) -> Response:
    """The stream, over what is asked for."""
    after = request.args.get("after")
    if request.is_upgrade:
        return Response.upgrade()
    if request.headers.get("accept") == "application/x-ndjson":
        return Response.poll(after=after)
    return Response.sse(after=after, retry_ms=9)


class App:
    """The stream at /all over every transport, and what clients in node and a browser report."""

    def __init__(self) -> None:
        self.told: Queue[list[Any]] = Queue()
        decoder = (modules() / "fzstd" / "esm" / "index.mjs").read_bytes()
        self._pages = {
            "/": Response.html(PAGE),
            "/sigil-client.js": client_module(),
            "/fzstd.js": Response.bytes(decoder, headers={"Content-Type": "text/javascript"}),
        }

    def __call__(self, request: Request) -> Response:
        """The answer."""
        if request.path == "/all":
            return live(request)
        if request.path == "/told":
            self.told.put(json.loads(request.body))
            return Response.text("")
        return self._pages.get(request.path, Response.error(404))


Told = Callable[[list[Any]], None]


async def with_websockets(address: str, name: str, told: Told, **options: Any) -> None:
    """A client of the library `websockets`."""
    received: list[str] = []
    after, following = "", ""
    while received[-1:] != [brief(END)]:
        async with connect(f"ws://{address}/all?after={after}", max_size=None, **options) as socket:
            try:
                async for data in socket:
                    control = CONTROL.fullmatch(data) if isinstance(data, str) else None
                    if control is None:
                        received.append(brief(unsqueezed(data) if socket.subprotocol else data))
                        after = following
                        if data == END:
                            break
                    elif control[1] == "next":
                        following = control[2]
                    else:
                        after = control[2]
                        told([name, "here" if control[1] == "position" else "gap"])
            except ConnectionClosed:
                pass
    told([name, received])


async def with_aiohttp(address: str, name: str, told: Told, **options: Any) -> None:
    """A client of the library `aiohttp`."""
    received: list[str] = []
    after, following = "", ""
    async with aiohttp.ClientSession() as session:
        while received[-1:] != [brief(END)]:
            where = f"http://{address}/all?after={after}"
            async with session.ws_connect(where, max_msg_size=0, **options) as socket:
                async for message in socket:
                    data = message.data
                    control = CONTROL.fullmatch(data) if isinstance(data, str) else None
                    if control is None:
                        received.append(brief(unsqueezed(data) if socket.protocol else data))
                        after = following
                        if data == END:
                            break
                    elif control[1] == "next":
                        following = control[2]
                    else:
                        after = control[2]
                        told([name, "here" if control[1] == "position" else "gap"])
    told([name, received])


async def with_polls(address: str, name: str, told: Told) -> None:
    """A client of the library `aiohttp` that asks again and again."""
    received: list[str] = []
    after = ""
    async with aiohttp.ClientSession(headers={"Accept": "application/x-ndjson"}) as session:
        while received[-1:] != [brief(END)]:
            try:
                async with session.get(f"http://{address}/all?after={after}") as response:
                    lines = [json.loads(line) for line in (await response.text()).splitlines()]
            except aiohttp.ClientError:
                continue  # the connection was closed, perhaps before it was read
            for line in lines:
                if "gap" in line:
                    told([name, "gap"])
                if "text" in line or "base64" in line:
                    data = line.get("text", b64decode(line.get("base64", "")))
                    received.append(brief(data))
                if not after:
                    told([name, "here"])
                after = line["position"]
    told([name, received])


IN_PYTHON: dict[str, Callable[[str, str, Told], Awaitable[None]]] = {
    "websockets plain": lambda *given: with_websockets(*given, compression=None),
    "websockets deflate": lambda *given: with_websockets(*given),
    "websockets Zstandard": lambda *given: with_websockets(*given, subprotocols=["compress-zstd"]),
    "aiohttp plain": lambda *given: with_aiohttp(*given),
    "aiohttp deflate": lambda *given: with_aiohttp(*given, compress=15),
    "aiohttp long-polls": with_polls,
}


class Run:
    """One run: what was published, and what each client has reported."""

    def __init__(self, server: HttpServer, app: App, names: list[str]) -> None:
        self._server, self._app, self._names = server, app, names
        self.published: list[str | bytes] = []
        self.received: dict[str, list[str]] = {}

    def publish(self, count: int) -> None:
        """Texts of some lengths, and now and then bytes."""
        for _ in range(count):
            number = len(self.published)
            self.say(f"{number} {'x' * (number % 7 * 100)}")
            if number % 5 == 0:
                self.say(b"\xff" + bytes((number % 256,)) * 300)

    def say(self, data: str | bytes) -> None:
        """One message."""
        self.published.append(data)
        assert self._server.broadcast(data) is SendStatus.SUCCESS

    def until_here(self, *, again: bool = False) -> None:
        """All are connected; or again, but for who only asks again, which is nothing to be told."""
        left = {name for name in self._names if not (again and "poll" in name)}
        while left:
            left.discard(self._next("here", left))

    def until_received(self) -> None:
        """All have received everything."""
        while left := set(self._names) - set(self.received):
            self._next("", left)

    def _next(self, what: str, awaited: set[str]) -> str:
        """Who has reported this; or nobody, if it was something else."""
        try:
            name, value = self._app.told.get(timeout=PATIENCE_S)
        except Empty:
            raise AssertionError(f"nothing comes from {sorted(awaited)}") from None
        assert value == "here" or isinstance(value, list), f"{name}: {value}"
        if isinstance(value, list):
            self.received[name] = value
        return str(name) if value == what else ""

    def break_all(self) -> None:
        """Everybody is closed, amid messages."""
        self.publish(10)
        for conn in self._server.clients():
            self._server.close(conn, 1012)
        self.publish(10)


async def in_python(address: str, told: Told) -> None:
    """All clients in Python, until each has everything; one that fails reports it."""

    async def reporting(name: str) -> None:
        try:
            await IN_PYTHON[name](address, name, told)
        except Exception as error:
            told([name, f"failed: {error!r}"])
            raise

    await asyncio.gather(*map(reporting, IN_PYTHON))


@pytest.mark.parametrize(
    "browsers",
    [
        pytest.param(0, id="without a browser"),
        pytest.param(1, id="with a browser", marks=needs("chromium")),
    ],
)
def test_everybody_comes_back_to_the_same_sequence(tmp_path: Path, browsers: int) -> None:
    app = App()
    (tmp_path / "node").mkdir()
    server = make_http_server(app, host=HOST, port=0, limits=Limits())
    with ExitStack() as opened:
        opened.enter_context(server.serve_in_thread())
        address = f"{HOST}:{server.port}"
        script = opened.enter_context(
            running(tmp_path / "node", f"ws://{address}/all", script="everybody_resumes.mjs")
        )
        opened.enter_context(script.telling(app.told.put))
        if browsers:
            opened.enter_context(browser_at(tmp_path / "browser", f"http://{address}/"))
        names = [*IN_PYTHON, *IN_NODE, *IN_BROWSER * browsers]
        run = Run(server, app, names)

        async def everything() -> None:
            clients = asyncio.ensure_future(in_python(address, app.told.put))
            await asyncio.to_thread(run.until_here)
            for _ in range(BREAKS):
                await asyncio.to_thread(run.break_all)
                await asyncio.to_thread(run.until_here, again=True)
            run.publish(10)
            run.say(END)
            await asyncio.to_thread(run.until_received)
            await clients

        asyncio.run(everything())
    expected = list(map(brief, run.published))
    texts = [message for message in expected if message.startswith("text")]
    assert sorted(run.received) == sorted(names)
    for name, received in run.received.items():
        has_texts_only = "events" in name or "EventSource" in name or "sse" in name
        assert received == (texts if has_texts_only else expected), name
