"""One connection of a WebSocket: the handshake, and then the value of the core with its line.

Theory: a connection is an upgrade that a `Client` sends, and if that is accepted, a
`ClientWebSocket`, which only this object replaces. What happens to the line becomes calls of the
core's functions, and what these put out is sent, or reported.

Rules: it is a protocol that takes a connection over (`takeover`). What the program sends while it
is called for what was received leaves together, behind it. The end is reported once. While the
program does not take what was received the line is not read, and nothing is late. It does not know
what the program is, nor that there may be another connection after this one.
"""

import os
from typing import NamedTuple, Protocol

from ...core.client.failures import Failure
from ...core.client.responses import ResponseHead
from ...core.client.uri import Uri
from ...core.client.websocket import (
    ClientWebSocket,
    Ended,
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
    lacking_len,
    make_client_websocket,
    next_deadline,
    on_time,
    open_message,
    ping,
    receive,
    resumed,
    send_messages,
)
from ...core.client.websocket_handshake import (
    KEY_BYTES,
    RefusedUpgrade,
    UpgradeOffer,
    check_upgrade_response,
    make_key,
    upgrade_fields,
)
from ...core.client.websocket_limits import WebSocketLimits
from ...core.client.websocket_masks import SEED_LEN
from ...core.close_reasons import CloseReason
from ...core.http.headers import Headers, Pairs
from ...core.parse_result import Malformed, malformed
from ...core.send_status import SendStatus
from ...core.tls import Tls
from ...core.websocket.fragments import CompressedMessage, Message
from ...core.websocket.messages import Pong
from ..loop.clock import read_clock
from ..program.deferred import Deferred
from .client import Client
from .errors import ProtocolError
from .response import ClientResponse
from .takeover import Line
from .websocket_errors import MessageTooLarge, WebSocketClosed, WebSocketRefused

LOST = 1006
BUSY = 1013
GIVEN_UP = 4008
"""The code for a server from which nothing is received, as the browser's client has it."""
BUSY_STATUSES = frozenset((429, 503))
"""Answers of a server that wants to be asked later."""


def clock() -> float:
    """The time now."""
    return read_clock().now


class Ending(NamedTuple):
    """How a connection has ended: its code and reason; `error` if it was not with close frames, and
    `is_refused` if the server has no WebSocket there.
    """

    code: int
    reason: str
    error: BaseException | None = None
    is_refused: bool = False


def error_of(url: str, ended: Ended) -> WebSocketClosed | None:
    """What a WebSocket at this address has failed with; None if it ended with close frames."""
    if ended.error is None:
        return None
    is_too_large = ended.error.reason is CloseReason.WS_OVERSIZE_FRAME
    kind = MessageTooLarge if is_too_large else WebSocketClosed
    return kind(ended.code, ended.reason, f"{url}: {ended.error.message}")


class Observer(Protocol):
    """Whose connection it is."""

    def connected(self, connection: "WebSocketConnection") -> None:
        """The handshake was accepted."""

    def received(
        self, connection: "WebSocketConnection", message: Message | CompressedMessage
    ) -> None:
        """A message was received."""

    def ponged(self, connection: "WebSocketConnection", payload: bytes) -> None:
        """A pong was received."""

    def drained(self, connection: "WebSocketConnection") -> None:
        """All that was sent was taken, which was not so before."""

    def ended(self, connection: "WebSocketConnection", ending: Ending) -> None:
        """The WebSocket is over."""

    def gone(self, connection: "WebSocketConnection") -> None:
        """There is no connection any more, perhaps some time after the end of the WebSocket."""


class WebSocketConnection:
    """An attempt, and what comes of it."""

    __slots__ = (
        "_deferred",
        "_is_corked",
        "_is_reading",
        "_known_deadline",
        "_line",
        "_observer",
        "_offer",
        "_url",
        "has_connected",
        "head",
        "is_gone",
        "is_over",
        "limits",
        "subprotocol",
        "tls",
        "was_given_up",
        "websocket",
    )  # fmt: skip

    def __init__(self, observer: Observer, limits: WebSocketLimits) -> None:
        self._observer = observer
        self.limits = limits
        self._offer: UpgradeOffer | None = None
        self._deferred: Deferred | None = None
        self._line: Line | None = None
        self._url = ""
        self._is_corked = False
        self._is_reading = True
        self._known_deadline: float | None = None
        self.websocket: ClientWebSocket | None = None
        self.head: ResponseHead | None = None
        self.subprotocol: str | None = None
        self.tls: Tls | None = None
        self.has_connected = False
        self.was_given_up = False
        self.is_over = False
        """Its end was reported."""
        self.is_gone = False
        """There is no connection any more."""

    # -- the handshake -----------------------------------------------------------------------------

    def start(
        self,
        client: Client,
        uri: Uri,
        subprotocols: tuple[str, ...],
        offers_deflate: bool,
        origin: str | None,
        headers: Pairs,
        options: dict[str, object],
    ) -> None:
        """Send the handshake."""
        offer = UpgradeOffer(make_key(os.urandom(KEY_BYTES)), subprotocols, offers_deflate)
        self._offer, self._url = offer, uri.shown
        fields = upgrade_fields(offer, origin, headers)[2:]  # the client has the first two
        self._deferred = client.upgrade(uri, fields, "websocket", self, **options)
        self._deferred.when_resolved(self._answered)

    def _answered(self, result: object) -> None:
        """The handshake has failed, or the server has not switched protocols."""
        if result is self or self.is_over:
            return
        self.is_gone = True
        if isinstance(result, ClientResponse):
            message = f"{self._url}: the server answered {result.status} to a WebSocket handshake"
            self._refused(message, result.status, result.headers, result.body)
        elif isinstance(result, BaseException):
            self._end(Ending(LOST, "", result, is_refused=isinstance(result, ProtocolError)))

    def _refused(self, message: str, status: int, headers: Headers, body: bytes = b"") -> None:
        """The server has no WebSocket there, or not now."""
        error = WebSocketRefused(message, status, headers, body)
        if status in BUSY_STATUSES:
            self._end(Ending(BUSY, "", error))
        else:
            self._end(Ending(LOST, "", error, is_refused=status < 500))

    def begin(self, line: Line, head: ResponseHead, data: bytes, now: float, /) -> None:
        """The server has switched protocols: look whether it has done so rightly."""
        if self.is_over:  # it was given up meanwhile
            line.close()
            return
        assert self._offer is not None
        self._line = line
        accepted = check_upgrade_response(self._offer, head.status, head.headers)
        if isinstance(accepted, RefusedUpgrade):
            self._refused(f"{self._url}: {accepted.message}", accepted.status, head.headers)
            line.close()
            return
        self.head, self.tls, self.subprotocol = head, line.tls, accepted.subprotocol
        self.has_connected = True
        seed = os.urandom(SEED_LEN)
        self.websocket = make_client_websocket(seed, accepted.window_bits, self.limits, now)
        self._set_deadline()
        self._observer.connected(self)
        if data:
            self.receive(data, now)

    # -- what happens to the line ------------------------------------------------------------------

    def receive(self, data: bytes, now: float, /) -> None:
        """Bytes were received."""
        websocket = self.websocket
        if websocket is not None:
            self._is_corked = True
            try:
                self._perform(receive(websocket, data, now))
            finally:
                self._is_corked = False
                self.flush()
            if self.websocket is not None and self.websocket.end is not None:
                self._perform(apply_end(self.websocket, now))

    def blocked(self) -> None:
        """The kernel has not taken all that was sent."""
        if self.websocket is not None:
            self.websocket = blocked(self.websocket)

    def drained(self) -> None:
        """The kernel has taken all that was sent."""
        if self.websocket is not None:
            self._perform(drained(self.websocket))
            if not self.is_blocked and not self.is_over:
                self._observer.drained(self)

    def due(self, now: float, /) -> None:
        """The deadline has passed."""
        self._known_deadline = None
        if self.websocket is None:
            return
        if self._is_reading or self.is_over:
            self._perform(on_time(self.websocket, now))
        else:  # what may have come is not known
            self.websocket = resumed(self.websocket, now)
        self._set_deadline()

    def end(self, failure: Failure | None, /) -> None:
        """The connection has ended."""
        self.is_gone = True
        self._line = None
        websocket = self.websocket
        if websocket is not None and failure is None:
            self._perform(half_closed(websocket, clock()))
        elif websocket is not None and failure is not None:
            error = malformed(failure.message, CloseReason.PEER_RESET)
            self._perform(connection_lost(websocket, error, clock()))
        self._observer.gone(self)

    def _perform(self, step: Step) -> None:
        """Take the next value, and do what it has put out."""
        self.websocket, outputs = step
        for output in outputs:
            if isinstance(output, (str, bytes, CompressedMessage)):
                if self.is_over:
                    return
                self._observer.received(self, output)
            elif isinstance(output, Transmit):
                if self._line is not None:
                    self._line.send(*output.segments)
            elif isinstance(output, Ended):
                self._ended(output)
            elif isinstance(output, Pong):
                self._observer.ponged(self, output.payload)
            else:
                self._disconnect()

    def _ended(self, ended: Ended) -> None:
        """The WebSocket is over; its connection is left to the server to end."""
        self._set_deadline()
        self._end(Ending(ended.code, ended.reason, error_of(self._url, ended)))

    def _disconnect(self) -> None:
        """Close the connection."""
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def _end(self, ending: Ending) -> None:
        """Report the end, once."""
        if not self.is_over:
            self.is_over = True
            self._observer.ended(self, ending)

    def _set_deadline(self) -> None:
        """Be called at the next deadline: one that is too early is left as it is."""
        if self._line is None or self.websocket is None:
            return
        at = next_deadline(self.websocket)
        if self._known_deadline is None or at < self._known_deadline:
            self._known_deadline = at
            self._line.set_deadline(at)

    # -- what the program wants --------------------------------------------------------------------

    def send(self, message: Message) -> SendStatus:
        """Send a message; true unless it was dropped."""
        if self.websocket is None:
            return SendStatus.DROPPED
        self.websocket, statuses = send_messages(self.websocket, (message,))
        self.flush()
        return SendStatus.BACKPRESSURE if statuses[0] and self.is_blocked else statuses[0]

    def ping(self, payload: bytes) -> None:
        """Send a ping."""
        if self.websocket is not None:
            self.websocket = ping(self.websocket, payload)
            self.flush()

    def flush(self) -> None:
        """Send what waits, unless the program is called for what was received."""
        if self._is_corked or self.websocket is None:
            return
        if self.websocket.outgoing.queue or self.websocket.outgoing.pong:
            self._perform(flush(self.websocket))
            self._set_deadline()

    def open_message(self, message: CompressedMessage) -> Message | Malformed:
        """The message that was compressed."""
        assert self.websocket is not None
        return open_message(self.websocket, message)

    def fail(self, error: Malformed) -> None:
        """What was received is wrong."""
        if self.websocket is not None:
            self._perform(fail(self.websocket, error, clock()))
            self.flush()

    def set_reading(self, is_wanted: bool) -> None:
        """Read the line, or do not read it, from now on."""
        if is_wanted is self._is_reading or self._line is None or self.websocket is None:
            return
        self._is_reading = is_wanted
        self._line.set_reading(is_wanted)
        if is_wanted:
            self.websocket = resumed(self.websocket, clock())

    def close(self, code: int, reason: str) -> None:
        """Start the end; before there is a WebSocket, give it up."""
        if self.websocket is None:
            self._give_up(Ending(code, reason))
            return
        self.set_reading(True)  # the close frame is to be read
        self._perform(close(self.websocket, code, reason, clock()))
        self._set_deadline()

    def abandon(self, error: BaseException) -> None:
        """End at once, without waiting for the server."""
        self.was_given_up = True
        if self.websocket is None:
            self._give_up(Ending(LOST, "", error))
            return
        was_over, self.is_over = self.is_over, True
        if self._line is not None:
            self._perform(close(self.websocket, GIVEN_UP, str(error), clock()))
            self._disconnect()
        if not was_over:
            self._observer.ended(self, Ending(LOST, "", error))

    def _give_up(self, ending: Ending) -> None:
        """Nobody wants the answer to the handshake any more."""
        self.is_gone = True
        self._end(ending)
        if self._deferred is not None:
            self._deferred.cancel()

    def lacking_len(self) -> int:
        """Bytes that are still to come of a frame that is being read."""
        return 0 if self.websocket is None else lacking_len(self.websocket)

    @property
    def is_blocked(self) -> bool:
        """True if the kernel has not taken all that was sent."""
        return self.websocket is not None and self.websocket.outgoing.is_blocked

    @property
    def buffered_amount(self) -> int:
        """Bytes that were sent and not taken, at most."""
        return 0 if self.websocket is None else buffered_amount(self.websocket)
