"""Bodies that are produced while they are sent: how their end is marked, and what happens when
there is none.

Theory: a streamed body has begun when its head is sent, so what goes wrong afterwards can only be
told by a connection that ends too early. Whatever happens, the iterator is closed, so that a
generator's `finally` runs, and at once.
"""

from collections.abc import Callable, Iterable, Iterator

import pytest

from sigil import Request, Response
from tests.support.requests import GET
from tests.support.servers import Raw, ask, exchange, logged_by, pump, settle, ticking

GET_1_0 = b"GET / HTTP/1.0\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"


def streaming(
    chunks: Callable[[], Iterable[object]], **fields: str
) -> Callable[[Request], Response]:
    """A handler that streams these chunks."""
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    return lambda request: Response.stream(chunks(), headers=headers)  # type: ignore[arg-type]


class Watched:
    """An iterable that says what became of it."""

    def __init__(self, *chunks: object) -> None:
        self.chunks = chunks
        self.pulled = 0
        self.closed = 0

    def __call__(self) -> Iterator[object]:
        try:
            for chunk in self.chunks:
                self.pulled += 1
                yield chunk
        finally:
            self.closed += 1


@pytest.mark.parametrize(
    "chunks", [[], [b"a"], [b"a", b"bc", b"d" * 70_000], [b"", b"a", b"", b"", b"b", b""]]
)
def test_a_stream_is_chunked_and_its_connection_stays(chunks: list[bytes]) -> None:
    with ticking(streaming(lambda: chunks)) as server:
        answers = exchange(server, GET * 3, "GET", "GET", "GET")
        assert len(answers) == 3
        for answer in answers:
            assert answer.is_whole
            assert answer.body == b"".join(chunks)
            assert answer.headers["transfer-encoding"] == "chunked"
            assert "content-length" not in answer.headers


def test_an_empty_chunk_is_not_the_last_chunk() -> None:
    with (
        ticking(streaming(lambda: [b"", b"a", b"", b"b", b""])) as server,
        Raw(server, GET) as client,
    ):
        pump(server, lambda: bytes(client.received).endswith(b"0\r\n\r\n"), client)
        assert bytes(client.received).partition(b"\r\n\r\n")[2] == b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n"


def test_a_stream_to_an_old_client_ends_with_the_connection() -> None:
    with (
        ticking(streaming(lambda: [b"old", b"", b"times"])) as server,
        Raw(server, GET_1_0) as client,
    ):
        pump(server, lambda: client.over, client)
        assert client.ended
        head, _, body = bytes(client.received).partition(b"\r\n\r\n")
        assert body == b"oldtimes"
        assert b"chunked" not in head.lower()
        assert b"content-length" not in head.lower()
        assert b"connection: close" in head.lower()


def test_an_old_client_that_asks_to_stay_is_told_that_it_cannot() -> None:
    keep = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    with ticking(streaming(lambda: [b"x"])) as server, Raw(server, keep) as client:
        pump(server, lambda: client.over, client)
        assert b"connection: close" in bytes(client.received).lower()
        assert b"keep-alive" not in bytes(client.received).lower()
    with (
        ticking(streaming(lambda: [b"x"], Content_Length="1")) as server,
        Raw(server, keep * 1) as client,
    ):
        settle(server, client)
        assert bytes(client.received).endswith(b"\r\n\r\nx")
        assert not client.over


@pytest.mark.parametrize("request_line", [GET, GET_1_0])
def test_a_declared_length_that_is_met_is_sent_as_it_is(request_line: bytes) -> None:
    with ticking(streaming(lambda: [b"ab", b"", b"c"], Content_Length="3")) as server:
        (answer,) = exchange(server, request_line)
        assert (answer.body, answer.is_whole) == (b"abc", True)
        assert answer.headers["content-length"] == "3"
        assert "transfer-encoding" not in answer.headers


@pytest.mark.parametrize(
    ("chunks", "length", "body", "word"),
    [
        ([b"ab"], "3", b"ab", "short"),
        ([], "1", b"", "short"),
        ([b"ab", b"cd"], "3", b"ab", "more"),
        ([b"a"], "0", b"", "more"),
    ],
)
@pytest.mark.parametrize("data", [GET, GET_1_0])
def test_a_declared_length_that_is_not_met_breaks_the_connection(
    chunks: list[bytes], length: str, body: bytes, word: str, data: bytes
) -> None:
    watched = Watched(*chunks)
    with (
        ticking(streaming(watched, Content_Length=length)) as server,
        logged_by("sigil.error") as lines,
    ):
        with Raw(server, data) as client:
            pump(server, lambda: client.over, client)
            assert bytes(client.received).partition(b"\r\n\r\n")[2] == body
        assert len(lines) == 1
        assert word in lines[0]
        assert watched.closed == 1
        assert server.stats().closed == {"HANDLER_ERROR": 1}


@pytest.mark.parametrize(
    ("chunks", "word"),
    [([b"ab", "text"], "not str"), ([b"ab", 7], "not int"), ([b"ab", [1]], "not list")],
)
def test_a_chunk_that_is_not_bytes_ends_the_connection_and_is_logged(
    chunks: list[object], word: str
) -> None:
    watched = Watched(*chunks, b"never")
    with ticking(streaming(watched)) as server, logged_by("sigil.error") as lines:
        (answer,) = exchange(server, GET)
        assert (answer.body, answer.is_whole) == (b"ab", False)
        assert len(lines) == 1
        assert word in lines[0]
        assert (watched.pulled, watched.closed) == (2, 1)


@pytest.mark.parametrize("chunk", [bytearray(b"ab"), memoryview(b"ab"), memoryview(b"a-b-")[::2]])
def test_other_kinds_of_bytes_are_chunks_too(chunk: object) -> None:
    with ticking(streaming(lambda: [chunk])) as server:
        assert ask(server).body == b"ab"


def test_a_chunk_that_is_changed_after_it_was_yielded_is_sent_as_it_was() -> None:
    def chunks() -> Iterator[bytearray]:
        buffer = bytearray(2)
        for count in range(100):
            buffer[:] = b"%02d" % count
            yield buffer

    with ticking(streaming(chunks)) as server:
        assert ask(server).text == "".join(f"{count:02d}" for count in range(100))


def test_a_stream_that_raises_ends_the_connection_so_that_the_client_can_tell() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"so far so good"
        raise LookupError("secret")

    for data in (GET, GET + GET):
        with ticking(streaming(chunks)) as server, logged_by("sigil.error") as lines:
            answers = exchange(server, data, "GET", "GET")
            assert [(answer.body, answer.is_whole) for answer in answers] == [
                (b"so far so good", False)
            ]
            assert len(lines) == 1
            assert "LookupError: secret" in lines[0]
            assert server.stats().closed == {"HANDLER_ERROR": 1}


def test_a_stream_that_cannot_be_started_is_a_500() -> None:
    class Unready:
        def __iter__(self) -> Iterator[bytes]:
            raise LookupError("secret")

    with ticking(streaming(Unready)) as server, logged_by("sigil.error") as lines:
        assert ask(server).status == 500
        assert "LookupError: secret" in lines[0]
        assert ask(server).status == 500


@pytest.mark.parametrize("leave", ["close", "reset"])
def test_a_generator_is_closed_in_the_tick_that_hears_that_the_client_left(leave: str) -> None:
    watched = Watched(*[bytes(65_536)] * 10_000)
    with ticking(streaming(watched)) as server, Raw(server, GET, receive_buffer=4096) as client:
        client.reads = False
        pump(server, lambda: server.stats().outbox_bytes > 0)
        assert watched.closed == 0
        getattr(client, leave)()
        pump(server, lambda: not server.clients())
        assert watched.closed == 1
        assert server.stats().closed == {"PEER_RESET": 1}


def test_a_generator_without_anything_to_say_is_closed_when_the_client_resets() -> None:
    def chunks() -> Iterator[bytes]:
        try:
            yield b"start"
            while True:
                yield b""
        finally:
            closed.append(True)

    closed: list[bool] = []
    with ticking(streaming(chunks)) as server, Raw(server, GET) as client:
        pump(server, lambda: b"start" in client.received, client)
        client.reset()
        pump(server, lambda: not server.clients())
        assert closed == [True]


@pytest.mark.parametrize("how", [0, 5])
def test_a_generator_is_closed_when_the_server_stops(how: int) -> None:
    watched = Watched(*[bytes(65_536)] * 10_000)
    with ticking(streaming(watched)) as server, Raw(server, GET, receive_buffer=4096):
        pump(server, lambda: server.stats().outbox_bytes > 0)
        server.stop(how)
        server.stop(0)
        pump(server, lambda: not server.running)
        assert watched.closed == 1


def test_a_generator_that_raises_when_it_is_closed_is_logged_and_harms_nobody() -> None:
    def chunks() -> Iterator[bytes]:
        try:
            while True:
                yield bytes(65_536)
        finally:
            raise LookupError("in finally")

    with ticking(streaming(chunks)) as server, logged_by("sigil.error") as lines:
        with Raw(server, GET, receive_buffer=4096):
            pump(server, lambda: server.stats().outbox_bytes > 0)
        pump(server, lambda: not server.clients())
        assert len(lines) == 1
        assert "LookupError: in finally" in lines[0]
        assert server.running


def test_the_head_of_a_stream_pulls_nothing_and_closes_the_iterator() -> None:
    class Counting:
        def __init__(self) -> None:
            self.pulled, self.closed = 0, 0

        def __iter__(self) -> "Counting":
            return self

        def __next__(self) -> bytes:
            self.pulled += 1
            return b"x"

        def close(self) -> None:
            self.closed += 1

    counting = Counting()
    with ticking(streaming(lambda: counting)) as server:
        answers = exchange(server, HEAD + HEAD, "HEAD", "HEAD")
        assert [(answer.status, answer.body, answer.is_whole) for answer in answers] == [
            (200, b"", True)
        ] * 2
        assert answers[0].headers["transfer-encoding"] == "chunked"
        assert (counting.pulled, counting.closed) == (0, 2)


@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_stream_behind_a_status_without_a_body_is_not_pulled_but_closed(status: int) -> None:
    closed: list[str] = []

    class Closing:
        def __iter__(self) -> "Closing":
            return self

        def __next__(self) -> bytes:
            raise AssertionError("it was pulled")

        def close(self) -> None:
            closed.append("closed")

    with ticking(lambda request: Response.stream(Closing(), status=status)) as server:
        (answer,) = exchange(server, GET)
        assert (answer.status, answer.body, answer.is_whole) == (status, b"", True)
        assert closed == ["closed"]


def test_streams_of_pipelined_requests_are_pulled_one_after_the_other() -> None:
    order: list[str] = []

    def handler(request: Request) -> Response:
        def chunks() -> Iterator[bytes]:
            for index in range(3):
                order.append(f"{request.path}{index}")
                yield request.path.encode()

        return Response.stream(chunks())

    data = b"".join(b"GET /%c HTTP/1.1\r\nHost: a\r\n\r\n" % name for name in b"abc")
    with ticking(handler) as server:
        answers = exchange(server, data, "GET", "GET", "GET")
        assert [answer.text for answer in answers] == ["/a/a/a", "/b/b/b", "/c/c/c"]
        assert order == [f"/{name}{index}" for name in "abc" for index in range(3)]


def test_an_interrupt_out_of_a_stream_leaves_the_tick_and_ends_the_connection() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"start"
        raise KeyboardInterrupt

    with ticking(streaming(chunks)) as server, Raw(server, GET) as client:
        with pytest.raises(KeyboardInterrupt):
            pump(server, lambda: client.over, client)
        pump(server, lambda: client.over, client, patience=0.5)
