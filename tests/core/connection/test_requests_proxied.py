"""Connections that begin with a header of the PROXY protocol, in memory: who the peer is then."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil import CloseReason, Limits, Peer, Request, Response
from sigil.testing import Client, Connection

HEADER = b"PROXY TCP4 192.0.2.9 192.0.2.2 56324 443\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LIMITS = Limits(proxy_protocol=("127.0.0.0/8",))


def app(request: Request) -> Response:
    return Response.text(str(request.peer))


def connected(limits: Limits = LIMITS) -> tuple[Client, Connection]:
    client = Client(app, limits=limits)
    return client, client.connect()


def bodies(connection: Connection) -> list[bytes]:
    return [answer.body for answer in connection.answers()]


@given(st.integers(0, len(HEADER + GET)), st.integers(0, len(HEADER + GET)))
def test_the_peer_is_the_one_that_is_named_however_it_comes(first: int, second: int) -> None:
    client, connection = connected()
    data = HEADER + GET + GET
    start, end = sorted((first, second))
    for piece in (data[:start], data[start:end], data[end:]):
        if piece:
            connection.send(piece)
    assert bodies(connection) == [b"192.0.2.9:56324"] * 2
    assert client.stats().bytes_in == len(data)
    assert client.access[0].peer == Peer("192.0.2.9", 56324)


def test_a_proxy_that_comes_for_itself_is_the_peer() -> None:
    _, connection = connected()
    connection.send(b"PROXY UNKNOWN\r\n" + GET)
    assert bodies(connection) == [str(connection.peer).encode()]


@pytest.mark.parametrize("data", [GET, b"PROXY TCP4 x\r\n" + GET, b"\x16\x03\x01"])
def test_a_connection_without_one_is_closed_without_a_word(data: bytes) -> None:
    client, connection = connected()
    connection.send(data)
    assert connection.received == b""
    assert connection.has_ended
    connection.half_close()
    assert connection.reason is CloseReason.BAD_PROXY_HEADER
    (line,) = [line.text for line in client.log]
    assert line.startswith(f"{connection.peer} closed, BAD_PROXY_HEADER: no header of the PROXY")


@pytest.mark.parametrize("networks", [(), ("10.0.0.0/8",)])
def test_from_elsewhere_none_is_believed(networks: tuple[str, ...]) -> None:
    _, connection = connected(Limits(proxy_protocol=networks))
    connection.send(HEADER + GET)
    assert [answer.status for answer in connection.answers()] == [400]


def test_silence_ends_as_that_of_any_newcomer_does() -> None:
    client, connection = connected()
    client.advance(LIMITS.idle_timeout + 3)
    assert connection.reason is CloseReason.IDLE_TIMEOUT
    client, connection = connected()
    connection.send(HEADER[:20])
    client.advance(LIMITS.header_timeout + 3)
    assert connection.has_ended


@pytest.mark.parametrize("begun", [b"", HEADER[:20], HEADER])
def test_one_whose_peer_has_ended_ends(begun: bytes) -> None:
    client, connection = connected()
    if begun:
        connection.send(begun)
    connection.half_close()
    client.advance(1.0)
    assert connection.reason is CloseReason.PEER_CLOSED


def test_a_server_that_stops_closes_those_that_have_sent_nothing() -> None:
    client, silent = connected()
    begun = client.connect()
    begun.send(HEADER)
    client.stop(1.0)
    client.advance(2.0)
    assert not client.running
    assert silent.reason is CloseReason.SHUTDOWN
    assert begun.is_closed or begun.has_ended


def test_what_a_limit_cannot_mean_is_refused() -> None:
    with pytest.raises(ValueError, match="proxy_protocol: 'localhost' is no network"):
        Client(app, limits=Limits(proxy_protocol=("localhost",)))
    with pytest.raises(ValueError, match="proxy_protocol: networks are a tuple of str"):
        Client(app, limits=Limits(proxy_protocol="10.0.0.0/8"))  # type: ignore[arg-type]
