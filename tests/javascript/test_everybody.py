"""All clients in one run: four kinds, in every encoding, receive what one program publishes.

Theory: the program publishes everything once, and what is received must not depend on the client
or its encoding. Node's `ws` and `fetch`, the libraries `websockets` and `aiohttp`, and a browser
subscribe at the same time: plain, in deflate with large and small windows, in Zstandard, and as
server-sent events. Each reports what it received as kind, length and a sum over the bytes; the
sequences must be one.

Rules: binary messages are never UTF-8, because nothing else distinguishes them from texts in
Zstandard; event streams do not have them. A browser offers deflate whenever it may, so it receives
plain frames from a second server, without deflate. It does not know how anybody decodes.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from zstandard import ZstdDecompressor

from sigil import HttpServer, Limits, Request, Response, SendStatus, make_http_server
from sigil.browser.client_module import client_module
from tests.javascript.node import PATIENCE_S, modules, running
from tests.javascript.servers import HOST
from tests.support.browser import browser_at
from tests.tools import needs

END = "that is all"
SEED = 17
IN_PYTHON, IN_NODE, IN_BROWSER = 12, 5, 3

PAGE = """<!doctype html><title>everybody</title><script type="module">
import { connect } from "/sigil-client.js"
import { decompress } from "/fzstd.js"
const brief = data => {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : new Uint8Array(data)
  return `${typeof data === "string" ? "text" : "bytes"} ${bytes.length} ` +
    bytes.reduce((sum, byte) => (Math.imul(sum, 31) + byte) >>> 0, 7)
}
const report = (name, received) =>
  fetch("/subscribed", { method: "POST", body: JSON.stringify([name, received]) })
const receive = (name, source, stop) => {
  const received = []
  source.onmessage = ({ data }) => {
    received.push(brief(data))
    if (data === "that is all") { report(name, received); stop() }
  }
}
const plain = new URLSearchParams(location.search).get("plain")
const deflate = `ws://${location.host}/all`
for (const [name, url] of [["browser, deflate", deflate], ["browser, plain", plain]]) {
  const socket = new WebSocket(url)
  socket.binaryType = "arraybuffer"
  receive(name, socket, () => socket.close())
}
const source = new EventSource("/all")
receive("browser, events", source, () => source.close())
const stream = connect("/all", { decompress })
const zstandard = { set onmessage(listener) { stream.on("message", listener) } }
receive("browser, Zstandard", zstandard, () => stream.close())
</script>"""


def sequence(dice: random.Random) -> list[str | bytes]:
    """What is published: texts of all sizes and alphabets, with line ends in some, and
    binary messages.
    """
    published: list[str | bytes] = []
    for number in range(150):
        length = dice.choice((0, 1, 20, 199, 201, 900, 5_000, 70_000 if number % 50 == 0 else 3))
        alphabet = dice.choice(("ab", "0123456789 ,:{}", "é☕\U0001f600x", "ab\n"))
        published.append(f"{number} " + "".join(dice.choices(alphabet, k=length)))
        if number % 7 == 0:
            published.append(b"\xff" + dice.randbytes(dice.choice((1, 300, 5_000))))
    return [*published, END]


def brief(data: str | bytes) -> str:
    """A message as all clients report it."""
    kind, content = ("text", data.encode()) if isinstance(data, str) else ("bytes", data)
    total = 7
    for byte in content:
        total = (total * 31 + byte) & 0xFFFFFFFF
    return f"{kind} {len(content)} {total}"


def unsqueezed(data: str | bytes) -> str | bytes:
    """A message of a client that receives Zstandard."""
    if isinstance(data, str):
        return data
    message = ZstdDecompressor().decompress(data)
    return message if message[:1] == b"\xff" else message.decode()


# -- who listens -----------------------------------------------------------------------------------


def with_websockets(**options: Any) -> Callable[[str], Awaitable[list[str | bytes]]]:
    """A client of the library `websockets`."""

    async def receive(address: str) -> list[str | bytes]:
        received: list[str | bytes] = []
        async with connect(f"ws://{address}/all", max_size=None, **options) as socket:
            async for data in socket:
                received.append(unsqueezed(data) if socket.subprotocol else data)
                if received[-1] == END:
                    break
        return received

    return receive


def with_aiohttp(**options: Any) -> Callable[[str], Awaitable[list[str | bytes]]]:
    """A client of the library `aiohttp`."""

    async def receive(address: str) -> list[str | bytes]:
        received: list[str | bytes] = []
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"ws://{address}/all", max_msg_size=0, **options) as socket,
        ):
            async for message in socket:
                received.append(unsqueezed(message.data) if socket.protocol else message.data)
                if received[-1] == END:
                    break
        return received

    return receive


async def with_events(address: str) -> list[str | bytes]:
    """A client of the library `aiohttp` that reads the lines of an event stream."""
    received: list[str | bytes] = []
    async with (
        aiohttp.ClientSession(read_bufsize=2**20) as session,
        session.get(f"http://{address}/all") as response,
    ):
        lines: list[str] = []
        async for line in response.content:
            if line.startswith(b"data: "):
                lines.append(line[6:-1].decode())
            elif line == b"\n" and lines:
                received.append("\n".join(lines))
                lines = []
                if received[-1] == END:
                    break
    return received


CLIENTS = {
    "websockets plain": with_websockets(compression=None),
    "websockets deflate": with_websockets(),
    **{
        f"websockets deflate {bits}": with_websockets(
            compression=None,
            extensions=[ClientPerMessageDeflateFactory(server_max_window_bits=bits)],
        )
        for bits in (9, 10, 12, 14)
    },
    "websockets Zstandard": with_websockets(subprotocols=["compress-zstd"]),
    "aiohttp plain": with_aiohttp(),
    "aiohttp deflate": with_aiohttp(compress=15),
    "aiohttp deflate 11": with_aiohttp(compress=11),
    "aiohttp Zstandard": with_aiohttp(protocols=["compress-zstd"]),
    "aiohttp events": with_events,
}
assert len(CLIENTS) == IN_PYTHON


class App:
    """The stream at /all, and a page that receives it in a browser."""

    def __init__(self) -> None:
        self.received: Queue[list[Any]] = Queue()
        decoder = (modules() / "fzstd" / "esm" / "index.mjs").read_bytes()
        self._pages = {
            "/": Response.html(PAGE),
            "/sigil-client.js": client_module(),
            "/fzstd.js": Response.bytes(decoder, headers={"Content-Type": "text/javascript"}),
        }

    def __call__(self, request: Request) -> Response:
        """The answer."""
        if request.path == "/all":
            return Response.upgrade() if request.is_upgrade else Response.sse()
        if request.path == "/subscribed":
            self.received.put(json.loads(request.body))
            return Response.text("")
        return self._pages.get(request.path, Response.error(404))


@contextmanager
def saying(app: App, limits: Limits) -> Iterator[HttpServer]:
    """A server in a thread of its own."""
    server = make_http_server(app, host=HOST, port=0, limits=limits)
    with server.serve_in_thread():
        yield server


def publish_all(servers: list[HttpServer], published: list[str | bytes]) -> None:
    """Say everything to all."""
    for data in published:
        for server in servers:
            assert server.broadcast(data) is SendStatus.SUCCESS


async def hear_in_python(
    address: str, is_everybody_there: Callable[[], bool], publish: Callable[[], None]
) -> list[Any]:
    """What the clients in Python receive, of what is published once everybody is there."""
    tasks = [asyncio.ensure_future(receive(address)) for receive in CLIENTS.values()]
    async with asyncio.timeout(3 * PATIENCE_S):
        while not is_everybody_there():
            assert not any(task.done() for task in tasks), [task for task in tasks if task.done()]
            await asyncio.sleep(0)
        await asyncio.to_thread(publish)
        return await asyncio.gather(*tasks)


@pytest.mark.parametrize(
    "browsers",
    [
        pytest.param(0, id="without a browser"),
        pytest.param(1, id="with a browser", marks=needs("chromium")),
    ],
)
def test_everybody_hears_the_same_sequence(tmp_path: Path, browsers: int) -> None:
    published, app = sequence(random.Random(SEED)), App()
    encodings: set[tuple[str, int]] = set()

    def print() -> None:
        encodings.update(
            (encoding.name, count) for encoding, count in server.state.broadcast.encoding_counts
        )
        publish_all([server, plain], published)

    (tmp_path / "node").mkdir()
    with ExitStack() as opened:
        server = opened.enter_context(saying(app, Limits()))
        plain = opened.enter_context(saying(app, Limits(permessage_deflate=False, origins=("*",))))
        address = f"{HOST}:{server.port}"
        script = opened.enter_context(
            running(
                tmp_path / "node",
                f"ws://{address}/all",
                f"http://{address}/all",
                script="everybody.mjs",
            )
        )
        count = IN_PYTHON + IN_NODE
        if browsers:
            opened.enter_context(
                browser_at(
                    tmp_path / "browser", f"http://{address}/?plain=ws://{HOST}:{plain.port}/all"
                )
            )
            count += IN_BROWSER
        in_python = asyncio.run(
            hear_in_python(
                address,
                lambda: (
                    (server.state.load.websockets, plain.state.load.websockets) == (count, browsers)
                ),
                print,
            )
        )
        received = dict(
            zip(CLIENTS, [list(map(brief, messages)) for messages in in_python], strict=True)
        )
        received |= dict(script.rest())
        while len(received) < count + browsers:
            name, messages = app.received.get(timeout=PATIENCE_S)
            received[name] = messages
        assert server.stats().closed.get("WS_CLIENT_TOO_SLOW") is None
    assert encodings == {
        ("SSE", 2 + browsers),
        ("ZSTD", 3 + browsers),
        ("DEFLATE_15", 3 + browsers),
        ("DEFLATE_9", 2),
        ("DEFLATE_10", 1),
        ("DEFLATE_11", 1),
        ("DEFLATE_12", 1),
        ("DEFLATE_14", 1),
    }
    expected = list(map(brief, published))
    texts = [message for message in expected if message.startswith("text")]
    for name, messages in received.items():
        assert messages == (texts if "events" in name else expected), name
