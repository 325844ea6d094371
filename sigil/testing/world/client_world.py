"""A world with clients of ours on the other end: requests and WebSockets of the pure client's core,
over unreliable wires, with TLS as a cutting of bytes or without.

    from sigil.testing.world.client_world import ClientWorld

    ClientWorld(17).run()

Theory: both ends are the product, so whatever is between them (bytes cut anywhere, kernels that
take a part, connections that break, a server that is restarted behind its port) must not show:
a response is the right one or a failure, a message is the next one or a gap that says how many are
missing.

Rules: one seed decides everything. A quiet world damages nothing, and there nothing may fail. What
is not idempotent is handled once at most. When nothing happens any more, all has ended that began,
and nothing is held. It does not know how either end does that.
"""

from typing import Any

from ... import ALL_TOPICS
from ...core.client.effects import ClientEffect, GiveBody, GiveEnd, GiveFailure, GiveHead, PullBody
from ...core.client.events import ClientClosed, PieceMade, RequestMade
from ...core.client.failures import FailureKind
from ...core.client.limits import ClientLimits, Timeouts
from ...core.client.requests import CHUNKED, OutgoingRequest, RequestOptions, make_request
from ...core.client.uri import Uri, split_uri
from ...core.client.websocket_positions import Delivery, Fact, Gap
from ...core.conn import Conn, Peer
from ...core.effects import Log
from ...core.http.request import Request
from ...core.http.response import Response
from ...core.limits import Limits
from ...core.websocket.fragments import Message
from ...shell.callbacks import Callbacks
from ..server import MemoryServer
from .client_ends import ClientEnd, ClientsEnd
from .client_streams import StreamEnd
from .decisions import Decisions, Script
from .model import Violation
from .network import Behaviour, UnreliableKernel
from .simulation import Outcome, Simulation
from .tls_wire import TlsKernel, TlsWire
from .trace import Trace
from .traced_server import traced

TICK_SECONDS = (0.0, 0.001, 0.01, 0.3, 2.0)
ROOMS = (1_000, 5_000, 70_000, 10**6)
LAST_TICKS_MAX = 3_000
PATIENT: dict[str, Any] = {
    "tls_handshake_timeout": 900.0, "header_timeout": 900.0, "body_timeout": 900.0,
    "idle_timeout": 900.0, "stall_timeout": 900.0, "response_timeout": 900.0, "rate_grace": 900.0,
}  # fmt: skip
"""Timeouts of a server of a quiet world, where all that waits is the network's fault."""
TIMEOUTS = Timeouts(None, None, None, None, None, None, None)
EXPLAINED = frozenset(
    (
        FailureKind.RESOLVE, FailureKind.CONNECT, FailureKind.CLOSED, FailureKind.TLS,
        FailureKind.CLIENT_CLOSED, FailureKind.CANCELLED,
    )
)  # fmt: skip
"""What a request may fail with in a world that breaks connections: never with nonsense."""


class Asked:
    """A request: how it is to be answered, and what has come."""

    def __init__(self, method: str, status: int, body: bytes, pieces: tuple[bytes, ...]) -> None:
        self.method, self.status, self.body = method, status, body
        self.pieces, self.pulled = pieces, 0
        self.received = b""
        self.answered: int | None = None
        self.ends = 0


class ServerEnd(MemoryServer):
    """The server of a world of clients."""

    def __init__(
        self, world: "ClientWorld", limits: Limits, callbacks: Callbacks, kernel: UnreliableKernel
    ) -> None:
        super().__init__(world.handle, limits, callbacks, traced(world.trace, None), kernel)

    def shut_down(self) -> None:
        """Let coroutines clean up, because this server will not tick again."""
        self.set_spawn(None)
        self._loop.end()

    def _log_record(self, effect: Log) -> None:
        """Keep a record, without logging it."""
        self.log.append(effect)


class ClientWorld(Simulation):
    """One world; `run` runs it. With `keeps_lines`, `trace.lines` can be read afterwards."""

    kind = "clients"

    def __init__(self, seed: int, keeps_lines: bool = False, script: Script | None = None) -> None:
        self.seed = seed
        self.decisions = Decisions(seed, script, is_kept=False)
        self.rng = rng = self.decisions.of("world")
        self.trace = Trace(keeps_lines)
        self.is_secure = rng.random() < 0.6
        self.damage = rng.choice((0.0, 0.0, 0.05, 0.2))
        self.limits = Limits(
            history_messages=rng.choice((0, 4, 100)),
            outgoing_buffer_sz=rng.choice((2_000, 2_000, 2**20)),
            max_outbox_len=2**20,
            **({} if self.damage else PATIENT),
        )
        kernel = TlsKernel(rng) if self.is_secure else UnreliableKernel(rng)
        callbacks = Callbacks(ws_message=self._echo)  # type: ignore[arg-type]
        self.server = ServerEnd(self, self.limits, callbacks, kernel)  # type: ignore[assignment]
        self.kernel = kernel
        client_limits = ClientLimits(
            max_connections_per_origin=rng.randint(3, 6),
            max_idle_connections=rng.randint(0, 4),
            max_unread_len=10**9,
        )
        self.client = ClientEnd(client_limits, rng, self.trace, self._connect, self._take)
        self.asked: dict[int, Asked] = {}
        self.handled: dict[int, int] = {}
        self.streams: list[StreamEnd] = []
        self.published: list[Message] = []
        self.deliveries = self.gaps = 0
        self._next = 0
        self._is_quiet = False

    # -- the server's program ----------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        """The response to a request, which says what it is to be."""
        if request.is_upgrade:
            return Response.upgrade(topics=ALL_TOPICS)
        number, length = int(request.args["n"] or 0), int(request.args["length"] or 0)
        self.handled[number] = self.handled.get(number, 0) + 1
        body = body_of(number, length)
        match request.path:
            case "/moved":
                return Response.redirect(f"/whole?n={number}&length={length}", status=307)
            case "/pieces":
                return Response.stream(body[start : start + 700] for start in range(0, length, 700))
            case "/close":
                return Response.bytes(body, headers={"Connection": "close"})
            case "/echo":
                return Response.bytes(request.body)
        return Response.bytes(body)

    def _echo(self, server: MemoryServer, conn: Conn, message: Message) -> None:
        server.send(conn, message)

    # -- the clients' program ----------------------------------------------------------------------

    def _connect(self) -> ClientsEnd | None:
        """A wire to the server; None if nobody accepts it."""
        rng = self.rng
        if self.damage and not self._is_quiet and rng.random() < self.damage:
            return None
        cuts = 0.0 if self._is_quiet else rng.choice((0.0, 0.3, 0.6))
        behaviour = Behaviour(rng.choice(ROOMS), cuts, cuts)
        wire = TlsWire(Peer("192.0.2.1", 40_000 + self.client.connections), rng, behaviour)
        self.kernel.connect(wire)
        return ClientsEnd(wire, rng, rng.choice(ROOMS), cuts)

    def _number(self) -> int:
        self._next += 1
        return self._next - 1

    def _ask(self) -> None:
        """Make a request of some kind."""
        rng, number = self.rng, self._number()
        path = rng.choice(("/whole", "/whole", "/moved", "/pieces", "/close", "/echo"))
        method = rng.choice(("GET", "GET", "PUT", "POST", "HEAD"))
        length = rng.choice((0, 10, 3_000, 40_000))
        sent = body_of(number, rng.choice((0, 50, 30_000))) if method in ("PUT", "POST") else b""
        pieces = tuple(sent[start : start + 9_000] for start in range(0, len(sent), 9_000))
        is_pulled = bool(pieces) and rng.random() < 0.4
        body = sent if path == "/echo" else body_of(number, length)
        self.asked[number] = Asked(method, 200, b"" if method == "HEAD" else body, pieces)
        uri = self._uri(f"{path}?n={number}&length={length}")
        options = RequestOptions(TIMEOUTS)
        outgoing = make_request(
            method, uri, (), None if is_pulled else sent, rng.choice((CHUNKED, len(sent))), True,
            options,
        )  # fmt: skip
        assert isinstance(outgoing, OutgoingRequest), outgoing
        self.client.report(RequestMade(number, outgoing, number.to_bytes(32)))

    def _uri(self, target: str) -> Uri:
        uri = split_uri(f"{'https' if self.is_secure else 'http'}://127.0.0.1:80{target}")
        assert isinstance(uri, Uri)
        return uri

    def _take(self, effect: ClientEffect) -> None:
        """Take what the client's core has for its program."""
        if any(stream.takes(effect) for stream in self.streams):
            return
        if isinstance(effect, PullBody):
            self._pull(effect)
        elif isinstance(effect, GiveHead):
            self.asked[effect.request].answered = effect.head.status
        elif isinstance(effect, GiveBody):
            self.asked[effect.request].received += b"".join(effect.pieces)
        elif isinstance(effect, GiveEnd):
            self._check_response(effect.request)
        elif isinstance(effect, GiveFailure):
            self._check_failure(effect)

    def _pull(self, effect: PullBody) -> None:
        asked = self.asked[effect.request]
        if effect.is_first:
            asked.pulled = 0
        piece = asked.pieces[asked.pulled] if asked.pulled < len(asked.pieces) else b""
        asked.pulled += 1
        self.client.report(PieceMade(effect.request, piece))

    # -- the rules ---------------------------------------------------------------------------------

    def _check_response(self, number: int) -> None:
        asked = self.asked[number]
        asked.ends += 1
        if asked.ends > 1:
            raise Violation("once", f"request {number} has ended twice")
        if (asked.answered, asked.received) != (asked.status, asked.body):
            what = f"{asked.answered}, {len(asked.received)} bytes of {len(asked.body)}"
            raise Violation("response", f"request {number} was answered {what}")

    def _check_failure(self, effect: GiveFailure) -> None:
        asked = self.asked[effect.request]
        asked.ends += 1
        if asked.ends > 1:
            raise Violation("once", f"request {effect.request} has ended twice")
        kind = effect.failure.kind
        is_resolving = kind in (FailureKind.RESOLVE, FailureKind.CLIENT_CLOSED)
        if kind not in EXPLAINED or not (self.damage or is_resolving):
            raise Violation("failure", effect.failure.message)

    def _receive(self, stream: StreamEnd, fact: Fact) -> None:
        """Something has come over a stream: it must be what comes next."""
        before = number_of(stream.position)
        if isinstance(fact, Delivery) and fact.position is not None:
            self.deliveries += 1
            number = number_of(fact.position)
            if stream.position is not None and number != before + 1:
                raise Violation("order", f"{fact.position} behind {stream.position}")
            if self.published[number - 1] != fact.message:
                raise Violation("message", f"at {fact.position} came {fact.message!r:.60}")
        elif isinstance(fact, Gap):
            self.gaps += 1
            missed = number_of(fact.position) - number_of(fact.after)
            if fact.after != stream.position or fact.missed != missed:
                raise Violation("gap", f"{fact} at {stream.position}")
        elif not isinstance(fact, Delivery) and stream.position is not None:
            position = getattr(fact, "position", stream.position)
            if number_of(position) != before:
                raise Violation("order", f"{position} behind {stream.position}")

    def _check_bounds(self) -> None:
        """What must hold behind every turn."""
        agent, limits = self.client.agent, self.client.agent.limits
        if agent.idle_count > limits.max_idle_connections:
            raise Violation("pool", f"{agent.idle_count} connections are idle")
        counts = [pool.count for pool in agent.pools.values()]
        if max(counts, default=0) > limits.max_connections_per_origin or sum(counts) != len(
            agent.connections
        ):
            raise Violation("pool", f"pools of {counts}, {len(agent.connections)} connections")

    # -- the run -----------------------------------------------------------------------------------

    def _run(self) -> None:
        rng = self.rng
        for _ in range(rng.randint(0, 2)):
            stream = StreamEnd(self.client, self._uri("/live"), rng, self._number, self._receive)
            self.streams.append(stream)
            stream.start()
        for _ in range(rng.randint(10, 50)):
            self._act()
            self._tick(rng.choice(TICK_SECONDS))
        self._settle()

    def _act(self) -> None:
        """Something that happens of itself."""
        rng = self.rng
        if rng.random() < 0.5:
            self._ask()
        if rng.random() < 0.4:
            message = f"message {len(self.published)} " + "x" * rng.choice((0, 100, 1_500))
            before = self.server.position()
            self.server.broadcast(message)  # it may end who is far behind, and reach the others
            if self.server.position() != before:
                self.published.append(message)
        lines = list(self.client.lines.values())
        if self.damage and lines and rng.random() < self.damage:
            wire = rng.choice(lines).end.wire
            wire.has_reset = True
        for stream in self.streams:
            if stream.is_open and rng.random() < 0.1:
                stream.send("echo " + "y" * rng.choice((0, 300)))

    def _tick(self, seconds: float) -> None:
        """Let time pass, and both ends go on."""
        self.server.now += seconds
        self.server.tick()
        self.client.turn(self.server.now)
        for stream in self.streams:
            stream.on_time()
        self._check_bounds()

    def _settle(self) -> None:
        """Do no more harm, until all has ended that began; then close."""
        self._is_quiet = self.client.is_reliable = self.kernel.is_reliable = True
        for line in self.client.lines.values():
            line.end.stop_cutting()
        for _ in range(LAST_TICKS_MAX):
            if self._is_settled():
                break
            self._tick(0.05)
        else:
            waiting = [number for number, asked in self.asked.items() if not asked.ends]
            raise Violation("settled", f"{waiting} wait, streams {self._positions()}")
        self._check_sums()
        for stream in self.streams:
            stream.close()
        self._tick(0.01)
        self._tick(6.0)
        self._tick(6.0)
        self.client.report(ClientClosed("the world ends"))
        self._tick(0.01)
        if self.client.lines or self.client.agent.connections or self.client.agent.calls:
            raise Violation("held", f"{len(self.client.agent.connections)} connections are left")
        if not all(stream.is_closed for stream in self.streams):
            raise Violation("held", "a stream is not closed")

    def _is_settled(self) -> bool:
        has_ended = all(asked.ends for asked in self.asked.values())
        at = self.server.position()
        return has_ended and all(one.is_open and one.position == at for one in self.streams)

    def _positions(self) -> list[str | None]:
        return [*(stream.position for stream in self.streams), self.server.position()]

    def _check_sums(self) -> None:
        for number, asked in self.asked.items():
            count = self.handled.get(number, 0)
            if asked.method == "POST" and count > 2:  # a redirect is handled, and what it leads to
                raise Violation("twice", f"the POST {number} was handled {count} times")

    def outcome(self) -> Outcome:
        """What has happened so far."""
        answers = sum(asked.answered is not None for asked in self.asked.values())
        return Outcome(
            self.seed, self.trace.digest(), len(self.published), self.deliveries, self.gaps,
            self.client.connections, answers, self.server.now,
        )  # fmt: skip


def body_of(number: int, length: int) -> bytes:
    """A body of this length that no other request has."""
    return (b"%d," % number * (length // 2 + 1))[:length]


def number_of(position: str | None) -> int:
    """The number in a position; 0 for none."""
    return int((position or "0-0").partition("-")[2] or 0)
