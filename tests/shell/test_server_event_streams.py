"""Event streams over real sockets, read by the standard's own algorithm, and by a browser where
there is one.

Theory: an event stream is a body that does not end, so what matters is that an event is there as
soon as it happens, that silence does not look like death, that a client which comes back says where
it was, and that one which does not read costs its budget and no more.

Rules: intervals are short because the limits of these tests say so; the browser is ended by the
group it leads.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from sigil import Deferred, Limits, Request, Response, SseEvent, Unfold
from tests.support.browser import browser_at
from tests.support.event_stream_reader import ReadEvent, Reading, read_events
from tests.support.requests import GET
from tests.support.servers import (
    MIB,
    PATIENCE,
    Raw,
    ask,
    in_thread,
    logged_by,
    make,
    pump,
    settle,
    ticking,
)
from tests.tools import needs

GET_1_0 = b"GET / HTTP/1.0\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
KEEP_ALIVE = b"3\r\n:\n\n\r\n"
OFTEN = Limits(sse_keep_alive_interval=0.1)

PAGE = """<!doctype html><meta charset="utf-8"><script>
const source = new EventSource("/events");
const tell = event => fetch("/heard?" + new URLSearchParams({
  id: event.lastEventId, data: event.data, type: event.type}));
source.onmessage = tell;
source.addEventListener("tick", tell);
</script>"""


class Feed:
    """Events are put here as they happen; the stream yields them, and None while there are none."""

    def __init__(self, *events: object) -> None:
        self.events = deque(events)
        self.asked = 0
        self.closed = 0

    def __call__(self) -> Iterator[object]:
        try:
            while True:
                self.asked += 1
                yield self.events.popleft() if self.events else None
        finally:
            self.closed += 1


def streaming(
    events: Callable[[], Iterable[object]], **fields: str
) -> Callable[[Request], Response]:
    """A handler that streams these events."""
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    return lambda request: Response.sse(events(), headers=headers)


def reading_of(client: Raw) -> Reading:
    """What the client makes of what has come so far."""
    answers = client.answers()
    return read_events(answers[0].body if answers else b"")


def heard_by(client: Raw) -> list[str]:
    """The data of all events so far."""
    return [event.data for event in reading_of(client).events]


# -- events ----------------------------------------------------------------------------------------


def test_events_are_heard_as_they_happen() -> None:
    feed = Feed("a")
    with ticking(streaming(feed)) as server, Raw(server, GET) as client:
        pump(server, lambda: heard_by(client) == ["a"], client)
        feed.events.append(SseEvent({"n": 1}, event="tick", id="é7", retry_ms=250))
        pump(server, lambda: len(heard_by(client)) == 2, client)
        feed.events += ["two\nlines", [1, None]]
        pump(server, lambda: len(heard_by(client)) == 4, client)
        assert reading_of(client) == Reading(
            [
                ReadEvent("message", "a", ""),
                ReadEvent("tick", '{"n":1}', "é7"),
                ReadEvent("message", "two\nlines", "é7"),
                ReadEvent("message", "[1,null]", "é7"),
            ],
            250,
            "é7",
        )


def test_the_head_of_an_event_stream_says_what_everybody_on_the_way_must_know() -> None:
    with ticking(streaming(lambda: ["x"])) as server:
        answer = ask(server)
        assert (answer.status, answer.is_whole, answer.body) == (200, True, b"data: x\n\n")
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-accel-buffering"] == "no"
        assert answer.headers["transfer-encoding"] == "chunked"
    with ticking(streaming(lambda: ["x"], Cache_Control="no-cache", X_Mine="1")) as server:
        answer = ask(server)
        assert (answer.headers["cache-control"], answer.headers["x-mine"]) == ("no-cache", "1")


def test_an_event_may_be_promised_and_a_pure_stream_may_be_of_events() -> None:
    later = Deferred()
    with ticking(streaming(lambda: [later])) as server, Raw(server, GET) as client:
        pump(server, lambda: server.stats().requests == 1, client)
        later.resolve(SseEvent("kept", id="1"))
        pump(server, lambda: client.received.endswith(b"\r\n0\r\n\r\n"), client)
        assert reading_of(client).events == [ReadEvent("message", "kept", "1")]
    numbers = Response.sse(Unfold(lambda number: (number, number + 1) if number < 50 else None, 0))
    with ticking(lambda request: numbers) as server:
        clients = [Raw(server, GET), Raw(server, GET)]
        pump(
            server,
            lambda: all(client.received.endswith(b"\r\n0\r\n\r\n") for client in clients),
            *clients,
        )
        assert [heard_by(client) for client in clients] == [
            [str(number) for number in range(50)]
        ] * 2
        for client in clients:
            client.close()


def test_an_event_stream_to_an_old_client_ends_with_the_connection() -> None:
    feed = Feed("a")
    with ticking(streaming(feed), OFTEN) as server, Raw(server, GET_1_0) as client:
        pump(server, lambda: bytes(client.received).endswith(b"\r\n\r\ndata: a\n\n:\n\n"), client)
        assert b"transfer-encoding" not in bytes(client.received).lower()
        assert b"connection: close" in bytes(client.received).lower()
        assert not client.over
    with ticking(streaming(lambda: ["a", "b"])) as server, Raw(server, GET_1_0) as client:
        pump(server, lambda: client.over, client)
        assert bytes(client.received).partition(b"\r\n\r\n")[2] == b"data: a\n\ndata: b\n\n"


def test_the_head_of_an_event_stream_asks_it_for_nothing_and_the_connection_goes_on() -> None:
    feed = Feed("a")
    with ticking(streaming(feed), OFTEN) as server, Raw(server, HEAD * 2) as client:
        pump(server, lambda: len(client.answers("HEAD", "HEAD")) == 2, client)
        settle(server, client)
        assert [(answer.status, answer.body) for answer in client.answers("HEAD", "HEAD")] == [
            (200, b"")
        ] * 2
        assert client.received.endswith(b"\r\n\r\n")
        assert (feed.asked, len(server.clients())) == (0, 1)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (b"bytes", "not bytes"),
        (object(), "not JSON"),
        (float("nan"), "not JSON"),
        ("\ud800", "surrogates"),
        (SseEvent("x", id="a\nb"), "line ends"),
        (LookupError("secret"), "LookupError: secret"),
    ],
)
def test_what_is_no_event_ends_the_connection_so_that_the_client_can_tell(
    bad: object, said: str
) -> None:
    feed = Feed("a", bad, "never")
    with (
        ticking(streaming(feed)) as server,
        logged_by("sigil.error") as lines,
        Raw(server, GET) as client,
    ):
        pump(server, lambda: client.over, client)
        (answer,) = client.answers()
        assert (answer.body, answer.is_whole) == (b"data: a\n\n", False)
        assert len(lines) == 1
        assert said in lines[0]
        assert (feed.asked, feed.closed) == (2, 1)


# -- silence ---------------------------------------------------------------------------------------


def test_a_silent_stream_is_kept_alive_by_comments_that_nobody_hears() -> None:
    feed = Feed("a")
    limits = OFTEN._replace(response_timeout=0.1, idle_timeout=0.1, stall_timeout=0.1)
    with ticking(streaming(feed), limits) as server, Raw(server, GET) as client:
        pump(server, lambda: client.received.count(KEEP_ALIVE) >= 4, client)
        feed.events.append("b")
        pump(server, lambda: heard_by(client) == ["a", "b"], client)


def test_a_server_that_waits_wakes_up_to_keep_its_streams_alive() -> None:
    never = Deferred()
    server = make(streaming(lambda: ["a", never]), OFTEN)
    with in_thread(server), Raw(server, GET) as client:
        deadline = time.monotonic() + PATIENCE
        while client.received.count(KEEP_ALIVE) < 3:
            assert time.monotonic() < deadline, "no comments"
            client.sock.setblocking(True)
            client.received += client.sock.recv(MIB)


def test_a_busy_stream_gets_no_comments() -> None:
    feed = Feed()
    limits = Limits(sse_keep_alive_interval=0.8)
    with ticking(streaming(feed), limits) as server, Raw(server, GET) as client:
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            feed.events.append("x")
            pump(server, lambda: not feed.events, client)
        assert KEEP_ALIVE not in client.received
        pump(server, lambda: KEEP_ALIVE in client.received, client)


def test_a_stream_of_bytes_gets_no_comments() -> None:
    chunks = iter([b"a", None, None, None, None, None, b"b"])
    with ticking(
        lambda request: Response.stream(chunks), OFTEN._replace(sse_keep_alive_interval=0.01)
    ) as server:
        assert ask(server).body == b"ab"


# -- where it was ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (b"", ""),
        (b"Last-Event-ID: 7\r\n", "7"),
        (b"last-event-id:\r\n", ""),
        (b"Last-Event-ID: a b\r\n", "a b"),
        ("Last-Event-ID: é☕\r\n".encode(), "é☕"),
        (b"Last-Event-ID: \xff7\r\n", "\ufffd7"),
    ],
)
def test_the_last_event_id_is_read_back(sent: bytes, read: str) -> None:
    seen: list[str] = []

    def app(request: Request) -> Response:
        seen.append(request.last_event_id)
        return Response.sse([SseEvent(seen[-1], id=seen[-1])])

    with ticking(app) as server:
        answer = ask(server, GET.replace(b"\r\n\r\n", b"\r\n" + sent + b"\r\n"))
        assert seen == [read]
        assert read_events(answer.body).events == [ReadEvent("message", read, read)]


# -- slow and gone ---------------------------------------------------------------------------------


def test_an_endless_stream_to_a_reader_that_stops_costs_its_budget_and_nothing_else() -> None:
    made = 0

    def endless() -> Iterator[str]:
        nonlocal made
        while True:
            made += 1
            yield "x" * 1_000

    def app(request: Request) -> Response:
        return Response.sse(endless()) if request.path == "/" else Response.text("fine")

    limits = Limits(max_outbox_len=10_000)
    with ticking(app, limits) as server, Raw(server, GET, receive_buffer=4096) as slow:
        slow.reads = False
        pump(server, lambda: server.stats().outbox_bytes > 0, slow)
        settle(server)
        stopped_at, owed = made, server.stats().outbox_bytes
        for _ in range(20):
            assert ask(server, GET.replace(b"/ ", b"/other ", 1)).text == "fine"
        assert (made, server.stats().outbox_bytes) == (stopped_at, owed)
        assert owed <= limits.max_outbox_len
        assert made * 1_000 < MIB
        slow.reads = True
        pump(server, lambda: made > stopped_at + 1_000, slow)
        assert set(heard_by(slow)) == {"x" * 1_000}


def test_comments_find_out_who_is_gone() -> None:
    feed = Feed("a")
    with ticking(streaming(feed), OFTEN) as server:
        client = Raw(server, GET)
        pump(server, lambda: heard_by(client) == ["a"], client)
        client.close()
        pump(server, lambda: not server.clients())
        assert (feed.closed, server.stats().closed) == (1, {"PEER_RESET": 1})


def test_the_first_comment_finds_out_who_is_gone() -> None:
    feed = Feed("a")
    with ticking(streaming(feed), OFTEN) as server:
        client = Raw(server, GET)
        pump(server, lambda: heard_by(client) == ["a"], client)
        before = server.stats().bytes_out
        client.close()
        pump(server, lambda: not server.clients())
        assert server.stats().bytes_out - before <= len(KEEP_ALIVE)


# -- a browser -------------------------------------------------------------------------------------


@needs("chromium")
def test_a_browser_hears_events_reconnects_and_says_where_it_was(tmp_path: Path) -> None:
    asked: list[str] = []
    told: list[dict[str, str]] = []

    def app(request: Request) -> Response:
        if request.path == "/heard":
            told.append(request.args)
        if request.path != "/events":
            return Response.html(PAGE) if request.path == "/" else Response.text("")
        asked.append(request.last_event_id)
        if request.last_event_id == "é☕":
            return Response.sse([": two\r\nlines", None, SseEvent({"n": 1}, "tick", "last")])
        return (
            Response.sse([SseEvent("first", id="é☕", retry_ms=50)])
            if len(asked) == 1
            else Response.bytes(b"", 204)
        )

    with ticking(app) as server, browser_at(tmp_path, f"http://127.0.0.1:{server.port}/"):
        pump(server, lambda: len(told) >= 3 and len(asked) >= 3, patience=6 * PATIENCE)
    assert asked == ["", "é☕", "last"]
    assert sorted(told, key=lambda said: said["data"]) == [
        {"id": "é☕", "data": ": two\nlines", "type": "message"},
        {"id": "é☕", "data": "first", "type": "message"},
        {"id": "last", "data": '{"n":1}', "type": "tick"},
    ]
    assert quote(asked[1]) == "%C3%A9%E2%98%95"
