"""Two hundred clients that are as slow as they can be, at once: they cost themselves their
connections, nobody else.

Theory: whoever dribbles keeps a place without doing anything, so places are given for a time, and a
byte does not extend it, or not for long. That the others do not suffer is seen by one who asks all
the while.

Rules: the slow ones never close; they go on dribbling until they are thrown out. Lower bounds are
exact, for a deadline is never early. There are no upper ones: on a busy machine everything may take
longer, this test's own turn to ask or to dribble too, so whoever was silent for a second may have
been closed for that. It does not know how deadlines are kept.
"""

import socket
import time
from typing import NamedTuple

import pytest

from sigil import HttpServer, Limits
from tests.support.requests import GET
from tests.support.servers import PATIENCE, Raw, in_thread, make

CROWD = 200
TIMEOUT_SECONDS, LINGER_SECONDS = 1.0, 0.5
LIMITS = Limits(
    header_timeout=TIMEOUT_SECONDS,
    body_timeout=TIMEOUT_SECONDS,
    idle_timeout=TIMEOUT_SECONDS,
    linger_timeout=LINGER_SECONDS,
    rate_grace=TIMEOUT_SECONDS,
)
PAUSE_SECONDS = 0.05


class Slowness(NamedTuple):
    """What a slow client sends at once, what it dribbles byte by byte, what it is told, and the
    reasons for which it may end.
    """

    first: bytes
    dribble: bytes
    status: int
    reasons: set[str]


KINDS = {
    "head": Slowness(
        b"",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-Slow: and so on\r\n" * 100,
        408,
        {"HEADER_TIMEOUT"},
    ),
    "body": Slowness(
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n",
        b"b" * 4_999,
        408,
        {"TOO_SLOW", "BODY_TIMEOUT"},
    ),
    "chunks": Slowness(
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1\r\nb\r\n" * 900,
        408,
        {"TOO_SLOW", "BODY_TIMEOUT"},
    ),
    "line ends": Slowness(b"", b"\r\n" * 2_000, 0, {"IDLE_TIMEOUT"}),
    "nothing": Slowness(b"", b"", 0, {"IDLE_TIMEOUT"}),
}


class Good:
    """A client that asks and asks."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._sock: socket.socket | None = None
        self.answers = 0

    def ask(self) -> None:
        """Ask once, on a new connection every third time, or if the last one was idle for too long
        because this test had no turn.
        """
        if self._sock is not None and self.answers % 3 and self._is_answered(self._sock):
            return
        self.leave()
        self._sock = socket.create_connection(("127.0.0.1", self._server.port), PATIENCE)
        assert self._is_answered(self._sock), "the server closed the connection of the good client"

    def _is_answered(self, sock: socket.socket) -> bool:
        """True if a request on this connection is answered, False if the connection is over."""
        received = b""
        try:
            sock.sendall(GET)
            while not received.endswith(b"hello /"):
                data = sock.recv(65_536)
                if not data:
                    assert not received, "the answer to the good client was broken off"
                    return False
                received += data
        except ConnectionError:
            return False
        self.answers += 1
        return True

    def leave(self) -> None:
        """Close the connection."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None


@pytest.mark.parametrize("kind", KINDS)
def test_a_crowd_of_slow_clients_is_thrown_out_in_time_and_delays_nobody(kind: str) -> None:
    slowness = KINDS[kind]
    with in_thread(make(limits=LIMITS)) as server:
        good, started = Good(server), time.monotonic()
        crowd = [Raw(server, slowness.first + slowness.dribble[:1]) for _ in range(CROWD)]
        position, next_at = 1, started
        ends: dict[int, float] = {}
        while len(ends) < CROWD or len(server.clients()) > 1:
            now = time.monotonic()
            assert now < started + 6 * PATIENCE, f"{len(server.clients())} remain"
            good.ask()
            if now >= next_at and position < len(slowness.dribble):
                for client in crowd:
                    client.send(slowness.dribble[position : position + 1])
                position, next_at = position + 1, now + PAUSE_SECONDS
            for index, client in enumerate(crowd):
                client.poll()
                if client.over:
                    ends.setdefault(index, time.monotonic())
        closed = server.stats().closed
        good.leave()
        for client in crowd:
            statuses = [answer.status for answer in client.answers() if answer.is_whole]
            assert statuses == ([slowness.status] if slowness.status else [])
            client.close()
    assert min(ends.values()) - started >= TIMEOUT_SECONDS
    assert sum(closed[reason] for reason in slowness.reasons if reason in closed) >= CROWD
    assert set(closed) <= slowness.reasons | {"PEER_CLOSED", "IDLE_TIMEOUT"}
    assert good.answers > 3
