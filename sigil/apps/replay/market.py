"""A small market in memory: a program that publishes prices, and clients that read at their pace.

Theory: what a ring, a laggard and an eviction are is seen at once where somebody reads too slowly,
and on a real network nobody does when one wants to show it. So here is a program with a loop, a
dozen clients of all kinds, and a network in memory, which all follow from one seed: the same seed
is the same afternoon, turn by turn.

Rules: one `Random(seed)` decides everything; time is the server's own and passes in steps. The
ring is small, so that something happens on it. Clients do what clients do: most read whatever
comes, some read little, some pause, some fall asleep for good, and come back when they were
evicted. It does not know how it is shown.
"""

import json
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

from sigil import CloseReason, Limits, Request, Response
from sigil.testing import Client, WebSocket

STEP_SECONDS = 0.1
STEPS = 300
CLIENTS = 14
TOPICS = ("gold", "tea", "rye")
LIMITS = Limits(
    outgoing_buffer_sz=1_500,
    max_ws_send_frame_cnt=96,
    max_outbox_len=200,
    max_ws_outbox_len=200,
    history_messages=4,
    stall_timeout=20.0,
    ws_ping_interval=5.0,
    ws_pong_timeout=4.0,
)
"""So small that a few seconds of prices go round."""


class Pace(NamedTuple):
    """How a client reads: it has a window of so many bytes (None: it reads at once), reads so many
    in a step, and in `naps` of all steps begins to read nothing for a while; from step `asleep` on
    it reads nothing any more.
    """

    window_len: int | None = None
    per_step: int = 0
    naps: float = 0.0
    asleep: int = STEPS


class Outcome(NamedTuple):
    """What has happened in a market."""

    seed: int
    turns: int
    seconds: float
    connections: int
    published: int
    requests: int
    evicted: int


class Visitor:
    """A client of the market: it comes, reads at its pace, and may leave or be evicted."""

    def __init__(self, client: Client, rng: Random, arrives: int) -> None:
        self._client = client
        self._rng = rng
        self._arrives = arrives
        self._pace = _draw_pace(rng)
        self._topics = rng.sample(TOPICS, rng.choice((1, 2, 3, 3)))
        self._skips = rng.random() < 0.2
        self._wakes = 0
        self._socket: WebSocket | None = None

    def act(self, step: int) -> None:
        """Do what it does in a step."""
        socket = self._socket
        if step < self._arrives:
            return
        if socket is None:
            self._come()
        elif socket.connection.is_closed:
            self._be_gone(step)
        else:
            self._read(socket, step)

    def _come(self) -> None:
        """Connect, and subscribe."""
        query = "&".join(f"topic={topic}" for topic in self._topics)
        slow = "&slow=skip" if self._skips else ""
        self._socket = self._client.websocket(f"/prices?{query}{slow}")
        self._socket.connection.wire.window_len = self._pace.window_len

    def _be_gone(self, step: int) -> None:
        """Come back later, and read faster."""
        assert self._socket is not None
        if self._socket.connection.reason is CloseReason.WS_CLIENT_TOO_SLOW:
            self._pace = self._pace._replace(per_step=400, asleep=STEPS)
        self._socket, self._arrives = None, step + self._rng.randint(5, 40)

    def _read(self, socket: WebSocket, step: int) -> None:
        """Read, or not; and now and then send something, or leave."""
        chance, pace = self._rng.random(), self._pace
        if chance < 0.012:
            socket.send(json.dumps({"buy": self._rng.choice(self._topics)}))
        elif chance < 0.0135:
            socket.close(1000, "good night")
        elif chance < 0.014:
            socket.connection.reset()
        if pace.window_len is None or step >= pace.asleep or step < self._wakes:
            return
        if self._rng.random() < pace.naps:
            self._wakes = step + self._rng.randint(8, 30)
        elif not socket.connection.is_closed:
            socket.read(self._rng.randint(0, 2 * pace.per_step))

    @property
    def wire(self) -> tuple[int, int, int] | None:
        """Its connection by name, and the bytes that it has not read, and that have not come."""
        if self._socket is None or self._socket.connection.is_closed:
            return None
        wire = self._socket.connection.wire
        return self._socket.handle.generation, len(wire.unread), len(wire.arrived)


def _draw_pace(rng: Random) -> Pace:
    """A pace, drawn at random: that of most is to read at once."""
    draw = rng.random()
    if draw < 0.5:
        return Pace()
    if draw < 0.72:
        return Pace(rng.randint(80, 300), rng.randint(4, 20))
    if draw < 0.88:
        return Pace(rng.randint(80, 300), 400, naps=0.04)
    return Pace(rng.randint(80, 200), 400, asleep=rng.randint(20, STEPS // 2))


class Market:
    """A market; `run` runs it, and `recording` is what happened."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._rng = Random(seed)
        self._prices = dict(zip(TOPICS, (1_812.0, 4.2, 310.0), strict=True))
        self._client = Client(self._handle, limits=LIMITS, raise_errors=False, keeps_turns=True)
        self._visitors = [
            Visitor(self._client, self._rng, self._rng.randint(0, 40)) for _ in range(CLIENTS)
        ]
        self.wires: dict[int, dict[int, tuple[int, int]]] = {}
        """By turn, for each connection that has any: the bytes that it has not read, and those that
        have not come to the server.
        """
        assert self._client.turns is not None
        self._client.turns.looks = self._look

    def _handle(self, request: Request) -> Response:
        """The prices: as they are now, or as they change."""
        if request.path == "/prices":
            topics = [value for name, value in request.arg_list if name == "topic"]
            slow = request.args.get("slow", "drop")
            return Response.upgrade(topics=topics, history=4, slow=slow)
        if request.path == "/":
            return Response.json(self._prices)
        return Response.error(404)

    def _look(self, turn: int) -> None:
        """Note what is on the wires behind a turn."""
        found = [visitor.wire for visitor in getattr(self, "_visitors", ())]
        self.wires[turn] = {
            name: (unread, coming)
            for name, unread, coming in filter(None, found)
            if unread or coming
        }

    def _messages(self) -> Iterator[tuple[str, str]]:
        """The prices that change in a step, each a topic and a message; sometimes many do."""
        many = self._rng.random() < 0.03
        for _ in range(self._rng.randint(8, 16) if many else self._rng.choice((0, 1, 1, 2))):
            topic = self._rng.choice(TOPICS)
            self._prices[topic] = round(self._prices[topic] * self._rng.uniform(0.99, 1.01), 2)
            yield topic, json.dumps({topic: self._prices[topic]})

    def run(self) -> Outcome:
        """Run the market to its end."""
        server = self._client.server
        with self._client:
            for step in range(STEPS):
                for visitor in self._visitors:
                    visitor.act(step)
                if self._rng.random() < 0.06:
                    self._client.get(self._rng.choice(("/", "/", "/tulips")))
                for topic, message in self._messages():
                    server.broadcast(message, topic=topic)
                self._client.advance(STEP_SECONDS)
        stats = self._client.stats()
        return Outcome(
            self.seed,
            len(self.recording().turns),
            round(server.now, 3),
            stats.accepted,
            self._client.state.broadcast.next_number,
            stats.requests,
            stats.closed.get(CloseReason.WS_CLIENT_TOO_SLOW.name, 0),
        )

    def recording(self) -> Any:
        """What happened, turn by turn."""
        return self._client.recording()
