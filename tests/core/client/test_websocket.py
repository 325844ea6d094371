"""A WebSocket of a client: what it does with literal bytes, and the laws: cuts change nothing, and
it agrees with the core of our server and with wsproto, whatever is sent and however it is cut.
"""

from collections.abc import Iterable
from math import inf
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto import WSConnection
from wsproto.connection import ConnectionType
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Request,
    TextMessage,
)
from wsproto.events import (
    Ping as TheirPing,
)
from wsproto.events import (
    Pong as TheirPong,
)
from wsproto.extensions import PerMessageDeflate

from sigil.core.client.websocket import (
    ClientWebSocket,
    Disconnect,
    Ended,
    Output,
    ReadyState,
    Step,
    Transmit,
    apply_end,
    blocked,
    buffered_amount,
    close,
    connection_lost,
    drained,
    fail,
    flush,
    half_closed,
    make_client_websocket,
    next_deadline,
    on_time,
    open_message,
    ping,
    receive,
    send_messages,
)
from sigil.core.client.websocket_handshake import (
    AcceptedUpgrade,
    UpgradeOffer,
    check_upgrade_response,
    make_key,
    upgrade_fields,
)
from sigil.core.client.websocket_limits import WebSocketLimits
from sigil.core.close_reasons import CloseReason
from sigil.core.effects import Deliver, DeliverCompressed, Effect, Send, Then
from sigil.core.events import Delivered, Flush, Received, Writable
from sigil.core.http.headers import Headers
from sigil.core.parse_result import Malformed, malformed
from sigil.core.send_status import SendStatus
from sigil.core.server.state import Server
from sigil.core.websocket.compression import deflate
from sigil.core.websocket.fragments import CompressedMessage, Message
from sigil.core.websocket.frames import (
    FIN,
    FrameRules,
    Opcode,
    encode_close,
    encode_frame,
    frame_header,
)
from sigil.core.websocket.messages import (
    BETWEEN_MESSAGES,
    Close,
    Item,
    Ping,
    Pong,
    receive_data,
)
from tests.support.core_driver import (
    CONN,
    advance_by,
    answered,
    byte_by_byte,
    bytes_of,
    cut,
    same,
    serving,
)
from tests.support.core_websockets import ACCEPTING, sending
from tests.support.strategies import CUTS

SEED, NOW = bytes(range(32)), 100.0
KEY = make_key(b"the sample nonce")
LIMITS = WebSocketLimits(max_message_len=100_000)
some = settings(max_examples=100, deadline=None)


def opened(window_bits: int | None = None, limits: WebSocketLimits = LIMITS) -> ClientWebSocket:
    """A WebSocket that was just opened."""
    return make_client_websocket(SEED, window_bits, limits, NOW)


def fragment(opcode: int, payload: bytes, fin: bool = False, rsv1: bool = False) -> bytes:
    """A frame of a server, which may be one of several."""
    header = bytearray(frame_header(opcode, len(payload), rsv1))
    header[0] &= 0xFF if fin else ~FIN
    return bytes(header) + payload


def sent(outputs: Iterable[Output]) -> tuple[Item, ...]:
    """What a server reads of what is transmitted."""
    data = b"".join(b"".join(output.segments) for output in outputs if type(output) is Transmit)
    _, items, error = receive_data(BETWEEN_MESSAGES, data, FrameRules(2**24, 2**24, True))
    assert error is None
    return items


def with_rest(websocket: ClientWebSocket, outputs: tuple[Output, ...]) -> Step:
    """What comes of it when also the rest of a long queue is given to the connection."""
    while next_deadline(websocket) <= NOW:
        websocket, more = on_time(websocket, NOW)
        outputs += more
    return websocket, outputs


def received(websocket: ClientWebSocket, data: bytes, now: float = NOW) -> Step:
    """What comes of these bytes, and of an end in them, for a program that answers nothing."""
    websocket, outputs = receive(websocket, data, now)
    websocket, more = apply_end(websocket, now)
    return websocket, outputs + more


class Seen(NamedTuple):
    """What came of it: what the program gets, what the server gets, and the state."""

    received: tuple[Output, ...]
    sent: tuple[Item, ...]
    state: ReadyState


def seen(websocket: ClientWebSocket, reads: Iterable[bytes]) -> Seen:
    """What comes of these reads."""
    outputs: list[Output] = []
    for data in reads:
        websocket, more = received(websocket, data, NOW)
        outputs += more
    others = tuple(output for output in outputs if type(output) is not Transmit)
    return Seen(others, sent(outputs), websocket.state)


OPEN, CLOSING, CLOSED = ReadyState.OPEN, ReadyState.CLOSING, ReadyState.CLOSED
TEXT, BINARY = Opcode.TEXT, Opcode.BINARY
BYE = encode_frame(8, encode_close(1000, "bye"))
LONG = b"a" * 300


# -- what is received ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (encode_frame(1, b"Hello"), Seen(("Hello",), (), OPEN)),
        (encode_frame(2, b"x") * 2, Seen((b"x", b"x"), (), OPEN)),
        (encode_frame(1, b"x" * 200), Seen(("x" * 200,), (), OPEN)),
        (encode_frame(9, b"1") + encode_frame(9, b"2"), Seen((), (Pong(b"1"), Pong(b"2")), OPEN)),
        (encode_frame(10, b"3"), Seen((Pong(b"3"),), (), OPEN)),
        (
            fragment(1, b"Hel") + encode_frame(9, b"1") + fragment(0, b"lo", True),
            Seen(("Hello",), (Pong(b"1"),), OPEN),
        ),
        (
            encode_frame(1, b"a") + BYE + encode_frame(1, b"b"),
            Seen(("a", Ended(1000, "bye", None)), (Close(1000, ""),), CLOSED),
        ),
        (encode_frame(8, b""), Seen((Ended(1005, "", None),), (Close(1005, ""),), CLOSED)),
    ],
)
def test_what_a_server_sends(data: bytes, what: Seen) -> None:
    assert same(seen(opened(), [data]), what)
    assert same(seen(opened(), byte_by_byte(data)), what)


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        (b"\x81\x82abcdef", 1002, "a frame of the server is masked"),
        (b"\xc1\x01a", 1002, "a reserved bit is set without an extension that gives it meaning"),
        (b"\x83\x01a", 1002, "a frame has the opcode 3, which has no meaning"),
        (b"\x80\x01a", 1002, "a continuation frame has no message to continue"),
        (b"\x09\x00", 1002, "a control frame is fragmented"),
        (b"\x88\x01a", 1002, "a close frame carries half a code"),
        (b"\x81\x02\xc3(", 1007, "a text message is not UTF-8"),
        (b"\x82\x7f" + (100_001).to_bytes(8), 1009, "a frame is longer than 100000 bytes"),
        (
            fragment(1, b"") + fragment(0, b"") * 5_000,
            1008,
            "a message has too many small fragments",
        ),
    ],
)
def test_a_violation_is_answered_with_its_code(data: bytes, code: int, message: str) -> None:
    what = seen(opened(), [encode_frame(1, b"before") + data])
    assert what.received[0] == "before"
    (ended,) = what.received[1:]
    assert isinstance(ended, Ended) and ended.error is not None
    assert (ended.code, ended.error.message) == (code, message)
    assert what.sent == (Close(code, message),)
    assert what.state is CLOSED


def test_compressed_messages_come_out_as_they_came_and_are_opened_within_the_bound() -> None:
    websocket = opened(15)
    data = b"".join(
        fragment(opcode, deflate(payload, 15), True, True)
        for opcode, payload in ((1, LONG), (2, b""), (2, bytes(100_001)))
    )
    websocket, (first, second, third) = received(websocket, data, NOW)
    assert isinstance(first, CompressedMessage)
    assert isinstance(second, CompressedMessage)
    assert isinstance(third, CompressedMessage) and len(third) < 500
    assert open_message(websocket, first) == LONG.decode()
    assert open_message(websocket, second) == b""
    error = open_message(websocket, third)
    assert isinstance(error, Malformed) and error.reason is CloseReason.WS_OVERSIZE_FRAME
    websocket, outputs = fail(websocket, error, NOW)
    assert sent(outputs) == (Close(1009, "a compressed message is longer than is accepted here"),)
    assert outputs[-1] == Ended(1009, error.message, error)
    assert fail(websocket, error, NOW) == (websocket, ())


STREAMS = st.lists(
    st.one_of(
        st.builds(encode_frame, st.sampled_from((1, 2, 9, 10)), st.binary(max_size=130)),
        st.builds(fragment, st.sampled_from((0, 1, 2)), st.binary(max_size=9), st.booleans()),
        st.sampled_from((BYE, b"\x88\x00", b"\x81\x80abcd", b"\xc2\x00", b"\x82\x7e\x00\x01")),
    ),
    max_size=12,
).map(b"".join)


@some
@given(STREAMS, CUTS)
def test_cuts_change_nothing(data: bytes, cuts: list[int]) -> None:
    assert same(seen(opened(), cut(data, cuts)), seen(opened(), [data]))
    assert same(seen(opened(), byte_by_byte(data)), seen(opened(), [data]))


def test_what_the_program_answers_goes_before_the_answer_to_a_close_frame_or_a_violation() -> None:
    for end, code in ((BYE, 1000), (b"\x83\x00", 1002)):
        websocket, outputs = receive(opened(), encode_frame(1, b"a") + end, NOW)
        assert outputs == ("a",)
        websocket, statuses = send_messages(websocket, ("b",))
        assert statuses == (SendStatus.SUCCESS,)
        websocket, outputs = apply_end(websocket, NOW)
        answer, close_frame = sent(outputs)
        assert answer == "b" and isinstance(close_frame, Close) and close_frame.code == code


# -- what is sent ----------------------------------------------------------------------------------


def test_messages_leave_with_a_flush_masked() -> None:
    websocket, statuses = send_messages(opened(), ("Hello", b"x"))
    assert statuses == (SendStatus.SUCCESS,) * 2
    assert buffered_amount(websocket) == 11 + 7
    websocket, outputs = flush(websocket)
    assert sent(outputs) == ("Hello", b"x")
    assert buffered_amount(websocket) == 0
    assert flush(websocket) == (websocket, ())


def test_who_takes_nothing_is_sent_the_rest_when_it_does() -> None:
    websocket, first = flush(send_messages(opened(), ("one", "two"))[0])
    websocket = blocked(websocket)
    assert buffered_amount(websocket) == 18
    websocket, statuses = send_messages(websocket, ("three",))
    assert statuses == (SendStatus.BACKPRESSURE,)
    websocket, nothing = received(websocket, encode_frame(9, b"1") + encode_frame(9, b"2"), NOW)
    assert nothing == ()
    assert flush(websocket) == (websocket, ())
    websocket, more = drained(websocket)
    assert sent(first + more) == ("one", "two", Pong(b"2"), "three")


def test_very_much_leaves_in_parts_with_a_deadline_that_is_due_at_once() -> None:
    limits = WebSocketLimits()
    websocket, statuses = send_messages(opened(limits=limits), (b"x" * 200_000,) * 3)
    assert statuses == (SendStatus.SUCCESS,) * 3
    websocket, outputs = with_rest(*flush(websocket))
    assert [type(output) for output in outputs] == [Transmit] * 3
    assert sent(outputs) == (b"x" * 200_000,) * 3


def test_what_is_sent_when_it_is_closing_is_dropped() -> None:
    websocket, outputs = close(send_messages(opened(), ("a",))[0], 1001, "away", NOW)
    assert sent(outputs) == ("a", Close(1001, "away"))
    assert send_messages(websocket, ("b",)) == (websocket, (SendStatus.DROPPED,))
    assert ping(websocket, b"") is websocket
    assert close(websocket, 1000, "", NOW) == (websocket, ())


def test_after_our_close_frame_only_that_of_the_server_is_awaited() -> None:
    websocket, _ = close(opened(), 1000, "", NOW)
    what = seen(websocket, [encode_frame(1, b"late") + encode_frame(9, b"") + BYE])
    assert same(what, Seen((Ended(1000, "bye", None),), (), CLOSED))


@pytest.mark.parametrize(("code", "reason"), [(999, ""), (1004, ""), (1006, ""), (5000, "")])
def test_a_code_that_may_not_be_sent_is_refused(code: int, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{code} is not the code of a close frame"):
        close(opened(), code, reason, NOW)


def test_a_ping_of_the_program_has_at_most_125_bytes() -> None:
    assert sent(flush(ping(opened(), b"x" * 125))[1]) == (Ping(b"x" * 125),)
    with pytest.raises(ValueError, match="at most 125 bytes, not 126"):
        ping(opened(), b"x" * 126)


# -- time ------------------------------------------------------------------------------------------


def test_who_is_silent_is_pinged_and_lost_if_it_does_not_answer() -> None:
    websocket = opened()
    assert next_deadline(websocket) == NOW + 20
    assert on_time(websocket, NOW + 19.9) == (websocket, ())
    websocket, outputs = on_time(websocket, NOW + 20)
    assert sent(outputs) == (Ping(b""),)
    assert next_deadline(websocket) == NOW + 40
    heard, _ = received(websocket, encode_frame(10, b""), NOW + 30)
    assert next_deadline(heard) == NOW + 50
    websocket, outputs = on_time(websocket, NOW + 40)
    assert sent(outputs) == (Close(1011, "a ping was not answered in time"),)
    error = malformed("a ping was not answered in time", CloseReason.WS_PONG_TIMEOUT)
    assert outputs[1:] == (Ended(1006, "", error), Disconnect(True))
    assert websocket.state is CLOSED


def test_a_close_that_is_not_answered_is_over_in_time() -> None:
    websocket, _ = close(opened(), 1000, "", NOW)
    websocket, _ = received(websocket, encode_frame(1, b"still here"), NOW + 4)
    assert next_deadline(websocket) == NOW + 5
    websocket, outputs = on_time(websocket, NOW + 5)
    error = malformed("the close frame was not answered in time", CloseReason.PEER_RESET)
    assert same(outputs, (Ended(1006, "", error), Disconnect(True)))


def test_a_server_that_does_not_end_the_connection_is_not_waited_for_long() -> None:
    websocket, _ = received(opened(), BYE, NOW)
    assert on_time(websocket, NOW + 4.9) == (websocket, ())
    assert on_time(websocket, NOW + 5) == (websocket, (Disconnect(True),))
    assert half_closed(websocket, NOW + 1) == (websocket, (Disconnect(False),))


def test_an_end_without_a_close_frame_has_1006() -> None:
    error = malformed("the connection ended without a close frame", CloseReason.PEER_RESET)
    websocket, outputs = half_closed(opened(), NOW)
    assert same(outputs, (Ended(1006, "", error), Disconnect(False)))
    reset = malformed("reset", CloseReason.PEER_RESET)
    assert connection_lost(websocket, reset, NOW) == (websocket, ())
    assert connection_lost(opened(), reset, NOW)[1] == (Ended(1006, "", reset),)


def test_without_timeouts_nothing_is_ever_due() -> None:
    websocket = opened(limits=WebSocketLimits(ping_interval=inf))
    assert next_deadline(websocket) == inf
    assert on_time(websocket, 1e9) == (websocket, ())


# -- our server ------------------------------------------------------------------------------------


def handshaken(deflates: bool) -> tuple[Server, ClientWebSocket]:
    """The core of a server, and a client that it has accepted."""
    offer = UpgradeOffer(KEY, (), deflates)
    lines = "".join(f"{name}: {value}\r\n" for name, value in upgrade_fields(offer))
    request = f"GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode()
    server, _ = advance_by(serving(), Received(CONN, request))
    server, effects = advance_by(server, answered(0, ACCEPTING), Delivered(CONN))
    head = bytes_of(effects).decode().removesuffix("\r\n\r\n").split("\r\n")
    assert head[0] == "HTTP/1.1 101 Switching Protocols"
    fields = [line.partition(": ") for line in head[1:]]
    headers = Headers(tuple((name, value) for name, _, value in fields))
    accepted = check_upgrade_response(offer, 101, headers)
    assert isinstance(accepted, AcceptedUpgrade)
    assert accepted.window_bits == (15 if deflates else None)
    return server, make_client_websocket(SEED, accepted.window_bits, LIMITS, NOW)


def opened_messages(effects: Iterable[Effect]) -> list[Message]:
    """The messages that the server delivers, decompressed."""
    found: list[Message] = []
    for effect in effects:
        if isinstance(effect, Deliver | DeliverCompressed):
            for message in effect.messages:
                opened_one = (
                    open_message(opened(15), message)
                    if isinstance(message, CompressedMessage)
                    else message
                )
                assert not isinstance(opened_one, Malformed)
                found.append(opened_one)
    return found


def transmitted(outputs: Iterable[Output]) -> bytes:
    """The bytes that are transmitted."""
    return b"".join(b"".join(output.segments) for output in outputs if type(output) is Transmit)


LETTERS = st.text(alphabet="ab€", max_size=600)
MESSAGES = st.lists(st.one_of(LETTERS, st.binary(max_size=600), st.just(b"x" * 66_000)), max_size=6)


@some
@given(MESSAGES, MESSAGES, st.booleans(), CUTS, st.sampled_from(("client", "server", "neither")))
def test_our_server_and_our_client_agree(
    ours: list[Message], theirs: list[Message], deflates: bool, cuts: list[int], closes: str
) -> None:
    server, websocket = handshaken(deflates)
    websocket, statuses = send_messages(websocket, ours)
    assert all(statuses)
    websocket = ping(websocket, b"?")
    websocket, outputs = with_rest(*flush(websocket))
    if closes == "client":
        websocket, more = close(websocket, 4000, "enough", NOW)
        outputs += more
    delivered: list[Message] = []
    to_client = b""
    for data in cut(transmitted(outputs), cuts):
        server, effects = advance_by(server, *([Received(CONN, data)] if data else []))
        delivered += opened_messages(effects)
        to_client += bytes_of(effects)
        server, effects = advance_by(server, Delivered(CONN))
        delivered += opened_messages(effects)
        to_client += bytes_of(effects)
    assert delivered == ours
    if closes != "client":
        server, effects = advance_by(server, sending(*theirs), Flush(None))
        while effects:  # a kernel that takes what it is given
            to_client += bytes_of(effects)
            server, effects = advance_by(server, Writable(CONN), Flush(None))
    got: list[Output] = []
    for data in cut(to_client, cuts):
        websocket, more = received(websocket, data, NOW)
        got += more
    if closes == "client":
        assert same(got, [Pong(b"?"), Ended(4000, "", None)])
        return
    assert got[0] == Pong(b"?")
    assert [
        open_message(websocket, one) if isinstance(one, CompressedMessage) else one
        for one in got[1:]
    ] == theirs
    if closes == "server":
        websocket, (reply, ended) = received(websocket, BYE, NOW)
        assert ended == Ended(1000, "bye", None)
        server, effects = advance_by(server, Received(CONN, transmitted((reply,))))
        ends = [effect for effect in effects if isinstance(effect, Send)]
        assert [effect.then for effect in ends] == [Then.SHUT]


# -- wsproto ---------------------------------------------------------------------------------------


def wsproto_server(deflates: bool) -> WSConnection:
    """wsproto as a server that has accepted a client."""
    server = WSConnection(ConnectionType.SERVER)
    fields = upgrade_fields(UpgradeOffer(KEY, (), deflates))
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    server.receive_data(f"GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode())
    assert [type(event) for event in server.events()] == [Request]
    server.send(AcceptConnection(extensions=[PerMessageDeflate()] if deflates else []))
    return server


def as_events(message: Message, pieces: int) -> list[Event]:
    """A message as wsproto sends it, in one frame or several."""
    kind = TextMessage if isinstance(message, str) else BytesMessage
    length = max(1, -(-len(message) // pieces))
    starts = range(0, max(1, len(message)), length)
    return [
        kind(data=message[at : at + length], message_finished=at + length >= len(message))
        for at in starts
    ]


@some
@given(MESSAGES, MESSAGES, st.integers(1, 4), st.booleans(), CUTS)
def test_wsproto_and_our_client_agree(
    ours: list[Message], theirs: list[Message], pieces: int, deflates: bool, cuts: list[int]
) -> None:
    server, websocket = wsproto_server(deflates), opened(15 if deflates else None)
    data = b"".join(server.send(event) for one in theirs for event in as_events(one, pieces))
    data += server.send(TheirPing(payload=b"?"))
    got: list[Output] = []
    for piece in cut(data, cuts):
        websocket, more = received(websocket, piece, NOW)
        got += more
    assert [
        open_message(websocket, one) if isinstance(one, CompressedMessage) else one
        for one in got
        if not isinstance(one, Transmit)
    ] == theirs
    websocket, _ = send_messages(websocket, ours)
    websocket, outputs = with_rest(*close(websocket, 1000, "bye", NOW))
    server.receive_data(transmitted([*got, *outputs]))
    back, others = list[Message](), list[Event]()
    for event in server.events():
        if isinstance(event, TextMessage | BytesMessage):
            part = event.data if isinstance(event, TextMessage) else bytes(event.data)
            back.append(part)
        else:
            others.append(event)
    assert back == ours
    assert others == [
        TheirPong(payload=bytearray(b"?")),
        CloseConnection(code=1000, reason="bye"),
    ]
    websocket, outputs = received(websocket, server.send(others[1].response()), NOW)
    assert outputs == (Ended(1000, "bye", None),)
