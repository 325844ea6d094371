"""Every number in `Limits` at the least that is taken: what is asked for is given, or refused as
the field's row in docs/reference/limits.md says, within a bounded number of ticks.

A limit that is a trap (0 that makes the server spin, or leaves everybody without a word) is refused
by `check_limits`.
"""

from typing import Any

import pytest

from sigil import Callbacks, Limits, Request, Response
from sigil.core.limits_check import check_limits
from sigil.testing import Client, NoAnswer, NoMessage, UpgradeRefused, WebSocketClosed

NUMBERS = tuple(name for name, value in Limits()._asdict().items() if type(value) in (int, float))
MAX_TICKS = 200

USUAL = ("200", "200", "echo", "event")
LEAST = {
    "max_headers": ("200", "431", "431", "event"),
    "max_header_len": ("431", "431", "431", "431"),
    "max_target_len": ("414", "414", "414", "414"),
    "max_body_len": ("200", "413", "echo", "event"),
    "max_ws_connection_cnt": ("200", "200", "503", "503"),
    "max_ws_recv_frame_len": ("200", "200", "1009", "event"),
    "max_ws_message_len": ("200", "200", "1009", "event"),
    "max_ws_outbox_len": ("200", "200", "", "event"),
    "outgoing_buffer_sz": ("200", "200", "echo", ""),
    "idle_timeout": ("IDLE_TIMEOUT",) * 4,
}
"""What becomes of a GET, a POST, an echo and an event, if that is not as usual; "" is nothing."""


def least(field: str) -> Limits:
    """The limits with a field as small as it is taken."""
    numbers = [0, 1, 25, 1_024] if type(getattr(Limits(), field)) is int else [0.0]
    for number in numbers:
        limits = Limits()._replace(**{field: number})
        if check_limits(limits) is None:
            return limits
    raise AssertionError(f"{field} is refused")


def program(request: Request) -> Response:
    if request.path == "/talk":
        return Response.upgrade()
    return Response.sse() if request.path == "/listen" else Response.text("fine")


def echo(server: Any, conn: Any, data: str | bytes) -> None:
    server.send(conn, data)


def client_within(limits: Limits) -> Client:
    return Client(program, limits=limits, callbacks=Callbacks(ws_message=echo), max_ticks=MAX_TICKS)


def asked(limits: Limits, method: str) -> str:
    """The status of a request, or why there is none."""
    client = client_within(limits)
    try:
        return str(client.request(method, "/", body=b"abc" if method == "POST" else b"").status)
    except NoAnswer:
        return next(iter(client.stats().closed))


def talked(limits: Limits) -> str:
    """What becomes of an echo: `echo`, a status, a close code, or nothing."""
    client = client_within(limits)
    try:
        websocket = client.websocket("/talk")
        websocket.send("hi")
        client.advance(0.5)
        return "echo" if websocket.receive() == "hi" else "another"
    except NoMessage:
        return ""
    except UpgradeRefused as refused:
        return str(refused.answer.status)
    except WebSocketClosed as closed:
        return str(closed.code)
    except NoAnswer:
        return next(iter(client.stats().closed))


def listened(limits: Limits) -> str:
    """What becomes of an event: `event`, a status, or nothing."""
    client = client_within(limits)
    connection = client.connect()
    connection.send(b"GET /listen HTTP/1.1\r\nHost: a\r\n\r\n")
    client.server.broadcast("hello")
    client.run_until_idle()
    client.advance(0.5)
    if b"data: hello" in connection.received:
        return "event"
    if not connection.received:
        return next(iter(client.stats().closed))
    status = connection.received.split(b" ")[1].decode()
    return "" if status == "200" else status


@pytest.mark.parametrize("field", NUMBERS)
def test_at_its_least_a_limit_gives_what_is_asked_for_or_says_why_not(field: str) -> None:
    limits = least(field)
    outcome = (asked(limits, "GET"), asked(limits, "POST"), talked(limits), listened(limits))
    assert outcome == LEAST.get(field, USUAL)
