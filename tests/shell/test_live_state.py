"""Live state over real sockets: one that reads slowly sees the newest, and the others notice
nothing.

Theory: what a slow reader sees is as old as what waits for it, in the kernels and in the server. So
ages are counted in ticks, of which the stream has sixty a second, and a reader of so many bytes a
second takes a sixtieth of them in each: no clock is looked at, and nothing waits.

Rules: a state begins with its number. The age of one is that at which all of it has come. At full
length, a minute and 50 others, it is `python -m tests.shell.test_live_state`.
"""

from collections.abc import Iterator

from sigil import HttpServer, Limits, Request, Response
from sigil.core.send_status import SendStatus
from tests.support.servers import pump, ticking
from tests.support.websocket_client import WebSocketClient

PER_SECOND = 60
DIGITS = 8


def upgrade(request: Request) -> Response:
    """A WebSocket that is sent the states."""
    return Response.upgrade(topics=["state"])


class Viewer:
    """A client that takes up to so many bytes in each tick, or all (None), and keeps the numbers of
    the states of which all has come.
    """

    def __init__(self, server: HttpServer, length: int, per_tick: int | None = None) -> None:
        self.client = WebSocketClient(server, receive_buffer=0 if per_tick is None else 8_192)
        pump(server, lambda: self.client.is_open, self.client)
        self.numbers: list[int] = []
        self._per_tick = per_tick
        self._header_len = 4 if length < 65_536 else 10
        self._frame_len = self._header_len + length
        self._rest = b""

    def take(self) -> int:
        """Read what it reads in one tick; how many bytes that was."""
        most, taken = self._per_tick or 2**20, 0
        while taken < most:
            try:
                data = self.client.sock.recv(most - taken)
            except BlockingIOError:
                break
            assert data, "the server has closed it"
            taken += len(data)
            self._rest += data
        while len(self._rest) >= self._frame_len:
            assert self._rest[0] == 0x82, "torn"
            self.numbers.append(int(self._rest[self._header_len :][:DIGITS]))
            self._rest = self._rest[self._frame_len :]
        return taken


def ages(server: HttpServer, viewers: list[Viewer], ticks: int, length: int) -> Iterator[int]:
    """How many ticks old each state is when all of it has come to the first of these viewers."""
    slow = viewers[0]
    for number in range(1, ticks + 1):
        state = b"%0*d" % (DIGITS, number) + b"x" * (length - DIGITS)
        status = server.broadcast(state, topic="state", latest=True)
        assert status is not SendStatus.DROPPED
        server.tick(0)
        for viewer in viewers:
            count = len(viewer.numbers)
            viewer.take()
            if viewer is slow:
                yield from [number - seen for seen in viewer.numbers[count:]]


def watch(ticks: int, length: int, per_second: int, other_count: int) -> list[int]:
    """The ages of the states that a reader of so many bytes a second sees, beside others that read
    all; these must have received every state.
    """
    limits = Limits(tcp_notsent_lowat=4_096)
    with ticking(upgrade, limits) as server:
        slow = Viewer(server, length, per_second // PER_SECOND)
        others = [Viewer(server, length) for _ in range(other_count)]
        found = list(ages(server, [slow, *others], ticks, length))
        while any(len(other.numbers) < ticks for other in others):
            server.tick(0)
            for other in others:
                other.take()
        for other in others:
            assert other.numbers == list(range(1, ticks + 1))
        assert slow.numbers == sorted(set(slow.numbers))
        assert len(server.clients()) == 1 + other_count
        for viewer in (slow, *others):
            viewer.client.close()
        return found


def test_a_slow_reader_of_large_states_sees_none_that_is_older_than_three_seconds() -> None:
    """Fifteen seconds of 100 KB each, sixty a second, at 40 KB/s."""
    found = watch(15 * PER_SECOND, 100_000, 40_000, other_count=3)
    assert 4 <= len(found) <= 7  # one takes two and a half seconds
    assert max(found) <= 3 * PER_SECOND, [age / PER_SECOND for age in found]


def test_a_slow_reader_of_small_states_sees_none_that_is_older_than_the_kernel_is_long() -> None:
    found = watch(10 * PER_SECOND, 1_000, 20_000, other_count=3)
    late = found[len(found) // 2 :]
    assert max(late) <= 2 * PER_SECOND, [age / PER_SECOND for age in late]


if __name__ == "__main__":
    states = watch(60 * PER_SECOND, 100_000, 40_000, other_count=50)
    seconds = [round(age / PER_SECOND, 2) for age in states]
    print(
        f"{len(states)} states of 100 KB in a minute at 40 KB/s; the oldest is {max(seconds)} s old"
    )
