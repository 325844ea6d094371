"""What belongs to one connection: the request that opened it, its context and its callbacks, held
as long as it is open and no longer.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from sigil import (
    Callbacks,
    CloseReason,
    Conn,
    Deferred,
    HttpServer,
    Limits,
    Request,
    Response,
    make_http_server,
)
from sigil.core.conn import Peer, Ticket
from sigil.core.http.bodies import Upgrade
from sigil.core.http.headers import Headers
from sigil.shell.program.connection_programs import NOTHING, ConnectionPrograms, Own
from sigil.testing import Client, UpgradeRefused
from tests.support.requests import UPGRADE

CONN, OTHER = Conn(0, 0), Conn(1, 1)
REQUEST = Request("GET", "/", "/", "", 1, Headers(), b"", Peer("", 0))
LATER = REQUEST.replace(target="/later")


def held_by(client: Client) -> int:
    """For how many connections the server holds something."""
    return len(client.server._application.callbacks.programs)


# -- the text of a close frame ---------------------------------------------------------------------


@pytest.mark.parametrize("text", ["bye \N{WAVING HAND SIGN}", ""])
def test_what_a_client_writes_into_its_close_frame_is_there_in_ws_close(text: str) -> None:
    told: list[tuple[str, int]] = []
    client = Client(
        lambda request: Response.upgrade(),
        callbacks=Callbacks(
            ws_message=lambda server, conn, data: told.append((server.close_text(conn), 0)),
            ws_close=lambda server, conn, reason, code: told.append(
                (server.close_text(conn), code)
            ),
        ),
    )
    websocket = client.websocket("/")
    handle = websocket.handle
    websocket.send("a")
    websocket.close(4000, text)
    assert told == [("", 0), (text, 4000)]
    assert client.server.close_text(handle) == "" and held_by(client) == 0


def test_it_is_there_too_when_the_program_has_closed_and_not_where_none_was_sent() -> None:
    texts: list[str] = []
    client = Client(
        lambda request: Response.upgrade(),
        callbacks=Callbacks(
            ws_close=lambda server, conn, reason, code: texts.append(server.close_text(conn))
        ),
    )
    answering = client.websocket("/", answers_pings=False)
    client.server.close(answering.handle, 4001)
    client.run_until_idle()
    answering.send_frame(8, (4001).to_bytes(2) + b"as you wish")
    client.websocket("/").connection.reset()
    assert texts == ["as you wish", ""]
    assert held_by(client) == 0


# -- the table -------------------------------------------------------------------------------------


def test_what_was_given_belongs_to_the_connection_that_the_core_opens() -> None:
    programs, own = ConnectionPrograms(), Own("callbacks", "context")
    programs.give(Ticket(CONN, 3), REQUEST, own)
    assert (programs.context(CONN), programs.callbacks(CONN, "server's")) == (None, "server's")
    assert programs.open(CONN, LATER) is REQUEST
    assert (programs.context(CONN), programs.callbacks(CONN, "server's")) == (
        "context",
        "callbacks",
    )
    assert programs.context(OTHER) is None
    programs.end(CONN)
    assert (programs.context(CONN), programs.callbacks(CONN, "server's")) == (None, "callbacks")
    programs.drop(CONN)
    assert programs.callbacks(CONN, "server's") == "server's" and len(programs) == 0


def test_of_what_was_refused_nothing_is_left() -> None:
    programs = ConnectionPrograms()
    programs.give(Ticket(CONN, 0), REQUEST, Own(None, "first"))
    programs.give(Ticket(CONN, 1), LATER, Own(None, "second"))
    programs.forget(Ticket(CONN, 0))
    programs.forget(Ticket(CONN, 7))
    programs.forget(Ticket(OTHER, 0))
    assert programs.open(CONN, REQUEST) is LATER
    assert programs.context(CONN) == "second"
    programs.end(CONN)
    assert len(programs) == 0


def test_the_response_that_is_due_first_is_the_one_that_opens() -> None:
    programs = ConnectionPrograms()
    programs.give(Ticket(CONN, 1), LATER, Own(None, "second"))
    programs.give(Ticket(CONN, 0), REQUEST, Own(None, "first"))
    assert programs.open(CONN, LATER) is REQUEST and programs.context(CONN) == "first"


def test_the_request_alone_is_not_held_once_it_was_told() -> None:
    programs = ConnectionPrograms()
    programs.give(Ticket(CONN, 0), REQUEST, NOTHING)
    assert len(programs) == 1
    assert programs.open(CONN, LATER) is REQUEST
    assert len(programs) == 0
    assert programs.open(CONN, LATER) is LATER  # of a handler that nobody knows


# -- the request -----------------------------------------------------------------------------------


class Seen:
    """A handler and callbacks that remember what they were called with."""

    def __init__(self, respond: Callable[[Request], Any]) -> None:
        self.respond = respond
        self.requests: list[Request] = []
        self.opened: list[Request] = []
        self.contexts: list[object] = []
        self.events: list[str] = []
        self.callbacks = Callbacks(
            close=self.note("close"),
            ws_open=self.on_open,
            ws_message=self.note("ws_message"),
            ws_close=self.note("ws_close"),
            sse_open=self.on_open,
            sse_close=self.note("sse_close"),
        )

    def handle(self, request: Request) -> Any:
        self.requests.append(request)
        return self.respond(request)

    def on_open(self, server: HttpServer, conn: Conn, request: Request) -> None:
        assert request.conn == conn
        self.opened.append(request)
        self.contexts.append(server.context(conn))

    def note(self, name: str) -> Callable[..., None]:
        """A callback that remembers its name and the context that there is then."""

        def callback(server: HttpServer, conn: Conn, *values: object) -> None:
            self.events.append(name)
            self.contexts.append(server.context(conn))

        return callback


def later(request: Request, response: Response) -> Deferred:
    """A response that comes when the handler has returned."""
    deferred = Deferred()
    deferred.resolve(response)
    return deferred


def test_a_request_knows_its_connection_which_others_may_come_on() -> None:
    client = Client(lambda request: Response.text(str(request.conn.generation)))
    connection = client.connect()
    for _ in range(2):
        connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
    assert [answer.text for answer in connection.answers()] == ["0"] * 4
    assert client.get("/").text == "1"


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("make", [Response.upgrade, Response.sse])
def test_the_callback_is_given_the_very_request_that_the_handler_had(
    make: Callable[[], Response], is_late: bool
) -> None:
    seen = Seen(lambda request: later(request, make()) if is_late else make())
    client = Client(seen.handle, callbacks=seen.callbacks)
    connection = client.connect(window_len=10_000)
    connection.send(UPGRADE)
    assert len(seen.opened) == 1 and seen.opened[0] is seen.requests[0]
    assert held_by(client) == 0


def test_a_request_with_a_body_comes_to_the_callback_with_it() -> None:
    seen = Seen(lambda request: Response.sse())
    client = Client(seen.handle, callbacks=seen.callbacks)
    client.connect().send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
    assert seen.opened[0] is seen.requests[0] and seen.opened[0].body == b"hello"


# -- the context -----------------------------------------------------------------------------------


def test_a_context_is_there_from_the_beginning_until_the_end_was_told() -> None:
    context = object()
    seen = Seen(lambda request: Response.upgrade(context=context))
    client = Client(seen.handle, callbacks=seen.callbacks)
    websocket = client.websocket("/")
    assert client.server.context(websocket.handle) is context
    conn = websocket.handle
    websocket.send("x")
    websocket.close()
    assert seen.events == ["ws_message", "ws_close", "close"]
    assert seen.contexts == [context] * 3 + [None]
    assert client.server.context(conn) is None and held_by(client) == 0


def test_each_connection_has_its_own_and_others_have_none() -> None:
    client = Client(lambda request: Response.upgrade(context=request.args.get("name")))
    ann, bob, nobody = (client.websocket(f"/{query}") for query in ("?name=ann", "?name=bob", ""))
    connection = client.connect()
    assert [client.server.context(each.handle) for each in (ann, bob, nobody)] == [
        "ann",
        "bob",
        None,
    ]
    assert connection.handle is not None and client.server.context(connection.handle) is None
    assert client.server.context(Conn(77, 77)) is None
    assert held_by(client) == 2
    ann.connection.reset()
    client.run_until_idle()
    assert held_by(client) == 1
    client.stop(0.0)
    assert held_by(client) == 0


class NoTruth:
    """Like an array: it may be compared, and what comes of that is neither true nor false."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("ambiguous")

    __hash__ = None  # type: ignore[assignment]


def test_a_context_may_be_anything() -> None:
    context = NoTruth()
    client = Client(lambda request: Response.upgrade(context=context))
    assert client.server.context(client.websocket("/").handle) is context


def refusals() -> list[tuple[str, Callable[[], Response], Limits, bytes]]:
    """Upgrades that are not made: why, what the handler returns, the limits, the request."""
    context = object()
    usual = lambda: Response.upgrade(context=context)  # noqa: E731
    return [
        ("no upgrade was asked for", usual, Limits(), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("another origin", usual, Limits(), UPGRADE[:-2] + b"Origin: http://evil\r\n\r\n"),
        ("no room", usual, Limits(max_ws_connection_cnt=0), UPGRADE),
        (
            "too many topics",
            lambda: Response.upgrade(context=context, topics=["a", "b"]),
            Limits(max_ws_topics_per_client=1),
            UPGRADE,
        ),
        (
            "a subprotocol that was not offered",
            lambda: Response.upgrade("chat", context=context),
            Limits(),
            UPGRADE,
        ),
        ("no stream either", Response.sse, Limits(max_ws_connection_cnt=0), UPGRADE),
        ("HEAD has no stream", Response.sse, Limits(), b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ]


@pytest.mark.parametrize(
    ("make", "limits", "request_"), [row[1:] for row in refusals()], ids=[r[0] for r in refusals()]
)
def test_nothing_is_held_for_what_was_refused(
    make: Callable[[], Response], limits: Limits, request_: bytes
) -> None:
    refused: list[str] = []

    def handle(request: Request) -> Response:
        response = make()
        if not isinstance(response.body, Upgrade):
            return response
        return response.replace(
            body=response.body.replace(refused=lambda: refused.append("refused"))
        )

    client = Client(handle, limits=limits, raise_errors=False)
    connection = client.connect()
    connection.send(request_)
    assert connection.answers("HEAD" if request_.startswith(b"HEAD") else "GET")
    assert held_by(client) == 0
    assert refused == ["refused"] * isinstance(make().body, Upgrade)


def test_nothing_is_held_for_a_response_that_comes_too_late_or_early() -> None:
    promised: list[Deferred] = []
    refused: list[int] = []

    def handle(request: Request) -> Deferred:
        promised.append(Deferred())
        return promised[-1]

    def upgrade(number: int) -> Response:
        return Response.upgrade(context=number, refused=lambda: refused.append(number))

    client = Client(handle)
    gone = client.connect()
    gone.send(UPGRADE)
    gone.reset()
    client.run_until_idle()
    promised.pop().resolve(upgrade(1))
    client.run_until_idle()
    assert held_by(client) == 0
    assert refused == [1]
    early = client.connect()
    early.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
    promised[1].resolve(upgrade(2))
    client.run_until_idle()
    assert held_by(client) == 1  # it waits for the first response
    assert refused == [1]
    early.reset()
    client.run_until_idle()
    assert held_by(client) == 0
    assert refused == [1, 2]


def test_who_is_opened_is_not_refused_and_what_is_called_then_may_raise() -> None:
    refused: list[str] = []
    client = Client(lambda request: Response.upgrade(refused=lambda: refused.append("refused")))
    client.websocket("/").close()
    client.run_until_idle()
    assert refused == []
    with pytest.raises(TypeError, match="refused is a function or None, not int"):
        Response.upgrade(refused=5)  # type: ignore[arg-type]

    def wrong() -> None:
        raise ValueError("not so")

    client = Client(lambda request: Response.upgrade(refused=wrong), raise_errors=False)
    assert client.get("/").status == 426
    assert client.get("/").status == 426
    assert "not so" in client.log[-1].text


# -- callbacks -------------------------------------------------------------------------------------


def test_two_routes_have_two_programs() -> None:
    log: list[str] = []

    def program(name: str) -> Callbacks:
        return Callbacks(
            ws_open=lambda server, conn, request: log.append(f"{name} open"),
            ws_message=lambda server, conn, data: server.send(conn, f"{name}: {data!r}"),
            ws_close=lambda server, conn, reason, code: log.append(f"{name} close"),
        )

    programs = {"/a": program("a"), "/b": program("b")}
    client = Client(
        lambda request: Response.upgrade(callbacks=programs.get(request.path)),
        callbacks=program("server"),
    )
    sockets = [client.websocket(path) for path in ("/a", "/b", "/c")]
    for websocket in sockets:
        websocket.send("x")
    assert [websocket.receive() for websocket in sockets] == ["a: 'x'", "b: 'x'", "server: 'x'"]
    for websocket in sockets:
        websocket.close()
    assert log == [f"{name} {what}" for what in ("open", "close") for name in ("a", "b", "server")]
    assert held_by(client) == 0


def test_a_program_without_a_callback_does_not_fall_back_on_the_servers() -> None:
    calls: list[str] = []
    client = Client(
        lambda request: Response.upgrade(callbacks=Callbacks()),
        callbacks=Callbacks(
            ws_open=lambda *values: calls.append("open"),
            ws_message=lambda *values: calls.append("message"),
            ws_close=lambda *values: calls.append("close"),
        ),
    )
    websocket = client.websocket("/")
    websocket.send("x")
    websocket.close()
    assert calls == [] and held_by(client) == 0


@pytest.mark.parametrize("has_close", [False, True])
def test_the_end_of_the_connection_is_told_to_who_was_told_of_its_beginning(
    has_close: bool,
) -> None:
    calls: list[str] = []
    own = Callbacks(close=(lambda *values: calls.append("own close")) if has_close else None)
    client = Client(
        lambda request: Response.upgrade(callbacks=own),
        callbacks=Callbacks(
            open=lambda *values: calls.append("open"), close=lambda *values: calls.append("close")
        ),
    )
    client.websocket("/").close()
    assert calls == ["open", "own close" if has_close else "close"]
    assert held_by(client) == 0


@pytest.mark.parametrize("name", ["ws_open", "ws_message", "ws_drain"])
def test_a_callback_that_raises_ends_its_connection_and_no_other(name: str) -> None:
    def broken(*values: object) -> None:
        raise RuntimeError("a mistake in the program")

    own = Callbacks(**{name: broken})  # type: ignore[arg-type]
    ends: list[tuple[CloseReason, int]] = []
    own = own._replace(ws_close=lambda server, conn, reason, code: ends.append((reason, code)))
    client = Client(
        lambda request: Response.upgrade(callbacks=own if request.path == "/own" else None),
        raise_errors=False,
    )
    well = client.websocket("/")
    websocket = client.websocket("/own", window_len=100)
    if name == "ws_message":
        websocket.send("x")
    if name == "ws_drain":
        client.server.send(websocket.handle, "x" * 1_000)
        client.run_until_idle()
        websocket.read(1_100)
    client.run_until_idle()
    websocket.read(10_000)
    client.run_until_idle()
    assert ends == [(CloseReason.HANDLER_ERROR, 1011)]
    assert any("a mistake in the program" in line.text for line in client.log)
    client.server.send(well.handle, "hello")
    assert well.receive() == "hello"


@pytest.mark.parametrize(
    ("callbacks", "problem"),
    [
        (5, "callbacks are a Callbacks, not int"),
        ({"ws_open": print}, "callbacks are a Callbacks, not dict"),
        (Callbacks(ws_open=5), "the callback ws_open is a function, not int"),  # type: ignore[arg-type]
        (Callbacks(sse_close="x"), "the callback sse_close is a function, not str"),  # type: ignore[arg-type]
    ],
)
def test_what_are_no_callbacks_is_refused_at_the_call(callbacks: object, problem: str) -> None:
    with pytest.raises(TypeError, match=problem):
        Response.upgrade(callbacks=callbacks)
    with pytest.raises(TypeError, match=problem):
        make_http_server(lambda request: None, callbacks=callbacks)  # type: ignore[arg-type]
    response = Response.upgrade()
    forged = response.replace(body=response.body.replace(callbacks=callbacks))  # type: ignore[union-attr]
    client = Client(lambda request: forged, raise_errors=False)
    with pytest.raises(UpgradeRefused) as caught:
        client.websocket("/")
    assert caught.value.answer.status == 500 and problem in client.log[-1].text
    assert held_by(client) == 0


@pytest.mark.parametrize("window_len", [None, 3_000, 1_000_000])
def test_who_sends_a_part_and_goes_on_when_it_is_taken_sends_all_of_it(
    window_len: int | None,
) -> None:
    most = 0

    def go_on(server: HttpServer, conn: Conn, *_: Request) -> None:
        nonlocal most
        while server.buffered_amount(conn) <= 20_000:
            piece = next(server.context(conn), None)
            if piece is None:
                return
            assert server.send(conn, piece)
        most = max(most, server.buffered_amount(conn))

    pieces = [b"%05d" % number * 1_000 for number in range(100)]
    own = Callbacks(ws_open=go_on, ws_drain=go_on)
    client = Client(
        lambda request: Response.upgrade(context=iter(pieces), callbacks=own),
        limits=Limits(max_outbox_len=20_000),
    )
    websocket = client.websocket("/", window_len=window_len)
    assert [websocket.receive() for _ in pieces] == pieces
    assert most < 30_000


# -- event streams ---------------------------------------------------------------------------------


def test_an_event_stream_is_told_of_and_can_be_sent_to_subscribed_and_closed() -> None:
    opened: list[Conn] = []
    closed: list[tuple[Conn, CloseReason]] = []

    def on_open(server: HttpServer, conn: Conn, request: Request) -> None:
        opened.append(conn)
        assert server.send(conn, "hello")
        server.subscribe(conn, "news")

    client = Client(
        lambda request: Response.sse(),
        callbacks=Callbacks(
            sse_open=on_open,
            sse_close=lambda server, conn, reason: closed.append((conn, reason)),
        ),
    )
    connection = client.connect()
    connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    (conn,) = opened
    server = client.server
    assert server.subscriber_count() == server.subscriber_count("news") == 1
    server.broadcast("told", topic="news")
    server.unsubscribe(conn, "news")
    server.broadcast("not told", topic="news")
    assert not server.send(conn, b"binary")
    client.run_until_idle()
    assert b"data: hello" in connection.received and b"data: told" in connection.received
    assert b"not told" not in connection.received
    assert closed == []
    server.close(conn)
    client.run_until_idle()
    assert closed == [(conn, CloseReason.OK)] and connection.has_ended
    assert not server.send(conn, "late") and server.subscriber_count() == 0


def test_an_event_stream_that_breaks_is_told_of_once() -> None:
    closed: list[CloseReason] = []
    client = Client(
        lambda request: Response.sse(),
        callbacks=Callbacks(sse_close=lambda server, conn, reason: closed.append(reason)),
    )
    connection = client.connect()
    connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    connection.reset()
    client.run_until_idle()
    assert closed == [CloseReason.PEER_RESET]


def test_a_stream_of_ones_own_events_is_no_subscriber() -> None:
    calls: list[str] = []
    client = Client(
        lambda request: Response.sse(iter(("a",))),
        callbacks=Callbacks(
            sse_open=lambda *values: calls.append("open"),
            sse_close=lambda *values: calls.append("close"),
        ),
    )
    assert client.get("/").status == 200
    assert calls == []


def test_a_callback_of_an_event_stream_that_raises_ends_it(caplog: Any) -> None:
    def broken(*values: object) -> None:
        raise RuntimeError("a mistake in the program")

    closed: list[CloseReason] = []
    client = Client(
        lambda request: Response.sse(),
        callbacks=Callbacks(
            sse_open=broken, sse_close=lambda server, conn, reason: closed.append(reason)
        ),
        raise_errors=False,
    )
    connection = client.connect()
    with caplog.at_level(logging.ERROR):
        connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert connection.has_ended and closed == [CloseReason.HANDLER_ERROR]
    assert "a mistake in the program" in caplog.text


# -- asynchronous callbacks ------------------------------------------------------------------------


def test_an_asynchronous_end_has_the_context_until_it_has_returned() -> None:
    seen: list[object] = []

    async def on_close(server: HttpServer, conn: Conn, reason: CloseReason, code: int) -> None:
        seen.append(server.context(conn))
        await asyncio.sleep(1.0)
        seen.append(server.context(conn))

    client = Client(
        lambda request: Response.upgrade(context="it", callbacks=Callbacks(ws_close=on_close))
    )
    client.websocket("/").close()
    assert seen == ["it"] and held_by(client) == 1
    client.advance(2.0)
    assert seen == ["it", "it"] and held_by(client) == 0


def test_an_asynchronous_beginning_is_cancelled_by_the_end_which_is_told_behind_it() -> None:
    calls: list[str] = []

    async def on_open(server: HttpServer, conn: Conn, request: Request) -> None:
        try:
            await asyncio.sleep(1.0)
        finally:
            calls.append("sse_open")

    client = Client(
        lambda request: Response.sse(),
        callbacks=Callbacks(
            sse_open=on_open,
            sse_close=lambda *values: calls.append("sse_close"),
            close=lambda *values: calls.append("close"),
        ),
    )
    connection = client.connect()
    connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    (conn,) = client.server.clients()
    client.server.close(conn)
    client.run_until_idle()
    client.advance(2.0)
    connection.half_close()
    client.advance(5.0)
    assert calls == ["sse_open", "sse_close", "close"]
