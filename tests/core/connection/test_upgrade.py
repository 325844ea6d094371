"""How a connection becomes a WebSocket, and what is behind the request that asks for it."""

import pytest

from sigil.core.close_reasons import CloseReason
from sigil.core.conn import Conn, Ticket
from sigil.core.effects import CallWsClose, CallWsOpen, Send, Then
from sigil.core.events import (
    Accepted,
    Delivered,
    HandlerFailed,
    HandlerReturned,
    Received,
    Stop,
    StreamEnded,
)
from sigil.core.http.response import Response
from sigil.core.limits import Limits
from sigil.core.server import make_server
from sigil.core.server.slots import find_client
from sigil.core.server.state import Server
from tests.support.core_driver import (
    CONN,
    OK,
    OK_BYTES,
    PEER,
    advance_by,
    answered,
    asked,
    bytes_of,
    client_of,
    effect_names,
    serving,
)
from tests.support.core_websockets import (
    ACCEPTING,
    close_notices,
    delivered_in,
    frames_in,
    open_websocket,
    received,
    text,
)
from tests.support.requests import GET, UPGRADE


def test_an_upgrade_is_answered_and_the_program_is_told_before_anything_is_heard() -> None:
    server, effects = advance_by(asked(UPGRADE), answered(0, ACCEPTING))
    assert effect_names(effects) == ["LimitUnsent", "Send", "CallWsOpen"]
    assert bytes_of(effects).startswith(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
    )
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in bytes_of(effects)
    welcome = effects[2]
    assert isinstance(welcome, CallWsOpen)
    assert (welcome.request.path, welcome.request.headers["host"], welcome.request.body) == (
        "/chat",
        "a",
        b"",
    )
    server, effects = advance_by(server, received(text("a")))
    assert effects == []
    _, effects = advance_by(server, Delivered(CONN))
    assert delivered_in(effects) == ["a"]


@pytest.mark.parametrize(
    ("changed", "status", "fields"),
    [
        ((b"GET", b"POST"), 400, ()),
        ((b"HTTP/1.1", b"HTTP/1.0"), 426, (b"Upgrade: websocket", b"Sec-WebSocket-Version: 13")),
        (
            (b"Upgrade: websocket\r\n", b""),
            426,
            (b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"),
        ),
        ((b"Connection: Upgrade", b"Connection: keep-alive"), 426, (b"Connection: Upgrade",)),
        (
            (b"Version: 13", b"Version: 8"),
            426,
            (b"Sec-WebSocket-Version: 13", b"Connection: Upgrade"),
        ),
        (
            (b"Sec-WebSocket-Version: 13\r\n", b""),
            426,
            (b"Sec-WebSocket-Version: 13", b"Connection: Upgrade"),
        ),
        ((b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b""), 400, ()),
        ((b"dGhlIHNhbXBsZSBub25jZQ==", b"dGhlIHNhbXBsZSBub25j"), 400, ()),
        ((b"Host: a\r\n", b"Host: a\r\nOrigin: http://b\r\n"), 403, (b"Limits.origins",)),
        ((b"Host: a\r\n", b"Host: a\r\nSec-WebSocket-Protocol: x, x\r\n"), 400, ()),
    ],
)
def test_a_refused_upgrade_is_an_answer_like_any_other(
    changed: tuple[bytes, bytes], status: int, fields: tuple[bytes, ...]
) -> None:
    server, effects = advance_by(asked(UPGRADE.replace(*changed)), answered(0, ACCEPTING))
    assert bytes_of(effects).startswith(b"HTTP/1.1 %d " % status)
    assert all(field in bytes_of(effects) for field in fields)
    assert "CallWsOpen" not in effect_names(effects)
    assert client_of(server).subscriber is None
    if b"1.0" not in changed[1]:
        _, effects = advance_by(server, received(GET), answered(1, OK))
        assert bytes_of(effects) == OK_BYTES


def test_bytes_behind_an_upgrade_are_refused_unless_the_limits_take_them() -> None:
    _, effects = advance_by(asked(UPGRADE + text("early")), answered(0, ACCEPTING))
    assert bytes_of(effects).startswith(b"HTTP/1.1 400 ")
    server, effects = advance_by(
        asked(UPGRADE + text("early"), Limits(ws_early_data=True)), answered(0, ACCEPTING)
    )
    assert bytes_of(effects).startswith(b"HTTP/1.1 101 ")
    _, effects = advance_by(server, Delivered(CONN))
    assert delivered_in(effects) == ["early"]


H2C = UPGRADE.replace(b"websocket", b"h2c")
FOREIGN = UPGRADE.replace(b"Host: a\r\n", b"Host: a\r\nOrigin: http://b\r\n")
POSTED = UPGRADE.replace(b"GET", b"POST").replace(
    b"Host: a\r\n", b"Host: a\r\nContent-Length: 1\r\n"
)
UPGRADES = {
    "good": UPGRADE,
    "foreign": FOREIGN,
    "other": H2C,
    "old": UPGRADE.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Upgrade\r\n", b"keep-alive\r\n", 1),
    "no key": UPGRADE.replace(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b""),
    "no version": UPGRADE.replace(b"Sec-WebSocket-Version: 13\r\n", b""),
    "no option": UPGRADE.replace(b"Connection: Upgrade", b"Connection: keep-alive"),
    "a body": POSTED + b"x",
}
ANSWERS = {
    "ignored": answered(0, OK),
    "redirected": answered(0, Response.redirect("/")),
    "upgrade": answered(0, ACCEPTING),
    "wrong upgrade": answered(0, Response.upgrade("never-offered")),
    "forbidden": answered(0, Response.error(403)),
    "not found": answered(0, Response.error(404)),
    "streamed": answered(0, Response.stream((), 404)),
    "failed": HandlerFailed(Ticket(CONN, 0), 500, "", ""),
    "bad input": HandlerFailed(Ticket(CONN, 0), 400, "no", ""),
}


@pytest.mark.parametrize("limits", [Limits(), Limits(origins=("http://c",))])
@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("request_name", UPGRADES)
@pytest.mark.parametrize("behind", [GET, GET[:-2], b"\r\n" + GET, text("early"), GET * 100])
def test_what_came_behind_an_upgrade_that_is_not_made_is_never_a_request(
    behind: bytes, request_name: str, answer: str, limits: Limits
) -> None:
    server = asked(UPGRADES[request_name] + behind, limits)
    server, effects = advance_by(server, ANSWERS[answer])
    if answer == "streamed":
        server, more = advance_by(server, StreamEnded(Ticket(CONN, 0)))
        effects += more
    server, more = advance_by(server, received(GET))
    head = bytes_of(effects).partition(b"\r\n\r\n")[0]
    assert int(head.split()[1]) >= 200
    assert b"\r\nConnection: close" in head
    assert "Handle" not in effect_names([*effects, *more])
    assert [effect.then for effect in effects if isinstance(effect, Send)][-1] is Then.SHUT


def test_early_bytes_are_what_an_upgrade_is_refused_for_first() -> None:
    _, effects = advance_by(asked(FOREIGN + GET), answered(0, ACCEPTING))
    assert bytes_of(effects).startswith(b"HTTP/1.1 400 ")
    assert b"came behind an upgrade" in bytes_of(effects)


@pytest.mark.parametrize(
    ("changed", "limits"),
    [
        ((b"Connection: Upgrade", b"Connection: Upgrade, close"), Limits()),
        ((b"", b""), Limits(max_requests_per_connection=1)),
    ],
)
def test_bytes_behind_a_last_request_that_is_an_upgrade_are_refused_too(
    changed: tuple[bytes, bytes], limits: Limits
) -> None:
    _, effects = advance_by(
        asked(UPGRADE.replace(*changed) + text("early"), limits), answered(0, ACCEPTING)
    )
    assert bytes_of(effects).startswith(b"HTTP/1.1 400 ")


def test_nothing_behind_an_upgrade_is_parsed_before_its_response() -> None:
    server, effects = advance_by(serving(), received(UPGRADE + GET))
    assert effect_names(effects) == ["Handle"]
    server, effects = advance_by(server, answered(0, OK))
    assert b"Connection: close\r\n" in bytes_of(effects)
    assert effect_names(effects) == ["Send"]


def test_an_upgrade_behind_other_requests_waits_for_their_answers() -> None:
    server, _ = advance_by(serving(), received(GET + UPGRADE))
    server, effects = advance_by(server, answered(1, ACCEPTING))
    assert effects == []
    _, effects = advance_by(server, answered(0, OK))
    assert bytes_of(effects).startswith(OK_BYTES + b"HTTP/1.1 101 ")
    assert effect_names(effects)[-1] == "CallWsOpen"


def test_the_server_that_drains_and_the_pool_that_is_full_refuse_with_503() -> None:
    _, effects = advance_by(asked(UPGRADE), Stop(5.0), answered(0, ACCEPTING))
    assert bytes_of(effects).startswith(b"HTTP/1.1 503 ")
    for policy in ("wait", "503"):
        _, effects = advance_by(
            asked(UPGRADE, Limits(max_ws_connection_cnt=0, full_policy=policy)),
            answered(0, ACCEPTING),
        )
        assert bytes_of(effects).startswith(b"HTTP/1.1 503 ")


def two_connections(limits: Limits) -> Server:
    """A server with two connections, the younger of which is a WebSocket."""
    server, _ = advance_by(make_server(limits, 0.0, 0), Accepted(0, PEER), Accepted(1, PEER))
    return advance_by(server, *becoming(Conn(1, 1)))[0]


def becoming(conn: Conn) -> tuple[Received, HandlerReturned, Delivered]:
    """What makes a WebSocket of a connection."""
    return Received(conn, UPGRADE), HandlerReturned(Ticket(conn, 0), (ACCEPTING,)), Delivered(conn)


def test_in_a_full_pool_the_oldest_gives_way_with_1013() -> None:
    server = open_websocket(Limits(max_ws_connection_cnt=1))
    server, effects = advance_by(server, Accepted(1, PEER), *becoming(Conn(1, 1)))
    assert close_notices(effects) == [(CloseReason.EVICTED, 1013)]
    assert frames_in(
        bytes_of([effect for effect in effects if isinstance(effect, Send) and effect.conn == CONN])
    )[0][1][:2] == (1013).to_bytes(2)
    assert find_client(server.slots, CONN) is None


def test_in_a_full_pool_it_is_never_the_newcomer_that_gives_way() -> None:
    server = two_connections(Limits(max_ws_connection_cnt=1))
    _, effects = advance_by(server, *becoming(CONN))
    assert [effect.conn for effect in effects if isinstance(effect, CallWsClose)] == [Conn(1, 1)]


def test_a_newcomer_at_the_door_never_takes_the_place_of_a_websocket() -> None:
    server, _ = advance_by(
        make_server(Limits(max_connection_cnt=2), 0.0, 0),
        Accepted(0, PEER),
        Accepted(1, PEER),
        received(UPGRADE),
        Accepted(2, PEER),
        answered(0, ACCEPTING),
        Delivered(CONN),
        Accepted(3, PEER),
    )
    _, effects = advance_by(server, Accepted(4, PEER))
    assert close_notices(effects) == []
