"""One turn: when it waits and how long, what it says, what can be asked between two of them.

Theory: a host loop sees a server as one descriptor, one deadline and one function. If these three
are honest, the host never has to know that there are connections.
"""

import select
import threading
import time

import pytest

from sigil import Conn, HttpServer, Limits, Request, Response
from sigil.core.connection.client import Client
from sigil.shell.loop.sockets import FIRST_READ_LEN
from sigil.testing import Client as MemoryClient
from tests.support.requests import GET, UPGRADE
from tests.support.servers import PATIENCE, Raw, ask, hello, logged_by, pump, settle, ticking
from tests.support.websocket_client import frame


def is_readable(server: HttpServer, timeout: float = 0.0) -> bool:
    """What a host loop's select says."""
    return bool(select.select([server.fileno()], [], [], timeout)[0])


def test_a_tick_says_whether_there_was_anything_to_do() -> None:
    with ticking() as server:
        assert server.tick() is False
        with Raw(server) as client:
            assert server.tick(PATIENCE) is True  # the newcomer
            assert server.tick() is False
            client.send(GET)
            assert server.tick(PATIENCE) is True  # the request
            assert server.tick() is False
        assert server.tick(PATIENCE) is True  # the farewell
        assert server.tick() is False


def test_a_request_is_answered_in_the_tick_that_reads_it() -> None:
    with ticking() as server, Raw(server) as client:
        settle(server)
        client.send(GET * 10)
        assert server.tick(PATIENCE) is True
        client.poll()
        assert [answer.text for answer in client.answers(*["GET"] * 10)] == ["hello /"] * 10


def test_a_newcomer_is_answered_in_the_tick_that_accepts_it() -> None:
    with ticking() as server, Raw(server, GET) as first, Raw(server, GET * 2) as second:
        assert server.tick(PATIENCE) is True
        for client, count in ((first, 1), (second, 2)):
            client.poll()
            assert [answer.text for answer in client.answers(*["GET"] * count)] == [
                "hello /"
            ] * count


def test_a_newcomer_with_much_to_say_is_read_a_little_at_first_and_then_whole() -> None:
    body = bytes(3 * FIRST_READ_LEN)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
    with (
        ticking(lambda request: Response.text(str(len(request.body)))) as server,
        Raw(server, head + body) as client,
    ):
        assert server.tick(PATIENCE) is True
        (connection,) = server.state.slots.entries
        assert isinstance(connection, Client) and connection.bytes_in == FIRST_READ_LEN
        pump(server, client.answers, client)
        assert client.answers()[0].text == str(len(body))


def test_a_tick_waits_as_long_as_it_is_told_and_no_longer() -> None:
    with ticking() as server:
        before = time.monotonic()
        assert server.tick(0.1) is False
        assert 0.09 <= time.monotonic() - before < 1.0
        before = time.monotonic()
        assert server.tick(timeout=0.0) is False
        assert time.monotonic() - before < 0.09


def test_a_tick_without_a_timeout_waits_until_there_is_something() -> None:
    with ticking() as server, Raw(server, GET) as client:
        assert server.tick(None) is True
        server.stop()
        assert server.tick(None) is True
        assert client is not None


@pytest.mark.parametrize("timeout", [None, 10 * PATIENCE])
def test_a_tick_does_not_sleep_through_a_deadline(timeout: float | None) -> None:
    with ticking(limits=Limits(idle_timeout=0.1)) as server, Raw(server):
        assert server.tick(PATIENCE) is True
        too_late = threading.Timer(PATIENCE, server.stop, (0.0,))
        too_late.start()
        while not server.stats().closed:
            has_worked = server.tick(timeout)
        too_late.cancel()
        assert (server.stats().closed, has_worked) == ({"IDLE_TIMEOUT": 1}, True)


def test_a_tick_with_work_pending_polls_whatever_timeout_it_was_given() -> None:
    def endless(request: Request) -> Response:
        return Response.stream(b"" for _ in iter(int, 1))

    with ticking(endless) as server, Raw(server, GET):
        pump(server, lambda: server.stats().requests == 1)
        before = time.monotonic()
        for _ in range(5):
            assert server.next_deadline() is not None
            assert server.tick(PATIENCE) is True
        assert time.monotonic() - before < PATIENCE / 2


def test_a_stop_that_is_waiting_makes_the_tick_poll() -> None:
    with ticking() as server:
        server.stop()
        before = time.monotonic()
        assert server.tick(PATIENCE) is True
        assert time.monotonic() - before < PATIENCE / 2
        assert not server.running


def test_a_tick_inside_a_tick_is_refused_and_becomes_a_500() -> None:
    with ticking(lambda request: server.tick()) as server, logged_by("sigil.error") as lines:
        assert ask(server).status == 500
        assert "RuntimeError: tick() was called from within tick()" in lines[0]
        assert ask(server).status == 500
        assert server.tick() in (True, False)


def test_the_descriptor_is_readable_exactly_when_there_is_something_to_do() -> None:
    with ticking() as server:
        assert not is_readable(server)
        with Raw(server) as client:
            assert is_readable(server, PATIENCE)
            settle(server)
            assert not is_readable(server)
            client.send(GET)
            assert is_readable(server, PATIENCE)
            settle(server, client)
            assert not is_readable(server)
        assert is_readable(server, PATIENCE)
        settle(server)
        server.stop()
        assert is_readable(server)
        server.tick()
        assert not server.running


def test_a_host_loop_that_waits_on_the_descriptor_serves_a_conversation() -> None:
    with ticking() as server, Raw(server) as client:
        for count in range(1, 20):
            client.send(GET)
            while len(client.answers(*["GET"] * count)) < count:
                assert is_readable(server, PATIENCE)
                server.tick()
                client.poll()


def test_nothing_is_due_while_nobody_is_there() -> None:
    with ticking() as server:
        assert server.next_deadline() is None


def test_the_next_deadline_is_in_time_for_the_shortest_timeout_and_moves_on() -> None:
    limits = Limits(idle_timeout=0.3)
    with ticking(limits=limits) as server, Raw(server) as client:
        pump(server, lambda: len(server.clients()) == 1)
        accepted = time.monotonic()
        ticks = 0
        while not client.over:
            asked, at = time.monotonic(), server.next_deadline()
            assert at is not None
            assert at <= max(asked, accepted + 0.35), "the host would wake up too late"
            assert ticks < 100, "the host is woken again and again"
            server.tick(max(0.0, at - time.monotonic()))
            ticks += 1
            client.poll()
        assert time.monotonic() - accepted > 0.25
        assert server.next_deadline() is None


def test_a_stop_is_due_at_once_and_a_drain_at_its_deadline() -> None:
    with (
        ticking(lambda request: Response.bytes(bytes(2**25))) as server,
        Raw(server, GET, receive_buffer=4096),
    ):
        pump(server, lambda: server.stats().outbox_bytes > 0)
        server.stop(3.0)
        at = server.next_deadline()
        assert at is not None
        assert at <= time.monotonic()
        server.tick()
        at = server.next_deadline()
        assert at is not None
        assert at <= time.monotonic() + 3.0


def test_a_state_that_was_kept_does_not_change() -> None:
    with ticking() as server:
        states = [server.state]
        with Raw(server) as client:
            for _ in range(5):
                client.send(GET)
                settle(server, client)
                states.append(server.state)
        settle(server)
        states.append(server.state)
        pictures = [repr(state) for state in states]
        requests = [
            tuple(
                client.responded for client in state.slots.entries if hasattr(client, "responded")
            )
            for state in states
        ]
        assert requests == [(), (1,), (2,), (3,), (4,), (5,), ()]
        assert ask(server).status == 200
        assert [repr(state) for state in states] == pictures


def test_clients_are_the_handles_of_the_open_connections() -> None:
    with ticking() as server:
        assert server.clients() == ()
        with Raw(server), Raw(server):
            pump(server, lambda: len(server.clients()) == 2)
            assert server.clients() == (Conn(0, 0), Conn(1, 1))
        pump(server, lambda: not server.clients())
        with Raw(server):
            pump(server, lambda: len(server.clients()) == 1)
            assert server.clients()[0].generation == 2


def test_the_figures_of_a_known_conversation_are_exact() -> None:
    post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
    bad = b"nonsense\r\n\r\n"
    limits = Limits(max_connection_cnt=2, full_policy="503")
    with ticking(limits=limits) as server, Raw(server) as one, Raw(server) as two:
        pump(server, lambda: len(server.clients()) == 2)
        with Raw(server) as three:
            pump(server, lambda: three.over, three)
        one.send(GET + GET)
        settle(server, one)
        one.send(post)
        settle(server, one)
        two.send(bad)
        pump(server, lambda: two.over, two)
        two.close()
        settle(server)
        figures = server.stats()
        assert figures == figures._replace(
            clients=1,
            accepted=2,
            rejected=1,
            requests=3,
            bytes_in=2 * len(GET) + len(post) + len(bad),
            bytes_out=len(one.received) + len(two.received),
            outbox_bytes=0,
            closed={"BAD_REQUEST": 1},
        )
        assert 0 < figures.uptime_seconds < PATIENCE
        one.close()
        settle(server)
        assert server.stats().closed == {"BAD_REQUEST": 1, "PEER_CLOSED": 1}


def test_bytes_that_the_kernel_did_not_take_are_not_counted_as_sent() -> None:
    size = 2**25
    with (
        ticking(lambda request: Response.bytes(bytes(size))) as server,
        Raw(server, receive_buffer=4096) as client,
    ):
        client.reads = False
        client.send(GET)
        settle(server)
        figures = server.stats()
        assert figures.outbox_bytes > size // 2
        assert size < figures.bytes_out + figures.outbox_bytes < size + 1_000
        client.reads = True
        pump(
            server,
            lambda: len(client.received) >= size and server.stats().outbox_bytes == 0,
            client,
        )
        settle(server, client)
        assert server.stats().bytes_out == len(client.received)
        assert server.stats().outbox_bytes == 0


@pytest.mark.parametrize("clients", [1, 30])
def test_many_clients_are_served_by_one_thread_of_ticks(clients: int) -> None:
    with ticking(hello) as server:
        crowd = [Raw(server, GET * 5) for _ in range(clients)]
        pump(server, lambda: all(len(one.answers(*["GET"] * 5)) == 5 for one in crowd), *crowd)
        assert server.stats().requests == 5 * clients
        for one in crowd:
            one.close()


CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("before", "overhead"),
    [(CHUNKED, b"1\r\na\r\n"), (UPGRADE, frame(9)), (UPGRADE, frame(1, b"", fin=False))],
    ids=["chunks", "pings", "fragments"],
)
def test_senders_of_overhead_keep_nobody_from_their_turn(before: bytes, overhead: bytes) -> None:
    limits = Limits(max_read_len_per_tick=65_536)
    client = MemoryClient(
        lambda request: Response.upgrade() if request.is_upgrade else Response.text("hello"),
        limits=limits,
        raise_errors=False,
    )
    senders = [client.connect() for _ in range(30)]
    for sender in senders:
        sender.send(before)
    honest = client.connect()
    for sender in senders:
        sender.wire.arrived += overhead * (65_536 // len(overhead))
    for count in range(1, 4):
        honest.wire.arrived += GET
        read_before = client.server.kernel.bytes_read
        client.server.tick()
        assert client.server.kernel.bytes_read - read_before <= limits.max_read_len_per_tick
        assert len(honest.answers()) == count
