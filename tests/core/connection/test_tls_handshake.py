"""A connection that begins with TLS, as literal events and effects."""

import pytest

from sigil.core.close_reasons import CloseReason
from sigil.core.conn import Peer
from sigil.core.connection.client import Phase
from sigil.core.connection.deadlines import Waiting, waiting_for
from sigil.core.connection.tls_handshake import FATAL_ALERT, is_plain_http
from sigil.core.control import ReadingAllowed, WritableRequested
from sigil.core.effects import (
    Adopt,
    CallClose,
    CallOpen,
    CallWritable,
    Drop,
    Handle,
    Interest,
    Log,
    Reject,
    Send,
    Then,
    Watch,
)
from sigil.core.events import (
    Accepted,
    CloseRequested,
    ConnectionLost,
    HalfClosed,
    InputRead,
    Received,
    Stop,
    Writable,
)
from sigil.core.limits import Limits
from sigil.core.securing import HandshakeFailed, Secured, StartTls
from sigil.core.server import advance, make_server
from sigil.core.server.state import Server, ServerState
from sigil.core.server.stats import stats
from sigil.core.tls import Tls
from tests.support.core_driver import CONN, OK, PEER, advance_by, answered, at, bytes_of, client_of
from tests.support.requests import GET

TLS = Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384", "http/1.1", "a")
SECURED = Secured(CONN, TLS)
PROXY = b"PROXY TCP4 198.51.100.7 192.0.2.9 5000 443\r\n"


def securing(limits: Limits | None = None) -> Server:
    """A server at time 0 with one connection that is at its handshake."""
    return advance(make_server(limits or Limits(), 0.0, 0), [Accepted(7, PEER, is_tls=True)])[0]


def test_a_handshake_is_ordered_and_nothing_is_read_before_it_is_over() -> None:
    server = make_server(Limits(), 0.0, 0)
    server, effects = advance(server, [Accepted(7, PEER, is_tls=True)])
    assert effects == [Adopt(CONN, 7), CallOpen(CONN), StartTls(CONN, b"")]
    client = client_of(server)
    assert client.incoming.phase is Phase.TLS and waiting_for(client) is Waiting.HANDSHAKE
    server, effects = advance_by(server, SECURED, Received(CONN, GET))
    (handle,) = effects
    assert isinstance(handle, Handle)
    (request,) = handle.requests
    assert request.scheme == "https" and request.tls == TLS
    assert request.peer == Peer("192.0.2.1", 5000, TLS) and str(request.peer) == str(PEER)


def test_a_request_without_tls_has_none() -> None:
    server, _ = advance(make_server(Limits(), 0.0, 0), [Accepted(7, PEER)])
    (handle,) = advance_by(server, Received(CONN, GET))[1]
    assert isinstance(handle, Handle)
    assert handle.requests[0].scheme == "http" and handle.requests[0].tls is None


def test_the_proxy_protocol_comes_before_tls() -> None:
    server = make_server(Limits(proxy_protocol=("192.0.2.0/24",)), 0.0, 0)
    server, effects = advance(server, [Accepted(7, PEER, is_tls=True)])
    assert effects == [Adopt(CONN, 7), CallOpen(CONN)]
    assert client_of(server).incoming.phase is Phase.PROXY_TLS
    server, effects = advance_by(
        server, Received(CONN, PROXY[:9]), Received(CONN, PROXY[9:] + b"\x16\x03")
    )
    assert effects == [StartTls(CONN, b"\x16\x03")]
    server, effects = advance_by(server, SECURED, Received(CONN, GET))
    assert isinstance(effects[0], Handle)
    assert effects[0].requests[0].peer == Peer("198.51.100.7", 5000, TLS)


@pytest.mark.parametrize("first", [b"", b"SSH-2.0-OpenSSH\r\n", b"\x80\x2e\x01", b"get / http"])
def test_one_that_fails_ends_without_a_response_and_the_log_says_why(first: bytes) -> None:
    server, effects = advance_by(securing(), HandshakeFailed(CONN, "no shared cipher", first))
    log, send = effects
    assert isinstance(log, Log)
    assert log.text == "192.0.2.1:5000 closed, TLS_HANDSHAKE_FAILED: no shared cipher"
    assert send == Send(CONN, (), Then.SHUT)
    server, effects = advance_by(server, HalfClosed(CONN))
    assert CallClose(CONN, CloseReason.TLS_HANDSHAKE_FAILED) in effects
    assert stats(server).closed == {"TLS_HANDSHAKE_FAILED": 1}


def test_plain_http_is_told_what_the_port_expects() -> None:
    server, effects = advance_by(securing(), HandshakeFailed(CONN, "no TLS", GET))
    text = bytes_of(effects)
    assert text.startswith(b"HTTP/1.1 400 Bad Request\r\n") and b"this port expects TLS" in text
    assert b"Connection: close\r\n" in text
    assert stats(advance_by(server, HalfClosed(CONN))[0]).closed == {"TLS_EXPECTED": 1}


@pytest.mark.parametrize("is_idle", [True, False])
def test_what_fails_behind_it_ends_the_connection_and_the_log_says_why(is_idle: bool) -> None:
    server, _ = advance_by(securing(), SECURED)
    if not is_idle:
        server, _ = advance_by(server, Received(CONN, GET))
    server, effects = advance_by(server, ConnectionLost(CONN, 0, "what came is no TLS"))
    log, *others = effects
    assert isinstance(log, Log)
    assert log.text == "192.0.2.1:5000 closed, TLS_FAILED: what came is no TLS"
    assert others == [Drop(CONN, is_idle), CallClose(CONN, CloseReason.TLS_FAILED)]
    assert stats(server).closed == {"TLS_FAILED": 1}


def test_what_fails_behind_the_last_response_is_no_end_of_its_own() -> None:
    server, _ = advance_by(securing(), SECURED, CloseRequested(CONN, CloseReason.OK))
    server, effects = advance_by(server, ConnectionLost(CONN, 0, "what came is no TLS"))
    assert not any(isinstance(effect, Log) for effect in effects)
    assert stats(server).closed == {"OK": 1}


def test_what_looks_like_http_begins_with_a_method_and_a_space() -> None:
    assert all(map(is_plain_http, (b"GET / HTTP/1.1", b"OPTIONS * ", b"X y", b"G", b"GET")))
    assert not any(map(is_plain_http, (b"", b"get", b"G\xc3\x89T /", b"GET/ ", b"A" * 100 + b" ")))


def test_one_that_lasts_too_long_ends() -> None:
    server = securing(Limits(tls_handshake_timeout=8.0))
    server, effects = advance_by(server, at(7.9))
    assert effects == []
    server, effects = advance_by(server, at(8.6))
    assert effects == [Drop(CONN), CallClose(CONN, CloseReason.TLS_HANDSHAKE_TIMEOUT)]


def test_after_it_the_first_request_has_its_own_time() -> None:
    server = securing(Limits(tls_handshake_timeout=8.0, idle_timeout=20.0))
    server, effects = advance_by(server, at(7.0), SECURED, at(26.0))
    assert effects == []
    assert CallClose(CONN, CloseReason.IDLE_TIMEOUT) in advance_by(server, at(28.0))[1]


def test_the_end_of_one_with_nothing_under_way_is_complete() -> None:
    server, _ = advance_by(securing(), SECURED)
    assert Drop(CONN, True) in advance_by(server, at(100.0))[1]
    asked = advance_by(securing(), SECURED, Received(CONN, GET))[0]
    assert Drop(CONN) in advance_by(asked, ConnectionLost(CONN, 104))[1]
    done = advance_by(asked, answered(0, OK))[0]
    assert Drop(CONN, True) in advance_by(done, at(100.0))[1]


def test_the_program_may_end_one_in_the_middle_of_it() -> None:
    _, effects = advance_by(securing(), CloseRequested(CONN, CloseReason.OK))
    assert effects == [Drop(CONN), CallClose(CONN, CloseReason.OK)]


def test_what_the_program_asks_of_one_begins_behind_it() -> None:
    server, effects = advance_by(securing(), ReadingAllowed(CONN, False), WritableRequested(CONN))
    assert effects == []
    server, effects = advance_by(server, SECURED)
    assert effects == [Watch(CONN, Interest.WRITE)]
    server, effects = advance_by(server, Writable(CONN))
    assert CallWritable(CONN) in effects
    _, effects = advance_by(server, ReadingAllowed(CONN, True))
    assert effects == [Watch(CONN, Interest.READ)]


def test_a_late_event_changes_nothing() -> None:
    server, _ = advance_by(securing(), SECURED)
    for event in (SECURED, HandshakeFailed(CONN, "late")):
        assert advance_by(server, event) == (server, [])
    gone, _ = advance_by(server, ConnectionLost(CONN, 104))
    for event in (SECURED, HandshakeFailed(CONN, "late")):
        assert advance_by(gone, event) == (gone, [])


def test_a_server_that_stops_reads_one_once_more_when_it_is_secured() -> None:
    server, effects = advance_by(securing(), Stop(5.0))
    assert effects == []
    server, effects = advance_by(server, SECURED, Received(CONN, GET), answered(0, OK))
    assert bytes_of(effects).startswith(b"HTTP/1.1 200 OK\r\n")
    silent, _ = advance_by(securing(), Stop(5.0))
    silent, _ = advance_by(silent, SECURED, InputRead())
    silent, effects = advance_by(silent, InputRead())
    assert CallClose(CONN, CloseReason.SHUTDOWN) in effects
    assert silent.running is ServerState.STOPPED


def test_one_that_stops_at_once_says_nothing_in_plain() -> None:
    _, effects = advance_by(securing(), Stop(0.0))
    assert effects == [Drop(CONN), CallClose(CONN, CloseReason.SHUTDOWN)]


def test_whoever_is_rejected_gets_an_alert() -> None:
    server = make_server(Limits(max_connection_cnt=1, full_policy="503"), 0.0, 0)
    server, effects = advance(server, [Accepted(7, PEER), Accepted(8, PEER, is_tls=True)])
    assert Reject(8, FATAL_ALERT) in effects
