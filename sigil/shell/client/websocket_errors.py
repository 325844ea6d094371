"""What a WebSocket of a client may raise, besides what every request may.

Theory: an answer that opens no WebSocket is looked at by people: so the error has its status and
the beginning of its body, where servers say what they dislike. A WebSocket that is over has a code
and a reason.

Rules: all are `ClientError`. It does not know when they are raised.
"""

from ...core.http.headers import Headers
from .errors import ClientError, ConnectionClosed, ProtocolError

BODY_SHOWN_MAX = 200
"""Characters of a body that are part of the sentence."""


class WebSocketRefused(ProtocolError):
    """The server has answered the handshake with something else than a WebSocket: `status`,
    `headers`, and the first bytes of the `body`.
    """

    def __init__(self, message: str, status: int, headers: Headers, body: bytes = b"") -> None:
        text = body[: 4 * BODY_SHOWN_MAX].decode("utf-8", "replace")
        shown = " ".join(text.split())[:BODY_SHOWN_MAX]
        super().__init__(f"{message}: {shown}" if shown else message)
        self.status = status
        self.headers = headers
        self.body = body


class WebSocketClosed(ConnectionClosed):
    """The WebSocket is over, with this `code` and `reason`."""

    def __init__(self, code: int, reason: str, message: str = "") -> None:
        shown = message or reason
        super().__init__(f"closed with {code}: {shown}" if shown else f"closed with {code}")
        self.code = code
        self.reason = reason


class MessageTooLarge(WebSocketClosed):
    """The server has sent a message that is longer than `WebSocketLimits.max_message_len`. The
    WebSocket is over for good: whoever comes back to the same position is sent it again.
    """


class WebSocketTimeout(ClientError, TimeoutError):
    """What was waited for did not come in time."""
