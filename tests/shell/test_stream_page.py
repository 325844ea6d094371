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

from sigil import Callbacks, HttpServer, Request, Response, client_module, make_http_server
from sigil.core.conn import Conn
from sigil.shell.page import page_response
from sigil.shell.stream_lines import page_text

from .test_cli import PATIENCE_SECONDS
from .test_stream_command import streaming

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")

BROWSER_SECONDS = 180.0
ROWS = "[...document.querySelectorAll('#log .line')].map(line => line.textContent)"
NEWER = "document.getElementById('newer').hidden ? '' : document.getElementById('newer').textContent"
STATE = "document.getElementById('sentence').textContent"
MARKS = "[...document.querySelectorAll('#log .mark')].map(mark => mark.textContent)"
LOG = "document.getElementById('log')"
PILLS = "[...document.querySelectorAll('#topics .pill')].map(pill => pill.textContent)"
TOPICS = "[...document.querySelectorAll('#log .topic')].map(topic => topic.textContent)"
TIMES = "[...document.querySelectorAll('#log time')].map(time => time.textContent)"
MIB = 2**20


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

    def heap_bytes(self) -> int:
        """What its script keeps alive."""
        self._ask("HeapProfiler.collectGarbage", {}, self._session)
        return int(self.ask("performance.memory.usedJSHeapSize"))  # with the texts that came from outside

    def press(self, key: str, code: int, text: str = "") -> None:
        """One key, as from a keyboard."""
        key_of = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self._ask("Input.dispatchKeyEvent", {"type": "keyDown", **key_of, **({"text": text} if text else {})},
                  self._session)
        self._ask("Input.dispatchKeyEvent", {"type": "keyUp", **key_of}, self._session)

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
             "--enable-precise-memory-info", "--remote-debugging-port=0",
             f"--user-data-dir={tmp_path_factory.mktemp('browser')}")
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


def test_a_number_is_a_topic_as_it_is_written(tab: Tab) -> None:
    numbers = ["1.0", "1", "12345678901234567890", "-0", "1e400"]
    with streaming("--topic-field", "of", "--linger") as server:
        tab.open(f"http://127.0.0.1:{server.port}/")
        tab.wait_for(STATE, "live")
        for number in numbers:
            server.write(b'{"x": {"of": 7, "s": "\\"of\\": {"}, "of": 5, "\\u006ff" : %s , "y": [8]}\n'
                         % number.encode())
        server.write(b'{"of": 3, "of": null}\n' + b'{"of": 2.50, "long": "%s"}\n' % (b"\\\\x" * (300 * 1024)))
        tab.wait_for(TOPICS, [*numbers, "", "2.50"])
        for number in numbers:  # the server says so too
            with server.listen(f"?topic={number}") as listener:
                assert f": {number} ," in str(listener.recv(PATIENCE_SECONDS))


def test_a_long_line_is_not_kept_for_the_part_that_is_shown(tab: Tab) -> None:
    with streaming("--topic-field", "of", "--history", "0") as server:
        tab.open(f"http://127.0.0.1:{server.port}/")
        tab.wait_for(STATE, "live")
        for number in range(100):
            server.write(b'{"of": %d.00000000000000000000, "x": "%s"}\n' % (number, b"x" * (MIB - 1000)))
        tab.wait_for(f"{ROWS}.length", 100)
        assert tab.heap_bytes() < 6 * MIB


def test_a_line_can_neither_hide_nor_paint_over_others(tab: Tab) -> None:
    with streaming("--topic-field", "of") as server:
        tab.open(f"http://127.0.0.1:{server.port}/")
        tab.wait_for(STATE, "live")
        server.write('{"of": "\u202eab", "x": "\u2066"}\na\u200fb\u061c\u2028\u009b\nh\u0300\n'.encode())
        tab.wait_for(ROWS, ['{"of": "⟨U+202E⟩ab", "x": "⟨U+2066⟩"}', "a⟨U+200F⟩b⟨U+061C⟩⟨U+2028⟩⟨U+009B⟩",
                            "h\u0300"])
        assert tab.ask(PILLS) == ["⟨U+202E⟩ab", "without a topic"]
        assert tab.ask(TOPICS) == ["⟨U+202E⟩ab", "", ""]
        assert tab.ask("[...document.querySelectorAll('.row, .line')]"
                       ".every(each => getComputedStyle(each).contain.includes('paint'))")


def test_lines_unfold_by_the_keyboard_and_stand_still_meanwhile(tab: Tab) -> None:
    focus = "document.activeElement.closest('.row')?.querySelector('.line').textContent ?? document.activeElement.id"
    with streaming() as server:
        tab.open(f"http://127.0.0.1:{server.port}/")
        tab.wait_for(STATE, "live")
        server.write(b'{"a":1}\nplain\n[2]\n')
        tab.wait_for(f"{ROWS}.length", 3)
        tab.ask("document.getElementById('log').focus()")
        tab.press("Tab", 9)
        assert tab.ask(focus) == "[2]"
        assert tab.ask("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        tab.press("ArrowUp", 38)
        assert tab.ask(focus) == '{"a": 1}'
        fold = "document.querySelector('.fold').getAttribute('aria-expanded')"
        assert tab.ask(fold) == "false"
        tab.press("Enter", 13, "\r")
        assert tab.ask(f"[{fold}, {ROWS}[0]]") == ["true", '{\n  "a": 1\n}']
        server.write(b"new\n")
        tab.wait_for(NEWER, "↓ 1 new line")
        assert tab.ask(f"[{ROWS}.length, document.querySelectorAll('.fold[tabindex=\"0\"]').length]") == [3, 1]
        tab.ask("document.activeElement.blur()")
        tab.wait_for(f"{ROWS}.at(-1)", "new")


def test_a_new_topic_takes_nobody_s_place(tab: Tab) -> None:
    with streaming("--topic-field", "of") as server:
        tab.open(f"http://127.0.0.1:{server.port}/")
        tab.wait_for(STATE, "live")
        server.write(b'{"of":"b"}\nplain\n{"of":"d"}\n')
        tab.wait_for(PILLS, ["b", "d", "without a topic"])
        tab.ask("document.querySelector('#topics .pill').focus()")
        server.write(b'{"of":"c"}\n{"of":"a"}\n{"of":"e"}\n')
        tab.wait_for(PILLS, ["a", "b", "c", "d", "e", "without a topic"])
        assert tab.ask("document.activeElement.textContent") == "b"


def test_what_was_cleared_stays_so_when_the_server_comes_back(tab: Tab) -> None:
    with streaming() as server:
        tab.open(f"http://127.0.0.1:{server.port}/")
        tab.wait_for(STATE, "live")
        server.write(b"a\nb\n")
        tab.wait_for(ROWS, ["a", "b"])
        tab.choose("Clear")
        assert tab.ask(ROWS) == []
        server.end_input()
        assert server.ended()[0] == 0
    with streaming("--port", str(server.port)) as server:
        server.write(b"a\nb\nc\n")
        tab.wait_for(STATE, "live, reconnected once")
        tab.wait_for(ROWS, ["c"])
        assert tab.ask(MARKS) == []


class Slow:
    """A server of the page that tells a past of two lines when the test says so."""

    def __init__(self) -> None:
        self.listeners: list[Conn] = []
        page = page_response(page_text())
        about = {"topic_field": None, "history": 2, "lines": 2, "skipped": 0, "has_ended": False}
        routes = {"/": lambda request: page, "/sigil-client.js": client_module,
                  "/ws": lambda request: Response.upgrade(), "/stream.json": lambda request: Response.json(about)}

        def answer(request: Request) -> Response:
            return routes[request.path](request)

        def opened(server: HttpServer, conn: Conn, request: Request) -> None:
            self.listeners.append(conn)

        self.server = make_http_server(answer, port=0, callbacks=Callbacks(ws_open=opened))


def test_a_past_that_takes_its_time_is_the_past(tab: Tab) -> None:
    slow = Slow()
    with slow.server.serve_in_thread() as server:
        tab.open(f"http://127.0.0.1:{server.port}/")
        tab.wait_for(STATE, "live")
        for line in ("a", "b"):
            tab.ask("window.laterMs = performance.now() + 600")
            tab.wait_for("performance.now() > laterMs", True)
            server.send(slow.listeners[0], line)
        tab.wait_for(ROWS, ["a", "b"])
        assert tab.ask(TIMES) == ["earlier", "earlier"]
        server.send(slow.listeners[0], "c")
        tab.wait_for(ROWS, ["a", "b", "c"])
        assert re.fullmatch(r"\d\d:\d\d:\d\d", tab.ask(f"{TIMES}[2]"))


def test_a_past_that_was_cut_short_is_told_once(tab: Tab) -> None:
    slow = Slow()
    with slow.server.serve_in_thread() as server:
        tab.open(f"http://127.0.0.1:{server.port}/")
        tab.wait_for(STATE, "live")
        for line in ("a", "b"):
            server.send(slow.listeners[0], line)
        tab.wait_for(ROWS, ["a", "b"])
        server.close(slow.listeners[0], 1012)
        tab.wait_for(STATE, "live, reconnected once")
        server.send(slow.listeners[1], "a")
        server.close(slow.listeners[1], 1012)
        tab.wait_for(STATE, "live, reconnected 2 times")
        for line in ("a", "b", "c"):
            server.send(slow.listeners[2], line)
        tab.wait_for(ROWS, ["a", "b", "c"])
        assert tab.ask(MARKS) == []
