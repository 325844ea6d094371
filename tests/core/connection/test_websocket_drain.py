"""The program is told once when a client that was behind has taken all that it was sent."""

from sigil.core.broadcast.encoding import Encoding
from sigil.core.broadcast.entry import Subscription
from sigil.core.close_reasons import CloseReason
from sigil.core.connection.client_status import is_in_cohort, is_laggard
from sigil.core.effects import CallWsDrain, Effect, Send
from sigil.core.events import CloseRequested, FanOutStalled, Received, Stalled, Writable
from sigil.core.limits import Limits
from sigil.core.server.state import Server
from tests.support.core_driver import CONN, advance_by, client_of
from tests.support.core_websockets import FLUSH, bytes_to, close, open_websocket, received, sending
from tests.support.crowds import publishing

DRAINED = [CallWsDrain(CONN)]
EVERYTHING = Subscription(Encoding.PLAIN, frozenset())


def drains(effects: list[Effect]) -> list[Effect]:
    """What of these tells the program that a client has taken all."""
    return [effect for effect in effects if isinstance(effect, CallWsDrain)]


def sent_len(effects: list[Effect]) -> int:
    """The bytes that are sent to the client alone."""
    return sum(sum(map(len, effect.segments)) for effect in effects if isinstance(effect, Send))


def behind(limits: Limits | None = None, payload: bytes = b"abcdef") -> Server:
    """A server whose WebSocket has taken two bytes of a frame, and no more."""
    server, effects = advance_by(open_websocket(limits), sending(payload), FLUSH)
    whole = b"".join(next(effect for effect in effects if isinstance(effect, Send)).segments)
    return advance_by(server, Stalled(CONN, 2, (whole[2:],)))[0]


def test_who_was_behind_is_told_of_when_the_turn_in_which_it_took_all_is_over() -> None:
    server, effects = advance_by(behind(), Writable(CONN))
    assert drains(effects) == [] and sent_len(effects) == 6
    server, effects = advance_by(server, FLUSH)
    assert effects == DRAINED
    assert advance_by(server, FLUSH)[1] == []
    assert advance_by(server, Writable(CONN), FLUSH)[1] == []


def test_who_keeps_up_is_not_told_of() -> None:
    server, effects = advance_by(open_websocket(), sending("a"), publishing("b"), FLUSH)
    assert drains(effects) == []
    assert drains(advance_by(server, Writable(CONN), sending("c"), FLUSH)[1]) == []


def test_nobody_is_told_while_the_kernel_takes_only_a_part() -> None:
    server, _ = advance_by(behind(), Writable(CONN), Stalled(CONN, 3, (b"def",)))
    server, effects = advance_by(server, FLUSH)
    assert effects == []
    server, effects = advance_by(server, Writable(CONN), Stalled(CONN, 2, (b"f",)), FLUSH)
    assert drains(effects) == []
    assert drains(advance_by(server, Writable(CONN), FLUSH)[1]) == DRAINED


def test_each_time_that_it_was_behind_is_told_once() -> None:
    server = behind()
    for _ in range(3):
        server, effects = advance_by(server, Writable(CONN), FLUSH, FLUSH)
        assert drains(effects) == DRAINED
        server, effects = advance_by(server, sending("abcd"), FLUSH)
        assert drains(effects) == []
        server, _ = advance_by(server, Stalled(CONN, 2, (b"abcd",)))


def test_what_is_queued_meanwhile_is_owed_too() -> None:
    server, _ = advance_by(behind(), sending("more"), publishing("all"))
    server, effects = advance_by(server, Writable(CONN), FLUSH)
    assert drains(effects) == DRAINED
    assert bytes_to(CONN, effects) == b"abcdef\x81\x04more\x81\x03all"


def test_what_is_sent_in_the_turn_in_which_it_has_taken_all_does_not_delay_it() -> None:
    server, _ = advance_by(behind(), Writable(CONN))
    server, effects = advance_by(server, sending("next"), FLUSH)
    assert [type(effect) for effect in effects] == [Send, CallWsDrain]


def test_more_than_the_kernel_is_given_at_once_is_taken_before_anybody_is_told() -> None:
    server = behind(Limits(max_outbox_len=100))
    server, _ = advance_by(server, *[sending(b"x" * 90) for _ in range(5)])
    told = []
    for _ in range(12):
        before = client_of(server)
        server, effects = advance_by(server, Writable(CONN), FLUSH)
        told += drains(effects)
        if told:
            break
        assert before.outgoing.outbox or before.outgoing.is_full
    assert told == DRAINED
    assert not client_of(server).outgoing.is_full


def test_a_laggard_is_told_of_when_it_is_one_of_its_cohort_again() -> None:
    server, _ = advance_by(open_websocket(), publishing("abc"), FLUSH)
    server, _ = advance_by(server, FanOutStalled(CONN, 1, 0, 1, EVERYTHING))
    server, effects = advance_by(server, publishing("def"), FLUSH)
    assert is_laggard(client_of(server)) and drains(effects) == []
    server, effects = advance_by(server, Writable(CONN), FLUSH)
    assert drains(effects) == DRAINED and sent_len(effects) == 4 + 5
    assert is_in_cohort(client_of(server))


def test_a_websocket_that_ends_is_not_told_of() -> None:
    closing, _ = advance_by(behind(), CloseRequested(CONN, CloseReason.OK))
    server, effects = advance_by(closing, Writable(CONN), FLUSH)
    assert drains(effects) == [] and not server.unflushed
    server, effects = advance_by(behind(), Writable(CONN), CloseRequested(CONN, CloseReason.OK))
    server, more = advance_by(server, FLUSH)
    assert drains([*effects, *more]) == [] and not server.unflushed
    server, effects = advance_by(behind(), received(close()), Writable(CONN), FLUSH)
    assert drains(effects) == []


def test_replies_that_leave_at_once_do_not_hide_it() -> None:
    server, _ = advance_by(behind(), Writable(CONN))
    server, effects = advance_by(server, Received(CONN, b"\x89\x80abcd"), FLUSH)  # a ping
    assert drains(effects) == DRAINED
