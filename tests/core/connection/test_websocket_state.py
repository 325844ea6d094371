"""What is remembered of the peer of a WebSocket, and how much of it."""

from sigil.core.connection.websocket_state import make_websocket, unread_len
from sigil.core.websocket.frames import FrameRules, Opcode
from sigil.core.websocket.messages import BETWEEN_MESSAGES, FragmentedMessage, MessageReader

RULES = FrameRules(1_000, 1_000)


def test_a_websocket_begins_with_what_came_behind_its_handshake() -> None:
    websocket = make_websocket(RULES, b"early")
    assert (websocket.unread, websocket.reader) == (b"early", BETWEEN_MESSAGES)
    assert unread_len(websocket) == 5


def test_what_came_and_is_no_message_yet_is_counted_wherever_it_is() -> None:
    websocket = make_websocket(RULES, b"")
    assert unread_len(websocket) == 0
    message = FragmentedMessage(Opcode.TEXT, False, (b"abc", b"d"), 9, b"")
    reader = MessageReader(b"345", message, None, False)
    assert unread_len(websocket._replace(unread=b"12", reader=reader)) == 9
