"""The demonstration's page: what can be seen in its text, and what a browser makes of it.

Theory: the page is tried in a headless Chromium that is told what to do over its own debugging
protocol, by a client as small as that takes (`Tab`): look at the page, press the button, wait until
the page says what has become of it.

Rules: what a browser has to complain about (an exception, a policy that refuses something) fails
the test. Without Chromium the tests that need it are skipped: it is hundreds of megabytes, so only
`.ci/run` installs it.
"""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from sigil import Headers, HttpServer, Limits
from sigil.apps.demo.handler import make_demo, page_text
from sigil.apps.demo.live import Live, drive, make_live
from sigil.apps.page import content_security_policy
from sigil.core.server.stats import Stats
from tests.apps.demo.test_handler import ask, recorder_after
from tests.support.browser import driven_browser
from tests.tools import needs

PATIENCE_SECONDS = 60.0
needs_chromium = needs("chromium")

# -- its text --------------------------------------------------------------------------------------


def test_the_page_is_served_with_its_policy() -> None:
    policy = Headers(ask(make_demo(recorder_after(1)), "/").headers)["content-security-policy"]
    assert policy == content_security_policy(page_text())
    assert len(re.findall("'sha256-", policy)) == 2
    assert "unsafe" not in policy


def test_the_page_loads_nothing_and_has_nothing_the_policy_would_refuse() -> None:
    page = page_text()
    outside = set(re.findall(r"https?://[^\s'\"`)]+", page)) - {"http://www.w3.org/2000/svg"}
    assert outside == set()
    markup = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert re.findall(r"<[^>]*\s(?:style|src|on\w+)\s*=", markup) == []
    assert "@import" not in page and "url(" not in page and "innerHTML" not in page


def test_the_page_asks_only_what_the_demo_answers() -> None:
    demo, page = make_demo(recorder_after(1)), page_text()
    asked = {*re.findall(r'connect\("([^"]+)"', page), *re.findall(r"fetch\(`([^$]+)\$", page)}
    imported = set(re.findall(r'import .* from "\./([^"]+)"', page))
    linked = {link for link in re.findall(r'href="([^"]+)"', page) if not link.startswith("data:")}
    assert (asked, imported) == ({"ws", "slow?how="}, {"sigil-client.js"})
    (ways,) = re.findall(r"const WAYS = \{(.*)\};", page)
    slow = {f"slow?how={way}" for way in re.findall(r"(\w+):", ways)}
    assert len(slow) == 3
    for address in {"ws"} | slow | imported | linked:
        path, _, query = address.partition("?")
        assert ask(demo, f"/{path}", query).status in (200, 101)


def test_every_element_the_script_looks_up_is_there() -> None:
    page = page_text()
    ids = re.findall(r'\sid="([^"]+)"', page)
    used = set(re.findall(r'(?:\$|put|putBig|makeChart|makeCanvas|showPairs)\("([a-z-]+)"', page))
    assert len(ids) == len(set(ids))
    assert used <= set(ids)
    assert set(re.findall(r'aria-labelledby="([^"]+)"', page)) <= set(ids)


def luminance(colour: str) -> float:
    """The relative luminance of `#rrggbb` (WCAG 2.2)."""
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """From 1 to 21, whichever is the lighter (WCAG 2.2)."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_all_text_can_be_read_on_whatever_it_stands(theme: int) -> None:
    page = page_text()
    blocks = re.findall(r":root \{(.*?)\}", page, re.DOTALL)
    assert len(blocks) == 2
    colours = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", blocks[theme]))
    texts = set(
        re.findall(
            r"(?:[ {;]color|fill): var\(--([a-z]+)\)", re.sub(r"\.(?:area|dot)\.[^}]*\}", "", page)
        )
    )
    texts |= set(re.findall(r"\bsay\(.*?colours\.([a-z]+)", page))
    assert {
        "ink",
        "quiet",
        "bad",
        "good",
        "server",
        "sent",
        "received",
    } <= texts and "faint" not in texts
    for ground in ("ground", "surface", "grid"):
        for text in texts:
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    assert contrast("#ffffff", colours["press"]) >= 4.5
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert re.findall(r"(\S+) \{[^}]*opacity", style) == [
        ".area"
    ]  # what is half transparent has another contrast


def test_every_figure_of_the_server_has_words() -> None:
    (totals,) = re.findall(r"const TOTALS = \{(.*?)\};", page_text(), re.DOTALL)
    assert set(re.findall(r"(\w+): \[", totals)) == set(Stats._fields) - {
        "clients"
    }  # which has a card of its own


# -- in a browser ----------------------------------------------------------------------------------


class Tab:
    """A tab of a browser, told what to do."""

    def __init__(self, browser: ClientConnection, address: str) -> None:
        self.browser = browser
        self.complaints: list[object] = []
        self._number = 0
        self._session: str | None = None
        target = self._call("Target.createTarget", url="about:blank", newWindow=True)["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Runtime", "Log", "Page"):
            self._call(f"{domain}.enable")
        self._call("Page.navigate", url=address)

    def _call(self, method: str, **params: object) -> Any:
        """What the browser answers; what it complains about meanwhile is kept."""
        self._number += 1
        session = {} if self._session is None else {"sessionId": self._session}
        self.browser.send(
            json.dumps({"id": self._number, "method": method, "params": params} | session)
        )
        while True:
            message = json.loads(self.browser.recv(PATIENCE_SECONDS))
            if message.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.complaints.append(message["params"])
            if message.get("id") == self._number and message.get("sessionId") == self._session:
                assert "error" not in message, message
                return message["result"]

    def ask(self, expression: str) -> Any:
        """The value of an expression in the page."""
        return self._call("Runtime.evaluate", expression=expression, returnByValue=True)[
            "result"
        ].get("value")

    def wait_for(self, expression: str) -> None:
        """Ask until it is true."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.ask(expression):
            assert time.monotonic() < deadline, (
                expression,
                self.ask("document.body.innerText"),
                self.complaints,
            )

    def show(self, is_seen: bool) -> None:
        """Let the page believe that it is looked at, or that it is not."""
        self.ask(
            "Object.defineProperty(document, 'hidden', "
            f"{{value: {json.dumps(not is_seen)}, configurable: true}});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )

    def wait_for_words(self, element: str, words: str) -> str:
        """Ask until these words stand in an element; all of its words."""
        text = f"document.getElementById({json.dumps(element)})?.innerText"
        self.wait_for(f"({text} ?? '').includes({json.dumps(words)})")
        return str(self.ask(text))


SMALL = Limits(outgoing_buffer_sz=2**23)
"""A smaller ring than that of the command, so that a slow reader falls off it sooner."""


@contextmanager
def showing(limits: Limits) -> Iterator[tuple[HttpServer, Live]]:
    """The demonstration as the command runs it, but for its ring."""
    server, live = make_live("127.0.0.1", 0, limits)
    server.listen()
    loop = threading.Thread(target=drive, args=(server, live))
    loop.start()
    try:
        yield server, live
    finally:
        server.stop(0)
        loop.join(PATIENCE_SECONDS)
        assert not loop.is_alive()


@pytest.fixture
def server() -> Iterator[HttpServer]:
    """One with a small ring."""
    with showing(SMALL) as (server, _):
        yield server


PAINTED = """(() => {
  const { width, height } = document.getElementById("ring")
  const context = document.getElementById("ring").getContext("2d")
  const pixels = context.getImageData(0, 0, width, height).data
  return new Set(new Uint32Array(pixels.buffer)).size
})()"""


@needs_chromium
def test_a_tab_that_reads_slowly_is_dropped_and_another_one_goes_on(
    server: HttpServer, tmp_path: Path
) -> None:
    address = f"http://127.0.0.1:{server.port}/"
    with driven_browser(tmp_path / "one") as browser, driven_browser(tmp_path / "two") as another:
        slow, other = Tab(browser, address), Tab(another, address)
        for tab in (slow, other):
            tab.wait_for_words("status", "live")
            tab.wait_for_words("beat-now", "ms")
            tab.wait_for_words("cpu-now", "%")
            tab.wait_for(f"{PAINTED} > 3")
        slow.ask('document.getElementById("slow-button").click()')
        slow.wait_for_words("story", "requests /slow")
        other.wait_for('/ lagging: [1-3],/.test(document.getElementById("ring").ariaLabel)')
        slow.wait_for_words("story", "drop: The server has evicted it, WS_CLIENT_TOO_SLOW")
        slow.wait_for_words("story", "skip: The ring had overwritten what it needed")
        slow.wait_for_words("story", "latest: Of what was published while it was behind")
        assert "its own cursor" in slow.ask('document.getElementById("story").innerText')
        for words in ("dropped", "moved on", "at the newest"):
            slow.wait_for_words("slow-figures", words)
        slow.ask('document.getElementById("slow-button").click()')
        slow.wait_for_words("story", "never more than")
        assert "(this tab)" in slow.wait_for_words("dropped", "WS_CLIENT_TOO_SLOW")
        dropped = other.wait_for_words("dropped", "WS_CLIENT_TOO_SLOW")
        assert re.search(r"it was [0-9.]+ [KM]iB of the ring, [0-9]+ messages behind", dropped)
        assert "(this tab)" not in dropped
        assert other.ask('document.getElementById("status-text").innerText') == "live"
        server.stop(0)
        other.wait_for_words("status", "disconnected, retrying")
        # What a server that is gone is asked for again is a complaint, and the only one.
        assert [
            complaint
            for complaint in slow.complaints + other.complaints
            if "ERR_CONNECTION_REFUSED" not in str(complaint)
        ] == []


LARGE = Limits(outgoing_buffer_sz=2**26)
"""A ring that no slow reader falls off while a test looks at it."""


@needs_chromium
def test_the_story_ends_when_the_server_stops(tmp_path: Path) -> None:
    with showing(LARGE) as (server, _), driven_browser(tmp_path / "one") as browser:
        tab = Tab(browser, f"http://127.0.0.1:{server.port}/")
        tab.wait_for_words("status", "live")
        tab.ask('document.getElementById("slow-button").click()')
        tab.wait_for_words("slow-button", "Stop")
        server.stop()
        assert "was restarted" not in tab.wait_for_words("story", "The server has stopped.")
        tab.wait_for_words("slow-button", "Read slowly again")
        assert tab.ask('document.getElementById("slow-button").disabled')


@needs_chromium
def test_the_story_ends_when_a_tab_that_was_hidden_finds_another_server(tmp_path: Path) -> None:
    with showing(LARGE) as (server, live), driven_browser(tmp_path / "one") as browser:
        tab = Tab(browser, f"http://127.0.0.1:{server.port}/")
        tab.wait_for_words("status", "live")
        tab.ask('document.getElementById("slow-button").click()')
        tab.wait_for_words("slow-button", "Stop")
        for is_another in (False, True):
            tab.show(False)
            tab.wait_for_words("status", "paused")
            # What a server that is gone has left in the buffers is read on for long: the same
            # connection stands for it.
            live.began_seconds += is_another
            tab.show(True)
            tab.wait_for_words("status", "live")
            expected = "Read slowly again" if is_another else "Stop"
            assert tab.ask('document.getElementById("slow-button").innerText') == expected
        assert "The server was restarted" in tab.wait_for_words("story", "was restarted")
