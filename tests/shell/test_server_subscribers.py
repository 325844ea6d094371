"""Listeners over real sockets: what is broadcast, heard as server-sent events beside WebSockets.

Theory: the core's tests say what a listener is sent; here real kernels hold it back, real clients
read it, and a real browser comes back for what it has missed.

Rules: no waits but for conditions; the browser is ended by the group it leads.
"""

import json
import logging
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sigil import CloseReason, Conn, HttpServer, Limits, Request, Response, SendStatus
from sigil.core.connection.client import Phase
from sigil.core.server.slots import find_client
from tests.support.browser import browser_at
from tests.support.event_stream_reader import ReadEvent, read_events
from tests.support.requests import GET, UPGRADE
from tests.support.servers import MIB, PATIENCE, Raw, in_thread, make, pump, settle, ticking
from tests.support.websocket_client import CallbackLog, WebSocketClient, websocket_clients
from tests.tools import need, needs


def either(request: Request) -> Response:
    """A WebSocket for who asks for one, events for who does not; topics as the query says."""
    topics = request.args.get("topics", "").split()
    if request.is_upgrade:
        return Response.upgrade(topics=topics)
    return Response.sse(topics=topics, history=5)


def events_of(client: Raw) -> list[ReadEvent]:
    """All events so far."""
    return read_events(bytes(client.received).partition(b"\r\n\r\n")[2]).events


def heard_by(client: Raw) -> list[str]:
    """The data of all events so far."""
    return [event.data for event in events_of(client)]


def are_open(server: HttpServer, count: int) -> Callable[[], bool]:
    """So many WebSockets and listeners are there."""
    return lambda: server.state.load.websockets == count


# -- what a subscriber takes -----------------------------------------------------------------------


def test_who_is_subscribed_to_the_same_shares_the_records_that_say_so() -> None:
    def topics_by_path(request: Request) -> Response:
        return Response.upgrade(topics=[f"{number}{request.path}" for number in range(3)])

    with ticking(topics_by_path) as server:
        one, two = websocket_clients(server, 2)
        first, second = [find_client(server.state.slots, conn) for conn in server.clients()]
        assert first is not None and first.subscriber and first.websocket
        assert second is not None and second.subscriber and second.websocket
        assert first.subscriber.subscription is second.subscriber.subscription
        assert first.websocket.frame_rules is second.websocket.frame_rules
        for conn in server.clients():
            server.subscribe(conn, "more")
        first, second = [find_client(server.state.slots, conn) for conn in server.clients()]
        assert first is not None and first.subscriber and second is not None and second.subscriber
        assert first.subscriber.subscription is second.subscriber.subscription
        assert len(first.subscriber.subscription.topics) == 4
        assert not one.over and not two.over


# -- hearing ---------------------------------------------------------------------------------------


def test_everybody_hears_the_same_whatever_it_came_with() -> None:
    with ticking(either) as server:
        listeners, speakers = (
            [Raw(server, GET) for _ in range(20)],
            [WebSocketClient(server) for _ in range(5)],
        )
        pump(server, are_open(server, 25), *listeners, *speakers)
        messages = [f"message {number}\nin two lines" for number in range(50)]
        for message in messages:
            assert server.broadcast(message) is SendStatus.SUCCESS
        assert server.broadcast(b"\x00") is SendStatus.SUCCESS
        pump(
            server,
            lambda: (
                all(len(heard_by(client)) == 50 for client in listeners)
                and all(len(client.messages) == 51 for client in speakers)
            ),
            *listeners,
            *speakers,
        )
        assert all(heard_by(client) == messages for client in listeners)
        assert [message.decode() for message in speakers[0].messages[:-1]] == messages
        assert server.stats().sse_skipped == 1
        for client in (*listeners, *speakers):
            client.close()


def test_a_message_may_be_said_to_one_listener_and_its_stream_be_ended() -> None:
    with ticking(either) as server, Raw(server, GET) as client:
        pump(server, are_open(server, 1), client)
        (conn,) = server.clients()
        server.broadcast("all")
        assert server.send(conn, "you") is SendStatus.SUCCESS
        server.subscribe(conn, "news")
        server.broadcast("new", topic="news")
        server.close(conn)
        server.broadcast("late")
        pump(server, lambda: client.over, client)
        assert heard_by(client) == ["all", "you", "new"] and not client.broken
        assert server.send(conn, "nobody") is SendStatus.DROPPED


def test_a_message_that_is_no_text_cannot_be_said_to_a_listener() -> None:
    with ticking(either) as server, Raw(server, GET) as client:
        pump(server, are_open(server, 1), client)
        (conn,) = server.clients()
        assert [server.send(conn, data) for data in ("a", b"b", "c", bytearray(b"d"))] == [
            SendStatus.SUCCESS,
            SendStatus.DROPPED,
            SendStatus.SUCCESS,
            SendStatus.DROPPED,
        ]
        pump(server, lambda: heard_by(client) == ["a", "c"], client)


def test_what_can_be_said_to_a_listener_is_bounded_in_events() -> None:
    """A text of nothing but line ends is seven times as long as an event; what is kept for one
    client is limited.
    """
    limits = Limits(max_ws_outbox_len=MIB)
    with ticking(either, limits) as server, Raw(server, GET, receive_buffer=4096) as client:
        pump(server, are_open(server, 1), client)
        (conn,) = server.clients()
        client.reads, count = False, 0
        while server.send(conn, "\n" * 1_000) is not SendStatus.DROPPED:
            count += 1
            assert server.buffered_amount(conn) <= MIB + 8_000, "more is kept than may be"
        client.reads = True
        pump(server, lambda: len(events_of(client)) == count, client)


@pytest.mark.parametrize("topic", [7, b"news", ["a"]], ids=repr)
def test_what_is_no_topic_is_refused_at_once(topic: Any, caplog: pytest.LogCaptureFixture) -> None:
    def app(request: Request) -> Response:
        return (
            Response.sse(topics=[topic]) if request.path == "/none" else Response.sse(topics=["a"])
        )

    with (
        ticking(app) as server,
        Raw(server, GET) as client,
        Raw(server, GET.replace(b"/ ", b"/none ")) as other,
    ):
        pump(server, are_open(server, 1), client)
        pump(server, lambda: other.received.startswith(b"HTTP/1.1 500 "), client, other)
        assert "a topic is a str" in caplog.text
        (conn,) = [conn for conn in server.clients() if is_listener(server, conn)]
        for act in (
            lambda: server.broadcast("x", topic=topic),
            lambda: server.subscribe(conn, topic),
            lambda: server.unsubscribe(conn, topic),
        ):
            with pytest.raises(TypeError, match=r"a topic is a str( or ALL_TOPICS)?, not"):
                act()
        server.broadcast("y", topic="a")
        pump(server, lambda: heard_by(client) == ["y"], client)


def test_other_threads_are_heard_too() -> None:
    server = make(either)
    with in_thread(server), socket.create_connection(("127.0.0.1", server.port), PATIENCE) as sock:
        sock.sendall(GET)
        reader = sock.makefile("rb")
        while reader.readline() != b"\r\n":
            pass
        for number in range(3):
            server.broadcast(str(number))
        lines = [reader.readline() for _ in range(11)]
        assert lines[3::3] == [b"data: 0\n", b"data: 1\n", b"data: 2\n"]
        reader.close()


@pytest.mark.parametrize("request_head", [GET, UPGRADE], ids=["events", "websocket"])
def test_what_other_threads_want_is_done_in_the_order_in_which_they_want_it(
    request_head: bytes,
) -> None:
    server = make(either)
    with in_thread(server), socket.create_connection(("127.0.0.1", server.port), PATIENCE) as sock:
        sock.sendall(request_head)
        received = b""
        while b"\r\n\r\n" not in received:
            received += sock.recv(65_536)
        (conn,) = server.clients()
        for number in range(20):
            server.subscribe(conn, "news")
            server.broadcast(f"heard {number}", topic="news")
            server.unsubscribe(conn, "news")
            server.broadcast(f"unheard {number}", topic="news")
        server.broadcast("the end")
        while b"the end" not in received:
            received += sock.recv(65_536)
        assert received.count(b"unheard") == 0
        assert [number for number in range(20) if b"heard %d" % number not in received] == []


def test_the_program_is_told_of_connections_and_event_streams_and_not_of_websockets() -> None:
    diary = CallbackLog()
    with ticking(either, callbacks=diary.callbacks) as server:
        client = Raw(server, GET)
        pump(server, are_open(server, 1), client)
        client.close()
        pump(server, lambda: not server.clients())
        names = [name for name, *_ in diary.lines]
        assert names == ["open", "sse_open", "sse_close", "close"]


# -- being slow, and leaving -----------------------------------------------------------------------


def test_who_reads_too_slowly_is_dropped_and_nobody_else_notices(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "sigil.server")
    limits = Limits(outgoing_buffer_sz=MIB)
    with (
        ticking(either, limits) as server,
        Raw(server, GET) as good,
        Raw(server, GET, receive_buffer=4096) as slow,
    ):
        pump(server, are_open(server, 2), good, slow)
        slow.reads = False
        sent: list[str] = []
        while server.state.load.websockets == 2:
            assert len(sent) < 3_000, "the slow one is never dropped"
            sent.append(f"{len(sent)} " + "x" * 20_000)
            server.broadcast(sent[-1])
            end = f"data: {sent[-1]}\n\n".encode()
            pump(server, lambda: good.received.endswith(end), good)  # noqa: B023 - called at once
        assert heard_by(good) == sent
        assert server.stats().closed == {"WS_CLIENT_TOO_SLOW": 1}
        (line,) = [record.message for record in caplog.records if "dropped" in record.message]
        assert (
            "WS_CLIENT_TOO_SLOW: it needed message" in line and "the limit is 1048576 bytes" in line
        )


def test_who_is_gone_is_found_out_by_the_first_byte() -> None:
    with ticking(either) as server:
        client = Raw(server, GET)
        pump(server, are_open(server, 1), client)
        client.close()
        pump(server, lambda: not server.clients())
        assert server.stats().closed == {CloseReason.PEER_RESET.name: 1}


def test_silence_is_broken_by_the_position() -> None:
    """A client that has heard nothing of its own for long, while others were told much, knows where
    to go on.
    """
    limits = Limits(sse_keep_alive_interval=0.1)
    with (
        ticking(either, limits) as server,
        Raw(server, b"GET /?topics=a HTTP/1.1\r\nHost: a\r\n\r\n") as client,
    ):
        pump(server, are_open(server, 1), client)
        for number in range(3):
            server.broadcast(f"{number}", topic="b")
        epoch = server.state.broadcast.ring.epoch
        end = f"id: {epoch}-3\n\nid: {epoch}-3\n\n".encode()
        pump(server, lambda: client.received.endswith(end), client)


def test_what_a_listener_sends_harms_nobody() -> None:
    limits = Limits(max_linger_len=MIB)
    with ticking(either, limits) as server, Raw(server, GET + b"x" * 4 * MIB) as client:
        pump(server, are_open(server, 1), client)
        settle(server, client)
        assert server.stats().bytes_in <= 2 * MIB
        server.broadcast("still")
        pump(server, lambda: heard_by(client) == ["still"], client)


def test_a_server_that_stops_ends_the_stream_behind_what_was_said() -> None:
    with ticking(either) as server, Raw(server, GET) as client:
        pump(server, are_open(server, 1), client)
        server.broadcast("last")
        server.stop(5.0)
        pump(server, lambda: client.over and not server.running, client)
        assert heard_by(client) == ["last"] and not client.broken


@pytest.mark.parametrize("is_stopped", [False, True], ids=["closed", "stopped"])
def test_the_end_waits_until_all_that_was_said_has_been_taken(is_stopped: bool) -> None:
    with ticking(either) as server, Raw(server, GET, receive_buffer=4096) as client:
        pump(server, are_open(server, 1), client)
        (conn,) = server.clients()
        client.reads = False
        messages = [f"{number} " + "x" * 99_990 for number in range(20)]
        for message in messages:
            server.broadcast(message)
            server.tick(0.0)
        server.send(conn, "to you")
        if is_stopped:
            server.stop(PATIENCE)
        else:
            server.close(conn)
        server.tick(0.0)
        server.broadcast("not for who is leaving")
        client.reads = True
        pump(server, lambda: client.over, client)
        assert heard_by(client) == [*messages, "to you"] and not client.broken


# -- coming back -----------------------------------------------------------------------------------


def test_who_comes_back_misses_nothing() -> None:
    with ticking(either) as server:
        heard: list[str] = []
        last_id = ""
        for number in range(0, 60, 3):
            request = (
                GET.replace(b"\r\n\r\n", f"\r\nLast-Event-ID: {last_id}\r\n\r\n".encode())
                if last_id
                else GET
            )
            with Raw(server, request) as client:
                pump(server, are_open(server, 1), client)
                server.broadcast(f"{number}")
                pump(server, lambda: heard_by(client)[-1:] == [f"{number}"], client)  # noqa: B023
                heard += heard_by(client)
                last_id = events_of(client)[-1].id
            pump(server, are_open(server, 0))
            server.broadcast(f"{number + 1}")  # while nobody is there
            server.broadcast(f"{number + 2}")
        assert heard == [str(number) for number in range(58)]


def test_a_position_of_before_a_restart_is_not_taken_for_one_of_after() -> None:
    with ticking(either) as server:
        with Raw(server, GET) as client:
            pump(server, are_open(server, 1), client)
            server.broadcast("old")
            pump(server, lambda: heard_by(client) == ["old"], client)
            last_id = events_of(client)[-1].id
            server.stop(0.0)
            pump(server, lambda: not server.running)
        server.listen()
        request = GET.replace(b"\r\n\r\n", f"\r\nLast-Event-ID: {last_id}\r\n\r\n".encode())
        with Raw(server, GET) as other, Raw(server, request) as client:
            pump(server, are_open(server, 2), client, other)
            server.broadcast("new")
            pump(server, lambda: heard_by(client)[-1:] == ["new"], client)
            (gap, new) = events_of(client)
            assert gap.type == "gap"
            assert json.loads(gap.data) == {"after": last_id, "position": gap.id, "missed": None}
            assert new.id.partition("-")[0] != last_id.partition("-")[0]


@needs("curl")
def test_curl_hears_the_last_messages_and_goes_on() -> None:
    with ticking(either, Limits(history_messages=5)) as server:
        for number in range(8):
            server.broadcast(f"m{number}", topic="a")
        command = (
            need("curl"),
            "-sNi",
            "--max-time",
            str(PATIENCE),
            f"http://127.0.0.1:{server.port}/?topics=a",
        )
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        pump(server, are_open(server, 1))
        server.broadcast("more", topic="a")
        server.stop(5.0)
        pump(server, lambda: not server.running)
        output = process.communicate(timeout=PATIENCE)[0]
        assert process.returncode == 0
        events = read_events(output.partition(b"\r\n\r\n")[2]).events
        assert [event.data for event in events] == ["m3", "m4", "m5", "m6", "m7", "more"]


PAGE = """<!doctype html><meta charset="utf-8"><script>
const source = new EventSource("/events");
source.onmessage = event => fetch("/heard?" + new URLSearchParams({data: event.data}));
</script>"""


@needs("chromium")
def test_a_browser_comes_back_and_misses_nothing(tmp_path: Path) -> None:
    heard: list[str] = []

    def app(request: Request) -> Response:
        if request.path == "/heard":
            heard.append(request.args["data"])
            return Response.text("")
        return Response.sse() if request.path == "/events" else Response.html(PAGE)

    with ticking(app) as server, browser_at(tmp_path, f"http://127.0.0.1:{server.port}/"):
        for number in range(3):
            pump(server, are_open(server, 1), patience=6 * PATIENCE)
            if number:  # the first time it is cut off before it has heard anything
                server.broadcast(f"{3 * number}")
                pump(server, lambda: len(heard) == 3 * number, patience=PATIENCE)  # noqa: B023
            (conn,) = [conn for conn in server.clients() if is_listener(server, conn)]
            server.close(conn)
            pump(server, are_open(server, 0))
            server.broadcast(f"{3 * number + 1}")
            server.broadcast(f"{3 * number + 2}")
        pump(server, lambda: len(heard) == 8, patience=2 * PATIENCE)
    assert sorted(heard) == ["1", "2", "3", "4", "5", "6", "7", "8"]


def is_listener(server: HttpServer, conn: Conn) -> bool:
    """True for a client that hears the stream as events."""
    client = find_client(server.state.slots, conn)
    return client is not None and client.incoming.phase is Phase.EVENT_STREAM
