"""A handler is called with no more requests than there is room for: the others are handed out
again, and every one is answered in the end.
"""

from collections.abc import Callable

import pytest

from sigil import Limits, Request, Response
from tests.support.core_driver import get
from tests.support.servers import MIB, Raw, pump, settle, ticking

SMALL = Limits(max_outbox_len=10_000)


def count_calls(
    respond: Callable[[Request], Response], calls: list[str]
) -> Callable[[Request], Response]:
    """A handler that notes what it is called with."""

    def app(request: Request) -> Response:
        calls.append(request.path)
        return respond(request)

    return app


@pytest.mark.parametrize("length", [0, 1, 4_000, 10_000, 10_001, 50_000])
def test_every_pipelined_request_is_answered_in_order_however_large_the_answers(
    length: int,
) -> None:
    calls: list[str] = []

    def app(request: Request) -> Response:
        return Response.bytes(request.path.encode().ljust(length))

    paths = [f"/{number}" for number in range(64)]
    with ticking(count_calls(app, calls), SMALL) as server, Raw(server) as client:
        client.send(b"".join(map(get, paths)))
        pump(server, lambda: len(client.answers(*["GET"] * 64)) == 64, client)
        answers = client.answers(*["GET"] * 64)
    assert [answer.text.rstrip(" ") for answer in answers] == paths
    assert calls == paths


def test_the_handler_is_called_no_further_for_a_client_that_does_not_read() -> None:
    calls: list[str] = []
    app = count_calls(lambda request: Response.bytes(bytes(MIB)), calls)
    with ticking(app) as server, Raw(server, receive_buffer=4_096) as client:
        client.reads = False
        client.send(get("/") * 64)
        settle(server, client)
        assert len(calls) <= 8
        assert server.stats().outbox_bytes < 4 * MIB


@pytest.mark.parametrize("path", ["/events", "/stream", "/listen"])
def test_the_handler_is_not_called_behind_a_stream_that_is_open(path: str) -> None:
    calls: list[str] = []

    def app(request: Request) -> Response:
        if request.path == "/events":
            return Response.sse(iter(lambda: None, 0))
        if request.path == "/listen":
            return Response.sse(topics=["a"])
        if request.path == "/stream":
            return Response.stream(iter(lambda: None, 0))  # type: ignore[arg-type]
        return Response.bytes(bytes(MIB))

    with ticking(count_calls(app, calls)) as server, Raw(server) as client:
        client.send(get(path) + get("/page") * 63)
        settle(server, client)
        assert calls == [path]
        assert server.stats().outbox_bytes == 0


def test_a_stream_that_ends_is_followed_by_the_answers_behind_it() -> None:
    def app(request: Request) -> Response:
        if request.path == "/stream":
            return Response.stream([b"a", b"b"])
        return Response.text("page")

    with ticking(app) as server, Raw(server) as client:
        client.send((get("/stream") + get("/page") * 2) * 3)
        pump(server, lambda: len(client.answers(*["GET"] * 9)) == 9, client)
        assert [answer.text for answer in client.answers(*["GET"] * 9)] == [
            "ab",
            "page",
            "page",
        ] * 3


def test_handlers_make_no_more_in_one_round_than_a_part_of_the_budget() -> None:
    calls: list[str] = []
    app = count_calls(lambda request: Response.bytes(bytes(MIB)), calls)
    limits = Limits(max_outbound_len=32 * MIB)
    with ticking(app, limits) as server:
        clients = [Raw(server, receive_buffer=4_096) for _ in range(40)]
        settle(server, *clients)
        for client in clients:
            client.reads = False
            client.send(get("/"))
        server.tick(0)
        assert 2 <= len(calls) <= 12
        assert server.state.load.outbound <= 12 * MIB
        for client in clients:
            client.close()
