"""Two other clients and the core in conversation: wsproto and websockets say what Hypothesis thinks
of, however cut.

They share no code with sigil: what they say must come to the program, and what comes back they must
understand.
"""

from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Opcode as TheirOpcode
from websockets.protocol import State
from websockets.uri import parse_uri
from wsproto import WSConnection
from wsproto.connection import ConnectionType
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    Request,
    TextMessage,
)

from sigil.core.close_reasons import CloseReason
from tests.support.core_driver import advance_by, answered, bytes_of, cut, serving
from tests.support.core_websockets import ACCEPTING, echo_run, open_websocket, received
from tests.support.strategies import CUTS

some = settings(max_examples=150, deadline=None)
LARGE = st.binary(min_size=65_530, max_size=65_540)
MESSAGES = st.lists(st.one_of(st.text(max_size=40), st.binary(max_size=300), LARGE), max_size=6)
ENDS = st.sampled_from((None, (1000, "bye"), (1001, ""), (4999, "\u20ac" * 9)))


def wsproto_client() -> WSConnection:
    """wsproto as a client that has been let in by the core."""
    client = WSConnection(ConnectionType.CLIENT)
    request = client.send(Request(host="a", target="/"))
    server, _ = advance_by(serving(), received(request))
    client.receive_data(bytes_of(advance_by(server, answered(0, ACCEPTING))[1]))
    assert [type(event) for event in client.events()] == [AcceptConnection]
    return client


def as_events(message: str | bytes, pieces: int) -> list[Event]:
    """A message as wsproto sends it, in one frame or several."""
    kind: type[TextMessage] | type[BytesMessage] = (
        TextMessage if isinstance(message, str) else BytesMessage
    )
    length = max(1, -(-len(message) // pieces))
    starts = range(0, max(1, len(message)), length)
    return [
        kind(data=message[at : at + length], message_finished=at + length >= len(message))
        for at in starts
    ]


@some
@given(MESSAGES, st.integers(1, 4), ENDS, CUTS)
def test_wsproto_and_the_core_understand_each_other(
    messages: list[str | bytes], pieces: int, end: tuple[int, str] | None, cuts: list[int]
) -> None:
    client = wsproto_client()
    data = b"".join(
        client.send(event) for message in messages for event in as_events(message, pieces)
    )
    data += client.send(Ping(payload=b"still there?"))
    if end is not None:
        data += client.send(CloseConnection(code=end[0], reason=end[1]))
    got = echo_run(open_websocket(), cut(data, cuts))
    assert list(got.messages) == messages
    client.receive_data(got.output)
    back: list[str | bytes] = []
    others: list[Event] = []
    for event in client.events():
        if isinstance(event, TextMessage | BytesMessage):
            back.append(event.data if isinstance(event, TextMessage) else bytes(event.data))
        else:
            others.append(event)
    assert back == messages
    pong = Pong(payload=bytearray(b"still there?"))
    if end is None:
        assert others == [pong]
        assert got.fate == "keep"
    else:
        assert others == [pong, CloseConnection(code=end[0], reason="")]
        assert (got.parts, got.fate) == (((CloseReason.WS_PEER_CLOSED, end[0]),), "shut")


@some
@given(MESSAGES, ENDS, CUTS)
def test_websockets_and_the_core_understand_each_other(
    messages: list[str | bytes], end: tuple[int, str] | None, cuts: list[int]
) -> None:
    client = ClientProtocol(parse_uri("ws://a/chat"))
    client.send_request(client.connect())
    server, _ = advance_by(serving(), received(b"".join(client.data_to_send())))
    client.receive_data(bytes_of(advance_by(server, answered(0, ACCEPTING))[1]))
    assert client.state is State.OPEN
    client.events_received()
    for message in messages:
        if isinstance(message, str):
            client.send_text(message.encode())
        else:
            client.send_binary(message)
    if end is not None:
        client.send_close(*end)
    got = echo_run(open_websocket(), cut(b"".join(client.data_to_send()), cuts))
    assert list(got.messages) == messages
    client.receive_data(got.output)
    frames = [event for event in client.events_received() if hasattr(event, "opcode")]
    back = [
        bytes(frame.data).decode() if frame.opcode is TheirOpcode.TEXT else bytes(frame.data)
        for frame in frames
        if frame.opcode is not TheirOpcode.CLOSE
    ]
    assert back == messages
    assert client.parser_exc is None
    assert (client.close_rcvd is not None and client.close_rcvd.code) == (
        end is not None and end[0]
    )
