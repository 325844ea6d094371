"""How connections end: the last answer is received in full, whatever its receiver is still sending.

Theory: a connection closed while bytes are unread is reset, and a reset may destroy an answer on
its way. So after the last answer our side is shut and theirs is read for a while. And a client may
leave at any moment, in any way.
"""

import pytest

from sigil import Limits, Request, Response
from tests.support.requests import GET
from tests.support.servers import MIB, Raw, ask, exchange, hello, make, pump, settle, ticking


def post(length: int) -> bytes:
    return f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n".encode()


def test_a_refusal_to_a_client_that_goes_on_sending_is_received_in_full() -> None:
    with ticking(limits=Limits(max_body_len=1_000)) as server:
        for _ in range(50):
            with Raw(server, post(4 * MIB) + bytes(4 * MIB)) as client:
                pump(server, lambda: client.over, client)
                (answer,) = client.answers("POST")
                assert (answer.status, answer.is_whole) == (413, True)
                assert answer.text == "413 Content Too Large: the body is longer than 1000 bytes\n"
        pump(server, lambda: not server.clients())
        assert server.stats().closed == {"LARGE_REQUEST": 50}


def test_a_client_that_sends_less_than_is_thrown_away_sees_an_orderly_end() -> None:
    with ticking(limits=Limits(max_body_len=1_000)) as server:
        for _ in range(50):
            with Raw(server, post(500_000) + bytes(500_000)) as client:
                pump(server, lambda: client.over, client)
                assert (client.ended, client.broken) == (True, False)
                assert client.answers("POST")[0].is_whole
                client.half_close()
                pump(server, lambda: not server.clients())


def test_a_refusal_in_the_middle_of_a_chunked_upload_is_received_in_full() -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with ticking(limits=Limits(max_body_len=100_000)) as server:
        for _ in range(20):
            with Raw(server, head + (b"4000\r\n" + bytes(0x4000) + b"\r\n") * 50) as client:
                pump(server, lambda: client.over, client)
                assert client.answers("POST")[0].status == 413
                assert client.answers("POST")[0].is_whole


@pytest.mark.parametrize(
    "garbage", [b"\x00" * 500_000, b"GET / HTTP/1.1\r\nHost: a\r\nX" * 30_000, b"a" * 500_000]
)
def test_a_refusal_of_garbage_is_received_in_full(garbage: bytes) -> None:
    with ticking() as server:
        for _ in range(10):
            with Raw(server, garbage) as client:
                pump(server, lambda: client.over, client)
                assert client.answers()[0].status in (400, 431, 501)
                assert client.answers()[0].is_whole


def test_a_client_that_never_stops_sending_is_thrown_out_after_a_while() -> None:
    limits = Limits(max_body_len=1_000, max_linger_len=200_000, linger_timeout=60.0)
    with ticking(limits=limits) as server, Raw(server, post(10**9)) as client:
        client.send(bytes(4 * MIB))
        pump(server, lambda: bool(server.stats().closed), client)
        assert server.stats().bytes_in < MIB
        assert server.stats().closed == {"LARGE_REQUEST": 1}


def test_a_large_last_answer_is_received_in_full_by_a_client_that_goes_on_sending() -> None:
    def handler(request: Request) -> Response:
        return Response.bytes(bytes(3 * MIB), headers={"Connection": "close"})

    with (
        ticking(handler) as server,
        Raw(server, GET + bytes(900_000), receive_buffer=4096) as client,
    ):
        pump(server, lambda: client.over, client)
        assert (len(client.answers()[0].body), client.answers()[0].is_whole) == (3 * MIB, True)


def test_a_client_that_said_it_sends_no_more_still_gets_its_answers() -> None:
    with ticking() as server:
        answers = exchange(server, GET * 40, *["GET"] * 40)
        assert [answer.text for answer in answers] == ["hello /"] * 40
        (answer,) = exchange(server, post(5) + b"12345", "POST")
        assert answer.status == 200
        settle(server)
        assert server.clients() == ()


def test_a_client_that_ends_in_the_middle_of_a_request_is_told_so() -> None:
    with ticking() as server:
        for data in (b"GET / HT", GET[:-2], post(10) + b"12345"):
            (answer,) = exchange(server, data)
            assert answer.status == 400
            assert "complete" in answer.text
        assert exchange(server, b"") == []
        assert exchange(server, b"\r\n") == []


def test_what_is_owed_comes_before_the_refusal_of_what_follows() -> None:
    with ticking() as server:
        answers = exchange(server, GET + GET + b"nonsense\r\n\r\n" + GET, "GET", "GET", "GET")
        assert [answer.status for answer in answers] == [200, 200, 400]
        assert server.stats().requests == 2


def test_a_reset_in_the_middle_of_a_body_is_noticed_and_harms_nobody() -> None:
    with ticking() as server, Raw(server, GET) as other:
        for _ in range(30):
            with Raw(server, post(100_000) + bytes(50_000)) as client:
                pump(server, lambda: len(server.clients()) == 2)
                client.reset()
                pump(server, lambda: len(server.clients()) == 1, other)
        assert server.stats().closed == {"PEER_RESET": 30}
        other.send(GET)
        pump(server, lambda: len(other.answers("GET", "GET")) == 2, other)


def test_300_clients_that_connect_and_vanish_leave_nothing_behind() -> None:
    server = make(hello)
    server.listen()
    for index in range(300):
        client = Raw(server, GET if index % 3 == 2 else b"")
        client.close() if index % 2 else client.reset()
        if index % 50 == 49:
            server.tick()
    settle(server)
    assert server.clients() == ()
    assert ask(server).status == 200
    server.stop(0)
    server.tick()
    assert not server.running


def test_a_connection_that_was_reset_before_its_answer_is_forgotten() -> None:
    clients: list[Raw] = []

    def handler(request: Request) -> Response:
        if request.path == "/":
            clients[0].reset()
        return Response.bytes(bytes(MIB))

    with ticking(handler) as server:
        clients.append(Raw(server, GET * 3))
        settle(server)
        assert server.clients() == ()
        assert server.stats().closed == {"PEER_RESET": 1}
        assert len(ask(server, b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n").body) == MIB
