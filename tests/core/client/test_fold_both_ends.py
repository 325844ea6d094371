"""Both ends as values: the client's core and the server's, joined by bytes that are cut at random.

Theory: what one core orders to be sent is what the other one receives, in any pieces and at any
time. So a whole exchange of many requests is a loop of two folds; nothing is waited for, and what
comes out depends on the cuts in nothing.
"""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from sigil import Request, Response, testing
from sigil.core.client.effects import (
    CloseConnection,
    Connect,
    GiveBody,
    GiveEnd,
    GiveFailure,
    PullBody,
    SendData,
)
from sigil.core.client.events import (
    Connected,
    DataReceived,
    EndReceived,
    PieceMade,
)
from sigil.core.client.limits import ClientLimits
from sigil.core.client.requests import CHUNKED
from tests.support.core_agent import Driven, request_to


def app(request: Request) -> Response:
    """Answers of every framing."""
    match request.path:
        case "/moved":
            return Response.redirect("/echo?moved")
        case "/stream":
            return Response.stream(b"%d," % number for number in range(20))
        case "/close":
            return Response.text("closed", headers={"Connection": "close"})
    return Response.bytes(request.query.encode() + request.body)


class Joined:
    """A client's core and a server's, and the bytes between them."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.client = Driven(ClientLimits(max_connections_per_origin=2))
        self.server = testing.Client(app)
        self.lines: dict[int, tuple[object, list[bytes]]] = {}
        self.taken: dict[int, int] = {}
        self.wires: dict[int, object] = {}
        self.bodies: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.failures: list[str] = []
        self.pieces = {0: [b"a" * 50, b"b", b"c" * 9]}

    def take(self) -> None:
        """Carry out what the client has ordered last."""
        for effect in self.client.effects:
            match effect:
                case Connect():
                    self.wires[effect.connection] = self.server.connect()
                    self.taken[effect.connection] = 0
                    self.pending.append(Connected(effect.connection, effect.attempt))
                case SendData():
                    data = b"".join(bytes(segment) for segment in effect.segments)
                    self.send(effect.connection, data)
                case PullBody():
                    rest = self.pieces.setdefault(effect.request, [b"x" * 7, b"y"])
                    piece = rest.pop(0) if rest else b""
                    self.pending.append(PieceMade(effect.request, piece))
                case GiveBody():
                    old = self.bodies.get(effect.request, b"")
                    self.bodies[effect.request] = old + b"".join(effect.pieces)
                case GiveEnd():
                    self.ended.add(effect.request)
                case GiveFailure():
                    self.failures.append(effect.failure.message)
                case CloseConnection():
                    self.wires.pop(effect.connection, None)

    def send(self, number: int, data: bytes) -> None:
        """Send bytes to the server, in pieces of any length."""
        while data and number in self.wires:
            length = self.random.randint(1, len(data))
            self.wires[number].send(data[:length])  # type: ignore[attr-defined]
            data = data[length:]

    def receive(self) -> bool:
        """Let the client receive a piece of what the server has sent; False if there is none."""
        for number, wire in list(self.wires.items()):
            received: bytes = wire.received  # type: ignore[attr-defined]
            rest = received[self.taken[number] :]
            if rest:
                length = self.random.randint(1, len(rest))
                self.taken[number] += length
                self.client.tell(DataReceived(number, rest[:length]))
                return True
            if wire.has_ended:  # type: ignore[attr-defined]
                self.client.tell(EndReceived(number))
                return True
        return False

    pending: list[Connected | PieceMade]

    def run(self) -> None:
        """Go on until nothing happens."""
        self.pending = []
        self.take()
        while True:
            if self.pending:
                self.client.tell(self.pending.pop(0))
            elif not self.receive():
                return
            self.take()


@settings(max_examples=40)
@given(st.integers(0, 10**6))
def test_what_one_end_asks_the_other_answers_however_the_bytes_are_cut(seed: int) -> None:
    joined = Joined(seed)
    requests = [
        request_to("http://127.0.0.1/echo", "PUT", body=None, length=CHUNKED),
        request_to("http://127.0.0.1/echo?1"),
        request_to("http://127.0.0.1/moved", "POST", body=b"gone"),
        request_to("http://127.0.0.1/stream"),
        request_to("http://127.0.0.1/close"),
        request_to("http://127.0.0.1/echo", "POST", body=b"z" * 40_000),
        request_to("http://127.0.0.1/echo", "HEAD"),
    ]
    for request in requests:
        joined.client.ask(request)
        joined.run()
    joined.run()
    assert joined.failures == []
    assert joined.ended == set(range(len(requests)))
    assert joined.bodies == {
        0: b"a" * 50 + b"b" + b"c" * 9,
        1: b"1",
        2: b"moved",
        3: b"".join(b"%d," % number for number in range(20)),
        4: b"closed",
        5: b"z" * 40_000,
    }
    assert not joined.client.agent.calls
