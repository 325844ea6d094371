"""Which limits a connection can have met when it ends for a reason.

Theory: a reason says what happened, and whoever reads it wants to know of which number it depends.
So every reason has the fields of `Limits` that decide about it, or none, if it is of the peer, of
the program or of the protocol alone.

Rules: every member of `CloseReason` has its row, and every name in it is a field of `Limits`; a
test compares them. It does not know how far a limit was exceeded.
"""

from collections.abc import Mapping
from typing import Final

from ..close_reasons import CloseReason

_RING: Final = ("outgoing_buffer_sz", "max_ws_send_frame_cnt", "max_ws_outbox_len")
_BODY: Final = ("max_body_len", "max_streamed_body_len")
_FRAME: Final = ("max_ws_recv_frame_len", "max_ws_message_len", "max_ws_streamed_len")

LIMITS_MET: Final[Mapping[CloseReason, tuple[str, ...]]] = {
    CloseReason.OK: (),
    CloseReason.EVICTED: ("max_connection_cnt", "max_ws_connection_cnt", "full_policy"),
    CloseReason.TOO_SLOW: (
        "rate_grace", "min_read_rate", "min_body_rate", "max_outbound_len", "max_inbound_len",
    ),
    CloseReason.EXPECTED_EOF: ("max_linger_len", "max_requests_per_connection"),
    CloseReason.PEER_RESET: (),
    CloseReason.LARGE_REQUEST: _BODY,
    CloseReason.BAD_REQUEST: ("max_chunk_line_len", "max_chunk_extension_len", "max_small_chunks"),
    CloseReason.MISSING_CONTENT_LENGTH_HEADER: (),
    CloseReason.UNKNOWN_METHOD: (),
    CloseReason.PATH_TOO_LONG: ("max_target_len",),
    CloseReason.WS_BAD_KEY: (),
    CloseReason.WS_UNEXPECTED_VERSION: (),
    CloseReason.WS_MISSING_KEY_HEADER: (),
    CloseReason.WS_MISSING_VERSION_HEADER: (),
    CloseReason.WS_BAD_MASK: (),
    CloseReason.WS_UNKNOWN_OPCODE: (),
    CloseReason.WS_OVERSIZE_FRAME: _FRAME,
    CloseReason.WS_CLIENT_TOO_SLOW: _RING,
    CloseReason.WS_MISSING_UPGRADE: (),
    CloseReason.WS_EXPECTED_CONT_OPCODE: (),
    CloseReason.WS_EXPECTED_TEXT_OPCODE: (),
    CloseReason.WS_CONTROL_FRAME_TOO_LARGE: (),
    CloseReason.UNSUPPORTED_TRANSFER_ENCODING: (),
    CloseReason.HEADER_TIMEOUT: ("header_timeout",),
    CloseReason.BODY_TIMEOUT: ("body_timeout",),
    CloseReason.IDLE_TIMEOUT: ("idle_timeout",),
    CloseReason.WRITE_STALL: ("stall_timeout",),
    CloseReason.WS_PEER_CLOSED: (),
    CloseReason.WS_BAD_RSV: (),
    CloseReason.WS_BAD_UTF8: (),
    CloseReason.WS_BAD_CLOSE_PAYLOAD: (),
    CloseReason.WS_FRAGMENTED_CONTROL: (),
    CloseReason.WS_NONMINIMAL_LENGTH: (),
    CloseReason.WS_PONG_TIMEOUT: ("ws_ping_interval", "ws_pong_timeout"),
    CloseReason.HANDLER_ERROR: (),
    CloseReason.SHUTDOWN: (),
    CloseReason.ORIGIN_REFUSED: ("origins",),
    CloseReason.BAD_HOST: (),
    CloseReason.VERSION: (),
    CloseReason.LARGE_HEADER: ("max_header_len", "max_headers", "max_trailer_len"),
    CloseReason.EXPECTATION: (),
    CloseReason.FULL: ("max_connection_cnt", "max_ws_connection_cnt", "full_policy"),
    CloseReason.PEER_CLOSED: (),
    CloseReason.ANSWER_TIMEOUT: ("response_timeout", "half_closed_timeout"),
    CloseReason.WS_BAD_COMPRESSION: (),
    CloseReason.WS_OVERHEAD: (
        "max_ws_small_fragments", "min_ws_fragment_len", "max_ws_control_frames_per_second",
    ),
    CloseReason.BAD_PROXY_HEADER: ("proxy_protocol",),
    CloseReason.PROGRAM_TIMEOUT: (),
    CloseReason.TLS_HANDSHAKE_FAILED: (),
    CloseReason.TLS_HANDSHAKE_TIMEOUT: ("tls_handshake_timeout",),
    CloseReason.TLS_EXPECTED: (),
    CloseReason.TLS_FAILED: (),
}  # fmt: skip
"""The fields of `Limits` that decide about each reason."""
