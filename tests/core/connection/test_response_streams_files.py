"""Bodies that are files: ordered piece by piece, counted, and never more or less than promised."""

from sigil.core.close_reasons import CloseReason
from sigil.core.connection.deadlines import Waiting, waiting_for
from sigil.core.effects import AccessLog, CallClose, CloseBody, Drop, Handle, Send, SendFile, Then
from sigil.core.events import FileSent, HandlerFailed, Received, Stalled, Writable
from sigil.core.http.bodies import FileBody, FileSpan
from sigil.core.http.response import Response
from sigil.core.limits import Limits
from tests.support.core_driver import (
    CONN,
    DATE,
    advance_by,
    answered,
    asked,
    client_of,
    effect_names,
    same,
    ticket,
)
from tests.support.requests import GET

LIMIT = Limits().max_file_send_len
FILE = Response(200, (), FileBody(None, (FileSpan(0, 10),)))
TOP = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n" + DATE
HEAD = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def test_the_head_of_a_file_is_sent_and_the_file_ordered() -> None:
    effects = advance_by(asked(GET), answered(0, FILE))[1]
    assert same(effects, [Send(CONN, (TOP,), Then.KEEP), SendFile(ticket(0), LIMIT)])


def test_a_file_that_was_taken_at_once_is_answered() -> None:
    server, _ = advance_by(asked(GET), answered(0, FILE))
    server, effects = advance_by(server, FileSent(ticket(0), 10))
    assert same(effects, [])
    client = client_of(server)
    assert client.responded == 1 and not client.outstanding
    assert client.bytes_out == len(TOP) + 10
    assert waiting_for(client) is Waiting.IDLE


def test_the_rest_is_ordered_when_there_is_room_and_only_then() -> None:
    server, _ = advance_by(asked(GET), answered(0, FILE))
    server, effects = advance_by(server, FileSent(ticket(0), 4))
    assert effect_names(effects) == ["Watch"]
    assert waiting_for(client_of(server)) is Waiting.WRITE
    server, effects = advance_by(server, Writable(CONN))
    assert same(effects, [SendFile(ticket(0), LIMIT)])
    server, effects = advance_by(server, Writable(CONN))
    assert same(effects, [])  # one order at a time
    server, effects = advance_by(server, FileSent(ticket(0), 0))
    assert same(effects, [])  # it is watched already
    server, effects = advance_by(server, Writable(CONN), FileSent(ticket(0), 6))
    assert effect_names(effects) == ["SendFile", "Watch"]
    assert not client_of(server).outstanding


def test_the_next_request_waits_until_the_file_was_sent() -> None:
    server, _ = advance_by(asked(GET), answered(0, FILE), FileSent(ticket(0), 1))
    server, effects = advance_by(server, Received(CONN, GET))
    assert "Handle" not in effect_names(effects)
    server, effects = advance_by(server, Writable(CONN), FileSent(ticket(0), 9))
    assert any(isinstance(effect, Handle) for effect in effects)


def test_a_stalled_head_goes_before_the_file() -> None:
    server, _ = advance_by(asked(GET), answered(0, FILE))
    server, _ = advance_by(server, Stalled(CONN, 5, (TOP[5:],)), FileSent(ticket(0), 0))
    server, effects = advance_by(server, Writable(CONN))
    assert same(effects, [Send(CONN, (TOP[5:],), Then.KEEP), SendFile(ticket(0), LIMIT)])


def test_a_last_file_shuts_the_connection_behind_it() -> None:
    server, _ = advance_by(asked(LAST), answered(0, FILE))
    effects = advance_by(server, FileSent(ticket(0), 10))[1]
    assert Send(CONN, (), Then.SHUT) in effects


def test_a_head_and_an_empty_file_have_no_body() -> None:
    effects = advance_by(asked(HEAD), answered(0, FILE))[1]
    assert same(effects, [Send(CONN, (TOP,), Then.KEEP), CloseBody(ticket(0))])
    empty = FILE.replace(body=FileBody(None, ()))
    effects = advance_by(asked(GET), answered(0, empty))[1]
    assert effect_names(effects) == ["Send", "CloseBody"]


def test_a_file_that_fails_breaks_the_connection() -> None:
    server, _ = advance_by(asked(GET), answered(0, FILE), FileSent(ticket(0), 4))
    effects = advance_by(server, HandlerFailed(ticket(0), 500, "", "it shrank"))[1]
    assert Drop(CONN) in effects
    assert CallClose(CONN, CloseReason.HANDLER_ERROR) in effects


def test_a_file_that_was_not_opened_is_a_500() -> None:
    effects = advance_by(asked(GET), answered(0, FILE.replace(body=FileBody("a.txt"))))[1]
    assert effect_names(effects) == ["Log", "CloseBody", "Send"]


def test_a_late_report_changes_nothing() -> None:
    server, _ = advance_by(asked(GET), answered(0, FILE), FileSent(ticket(0), 10))
    assert advance_by(server, FileSent(ticket(0), 3)) == (server, [])


def test_the_access_log_has_the_length_of_a_file() -> None:
    server = asked(GET).replace(logs_access=True)
    effects = advance_by(server, answered(0, FILE))[1]
    assert [effect.length for effect in effects if isinstance(effect, AccessLog)] == [10]
