"""The WebSocket server of the Evo runtime: events in order, messages to one and to all."""

from typing import Any

import pytest

from sigil import Limits
from sigil.evo import Event, SendStatus, WebSocketServer
from sigil.evo.websocket_server import WEBSOCKET_LIMITS
from sigil.testing import Client, UpgradeRefused
from tests.support.evo import Diary, SocketWorld, World, every_world, serving
from tests.support.requests import UPGRADE
from tests.support.servers import logged_by
from tests.support.websocket_client import close_frame, frame, read_frames, text

BACKPRESSURE, SUCCESS, DROPPED = SendStatus
MESSAGE, CLOSED = "WEBSOCKET_MESSAGE_RECEIVED", "WEBSOCKET_CONNECTION_CLOSED"
ESTABLISHED = "WEBSOCKET_CONNECTION_ESTABLISHED"


def frames_of(client: Any) -> list[tuple[int, bytes]]:
    """The frames that a client has been sent."""
    return read_frames(bytes(client.received).partition(b"\r\n\r\n")[2])[0]


def in_memory(**arguments: Any) -> tuple[WebSocketServer, Diary, Client]:
    """A server in memory, and what is told of it."""
    server = WebSocketServer(**arguments)
    diary = Diary(server)
    client = Client(server.handler, limits=server.limits, callbacks=server.callbacks)
    return server, diary, client


@every_world
def test_a_client_comes_is_heard_and_goes(world: type[World]) -> None:
    server = WebSocketServer()
    diary = Diary(server)
    with serving(world, server) as here:
        client = here.connect(UPGRADE)
        here.until(lambda: ESTABLISHED in diary.names)
        client.send(text("hé") + frame(2, b"\x00\xff") + frame(1, b"a", False) + frame(0, b"b"))
        here.until(lambda: len(diary.lines) == 5)
        client.send(close_frame(1001, "off"))
        here.until(lambda: CLOSED in diary.names)
        here.stop()
    assert diary.lines == [
        ("SERVER_STARTED_LISTENING", "SERVER", str(here.port)),
        (ESTABLISHED, 1, ""),
        (MESSAGE, 1, "hé", 1),
        (MESSAGE, 1, b"\x00\xff", 2),
        (MESSAGE, 1, "ab", 1),
        (CLOSED, 1, "off", 1001),
        ("SERVER_STOPPED_LISTENING", "SERVER", "Going Away"),
    ]


@every_world
def test_who_comes_early_is_sent_all_messages_in_order_and_who_comes_late_the_rest(
    world: type[World],
) -> None:
    server, statuses = WebSocketServer(), list[SendStatus]()

    def to_all(start: int) -> None:
        statuses.extend(
            (
                server.broadcast_text_message(f"text {start}"),
                server.broadcast_binary_message(b"binary %d" % start),
                server.broadcast_compressed_text_message(f"compressed {start}"),
            )
        )

    diary = Diary(server)
    with serving(world, server) as here:
        early = here.connect(UPGRADE)
        here.until(lambda: ESTABLISHED in diary.names)
        to_all(1)
        here.until(lambda: len(frames_of(early)) == 3)
        late = here.connect(UPGRADE)
        here.until(lambda: diary.names.count(ESTABLISHED) == 2)
        to_all(2)
        statuses.append(server.send_text_message_to_client("to one", diary.ids[1]))
        to_all(3)
        here.until(lambda: len(frames_of(late)) == 7 and len(frames_of(early)) == 9)
    each = [
        [(1, b"text %d" % n), (2, b"binary %d" % n), (1, b"compressed %d" % n)] for n in (1, 2, 3)
    ]
    assert frames_of(early)[:9] == [*each[0], *each[1], *each[2]]
    assert frames_of(late)[:7] == [*each[1], (1, b"to one"), *each[2]]
    assert statuses[:7] == [SUCCESS] * 7 and all(statuses)


@every_world
def test_messages_to_one_client_have_their_opcode_and_those_to_nobody_are_dropped(
    world: type[World],
) -> None:
    server = WebSocketServer()
    diary = Diary(server)
    with serving(world, server) as here:
        client = here.connect(UPGRADE)
        here.until(lambda: ESTABLISHED in diary.names)
        id = diary.ids[0]
        assert server.send_text_message_to_client("a", id) is SUCCESS
        assert server.send_binary_message_to_client(b"b", id) is SUCCESS
        assert server.send_binary_message_to_client(memoryview(b"c"), id) is SUCCESS
        assert server.send_compressed_text_message_to_client("d", id) is SUCCESS
        here.until(lambda: len(frames_of(client)) == 4)
        for gone in ("", "nobody", id[:-1] + "1", id.upper(), "SERVER"):
            assert server.send_text_message_to_client("x", gone) is DROPPED
            assert server.send_binary_message_to_client(b"x", gone) is DROPPED
            assert server.send_compressed_text_message_to_client("x", gone) is DROPPED
            assert server.get_buffered_amount(gone) == 0
            assert not server.close_client(gone)
        assert server.close_client(id, 4000, "bye")
        here.until(lambda: len(frames_of(client)) == 5)
        client.send(close_frame(4000))
        here.until(lambda: CLOSED in diary.names)
        assert diary.lines[2] == (CLOSED, 1, "the program closed the WebSocket", 4000)
        assert server.send_text_message_to_client("x", id) is DROPPED
    assert frames_of(client) == [
        (1, b"a"), (2, b"b"), (2, b"c"), (1, b"d"), (8, (4000).to_bytes(2) + b"bye"),
    ]  # fmt: skip
    assert diary.lines[2][3] == 4000


def test_clients_are_counted_exactly() -> None:
    server, _, client = in_memory()
    assert (server.get_num_connected_clients(), server.get_connected_clients()) == (0, ())
    first, second = client.websocket("/"), client.websocket("/any/path?x")
    assert server.get_num_connected_clients() == 2
    assert len(set(server.get_connected_clients())) == 2
    kept = server.get_connected_clients()[1]
    first.close()
    assert (server.get_num_connected_clients(), server.get_connected_clients()) == (1, (kept,))
    second.connection.reset()
    assert server.get_num_connected_clients() == 0
    client.get("/")
    assert server.get_num_connected_clients() == 0


def test_an_id_is_never_that_of_a_later_client() -> None:
    server, diary, client = in_memory()
    for _ in range(3):
        client.websocket("/").close()
        server.process_deferred_events()
    websocket = client.websocket("/")
    server.process_deferred_events()
    assert len(diary.ids) == 4
    assert [server.send_text_message_to_client("x", id) for id in diary.ids] == [
        *[DROPPED] * 3, SUCCESS,
    ]  # fmt: skip
    assert websocket.receive() == "x"


@every_world
def test_an_echo_comes_back_as_it_came_and_its_event_comes_all_the_same(
    world: type[World],
) -> None:
    server = WebSocketServer()
    diary = Diary(server)
    server.set_echo_mode(True)
    with serving(world, server) as here:
        client = here.connect(UPGRADE + b"")
        here.until(lambda: ESTABLISHED in diary.names)
        client.send(text("a") + frame(2, b"b"))
        here.until(lambda: len(frames_of(client)) == 2 and len(diary.lines) == 4)
        server.set_echo_mode(False)
        client.send(text("c"))
        here.until(lambda: len(diary.lines) == 5)
    assert frames_of(client)[:2] == [(1, b"a"), (2, b"b")]
    assert (1, b"c") not in frames_of(client)
    assert [line[2] for line in diary.lines[2:5]] == ["a", b"b", "c"]


@pytest.mark.parametrize("flag", [1, 0, None, "yes"])
def test_the_echo_mode_is_true_or_false(flag: Any) -> None:
    with pytest.raises(TypeError, match="the echo mode is True or False, not "):
        WebSocketServer().set_echo_mode(flag)


def test_messages_are_of_their_type() -> None:
    server: Any = WebSocketServer()
    for name in ("send_text_message_to_client", "send_compressed_text_message_to_client"):
        with pytest.raises(TypeError, match="a text message is a str, not bytes"):
            getattr(server, name)(b"x", "id")
        with pytest.raises(TypeError, match="an id is a str, not int"):
            getattr(server, name)("x", 5)
    with pytest.raises(TypeError, match="a binary message is bytes, not str"):
        server.send_binary_message_to_client("x", "id")
    with pytest.raises(TypeError, match="a text message is a str, not NoneType"):
        server.broadcast_text_message(None)
    with pytest.raises(TypeError, match="a text message is a str, not bytes"):
        server.broadcast_compressed_text_message(b"x")
    with pytest.raises(TypeError, match="a binary message is bytes, not str"):
        server.broadcast_binary_message("x")
    with pytest.raises(ValueError, match="1005"):
        server, diary, client = in_memory()
        client.websocket("/")
        server.process_deferred_events()
        server.close_client(diary.ids[0], 1005)


def test_a_client_that_has_agreed_on_compression_is_sent_everything_so() -> None:
    server, _, client = in_memory()
    headers = {"Sec-WebSocket-Extensions": "permessage-deflate"}
    websocket = client.websocket("/", headers=headers)
    sent = []
    for send in (server.broadcast_compressed_text_message, server.broadcast_text_message):
        before = len(websocket.connection.received)
        send("x" * 10_000)
        assert websocket.receive() == "x" * 10_000
        sent.append(len(websocket.connection.received) - before)
    assert sent[0] == sent[1] < 200


def test_a_client_that_is_behind_is_told_of_when_it_begins_and_when_it_has_taken_all() -> None:
    server, diary, client = in_memory()
    slow, quick = client.websocket("/", window_len=1_000), client.websocket("/")
    server.process_deferred_events()
    id, message = diary.ids[0], "x" * 40_000
    assert server.send_text_message_to_client(message, id) is SUCCESS
    client.run_until_idle()
    assert server.send_text_message_to_client(message, id) is BACKPRESSURE
    client.run_until_idle()
    assert server.send_text_message_to_client(message, id) is DROPPED
    assert server.get_buffered_amount(id) > 65_536
    server.process_deferred_events()
    (told,) = [line for line in diary.lines if line[0] == "WEBSOCKET_BACKPRESSURE"]
    assert told[1] == 1 and 30_000 < told[2] <= 80_010
    assert [slow.receive() for _ in range(2)] == [message] * 2
    client.run_until_idle()
    server.process_deferred_events()
    assert diary.lines[-1] == ("WEBSOCKET_BACKPRESSURE", 1, 0)
    assert server.get_buffered_amount(id) == 0
    assert server.send_text_message_to_client(message, id) is SUCCESS
    assert quick.messages() == []


def test_who_was_behind_with_what_was_broadcast_is_not_told_of_when_it_has_taken_all() -> None:
    server, diary, client = in_memory()
    slow = client.websocket("/", window_len=1_000)
    statuses = []
    for _ in range(20):
        statuses.append(server.broadcast_text_message("x" * 40_000))
        client.run_until_idle()
    assert statuses[-1] is BACKPRESSURE
    assert len([slow.receive() for _ in statuses]) == len(statuses)
    client.run_until_idle()
    server.process_deferred_events()
    assert diary.names == ["SERVER_STARTED_LISTENING", "WEBSOCKET_CONNECTION_ESTABLISHED"]


def test_a_client_that_does_not_read_misses_broadcasts_and_stays() -> None:
    limits = WEBSOCKET_LIMITS._replace(outgoing_buffer_sz=200_000)
    server, _, client = in_memory(limits=limits)
    slow, quick = client.websocket("/", window_len=1_000), client.websocket("/")
    for number in range(100):
        server.broadcast_text_message(f"{number}".rjust(10_000))
        client.run_until_idle()
    assert server.get_num_connected_clients() == 2
    assert [int(message) for message in quick.messages()] == list(range(100))
    numbers = []
    while len(numbers) < 2 or numbers[-1] != 99:
        numbers.append(int(slow.receive()))
    assert numbers == sorted(numbers) and len(numbers) < 60


def test_the_settings_are_those_of_the_runtime() -> None:
    limits = WebSocketServer().limits
    assert limits.max_ws_message_len == limits.max_ws_recv_frame_len == 16 * 2**20
    assert limits.max_ws_outbox_len == 64 * 2**10
    assert limits.ws_ping_interval + limits.ws_pong_timeout == 120.0
    assert limits.permessage_deflate
    assert WebSocketServer(limits=Limits()).limits == Limits()


def test_a_path_may_be_named_and_who_asks_for_no_websocket_is_told_so() -> None:
    server, diary, client = in_memory(path="/live/:room")
    client.websocket("/live/a")
    with pytest.raises(UpgradeRefused, match="404"):
        client.websocket("/live")
    assert client.get("/live/a").status == 426
    assert client.get("/").status == 404
    server.process_deferred_events()
    assert diary.names.count(ESTABLISHED) == 1


def test_a_handler_that_raises_closes_its_client_and_no_other() -> None:
    server, _, client = in_memory()

    def breaks(event: Event[Any]) -> None:
        assert event.message != "bad"

    server.on(MESSAGE, breaks)
    bad, good = client.websocket("/"), client.websocket("/")
    with logged_by("sigil.error") as lines:
        bad.send("bad")
        good.send("good")
        server.process_deferred_events()
        client.run_until_idle()
    assert lines == [f"the handler of {MESSAGE} raised"]
    assert (bad.code, good.code) == (1011, None)
    assert server.get_num_connected_clients() == 1


def test_all_are_disconnected_when_the_server_stops() -> None:
    server = WebSocketServer()
    diary = Diary(server)
    with serving(SocketWorld, server) as here:
        clients = [here.connect(UPGRADE) for _ in range(3)]
        here.until(lambda: diary.names.count(ESTABLISHED) == 3)
        server.broadcast_text_message("last")
        server.stop_listening()
        for client in clients:
            client.poll()
    assert diary.names[-4:] == [CLOSED] * 3 + ["SERVER_STOPPED_LISTENING"]
    assert {line[3] for line in diary.lines if line[0] == CLOSED} == {1001}
    for client in clients:
        assert frames_of(client)[0] == (1, b"last")
        assert frames_of(client)[1][1][:2] == (1001).to_bytes(2)
