"""A client that is behind is asked about, and dropped for what is said of it."""

from collections.abc import Sequence

from sigil.core.close_reasons import CloseReason
from sigil.core.connection.deadlines import Waiting, waiting_for
from sigil.core.effects import CallClose, Drop, Effect, ReadSendQueue
from sigil.core.events import InputRead, SendQueueRead, Stalled, Writable
from sigil.core.http.response import Response
from sigil.core.limits import Limits
from sigil.core.server import advance
from sigil.core.server.clock import next_deadline
from sigil.core.server.state import Server
from tests.support.core_driver import CONN, advance_by, answered, asked, at, client_of, same
from tests.support.requests import GET

LIMITS = Limits(stall_timeout=8.0, rate_grace=40.0, min_read_rate=100, idle_timeout=1_000.0)
LENGTH = 100_000


def stalled(limits: Limits = LIMITS) -> Server:
    """A server whose client has not taken a response of 100,000 bytes: the kernel has half."""
    response = answered(0, Response.bytes(bytes(LENGTH)))
    server, _ = advance_by(asked(GET, limits), response)
    server, _ = advance_by(server, Stalled(CONN, LENGTH // 2, (bytes(LENGTH // 2),)))
    assert waiting_for(client_of(server)) is Waiting.WRITE
    return server


def tick(server: Server, seconds: float) -> tuple[Server, list[Effect]]:
    """The server after a tick at this time, in which nothing came in."""
    return advance(server, [at(seconds), InputRead()])


def look(server: Server, seconds: float, held: int) -> tuple[Server, Sequence[Effect]]:
    """The server after it has asked at this time, and was told that so much is held."""
    server, effects = tick(server, seconds)
    assert same(effects, [ReadSendQueue(CONN)])
    return advance(server, [at(seconds), SendQueueRead(CONN, held), InputRead()])


def ended(effects: Sequence[Effect], reason: CloseReason) -> bool:
    """True if these effects are the end of the connection, for this reason."""
    return same(list(effects), [Drop(CONN), CallClose(CONN, reason)])


def test_who_reads_steadily_is_not_silent_though_no_room_is_reported() -> None:
    server, held = stalled(), 60_000
    for second in range(2, 120, 2):
        server, effects = look(server, float(second), held)
        assert effects == []
        held -= 1_000


def test_who_takes_nothing_is_dropped() -> None:
    server = stalled()
    for seconds in (2.0, 4.0, 6.0, 8.0):
        server, effects = look(server, seconds, 50_000)
        assert effects == []
    server, effects = look(server, 10.0, 50_000)
    assert ended(effects, CloseReason.WRITE_STALL), "eight seconds after the first answer"


def test_where_the_kernel_cannot_be_asked_silence_is_counted_from_its_beginning() -> None:
    server = stalled()
    for seconds in (2.0, 4.0, 6.0):
        server, effects = look(server, seconds, 0)
        assert effects == []
    server, effects = look(server, 8.0, 0)
    assert ended(effects, CloseReason.WRITE_STALL)


def test_who_takes_too_little_is_dropped_though_it_is_never_silent() -> None:
    server, held = look(stalled(), 2.0, 50_000)[0], 50_000
    for second in range(4, 100, 2):
        held -= 1
        server, effects = tick(server, float(second))
        if effects:
            server, effects = advance(server, [SendQueueRead(CONN, held)])
        if effects:
            break
    assert ended(effects, CloseReason.TOO_SLOW)
    assert 2 + 40 <= second <= 2 + 40 + 4


def test_it_is_asked_again_at_once_if_there_was_no_answer() -> None:
    server, effects = tick(stalled(), 2.0)
    assert same(effects, [ReadSendQueue(CONN)])
    deadline = next_deadline(server)
    assert deadline is not None and deadline <= 2.0
    assert same(tick(server, 2.1)[1], [ReadSendQueue(CONN)])


def test_an_answer_that_comes_when_all_was_taken_says_nothing() -> None:
    server, _ = tick(stalled(), 2.0)
    server, _ = advance(server, [at(2.1), Writable(CONN), InputRead()])
    assert waiting_for(client_of(server)) is Waiting.IDLE
    after, effects = advance(server, [SendQueueRead(CONN, 7)])
    assert effects == []
    assert same(client_of(after), client_of(server))
