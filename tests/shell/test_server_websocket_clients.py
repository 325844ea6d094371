"""Real clients of others talk to an echoing server: text, binary, 1 MiB, fragments, a ping, and a
close with its code.

Theory: each client exchanges the same things, one after the other, and says `ok` at the end;
whatever it misses is its error. `websockets` runs in this process; the others are programs of their
own, and their test is skipped where they cannot be had: Node's `ws`, `aiohttp` (for the Python in
AIOHTTP_PYTHON, or this one), Chromium. A browser is led by a page that the server serves, so it is
of the same origin, and reports by a request.

Rules: everything is on 127.0.0.1 and ends by itself.  It does not know frames: the clients do.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from urllib.parse import unquote

import pytest
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from sigil import CloseReason, Conn, HttpServer, Request, Response
from tests.javascript.node import modules, need_node
from tests.support.browser import browser_at
from tests.support.servers import HOST, MIB, PATIENCE, in_thread, make
from tests.support.websocket_client import CallbackLog
from tests.tools import needs

LIFE_S = 60


def deed(server: HttpServer, conn: Conn, data: str | bytes) -> None:
    """Say back what came, or close if that is what is asked for."""
    if data == "close me":
        server.close(conn, 4001, "as you wish")
    else:
        server.send(conn, data)


PAGE = """<!doctype html><title>talk</title><script>
const say = words => fetch("/said?" + encodeURIComponent(words))
const large = new Uint8Array(1 << 20).map((_, index) => index % 251)
const first = new WebSocket(`ws://${location.host}/chat`, ["soap", "wamp"])
first.binaryType = "arraybuffer"
const things = ["gr\\u00fc\\u00df \\u20ac \\u{1f600}", large, ""]
first.onopen = () => first.send(things[0])
const got = []
first.onmessage = event => {
  got.push(event.data)
  if (got.length == 3) first.close(4321, "enough")
  else first.send(things[got.length])
}
first.onclose = event => {
  const view = new Uint8Array(got[1])
  if (got[0] != "gr\\u00fc\\u00df \\u20ac \\u{1f600}" || got[2] !== ""
      || view.length != large.length
      || !view.every((byte, index) => byte == large[index])) return say("wrong echo")
  if (!event.wasClean || event.code != 4321 || first.protocol != "wamp")
    return say(`wrong close ${event.code}`)
  const second = new WebSocket(`ws://${location.host}/chat`, "wamp")
  second.onopen = () => second.send("close me")
  second.onclose = event => say(
    event.wasClean && event.code == 4001 && event.reason == "as you wish" ? "ok"
                                : `wrong close ${event.code} ${event.reason}`)
}
</script>"""


class App:
    """The WebSocket at /chat, a page that uses it at /, and what the page says of it at /said."""

    def __init__(self) -> None:
        self.said: Queue[str] = Queue()

    def __call__(self, request: Request) -> Response:
        """The answer."""
        if request.path == "/said":
            self.said.put(unquote(request.query))
        if request.path != "/chat":
            return Response.html(PAGE)
        offered = request.headers.get("sec-websocket-protocol", "")
        return Response.upgrade("wamp" if "wamp" in offered else None)


@contextmanager
def echoing(app: App | None = None) -> Iterator[tuple[HttpServer, CallbackLog]]:
    """A server in a thread, and what its program is told."""
    diary = CallbackLog(ws_message=deed)
    with in_thread(make(app or App(), callbacks=diary.callbacks)) as server:
        yield server, diary
    diary.assert_balanced()


def assert_told(diary: CallbackLog) -> None:
    """Both ways to end were seen: by the client with 4321, by the program with 4001."""
    assert diary.endings == [(CloseReason.WS_PEER_CLOSED, 4321), (CloseReason.OK, 4001)]


def run(command: list[str], environment: dict[str, str] | None = None) -> str:
    """What a program says, which must end well and in time."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=LIFE_S,
        check=False,
        env=os.environ | (environment or {}),
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


# -- websockets ------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_websockets_from_a_thread(compression: str | None) -> None:
    with echoing() as (server, diary):
        where = f"ws://{HOST}:{server.port}/chat"
        with connect(
            where, max_size=None, compression=compression, subprotocols=["soap", "wamp"]
        ) as client:  # type: ignore[list-item]
            assert client.subprotocol == "wamp"
            for message in ("gr\u00fc\u00df", "", b"\x00\xff", b"x" * MIB, "y" * MIB):
                client.send(message)
                assert client.recv(PATIENCE) == message
            client.send(["fr", "ag", "", "ments"])
            assert client.recv(PATIENCE) == "fragments"
            assert client.ping(b"there?").wait(PATIENCE)
            client.close(4321, "enough")
            assert (client.close_code, client.close_reason) == (4321, "")
        with connect(where, compression=compression) as client:
            client.send("close me")
            with pytest.raises(ConnectionClosed):
                client.recv(PATIENCE)
            assert (client.close_code, client.close_reason) == (4001, "as you wish")
    assert_told(diary)


def test_websockets_inside_asyncio() -> None:
    async def main(where: str) -> None:
        async with connect_async(where, max_size=None) as client:

            async def pieces() -> object:
                for piece in (b"fr", b"ag", b"ments"):
                    yield piece

            for message in ("gr\u00fc\u00df", b"x" * MIB):
                await client.send(message)
                assert await client.recv() == message
            await client.send(pieces())  # type: ignore[arg-type]  # it is an asynchronous iterable
            assert await client.recv() == b"fragments"
            await asyncio.wait_for(await client.ping(), PATIENCE)
            await client.close(4321, "enough")
            assert client.close_code == 4321
        async with connect_async(where) as client:
            await client.send("close me")
            with pytest.raises(ConnectionClosed):
                await client.recv()
            assert (client.close_code, client.close_reason) == (4001, "as you wish")

    with echoing() as (server, diary):
        asyncio.run(asyncio.wait_for(main(f"ws://{HOST}:{server.port}/chat"), LIFE_S))
    assert_told(diary)


# -- programs of their own -------------------------------------------------------------------------

AIOHTTP = """
import asyncio, sys
import aiohttp

async def main(url):
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url, max_msg_size=0, protocols=["soap", "wamp"]) as client:
            assert client.protocol == "wamp"
            await client.send_str("gr\\u00fc\\u00df")
            assert await client.receive_str() == "gr\\u00fc\\u00df"
            await client.send_bytes(b"x" * 2**20)
            assert await client.receive_bytes() == b"x" * 2**20
            await client.ping(b"there?")
            await client.close(code=4321, message=b"enough")
            assert client.close_code == 4321, client.close_code
        async with session.ws_connect(url) as client:
            await client.send_str("close me")
            message = await client.receive()
            assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 4001), message
            assert message.extra == "as you wish", message
    print("ok")

asyncio.run(asyncio.wait_for(main(sys.argv[1]), 30))
"""


def test_aiohttp() -> None:
    python = os.environ.get("AIOHTTP_PYTHON", sys.executable)
    if (
        subprocess.run(
            [python, "-c", "import aiohttp"], capture_output=True, check=False
        ).returncode
        != 0
    ):
        pytest.skip("aiohttp is not installed")
    with echoing() as (server, diary):
        assert run([python, "-c", AIOHTTP, f"http://{HOST}:{server.port}/chat"]).endswith("ok\n")
    assert_told(diary)


NODE = """
const WebSocket = require("ws")
const assert = require("assert")
const url = process.argv[1]
setTimeout(() => { console.error("too late"); process.exit(1) }, 30000).unref()
const large = Buffer.alloc(1 << 20, "x")
const client = new WebSocket(url, ["soap", "wamp"])
const got = []
let pong = null
client.on("pong", data => { pong = data.toString() })
client.on("open", () => {
  assert.equal(client.protocol, "wamp")
  client.send("gr\\u00fc\\u00df")
  client.ping("there?")
})
client.on("message", (data, isBinary) => {
  got.push([data.toString("latin1"), isBinary])
  if (got.length == 1) client.send(large)
  if (got.length == 2)
    for (const piece of ["fr", "ag", "ments"]) client.send(piece, {fin: piece == "ments"})
  if (got.length == 3)
    setImmediate(function wait() { pong ? client.close(4321, "enough") : setTimeout(wait, 5) })
})
client.on("close", code => {
  assert.equal(code, 4321)
  assert.equal(pong, "there?")
  assert.deepEqual(got, [["gr\\u00c3\\u00bc\\u00c3\\u009f", false],
    [large.toString("latin1"), true],
                         ["fragments", false]])
  const second = new WebSocket(url)
  second.on("open", () => second.send("close me"))
  second.on("close", (code, reason) => {
    assert.equal(code, 4001)
    assert.equal(reason.toString(), "as you wish")
    console.log("ok")
    process.exit(0)
  })
})
"""


def test_ws_of_node() -> None:
    command = (need_node(), "-e", NODE.replace('"ws"', json.dumps(str(modules() / "ws"))))
    with echoing() as (server, diary):
        assert run([*command, f"ws://{HOST}:{server.port}/chat"]).endswith("ok\n")
    assert_told(diary)


@needs("chromium")
def test_chromium(tmp_path: Path) -> None:
    app = App()
    with echoing(app) as (server, diary), browser_at(tmp_path, f"http://{HOST}:{server.port}/"):
        assert app.said.get(timeout=LIFE_S) == "ok"
    assert_told(diary)
