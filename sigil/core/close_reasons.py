"""Why a connection ended, or why a request was refused.

Theory: a close without a reason cannot be debugged, so every end has exactly one member of
`CloseReason`, and every member has a sentence, an HTTP status and a WebSocket close code in one
table.

Rules: the numbers -1 to -23 are those of Firedancer's `fd_http_server`, so that the same tools read
the logs of both; -24 and below are our own. `close_reason_str` renders `NAME: sentence`; a name
never changes, so logs can be searched for it. A status of 0 means that no response is sent.

It does not know when a reason applies: the transitions of a connection do.
"""

from enum import IntEnum
from typing import Final, NamedTuple


class CloseReason(IntEnum):
    """Why a connection ended, or a request was refused: one number for each way."""

    OK = -1
    EVICTED = -2
    TOO_SLOW = -3
    EXPECTED_EOF = -4
    PEER_RESET = -5
    LARGE_REQUEST = -6
    BAD_REQUEST = -7
    MISSING_CONTENT_LENGTH_HEADER = -8
    UNKNOWN_METHOD = -9
    PATH_TOO_LONG = -10
    WS_BAD_KEY = -11
    WS_UNEXPECTED_VERSION = -12
    WS_MISSING_KEY_HEADER = -13
    WS_MISSING_VERSION_HEADER = -14
    WS_BAD_MASK = -15
    WS_UNKNOWN_OPCODE = -16
    WS_OVERSIZE_FRAME = -17
    WS_CLIENT_TOO_SLOW = -18
    WS_MISSING_UPGRADE = -19
    WS_EXPECTED_CONT_OPCODE = -20
    WS_EXPECTED_TEXT_OPCODE = -21
    WS_CONTROL_FRAME_TOO_LARGE = -22
    UNSUPPORTED_TRANSFER_ENCODING = -23
    HEADER_TIMEOUT = -24
    BODY_TIMEOUT = -25
    IDLE_TIMEOUT = -26
    WRITE_STALL = -27
    WS_PEER_CLOSED = -28
    WS_BAD_RSV = -29
    WS_BAD_UTF8 = -30
    WS_BAD_CLOSE_PAYLOAD = -31
    WS_FRAGMENTED_CONTROL = -32
    WS_NONMINIMAL_LENGTH = -33
    WS_PONG_TIMEOUT = -34
    HANDLER_ERROR = -35
    SHUTDOWN = -36
    ORIGIN_REFUSED = -37
    BAD_HOST = -38
    VERSION = -39
    LARGE_HEADER = -40
    EXPECTATION = -41
    FULL = -42
    PEER_CLOSED = -43
    ANSWER_TIMEOUT = -44
    WS_BAD_COMPRESSION = -45
    WS_OVERHEAD = -46
    BAD_PROXY_HEADER = -47
    PROGRAM_TIMEOUT = -48
    TLS_HANDSHAKE_FAILED = -49
    TLS_HANDSHAKE_TIMEOUT = -50
    TLS_EXPECTED = -51
    TLS_FAILED = -52


class CloseInfo(NamedTuple):
    """What a reason means to people (`sentence`), to an HTTP client (`status`, 0 for no response)
    and to a WebSocket client (`code`, that of the close frame).
    """

    sentence: str
    status: int
    code: int


CLOSE_INFO: Final = {
    CloseReason.OK: CloseInfo(
        "the last response was sent and the connection was not to persist", 0, 1000
    ),
    CloseReason.EVICTED: CloseInfo("it was evicted to make room for others", 503, 1013),
    CloseReason.TOO_SLOW: CloseInfo(
        "it took what it was sent, or sent its body, more slowly than is allowed", 408, 1013
    ),
    CloseReason.EXPECTED_EOF: CloseInfo(
        "it sent more although nothing more was expected of it", 400, 1002
    ),
    CloseReason.PEER_RESET: CloseInfo("the other side broke the connection", 0, 1006),
    CloseReason.LARGE_REQUEST: CloseInfo(
        "the body of the request is larger than this server accepts", 413, 1009
    ),
    CloseReason.BAD_REQUEST: CloseInfo("the request is malformed", 400, 1002),
    CloseReason.MISSING_CONTENT_LENGTH_HEADER: CloseInfo(
        "the request does not say how long its body is", 411, 1002
    ),
    CloseReason.UNKNOWN_METHOD: CloseInfo("the method is not one this server knows", 501, 1002),
    CloseReason.PATH_TOO_LONG: CloseInfo(
        "the request target is longer than this server accepts", 414, 1009
    ),
    CloseReason.WS_BAD_KEY: CloseInfo("Sec-WebSocket-Key is not 16 bytes in base64", 400, 1002),
    CloseReason.WS_UNEXPECTED_VERSION: CloseInfo("Sec-WebSocket-Version is not 13", 426, 1002),
    CloseReason.WS_MISSING_KEY_HEADER: CloseInfo(
        "an upgrade to websocket without Sec-WebSocket-Key", 400, 1002
    ),
    CloseReason.WS_MISSING_VERSION_HEADER: CloseInfo(
        "an upgrade to websocket without a version", 426, 1002
    ),
    CloseReason.WS_BAD_MASK: CloseInfo("a frame of the client was not masked", 0, 1002),
    CloseReason.WS_UNKNOWN_OPCODE: CloseInfo("a frame has an opcode without meaning", 0, 1002),
    CloseReason.WS_OVERSIZE_FRAME: CloseInfo(
        "a frame or message is larger than this server accepts", 0, 1009
    ),
    CloseReason.WS_CLIENT_TOO_SLOW: CloseInfo("it fell too far behind what was published", 0, 1013),
    CloseReason.WS_MISSING_UPGRADE: CloseInfo(
        "the handler upgraded a request that had not asked for it", 426, 1002
    ),
    CloseReason.WS_EXPECTED_CONT_OPCODE: CloseInfo(
        "a new message began inside a fragmented one", 0, 1002
    ),
    CloseReason.WS_EXPECTED_TEXT_OPCODE: CloseInfo(
        "a continuation frame without a message to continue", 0, 1002
    ),
    CloseReason.WS_CONTROL_FRAME_TOO_LARGE: CloseInfo(
        "a control frame carries more than 125 bytes", 0, 1002
    ),
    CloseReason.UNSUPPORTED_TRANSFER_ENCODING: CloseInfo(
        "the transfer coding is not one this server knows", 501, 1002
    ),
    CloseReason.HEADER_TIMEOUT: CloseInfo(
        "the head of the request did not arrive in time", 408, 1002
    ),
    CloseReason.BODY_TIMEOUT: CloseInfo(
        "the body of the request did not arrive in time", 408, 1002
    ),
    CloseReason.IDLE_TIMEOUT: CloseInfo("no request came for a long time", 0, 1000),
    CloseReason.WRITE_STALL: CloseInfo(
        "it took no byte of what was sent to it for too long", 0, 1006
    ),
    CloseReason.WS_PEER_CLOSED: CloseInfo("the client closed the WebSocket", 0, 1000),
    CloseReason.WS_BAD_RSV: CloseInfo(
        "a reserved bit was set without an extension that gives it meaning", 0, 1002
    ),
    CloseReason.WS_BAD_UTF8: CloseInfo("a text message is not UTF-8", 0, 1007),
    CloseReason.WS_BAD_COMPRESSION: CloseInfo(
        "a compressed message cannot be decompressed", 0, 1007
    ),
    CloseReason.WS_OVERHEAD: CloseInfo(
        "it sent more frames than what is in them has a need for", 0, 1008
    ),
    CloseReason.WS_BAD_CLOSE_PAYLOAD: CloseInfo(
        "a close frame with a payload the protocol forbids", 0, 1002
    ),
    CloseReason.WS_FRAGMENTED_CONTROL: CloseInfo("a control frame was fragmented", 0, 1002),
    CloseReason.WS_NONMINIMAL_LENGTH: CloseInfo(
        "a frame length was not written in its shortest form", 0, 1002
    ),
    CloseReason.WS_PONG_TIMEOUT: CloseInfo("a ping was not answered in time", 0, 1011),
    CloseReason.HANDLER_ERROR: CloseInfo("the program behind this server failed", 500, 1011),
    CloseReason.SHUTDOWN: CloseInfo("the server is shutting down", 503, 1001),
    CloseReason.ORIGIN_REFUSED: CloseInfo("the Origin is not one this server serves", 403, 1008),
    CloseReason.BAD_HOST: CloseInfo("the Host field is missing, repeated or invalid", 400, 1002),
    CloseReason.VERSION: CloseInfo("this server speaks HTTP/1.1 and HTTP/1.0 only", 505, 1002),
    CloseReason.LARGE_HEADER: CloseInfo(
        "the head of the request is larger than this server accepts", 431, 1009
    ),
    CloseReason.EXPECTATION: CloseInfo(
        "this server meets no expectation but 100-continue", 417, 1002
    ),
    CloseReason.FULL: CloseInfo("this server has as many connections as it accepts", 503, 1013),
    CloseReason.PEER_CLOSED: CloseInfo(
        "the other side ended the connection between requests", 0, 1000
    ),
    CloseReason.ANSWER_TIMEOUT: CloseInfo(
        "the program behind this server did not answer in time", 503, 1011
    ),
    CloseReason.BAD_PROXY_HEADER: CloseInfo(
        "the connection did not begin with a header of the PROXY protocol", 0, 1002
    ),
    CloseReason.PROGRAM_TIMEOUT: CloseInfo(
        "the time is over that the program behind this server has set for it", 503, 1008
    ),
    CloseReason.TLS_HANDSHAKE_FAILED: CloseInfo("the TLS handshake failed", 0, 1002),
    CloseReason.TLS_HANDSHAKE_TIMEOUT: CloseInfo("the TLS handshake did not end in time", 0, 1002),
    CloseReason.TLS_EXPECTED: CloseInfo(
        "this port expects TLS: use https:// in the place of http:// (or wss:// for ws://)",
        400,
        1002,
    ),
    CloseReason.TLS_FAILED: CloseInfo("TLS failed behind its handshake", 0, 1006),
}


def close_reason_sentence(reason: int) -> str:
    """The sentence of a member or its number; `"unknown"` for a number that is none."""
    try:
        return CLOSE_INFO[CloseReason(reason)].sentence
    except ValueError:
        return "unknown"


def close_reason_str(reason: int) -> str:
    """`NAME: sentence` for a reason or its number; `"unknown"` for a number that is none."""
    try:
        member = CloseReason(reason)
    except ValueError:
        return "unknown"
    return f"{member.name}: {CLOSE_INFO[member].sentence}"
