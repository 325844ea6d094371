"""The parts of it."""

from ...core.close_reasons import CloseReason
from ...core.conn import Conn
from ...core.events import CloseRequested
from ...core.websocket.frames import Opcode, is_close_code


def to_message(data: object) -> tuple[int, bytes]:
    """The opcode and payload of a message: text for str, binary for bytes; what can change is
    copied.

    TypeError for anything else, ValueError for a str that is no Unicode text.
    """
    if isinstance(data, str):
        return Opcode.TEXT, data.encode()
    if isinstance(data, bytes):
        return Opcode.BINARY, data
    if isinstance(data, bytearray | memoryview):
        return Opcode.BINARY, bytes(data)
    raise TypeError(f"a message is a str or bytes, not {type(data).__name__}")


def close_event(conn: Conn, code: int, text: str) -> CloseRequested:
    """The event of user code closing a connection, with a code or for a reason; ValueError for what
    may not be sent.
    """
    if isinstance(code, CloseReason):
        return CloseRequested(conn, code, 0, text)
    if not is_close_code(code):
        raise ValueError(
            f"{code} is not the code of a close frame (1000 to 1003, 1007 to 1014, 3000 to 4999)"
        )
    return CloseRequested(conn, CloseReason.OK, code, text)
