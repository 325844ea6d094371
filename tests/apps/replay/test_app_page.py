"""The page in a browser: where one is, how one gets on, and what strangers sent.

Theory: the page is what is in the document, so it is asked for that, over the browser's own
protocol, until it is as it should be. It is served by a server of ours, under its policy.

Rules: every wait is bounded, and nothing waits for time to pass.
"""

from collections.abc import Callable, Iterator
from threading import Event
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from sigil import Limits, Request, Response, make_http_server
from sigil.apps.replay.app import make_app
from sigil.apps.replay.documents import View, jump_document, make_view
from sigil.apps.replay.simulations import Simulated, Simulations, run_unreliable
from sigil.apps.replay.work import Worker
from sigil.testing import Client
from tests.apps.replay.test_work import gated
from tests.apps.stream.test_app_page import Tab
from tests.support.browser import driven_browser
from tests.tools import needs

pytestmark = needs("chromium")

HOSTILE = "<img src=x onerror=\"document.title='broken'\"><b>bold</b>\u202e"
TURN = "document.getElementById('turn').textContent"
STORY = "document.getElementById('story').textContent"
STATUS = "document.getElementById('status').textContent"
DIALOGUE = "document.getElementById('dialogue').textContent"
ROWS = "[...document.querySelectorAll('#rows button.id')].map(each => each.textContent)"


def app(request: Request) -> Response:
    if request.path == "/ws":
        return Response.upgrade(topics=(HOSTILE, "news"))
    return Response.text("hello")


def recorded() -> View:
    """Two WebSockets, one of which is evicted, and hostile texts everywhere."""
    limits = Limits(outgoing_buffer_sz=900, max_ws_send_frame_cnt=8, max_outbox_len=300)
    client = Client(app, limits=limits, keeps_turns=True)
    slow, fast = client.websocket("/ws"), client.websocket("/ws")
    slow.connection.wire.window_len = 4
    fast.send(HOSTILE)
    client.advance(1.0)
    for _ in range(12):
        client.server.broadcast(HOSTILE, topic=HOSTILE)
        client.run_until_idle()
    fast.close(4000, HOSTILE)
    client.connect().send(b"GET /<img> HTTP/1.1\r\n<b>: x\r\n\r\n")
    return make_view(client.recording(), HOSTILE)


VIEW = recorded()
LAST = VIEW.timeline.turns
EVICTION = jump_document(VIEW, "evictions", 0, is_back=False)["turn"]


WORLDS = Simulations("unreliable", 4)


def view_of(request: Request) -> View | Callable[[], View]:
    """The recording; or, if the query has a seed, a simulation."""
    return WORLDS(request) if "seed" in request.args else VIEW


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = make_http_server(make_app(view_of), port=0)
    with server.serve_in_thread():
        yield server.port


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClientConnection]:
    with driven_browser(tmp_path_factory.mktemp("browser")) as devtools:
        yield devtools


class Page(Tab):
    """A page, which says what is wrong in its status."""

    def wait_for(self, expression: str, value: object) -> None:
        try:
            super().wait_for(expression, value)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.ask(STATUS)!r}") from None

    def is_at(self, turn: int, last: int = LAST) -> None:
        self.wait_for(TURN, f"turn {turn} of {last}")


@pytest.fixture
def page(wire: ClientConnection, port: int) -> Iterator[Page]:
    page = Page(wire)
    page.open(f"http://127.0.0.1:{port}/")
    page.is_at(0)
    yield page
    page.close()


def test_keys_go_from_turn_to_turn(page: Page) -> None:
    page.press("ArrowRight", 39)
    page.is_at(1)
    page.press("End", 35)
    page.is_at(LAST)
    page.press("ArrowLeft", 37)
    page.is_at(LAST - 1)
    page.press("Home", 36)
    page.is_at(0)
    page.press("e", 69, "e")
    page.is_at(EVICTION)
    page.wait_for(f"{STORY}.startsWith('Connection 0 is evicted')", True)
    page.wait_for("document.querySelectorAll('#ring .gone').length > 0", True)
    page.press("e", 69, "e")
    page.wait_for(STATUS, "there is no other eviction behind this turn")
    page.ask("document.querySelector('[aria-label=\"Next close\"]').click()")
    page.wait_for(f"{STORY}.includes('is evicted')", False)
    page.ask("document.querySelector('[aria-label=\"Previous close\"]').click()")
    page.is_at(EVICTION)


def test_the_slider_and_the_buttons(page: Page) -> None:
    page.ask("slider.value = 5; slider.dispatchEvent(new Event('input'))")
    page.is_at(5)
    page.ask("document.getElementById('on').click()")
    page.is_at(6)
    assert page.ask("document.getElementById('slider').getAttribute('aria-valuetext')") == (
        f"turn 6 of {LAST}"
    )
    assert page.ask("location.hash") == "#turn=6"


def test_it_plays_to_the_end_and_stops(page: Page) -> None:
    page.ask("speed.value = 't100'")
    page.press(" ", 32, " ")
    page.is_at(LAST)
    page.wait_for("document.getElementById('play').textContent", "▶ Play")
    page.ask("speed.value = 'n30'; play.click()")
    page.wait_for("play.getAttribute('aria-pressed')", "true")
    page.wait_for("Number(slider.value) > 2 && Number(slider.value) < 30", True)
    page.press(" ", 32, " ")
    page.wait_for("play.getAttribute('aria-pressed')", "false")


def test_a_connection_is_chosen_and_followed(page: Page) -> None:
    page.ask(f"slider.value = {EVICTION - 1}; slider.dispatchEvent(new Event('input'))")
    page.wait_for(ROWS, ["0", "1"])
    page.ask("document.querySelector('#rows button.id').click()")
    page.wait_for(f"{DIALOGUE}.includes('and lags from here on')", True)
    assert page.ask("location.hash") == f"#turn={EVICTION - 1}&conn=0"
    page.press("ArrowRight", 39)
    page.wait_for(f"{DIALOGUE}.includes('the WebSocket is over')", True)
    page.wait_for("document.getElementById('why').disabled", False)
    page.ask("document.getElementById('why').click()")
    page.wait_for("document.querySelectorAll('#facts li').length > 2", True)
    page.wait_for(ROWS, ["1"])


def test_a_link_is_to_what_is_seen_and_the_way_back_is_there(page: Page, port: int) -> None:
    page.open(f"http://127.0.0.1:{port}/?#turn={EVICTION}&conn=1")
    page.is_at(EVICTION)
    page.wait_for(f"{DIALOGUE}.includes('it is a WebSocket now')", True)
    page.ask("document.querySelector('[aria-label=\"Next close\"]').click()")
    page.wait_for(f"location.hash === '#turn={EVICTION}&conn=1'", False)
    page.ask("history.back()")
    page.is_at(EVICTION)
    page.open(f"http://127.0.0.1:{port}/?x#turn=9999999&conn=77")
    page.wait_for(STATUS, "404 Not Found: there is no connection 77 in this recording")


def test_what_strangers_sent_is_text(page: Page) -> None:
    shown = HOSTILE.replace("\u202e", "\ufffd")
    assert page.ask("document.getElementById('title').textContent") == shown
    for turn in range(0, LAST + 1, 3):
        page.ask(f"slider.value = {turn}; slider.dispatchEvent(new Event('input'))")
        page.is_at(turn)
    page.press("End", 35)
    page.is_at(LAST)
    assert page.ask("document.querySelectorAll('img, main b b, .outside b').length") == 0
    assert page.ask("document.title") == f"{shown}: sigil"


def test_it_fits_into_any_width(page: Page) -> None:
    page.press("e", 69, "e")
    page.is_at(EVICTION)
    for width in (360, 768, 1_600):
        resize(page, width)
        page.wait_for("document.documentElement.scrollWidth <= innerWidth", True)


def resize(page: Any, width: int) -> None:
    """Show the page in a window of this width."""
    page._ask(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
        page._session,
    )
    page.wait_for("innerWidth", width)


def test_another_seed_is_another_network(page: Page, port: int) -> None:
    page.open(f"http://127.0.0.1:{port}/?seed=4")
    page.wait_for("document.getElementById('title').textContent", "World 4")
    page.wait_for("document.getElementById('seeds').hidden", False)
    page.ask("seed.value = '7'; seeds.requestSubmit()")
    page.wait_for("document.getElementById('title').textContent", "World 7")
    assert page.ask("location.search") == "?seed=7&network=unreliable"


# -- what takes long -------------------------------------------------------------------------------

BUSY = "document.getElementById('busy').textContent"


def test_it_says_that_it_is_busy_and_asks_for_what_is_wanted_then(wire: ClientConnection) -> None:
    worker = Worker()
    view, gate = gated(worker)
    last = view.timeline.turns
    server = make_http_server(make_app(lambda request: view, do=worker.do), port=0)
    with server.serve_in_thread():
        page = Page(wire)
        page.open(f"http://127.0.0.1:{server.port}/")
        page.is_at(0, last)  # for which no turn is read
        page.press("End", 35)
        page.wait_for(BUSY, f"turn {last} is being computed")
        page.wait_for("document.body.getAttribute('aria-busy')", "true")
        page.press("ArrowLeft", 37)
        page.wait_for(BUSY, f"turn {last - 1} is being computed")
        page.press("Home", 36)
        page.wait_for(BUSY, "")
        page.is_at(0, last)
        page.press("ArrowRight", 39)
        page.wait_for(BUSY, "turn 1 is being computed")
        gate.is_open.set()
        page.is_at(1, last)
        page.wait_for(BUSY, "")
        page.wait_for("document.body.getAttribute('aria-busy')", "false")
        page.wait_for(STATUS, "")
        page.close()


def test_a_network_that_is_being_run_is_said_to_be(wire: ClientConnection) -> None:
    worker, goes_on = Worker(), Event()

    def run(seed: int) -> Simulated:
        assert seed == 4 or goes_on.wait(60)
        return run_unreliable(seed)

    simulations = Simulations("unreliable", 4, {"unreliable": run})
    simulations.view("unreliable", 4)
    server = make_http_server(make_app(simulations, do=worker.do), port=0)
    with server.serve_in_thread():
        page = Page(wire)
        page.open(f"http://127.0.0.1:{server.port}/?seed=5")
        page.wait_for(BUSY, "the network of seed 5 is being run")
        goes_on.set()
        page.wait_for("document.getElementById('title').textContent", "World 5")
        page.wait_for(BUSY, "")
        page.close()
