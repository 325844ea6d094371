"""A WebSocket of ours in a world, which follows the stream of a server: it connects again by the
table, and goes on behind its position.

Theory: what `sigil.shell.client` does with sockets and alarms is done here with two pure folds, the
WebSocket and the table of reconnecting. What it receives is told as facts: a message with its
position, a position, a gap.

Rules: nothing but a close by the program ends it for good. It does not know what should come.
"""

from collections.abc import Callable
from math import inf
from random import Random

from ...core.client import websocket as fold
from ...core.client.effects import (
    ClientEffect,
    GiveEnd,
    GiveFailure,
    HandOver,
    TransferBlocked,
    TransferData,
    TransferDrained,
    TransferDue,
    TransferEnded,
)
from ...core.client.events import (
    CloseOrdered,
    DataOrdered,
    DeadlineOrdered,
    RequestAbandoned,
    RequestMade,
)
from ...core.client.failures import FailureKind
from ...core.client.limits import Timeouts
from ...core.client.requests import OutgoingRequest, RequestOptions, make_request
from ...core.client.uri import Uri
from ...core.client.websocket_handshake import (
    AcceptedUpgrade,
    UpgradeOffer,
    check_upgrade_response,
    make_key,
    upgrade_fields,
)
from ...core.client.websocket_limits import WebSocketLimits
from ...core.client.websocket_positions import Delivery, Fact, read_message, stream_target
from ...core.client.websocket_retry import (
    Abandon,
    Action,
    Backoff,
    Connect,
    End,
    Happening,
    Retry,
    StreamState,
    make_machine,
    next_step,
)
from ...core.close_reasons import CloseReason
from ...core.parse_result import Malformed, malformed
from ...core.websocket.fragments import CompressedMessage, Message
from .client_ends import ClientEnd

NO_TIMEOUTS = Timeouts(None, None, None, None, None, None, None)
LIMITS = WebSocketLimits(ping_interval=20.0, open_timeout=15.0)
BACKOFF = Backoff()


class StreamEnd:
    """A WebSocket at this address, whose requests have numbers from `first_request` on."""

    def __init__(
        self,
        client: ClientEnd,
        uri: Uri,
        rng: Random,
        next_request: Callable[[], int],
        receive: Callable[["StreamEnd", Fact], object],
    ) -> None:
        self._client, self._uri, self._rng = client, uri, rng
        self._next_request, self._receive = next_request, receive
        self._offers_deflate = rng.random() < 0.5
        self._machine = make_machine()
        self.position: str | None = None
        """Where it is in the stream; None before it has begun."""
        self._next_position: str | None = None
        self._offer: UpgradeOffer | None = None
        self._request = self._connection = -1
        self._websocket: fold.ClientWebSocket | None = None
        self._alarm = inf
        self._opened_at = 0.0
        self._is_over = True
        """There is no attempt under way."""
        self.attempts = self.echoes = 0

    @property
    def is_open(self) -> bool:
        """True while messages come."""
        return self._machine.state is StreamState.OPEN

    @property
    def is_closed(self) -> bool:
        """True when it is over for good."""
        return self._machine.state is StreamState.CLOSED

    def start(self) -> None:
        """Connect for the first time."""
        self._step(Happening("start"))

    def close(self) -> None:
        """Close it for good."""
        self._step(Happening("close", code=1000))

    def next_deadline(self) -> float | None:
        """When the table has something to do."""
        return None if self._alarm == inf else self._alarm

    def on_time(self) -> None:
        """An attempt is due, or one is late."""
        if self._alarm > self._client.agent.now:
            return
        self._alarm = inf
        is_waiting = self._machine.state is StreamState.WAITING
        self._step(Happening("due") if is_waiting else Happening("late", why="nothing came"))

    def send(self, message: Message) -> None:
        """Send a message."""
        if self._websocket is not None:
            self._websocket, _ = fold.send_messages(self._websocket, (message,))
            self._do(fold.flush(self._websocket))

    # -- the table ---------------------------------------------------------------------------------

    def _step(self, happening: Happening) -> None:
        self._machine, actions = next_step(self._machine, happening, BACKOFF)
        for action in actions:
            self._perform(action)

    def _perform(self, action: Action) -> None:
        now = self._client.agent.now
        if isinstance(action, Connect):
            self._alarm = now + LIMITS.open_timeout
            self._connect()
        elif isinstance(action, Retry):
            self._alarm = now + action.seconds
        elif isinstance(action, Abandon):
            self._give_up()
        elif isinstance(action, End):
            self._alarm = inf
            if action.has_connection and self._websocket is not None:
                self._do(fold.close(self._websocket, action.code, action.reason, now))
            elif action.has_connection:
                self._give_up()
            else:
                self._step(Happening("ended", code=action.code))

    def _connect(self) -> None:
        self.attempts += 1
        self._is_over = False
        self._next_position = None
        target = stream_target(self._uri.target, (), None, self.position or "")
        path, _, query = target.partition("?")
        self._offer = UpgradeOffer(make_key(self._bytes(16)), (), self._offers_deflate)
        fields = (
            ("Connection", "Upgrade"), ("Upgrade", "websocket"), *upgrade_fields(self._offer)[2:],
        )  # fmt: skip
        options = RequestOptions(NO_TIMEOUTS, False, retries=0, upgrade="websocket")
        uri = self._uri.replace(path=path, query=query)
        outgoing = make_request("GET", uri, fields, options=options)
        assert isinstance(outgoing, OutgoingRequest)
        self._request = self._next_request()
        self._client.report(RequestMade(self._request, outgoing, self._bytes(32)))

    def _bytes(self, count: int) -> bytes:
        return bytes(self._rng.randrange(256) for _ in range(count))

    def _give_up(self) -> None:
        """Let go of an attempt."""
        if self._connection >= 0:
            self._client.report(CloseOrdered(self._connection))
        else:
            kind = FailureKind.CANCELLED
            self._client.report(RequestAbandoned(self._request, kind, "nothing came"))
        self._ended(1006, was_given_up=True)

    def _ended(
        self, code: int, is_final: bool = False, was_given_up: bool = False, error: str = ""
    ) -> None:
        """An attempt is over, or a connection."""
        if self._is_over:
            return
        self._is_over, self._alarm = True, inf
        lived = self._client.agent.now - self._opened_at
        has_connected, self._websocket = self._websocket is not None, None
        self._step(
            Happening(
                "ended",
                code=code,
                error=error or None,
                is_final=is_final and not self._machine.has_opened,
                was_steady=self.is_open and lived >= BACKOFF.steady,
                has_connected=has_connected,
                was_given_up=was_given_up,
                random=self._rng.random(),
            )
        )

    # -- what the client's core says ---------------------------------------------------------------

    def takes(self, effect: ClientEffect) -> bool:
        """True if an effect is about this WebSocket, which has taken it."""
        if isinstance(effect, HandOver) and effect.request == self._request:
            self._begin(effect)
        elif isinstance(effect, GiveFailure) and effect.request == self._request:
            self._ended(1006, error=effect.failure.message)
        elif isinstance(effect, GiveEnd) and effect.request == self._request:
            self._ended(1013, error="no WebSocket there now")
        elif getattr(effect, "connection", -2) == self._connection:
            return self._transfer(effect)
        else:
            return getattr(effect, "request", -2) == self._request
        return True

    def _begin(self, effect: HandOver) -> None:
        """The server has switched protocols."""
        if self._is_over:
            self._client.report(CloseOrdered(effect.connection))
            return
        assert self._offer is not None
        self._connection, now = effect.connection, self._client.agent.now
        accepted = check_upgrade_response(self._offer, effect.head.status, effect.head.headers)
        assert isinstance(accepted, AcceptedUpgrade), accepted
        self._websocket = fold.make_client_websocket(
            self._bytes(32), accepted.window_bits, LIMITS, now
        )
        if effect.data:
            self._do(fold.receive(self._websocket, effect.data, now))

    def _transfer(self, effect: ClientEffect) -> bool:
        """Something has happened to the connection."""
        if isinstance(effect, TransferEnded):
            self._connection = -1
        websocket, now = self._websocket, self._client.agent.now
        if websocket is None:
            return True
        if isinstance(effect, TransferData):
            self._do(fold.receive(websocket, effect.data, now))
            if self._websocket is not None:
                self._do(fold.apply_end(self._websocket, now))
        elif isinstance(effect, TransferBlocked):
            self._websocket = fold.blocked(websocket)
        elif isinstance(effect, TransferDrained):
            self._do(fold.drained(websocket))
        elif isinstance(effect, TransferDue):
            self._do(fold.on_time(websocket, now))
        elif isinstance(effect, TransferEnded):
            if effect.failure is None:
                self._do(fold.half_closed(websocket, now))
            else:
                error = malformed(effect.failure.message, CloseReason.PEER_RESET)
                self._do(fold.connection_lost(websocket, error, now))
        return True

    def _do(self, step: fold.Step) -> None:
        """Take the next value, and do what it has put out."""
        self._websocket, outputs = step
        for output in outputs:
            if isinstance(output, str | bytes | CompressedMessage):
                self._message(output)
            elif isinstance(output, fold.Transmit):
                if self._connection >= 0:
                    self._client.report(DataOrdered(self._connection, output.segments))
            elif isinstance(output, fold.Ended):
                error = "" if output.error is None else output.error.message
                self._ended(output.code, error=error)
            elif isinstance(output, fold.Disconnect) and self._connection >= 0:
                self._client.report(CloseOrdered(self._connection))
        if self._websocket is not None and self._connection >= 0:
            at = fold.next_deadline(self._websocket)
            self._client.report(DeadlineOrdered(self._connection, at))

    def _message(self, message: Message | CompressedMessage) -> None:
        """A message has come."""
        if self._websocket is None or self._is_over:
            return
        if isinstance(message, CompressedMessage):
            opened = fold.open_message(self._websocket, message)
            assert not isinstance(opened, Malformed), opened
            message = opened
        if self._machine.state is StreamState.CONNECTING:
            self._alarm, self._opened_at = inf, self._client.agent.now
            self._step(Happening("opened"))
        self._next_position, fact = read_message(self._next_position, message)
        if fact is None:
            return
        self._receive(self, fact)
        if isinstance(fact, Delivery) and fact.position is None:
            self.echoes += 1
        position = getattr(fact, "position", None)
        if position is not None:
            self.position = position
