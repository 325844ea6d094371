"""The page of `sigil stream` in a browser: what is drawn, what stands still, and what becomes of it
without a server.

Theory: the page is what is in the document, so it is asked for that, over the browser's own
protocol, until it is as it should be. The process that serves it is the command itself, and the
page is under its policy.

Rules: every wait is bounded; the tests are skipped where there is no Chromium.
"""

import json
import re
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from sigil import Callbacks, HttpServer, Limits, Request, Response, make_http_server
from sigil.apps.stream.app import LineStream, Rules, limits_for, page_text
from sigil.core.conn import Conn
from tests.apps.stream.test_loop import streaming
from tests.support.browser import driven_browser
from tests.support.command import PATIENCE_SECONDS
from tests.tools import needs

pytestmark = needs("chromium")

BROWSER_SECONDS = 180.0
ROWS = "[...document.querySelectorAll('#log .line')].map(line => line.textContent)"
NEWER = (
    "document.getElementById('newer').hidden ? '' : document.getElementById('newer').textContent"
)
STATE = "document.getElementById('sentence').textContent"
MARKS = "[...document.querySelectorAll('#log .mark')].map(mark => mark.textContent)"
LOG = "document.getElementById('log')"
PILLS = "[...document.querySelectorAll('#topics .pill')].map(pill => pill.textContent)"
TOPICS = "[...document.querySelectorAll('#log .topic')].map(topic => topic.textContent)"
TIMES = "[...document.querySelectorAll('#log time')].map(time => time.textContent)"
MIB = 2**20


HOLD_TIMERS = """
let arrived = 0, nextTimer = -1;
const heldTimers = new Map(), [setLater, clearLater] = [setTimeout, clearTimeout];
window.setTimeout = (call, delayMs, ...values) => {
  if (delayMs !== DELAY_MS) return setLater(call, delayMs, ...values);
  heldTimers.set(nextTimer, () => call(...values));
  return nextTimer--;
};
window.clearTimeout = timer => heldTimers.delete(timer) || clearLater(timer);
window.fireTimers = () => {
  const calls = [...heldTimers.values()];
  heldTimers.clear();
  calls.forEach(call => call());
};
window.WebSocket = class extends WebSocket {
  constructor(...values) {
    super(...values);
    this.addEventListener("message", event => { arrived += !event.data.startsWith("\\0"); });
  }
};
"""
SETTINGS_WAIT_MS = 2_000
"""How long lines wait for `/stream.json` after a break (in stream.html)."""


class Tab:
    """A page, and what its document contains."""

    def __init__(self, wire: ClientConnection) -> None:
        self._wire = wire
        self._numbers = count(1)
        self._target = self._ask("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = self._ask("Target.attachToTarget", {"targetId": self._target, "flatten": True})
        self._session = attached["sessionId"]

    def _ask(self, method: str, parameters: dict[str, Any], session: str | None = None) -> Any:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters} | (
            {"sessionId": session} if session else {}
        )
        self._wire.send(json.dumps(message))
        while True:
            answer = json.loads(self._wire.recv(PATIENCE_SECONDS))
            if answer.get("id") == number:
                return answer["result"]

    def close(self) -> None:
        """Nothing of it goes on: no page looks for a server that is gone."""
        self._ask("Target.closeTarget", {"targetId": self._target})

    def open(self, address: str) -> None:
        self._ask("Page.navigate", {"url": address}, self._session)

    def hold_timers(self, delay_ms: int) -> None:
        """From the next page on, timers of this delay wait for `fireTimers()`, and `arrived` counts
        the messages of WebSockets: no test has to be faster than a timer.
        """
        script = HOLD_TIMERS.replace("DELAY_MS", str(delay_ms))
        self._ask("Page.enable", {}, self._session)
        self._ask("Page.addScriptToEvaluateOnNewDocument", {"source": script}, self._session)

    def ask(self, expression: str) -> Any:
        """The value of an expression in the page."""
        answer = self._ask(
            "Runtime.evaluate", {"expression": expression, "returnByValue": True}, self._session
        )
        return answer["result"].get("value")

    def heap_bytes(self) -> int:
        """What its script keeps alive."""
        self._ask("HeapProfiler.collectGarbage", {}, self._session)
        return int(
            self.ask("performance.memory.usedJSHeapSize")
        )  # with the texts that came from outside

    def press(self, key: str, code: int, text: str = "") -> None:
        """One key, as from a keyboard."""
        key_of = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self._ask(
            "Input.dispatchKeyEvent",
            {"type": "keyDown", **key_of, **({"text": text} if text else {})},
            self._session,
        )
        self._ask("Input.dispatchKeyEvent", {"type": "keyUp", **key_of}, self._session)

    def wait_for(self, expression: str, value: object) -> None:
        """Ask until the expression has this value."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (is_now := self.ask(expression)) != value:
            assert time.monotonic() < deadline, (
                f"{expression} is {is_now!r}, not {value!r}; the page is {self.ask(STATE)!r}"
            )

    def choose(self, pill: str) -> None:
        self.ask(
            "[...document.querySelectorAll('.pill')]"
            f".find(each => each.textContent === {json.dumps(pill)}).click()"
        )

    def filter(self, text: str) -> None:
        self.ask(f"filter.value = {json.dumps(text)}; filter.dispatchEvent(new Event('input'))")


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClientConnection]:
    """One browser for all tests, by its protocol."""
    with driven_browser(tmp_path_factory.mktemp("browser")) as devtools:
        yield devtools


@pytest.fixture
def tab(wire: ClientConnection) -> Iterator[Tab]:
    tab = Tab(wire)
    yield tab
    tab.close()


def test_lines_are_drawn_as_what_they_are_and_sorted_by_topic(tab: Tab) -> None:
    with streaming("--topic-field", "of") as server:
        tab.open(f"http://127.0.0.1:{server.port}/")
        tab.wait_for(STATE, "live")
        server.write(
            b'{"of":"a","n":[1.50,{}]}\n'
            b'<b>not bold</b><script>document.title = "broken"</script>\n\xff\x01!\n'
            b'\n\x1b[31mred\x1b[0m\x07\n{"of":"b"}\n'
        )
        drawn = [
            '{"of": "a", "n": [1.50, {}]}',
            '<b>not bold</b><script>document.title = "broken"</script>',
            "3 bytes  ff 01 21  ··!",
            "",
            "red␇",
            '{"of": "b"}',
        ]
        tab.wait_for(ROWS, drawn)
        assert tab.ask("document.title") == f"127.0.0.1:{server.port}: lines"
        assert tab.ask("document.querySelectorAll('#log b').length") == 1  # of the bytes
        assert tab.ask(
            "[...document.querySelectorAll('#topics .pill')].map(pill => pill.textContent)"
        ) == ["a", "b", "without a topic"]
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


RESTARTED = "the server was restarted: lines may be missing here"


def test_a_server_that_comes_back_is_found_and_what_it_has_is_shown(tab: Tab) -> None:
    with streaming() as server:
        tab.open(f"http://127.0.0.1:{server.port}/")
        tab.wait_for(STATE, "live")
        server.write(b"a\nb\n")
        tab.wait_for(ROWS, ["a", "b"])
        server.end_input()
        tab.wait_for(STATE, "the server has stopped, reconnecting")
        assert server.ended()[0] == 0
    with streaming("--port", str(server.port)) as server:
        server.write(b"b\nc\n")
        tab.wait_for(ROWS, ["a", "b", "b", "c"])
        tab.wait_for(STATE, "live, reconnected once")
        assert tab.ask(MARKS) == [RESTARTED]


def test_the_address_of_the_page_says_what_it_hears(tab: Tab) -> None:
    with streaming("--topic-field", "of") as server:
        server.write(b'{"of":"a","n":1}\n{"of":"b"}\n{"of":"a","n":2}\n{"of":"a","n":3}\n')
        server.wait_for_lines(4)
        tab.open(f"http://127.0.0.1:{server.port}/?topic=a&history=2")
        tab.wait_for(ROWS, ['{"of": "a", "n": 2}', '{"of": "a", "n": 3}'])
        assert tab.ask("document.getElementById('curl').textContent") == (
            f"curl -N 'http://127.0.0.1:{server.port}/events?topic=a&history=2'"
        )


def test_a_number_is_a_topic_as_it_is_written(tab: Tab) -> None:
    numbers = ["1.0", "1", "12345678901234567890", "-0", "1e400"]
    with streaming("--topic-field", "of", "--linger") as server:
        tab.open(f"http://127.0.0.1:{server.port}/")
        tab.wait_for(STATE, "live")
        for number in numbers:
            server.write(
                b'{"x": {"of": 7, "s": "\\"of\\": {"}, "of": 5, "\\u006ff" : %s , "y": [8]}\n'
                % number.encode()
            )
        server.write(
            b'{"of": 3, "of": null}\n' + b'{"of": 2.50, "long": "%s"}\n' % (b"\\\\x" * (300 * 1024))
        )
        tab.wait_for(TOPICS, [*numbers, "", "2.50"])
        for number in numbers:  # the server says so too
            with server.subscribe(f"?topic={number}") as subscriber:
                assert f": {number} ," in str(subscriber.recv(PATIENCE_SECONDS))


def test_a_long_line_is_not_kept_for_the_part_that_is_shown(tab: Tab) -> None:
    with streaming("--topic-field", "of", "--history", "0") as server:
        tab.open(f"http://127.0.0.1:{server.port}/")
        tab.wait_for(STATE, "live")
        for number in range(100):
            server.write(
                b'{"of": %d.00000000000000000000, "x": "%s"}\n' % (number, b"x" * (MIB - 1000))
            )
            if number % 10 == 9:  # the ring has room for no more than a few of these
                tab.wait_for(f"{ROWS}.length", number + 1)
        assert tab.heap_bytes() < 6 * MIB


def test_a_line_can_neither_hide_nor_paint_over_others(tab: Tab) -> None:
    with streaming("--topic-field", "of") as server:
        tab.open(f"http://127.0.0.1:{server.port}/")
        tab.wait_for(STATE, "live")
        server.write(
            '{"of": "\u202eab", "x": "\u2066"}\na\u200fb\u061c\u2028\u009b\nh\u0300\n'.encode()
        )
        tab.wait_for(
            ROWS,
            [
                '{"of": "⟨U+202E⟩ab", "x": "⟨U+2066⟩"}',
                "a⟨U+200F⟩b⟨U+061C⟩⟨U+2028⟩⟨U+009B⟩",
                "h\u0300",
            ],
        )
        assert tab.ask(PILLS) == ["⟨U+202E⟩ab", "without a topic"]
        assert tab.ask(TOPICS) == ["⟨U+202E⟩ab", "", ""]
        assert tab.ask(
            "[...document.querySelectorAll('.row, .line')]"
            ".every(each => getComputedStyle(each).contain.includes('paint'))"
        )


def test_lines_unfold_by_the_keyboard_and_stand_still_meanwhile(tab: Tab) -> None:
    focus = (
        "document.activeElement.closest('.row')?.querySelector('.line').textContent"
        " ?? document.activeElement.id"
    )
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
        assert tab.ask(
            f"[{ROWS}.length, document.querySelectorAll('.fold[tabindex=\"0\"]').length]"
        ) == [3, 1]
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


def is_time(text: str) -> bool:
    return re.fullmatch(r"\d\d:\d\d:\d\d", text) is not None


def test_what_follows_a_break_waits_for_the_settings_for_a_while_only(tab: Tab) -> None:
    broken = Broken(PLAIN)
    tab.hold_timers(SETTINGS_WAIT_MS)
    with broken.server.serve_in_thread() as server:
        tab.open(f"http://127.0.0.1:{server.port}/")
        tab.wait_for(STATE, "live")
        broken.say("a")
        tab.wait_for(ROWS, ["a"])
        tab.ask("window.fetch = () => new Promise(() => {}); arrived = 0")
        broken.be_away(tab, "b")
        broken.say("c")
        tab.wait_for("arrived", 2)
        assert tab.ask(ROWS) == ["a"]
        tab.ask("fireTimers()")
        tab.wait_for(ROWS, ["a", "b", "c"])
        assert all(map(is_time, tab.ask(TIMES)))


def test_what_was_published_during_a_break_is_of_the_past(tab: Tab) -> None:
    broken = Broken(PLAIN)
    with broken.server.serve_in_thread() as server:
        tab.open(f"http://127.0.0.1:{server.port}/")
        tab.wait_for(STATE, "live")
        broken.say("a")
        tab.wait_for(ROWS, ["a"])
        broken.be_away(tab, "b")
        tab.wait_for(ROWS, ["a", "b"])
        broken.say("c")
        tab.wait_for(ROWS, ["a", "b", "c"])
        first, second, third = tab.ask(TIMES)
        assert (is_time(first), second, is_time(third)) == (True, "earlier", True)


def test_lines_wait_as_long_as_these_tests_say() -> None:
    assert f"const SETTINGS_WAIT_MS = {SETTINGS_WAIT_MS};" in page_text()


class Broken:
    """Lines over a connection that the test breaks and mends."""

    def __init__(self, rules: Rules, limits: Limits | None = None) -> None:
        self.stream = LineStream(rules)
        self.is_broken = False
        self.subscribers: list[Conn] = []

        def answer(request: Request) -> Response:
            broken = self.is_broken and request.path == "/ws"
            return Response.error(503) if broken else self.stream.handle(request)

        def greet(server: HttpServer, conn: Conn, request: Request) -> None:
            self.subscribers.append(conn)

        self.server = make_http_server(
            answer, port=0, limits=limits or limits_for(rules), callbacks=Callbacks(ws_open=greet)
        )

    def say(self, *lines: str) -> None:
        self.stream.feed("".join(f"{line}\n" for line in lines).encode())
        while self.stream.has_pending:
            self.stream.publish(self.server)

    def be_away(self, tab: Tab, *lines: str) -> None:
        """The connection is lost, these lines are published, and it is restored."""
        self.is_broken = True
        self.server.close(self.subscribers[-1], 1012)
        tab.wait_for(STATE, "disconnected, retrying")
        self.say(*lines)
        self.is_broken = False
        tab.wait_for(f"{STATE}.startsWith('live, reconnected')", True)


PLAIN = Rules(history=100, topic_field="", max_line=2_000)


def numbered(first: int, end: int) -> list[str]:
    return [str(number) for number in range(first, end)]


def test_of_a_past_that_the_ring_does_not_hold_the_rest_is_shown_at_once(tab: Tab) -> None:
    broken = Broken(PLAIN, limits_for(PLAIN)._replace(outgoing_buffer_sz=20_000))
    with broken.server.serve_in_thread() as server:
        broken.say(*(f"{number} {'x' * 1_000}" for number in range(50)))
        tab.open(f"http://127.0.0.1:{server.port}/")
        tab.wait_for(f"{ROWS}.length", 19)
        broken.say("live")
        tab.wait_for(f"{ROWS}.length", 20)
        times = tab.ask(TIMES)
        assert times[:-1] == ["earlier"] * 19
        assert is_time(times[-1])


def test_what_comes_of_a_topic_is_not_the_past(tab: Tab) -> None:
    broken = Broken(PLAIN._replace(topic_field="of"))
    with broken.server.serve_in_thread() as server:
        broken.say(*(f'{{"of":"{topic}"}}' for topic in "abab"))
        tab.open(f"http://127.0.0.1:{server.port}/?topic=a")
        tab.wait_for(f"{ROWS}.length", 2)
        broken.say('{"of":"a","n":1}')
        tab.wait_for(f"{ROWS}.length", 3)
        times = tab.ask(TIMES)
        assert times[:2] == ["earlier", "earlier"]
        assert is_time(times[2])


@pytest.mark.parametrize(
    ("before", "meanwhile", "frames", "lost"),
    [
        (["tick"] * 120, ["tick"] * 120, 1_000, 0),
        ([], numbered(0, 20), 1_000, 0),
        (["tick"] * 3, [], 1_000, 0),
        (["tick"] * 120, ["tick"] * 201, 200, 1),
        (numbered(0, 120), numbered(120, 340), 200, 20),
    ],
)
def test_after_a_break_no_line_is_lost_or_shown_twice_without_a_word(
    tab: Tab, before: list[str], meanwhile: list[str], frames: int, lost: int
) -> None:
    broken = Broken(PLAIN, limits_for(PLAIN)._replace(max_ws_send_frame_cnt=frames))
    with broken.server.serve_in_thread() as server:
        tab.open(f"http://127.0.0.1:{server.port}/")
        tab.wait_for(STATE, "live")
        broken.say(*before)
        tab.wait_for(ROWS, before)
        broken.be_away(tab, *meanwhile)
        broken.say("end")
        shown = [*before, *meanwhile[lost:], "end"]
        tab.wait_for(ROWS, shown)
        tab.wait_for("document.getElementById('total').textContent", str(len(shown)))
        marks = {
            0: [],
            1: ["reconnected: 1 line is missing here"],
            20: ["reconnected: 20 lines are missing here"],
        }
        assert tab.ask(MARKS) == marks[lost]
        broken.be_away(tab, "once", "more")
        tab.wait_for(ROWS, [*shown, "once", "more"])
        assert tab.ask(MARKS) == marks[lost]


@pytest.mark.parametrize(
    ("meanwhile", "marks"),
    [
        (['{"of":"b"}'], []),
        (
            ['{"of":"b"}'] * 202,
            ["reconnected: up to 2 lines of these topics may be missing here"],
        ),
    ],
)
def test_what_may_be_missing_of_some_topics_after_a_break_is_said(
    tab: Tab, meanwhile: list[str], marks: list[str]
) -> None:
    rules = PLAIN._replace(topic_field="of")
    broken = Broken(rules, limits_for(rules)._replace(max_ws_send_frame_cnt=200))
    with broken.server.serve_in_thread() as server:
        tab.open(f"http://127.0.0.1:{server.port}/?topic=a")
        tab.wait_for(STATE, "live")
        broken.say(*['{"of":"a"}'] * 5)
        tab.wait_for(f"{ROWS}.length", 5)
        broken.be_away(tab, *meanwhile)
        broken.say('{"of":"a","n":1}')
        tab.wait_for(f"{ROWS}.length", 6)
        assert tab.ask(MARKS) == marks


def test_a_pause_holds_whatever_is_looked_for(tab: Tab) -> None:
    drawn = ['{"of": "a", "n": 1}', '{"of": "b", "n": 2}', '{"of": "a", "n": 3}']
    broken = Broken(PLAIN._replace(topic_field="of"))
    with broken.server.serve_in_thread() as server:
        tab.open(f"http://127.0.0.1:{server.port}/")
        tab.wait_for(STATE, "live")
        broken.say(*drawn)
        tab.wait_for(ROWS, drawn)
        tab.choose("Pause")
        broken.say('{"of":"a","n":4}', '{"of":"b","n":5}', '{"of":"b","n":6}')
        tab.wait_for(NEWER, "↓ 3 new lines")
        for touch, rows, count in (
            (lambda: tab.choose("a"), drawn[::2], "↓ 1 new line"),
            (lambda: tab.filter("3"), drawn[2:], ""),
            (lambda: tab.choose("a"), drawn[2:], ""),
            (lambda: tab.filter(""), drawn, "↓ 3 new lines"),
            (lambda: tab.choose("Clear"), [], "↓ 3 new lines"),
        ):
            touch()
            tab.wait_for(NEWER, count)
            assert tab.ask(ROWS) == rows
        broken.say(*['{"of":"b"}'] * 3_000)
        tab.wait_for(NEWER, "↓ 3,003 new lines")
        tab.choose("Resume")
        tab.wait_for(f"[{ROWS}.length, {NEWER}]", [2_000, ""])


def test_a_page_that_grows_smaller_is_not_scrolled_by_anybody(tab: Tab) -> None:
    broken = Broken(PLAIN)
    with broken.server.serve_in_thread() as server:
        broken.say(*numbered(0, 100))
        tab.open(f"http://127.0.0.1:{server.port}/")
        tab.wait_for(f"{ROWS}.length", 100)
        tab.ask(
            f"document.getElementById('host').textContent = '{'wide ' * 200}'; "
            f"{LOG}.dispatchEvent(new Event('scroll'))"
        )
        broken.say("new")
        tab.wait_for(f"{ROWS}.at(-1)", "new")
        tab.wait_for(f"{LOG}.scrollHeight - {LOG}.scrollTop - {LOG}.clientHeight < 2", True)


def test_a_line_unfolds_to_so_much_and_no_more(tab: Tab) -> None:
    deep, wide = "[" * 200 + "1" + "]" * 200, "[" + "1," * 1_000 + "2]"
    broken = Broken(PLAIN._replace(max_line=20_000))
    with broken.server.serve_in_thread() as server:
        tab.open(f"http://127.0.0.1:{server.port}/")
        tab.wait_for(STATE, "live")
        broken.say(deep, wide, f"[{deep}]", "[" * 4_999 + "]" * 4_999)
        tab.wait_for(f"{ROWS}.length", 4)
        assert tab.ask("document.querySelectorAll('.fold').length") == 2
        tab.ask("document.querySelectorAll('.row.json .line').forEach(line => line.click())")
        unfolded_deep, unfolded_wide, *plain = tab.ask(ROWS)
        assert plain == [f"[{deep}]", "[" * 4_999 + "]" * 4_999]
        assert re.sub(r"\s", "", unfolded_deep) == deep
        assert max(len(row) for row in unfolded_deep.split("\n")) == 2 * 24 + 1
        rows = unfolded_wide.split("\n")
        assert rows[:2] == ["[", "  1,"]
        assert rows[500:] == ["… 1,004 more characters"]


@pytest.mark.parametrize(
    ("query", "used", "count"),
    [
        ("", "", 10),
        ("?history=-1", "", 10),
        ("?history=", "", 10),
        ("?history=1e1", "", 10),
        ("?history=99999999999", "?history=10", 10),
        ("?history=3", "?history=3", 3),
        ("?history=0", "?history=0", 0),
        ("?history=1&history=2", "?history=2", 2),
        ("?history=2&history=many&x=1", "", 10),
        ("?topic=*&history=007&topic=it%27s", "?topic=*&topic=it%27s&history=7", 7),
    ],
)
def test_the_page_does_what_it_says_can_be_had_elsewhere(
    tab: Tab, query: str, used: str, count: int
) -> None:
    broken = Broken(PLAIN._replace(history=10))
    with broken.server.serve_in_thread() as server:
        lines = numbered(0, 15)
        broken.say(*lines)
        tab.open(f"http://127.0.0.1:{server.port}/{query}")
        hint = f"curl -N 'http://127.0.0.1:{server.port}/events{used}'"
        tab.wait_for("document.getElementById('curl').textContent", hint)
        tab.wait_for(STATE, "live")
        broken.say("end")
        tab.wait_for(ROWS, [*lines[15 - count :], "end"])
        with connect(f"ws://127.0.0.1:{server.port}/ws{used}", compression=None) as subscriber:
            listener_lines = [*lines, "end"][16 - count :]
            assert [subscriber.recv(PATIENCE_SECONDS) for _ in range(count)] == listener_lines


INVISIBLE = [
    0xAD,
    0x34F,
    0x115F,
    0x1160,
    0x3164,
    0xFFA0,
    0x180E,
    *range(0x2060, 0x2065),
    *range(0x206A, 0x2070),
    0xFE0F,
    *range(0xFFF9, 0xFFFC),
    0xE0000,
    0xE0041,
    0xE007F,
    0xE0100,
]


def test_what_cannot_be_seen_is_shown(tab: Tab) -> None:
    seen = (
        "\u2764\ufe0f \U0001f468\u200d\U0001f469 1\ufe0f\u20e3"
        " \u8fbb\U000e0100 \u0645\u06cc\u200c\u062e"
    )
    with streaming() as server:
        tab.open(f"http://127.0.0.1:{server.port}/")
        tab.wait_for(STATE, "live")
        server.write(
            "".join(f"a{chr(code)}b\n" for code in INVISIBLE).encode() + f"{seen}\n".encode()
        )
        tab.wait_for(ROWS, [*(f"a⟨U+{code:04X}⟩b" for code in INVISIBLE), seen])


def test_a_line_that_is_too_deep_has_no_topic_for_anybody(tab: Tab) -> None:
    lines = [f'{{"of":"a","x":{"[" * depth + "]" * depth}}}' for depth in (1, 199, 200, 4_000)]
    lines += [f'{{"of":{depth},"x":"{"[" * depth}"}}' for depth in (9_000, 90_000)]
    with streaming("--topic-field", "of", "--linger") as server:
        tab.open(f"http://127.0.0.1:{server.port}/")
        tab.wait_for(STATE, "live")
        server.write("".join(f"{line}\n" for line in lines).encode())
        tab.wait_for(TOPICS, ["a", "a", "", "", "9000", "90000"])
        with server.subscribe("?topic=none") as subscriber:
            assert [subscriber.recv(PATIENCE_SECONDS) for _ in range(2)] == lines[2:4]
        with server.subscribe("?topic=a") as subscriber:
            assert [subscriber.recv(PATIENCE_SECONDS) for _ in range(4)] == lines[:4]
