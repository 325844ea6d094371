"""The cards that a notebook shows: of bounded length, with nothing of a stranger as markup."""

import pytest

from sigil import Conn, HttpServer, Limits, Request, Response, make_http_server
from sigil.core.server import make_server
from sigil.core.server.slots import clients_of
from sigil.core.server.state import Server
from sigil.core.views.cards import CARDS, CELLS_MAX, card_of, server_card
from sigil.core.views.trace_cards import dialogue_card, recording_card, turn_card
from sigil.testing import Client
from tests.support.core_broadcasts import publish_lengths, with_websockets
from tests.support.html import attributes_of, tags_of, text_of
from tests.support.traffic import LIVE, crowd, turns

EVIL = "<script>alert(1)</script>\"' onload=x"
ALLOWED = {
    *("style", "div", "header", "b", "span", "code", "dl", "dt", "dd", "i", "h4", "ol", "li"),
    *("svg", "rect", "line", "path"),
}
MAX_LEN = 60_000


def is_harmless(html: str) -> bool:
    """True for markup of ours alone: no scripts, nothing from elsewhere, nothing that clashes."""
    attributes = attributes_of(html)
    names = {name for name, _ in attributes}
    values = [value or "" for name, value in attributes if name != "title"]
    return (
        tags_of(html) <= ALLOWED
        and not any(name.startswith("on") or name in ("id", "href", "src") for name in names)
        and not any("://" in value or "url(" in value for value in values)
    )


def with_strangers() -> Client:
    """A server whose clients send what nobody should show as markup."""

    def app(request: Request) -> Response:
        if request.path == "/ws":
            return Response.upgrade(topics=[EVIL, "x" * 250])
        raise AssertionError("not called")

    client = Client(app)
    client.websocket("/ws").send(EVIL)
    client.server.broadcast(EVIL, topic=EVIL)
    client.connect().send(b"POST /%3Cscript%3E HTTP/1.1\r\nHost: a\r\nX: <script>\r\n")
    client.run_until_idle()
    return client


def test_a_server_says_what_matters() -> None:
    server, conns = with_websockets(5)
    server = publish_lengths(server, 100, 50, taken={conns[1].slot: 10})
    shown = text_of(server_card(server, "http://127.0.0.1:8080"))
    for words in (
        "HttpServer",
        "serving",
        "http://127.0.0.1:8080",
        "2 of 16 messages, 150 B of 600 B",
        "At the head: 4 subscribers",
        "Behind: 1 subscriber",
        "1:1",
        "Slots: 5 of 5 in use",
    ):
        assert words in shown, words


def test_every_card_of_a_busy_server_is_harmless_and_short() -> None:
    state = with_strangers().state
    requests = [
        Request("GET", EVIL, EVIL, EVIL, 1, headers_of(EVIL), EVIL.encode(), peer_of(state))
    ]
    values = [
        state,
        state.broadcast,
        *clients_of(state.slots),
        *requests,
        Response.text(EVIL, headers={"X-Evil": EVIL}),
        Response.upgrade(topics=[EVIL]),
        Response.stream([b"x"]),
        Response.file(EVIL),
        Response.sse(),
    ]
    for value in values:
        html = card_of(value)
        assert html is not None and html == value._repr_html_()
        assert is_harmless(html), html
        assert len(html) < MAX_LEN
    assert EVIL[:20] in text_of(state.broadcast._repr_html_() or "")


def headers_of(value: str) -> object:
    """Header fields with this as a value and as a name."""
    from sigil.core.http.headers import Headers

    return Headers(((value, value), ("Authorization", "secret"), ("Cookie", "secret")))


def peer_of(state: Server) -> object:
    """The peer of a client of this server."""
    return next(clients_of(state.slots)).peer


def test_credentials_are_not_shown() -> None:
    request = Request("GET", "/", "/", "", 1, headers_of("v"), b"", peer_of(with_strangers().state))
    shown = request._repr_html_() or ""
    assert "secret" not in shown and "not shown (6 characters)" in shown
    assert "sid=" not in (Response.text("", headers={"Set-Cookie": "sid=1"})._repr_html_() or "")


@pytest.mark.parametrize("count", [0, 1, 100, 3_000])
def test_however_many_clients_there_are(count: int) -> None:
    server = turns(crowd(count), LIVE, 0, 40)[-1] if count > 10 else make_server(Limits(), 0.0, 0)
    html = server._repr_html_() or ""
    assert is_harmless(html) and len(html) < MAX_LEN
    assert html.count('title="slot') <= CELLS_MAX
    if count == 3_000:
        assert "9 to a square" in text_of(html) and "laggards more" in text_of(html)


def test_an_http_server_shows_its_address() -> None:
    server: HttpServer = make_http_server(lambda request: None, host="127.0.0.1", port=0)
    assert "127.0.0.1" in text_of(server._repr_html_()) and is_harmless(server._repr_html_())


def test_what_has_no_card_shows_its_repr() -> None:
    assert Conn(1, 2)._repr_html_() is None
    assert {kind.__name__ for kind in CARDS} == {
        *("Server", "Broadcast", "Client", "Request", "Response", "Stats")
    }


def test_stats_are_shown() -> None:
    with Client(lambda request: Response.text("")) as client:
        client.get("/")
        html = client.stats()._repr_html_() or ""
    assert is_harmless(html) and "requests" in text_of(html)


def test_what_happened_is_harmless_too() -> None:
    from sigil.core.events import Received
    from sigil.core.views.sentences import Line
    from sigil.core.views.trace_cards import Step

    events = [Received(Conn(0, number), EVIL.encode()) for number in range(500)]
    lines = [Line(EVIL, Conn(0, 1), EVIL)] * 500
    steps = [Step(0.5, side, EVIL) for side in ("->", "<-", "--", EVIL)] * 100
    cards = (
        turn_card(7, events, lines, EVIL),
        dialogue_card(EVIL, EVIL, steps, omitted=9),
        recording_card(5, 2.0, [(EVIL, EVIL)], [float(n) for n in range(5_000)], [0.0, 2.0], EVIL),
        recording_card(0, 0.0, []),
    )
    for html in cards:
        assert is_harmless(html) and len(html) < MAX_LEN
    assert "460 more events" in text_of(cards[0]) and "460 more" in text_of(cards[0])
    assert "409 lines" in text_of(cards[1])
