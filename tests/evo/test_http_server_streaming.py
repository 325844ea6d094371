"""Responses that are written in parts, and clients that read them slowly or not at all."""

from itertools import pairwise
from typing import Any

import pytest

from sigil import Limits
from sigil.evo import Event, EventType, HttpSendStatus, HttpServer, SendStatus
from sigil.testing import Client
from tests.support.evo import Diary, SocketWorld, World, every_world, serving
from tests.support.servers import Raw, logged_by

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
WRITABLE = "HTTP_CONNECTION_WRITABLE"
NONE, SENT, BOTH = HttpSendStatus.NONE, HttpSendStatus.SENT, HttpSendStatus.SENT_AND_ENDED


def body_of(length: int) -> bytes:
    """A body in which every place is known."""
    return b"".join(b"%07d\n" % number for number in range(length // 8 + 1))[:length]


class Streaming:
    """A program that streams a body by offsets, in parts of so many bytes, and keeps a diary."""

    def __init__(self, body: bytes, part_len: int, **arguments: Any) -> None:
        self.server = server = HttpServer(**arguments)
        server.add_route("/*")
        self.body, self.part_len = body, part_len
        self.statuses: list[HttpSendStatus] = []
        self.diary = Diary(
            server, HTTP_REQUEST_FINISHED=self.begin, HTTP_CONNECTION_WRITABLE=self.go_on
        )

    def begin(self, event: Event[bytes]) -> None:
        """The first part."""
        self.send(event.client_id, 0)

    def go_on(self, event: Event[int]) -> None:
        """The next part."""
        self.send(event.client_id, event.message)

    def send(self, id: str, offset: int) -> None:
        """The part from this offset on."""
        part = self.body[offset : offset + self.part_len]
        self.statuses.append(self.server.stream_response(id, part, offset, len(self.body)))

    @property
    def offsets(self) -> list[int]:
        """The offsets that WRITABLE has brought."""
        return [line[2] for line in self.diary.lines if line[0] == WRITABLE]


@every_world
def test_each_part_that_is_taken_is_followed_by_the_offset_of_the_next(world: type[World]) -> None:
    program = Streaming(body_of(30), 10)
    with serving(world, program.server) as here:
        client = here.connect(GET)
        here.until(lambda: client.received.endswith(program.body))
    assert program.diary.lines[1:] == [
        ("HTTP_REQUEST_STARTED", 1, ""),
        ("HTTP_REQUEST_FINISHED", 1, b""),
        (WRITABLE, 1, 10),
        (WRITABLE, 1, 20),
        *([("SERVER_STOPPED_LISTENING", "SERVER", "Going Away")] * (world is SocketWorld)),
    ]
    assert program.statuses == [SENT, SENT, BOTH]
    head, _, body = bytes(client.received).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n")
    assert body == program.body


@every_world
def test_a_body_that_is_given_whole_is_taken_as_there_is_room(world: type[World]) -> None:
    program = Streaming(body_of(100), 1_000, max_buffered_len=39)
    program.go_on = program.begin  # type: ignore[method-assign]
    program.server.on(WRITABLE, program.diary._writer(WRITABLE, program.begin))
    with serving(world, program.server) as here:
        client = here.connect(GET)
        here.until(lambda: client.received.endswith(program.body))
    assert program.offsets == [40, 80]
    assert program.statuses == [NONE, NONE, BOTH]


def test_a_slow_reader_is_sent_what_it_takes_from_the_offsets_that_are_true() -> None:
    program = Streaming(body_of(4_000_000), 1_000_000, max_buffered_len=50_000)
    client = Client(program.server.handler, callbacks=program.server.callbacks)
    connection = client.connect(window_len=10_000)
    connection.send(GET)
    program.server.process_deferred_events()
    client.run_until_idle()
    assert program.statuses == [NONE]
    taken_before = -1
    while len(connection.received) < 4_000_000:
        connection.read(100_000)
        while program.server.process_deferred_events():
            client.run_until_idle()
        assert len(program.offsets) >= taken_before
        taken_before = len(program.offsets)
    client.run_until_idle()
    while len(connection.wire.unread):
        connection.read(100_000)
    assert connection.received.partition(b"\r\n\r\n")[2] == program.body
    assert program.offsets == sorted(set(program.offsets))
    assert program.statuses[-1] is BOTH and BOTH not in program.statuses[:-1]
    # never more than the mark waits here besides what the core holds for the client
    steps = [after - before for before, after in pairwise(program.offsets)]
    assert max(steps) <= 50_001 and len(steps) > 50


def test_a_slow_reader_over_a_socket_gets_all_of_it() -> None:
    program = Streaming(body_of(8_000_000), 2**20)
    with serving(SocketWorld, program.server) as here:
        client = here.connect(GET, receive_buffer=65_536)
        client.reads = False
        here.until(lambda: bool(program.offsets) and program.statuses[-1] is NONE)
        for _ in range(50):
            program.server.tick(0.0)
        assert BOTH not in program.statuses  # the kernel does not take all of it
        client.reads = True
        here.until(lambda: len(client.received) > 8_000_000)
        assert bytes(client.received).partition(b"\r\n\r\n")[2] == program.body


@every_world
def test_bytes_may_be_given_again_and_none_be_left_out(world: type[World]) -> None:
    server, results = HttpServer(), list[Any]()
    server.add_route("/*")

    def take(event: Event[Any]) -> None:
        id = event.client_id
        for part, offset, total in (
            (b"abc", 0, 8), (b"bcde", 1, None), (b"abc", 0, 8), (b"gh", 6, None),
            (b"fgh", 5, 9), (b"fghi", 5, None), (b"abcdefgh", 0, None),
        ):  # fmt: skip
            try:
                results.append(server.stream_response(id, part, offset, total))
            except ValueError as error:
                results.append(str(error))

    diary = Diary(server, HTTP_REQUEST_FINISHED=take)
    with serving(world, server) as here:
        client = here.connect(GET)
        here.until(lambda: client.received.endswith(b"abcdefgh"))
    assert results == [
        SENT, SENT, SENT, "the next byte of the body is 5, and not 6",
        "the body has 8 bytes in all, and that does not change",
        "the body has 8 bytes in all, and this part ends with 9", BOTH,
    ]  # fmt: skip
    assert WRITABLE not in diary.names  # each of them had become untrue


@every_world
def test_an_empty_body_may_be_streamed_and_a_wrong_mixture_not(world: type[World]) -> None:
    server, results = HttpServer(), list[Any]()
    server.add_route("/*")

    def take(event: Event[Any]) -> None:
        if server.get_request_url(event.client_id) == "/empty":
            results.append(server.stream_response(event.client_id, ""))
            return
        server.stream_response(event.client_id, "a", 0, 2)
        for name in ("write_response", "send_response"):
            with pytest.raises(RuntimeError) as caught:
                getattr(server, name)(event.client_id, "b")
            results.append(str(caught.value))
        server.stream_response(event.client_id, "b", 1)

    Diary(server, HTTP_REQUEST_FINISHED=take)
    with serving(world, server) as here:
        client = here.connect(GET.replace(b"/ ", b"/empty ") + GET)
        here.until(lambda: client.received.endswith(b"ab"))
    streamed = "of GET / its body is streamed by offsets (stream_response)"
    assert results == [
        BOTH,
        f"it is one or the other: {streamed}",
        f"the last part of a body ends the response: {streamed}",
    ]
    assert b"Content-Length: 0\r\n" in client.received


def test_chunks_that_a_client_does_not_take_are_answered_with_backpressure_and_writable() -> None:
    server, statuses = HttpServer(max_buffered_len=1_000), list[SendStatus]()
    server.add_route("/*")

    def begin(event: Event[Any]) -> None:
        for _ in range(3):
            statuses.append(server.write_response(event.client_id, bytes(600)))

    diary = Diary(
        server,
        HTTP_REQUEST_FINISHED=begin,
        HTTP_CONNECTION_WRITABLE=lambda event: server.send_response(event.client_id, "end"),
    )
    client = Client(server.handler, callbacks=server.callbacks)
    answer = client.connect(window_len=1_000_000)
    answer.send(GET)
    while server.process_deferred_events():
        client.run_until_idle()
    assert statuses == [SendStatus.SUCCESS, SendStatus.BACKPRESSURE, SendStatus.BACKPRESSURE]
    assert diary.lines[-1] == (WRITABLE, 1, 1_800)
    answer.read(10_000)
    assert answer.answers()[0].body == bytes(1_800) + b"end"


@pytest.mark.parametrize("length", [0, -1, True, None, "1"])
def test_room_is_a_number_of_bytes(length: Any) -> None:
    with pytest.raises(ValueError, match="max_buffered_len is a positive number of bytes, not"):
        HttpServer(max_buffered_len=length)


def test_a_body_gets_through_the_least_room_that_there_is() -> None:
    program = Streaming(body_of(100), 7, max_buffered_len=1)
    client = Client(program.server.handler, callbacks=program.server.callbacks)
    connection = client.connect()
    connection.send(GET)
    while program.server.process_deferred_events():
        client.run_until_idle()
    assert connection.answers()[0].body == program.body


def test_a_length_that_cannot_be_declared_is_refused_where_it_is_given() -> None:
    server, refused = HttpServer(), list[str]()
    server.add_route("/*")

    def begin(event: Event[Any]) -> None:
        try:
            server.stream_response(event.client_id, b"abc", total=2**70)
        except ValueError as error:
            refused.append(str(error))
        server.stream_response(event.client_id, b"abc")

    Diary(server, HTTP_REQUEST_FINISHED=begin)
    client = Client(server.handler, callbacks=server.callbacks)
    connection = client.connect()
    connection.send(GET)
    server.process_deferred_events()
    client.run_until_idle()
    assert refused == [f"Content-Length '{2**70}' is not one decimal number"]
    assert connection.answers()[0].body == b"abc"


@pytest.mark.parametrize(
    "name", ["HTTP_REQUEST_STARTED", "HTTP_DATA_RECEIVED", "HTTP_REQUEST_FINISHED"]
)
def test_an_event_may_be_put_off_and_the_body_goes_on_all_the_same(name: str) -> None:
    server, put_off = HttpServer(), list[Event[Any]]()
    server.add_route("/*")

    def defer_once(event: Event[Any]) -> None:
        if event not in put_off:
            put_off.append(event)
            server.defer_event(event)

    diary = Diary(server, **{name: defer_once})
    client = Client(server.handler, callbacks=server.callbacks)
    connection = client.connect()
    connection.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc")
    for piece in (b"def", b"ghi", b""):
        while server.process_deferred_events():
            client.run_until_idle()
        connection.send(piece)
    assert (
        b"".join(sorted({line[2] for line in diary.lines if isinstance(line[2], bytes)}))
        == b"abcdefghi"
    )
    assert diary.names.count(name) == 2 * len(put_off) > 0


def test_what_makes_no_event_of_a_request_harms_nobody() -> None:
    server: Any = HttpServer()
    for kind in EventType:
        server.defer_event(Event(kind, ["no id"], 0))
    with logged_by("sigil.error") as lines:
        assert server.process_deferred_events() == len(EventType)
    assert set(lines) == {"the handler of UNKNOWN_OR_INVALID_WEBSERVER_EVENT raised"}


def test_who_waits_to_write_chunks_is_told_though_another_has_written_meanwhile() -> None:
    server = HttpServer(max_buffered_len=1_000)
    server.add_route("/*")
    diary = Diary(server)
    client = Client(server.handler, callbacks=server.callbacks)
    connection = client.connect(window_len=1_000_000)
    connection.send(GET)
    server.process_deferred_events()
    (id,) = diary.ids
    assert server.write_response(id, bytes(1_200)) is SendStatus.BACKPRESSURE
    client.run_until_idle()
    assert server.has_deferred_events
    assert server.write_response(id, bytes(300)) is SendStatus.SUCCESS
    server.process_deferred_events()
    assert diary.lines[-1] == (WRITABLE, 1, 1_500)


def test_there_is_no_room_for_chunks_where_another_has_filled_it_meanwhile() -> None:
    server = HttpServer(max_buffered_len=1_000)
    server.add_route("/*")
    diary = Diary(server)
    client = Client(server.handler, callbacks=server.callbacks)
    client.connect(window_len=1_000_000).send(GET)
    server.process_deferred_events()
    (id,) = diary.ids
    assert server.write_response(id, bytes(1_200)) is SendStatus.BACKPRESSURE
    client.run_until_idle()
    assert server.write_response(id, bytes(1_300)) is SendStatus.BACKPRESSURE
    server.process_deferred_events()
    assert diary.lines[-1][0] != WRITABLE
    client.run_until_idle()
    server.process_deferred_events()
    assert diary.lines[-1] == (WRITABLE, 1, 2_500)


def test_who_writes_on_and_on_has_the_body_broken_off_and_is_told() -> None:
    server, statuses = HttpServer(max_buffered_len=1_000), list[SendStatus]()
    server.add_route("/*")

    def begin(event: Event[Any]) -> None:
        for _ in range(40):
            statuses.append(server.write_response(event.client_id, bytes(600)))
        statuses.append(server.send_response(event.client_id, "end"))

    diary = Diary(server, HTTP_REQUEST_FINISHED=begin)
    client = Client(server.handler, callbacks=server.callbacks, raise_errors=False)
    connection = client.connect()
    connection.send(GET)
    with logged_by("sigil.error") as lines:
        while server.process_deferred_events():
            client.run_until_idle()
    assert statuses[26:] == [SendStatus.BACKPRESSURE] + [SendStatus.DROPPED] * 14
    assert "the program goes on writing" in client.log[-1].text
    assert not any("raised" in line and "handler" in line for line in lines)
    assert not server.has_request_details(diary.ids[0])


@every_world
def test_a_client_that_leaves_in_the_middle_of_a_body_is_told_of_once(world: type[World]) -> None:
    program = Streaming(body_of(3_000_000), 1_000_000)
    with serving(world, program.server) as here:
        if isinstance(here, SocketWorld):
            client: Any = here.connect(GET)
            client.reads = False
        else:
            client = here.client.connect(window_len=1_000)
            client.send(GET)
        here.until(lambda: bool(program.statuses))
        client.reset()
        here.until(lambda: "HTTP_CONNECTION_ABORTED" in program.diary.names)
        assert program.server.stream_response(program.diary.ids[0], b"more", 0) is NONE
    assert program.diary.names.count("HTTP_CONNECTION_ABORTED") == 1
    assert not program.server._requests and not program.server._seen


def test_a_response_that_is_not_written_in_time_is_a_503_and_the_request_is_aborted() -> None:
    server = HttpServer(limits=Limits(response_timeout=10.0))
    server.add_route("/*")
    diary = Diary(server)
    client = Client(
        server.handler, limits=server.limits, callbacks=server.callbacks, raise_errors=False
    )
    connection = client.connect()
    connection.send(GET)
    server.process_deferred_events()
    client.advance(11.0)
    server.process_deferred_events()
    assert connection.answers()[0].status == 503
    assert diary.lines[-1] == ("HTTP_CONNECTION_ABORTED", 1, "")
    assert server.send_response(diary.ids[0], "late") is SendStatus.DROPPED


def test_a_client_that_ends_its_side_is_answered_all_the_same() -> None:
    server = HttpServer()
    server.add_route("/*")
    diary = Diary(server)
    with serving(SocketWorld, server) as here:
        client: Raw = here.connect(GET)
        client.half_close()
        here.until(lambda: "HTTP_REQUEST_FINISHED" in diary.names)
        server.send_response(diary.ids[0], "answer")
        here.until(lambda: client.over)
        assert client.answers()[0].text == "answer"
