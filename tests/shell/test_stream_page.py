"""The page of `sigil stream` in a browser: what is drawn, what stands still, and what becomes of it without a server.

Theory: the page is what is in the document, so it is asked for that, over the browser's own protocol, until it is as it
should be.  The process that serves it is the command itself, and the page is under its policy.

Rules: every wait is bounded; the tests are skipped where there is no Chromium.
"""

import json
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from .test_cli import PATIENCE_SECONDS
from .test_stream_command import streaming

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")

BROWSER_SECONDS = 60.0
ROWS = "[...document.querySelectorAll('#log .line')].map(line => line.textContent)"
NEWER = "document.getElementById('newer').hidden ? '' : document.getElementById('newer').textContent"
STATE = "document.getElementById('sentence').textContent"
MARKS = "[...document.querySelectorAll('#log .mark')].map(mark => mark.textContent)"
LOG = "document.getElementById('log')"


class Tab:
    """A page, and what it says about itself."""

    def __init__(self, wire: ClientConnection) -> None:
        self._wire = wire
        self._numbers = count(1)
        target = self._ask("Target.createTarget", {"url": "about:blank"})["targetId"]
        self._session = self._ask("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]

    def _ask(self, method: str, parameters: dict[str, Any], session: str | None = None) -> Any:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        self._wire.send(json.dumps(message))
        while True:
            answer = json.loads(self._wire.recv(PATIENCE_SECONDS))
            if answer.get("id") == number:
                return answer["result"]

    def open(self, address: str) -> None:
        self._ask("Page.navigate", {"url": address}, self._session)

    def ask(self, expression: str) -> Any:
        """The value of an expression in the page."""
        answer = self._ask("Runtime.evaluate", {"expression": expression, "returnByValue": True}, self._session)
        return answer["result"].get("value")

    def wait_for(self, expression: str, value: object) -> None:
        """Ask until the expression has this value."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (is_now := self.ask(expression)) != value:
            assert time.monotonic() < deadline, f"{expression} is {is_now!r}, not {value!r}"

    def choose(self, pill: str) -> None:
        self.ask("[...document.querySelectorAll('.pill')]"
                 f".find(each => each.textContent === {json.dumps(pill)}).click()")

    def filter(self, text: str) -> None:
        self.ask(f"filter.value = {json.dumps(text)}; filter.dispatchEvent(new Event('input'))")


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClientConnection]:
    """One browser for all tests, by its protocol."""
    assert BROWSER is not None
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--remote-debugging-port=0", f"--user-data-dir={tmp_path_factory.mktemp('browser')}")
    process = subprocess.Popen([BROWSER, *flags], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
    watchdog = threading.Timer(BROWSER_SECONDS, process.kill)
    watchdog.start()
    try:
        assert process.stderr is not None
        found = (re.search(r"ws://\S+", line) for line in process.stderr)
        address = next(match[0] for match in found if match is not None)
        with connect(address, max_size=None, compression=None) as protocol:
            yield protocol
    finally:
        watchdog.cancel()
        process.terminate()
        process.wait(PATIENCE_SECONDS)
        if process.stderr is not None:
            process.stderr.close()


@pytest.fixture
def tab(wire: ClientConnection) -> Tab:
    return Tab(wire)


def test_lines_are_drawn_as_what_they_are_and_sorted_by_topic(tab: Tab) -> None:
    with streaming("--topic-field", "of") as server:
        tab.open(f"http://127.0.0.1:{server.port}/")
        tab.wait_for(STATE, "live")
        server.write(b'{"of":"a","n":[1.50,{}]}\n<b>not bold</b><script>document.title = "broken"</script>\n\xff\x01!\n'
                     b'\n\x1b[31mred\x1b[0m\x07\n{"of":"b"}\n')
        drawn = ['{"of": "a", "n": [1.50, {}]}', '<b>not bold</b><script>document.title = "broken"</script>',
                 "3 bytes  ff 01 21  ··!", "", "red␇", '{"of": "b"}']
        tab.wait_for(ROWS, drawn)
        assert tab.ask("document.title") == f"127.0.0.1:{server.port}: lines"
        assert tab.ask("document.querySelectorAll('#log b').length") == 1  # of the bytes
        assert tab.ask("[...document.querySelectorAll('#topics .pill')].map(pill => pill.textContent)") == [
            "a", "b", "without a topic"]
        tab.choose("b")
        tab.wait_for(ROWS, [drawn[5]])
        tab.choose("a")
        tab.wait_for(ROWS, [drawn[0], drawn[5]])
        tab.choose("a")
        tab.choose("b")
        tab.filter("NOT BOLD")
        tab.wait_for(ROWS, [drawn[1]])
        tab.filter("")
        tab.wait_for(ROWS, drawn)
        tab.ask("document.querySelector('.row.json .line').click()")
        assert tab.ask(f"{ROWS}[0]") == '{\n  "of": "a",\n  "n": [\n    1.50,\n    {}\n  ]\n}'


def test_what_somebody_reads_stands_still(tab: Tab) -> None:
    with streaming() as server:
        server.write(b"".join(b"%d\n" % number for number in range(100)))
        tab.open(f"http://127.0.0.1:{server.port}/")
        tab.wait_for(f"{ROWS}.length", 100)
        tab.ask(f"{LOG}.scrollTop = 0")
        tab.wait_for(f"{LOG}.scrollTop", 0)
        server.write(b"new\nnewer\n")
        tab.wait_for(NEWER, "↓ 2 new lines")
        assert tab.ask(f"[{ROWS}.length, {LOG}.scrollTop]") == [100, 0]
        tab.ask("document.getElementById('newer').click()")
        tab.wait_for(f"[{ROWS}.at(-1), {NEWER}]", ["newer", ""])
        tab.choose("Pause")
        server.write(b"unseen\n")
        tab.wait_for(NEWER, "↓ 1 new line")
        tab.choose("Resume")
        tab.wait_for(f"{ROWS}.at(-1)", "unseen")
        server.write(b"seen\n")
        tab.wait_for(f"{ROWS}.at(-1)", "seen")
        assert tab.ask(f"{LOG}.scrollHeight - {LOG}.scrollTop - {LOG}.clientHeight < 2")


def test_a_flood_leaves_the_last_lines_and_no_more(tab: Tab) -> None:
    with streaming("--linger") as server:
        tab.open(f"http://127.0.0.1:{server.port}/")
        tab.wait_for(STATE, "live")
        server.write(b"".join(b"%d\n" % number for number in range(30_000)))
        tab.wait_for(f"{ROWS}.at(-1)", "29999")
        assert tab.ask(ROWS) == [str(number) for number in range(28_000, 30_000)]
        tab.wait_for("document.getElementById('total').textContent", "30.0 k")


def test_a_server_that_comes_back_is_found_and_its_past_is_not_told_again(tab: Tab) -> None:
    with streaming() as server:
        tab.open(f"http://127.0.0.1:{server.port}/")
        tab.wait_for(STATE, "live")
        server.write(b"a\nb\n")
        tab.wait_for(ROWS, ["a", "b"])
        server.end_input()
        tab.wait_for(STATE, "the stream has ended, looking for it")
        assert server.ended()[0] == 0
    with streaming("--port", str(server.port)) as server:
        server.write(b"b\nc\n")
        tab.wait_for(ROWS, ["a", "b", "c"])
        tab.wait_for(STATE, "live, reconnected once")
        assert tab.ask(MARKS) == []
        server.process.send_signal(signal.SIGINT)
        assert server.ended()[0] == 0
    with streaming("--port", str(server.port)) as server:
        server.write(b"d\n")
        tab.wait_for(ROWS, ["a", "b", "c", "d"])
        assert tab.ask(MARKS) == ["reconnected: lines may be missing here"]


def test_the_address_of_the_page_says_what_it_hears(tab: Tab) -> None:
    with streaming("--topic-field", "of") as server:
        server.write(b'{"of":"a","n":1}\n{"of":"b"}\n{"of":"a","n":2}\n{"of":"a","n":3}\n')
        server.wait_for_lines(4)
        tab.open(f"http://127.0.0.1:{server.port}/?topic=a&history=2")
        tab.wait_for(ROWS, ['{"of": "a", "n": 2}', '{"of": "a", "n": 3}'])
        assert tab.ask("document.getElementById('curl').textContent") == (
            f"curl -N 'http://127.0.0.1:{server.port}/events?topic=a&history=2'")
