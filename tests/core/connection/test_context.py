"""Each function of a connection can be called alone, as a cell of a notebook does: with a client
and `context()`, and nothing of a server.
"""

from sigil import Limits, Response
from sigil.core.broadcast.broadcast import make_broadcast
from sigil.core.close_reasons import CloseReason
from sigil.core.conn import Conn, Peer, Ticket
from sigil.core.connection.client import Phase, make_client
from sigil.core.connection.context import Context, context
from sigil.core.connection.requests import (
    finalize_request,
    handle_client_data,
    try_parse_and_handle,
)
from sigil.core.connection.responses import send_error_response, send_response
from sigil.core.effects import Handle, Send, Then
from sigil.core.http.head import Head, Parsed, parse_headers_only
from sigil.core.http.request import Request
from sigil.core.parse_result import malformed
from sigil.core.server import make_server
from sigil.core.server.batch import make_context

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CLIENT = make_client(Conn(0, 0), Peer("127.0.0.1", 5000))


def sent_by(effects: list[object]) -> bytes:
    """The bytes that these effects send."""
    return b"".join(
        bytes(part) for effect in effects if isinstance(effect, Send) for part in effect.segments
    )


def test_bytes_become_the_order_to_handle_a_request() -> None:
    client, effects = handle_client_data(CLIENT, GET, context())
    (order,) = effects
    assert isinstance(order, Handle)
    assert (order.ticket, order.requests[0].path) == (Ticket(CLIENT.conn, 0), "/")
    assert (len(client.outstanding), client.bytes_in) == (1, len(GET))


def test_a_buffer_is_parsed_and_no_handler_called() -> None:
    incoming = CLIENT.incoming.replace(buffer=GET + GET[:5])
    client, effects = try_parse_and_handle(CLIENT.replace(incoming=incoming), context())
    assert [type(effect) for effect in effects] == [Handle]
    assert client.incoming.buffer == GET[:5]


def test_a_complete_request_is_finalized() -> None:
    head = parse_headers_only(GET)
    assert isinstance(head, Head)
    client, effects = finalize_request(CLIENT, (head,), context(), b"body")
    (order,) = effects
    assert isinstance(order, Handle)
    assert isinstance(order.requests[0], Request)
    assert (order.requests[0].body, client.outstanding) == (b"body", (head,))


def test_a_response_is_sent() -> None:
    client, _ = handle_client_data(CLIENT, GET, context())
    client, effects = send_response(client, (Response.text("hello"),), context())
    assert sent_by([*effects]).startswith(b"HTTP/1.1 200 OK\r\n")
    assert sent_by([*effects]).endswith(b"\r\n\r\nhello")
    assert (client.outstanding, client.responded) == ((), 1)


def test_an_error_is_answered_and_the_connection_lingers() -> None:
    client, effects = send_error_response(CLIENT, malformed("it is wrong"), context())
    (last,) = [effect for effect in effects if isinstance(effect, Send)]
    assert last.then is Then.SHUT
    assert sent_by([last]).startswith(b"HTTP/1.1 400 ")
    assert client.incoming.phase is Phase.LINGER


def test_an_error_of_another_reason_has_its_status() -> None:
    error = malformed("it took too long", CloseReason.HEADER_TIMEOUT)
    _, effects = send_error_response(CLIENT, error, context(now=9.0))
    assert sent_by([*effects]).startswith(b"HTTP/1.1 408 ")


def test_a_context_keeps_to_the_limits_it_is_made_with() -> None:
    narrow = context(Limits(max_header_len=len(GET) - 1, max_requests_per_connection=1))
    client, effects = handle_client_data(CLIENT, GET, narrow)
    assert effects == []
    assert client.incoming.final_error is not None
    assert narrow.last_request_number == 0


def test_a_context_without_a_server_is_that_of_a_quiet_one() -> None:
    limits = Limits(max_queued_requests=3)
    alone = context(limits, 5.0)
    of_server = make_context(make_server(limits, 5.0, 0), parse_headers_only)
    assert alone.replace(parse=of_server.parse, broadcast=of_server.broadcast) == of_server
    assert alone.broadcast.ring.max_bytes == of_server.broadcast.ring.max_bytes


def test_while_paused_nothing_is_handed_out() -> None:
    client, effects = handle_client_data(CLIENT, GET, context(is_paused=True))
    assert (effects, client.incoming.buffer) == ([], GET)


def test_a_context_has_every_field_under_its_name() -> None:
    limits, broadcast = Limits(max_requests_per_connection=7), make_broadcast(Limits(), 3)
    made = context(
        limits,
        2.0,
        tick_started_at=1.0,
        date=b"date",
        is_draining=True,
        logs_access=True,
        asks_above=0,
        parse=_parse,
        has_subscriber_slot=False,
        broadcast=broadcast,
        has_connection_slot=False,
    )
    assert made == Context(
        limits=limits,
        now=2.0,
        tick_started_at=1.0,
        date=b"date",
        is_draining=True,
        logs_access=True,
        asks_above=0,
        parse=_parse,
        last_request_number=6,
        has_subscriber_slot=False,
        broadcast=broadcast,
        has_unflushed_broadcast=False,
        has_connection_slot=False,
    )


def _parse(data: bytes) -> Parsed:
    """A parser that is only told apart."""
    return parse_headers_only(data)
