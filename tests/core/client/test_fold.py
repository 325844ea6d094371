"""The client as a fold: stories of events, and the effects that they order."""

import pytest

from sigil.core.client.agent import make_agent
from sigil.core.client.connection import Phase
from sigil.core.client.effects import (
    CheckIdle,
    CloseConnection,
    Connect,
    GiveBody,
    GiveEnd,
    GiveFailure,
    GiveHead,
    HandOver,
    PullBody,
    Resolve,
    SendData,
    SetReading,
    StartTls,
    TransferData,
    TransferDue,
    TransferEnded,
    UseAttempt,
)
from sigil.core.client.events import (
    ClientClosed,
    CloseOrdered,
    Connected,
    ConnectFailed,
    ConnectionBroken,
    ConnectionStale,
    DataOrdered,
    DataReceived,
    DeadlineOrdered,
    EndReceived,
    HandshakeDone,
    HandshakeFailed,
    PieceMade,
    RequestAbandoned,
    Resolved,
    ResolveFailed,
    ResponseWanted,
    SendBlocked,
    SendDrained,
)
from sigil.core.client.failures import FailureKind
from sigil.core.client.fold import lacking_len, next_deadline
from sigil.core.client.limits import ClientLimits, Timeouts
from sigil.core.client.proxies import every_proxy
from sigil.core.client.racing import Address
from sigil.core.client.requests import CHUNKED, RequestOptions
from tests.support.core_agent import URL, Driven, request_to, uri_of

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def connected(driven: Driven, url: str = "http://127.0.0.1:80/") -> Driven:
    """A client with a request that was sent on connection 0."""
    driven.ask(url)
    driven.tell(Connected(0, 0))
    return driven


def failure_in(driven: Driven) -> tuple[FailureKind, str]:
    """The kind and the sentence of the one failure among the last effects."""
    (given,) = driven.of(GiveFailure)
    return given.failure.kind, given.failure.message


def test_what_a_body_lacks_is_known() -> None:
    limits = ClientLimits(max_unread_len=50)
    client = connected(Driven(limits))
    assert lacking_len(client.agent, 0) == lacking_len(client.agent, 9) == 0
    client.tell(DataReceived(0, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n"))
    assert lacking_len(client.agent, 0) == 0
    client.tell(DataReceived(0, b"\r\n" + bytes(10)))
    assert lacking_len(client.agent, 0) == 90
    client.tell(DataReceived(0, bytes(90)))
    assert lacking_len(client.agent, 0) == 0
    client.ask(request_to(URL, options=RequestOptions(is_streamed=True)))
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n" + bytes(70)
    client.tell(DataReceived(0, chunked))
    assert lacking_len(client.agent, 0) == 30
    client.tell(DataReceived(0, bytes(30) + b"\r\n64\r\n"))
    assert lacking_len(client.agent, 0) == 50  # no more than the program may have unread


# -- the usual case --------------------------------------------------------------------------------


def test_a_request_is_connected_sent_and_answered() -> None:
    client = Driven()
    client.ask("http://example.com/a?b")
    assert client.effects == [Resolve(0, "example.com", 80)]
    address = Address(4, "192.0.2.1", 80)
    assert client.tell(Resolved(0, (address,))) == [Connect(0, 0, address)]
    client.tell(Connected(0, 0))
    assert client.effects[0] == UseAttempt(0, 0)
    assert client.sent() == (
        b"GET /a?b HTTP/1.1\r\nHost: example.com\r\nUser-Agent: test\r\nAccept: */*\r\n"
        b"Accept-Encoding: gzip, deflate, zstd\r\n\r\n"
    )
    client.tell(DataReceived(0, OK))
    assert client.of(GiveHead)[0].head.status == 200
    assert client.of(GiveBody) == [GiveBody(0, (b"ok",))]
    assert client.effects[-1] == GiveEnd(0)
    assert client.connection(0).phase is Phase.IDLE


def test_an_address_is_not_resolved() -> None:
    client = Driven()
    client.ask("http://[::1]:8080/")
    assert client.effects == [Connect(0, 0, Address(6, "::1", 8080))]


def test_a_connection_is_used_again_and_closed_when_it_has_been_idle() -> None:
    client = connected(Driven())
    client.tell(DataReceived(0, OK))
    client.ask()
    assert [type(effect) for effect in client.effects] == [CheckIdle, SendData]
    client.tell(DataReceived(0, OK))
    assert client.at(14.0) == []
    assert client.at(16.0) == [CloseConnection(0)]
    assert (client.agent.connection_count, client.agent.idle_count) == (0, 0)
    assert not client.agent.pools and next_deadline(client.agent) is None


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        OK + b"more",
    ],
)
def test_a_connection_that_is_not_to_persist_is_closed(response: bytes) -> None:
    client = connected(Driven())
    client.tell(DataReceived(0, response))
    assert client.effects[-2:] == [GiveEnd(0), CloseConnection(0)]


@pytest.mark.parametrize("event", [EndReceived(0), DataReceived(0, b"x"), ConnectionBroken(0, "")])
def test_an_idle_connection_ends_with_whatever_comes(
    event: EndReceived | DataReceived | ConnectionBroken,
) -> None:
    client = connected(Driven())
    client.tell(DataReceived(0, OK))
    assert client.tell(event) == [CloseConnection(0)]


def test_a_body_may_end_with_the_connection_unless_it_is_cut_off() -> None:
    for is_truncated in (False, True):
        client = connected(Driven())
        client.tell(DataReceived(0, b"HTTP/1.1 200 OK\r\n\r\nsome"))
        client.tell(EndReceived(0, is_truncated))
        if is_truncated:
            assert failure_in(client)[0] is FailureKind.CLOSED
        else:
            assert client.effects == [GiveEnd(0), CloseConnection(0)]


def test_responses_before_the_final_one_are_passed_by() -> None:
    client = connected(Driven())
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    client.tell(DataReceived(0, b"HTTP/1.1 100 Continue\r\n\r\n" + early + OK))
    assert client.of(GiveHead)[0].head.status == 200
    client = connected(Driven(ClientLimits(max_informational_responses=2)))
    client.tell(DataReceived(0, early * 3 + OK))
    assert failure_in(client)[0] is FailureKind.PROTOCOL


def test_a_response_to_head_has_no_body() -> None:
    client = Driven()
    client.ask(request_to(method="HEAD"))
    client.tell(Connected(0, 0))
    client.tell(DataReceived(0, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"))
    assert client.effects[-1] == GiveEnd(0)


# -- waiting for a connection ----------------------------------------------------------------------


def test_requests_beyond_the_bound_of_an_origin_wait_in_order() -> None:
    client = Driven(ClientLimits(max_connections_per_origin=1))
    for path in "abc":
        client.ask(f"http://127.0.0.1/{path}")
    assert client.agent.waiting_count == 2
    client.tell(Connected(0, 0))
    client.tell(DataReceived(0, OK))
    assert client.sent().startswith(b"GET /b ")
    client.tell(DataReceived(0, OK))
    assert client.sent().startswith(b"GET /c ")
    assert client.agent.waiting_count == 0


def test_an_idle_connection_elsewhere_gives_way() -> None:
    client = connected(Driven(ClientLimits(max_connections=1)))
    client.tell(DataReceived(0, OK))
    client.ask("http://127.0.0.2/")
    assert client.effects == [CloseConnection(0), Connect(1, 0, Address(4, "127.0.0.2", 80))]


def test_who_waits_because_of_others_goes_on_when_they_are_done() -> None:
    client = connected(Driven(ClientLimits(max_connections=1)))
    client.ask("http://127.0.0.2/")
    assert client.effects == []
    client.tell(DataReceived(0, OK))
    assert client.effects[-2:] == [CloseConnection(0), Connect(1, 0, Address(4, "127.0.0.2", 80))]


def test_too_many_requests_that_wait_are_refused() -> None:
    client = Driven(ClientLimits(max_connections=1, max_waiting_requests=1))
    client.ask()
    client.ask()
    client.ask()
    assert failure_in(client)[0] is FailureKind.QUEUE_FULL
    assert client.agent.waiting_count == 1


def test_an_abandoned_request_leaves_its_place() -> None:
    client = Driven(ClientLimits(max_connections_per_origin=1))
    first, second, third = client.ask(), client.ask("http://127.0.0.1/b"), client.ask()
    client.tell(RequestAbandoned(second, FailureKind.CANCELLED, "enough"))
    assert failure_in(client) == (FailureKind.CANCELLED, "GET http://127.0.0.1/b: enough")
    client.tell(RequestAbandoned(first, FailureKind.CANCELLED, "enough"))
    assert client.of(CloseConnection) == [CloseConnection(0)]
    assert client.of(Connect) == [Connect(1, 0, Address(4, "127.0.0.1", 80))]
    assert client.agent.calls[third].connection == 1 and client.agent.waiting_count == 0


# -- what fails ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"SSH-2.0-x\r\n", "not HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x16", "is TLS"),
        (b"HTTP/2 200\r\n\r\n", "version of HTTP"),
        (b"HTTP/1.1 2x0 OK\r\n\r\n", "status line"),
        (b"HTTP/1.1 200 OK\r\na b: c\r\n\r\n", "header"),
        (b"HTTP/1.1 200 OK\r\na: b\r\n c: d\r\n\r\n", "folded"),
        (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "status line"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "one decimal"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "has both",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "chunked"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "chunk"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "switched"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 300, "more than 256 header fields"),
        (b"HTTP/1.1 200 OK\r\na: " + b"b" * 70_000, "longer than 65536 bytes"),
    ],
)
def test_what_is_no_response_is_told_and_ends_the_connection(data: bytes, sentence: str) -> None:
    client = connected(Driven())
    client.tell(DataReceived(0, data))
    kind, message = failure_in(client)
    assert kind is FailureKind.PROTOCOL
    assert message.startswith("GET http://127.0.0.1/: ") and sentence in message
    assert client.of(CloseConnection) == [CloseConnection(0)]
    assert not client.agent.calls and not client.agent.connections


def test_a_body_that_is_declared_too_long_is_not_read() -> None:
    client = connected(Driven(ClientLimits(max_response_len=10)))
    client.tell(DataReceived(0, b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n"))
    assert failure_in(client)[0] is FailureKind.TOO_LARGE
    assert client.of(GiveHead) == []


def test_each_phase_fails_in_its_own_words() -> None:
    client = Driven()
    client.ask("http://a/")
    client.tell(ResolveFailed(0, "no such host"))
    assert failure_in(client)[0] is FailureKind.RESOLVE
    client.ask("http://a/")
    client.tell(Resolved(1, ()))
    assert failure_in(client)[0] is FailureKind.RESOLVE
    client.ask("https://127.0.0.1/")
    client.tell(Connected(2, 0))
    assert client.effects[-1] == StartTls(2, "127.0.0.1", 0)
    client.tell(HandshakeFailed(2, "expired", True))
    assert failure_in(client)[0] is FailureKind.CERTIFICATE
    client.ask("https://127.0.0.1/")
    client.tell(Connected(3, 0))
    client.tell(HandshakeDone(3))
    assert client.sent().startswith(b"GET / ")
    client.tell(DataReceived(3, b"HTTP/1.1 200"), ConnectionBroken(3, "reset"))
    assert failure_in(client) == (
        FailureKind.CLOSED,
        "GET https://127.0.0.1/: the connection broke: reset",
    )


@pytest.mark.parametrize(
    ("events", "after", "kind"),
    [
        ((), 10, FailureKind.CONNECT_TIMEOUT),
        ((Connected(0, 0),), 60, FailureKind.READ_TIMEOUT),
        ((Connected(0, 0), SendBlocked(0)), 30, FailureKind.WRITE_TIMEOUT),
        ((Connected(0, 0), DataReceived(0, b"HTTP")), 30, FailureKind.READ_TIMEOUT),
    ],
)
def test_each_phase_has_its_time(
    events: tuple[Connected | SendBlocked | DataReceived, ...], after: int, kind: FailureKind
) -> None:
    client = Driven()
    client.ask()
    client.tell(*events)
    assert (next_deadline(client.agent) or 0.0) <= 100.0 + after
    assert client.at(after - 0.1) == []
    client.at(after)
    assert failure_in(client)[0] is kind
    assert not client.agent.connections


def test_a_whole_request_has_a_time_also_while_it_waits() -> None:
    client = Driven(ClientLimits(max_connections=1))
    client.ask()
    options = RequestOptions(timeouts=Timeouts(whole=2.0))
    client.ask(request_to(options=options))
    client.at(2.5)
    assert failure_in(client) == (
        FailureKind.WHOLE_TIMEOUT,
        "GET http://127.0.0.1/: it was not over within 2 seconds",
    )


# -- again -----------------------------------------------------------------------------------------


def test_what_was_refused_is_tried_again_after_a_while() -> None:
    client = Driven()
    client.ask()
    for number, latest in ((0, 0.2), (1, 0.5)):
        client.tell(ConnectFailed(number, 0, "refused"))
        assert client.of(GiveFailure) == []
        client.at(latest)
        assert client.of(Connect) != []
    client.tell(ConnectFailed(2, 0, "refused"))
    assert failure_in(client) == (
        FailureKind.CONNECT,
        "GET http://127.0.0.1/: the server cannot be connected to (127.0.0.1:80: refused)",
    )


def test_a_connection_that_was_closed_when_it_was_used_again_is_replaced_at_once() -> None:
    client = connected(Driven())
    client.tell(DataReceived(0, OK))
    client.ask(request_to(options=RequestOptions(retries=0)))
    client.tell(EndReceived(0))
    assert client.effects == [CloseConnection(0), Connect(1, 0, Address(4, "127.0.0.1", 80))]


def test_what_is_not_idempotent_is_not_sent_twice() -> None:
    client = connected(Driven())
    client.tell(DataReceived(0, OK))
    client.ask(request_to(method="POST", body=b"x"))
    client.tell(EndReceived(0))
    kind, message = failure_in(client)
    assert kind is FailureKind.CLOSED and "may have been handled" in message


def test_what_was_answered_in_part_is_not_sent_twice() -> None:
    client = connected(Driven())
    client.tell(DataReceived(0, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no"), EndReceived(0))
    assert failure_in(client) == (
        FailureKind.CLOSED,
        "GET http://127.0.0.1/: the connection ended 1 bytes before the end of the body",
    )


def test_retry_after_is_obeyed_if_that_was_asked_for() -> None:
    busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n"
    client = connected(Driven())
    client.tell(DataReceived(0, busy))
    assert client.of(GiveHead)[0].head.status == 503
    client = Driven()
    client.ask(request_to(options=RequestOptions(waits_as_asked=True)))
    client.tell(Connected(0, 0))
    client.tell(DataReceived(0, busy))
    assert client.effects == []
    assert client.at(4.0) == []
    client.at(5.0)
    assert client.sent().startswith(b"GET / ")


# -- redirects -------------------------------------------------------------------------------------


def moved(location: str, status: int = 302, body: bytes = b"") -> bytes:
    """A redirect."""
    head = f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def test_a_redirect_is_followed_on_the_connection_that_is_there() -> None:
    client = connected(Driven())
    client.tell(DataReceived(0, moved("/b", body=b"gone")))
    assert [type(effect) for effect in client.effects] == [CheckIdle, SendData]
    assert client.sent().startswith(b"GET /b HTTP/1.1\r\n")
    client.tell(DataReceived(0, OK))
    (given,) = client.of(GiveHead)
    assert str(given.uri) == "http://127.0.0.1/b"
    assert [(str(uri), head.status) for uri, head in given.history] == [("http://127.0.0.1/", 302)]


def test_the_body_of_a_redirect_is_read_for_the_sake_of_the_connection_up_to_a_bound() -> None:
    client = connected(Driven(ClientLimits(max_drained_len=10)))
    client.tell(DataReceived(0, moved("/b", body=b"x" * 10)[:-5]))
    client.tell(DataReceived(0, b"x" * 5))
    assert client.connection(0).phase is Phase.IDLE
    client = connected(Driven(ClientLimits(max_drained_len=10)))
    client.tell(DataReceived(0, moved("/b", body=b"x" * 11)[:-5]))
    assert client.of(CloseConnection) == [CloseConnection(0)]


def test_a_loop_of_redirects_ends() -> None:
    client = Driven()
    client.ask(request_to(options=RequestOptions(max_redirects=3)))
    client.tell(Connected(0, 0))
    for _ in range(3):
        client.tell(DataReceived(0, moved("/")))
        assert client.of(GiveFailure) == []
    client.tell(DataReceived(0, moved("/")))
    assert failure_in(client)[0] is FailureKind.TOO_MANY_REDIRECTS


# -- bodies that are pulled ------------------------------------------------------------------------


def test_a_body_in_pieces_is_pulled_as_it_is_taken() -> None:
    client = Driven()
    client.ask(request_to(method="POST", body=None, length=CHUNKED))
    client.tell(Connected(0, 0))
    assert client.sent().endswith(b"Transfer-Encoding: chunked\r\n\r\n")
    assert client.effects[-1] == PullBody(0, 65_536, True)
    client.tell(PieceMade(0, b"abc"))
    assert client.effects == [SendData(0, (b"3\r\nabc\r\n",)), PullBody(0, 65_536, False)]
    client.tell(SendBlocked(0), PieceMade(0, b"d"))
    assert client.effects == [SendData(0, (b"1\r\nd\r\n",))]
    assert client.tell(SendDrained(0)) == [PullBody(0, 65_536, False)]
    assert client.tell(PieceMade(0, b"")) == [SendData(0, (b"0\r\n\r\n",))]
    client.tell(DataReceived(0, OK))
    assert client.connection(0).phase is Phase.IDLE


def test_a_body_of_another_length_than_it_has_declared_is_not_sent() -> None:
    for pieces, sentence in (((b"abc",), "more bytes"), ((b"a", b""), "1 bytes short")):
        client = Driven()
        client.ask(request_to(method="PUT", body=None, length=2))
        client.tell(Connected(0, 0))
        client.tell(*[PieceMade(0, piece) for piece in pieces])
        kind, message = failure_in(client)
        assert kind is FailureKind.BODY and sentence in message
        assert client.of(CloseConnection) == [CloseConnection(0)]


def test_an_answer_before_the_end_of_a_body_ends_the_connection() -> None:
    client = Driven()
    client.ask(request_to(method="POST", body=None, length=CHUNKED))
    client.tell(Connected(0, 0))
    client.tell(DataReceived(0, OK))
    assert client.effects[-2:] == [GiveEnd(0), CloseConnection(0)]
    assert client.tell(PieceMade(0, b"late")) == []


def test_a_response_that_nobody_takes_is_not_read_and_not_overdue() -> None:
    client = connected(Driven())
    client.tell(DataReceived(0, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"))
    assert client.tell(ResponseWanted(0, False)) == [SetReading(0, False)]
    assert client.at(1_000.0) == []
    assert client.tell(ResponseWanted(0, True)) == [SetReading(0, True)]
    client.at(2_000.0)
    assert failure_in(client)[0] is FailureKind.READ_TIMEOUT


# -- proxies ---------------------------------------------------------------------------------------

PROXY = every_proxy(uri_of("http://u:p@127.0.0.9:3128"))
BASIC = b"Proxy-Authorization: Basic dTpw\r\n"


def test_a_proxy_is_asked_for_what_is_not_secured() -> None:
    client = Driven(proxies=PROXY)
    client.ask("http://a/b")
    assert client.effects == [Connect(0, 0, Address(4, "127.0.0.9", 3128))]
    client.tell(Connected(0, 0))
    assert client.sent().startswith(b"GET http://a/b HTTP/1.1\r\nHost: a\r\n")
    assert BASIC in client.sent()
    client.tell(DataReceived(0, OK))
    client.ask("http://c/")  # the proxy is the same
    assert [type(effect) for effect in client.effects] == [CheckIdle, SendData]


def test_a_proxy_makes_a_tunnel_to_what_is_secured() -> None:
    client = Driven(proxies=PROXY)
    client.ask("https://a/b")
    client.tell(Connected(0, 0))
    assert client.sent().startswith(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n")
    assert BASIC in client.sent()
    assert client.tell(DataReceived(0, b"HTTP/1.1 200 Connected\r\n")) == []
    assert client.tell(DataReceived(0, b"\r\n")) == [StartTls(0, "a", 0)]
    client.tell(HandshakeDone(0))
    assert client.sent().startswith(b"GET /b HTTP/1.1\r\nHost: a\r\n")
    assert b"Proxy" not in client.sent()


TLS_PROXY = every_proxy(uri_of("https://u:p@127.0.0.9:3129"))


def test_a_proxy_over_tls_is_secured_before_it_is_asked() -> None:
    client = Driven(proxies=TLS_PROXY)
    client.ask("https://a/b")
    client.tell(Connected(0, 0))
    assert client.effects[-1] == StartTls(0, "127.0.0.9", 0, True)
    client.tell(HandshakeDone(0))
    assert client.sent().startswith(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n")
    assert BASIC in client.sent()
    established = DataReceived(0, b"HTTP/1.1 200 Connected\r\n\r\n")
    assert client.tell(established) == [StartTls(0, "a", 0, False)]
    client.tell(HandshakeDone(0))
    assert client.sent().endswith(b"\r\n\r\n")
    assert b"GET /b HTTP/1.1" in client.sent()

    client.ask("http://c/")  # another connection: this one is forwarded
    client.tell(Connected(1, 0), HandshakeDone(1))
    assert client.sent().startswith(b"GET http://c/ HTTP/1.1")
    assert BASIC in client.sent()


def test_what_fails_with_a_proxy_over_tls_is_the_proxys() -> None:
    client = Driven(proxies=TLS_PROXY)
    for number, (event, sentence) in enumerate(
        (
            (HandshakeFailed(0, "it expired", True), "certificate of the proxy is not one to be"),
            (HandshakeFailed(1, "no cipher", False), "the TLS handshake with the proxy failed: no"),
            (EndReceived(2), "the proxy closed the connection"),
            (ConnectionBroken(3, "reset"), "the connection to the proxy broke: reset"),
        )
    ):
        client.ask("https://a/")
        client.tell(Connected(number, 0), event)
        kind, message = failure_in(client)
        assert (kind, sentence in message) == (FailureKind.PROXY, True), message
    client.ask("https://a/")
    client.tell(Connected(4, 0), HandshakeDone(4), DataReceived(4, b"HTTP/1.1 200 OK\r\n\r\n"))
    client.tell(HandshakeFailed(4, "it expired", True))
    assert failure_in(client)[0] is FailureKind.CERTIFICATE


def test_a_proxy_that_makes_no_tunnel_is_told() -> None:
    client = Driven(proxies=PROXY)
    client.ask("https://a/")
    client.tell(Connected(0, 0))
    client.tell(DataReceived(0, b"HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n"))
    assert failure_in(client) == (
        FailureKind.PROXY,
        "GET https://a/: the proxy made no tunnel: it answered 407 Who",
    )


# -- another protocol ------------------------------------------------------------------------------

UPGRADED = b"HTTP/1.1 101 Switching\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n"


def upgraded() -> Driven:
    """A client whose connection was taken over."""
    client = Driven()
    fields = (("Connection", "Upgrade"), ("Upgrade", "websocket"))
    client.ask(request_to("ws://127.0.0.1/", fields=fields, options=UPGRADING))
    client.tell(Connected(0, 0))
    assert b"Connection: Upgrade\r\n" in client.sent()
    client.tell(DataReceived(0, UPGRADED + b"first"))
    return client


UPGRADING = RequestOptions(upgrade="websocket")


def test_a_protocol_takes_over_behind_a_101() -> None:
    client = upgraded()
    (given,) = client.of(HandOver)
    assert (given.request, given.connection, given.data) == (0, 0, b"first")
    assert client.tell(DataReceived(0, b"more")) == [TransferData(0, b"more")]
    assert client.tell(DataOrdered(0, (b"x",))) == [SendData(0, (b"x",))]
    client.tell(DeadlineOrdered(0, 105.0))
    assert client.at(4.0) == []
    assert client.at(5.0) == [TransferDue(0)]
    assert client.at(500.0) == []
    assert client.tell(CloseOrdered(0)) == [TransferEnded(0, None), CloseConnection(0)]
    assert not client.agent.connections


def test_a_protocol_is_told_of_its_end_once() -> None:
    client = upgraded()
    assert client.tell(EndReceived(0)) == [TransferEnded(0, None), CloseConnection(0)]
    client = upgraded()
    client.tell(ConnectionBroken(0, "reset"))
    (ended,) = client.of(TransferEnded)
    assert ended.failure is not None and "reset" in ended.failure.message


# -- the end ---------------------------------------------------------------------------------------


def test_a_client_that_is_closed_fails_what_is_under_way_and_what_comes() -> None:
    client = connected(Driven(ClientLimits(max_connections_per_origin=1)))
    client.ask()
    client.tell(ClientClosed("it is over"))
    assert [given.failure.message for given in client.of(GiveFailure)] == [
        "GET http://127.0.0.1/: it is over"
    ] * 2
    assert client.of(CloseConnection) == [CloseConnection(0)]
    client.ask()
    assert failure_in(client)[0] is FailureKind.CLIENT_CLOSED


def test_events_for_what_is_gone_change_nothing() -> None:
    agent = make_agent()
    client = Driven()
    client.agent = agent
    for event in (DataReceived(7, b"x"), EndReceived(7), Connected(7, 0), PieceMade(7, b"x")):
        assert client.tell(event) == []
    assert client.agent == agent


def test_a_connection_that_was_over_before_its_next_request_is_replaced() -> None:
    client = connected(Driven())
    client.tell(DataReceived(0, OK))
    client.ask(request_to(method="POST", body=b"x"))
    assert client.of(CheckIdle) == [CheckIdle(0)]
    client.tell(ConnectionStale(0))
    assert client.effects[0] == CloseConnection(0)
    assert client.of(Connect) and not client.of(GiveFailure)
    client.tell(Connected(1, 0))
    assert not client.of(CheckIdle) and client.sent().endswith(b"\r\n\r\nx")


def test_a_body_that_is_redirected_early_is_pulled_for_the_new_connection_only() -> None:
    client = Driven()
    client.ask(request_to(method="POST", body=None, length=CHUNKED, can_rewind=True))
    client.tell(Connected(0, 0))
    client.tell(PieceMade(0, b"x"), SendBlocked(0))
    client.tell(DataReceived(0, moved("http://127.0.0.2/", 307, b"slow")[:-1]))
    client.tell(Connected(1, 0))
    assert client.of(PullBody) == [PullBody(0, 65_536, True)]
    assert client.tell(SendDrained(0)) == []  # the connection on which it was pulled before
