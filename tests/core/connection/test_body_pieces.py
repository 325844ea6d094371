"""Bodies in pieces: what the program is asked, what it is given and when, and what ends it all.

The server is driven by events alone; the program is the events that it would have reported.
"""

from typing import Any

import pytest

from sigil import Limits, Response
from sigil.core.conn import Conn, Peer, Ticket
from sigil.core.connection.client import IDLE_HTTP, BodyMode
from sigil.core.connection.deadlines import Waiting, waiting_for
from sigil.core.effects import (
    AskBody,
    BodyPiece,
    CloseBody,
    Effect,
    Handle,
    HandlePieces,
    Interest,
    Send,
    Then,
    Watch,
)
from sigil.core.events import (
    Accepted,
    BodyChosen,
    BodyWanted,
    ConnectionLost,
    Event,
    HalfClosed,
    HandlerFailed,
    HandlerReturned,
    InputRead,
    Received,
    TickStarted,
)
from sigil.core.server.fold import advance
from sigil.core.server.slots import find_client
from sigil.core.server.state import Server, make_server

CONN = Conn(0, 0)
FIRST = Ticket(CONN, 0)
HEAD = b"PUT /up HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n"
PUT = HEAD + b"\r\n"
CHUNKED = b"PUT /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HELLO = Response.text("hello")
IN_PIECES, WHOLE = BodyChosen(FIRST, True), BodyChosen(FIRST, False)
WANTED = BodyWanted(FIRST)


class Dialogue:
    """A server with one client, whose program wants to be asked."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.server: Server = make_server(limits or Limits(), 0.0, 0, asks_above=0)
        self.advance(TickStarted(0.0, 0), Accepted(0, Peer("127.0.0.1", 5_000)))

    def advance(self, *events: Event) -> list[Effect]:
        """What comes of these events."""
        self.server, effects = advance(self.server, events)
        return effects

    def received(self, data: bytes) -> list[Effect]:
        """What comes of these bytes."""
        return self.advance(Received(CONN, data))

    def wait(self, seconds: int) -> list[Effect]:
        """What comes of so many seconds, in each of which there is a tick."""
        return [
            effect
            for second in range(1, seconds + 1)
            for effect in self.advance(TickStarted(float(second), second), InputRead())
        ]

    @property
    def client(self) -> Any:
        """The client's record."""
        return find_client(self.server.slots, CONN)


def taking(data: bytes = PUT, limits: Limits | None = None) -> Dialogue:
    """A program that takes its body in pieces and waits for the first; the head has come."""
    dialogue = Dialogue(limits)
    dialogue.received(data)
    dialogue.advance(IN_PIECES, WANTED)
    return dialogue


def sent(effects: list[Effect]) -> bytes:
    """The bytes that are sent."""
    return b"".join(
        bytes(segment)
        for effect in effects
        if isinstance(effect, Send)
        for segment in effect.segments
    )


def last_send(effects: list[Effect]) -> Then:
    """What follows the last bytes."""
    return [effect.then for effect in effects if isinstance(effect, Send)][-1]


# -- asking ----------------------------------------------------------------------------------------


def test_the_program_is_asked_with_the_head_before_any_of_the_body_is_read() -> None:
    (asked,) = Dialogue().received(PUT)
    assert isinstance(asked, AskBody)
    assert (asked.ticket, asked.request.path, asked.request.body) == (FIRST, "/up", b"")


def test_the_request_knows_its_connection_when_the_program_is_asked_and_when_it_is_handed_out() -> (
    None
):
    dialogue = Dialogue()
    (asked,) = dialogue.received(PUT)
    (order,) = dialogue.advance(IN_PIECES)
    assert isinstance(asked, AskBody) and isinstance(order, HandlePieces)
    assert (asked.request.conn, order.request.conn) == (CONN, CONN)


@pytest.mark.parametrize("line", [b"TRACE /up", b"OPTIONS *"])
def test_nobody_is_asked_about_what_the_server_answers_itself(line: bytes) -> None:
    effects = Dialogue().received(PUT.replace(b"PUT /up", line) + b"0123456789")
    assert not any(isinstance(effect, AskBody) for effect in effects)
    assert sent(effects).startswith((b"HTTP/1.1 405", b"HTTP/1.1 204"))


@pytest.mark.parametrize("data", [GET, PUT.replace(b": 10", b": 0")])
def test_nobody_is_asked_where_there_is_no_body(data: bytes) -> None:
    (order,) = Dialogue().received(data)
    assert isinstance(order, Handle)


def test_nothing_is_given_before_the_program_has_chosen() -> None:
    dialogue = Dialogue()
    dialogue.received(PUT)
    assert dialogue.received(b"0123456789") == []
    assert waiting_for(dialogue.client) is Waiting.CALLBACK


@pytest.mark.parametrize("cut", range(11))
def test_a_body_that_is_taken_whole_is_handled_when_it_has_come(cut: int) -> None:
    dialogue, body = Dialogue(), b"0123456789"
    dialogue.received(PUT + body[:cut])
    effects = dialogue.advance(WHOLE) + (dialogue.received(body[cut:]) if cut < 10 else [])
    (order,) = [effect for effect in effects if isinstance(effect, Handle)]
    assert (order.ticket, order.requests[0].body) == (FIRST, body)


def test_the_program_is_asked_when_what_came_before_is_answered() -> None:
    dialogue = Dialogue()
    (order,) = dialogue.received(GET + PUT + b"0123456789")
    assert isinstance(order, Handle) and dialogue.client.incoming.body_mode is BodyMode.QUEUED
    assert waiting_for(dialogue.client) is Waiting.RESPONSE
    response, asked = dialogue.advance(HandlerReturned(FIRST, (HELLO,)))
    assert isinstance(response, Send) and isinstance(asked, AskBody)
    assert asked.ticket == Ticket(CONN, 1)


# -- pieces ----------------------------------------------------------------------------------------


def test_the_handler_is_called_before_the_body_has_come() -> None:
    dialogue = Dialogue()
    dialogue.received(PUT)
    (order,) = dialogue.advance(IN_PIECES)
    assert isinstance(order, HandlePieces) and order.ticket == FIRST


def test_a_piece_is_given_when_it_is_wanted_and_there_is_one() -> None:
    dialogue = Dialogue()
    dialogue.received(PUT + b"01")
    dialogue.advance(IN_PIECES)
    assert dialogue.received(b"234") == []
    assert dialogue.advance(WANTED) == [BodyPiece(FIRST, b"01234", False)]
    assert dialogue.advance(WANTED) == []
    assert dialogue.received(b"5") == [BodyPiece(FIRST, b"5", False)]
    assert dialogue.advance(WANTED) == []
    assert dialogue.received(b"6789") == [BodyPiece(FIRST, b"6789", True)]
    assert dialogue.client.incoming is IDLE_HTTP
    assert last_send(dialogue.advance(HandlerReturned(FIRST, (HELLO,)))) is Then.KEEP


def test_chunks_are_pieces_and_the_end_is_one_that_may_be_empty() -> None:
    dialogue = taking(CHUNKED)
    assert dialogue.received(b"2\r\nab\r\n") == [BodyPiece(FIRST, b"ab", False)]
    dialogue.advance(WANTED)
    assert dialogue.received(b"0\r\n\r\n") == [BodyPiece(FIRST, b"", True)]


def test_the_next_request_waits_behind_the_body_and_its_response() -> None:
    dialogue = taking()
    assert dialogue.received(b"0123456789" + GET) == [BodyPiece(FIRST, b"0123456789", True)]
    response, order = dialogue.advance(HandlerReturned(FIRST, (HELLO,)))
    assert isinstance(response, Send) and response.then is Then.KEEP
    assert isinstance(order, Handle) and order.ticket == Ticket(CONN, 1)


def test_a_client_that_waits_for_a_continue_gets_it_when_a_piece_is_wanted() -> None:
    dialogue = Dialogue()
    assert sent(dialogue.received(HEAD + b"Expect: 100-continue\r\n\r\n")) == b""
    assert sent(dialogue.advance(IN_PIECES)) == b""
    assert sent(dialogue.advance(WANTED)) == b"HTTP/1.1 100 Continue\r\n\r\n"
    dialogue.received(b"0123456789")
    assert sent(dialogue.advance(HandlerReturned(FIRST, (HELLO,)))).startswith(b"HTTP/1.1 200")


def test_nothing_is_read_while_enough_is_held() -> None:
    limits = Limits(max_body_piece_len=100, max_header_len=60)
    data = PUT.replace(b": 10", b": 9999")
    dialogue = Dialogue(limits)
    dialogue.received(data)
    dialogue.advance(IN_PIECES)
    assert dialogue.received(b"a" * 100) == []
    assert dialogue.received(b"b" * 60) == [Watch(CONN, Interest.NOTHING)]
    piece, watch = dialogue.advance(WANTED)
    assert piece == BodyPiece(FIRST, b"a" * 100, False)
    assert watch == Watch(CONN, Interest.READ)
    assert dialogue.advance(WANTED) == [BodyPiece(FIRST, b"b" * 60, False)]


def test_a_gibibyte_holds_no_more_than_a_piece() -> None:
    dialogue, piece = taking(PUT.replace(b": 10", b": 1073741824")), bytes(2**20)
    for _ in range(1_024):
        (given,) = dialogue.received(piece)
        assert isinstance(given, BodyPiece) and len(given.data) == len(piece)
        assert dialogue.server.load.inbound == 0
        dialogue.advance(WANTED)
    assert given.is_last


# -- ends ------------------------------------------------------------------------------------------


def test_a_response_before_the_end_of_the_body_is_the_last() -> None:
    dialogue = taking()
    effects = dialogue.advance(HandlerReturned(FIRST, (HELLO,)))
    assert b"Connection: close\r\n" in sent(effects) and last_send(effects) is Then.SHUT


def test_a_response_to_a_body_that_is_there_goes_on() -> None:
    dialogue = Dialogue()
    dialogue.received(PUT)
    dialogue.advance(IN_PIECES)
    dialogue.received(b"0123456789")
    assert last_send(dialogue.advance(HandlerReturned(FIRST, (HELLO,)))) is Then.KEEP


@pytest.mark.parametrize(
    ("body", "then"), [(b"", Then.SHUT), (b"012345678", Then.SHUT), (b"0123456789", Then.KEEP)]
)
def test_the_program_may_answer_when_it_is_asked(body: bytes, then: Then) -> None:
    dialogue = Dialogue()
    dialogue.received(PUT + body)
    effects = dialogue.advance(HandlerReturned(FIRST, (Response.error(401),)))
    assert sent(effects).startswith(b"HTTP/1.1 401") and last_send(effects) is then


def test_who_has_sent_its_body_already_is_not_told_to_go_on() -> None:
    dialogue = Dialogue()
    dialogue.received(HEAD + b"Expect: 100-continue\r\n\r\n0123456789")
    effects = dialogue.advance(HandlerReturned(FIRST, (Response.error(401),)))
    assert sent(effects).startswith(b"HTTP/1.1 401") and last_send(effects) is Then.KEEP


def test_a_program_that_fails_when_it_is_asked_is_a_500() -> None:
    dialogue = Dialogue()
    dialogue.received(PUT)
    effects = dialogue.advance(HandlerFailed(FIRST, 500, "", "a traceback"))
    assert sent(effects).startswith(b"HTTP/1.1 500") and last_send(effects) is Then.SHUT


def test_a_client_that_ends_within_its_body_is_answered_400_and_the_program_let_go() -> None:
    dialogue = taking()
    effects = dialogue.advance(HalfClosed(CONN))
    assert sent(effects).startswith(b"HTTP/1.1 400") and CloseBody(FIRST) in effects


def test_what_is_held_is_given_before_the_end_counts() -> None:
    dialogue = Dialogue()
    dialogue.received(PUT + b"0123")
    dialogue.advance(IN_PIECES, HalfClosed(CONN))
    piece, *_ = dialogue.advance(WANTED)
    assert piece == BodyPiece(FIRST, b"0123", False)
    assert sent(dialogue.advance(WANTED)).startswith(b"HTTP/1.1 400")


def test_a_malformed_chunk_is_answered_at_once() -> None:
    dialogue = taking(CHUNKED)
    effects = dialogue.received(b"nonsense\r\n")
    assert sent(effects).startswith(b"HTTP/1.1 400") and CloseBody(FIRST) in effects


def test_silence_is_a_408_while_the_client_is_waited_for_and_never_while_the_program_works() -> (
    None
):
    limits = Limits(body_timeout=5.0, response_timeout=60.0)
    at_work = Dialogue(limits)
    at_work.received(PUT)
    at_work.advance(IN_PIECES)
    assert at_work.wait(20) == []
    effects = taking(limits=limits).wait(20)
    assert sent(effects).startswith(b"HTTP/1.1 408") and CloseBody(FIRST) in effects


def test_a_body_in_pieces_may_be_longer_than_one_that_is_held() -> None:
    limits = Limits(max_body_len=5, max_streamed_body_len=12)
    assert isinstance(Dialogue(limits).received(PUT)[0], AskBody)
    whole = Dialogue(limits)
    whole.received(HEAD + b"Expect: 100-continue\r\n\r\n")
    assert sent(whole.advance(WHOLE)).startswith(b"HTTP/1.1 413")  # and no 100 before
    too_long = Dialogue(limits).received(PUT.replace(b": 10", b": 13"))
    assert sent(too_long).startswith(b"HTTP/1.1 413")
    chunks = taking(CHUNKED, limits)
    assert chunks.received(b"c\r\n0123456789ab\r\n") == [BodyPiece(FIRST, b"0123456789ab", False)]
    chunks.advance(WANTED)
    assert sent(chunks.received(b"1\r\n0\r\n")).startswith(b"HTTP/1.1 413")


def test_what_comes_late_changes_nothing() -> None:
    dialogue = Dialogue()
    dialogue.received(GET)
    assert dialogue.advance(IN_PIECES, WANTED) == []
    dialogue = taking()
    dialogue.received(b"0123456789")
    assert dialogue.advance(WANTED, IN_PIECES) == []


def test_a_reset_ends_the_connection_and_its_reason_is_the_peers() -> None:
    dialogue = taking()
    dialogue.advance(ConnectionLost(CONN, 104))
    assert dialogue.client is None
    assert dict(dialogue.server.totals.closed) == {"PEER_RESET": 1}
