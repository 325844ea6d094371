"""What programs say over real sockets: much at once, to who reads and who does not, to all, and
from other threads.

A client that keeps up loses nothing; the statuses tell what becomes of each message; no frame is
ever torn.
"""

import socket
import threading
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigil import CloseReason, Conn, HttpServer, Limits, Response
from sigil.core.send_status import SendStatus
from sigil.testing import Client
from tests.support.requests import UPGRADE
from tests.support.servers import (
    MIB,
    PATIENCE,
    Raw,
    in_thread,
    logged_by,
    make,
    pump,
    settle,
    ticking,
)
from tests.support.websocket_client import (
    CallbackLog,
    WebSocketClient,
    echo,
    frame,
    text,
    upgrade,
    websocket_clients,
)

SUCCESS, BACKPRESSURE, DROPPED = SendStatus.SUCCESS, SendStatus.BACKPRESSURE, SendStatus.DROPPED
SMALL = Limits(tcp_notsent_lowat=4_096)
"""The kernel takes little for a client that does not read, so that the tests need few bytes."""


# -- to one ----------------------------------------------------------------------------------------

TINY = SMALL._replace(max_ws_outbox_len=262_144)
"""So little that a burst is too much for who does not read."""


def slow_reader(server: HttpServer) -> tuple[WebSocketClient, Conn]:
    """A client that reads nothing for now, and its handle."""
    (client,) = websocket_clients(server, 1, 4_096)
    client.reads = False
    return client, max(server.clients(), key=lambda conn: conn.generation)


def test_the_statuses_tell_what_becomes_of_each_message() -> None:
    with ticking(upgrade, TINY) as server:
        client, conn = slow_reader(server)
        taken, statuses = list[bytes](), list[SendStatus]()
        for number in range(40):
            payload = bytes([number]) * 30_000
            statuses.append(server.send(conn, payload))
            settle(server)
            taken += [payload] if statuses[-1] is not DROPPED else []
        assert statuses == sorted(statuses, key=(SUCCESS, BACKPRESSURE, DROPPED).index)
        assert set(statuses) == {SUCCESS, BACKPRESSURE, DROPPED}
        client.reads = True
        pump(server, lambda: client.messages == taken, client)
        settle(server, client)
        assert (server.send(conn, "again"), server.buffered_amount(conn) > 0) == (SUCCESS, True)
        settle(server, client)
        assert server.buffered_amount(conn) == 0


def test_between_two_ticks_the_figures_are_true() -> None:
    with ticking(upgrade, SMALL) as server:
        _, conn = slow_reader(server)
        server.send(conn, b"x" * 4 * MIB)
        server.tick(0)
        assert server.buffered_amount(conn) > MIB
        assert server.send(conn, "x") is not SUCCESS


def test_no_frame_is_torn_by_much_that_is_said_between_two_ticks() -> None:
    with ticking(upgrade, SMALL) as server:
        client, conn = slow_reader(server)
        server.send(conn, b"a" * 250_000)
        server.tick(0)
        taken = [b"a" * 250_000]
        for number in range(10):
            payload = bytes([65 + number]) * 100_000
            taken += [payload] if server.send(conn, payload) is not DROPPED else []
        client.reads = True
        pump(server, lambda: len(client.received) > sum(map(len, taken)), client)
        settle(server, client)
        assert client.messages == taken


@pytest.mark.xfail(
    strict=True,
    reason="within a callback the kernel is tried once: a client that reads all the while "
    "is dropped from all the same",
)
def test_a_burst_within_one_callback_reaches_who_keeps_up_whole() -> None:
    statuses: list[SendStatus] = []
    client: Any = None

    def burst(server: HttpServer, conn: Conn, data: str) -> None:
        for number in range(200):
            statuses.append(server.send(conn, bytes([number]) * 100_000))
            client.poll()

    with ticking(upgrade, callbacks=CallbackLog(ws_message=burst).callbacks) as server:
        (client,) = websocket_clients(server, 1)
        client.send(text("go"))
        pump(server, lambda: len(statuses) == 200, client)
        settle(server, client)
        assert DROPPED not in statuses
        assert client.messages == [bytes([number]) * 100_000 for number in range(200)]


@pytest.mark.parametrize("together", [True, False])
def test_an_echo_of_much_and_then_of_little_loses_nothing(together: bool) -> None:
    large = bytes(range(250)) * 4_000
    with ticking(upgrade, SMALL, CallbackLog(ws_message=echo).callbacks) as server:
        (client,) = websocket_clients(server, 1, 4_096)
        client.send(frame(2, large) + (text("behind it") if together else b""))
        if not together:
            pump(server, lambda: len(client.received) > 1_000, client)
            client.send(text("behind it"))
        pump(server, lambda: large in client.messages, client)
        settle(server, client)
        assert client.messages == [large, b"behind it"]


def test_a_burst_within_one_callback_to_who_does_not_read_is_cut_at_a_message_and_says_so() -> None:
    statuses: list[SendStatus] = []

    def burst(server: HttpServer, conn: Conn, data: str) -> None:
        statuses.extend(server.send(conn, bytes([number]) * 100_000) for number in range(200))

    with ticking(upgrade, TINY, CallbackLog(ws_message=burst).callbacks) as server:
        client, other = websocket_clients(server, 1, 4_096)[0], websocket_clients(server, 1)[0]
        client.send(text("go"))
        client.reads = False
        pump(server, lambda: len(statuses) == 200, client)
        assert statuses == sorted(statuses, key=(SUCCESS, BACKPRESSURE, DROPPED).index)
        count = 200 - statuses.count(DROPPED)
        assert 3 <= count < 50
        client.reads = True
        pump(server, lambda: len(client.messages) == count, client, other)
        assert client.messages == [bytes([number]) * 100_000 for number in range(count)]
        server.broadcast("on")
        pump(server, lambda: client.messages[-1:] == other.messages[-1:] == [b"on"], client, other)


# -- to all ----------------------------------------------------------------------------------------


def test_a_burst_of_broadcasts_reaches_who_keeps_up_whole() -> None:
    payloads = [bytes([number]) * 100_000 for number in range(100)]
    with ticking(upgrade) as server:
        clients = websocket_clients(server, 3)
        assert {server.broadcast(payload) for payload in payloads} == {SUCCESS}
        pump(server, lambda: all(client.messages == payloads for client in clients), *clients)


def test_who_is_too_far_behind_is_dropped_by_a_broadcast_and_the_others_are_unharmed() -> None:
    diary = CallbackLog()
    with ticking(upgrade, SMALL, diary.callbacks) as server:
        slow, _ = slow_reader(server)
        others = websocket_clients(server, 2)
        statuses, sent = [], list[bytes]()
        while DROPPED not in statuses:
            sent.append(b"%d" % len(sent) * 20_000)
            statuses.append(server.broadcast(sent[-1]))
            settle(server, *others)
        assert statuses == sorted(statuses, key=(SUCCESS, BACKPRESSURE, DROPPED).index)
        assert [reason for reason, _ in diary.endings] == [CloseReason.WS_CLIENT_TOO_SLOW]
        assert [client.messages for client in others] == [sent, sent]
        slow.reads = True
        pump(server, lambda: slow.over, slow)
        assert slow.messages == sent[: len(slow.messages)]
        assert server.broadcast("on") is SUCCESS
    diary.assert_balanced()


def test_a_broadcast_that_waits_for_somebody_says_so() -> None:
    with ticking(upgrade, SMALL) as server:
        _, conn = slow_reader(server)
        while not server.buffered_amount(conn):
            server.send(conn, b"x" * 20_000)
            settle(server)
        assert server.broadcast("x") is BACKPRESSURE


@pytest.mark.parametrize("topic", ["a" * 9, "\u00e9" * 5, "\U0001f600" * 3])
def test_a_broadcast_to_a_topic_that_nobody_may_have_is_dropped_and_logged(topic: str) -> None:
    server = make(limits=Limits(max_topic_len=8))
    with logged_by("sigil.server") as lines:
        assert server.broadcast("x", topic=topic) is SendStatus.DROPPED
        assert server.broadcast("x", topic="\U0001f600" * 2) is not SendStatus.DROPPED
    assert lines == ["a message was not broadcast: Limits.max_topic_len is less than its topic"]


def test_topics_narrow_a_broadcast() -> None:
    with ticking(
        lambda request: Response.upgrade(topics=request.args.get("t", "").split(","))
    ) as server:
        clients = [
            Raw(server, UPGRADE.replace(b"/chat", b"/?t=" + topics))
            for topics in (b"a", b"a,b", b"")
        ]
        pump(server, lambda: all(b"\r\n\r\n" in client.received for client in clients), *clients)
        for client in clients:
            client.received.clear()
        server.broadcast("A", topic="a")
        server.broadcast("B", topic="b")
        server.broadcast("all")
        settle(server, *clients)
        assert [bytes(client.received) for client in clients] == [
            b"\x81\x01A\x81\x03all",
            b"\x81\x01A\x81\x01B\x81\x03all",
            b"\x81\x03all",
        ]
        for client in clients:
            client.close()


# -- other threads ---------------------------------------------------------------------------------


def test_another_thread_may_exclude_one_and_publish_states() -> None:
    diary = CallbackLog()
    with in_thread(make(upgrade, callbacks=diary.callbacks)) as server:
        first, second = WebSocketClient(server), WebSocketClient(server)
        wait_for(lambda: sum(line[0] == "ws_open" for line in diary.lines) == 2, first, second)
        excluded = next(line[1] for line in diary.lines if line[0] == "ws_open")
        assert server.broadcast("not to one", latest=True, exclude=excluded) is SUCCESS
        assert server.broadcast("to all", latest=True) is SUCCESS
        wait_for(lambda: all(b"to all" in one.messages for one in (first, second)), first, second)
        assert sorted([first.messages, second.messages]) == [
            [b"not to one", b"to all"],
            [b"to all"],
        ]


def test_other_threads_may_send_broadcast_and_close() -> None:
    diary = CallbackLog()
    with in_thread(make(upgrade, callbacks=diary.callbacks)) as server:
        clients = [WebSocketClient(server), WebSocketClient(server)]
        # a client may have its 101 before the callback has been called
        wait_for(lambda: sum(line[0] == "ws_open" for line in diary.lines) == 2, *clients)
        wait_for(lambda: all(client.is_open for client in clients), *clients)
        conns = [line[1] for line in diary.lines if line[0] == "ws_open"]

        def count(mark: str) -> None:
            for number in range(200):
                server.broadcast(f"{mark} {number}")

        threads = [threading.Thread(target=count, args=(mark,)) for mark in "ab"]
        for thread in threads:
            thread.start()
        assert [server.send(conn, "you") for conn in conns] == [SUCCESS, SUCCESS]
        wait_for(lambda: all(len(client.messages) == 401 for client in clients), *clients)
        for client in clients:
            for mark in "ab":
                assert [word for word in client.messages if word.startswith(mark.encode())] == [
                    b"%s %d" % (mark.encode(), number) for number in range(200)
                ]
        for conn in conns:
            server.close(conn, 4000, "bye")
            server.close(conn, 4001)
        wait_for(lambda: all(client.close_code == 4000 for client in clients), *clients)
        with pytest.raises(ValueError, match="1005"):
            server.close(conns[0], 1005)
        for thread in threads:
            thread.join(PATIENCE)
        for client in clients:
            client.close()
    diary.assert_balanced()


def test_much_that_another_thread_says_reaches_who_keeps_up() -> None:
    with ticking(upgrade) as server:
        (client,) = websocket_clients(server, 1)
        (conn,) = server.clients()
        thread = threading.Thread(
            target=lambda: [server.send(conn, bytes([n]) * 100_000) for n in range(20)]
        )
        thread.start()
        thread.join(PATIENCE)
        settle(server, client)
        assert client.messages == [bytes([number]) * 100_000 for number in range(20)]


def wait_for(until: Any, *clients: Raw) -> None:
    """Let clients of a server in a thread read until something is so."""
    waiter = socket.socketpair()
    with waiter[0], waiter[1], suppress(TimeoutError):
        waiter[0].settimeout(0.005)
        for _ in range(int(PATIENCE / 0.005)):
            for client in clients:
                client.poll()
            if until():
                return
            with suppress(TimeoutError):
                waiter[0].recv(1)
    raise AssertionError("it never came to be")


def test_what_was_said_between_two_ticks_leaves_before_the_second_one_waits() -> None:
    with ticking(upgrade) as server:
        (client,) = websocket_clients(server, 1)
        settle(server, client)
        for number in range(3):
            server.broadcast(str(number))
            begun = time.monotonic()
            server.tick(0.2)
            assert time.monotonic() - begun >= 0.15
            client.poll()
            assert client.messages[-1] == b"%d" % number


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 200), min_size=1, max_size=40), st.integers(50, 500))
def test_what_is_promised_to_one_client_is_within_its_bound(lengths: list[int], bound: int) -> None:
    client = Client(
        lambda request: Response.upgrade(),
        limits=Limits(max_ws_outbox_len=bound, max_outbox_len=20),
    )
    websocket = client.websocket("/", window_len=1)
    promised, taken_len = 0, 8  # a byte or two, since it has room for one
    for length in lengths:
        status = client.server.send(websocket.handle, bytes(length))
        assert status is SendStatus.DROPPED or promised < bound + taken_len
        promised += 0 if status is SendStatus.DROPPED else length + 2
